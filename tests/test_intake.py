"""Input images inside of a submission: what becomes of good ones, bad ones, and of everybody else meanwhile."""

from __future__ import annotations

import asyncio
import io
import socket
import struct
import subprocess
import sys
import threading
import zlib
from base64 import b64encode
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
from image_specs import encoded
from live import IMAGE, RUNCOMFY, WAVESPEED, Live, MakeLive
from PIL import Image

from understudy.contracts.models import model_from_entry
from understudy.mockserver.images import Reference
from understudy.mockserver.intake import KEPT, Intake, Pictures, can_look_into
from understudy.mockserver.references import UnreadableReference
from understudy.mockserver.sizes import edit_sides

DONE = 2500
EDIT = "/api/v3/bytedance/seedream-v4.5/edit"
PRO_EDIT = "/api/v3/bytedance/seedream-v5.0-pro/edit"


def data_uri(data: bytes, media_type: str = "image/png") -> str:
    return f"data:{media_type};base64,{b64encode(data).decode()}"


def picture(width: int = 300, height: int = 200, colour: str = "orchid", name: str = "PNG", **options: Any) -> bytes:
    return encoded(Image.new("RGB", (width, height), colour), name, **options)


def bomb(side: int) -> bytes:
    """A PNG of that many pixels a side in a few bytes."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    rows = chunk(b"IDAT", zlib.compress(bytes(1000)))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + rows + chunk(b"IEND", b"")


def turned(orientation: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return picture(name="JPEG", exif=exif)


FRAMES = [Image.new("RGB", (64, 48), colour) for colour in ("red", "blue")]
GOOD = {
    "png": picture(),
    "jpeg": picture(name="JPEG"),
    "cmyk": encoded(Image.new("CMYK", (300, 200), (0, 90, 90, 0)), "JPEG"),
    "rotated": turned(6),
    "progressive": picture(name="JPEG", progressive=True),
    "animated png": encoded(FRAMES[0], "PNG", save_all=True, append_images=FRAMES[1:]),
}
ONLY_WAVESPEED = {
    "animated gif": encoded(FRAMES[0], "GIF", save_all=True, append_images=FRAMES[1:]),
    "animated webp": encoded(FRAMES[0], "WEBP", save_all=True, append_images=FRAMES[1:]),
    "bmp": picture(name="BMP"),
}
NOISE = Image.effect_noise((400, 300), 80).convert("RGB")
DAMAGED = {
    "truncated png": encoded(NOISE)[:20_000],
    "truncated jpeg": encoded(NOISE, "JPEG")[:10_000],
    "small bomb": bomb(5000),
    "header alone": picture()[:30],
}
BAD = DAMAGED | {
    "empty": b"",
    "text": b"no image at all",
    "svg": b"<svg xmlns='http://www.w3.org/2000/svg'/>",
    "one pixel": picture(1, 1),
    "bomb": bomb(20_000),
    "largest bomb": bomb(2**31 - 1),
}


def named(cases: dict[str, bytes]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("data", cases.values(), ids=cases.keys())


def result(live: Live, path: str, **inputs: Any) -> Any:
    """What a submission comes to, and the images' URLs."""
    answer = live.client.post(path, json=inputs).raise_for_status().json()
    live.advance(DONE)
    url = answer["data"]["urls"]["get"] if "data" in answer else answer["result_url"]
    body = live.client.get(url).raise_for_status().json()
    return body.get("data", body)


def pixels(url: str) -> bytes:
    with Image.open(io.BytesIO(httpx.get(url, trust_env=False).content)) as image:
        return image.convert("RGB").tobytes()


@named(GOOD | ONLY_WAVESPEED)
def test_wavespeed_takes_every_kind_of_image(live: Live, data: bytes) -> None:
    done = result(live, WAVESPEED, prompt="x", images=[data_uri(data)], size="1024*1024")
    plain = result(live, WAVESPEED, prompt="x", images=[IMAGE], size="1024*1024")

    assert "completed" == done["status"]
    assert pixels(done["outputs"][0]) != pixels(plain["outputs"][0])


@named(GOOD)
def test_runcomfy_takes_jpeg_and_png(live: Live, data: bytes) -> None:
    done = result(live, RUNCOMFY, text="x", images=[data_uri(data, "image/jpeg")])

    assert "succeeded" == done["status"]


@named(BAD)
def test_wavespeed_fails_a_job_whose_image_it_cannot_read(live: Live, data: bytes) -> None:
    failed = result(live, WAVESPEED, prompt="x", images=[IMAGE, data_uri(picture()), data_uri(data)])

    assert ("failed", 1402, "Failed to read the input media.", []) == (
        failed["status"],
        failed["code"],
        failed["error"],
        failed["outputs"],
    )


@pytest.mark.parametrize("text", ["data:image/png;base64,AAA", "data:image/png;base64", "DATA:,x", "data:;base64,ÄÖ"])
def test_wavespeed_fails_a_job_with_a_malformed_data_uri(live: Live, text: str) -> None:
    assert 1402 == result(live, WAVESPEED, prompt="x", images=[text])["code"]


@named(DAMAGED)
def test_runcomfy_fails_a_job_whose_image_has_a_good_header_and_is_damaged(live: Live, data: bytes) -> None:
    failed = result(live, RUNCOMFY, text="x", images=[data_uri(data)])

    assert ("failed", "An input image could not be read.") == (failed["status"], failed["error"])


@named({name: data for name, data in BAD.items() if name not in DAMAGED})
def test_runcomfy_refuses_what_its_rules_are_about(live: Live, data: bytes) -> None:
    answer = live.client.post(RUNCOMFY, json={"text": "x", "images": [data_uri(picture()), data_uri(data)]})

    assert (422, 422001) == (answer.status_code, answer.json()["error_code"])
    assert {("body", "images", 1)} == {tuple(problem["loc"]) for problem in answer.json()["detail"]}


def test_a_plain_url_is_never_fetched(live: Live) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0)
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/shoe.png"
        status = result(live, WAVESPEED, prompt="x", images=[url, live.origin + "/output/none.png"])["status"]
        with pytest.raises(BlockingIOError):
            listener.accept()

    assert "completed" == status


def test_the_images_show_what_was_sent(live: Live) -> None:
    uris = [data_uri(picture(colour=colour)) for colour in ("red", "lime")]
    two = result(live, WAVESPEED, prompt="x", images=[uris[0], IMAGE, uris[1]], size="1024*1024")
    url = two["outputs"][0]
    with Image.open(io.BytesIO(httpx.get(url, trust_env=False).content)) as image:
        colours = image.convert("RGB").getcolors(1 << 24) or []

    def share(wanted: tuple[int, ...]) -> int:
        return sum(
            count
            for count, colour in colours
            if isinstance(colour, tuple) and all(abs(a - b) < 40 for a, b in zip(colour, wanted, strict=True))
        )

    assert share((255, 0, 0)) > 1000
    assert share((0, 255, 0)) > 1000


def test_the_same_images_give_the_same_pixels_on_another_server(make_live: MakeLive) -> None:
    uri = data_uri(picture())
    answers = [
        httpx.get(result(make_live(), WAVESPEED, prompt="x", images=[uri])["outputs"][0], trust_env=False)
        for _ in range(2)
    ]

    assert answers[0].content == answers[1].content
    assert answers[0].headers["etag"] == answers[1].headers["etag"]


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        ((1000, 700), (1000, 700)),
        ((700, 1300), (700, 1300)),
        ((300, 200), (768, 512)),
        ((60, 60), (512, 512)),
        ((5000, 20), (8192, 512)),
    ],
)
def test_an_edit_without_a_size_follows_its_first_readable_image(
    live: Live, sent: tuple[int, int], expected: tuple[int, int]
) -> None:
    images = [IMAGE, data_uri(picture(*sent)), data_uri(picture(2000, 2000))]

    assert expected == size_of(result(live, EDIT, prompt="x", images=images))


def test_an_image_held_upright_counts_as_it_is_seen(live: Live) -> None:
    assert (600, 900) == size_of(result(live, EDIT, prompt="x", images=[data_uri(sideways())]))


def sideways() -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 8
    return picture(900, 600, name="JPEG", exif=exif)


@pytest.mark.parametrize(
    ("path", "inputs", "expected"),
    [
        (EDIT, {"size": "1024*2048"}, (1024, 2048)),
        (WAVESPEED, {}, (2048, 2048)),
        (WAVESPEED, {"size": "1280*1024"}, (1280, 1024)),
        (PRO_EDIT, {"resolution": "1k"}, (1248, 832)),
        (PRO_EDIT, {"aspect_ratio": "1:2", "resolution": "1k"}, (720, 1440)),
        ("/v1/models/bytedance/seedream-5.0-pro/image-to-image", {"aspect_ratio": "auto"}, (2512, 1664)),
        ("/v1/models/bytedance/seedream-5.0-pro/image-to-image", {}, (2048, 2048)),
        ("/v1/models/bytedance/seedream-4-5/edit", {}, (1536, 1024)),
    ],
)
def test_a_size_that_is_said_or_has_a_default_is_kept(
    live: Live, path: str, inputs: dict[str, str], expected: tuple[int, int]
) -> None:
    field = "image" if "image-to-image" in path else "images"

    done = result(live, path, **{"prompt": "x", field: [data_uri(picture())], **inputs})

    assert expected == size_of(done)


@pytest.mark.parametrize("images", [[IMAGE], ["https://example.com/" + "long" * 1000]])
def test_an_edit_whose_images_cannot_be_looked_into_has_the_usual_size(live: Live, images: list[str]) -> None:
    assert (2048, 2048) == size_of(result(live, EDIT, prompt="x", images=images))


def test_an_edit_follows_its_image_where_a_model_says_nothing_of_size() -> None:
    reference = Reference("0" * 64, 3000, 500, b"")
    for properties in ({"image": {"type": "string"}}, {"size": {"type": "string"}}):
        schema = {"type": "object", "properties": properties}
        model = model_from_entry("runcomfy", schema, model_id="own/model")

        assert (4096, 1024) == edit_sides(model, {}, reference)


def size_of(done: Any) -> tuple[int, int]:
    url = (done.get("outputs") or done["output"]["images"])[0]
    with Image.open(io.BytesIO(httpx.get(url, trust_env=False).content)) as image:
        return image.size


def test_others_are_answered_while_images_are_looked_into() -> None:
    """In the smallest form: whoever waits for a picture leaves the loop to the others."""
    begun, may_go = asyncio.Event(), threading.Event()

    async def scenario() -> list[Pictures]:
        loop = asyncio.get_running_loop()

        def read(data: bytes) -> Reference:
            loop.call_soon_threadsafe(begun.set)
            assert may_go.wait(timeout=30), "Nobody lets the reading go on."
            return Reference(sha256(data).hexdigest(), 15, 15, data)

        intake = Intake(read=read)
        waiting = asyncio.ensure_future(intake.look_into(["data:,a"], ["a"], ""))
        await begun.wait()
        nothing = await intake.look_into([IMAGE], [IMAGE], "")
        assert not waiting.done()
        may_go.set()
        pictures = await waiting
        intake.close()
        return [nothing, pictures]

    nothing, pictures = asyncio.run(scenario())

    assert Pictures((), True) == nothing
    assert [b"a"] == [reference.thumbnail for reference in pictures.readable]


def test_an_uploaded_file_is_looked_into_like_an_image_that_was_sent() -> None:
    files = {"http://here/media/a.png": b"good", "http://here/media/b.png": b"bad"}
    asked = []

    async def own_file(text: str, origin: str) -> bytes | None:
        asked.append((text, origin))
        return files.get(text)

    def read(data: bytes) -> Reference:
        if data == b"bad":
            raise UnreadableReference("not_an_image", "it is bad")
        return Reference(sha256(data).hexdigest(), 15, 15, data)

    async def scenario(*images: str) -> Pictures:
        intake = Intake(own_file, read)
        try:
            return await intake.look_into(images, images, "http://here")
        finally:
            intake.close()

    good, bad = files
    assert (b"good",) == tuple(one.thumbnail for one in asyncio.run(scenario(good, IMAGE)).readable)
    assert Pictures((), False) == asyncio.run(scenario(bad))
    assert [(good, "http://here"), (IMAGE, "http://here"), (bad, "http://here")] == asked
    assert can_look_into([IMAGE, good], "http://here")
    assert can_look_into([IMAGE, "blake2b:00"], "http://elsewhere")
    assert not can_look_into([IMAGE, good], "http://elsewhere")


def test_an_image_that_is_sent_again_is_not_read_again_as_long_as_it_is_kept() -> None:
    reads = []

    def read(data: bytes) -> Reference:
        reads.append(data)
        return Reference(sha256(data).hexdigest(), 15, 15, data)

    async def scenario(names: list[str]) -> None:
        intake = Intake(read=read)
        for name in names:
            await intake.look_into([f"data:,{name}"], [name], "")
        intake.close()

    asyncio.run(scenario(["first", "first", *map(str, range(KEPT)), "first"]))

    assert KEPT + 2 == len(reads)


def test_submissions_with_images_can_be_sent_side_by_side_and_one_behind_the_other(live: Live) -> None:
    body = {"prompt": "x", "images": [data_uri(picture(900, 900))]}
    with ThreadPoolExecutor(16) as pool:
        statuses = set(pool.map(lambda _: live.client.post(WAVESPEED, json=body).status_code, range(48)))
    assert {200} == statuses

    url = httpx.URL(live.origin)
    with socket.create_connection((url.host, url.port or 80)) as client:
        for text in (data_uri(picture(901, 900)), IMAGE):
            content = orjson.dumps({"prompt": "x", "images": [text]})
            closing = "Connection: close\r\n" if text == IMAGE else ""
            head = f"POST {WAVESPEED} HTTP/1.1\r\nHost: here\r\nAuthorization: Bearer key\r\n{closing}"
            client.sendall(f"{head}Content-Length: {len(content)}\r\n\r\n".encode() + content)
        answers = b"".join(iter(lambda: client.recv(65536), b""))
    assert 2 == answers.count(b"HTTP/1.1 200 OK\r\n")
    assert 1 == answers.count(b"connection: close")


def test_a_large_body_is_answered_as_a_small_one_is(live: Live) -> None:
    noise = data_uri(encoded(Image.effect_noise((900, 900), 99)))
    assert len(noise) > 600_000

    done = result(live, EDIT, prompt="x", images=[noise])
    wrong = live.client.post(EDIT, json={"images": [noise]})

    assert (900, 900) == size_of(done)
    assert (400, 'field "prompt" is required but missing; please provide it') == (
        wrong.status_code,
        wrong.json()["message"],
    )


MEMORY = """
import asyncio, sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
import httpx
from understudy.mockserver.app import create_app
from understudy.mockserver.server import running

def peak():
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM"))

path, *bodies = sys.argv[1:]
with running(create_app()) as origin:
    def submit(body):
        headers = {"Authorization": "Bearer key", "Content-Type": "application/json"}
        return httpx.post(origin + path, content=body, headers=headers, timeout=60, trust_env=False).status_code
    small, *large = (Path(body).read_bytes() for body in bodies)
    submit(small)
    before = peak()
    with ThreadPoolExecutor(12) as pool:
        statuses = set(pool.map(submit, large * 6))
    print(*statuses, peak() - before)
"""


def test_however_many_large_images_are_sent_only_two_are_unpacked_at_once(tmp_path: Path) -> None:
    """36 million pixels take 108 MB unpacked: a dozen at once would be more than a gigabyte."""
    large = [encoded(Image.new("RGB", (6000, 6000), colour)) for colour in ("red", "blue")]
    bodies = []
    for number, data in enumerate([picture(), *large, bomb(20_000)]):
        bodies.append(tmp_path / f"{number}.json")
        bodies[-1].write_bytes(orjson.dumps({"prompt": "x", "images": [data_uri(data)]}))

    out = subprocess.check_output([sys.executable, "-c", MEMORY, WAVESPEED, *map(str, bodies)], text=True)

    status, kilobytes = out.split()
    assert ("200", True) == (status, int(kilobytes) < 400_000), out
