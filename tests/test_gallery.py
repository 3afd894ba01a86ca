"""Output files over a real socket: when there are any, in whole, in part, under conditions, and once drawn for many."""

from __future__ import annotations

import asyncio
import io
import socket
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from live import WAVESPEED, Live, MakeLive
from PIL import Image
from studio import BYTES, DONE, Studio, outputs_of

from understudy.fixtures import read_image
from understudy.mockserver.app import create_app
from understudy.mockserver.clock import Clock
from understudy.mockserver.durations import DurationRange
from understudy.mockserver.gallery import Drawings
from understudy.mockserver.images import ImageSpec
from understudy.mockserver.jobs import Failure, Phase
from understudy.mockserver.settings import Settings


@pytest.fixture
def studio() -> Studio:
    studio = Studio()
    studio.may_go.set()
    return studio


def get(url: str, **headers: str) -> httpx.Response:
    return httpx.get(url, headers={name.replace("_", "-"): value for name, value in headers.items()}, trust_env=False)


def test_an_image_is_what_was_asked_for_and_says_how_it_may_be_kept(live: Live) -> None:
    url = outputs_of(live, max_images=3, size="1280*1024")[1]

    answer = get(url)

    assert 200 == answer.status_code
    mark = read_image(answer.content)
    assert ("wavespeed", 2, 3, 1280, 1024, False) == (
        mark.provider,
        mark.index,
        mark.count,
        mark.width,
        mark.height,
        mark.flagged,
    )
    assert "image/jpeg" == answer.headers["content-type"]
    assert str(len(answer.content)) == answer.headers["content-length"]
    assert "bytes" == answer.headers["accept-ranges"]
    assert "public, max-age=604800, immutable" == answer.headers["cache-control"]


def test_both_providers_have_images_and_each_has_its_own_tag(live: Live) -> None:
    job = live.submit_runcomfy()
    urls = outputs_of(live, max_images=2)
    urls += live.client.get(job["result_url"]).json()["output"]["images"]

    answers = [get(url) for url in urls]

    assert [200] * 5 == [answer.status_code for answer in answers]
    assert 5 == len({answer.headers["etag"] for answer in answers}) == len({answer.content for answer in answers})


def test_head_tells_what_get_would_without_the_image(live: Live) -> None:
    url = outputs_of(live)[0]
    whole = get(url)

    with live.client_of(None) as client:
        answer = client.head(url, headers={"Range": "bytes=0-9"})
        after = client.get(url)

    assert 200 == answer.status_code
    assert b"" == answer.content
    assert dict(whole.headers) | {"date": ""} == dict(answer.headers) | {"date": ""}
    assert whole.content == after.content


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_a_file_takes_no_other_method(live: Live, method: str) -> None:
    url = outputs_of(live)[0]

    assert 405 == httpx.request(method, url, trust_env=False).status_code


def test_who_has_the_image_is_told_so_without_it_being_drawn(make_live: MakeLive, studio: Studio) -> None:
    live = make_live(draw=studio.draw)
    url = outputs_of(live)[0]
    tag = get(url).headers["etag"]

    for condition in (tag, f"W/{tag}", f'"other", {tag}', "*"):
        answer = get(url, if_none_match=condition)
        assert (304, b"", tag) == (answer.status_code, answer.content, answer.headers["etag"])
        assert "content-length" not in answer.headers
    assert (200, BYTES) == (get(url, if_none_match='"other"').status_code, get(url, if_none_match='"other"').content)
    assert 1 == len(studio.seen)


def test_the_tag_of_an_image_is_the_same_on_another_server(make_live: MakeLive) -> None:
    tags = {get(outputs_of(make_live(), seed=3)[0]).headers["etag"] for _ in range(2)}

    assert 1 == len(tags)


@pytest.fixture(scope="module")
def hosted() -> Any:
    """An image of known bytes on a server, for many requests."""
    studio = Studio()
    studio.may_go.set()
    live = Live(Settings(seed=1), Clock.manual(), studio.draw)
    yield live.client, outputs_of(live)[0]
    live.client.close()
    live.server.stop()


edges = st.one_of(st.integers(0, len(BYTES) + 20), st.sampled_from([0, len(BYTES) - 1, len(BYTES), 10**30]))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(first=st.none() | edges, last=st.none() | edges)
def test_any_range_is_the_right_slice_or_a_clear_refusal(
    hosted: tuple[httpx.Client, str], first: int | None, last: int | None
) -> None:
    client, url = hosted
    answer = client.get(
        url, headers={"Range": f"bytes={'' if first is None else first}-{'' if last is None else last}"}
    )

    size = len(BYTES)
    if first is None and last is None:
        wanted: range | None = None
    elif first is None:
        wanted = range(size)[-last:] if last else range(0)
    elif last is not None and last < first:
        wanted = None
    else:
        wanted = range(size)[first : None if last is None else last + 1]
    if wanted is None:
        assert (200, BYTES) == (answer.status_code, answer.content)
    elif not wanted:
        assert (416, b"", f"bytes */{size}") == (
            answer.status_code,
            answer.content,
            answer.headers["content-range"],
        )
    else:
        assert (206, bytes(BYTES[index] for index in wanted)) == (answer.status_code, answer.content)
        assert f"bytes {wanted[0]}-{wanted[-1]}/{size}" == answer.headers["content-range"]


@pytest.mark.parametrize("header", ["bytes=0-1,5-9", "items=0-4", "bytes", "bytes=a-b", "bytes=--5", ""])
def test_a_range_that_cannot_be_answered_gets_the_whole(hosted: tuple[httpx.Client, str], header: str) -> None:
    client, url = hosted

    answer = client.get(url, headers={"Range": header})

    assert (200, BYTES) == (answer.status_code, answer.content)


def test_a_range_holds_only_while_the_image_is_the_one_meant(hosted: tuple[httpx.Client, str]) -> None:
    client, url = hosted
    tag = client.get(url).headers["etag"]
    expected = {tag: 206, '"other"': 200, f"W/{tag}": 200, "Wed, 21 Oct 2015 07:28:00 GMT": 200}

    assert expected == {
        condition: client.get(url, headers={"Range": "bytes=0-3", "If-Range": condition}).status_code
        for condition in expected
    }


def test_there_is_no_file_before_its_job_has_succeeded(live: Live) -> None:
    url = outputs_of(live, prompt="the first")[0]
    with live.client_of("another") as client:  # the same ordinal, another tenant: another file
        job = client.post(WAVESPEED, json={"prompt": "the first"}).json()["data"]
        live.advance(DONE - 1, "another")
        before = outputs_if_done(client, job)
        live.advance(1, "another")
        after = outputs_if_done(client, job)[0]
    assert [] == before
    assert [200, 200] == [get(url).status_code, get(after).status_code]


def outputs_if_done(client: httpx.Client, job: Any) -> list[str]:
    urls: list[str] = client.get(job["urls"]["get"]).json()["data"]["outputs"]
    return urls


def test_a_guessed_file_of_an_unfinished_job_is_not_there(make_live: MakeLive) -> None:
    one, other = make_live(), make_live()
    path = outputs_of(one)[0].removeprefix(one.origin)
    job = other.submit_wavespeed()

    statuses = []
    for _ in range(3):
        statuses.append(get(other.origin + path).status_code)
        other.advance(DONE // 2)

    assert [404, 404, 200] == statuses
    assert job["id"] in path.replace("-", "")


@pytest.mark.parametrize("phase", [Phase.FAILED, Phase.CANCELLED, Phase.TIMED_OUT])
def test_a_job_that_did_not_succeed_has_no_files(make_live: MakeLive, phase: Phase) -> None:
    one, other = make_live(), make_live()
    path = outputs_of(one)[0].removeprefix(one.origin)
    failure = Failure() if phase is Phase.FAILED else None
    other.interrupt(other.submit_wavespeed()["id"], phase, failure)
    other.advance(DONE)

    assert 404 == get(other.origin + path).status_code


def test_the_files_of_an_erased_job_are_gone(live: Live) -> None:
    url = outputs_of(live)[0]
    before = get(url).status_code
    job_id = url.rpartition("/")[2].partition("-u1_")[0].replace("-", "")

    live.server.call(live.store.erase("key", [job_id]))

    assert [200, 404] == [before, get(url).status_code]


def test_names_that_no_output_has_are_not_found(live: Live) -> None:
    url = outputs_of(live)[0]
    folder, _, name = url.rpartition("/")
    identity, _, mark = name.partition("-u1_")
    nobody = "00000000-0000-4000-8000-000000000000"
    wrong = [
        f"{folder}/x.png",
        f"{folder}/{nobody}-u1_{mark}",
        f"{folder}/{identity}-u1_{nobody}.jpeg",
        f"{folder}/deeper/{name}",
        f"{folder}/{name.removesuffix('.jpeg')}.png",
        f"{live.origin}/user/folder/output/{'0' * 32}_1767225600_{'0' * 8}.jpeg",
        f"{live.origin}/output/",
        f"{live.origin}/a/b/c/output/x.png",
    ]

    assert [404] * len(wrong) == [get(each).status_code for each in wrong]


def test_many_requests_for_one_image_draw_it_once(make_live: MakeLive, studio: Studio) -> None:
    studio.may_go.clear()
    live = make_live(draw=studio.draw)
    url = outputs_of(live)[0]

    with ThreadPoolExecutor(24) as pool:
        answers = [pool.submit(get, url) for _ in range(24)]
        assert studio.begun.acquire(timeout=30)
        studio.may_go.set()
        bodies = {answer.result().content for answer in answers}

    assert ({BYTES}, 1) == (bodies, len(studio.seen))


def test_who_asks_for_what_is_being_drawn_waits_for_that_drawing(studio: Studio) -> None:
    spec = ImageSpec("wavespeed", "model", "0" * 32, 1, 1, 64, 64, "png", 1, "prompt", "digest")

    async def work() -> list[bytes]:
        drawings = Drawings(1_000_000, studio.draw)
        return list(await asyncio.gather(*(drawings.get(spec) for _ in range(5))))

    assert [BYTES] * 5 == asyncio.run(work())
    assert [spec] == studio.seen


def test_a_slow_drawing_keeps_nobody_else_waiting(make_live: MakeLive, studio: Studio) -> None:
    studio.may_go.clear()
    live = make_live(draw=studio.draw)
    url = outputs_of(live)[0]

    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(get, url)
        assert studio.begun.acquire(timeout=30)
        job = live.submit_wavespeed()
        assert "created" == live.client.get(job["urls"]["get"]).json()["data"]["status"]
        assert not slow.done()
        studio.may_go.set()
        assert BYTES == slow.result().content


def test_who_hangs_up_does_not_take_the_image_from_the_others(make_live: MakeLive, studio: Studio) -> None:
    studio.may_go.clear()
    live = make_live(draw=studio.draw)
    url = httpx.URL(outputs_of(live)[0])

    with socket.create_connection((url.host, url.port or 80)) as impatient:
        impatient.sendall(f"GET {url.path} HTTP/1.1\r\nHost: here\r\n\r\n".encode())
        assert studio.begun.acquire(timeout=30)
    with ThreadPoolExecutor(1) as pool:
        patient = pool.submit(get, str(url))
        live.submit_wavespeed()  # by now the server has heard of both
        studio.may_go.set()
        assert BYTES == patient.result().content

    assert (BYTES, 1) == (get(str(url)).content, len(studio.seen))


def test_requests_sent_behind_a_slow_image_are_answered_in_their_order(make_live: MakeLive, studio: Studio) -> None:
    """HTTP/1.1 lets a client send several requests before it reads an answer."""
    studio.may_go.clear()
    live = make_live(draw=studio.draw)
    url = httpx.URL(outputs_of(live)[0])

    with socket.create_connection((url.host, url.port or 80)) as client:
        first = f"GET {url.path} HTTP/1.1\r\nHost: here\r\n\r\n"
        client.sendall((first + "GET /output/none.png HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n").encode())
        assert studio.begun.acquire(timeout=30)
        studio.may_go.set()
        answers = b"".join(iter(lambda: client.recv(65536), b""))

    head, _, rest = answers.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"connection: close" not in head
    assert BYTES == rest[: len(BYTES)]
    assert rest[len(BYTES) :].startswith(b"HTTP/1.1 404 Not Found\r\n")
    assert rest.endswith(b"Not found\n")


def test_a_client_that_does_not_read_holds_up_nobody_but_itself(make_live: MakeLive, studio: Studio) -> None:
    """More than a socket takes in: the second answer waits until the first has been read."""
    studio.data = bytes(16_000_000)
    live = make_live(draw=studio.draw)
    url = httpx.URL(outputs_of(live)[0])
    assert studio.data == get(str(url)).content

    with socket.create_connection((url.host, url.port or 80)) as client:
        request = f"GET {url.path} HTTP/1.1\r\nHost: here\r\n"
        client.sendall(f"{request}\r\n{request}Connection: close\r\n\r\n".encode())
        live.submit_wavespeed()
        answers = b"".join(iter(lambda: client.recv(1 << 20), b""))

    assert 2 == answers.count(b"HTTP/1.1 200 OK\r\n")
    assert 2 * len(studio.data) == answers.count(b"\0")


def test_what_is_kept_is_bounded_in_bytes_and_the_least_recently_used_goes_first(
    make_live: MakeLive, studio: Studio
) -> None:
    live = make_live(draw=studio.draw, image_cache=2 * len(BYTES))
    one, two, three = outputs_of(live, max_images=3)

    for url in (one, two, one, three, one, two):
        assert BYTES == get(url).content

    assert [1, 2, 3, 2] == [spec.index for spec in studio.seen]


def test_an_image_larger_than_the_bound_is_drawn_each_time(make_live: MakeLive, studio: Studio) -> None:
    live = make_live(draw=studio.draw, image_cache=len(BYTES) - 1)
    url = outputs_of(live)[0]

    assert [BYTES, BYTES] == [get(url).content for _ in range(2)]
    assert 2 == len(studio.seen)


def test_a_drawing_that_goes_wrong_is_tried_again(make_live: MakeLive) -> None:
    attempts = []

    def draw_at_the_second_attempt(spec: ImageSpec) -> bytes:
        attempts.append(spec)
        if len(attempts) == 1:
            raise MemoryError
        return BYTES

    live = make_live(draw=draw_at_the_second_attempt)
    url = outputs_of(live)[0]

    assert [500, 200] == [get(url).status_code for _ in range(2)]


def test_a_submission_draws_nothing(make_live: MakeLive, studio: Studio) -> None:
    live = make_live(draw=studio.draw, assume={"wavespeed.size": "llms"})
    for size, count in (("64*64", 1), ("16384*16384", 15)):
        outputs_of(live, size=size, max_images=count)

    assert [] == studio.seen


def test_more_files_than_are_remembered_are_served_all_the_same(make_live: MakeLive, studio: Studio) -> None:
    live = make_live(draw=studio.draw)
    urls = [url for _ in range(70) for url in outputs_of(live, max_images=15)]

    assert {200} == {live.client.get(url).status_code for url in (*urls, *urls[:3])}


@pytest.mark.parametrize("size", ["16384*64", "64*16384"])
def test_the_longest_sides_of_any_reading_are_drawn(make_live: MakeLive, size: str) -> None:
    live = make_live(assume={"wavespeed.size": "llms"})

    with Image.open(io.BytesIO(get(outputs_of(live, size=size)[0]).content)) as image:
        assert size == f"{image.width}*{image.height}"


@pytest.mark.parametrize(("kind", "black"), [("marked", False), ("black", True)])
def test_flagged_images_are_marked_or_black(make_live: MakeLive, kind: str, black: bool) -> None:
    live = make_live(nsfw_rate=1.0, flagged_images=kind, assume={"wavespeed.nsfw": "flags"})
    job = live.submit_wavespeed(max_images=2)
    live.advance(DONE)
    data = live.client.get(job["urls"]["get"]).json()["data"]

    images = [get(url).content for url in data["outputs"]]

    assert 1 == sum(data["has_nsfw_contents"])
    assert data["has_nsfw_contents"] == [read_image(image).flagged for image in images]
    assert [black and flagged for flagged in data["has_nsfw_contents"]] == [is_black(image) for image in images]


def is_black(data: bytes) -> bool:
    with Image.open(io.BytesIO(data)) as image:
        return image.convert("L").getextrema() == (0, 0)


def test_an_image_comes_the_same_from_a_server_that_is_not_ours(studio: Studio) -> None:
    """Any ASGI server gets what our own gets."""
    now = DurationRange(0, 0)
    app = create_app(Settings(seed=1, queue_time=now, run_time=now), draw=studio.draw)

    async def answers() -> list[httpx.Response]:
        headers = {"Authorization": "Bearer key"}
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://here", headers=headers) as client:
            job = (await client.post(WAVESPEED, json={"prompt": "x"})).json()["data"]
            [url] = (await client.get(job["urls"]["get"])).json()["data"]["outputs"]
            whole = await client.get(url)
            had = {"If-None-Match": whole.headers["etag"]}
            return [whole, await client.head(url), await client.get(url, headers=had), await client.get(url + "x")]

    whole, head, had, missing = asyncio.run(answers())

    assert [200, 200, 304, 404] == [answer.status_code for answer in (whole, head, had, missing)]
    assert [BYTES, b"", b"", b"Not found\n"] == [answer.content for answer in (whole, head, had, missing)]
    assert str(len(BYTES)) == whole.headers["content-length"] == head.headers["content-length"]
    assert "content-length" not in had.headers
