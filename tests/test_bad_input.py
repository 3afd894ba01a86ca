"""What breaks the rules gets the provider's own 4xx, and never a 500."""

from __future__ import annotations

import io
import socket
from base64 import b64encode
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from live import IMAGE, RUNCOMFY, WAVESPEED, Live, MakeLive
from PIL import Image

from understudy.mockserver.desk import CALLERS

PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"

_FILE = io.BytesIO()
Image.new("RGB", (64, 64)).save(_FILE, "PNG")
PIXELS = _FILE.getvalue()


def picture(width: int, height: int, length: int = 100) -> str:
    """A data: URI with a PNG header of that size, so many bytes long."""
    header = PNG + width.to_bytes(4, "big") + height.to_bytes(4, "big")
    return "data:image/png;base64," + b64encode(header.ljust(length, b"\0")).decode()


def read_all(raw: socket.socket) -> bytes:
    return b"".join(iter(lambda: raw.recv(65536), b""))


def wavespeed(live: Live, content: bytes) -> tuple[int, str]:
    answer = live.client.post(WAVESPEED, content=content)
    assert {"code", "message"} == set(answer.json())
    assert answer.json()["code"] == answer.status_code
    return answer.status_code, answer.json()["message"]


def runcomfy(live: Live, body: Any) -> tuple[int, str]:
    answer = live.client.post(RUNCOMFY, json=body)
    return answer.status_code, answer.json()["error_message"]


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"", "nothing"),
        (b"prompt=x", "text that is not JSON ("),
        (b'"prompt"', "string;"),
        (b"[]", "array;"),
        (b"null", "null;"),
        (b"\xff\xfe", "text that is not JSON ("),
        (b'{"prompt": "\xff"}', "text that is not JSON ("),
        (b"[" * 100_000 + b"]" * 100_000, "text that is not JSON ("),
        (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, "text that is not JSON ("),
    ],
    ids=["empty", "form", "string", "array", "null", "not utf-8", "not utf-8 inside", "deep arrays", "deep objects"],
)
def test_a_body_that_is_no_json_object_is_refused(live: Live, content: bytes, found: str) -> None:
    status, message = wavespeed(live, content)

    assert status == 400
    assert message.startswith(f"request body must be a JSON object, got {found}")
    assert live.client.post(RUNCOMFY, content=content).status_code == 422


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({}, "text: is required"),
        ({"text": "x" * 601}, "text: must have at most 600 characters"),
        ({"text": "x", "images": []}, "images: must have at least 1 item"),
        ({"text": "x", "images": [IMAGE] * 11}, "images: must have at most 10 items"),
        ({"text": "x", "images": "one"}, "images: must be of type array, not string"),
        ({"text": "x", "images": [picture(3000, 1000)]}, "images.0: The aspect ratio range should be 1:3 to 3:1."),
        (
            {"text": "x", "images": [IMAGE, picture(14, 14)]},
            "images.1: The uploaded image width and height must exceed 14 pixels.",
        ),
        (
            {"text": "x", "images": [picture(6000, 5999)]},
            "images.0: The uploaded image width and height must not exceed 6000 pixels.",
        ),
        ({"text": "x", "images": [picture(64, 64, 10_000_000)]}, "images.0: File size must be less than 10 MB."),
        (
            {"text": "x", "images": ["data:image/gif;base64," + b64encode(b"GIF89a\x40\0\x40\0").decode()]},
            "images.0: The uploaded file must be a JPEG or PNG image.",
        ),
        (
            {"text": "x", "images": ["data:image/png;base64,@"]},
            "images.0: the data: URI is not valid base64: Only base64 data is allowed.",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_inputs_that_break_a_runcomfy_schema_are_refused_by_name(
    live: Live, body: dict[str, Any], message: str
) -> None:
    status, told = runcomfy(live, {"images": [IMAGE], **body})

    assert (422, f"Input validation failed: {message}") == (status, told)


@pytest.mark.parametrize(
    "image", [picture(2999, 1000), picture(15, 15), picture(5999, 5999), picture(64, 64, 9_999_999)]
)
def test_images_just_within_the_limits_are_taken(live: Live, image: str) -> None:
    answer = live.client.post(RUNCOMFY, json={"text": "x", "images": [image]})

    assert answer.status_code == 200


def test_the_limits_themselves_are_taken_where_the_messages_are_assumed(make_live: MakeLive) -> None:
    live = make_live(assume={"runcomfy.limits": "messages"})

    assert 200 == live.client.post(RUNCOMFY, json={"text": "x", "images": [picture(3000, 1000)]}).status_code
    assert 200 == live.client.post(RUNCOMFY, json={"text": "x", "images": [picture(6000, 6000)]}).status_code


@pytest.mark.parametrize(("length", "status", "code"), [(1_000, 200, None), (1_001, 422, 1402)])
def test_an_image_inside_of_a_request_is_bounded(
    make_live: MakeLive, length: int, status: int, code: int | None
) -> None:
    live = make_live(image_limit=1_000)
    plain = b64encode(PIXELS + bytes(length - len(PIXELS))).decode()
    image = "data:image/png;base64," + plain

    assert status == live.client.post(RUNCOMFY, json={"text": "x", "images": [image]}).status_code
    job = live.client.post(WAVESPEED, json={"prompt": "x", "images": [image]}).json()["data"]["id"]
    live.advance(2_500)
    assert code == live.client.get(f"/api/v3/predictions/{job}/result").json()["data"].get("code")


@pytest.mark.parametrize(
    ("switch", "image", "message"),
    [
        ("runcomfy.data_uris", picture(64, 64), "images.0: must be a URL, not a data: URI"),
        ("runcomfy.http_urls", "http://example.com/a.png", "images.0: must be an https: URL"),
    ],
)
def test_an_image_may_be_refused_for_its_scheme(make_live: MakeLive, switch: str, image: str, message: str) -> None:
    body = {"text": "x", "images": [image]}

    assert 200 == make_live().client.post(RUNCOMFY, json=body).status_code
    assert (422, f"Input validation failed: {message}") == runcomfy(make_live(assume={switch: "refused"}), body)


@pytest.mark.parametrize("path", ["../x", "bytedance/../../etc/passwd", "a%2e%2e/b", "x" * 3000, "%ff%00", " ", "a//b"])
def test_a_model_path_that_leads_nowhere_is_an_unknown_model(live: Live, path: str) -> None:
    for prefix in ("/api/v3/", "/v1/models/"):
        with socket.create_connection(("127.0.0.1", int(live.origin.rpartition(":")[2])), timeout=10) as raw:
            head = f"POST {prefix}{path.replace(' ', '%20')} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer key\r\n"
            raw.sendall((head + "Content-Length: 2\r\nConnection: close\r\n\r\n{}").encode())
            answer = read_all(raw)

        assert answer.startswith(b"HTTP/1.1 404 ")
        assert b"application/json" in answer


@pytest.mark.parametrize(("method", "path"), [("GET", "/api/v3/nothing"), ("PUT", WAVESPEED), ("DELETE", RUNCOMFY)])
def test_an_unknown_operation_is_refused_in_the_providers_envelope(live: Live, method: str, path: str) -> None:
    answer = live.client.request(method, path)

    assert answer.status_code == 404
    assert f"{method} {path}" in str(answer.json())


@pytest.mark.parametrize("authorization", [None, "", "Bearer", "Basic key", "key", "Bearer  "])
@pytest.mark.parametrize("path", [WAVESPEED, RUNCOMFY, "/api/v3/nothing", "/v1/requests/x/status"])
def test_without_a_bearer_key_nothing_is_told(live: Live, authorization: str | None, path: str) -> None:
    headers = {} if authorization is None else {"Authorization": authorization.strip()}
    with live.client_of(None) as client:
        answer = client.post(path, json={}, headers=headers)

    assert answer.status_code == 401


def test_only_listed_keys_are_accepted_where_there_is_a_list(make_live: MakeLive) -> None:
    live = make_live(keys=frozenset({"listed"}))
    with live.client_of("listed") as listed:
        assert 404 == listed.get("/api/v3/predictions/0/result").status_code
    assert 401 == live.client.get("/api/v3/predictions/0/result").status_code


@pytest.mark.parametrize("sent", ["schl\u00fcssel".encode(), "schl\u00fcssel".encode("latin-1")])
def test_a_key_may_be_more_than_ascii(make_live: MakeLive, sent: bytes) -> None:
    live = make_live(keys=frozenset({"schl\u00fcssel"}))
    with live.client_of(None) as client:
        answer = client.get("/api/v3/predictions/0/result", headers={b"Authorization": b"Bearer " + sent})

    assert answer.status_code == 404


@pytest.mark.parametrize(
    "path", ["/api/v3", "/v1", "/prod/v1/balance", "/api/v3/output/x", "/v1/models/output/x", "/api/v3/output/x?y"]
)
def test_what_lies_under_a_providers_prefix_is_refused_in_its_words(live: Live, path: str) -> None:
    assert 404 == live.client.get(path).status_code
    assert "application/json" == live.client.get(path).headers["content-type"]
    with live.client_of(None) as nobody:
        assert 401 == nobody.get(path).status_code


@pytest.mark.parametrize("announced", [True, False])
@pytest.mark.parametrize(("length", "status"), [(1000, 200), (1001, 413)])
def test_a_body_is_bounded_whether_its_length_is_announced_or_not(
    make_live: MakeLive, announced: bool, length: int, status: int
) -> None:
    live = make_live(body_limit=1000)
    body = b'{"prompt": "x"}'.ljust(length)

    answer = live.client.post(WAVESPEED, content=body if announced else iter([body[:500], body[500:]]))

    assert status == answer.status_code


def test_a_body_far_over_the_limit_does_not_cut_the_connection(make_live: MakeLive) -> None:
    live = make_live(body_limit=1000)
    for _ in range(2):
        answer = live.client.post(WAVESPEED, content=b"x" * 5_000_000)

        assert answer.status_code == 413
        assert answer.json()["message"] == "request body must be at most 1000 bytes; please send a smaller body"


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
NAMES = ["prompt", "text", "images", "size", "max_images", "image_size", "seed", "sequential_image_generation_options"]


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(st.sampled_from(NAMES), json_values | st.just([IMAGE]) | st.just("2048*2048")))
def test_no_json_object_makes_the_server_stumble(live: Live, inputs: dict[str, Any]) -> None:
    assert live.client.post(WAVESPEED, json=inputs).status_code in (200, 400)
    assert live.client.post(RUNCOMFY, json=inputs).status_code in (200, 422)


def test_more_callers_than_are_remembered_are_known_all_the_same(live: Live) -> None:
    with live.client_of(None) as client:
        for number in range(CALLERS + 2):
            answer = client.get("/api/v3/predictions/0/result", headers={"Authorization": f"Bearer {number}"})

            assert answer.status_code == 404
