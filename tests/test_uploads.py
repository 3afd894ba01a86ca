"""Uploads: both ways in, their bounds, and the way out."""

import io
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import wavespeed
from PIL import Image
from talking import RUNCOMFY, WAVESPEED, Talk, conforms, talking

from understudy.mockserver.files import OVERHEAD, Shelf, StoredFile

PNG = b"\x89PNG\r\n\x1a\n" + bytes(1_226)
DAY = 86_400_000
MINUTE = 60_000


def ticket(talk: Talk, size: int = len(PNG), key: str = "key", **more: Any) -> Any:
    return talk.data("/media/uploads", {"filename": "shoe.png", "size": size, **more}, key=key)


def put(ticket: Any, content: bytes = PNG, headers: dict[str, str] | None = None) -> httpx.Response:
    upload = ticket["upload"]
    return httpx.put(upload["url"], content=content, headers={**upload["headers"], **(headers or {})})


def form(talk: Talk, file: Any, path: str = "/api/v3/media/upload/binary", key: str = "key") -> httpx.Response:
    return talk.client.post(path, files=file, headers={"Authorization": f"Bearer {key}"})


def test_the_official_client_uploads_and_runs_with_what_it_uploaded(tmp_path: Path) -> None:
    with talking(queue=0, run=0) as talk:
        Image.new("RGB", (64, 32), "red").save(tmp_path / "shoe.png")
        picture = (tmp_path / "shoe.png").read_bytes()
        client = wavespeed.Client(api_key="key", base_url=talk.origin)
        url = client.upload(str(tmp_path / "shoe.png"))
        assert url.startswith(talk.origin)
        fetched = httpx.get(url)
        assert (200, "image/png", picture) == (fetched.status_code, fetched.headers["content-type"], fetched.content)
        ran = client.run(WAVESPEED, {"prompt": "A shoe", "images": [url]}, poll_interval=0.01)
        assert 1 == len(ran["outputs"])


def test_an_uploaded_file_that_is_no_image_fails_the_job_that_uses_it() -> None:
    with talking(queue=0, run=0) as talk:
        client = wavespeed.Client(api_key="key", base_url=talk.origin)
        inputs = {"prompt": "A shoe", "images": [client.upload(io.BytesIO(b"text"))]}
        with pytest.raises(RuntimeError, match="Failed to read the input media"):
            client.run(WAVESPEED, inputs)


@pytest.mark.parametrize("name", ["{id}.png", "{id}.jpeg", "nothing.png"])
def test_an_upload_that_was_never_made_fails_the_job_that_uses_it(name: str) -> None:
    with talking(queue=0, run=0) as talk:
        url = ticket(talk)["download_url"]
        place, _, file = url.rpartition("/")
        inputs = {"prompt": "A shoe", "images": [f"{place}/{name.format(id=file.partition('.')[0])}"]}
        with pytest.raises(RuntimeError, match="Failed to read the input media"):
            wavespeed.Client(api_key="key", base_url=talk.origin).run(WAVESPEED, inputs)


def test_the_official_client_uploads_a_stream_without_a_name(talk: Talk) -> None:
    url = wavespeed.Client(api_key="key", base_url=talk.origin).upload(io.BytesIO(b"text"))
    assert (b"text", "application/octet-stream") == (httpx.get(url).content, httpx.get(url).headers["content-type"])


def test_an_uploaded_file_is_an_input_of_the_other_provider_too(talk: Talk) -> None:
    given = ticket(talk)
    put(given)
    body = {"text": "A shoe", "images": [given["download_url"]]}
    assert 200 == talk.call("POST", f"/v1/models/{RUNCOMFY}", body).status_code


def test_a_ticket_is_as_recorded(talk: Talk) -> None:
    assert [] == talk.replay("wavespeed", "uploads")
    body = talk.post("/api/v3/media/uploads", {"filename": "shoe.png", "size": 1234, "content_type": "image/png"})
    assert [] == conforms(body, "wavespeed", "uploads")


def test_a_form_is_answered_as_recorded_on_the_path_of_either_generation(talk: Talk) -> None:
    for path in ("/api/v3/media/upload/binary", "/api/v2/media/upload/binary"):
        answer = form(talk, {"file": ("shoe.png", PNG, "image/png")}, path)
        assert 200 == answer.status_code
        assert [] == talk.differs("wavespeed", "upload_binary", answer.json())
        assert [] == conforms(answer.json(), "wavespeed", "upload-binary")
        assert PNG == httpx.get(answer.json()["data"]["download_url"]).content


@pytest.mark.parametrize(
    ("name", "said", "kind", "media_type"),
    [
        ("shoe.png", None, "image", "image/png"),
        ("SHOE.JPG", None, "image", "image/jpeg"),
        ("walk.mp4", None, "video", "video/mp4"),
        ("steps.mp3", None, "audio", "audio/mpeg"),
        ("manual.pdf", None, "other", "application/pdf"),
        ("shoe", None, "other", "application/octet-stream"),
        ("shoe", "image/webp", "image", "image/webp"),
        ("manual.pdf", "Image/PNG", "image", "image/png"),
        ("shoe.png", "nonsense", "image", "image/png"),
        ("shoe.png", "image/png\r\nx: y", "image", "image/png"),
    ],
)
def test_the_kind_follows_from_what_is_said_or_else_from_the_name(
    talk: Talk, name: str, said: str | None, kind: str, media_type: str
) -> None:
    asked = {"filename": name, **({"content_type": said} if said else {})}
    given = ticket(talk, 0, **asked)
    assert (kind, media_type) == (given["type"], given["upload"]["headers"]["Content-Type"])
    assert 200 == put(given, b"").status_code
    assert media_type == httpx.get(given["download_url"]).headers["content-type"]


@pytest.mark.parametrize(
    ("name", "ending"),
    [
        ("shoe.PNG", ".png"),
        ("../../etc/passwd", ".bin"),
        ("a.b/c?d#e", ".bin"),
        (".png", ".bin"),
        ("x.averylongending", ".bin"),
        ("é.jpg", ".jpg"),
    ],
)
def test_a_file_is_called_by_its_id_and_an_ending(talk: Talk, name: str, ending: str) -> None:
    given = ticket(talk, 1, filename=name)
    last = given["download_url"].removeprefix(f"{talk.origin}/media/")
    assert (32, ending, name) == (len(last.removesuffix(ending)), ending, given["filename"])
    assert last.removesuffix(ending).isalnum()


def test_the_file_is_served_to_anyone_and_to_head_too(talk: Talk) -> None:
    given = ticket(talk)
    assert 404 == httpx.get(given["download_url"]).status_code
    answer = put(given)
    assert (200, b"") == (answer.status_code, answer.content)
    head = httpx.head(given["download_url"])
    assert (200, b"", str(len(PNG))) == (head.status_code, head.content, head.headers["content-length"])
    assert "sandbox" == httpx.get(given["download_url"]).headers["content-security-policy"]


def test_a_ticket_can_be_used_once(talk: Talk) -> None:
    given = ticket(talk)
    assert [200, 412] == [put(given).status_code, put(given).status_code]


@pytest.mark.parametrize(
    ("headers", "status"),
    [({"Content-Type": "image/jpeg"}, 403), ({"If-None-Match": '"x"'}, 403), ({"Authorization": "Bearer key"}, 400)],
)
def test_a_ticket_is_used_with_exactly_its_headers_and_without_a_token(
    talk: Talk, headers: dict[str, str], status: int
) -> None:
    given = ticket(talk)
    assert status == put(given, headers=headers).status_code
    assert 200 == put(given).status_code


def test_a_ticket_without_its_headers_is_of_no_use(talk: Talk) -> None:
    assert 403 == httpx.put(ticket(talk)["upload"]["url"], content=PNG).status_code


@pytest.mark.parametrize(("change", "status"), [(-1, 400), (0, 200), (1, 413)])
def test_a_ticket_is_for_as_many_bytes_as_were_announced(talk: Talk, change: int, status: int) -> None:
    assert status == put(ticket(talk), bytes(len(PNG) + change)).status_code


def test_a_body_in_pieces_is_counted_too(talk: Talk) -> None:
    given = ticket(talk, 200_000)
    upload = given["upload"]
    pieces = (bytes(100_000) for _ in range(3))
    assert 413 == httpx.put(upload["url"], content=pieces, headers=upload["headers"]).status_code
    pieces = (bytes(100_000) for _ in range(2))
    assert 200 == httpx.put(upload["url"], content=pieces, headers=upload["headers"]).status_code


def test_a_ticket_expires_at_the_instant_it_names(talk: Talk, key: str) -> None:
    early, late = ticket(talk, key=key), ticket(talk, key=key)
    assert "2026-01-01T00:15:00Z" == early["upload"]["expires_at"]
    talk.advance(15 * MINUTE - 1, key=key)
    assert 200 == put(early).status_code
    talk.advance(1, key=key)
    assert 403 == put(late).status_code


def test_a_file_is_there_for_seven_days_of_its_owners_clock(talk: Talk, key: str) -> None:
    given = ticket(talk, key=key)
    put(given)
    talk.advance(7 * DAY - 1, key=key)
    assert 200 == httpx.get(given["download_url"]).status_code
    talk.advance(1, key=key)
    assert 404 == httpx.get(given["download_url"]).status_code


@pytest.mark.parametrize("name", ["nothing.png", "0" * 32, "0" * 32 + ".png"])
def test_what_was_never_uploaded_is_not_found(talk: Talk, name: str) -> None:
    assert 404 == httpx.get(f"{talk.origin}/media/{name}").status_code
    assert 403 == httpx.put(f"{talk.origin}/upload/{name}", content=b"").status_code


def test_a_file_has_one_name_only(talk: Talk) -> None:
    given = ticket(talk)
    put(given)
    assert 404 == httpx.get(given["download_url"].replace(".png", ".html")).status_code


def test_uploads_repeat_with_the_seed_and_differ_within_it() -> None:
    names = []
    for _ in range(2):
        with talking() as talk:
            names.append([ticket(talk)["download_url"].removeprefix(talk.origin) for _ in range(2)])
    assert names[0] == names[1]
    assert 2 == len(set(names[0]))


@pytest.mark.parametrize(
    "body",
    [
        {"size": 1},
        {"filename": "a"},
        {"filename": "", "size": 1},
        {"filename": "a", "size": -1},
        {"filename": "a", "size": "1"},
        {"filename": "a" * 1_025, "size": 1},
        {"filename": "a", "size": 1, "content_type": "a/" + "b" * 255},
    ],
)
def test_a_ticket_needs_a_name_and_a_size(talk: Talk, body: object) -> None:
    assert 400 == talk.call("POST", "/api/v3/media/uploads", body).status_code


@pytest.mark.parametrize(
    ("content", "content_type"),
    [
        (b"", ""),
        (b"abc", "text/plain"),
        (b"abc", "multipart/form-data"),
        (b"abc", "multipart/form-data; boundary=x"),
        (b"file=abc", "application/x-www-form-urlencoded"),
        (b'--x\r\nContent-Disposition: form-data; name="file"\r\n\r\nabc\r\n--x--', "multipart/form-data; boundary=x"),
        (
            b'--x\r\nContent-Disposition: form-data; name="other"; filename="a"\r\n\r\nabc\r\n--x--',
            "multipart/form-data; boundary=x",
        ),
    ],
)
def test_a_form_without_a_file_is_refused(talk: Talk, content: bytes, content_type: str) -> None:
    headers = {"Authorization": "Bearer key", "Content-Type": content_type}
    answer = talk.client.post("/api/v3/media/upload/binary", content=content, headers=headers)
    text = 'field "file" is required but missing; please provide it'
    assert (400, {"code": 400, "message": text}) == (answer.status_code, answer.json())


def test_a_form_with_two_files_is_refused(talk: Talk) -> None:
    answer = form(talk, [("file", ("a", b"a")), ("file", ("b", b"b"))])
    text = 'field "file" must be exactly one file, got array with 2 items; please use the expected format'
    assert (400, {"code": 400, "message": text}) == (answer.status_code, answer.json())


def test_uploads_need_a_key(talk: Talk) -> None:
    for path in ("/api/v3/media/uploads", "/api/v3/media/upload/binary"):
        assert 401 == talk.client.post(path).status_code


def test_a_file_of_the_limit_is_taken_and_a_byte_more_is_not_either_way() -> None:
    with talking(upload_limit=100_000) as talk:
        text = "file must be at most 100000 bytes; please send a smaller file"
        assert 200 == form(talk, {"file": ("a.png", bytes(100_000))}).status_code
        answer = form(talk, {"file": ("a.png", bytes(100_001))})
        assert (413, {"code": 413, "message": text}) == (answer.status_code, answer.json())
        assert [] == talk.differs("wavespeed", "upload_binary-too_large", answer.json())
        assert 100_000 == ticket(talk, 100_000)["size"]
        refused = talk.call("POST", "/api/v3/media/uploads", {"filename": "a.png", "size": 100_001})
        assert (413, {"code": 413, "message": text}) == (refused.status_code, refused.json())


def test_a_form_that_is_far_too_long_is_refused_as_soon_as_that_is_known() -> None:
    with talking(upload_limit=1_000) as talk:
        announced = form(talk, {"file": ("a.png", bytes(1_000_000))})
        headers = {"Authorization": "Bearer key", "Content-Type": "multipart/form-data; boundary=x"}
        head = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
        pieces = itertools.chain([head], (bytes(50_000) for _ in range(4)))
        streamed = talk.client.post("/api/v3/media/upload/binary", content=pieces, headers=headers)
        assert [413, 413] == [announced.status_code, streamed.status_code]


@pytest.mark.parametrize(
    ("reading", "name", "limit"),
    [
        ("single", "a.png", 200_000_000),
        ("single", "a.mp4", 200_000_000),
        ("larger", "a.png", 300_000_000),
        ("larger", "a.mp4", 300_000_000),
        ("by-kind", "a.png", 20_000_000),
        ("by-kind", "a.mp4", 100_000_000),
        ("by-kind", "a.mp3", 50_000_000),
        ("by-kind", "a.pdf", 20_000_000),
    ],
)
def test_the_limit_is_one_for_all_or_one_for_each_kind(reading: str, name: str, limit: int) -> None:
    with talking(upload_store=limit + OVERHEAD, assume={"wavespeed.upload_limit": reading}) as talk:
        asked = [{"filename": name, "size": limit}, {"filename": name, "size": limit + 1}]
        answers = [talk.call("POST", "/api/v3/media/uploads", body).status_code for body in asked]
        assert [200, 413] == answers


@pytest.mark.parametrize(
    ("reading", "setting", "limit"),
    [
        ("single", 210_000_000, 210_000_000),
        ("larger", 210_000_000, 210_000_000),
        ("by-kind", 210_000_000, 20_000_000),
        ("by-kind", 1_000, 1_000),
    ],
)
def test_a_setting_takes_the_place_of_one_limit_for_all_and_bounds_those_of_each_kind(
    reading: str, setting: int, limit: int
) -> None:
    with talking(upload_limit=setting, assume={"wavespeed.upload_limit": reading}) as talk:
        asked = [{"filename": "a.png", "size": limit}, {"filename": "a.png", "size": limit + 1}]
        answers = [talk.call("POST", "/api/v3/media/uploads", body).status_code for body in asked]
        assert [200, 413] == answers


def test_a_file_that_could_not_be_kept_is_refused() -> None:
    with talking(upload_store=5_000 + OVERHEAD) as talk:
        answers = [form(talk, {"file": ("a", bytes(size))}).status_code for size in (5_000, 5_001)]
        assert [200, 413] == answers


def test_the_oldest_files_make_room_for_new_ones() -> None:
    with talking(upload_store=2 * (1_000 + OVERHEAD)) as talk:
        urls = [form(talk, {"file": ("a", bytes(1_000))}).json()["data"]["download_url"] for _ in range(2)]
        assert [200, 200] == [httpx.get(url).status_code for url in urls]
        urls.append(form(talk, {"file": ("a", bytes(1_000))}).json()["data"]["download_url"])
        assert [404, 200, 200] == [httpx.get(url).status_code for url in urls]
        given = ticket(talk, 1_000)
        assert [404, 404, 200] == [httpx.get(url).status_code for url in urls]
        assert 200 == put(given, bytes(1_000)).status_code
        assert [200, 200] == [httpx.get(url).status_code for url in (urls[2], given["download_url"])]


def test_places_that_nobody_fills_are_bounded_too() -> None:
    with talking(upload_store=3 * OVERHEAD) as talk:
        places = [ticket(talk, 10) for _ in range(4)]
        assert [403, 200] == [put(place, bytes(10)).status_code for place in (places[0], places[3])]


def test_what_is_only_announced_takes_no_room_from_other_tenants() -> None:
    with talking() as talk:
        url = form(talk, {"file": ("a", b"abc")}, key="one").json()["data"]["download_url"]
        for _ in range(2):
            ticket(talk, 200_000_000, key="two")
        assert 200 == httpx.get(url).status_code


def test_a_shelf_gives_a_place_its_data_once_and_none_that_has_gone() -> None:
    shelf = Shelf(2 * OVERHEAD + 6)
    for name in ("one", "two"):
        shelf.put(StoredFile(name, "tenant", name, "text/plain", 3, 0))
    assert [True, False] == [shelf.fill("one", b"abc"), shelf.fill("one", b"xyz")]
    shelf.put(StoredFile("three", "tenant", "three", "text/plain", 1, 0))
    assert [False, False] == [shelf.fill("two", b"abc"), shelf.fill("none", b"")]
    assert (None, "one") == (shelf.get("two"), getattr(shelf.get("one"), "name", None))


def test_of_two_uploads_with_one_ticket_the_first_that_is_whole_counts(talk: Talk) -> None:
    given = ticket(talk, 6)
    upload = given["upload"]

    def slowly() -> Iterator[bytes]:
        yield b"abc"
        assert 200 == put(given, b"uvwxyz").status_code
        yield b"def"

    assert 412 == httpx.put(upload["url"], content=slowly(), headers=upload["headers"]).status_code
    assert b"uvwxyz" == httpx.get(given["download_url"]).content


def test_whoever_hangs_up_in_the_middle_may_try_again(talk: Talk) -> None:
    given = ticket(talk, 6)
    upload = given["upload"]

    def broken() -> Iterator[bytes]:
        yield b"abc"
        raise ConnectionError

    with pytest.raises(ConnectionError):
        httpx.put(upload["url"], content=broken(), headers=upload["headers"])
    assert 200 == put(given, b"abcdef").status_code
    assert b"abcdef" == httpx.get(given["download_url"]).content
