"""`understudy sheet`: a set of images on one sheet, from wherever it is."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner, Result
from image_specs import encoded
from live import Live, MakeLive
from PIL import Image

from understudy.mockserver.cli import main
from understudy.mockserver.collecting import CollectError, collect
from understudy.mockserver.sheet import contact_sheet

DONE = 2500
WAVESPEED_ID = "0123456789abcdef" * 2
RUNCOMFY_ID = "01234567-89ab-4def-8123-456789abcdef"


def sheet(*arguments: str | Path, **environment: str) -> Result:
    clean = {"UNDERSTUDY_KEY": "", "UNDERSTUDY_BASE_URL": "", "no_proxy": "*"}
    return CliRunner().invoke(main, ["sheet", *map(str, arguments)], env={**clean, **environment})


def error_of(result: Result) -> str:
    assert result.exit_code == 1, result.output
    return result.stderr.removeprefix("Error: ").removesuffix("\n")


def test_both_providers_jobs_are_fetched_from_a_server(live: Live, tmp_path: Path) -> None:
    one, other = live.submit_wavespeed(max_images=3), live.submit_runcomfy()
    live.advance(DONE)
    urls = live.client.get(one["urls"]["get"]).json()["data"]["outputs"]
    urls += live.client.get(other["result_url"]).json()["output"]["images"]
    ids = [one["id"]] * 3 + [other["request_id"]] * 3
    labels = [f"{job_id[:8]} {index}/3" for job_id, index in zip(ids, (1, 2, 3, 1, 2, 3), strict=True)]
    expected = contact_sheet(
        [(label, httpx.get(url, trust_env=False).content) for label, url in zip(labels, urls, strict=True)]
    )

    file = tmp_path / "sheet.png"
    result = sheet(one["id"], other["request_id"], "-o", file, "--base-url", live.origin + "/", "--key", "key")

    assert (0, f"6 images on {file}\n") == (result.exit_code, result.stderr)
    assert expected == file.read_bytes()


def test_key_and_address_may_be_in_the_environment(live: Live, tmp_path: Path) -> None:
    job = live.submit_wavespeed()
    live.advance(DONE)
    file = tmp_path / "sheet.png"

    result = sheet(job["id"], "-o", file, UNDERSTUDY_KEY="key", UNDERSTUDY_BASE_URL=live.origin)

    assert result.exit_code == 0, result.output
    assert "PNG" == Image.open(io.BytesIO(file.read_bytes())).format


@pytest.mark.parametrize("single", ["images", "image"])
def test_a_single_image_is_found_in_whichever_form_it_has(make_live: MakeLive, tmp_path: Path, single: str) -> None:
    live = make_live(assume={"runcomfy.single_image": single})
    job = live.submit_runcomfy(sequential_image_generation_options=1)
    live.advance(DONE)

    result = sheet(job["request_id"], "-o", tmp_path / "x.png", "--base-url", live.origin, "--key", "key")

    assert f"1 images on {tmp_path / 'x.png'}\n" == result.stderr


def test_images_inside_of_the_answer_are_taken_from_there(live: Live, tmp_path: Path) -> None:
    job = live.submit_wavespeed(enable_base64_output=True)
    live.advance(DONE)

    result = sheet(job["id"], "-o", tmp_path / "x.png", "--base-url", live.origin, "--key", "key")

    assert f"1 images on {tmp_path / 'x.png'}\n" == result.stderr


def test_folders_files_and_addresses_go_together(live: Live, tmp_path: Path) -> None:
    folder = tmp_path / "set"
    folder.mkdir()
    red, blue, green = (encoded(Image.new("RGB", (64, 64), colour)) for colour in ("red", "blue", "green"))
    (folder / "b.PNG").write_bytes(blue)
    (folder / "a.png").write_bytes(red)
    (folder / "notes.txt").write_text("no image")
    (folder / "c.png").mkdir()
    (tmp_path / "one.png").write_bytes(green)
    job = live.submit_wavespeed()
    live.advance(DONE)
    url = live.client.get(job["urls"]["get"]).json()["data"]["outputs"][0]

    result = sheet(folder, tmp_path / "one.png", url, "-o", tmp_path / "sheet.png")

    assert result.exit_code == 0, result.output
    labelled = [("a.png", red), ("b.PNG", blue), ("one.png", green)]
    expected = [*labelled, (url.rpartition("/")[2], httpx.get(url, trust_env=False).content)]
    assert contact_sheet(expected) == (tmp_path / "sheet.png").read_bytes()


def test_what_is_no_source_is_told_what_would_be_one(tmp_path: Path) -> None:
    assert (
        "'nowhere' is no job's id, no folder, no file and no http(s) URL. A job's id has 32 hexadecimal digits "
        "(WaveSpeed), or 36 characters with dashes (RunComfy)."
    ) == error_of(sheet("nowhere", "-o", tmp_path / "x.png"))


def test_a_folder_without_images_is_told_so(tmp_path: Path) -> None:
    assert (
        f"There are no images in {tmp_path}: expected files that end in .bmp, .gif, .jpeg, .jpg, .png, .webp."
    ) == error_of(sheet(tmp_path, "-o", tmp_path / "x.png"))


def test_a_job_needs_a_key(tmp_path: Path) -> None:
    assert ("The images of a job are asked for with its API key: give --key, or set UNDERSTUDY_KEY.") == error_of(
        sheet(WAVESPEED_ID, "-o", tmp_path / "x.png")
    )


def test_a_job_that_is_not_done_says_where_it_stands(live: Live, tmp_path: Path) -> None:
    job_id = live.submit_wavespeed()["id"]

    assert f"The job {job_id} is created; try again when it has succeeded." == error_of(
        sheet(job_id, "-o", tmp_path / "x.png", "--base-url", live.origin, "--key", "key")
    )


def test_a_job_that_failed_says_why(make_live: MakeLive, tmp_path: Path) -> None:
    live = make_live(failure_rate=1.0)
    job_id = live.submit_runcomfy()["request_id"]
    live.advance(DONE)

    assert f"The job {job_id} is failed: Model run failed.; it has no images." == error_of(
        sheet(job_id, "-o", tmp_path / "x.png", "--base-url", live.origin, "--key", "key")
    )


def test_an_unknown_job_gets_the_providers_answer(live: Live, tmp_path: Path) -> None:
    url = f"{live.origin}/api/v3/predictions/{WAVESPEED_ID}/result"

    assert f'{url} was answered with 404: {{"code":404,"message":"Prediction not found."}}' == error_of(
        sheet(WAVESPEED_ID, "-o", tmp_path / "x.png", "--base-url", live.origin, "--key", "key")
    )


class Odd(BaseHTTPRequestHandler):
    """Answers as no provider does."""

    def do_GET(self) -> None:
        odd = {"/api": b"[]", "/v1": b'{"output": {"image": "*"}}', "/not": b"<html>"}
        body = next((body for path, body in odd.items() if self.path.startswith(path)), None)
        if body is None:
            self.wfile.write(b"nonsense\r\n\r\n")
            return
        self.send_response(200)
        self.end_headers()
        self.wfile.write(body)

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Says nothing."""


@pytest.fixture
def odd() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), Odd) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def test_what_is_no_server_of_ours_is_recognised(odd: str, tmp_path: Path) -> None:
    def error(source: str, base_url: str = odd) -> str:
        return error_of(sheet(source, "-o", tmp_path / "x.png", "--base-url", base_url, "--key", "key"))

    assert (f"The job {WAVESPEED_ID} is in no state that is known; try again when it has succeeded.") == error(
        WAVESPEED_ID
    )
    assert f"An output of the job {RUNCOMFY_ID} is neither a URL nor base64." == error(RUNCOMFY_ID)
    url = f"{odd}/not/api/v3/predictions/{WAVESPEED_ID}/result"
    assert f"{url} did not answer with JSON: is --base-url right?" == error(WAVESPEED_ID, odd + "/not")
    assert error(f"{odd}/x.png").startswith(f"{odd}/x.png cannot be fetched: ")
    assert error("http://127.0.0.1:1/x.png").startswith("http://127.0.0.1:1/x.png cannot be fetched: [Errno 111]")
    assert error("http://[").startswith("http://[ cannot be fetched: ")


def test_a_sheet_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(encoded(Image.new("RGB", (64, 64))))
    nowhere = tmp_path / "none" / "sheet.png"

    assert f"{nowhere} cannot be written: No such file or directory." == error_of(sheet(tmp_path, "-o", nowhere))


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="needs a file that not even root can read")
def test_a_file_that_cannot_be_read_says_so(tmp_path: Path) -> None:
    assert "/proc/self/mem cannot be read: Input/output error." == error_of(
        sheet("/proc/self/mem", "-o", tmp_path / "x.png")
    )


def test_an_answer_without_end_is_not_read_to_its_end(odd: str) -> None:
    images = collect((f"{odd}/not",), odd, None, most_bytes=5)

    with pytest.raises(CollectError, match=r"/not has more than 5 bytes\.$"):
        next(images)
