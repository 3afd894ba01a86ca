"""Clients that reach a provider without a socket: transports for httpx and httpx2, and httpx as an application uses
it."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from typing import Any

import httpx
import httpx2
import pytest
import respx
import trio
from live import IMAGE, PROMPT, RUNCOMFY, WAVESPEED

from understudy.fixtures import MockProvider, Understudy, running

LIBRARIES = pytest.mark.parametrize("library", [httpx, httpx2], ids=["httpx", "httpx2"])
INPUTS = {"prompt": PROMPT, "images": [IMAGE]}
HOST = "https://api.wavespeed.ai"
KEY = {"Authorization": "Bearer whatever the application has"}


@pytest.fixture(scope="module")
def server() -> Iterator[Understudy]:
    with running(seed=4) as server:
        yield server


@pytest.fixture
def mock(server: Understudy, request: pytest.FixtureRequest) -> Iterator[MockProvider]:
    mock = server.provider("wavespeed", request.node.name)
    yield mock
    mock.close()


def heard(mock: MockProvider) -> None:
    """Returns once there is something in the journal."""
    assert mock._house is not None
    mock._house.thread.call(mock._house.app.state.store.heard(mock.api_key, 0))


@pytest.fixture
def no_sockets(server: Understudy, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody connects anywhere."""

    def refuse(*arguments: object) -> None:
        raise AssertionError(f"a socket was connected: {arguments}")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


def client(library: Any, mock: MockProvider, **more: Any) -> Any:
    return library.Client(transport=mock.transport(library), base_url=HOST, headers=KEY, **more)


def async_client(library: Any, mock: MockProvider, **more: Any) -> Any:
    return library.AsyncClient(transport=mock.transport(library), base_url=HOST, headers=KEY, **more)


@LIBRARIES
@pytest.mark.usefixtures("no_sockets")
def test_a_sync_client_submits_polls_and_fetches(mock: MockProvider, library: Any) -> None:
    with client(library, mock) as own:
        data = own.post(WAVESPEED, json=INPUTS).raise_for_status().json()["data"]
        assert data["urls"]["get"].startswith(HOST)
        states = [own.get(data["urls"]["get"]).json()["data"]["status"] for _ in range(3)]
        outputs = own.get(data["urls"]["get"]).json()["data"]["outputs"]
        image = library.Client(transport=mock.transport(library)).get(outputs[0])

    assert ["processing", "processing", "completed"] == states or "completed" == states[-1]
    assert ("image/jpeg", b"\xff\xd8") == (image.headers["content-type"], image.content[:2])
    assert mock.jobs.one.state == "succeeded"


@LIBRARIES
@pytest.mark.usefixtures("no_sockets")
@pytest.mark.parametrize("run", [lambda main: asyncio.run(main()), trio.run], ids=["asyncio", "trio"])
def test_an_async_client_does_so_on_asyncio_and_on_trio(mock: MockProvider, library: Any, run: Any) -> None:
    async def main() -> None:
        async with async_client(library, mock) as own:
            job_id = (await own.post(WAVESPEED, json=INPUTS)).raise_for_status().json()["data"]["id"]
            await own.get(f"/api/v3/predictions/{job_id}/result")

    # trio makes a pair of sockets for itself, and asyncio one for its loop: neither connects by address.
    run(main)
    assert ["submit", "result"] == [exchange.operation for exchange in mock.journal]


def test_a_transport_is_httpx_s_unless_another_library_is_given(mock: MockProvider) -> None:
    assert isinstance(mock.transport(), httpx.BaseTransport)
    assert isinstance(mock.transport(), httpx.AsyncBaseTransport)


def test_a_request_without_a_key_is_turned_down(mock: MockProvider) -> None:
    for headers in ({}, {"Authorization": "Bearer "}, {"Authorization": "Basic abc"}):
        with httpx.Client(transport=mock.transport(), headers=headers) as own:
            assert 401 == own.post(HOST + WAVESPEED, json=INPUTS).status_code
    assert () == mock.jobs


def test_a_body_may_be_a_stream(mock: MockProvider) -> None:
    def parts() -> Iterator[bytes]:
        yield b'{"prompt": "A shoe", '
        yield b'"images": ["https://example.com/shoe.png"]}'

    async def main() -> int:
        async def parts_later() -> Any:
            for part in parts():
                yield part

        async with async_client(httpx, mock) as own:
            answer = await own.post(WAVESPEED, content=parts_later(), headers={"Content-Type": "application/json"})
            return int(answer.status_code)

    with client(httpx, mock) as own:
        assert 200 == own.post(WAVESPEED, content=parts(), headers={"Content-Type": "application/json"}).status_code
    assert 200 == asyncio.run(main())


# What happens to answers on their way


def attempt(library: Any, mock: MockProvider, way: str) -> Any:
    """Submits, in one of four ways."""

    async def main() -> Any:
        async with async_client(library, mock) as own:
            return await own.post(WAVESPEED, json=INPUTS)

    if way == "sync":
        with client(library, mock) as own:
            return own.post(WAVESPEED, json=INPUTS)
    return asyncio.run(main()) if way == "asyncio" else trio.run(main)


WAYS = pytest.mark.parametrize("way", ["sync", "asyncio", "trio"])


@LIBRARIES
@WAYS
def test_broken_answers_raise_what_a_client_would_see(mock: MockProvider, library: Any, way: str) -> None:
    mock.next_submit.loses_answer()
    with pytest.raises(library.RemoteProtocolError, match=r"^Server disconnected without sending a response\.$"):
        attempt(library, mock, way)
    mock.next_submit.is_reset()
    with pytest.raises(library.ReadError, match=r"^\[Errno 104\] Connection reset by peer$"):
        attempt(library, mock, way)
    mock.next_submit.is_cut(after=10)
    with pytest.raises(
        library.RemoteProtocolError,
        match=r"^peer closed connection without sending complete message body \(received 10 bytes, expected \d+\)$",
    ):
        attempt(library, mock, way)
    assert 2 == len(mock.jobs)


@WAYS
def test_an_answer_with_a_wrong_length_is_read_as_a_client_reads_it(mock: MockProvider, way: str) -> None:
    mock.rules.add(next=True, when={"operation": "submit"}, answer={"moment": "after", "content_length": 7})
    with pytest.raises(httpx.RemoteProtocolError, match="expected"):
        attempt(httpx, mock, way)
    mock.rules.add(next=True, when={"operation": "submit"}, answer={"moment": "after", "content_length": -7})
    with pytest.raises(ValueError, match=r"Expecting|Unterminated"):
        attempt(httpx, mock, way).json()


@WAYS
def test_a_dripping_answer_arrives_whole(mock: MockProvider, way: str) -> None:
    drip = {"bytes": 50, "pause": "1ms"}
    mock.rules.add(next=True, when={"operation": "submit"}, answer={"moment": "after", "drip": drip})

    job_id = attempt(httpx, mock, way).json()["data"]["id"]
    assert job_id == mock.jobs.one.id


@LIBRARIES
@WAYS
def test_a_client_that_waits_no_longer_gives_up_and_is_in_the_journal(
    mock: MockProvider, library: Any, way: str
) -> None:
    mock.clock.set("manual")
    mock.next_submit.is_late("1h")

    async def main() -> None:
        async with async_client(library, mock, timeout=0.05) as own:
            await own.post(WAVESPEED, json=INPUTS)

    def wait() -> None:
        if way == "sync":
            with client(library, mock, timeout=0.05) as own:
                own.post(WAVESPEED, json=INPUTS)
        elif way == "asyncio":
            asyncio.run(main())
        else:
            trio.run(main)

    with pytest.raises(library.ReadTimeout, match=r"^timed out$"):
        wait()
    heard(mock)
    (exchange,) = mock.journal
    assert (None, ("the client hung up before the answer",)) == (exchange.status, exchange.notes)


# What streams


class Streaming:
    """A house whose application sends what it is told to, when it is told to."""

    def __init__(self, mock: MockProvider, length: int | None) -> None:
        assert mock._house is not None
        self.thread = mock._house.thread
        self.left = False
        self._length = length
        self.thread.call(self.renew())

    async def renew(self) -> None:
        self.go_on, self.begun, self.ended = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def app(self, scope: Any, receive: Any, send: Any) -> None:
        length = [] if self._length is None else [(b"content-length", str(self._length).encode())]
        await receive()
        await send({"type": "http.response.start", "status": 200, "headers": length})
        await asyncio.sleep(0)  # so that whoever asks has the beginning without a body
        await send({"type": "http.response.body", "body": b"first ", "more_body": True})
        gone = asyncio.ensure_future(receive())
        going = asyncio.ensure_future(self.go_on.wait())
        self.begun.set()
        await asyncio.wait({gone, going}, return_when=asyncio.FIRST_COMPLETED)
        self.left = gone.done()
        gone.cancel()
        going.cancel()
        await send({"type": "http.response.body", "body": b"second", "more_body": False})
        self.ended.set()

    async def let_go(self) -> None:
        self.go_on.set()


@LIBRARIES
@pytest.mark.parametrize("length", [None, 12])
def test_an_answer_is_read_as_it_comes(mock: MockProvider, library: Any, length: int | None) -> None:
    from understudy.fixtures.in_process import make_transport

    house: Any = Streaming(mock, length)
    transport = make_transport(library, house, "key")
    with library.Client(transport=transport) as own, own.stream("GET", HOST) as answer:
        chunks = answer.iter_bytes()
        assert b"first " == next(chunks)
        house.thread.call(house.let_go())
        assert b"second" == b"".join(chunks)

    async def main() -> bytes:
        async with library.AsyncClient(transport=transport) as own:
            return bytes((await own.get(HOST)).content)

    assert b"first second" == asyncio.run(main())


def test_a_client_that_reads_no_further_hangs_up(mock: MockProvider) -> None:
    from understudy.fixtures.in_process import make_transport

    house: Any = Streaming(mock, None)
    transport = make_transport(httpx, house, "key")

    async def main() -> None:
        async with httpx.AsyncClient(transport=transport) as own, own.stream("GET", HOST):
            pass

    with httpx.Client(transport=transport) as own, own.stream("GET", HOST):
        pass
    house.thread.call(house.ended.wait())
    assert house.left
    house.left = False
    house.thread.call(house.renew())
    asyncio.run(main())
    house.thread.call(house.ended.wait())
    assert house.left


def test_a_task_that_is_cancelled_hangs_up(mock: MockProvider) -> None:
    from understudy.fixtures.in_process import make_transport

    house: Any = Streaming(mock, None)

    async def main() -> None:
        async with httpx.AsyncClient(transport=make_transport(httpx, house, "key"), timeout=None) as own:
            task = asyncio.create_task(own.get(HOST))
            await asyncio.sleep(0)
            await asyncio.to_thread(house.thread.call, house.begun.wait())
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    asyncio.run(main())
    house.thread.call(house.ended.wait())
    assert house.left


def test_an_application_that_answers_nothing_has_hung_up(mock: MockProvider) -> None:
    from understudy.fixtures.in_process import make_transport

    async def silent(scope: Any, receive: Any, send: Any) -> None:
        return

    house: Any = Streaming(mock, None)
    house.app = silent
    with httpx.Client(transport=make_transport(httpx, house, "key")) as own, pytest.raises(httpx.RemoteProtocolError):
        own.get(HOST)


# httpx as an application uses it


def test_what_goes_to_the_providers_own_host_comes_here(mock: MockProvider) -> None:
    async def main() -> httpx.Response:
        async with httpx.AsyncClient() as own:
            return await own.post(HOST + WAVESPEED, json=INPUTS, headers=KEY)

    with mock.in_process():
        assert 200 == httpx.post(HOST + WAVESPEED, json=INPUTS, headers=KEY).status_code
        assert 200 == asyncio.run(main()).status_code
        assert 200 == httpx.get(mock.base_url + "/_understudy/health").status_code  # elsewhere by the network, as ever
    assert 2 == len(mock.jobs)


def test_both_providers_are_there_at_once(mock: MockProvider, server: Understudy) -> None:
    other = server.runcomfy
    with mock.in_process(), other.in_process():
        httpx.post(HOST + WAVESPEED, json=INPUTS, headers=KEY).raise_for_status()
        inputs = {"text": PROMPT, "images": [IMAGE]}
        httpx.post("https://model-api.runcomfy.net" + RUNCOMFY, json=inputs, headers=KEY).raise_for_status()
        assert 200 == httpx.get(mock.base_url + "/_understudy/health").status_code

    assert ("wavespeed", "runcomfy") == (mock.jobs.one.provider, other.jobs.one.provider)
    other.close()


@pytest.mark.parametrize("first", ["ours", "theirs"])
def test_routes_of_the_tests_own_work_beside(mock: MockProvider, first: str) -> None:
    theirs = respx.MockRouter(assert_all_called=False)
    theirs.get("https://example.com/").respond(201)
    inside = mock.in_process()
    order: list[Any] = [inside, theirs] if first == "ours" else [theirs, inside]
    with order[0], order[1]:
        assert 201 == httpx.get("https://example.com/").status_code
        assert 200 == httpx.post(HOST + WAVESPEED, json=INPUTS, headers=KEY).status_code
        with pytest.raises(AssertionError, match="elsewhere"):
            httpx.get("https://elsewhere.example.com/")


def test_the_fixtures_lead_httpx_here(
    mock_wavespeed_in_process: MockProvider, mock_runcomfy_in_process: MockProvider
) -> None:
    httpx.post(HOST + WAVESPEED, json=INPUTS, headers=KEY).raise_for_status()
    inputs = {"text": PROMPT, "images": [IMAGE]}
    httpx.post("https://model-api.runcomfy.net" + RUNCOMFY, json=inputs, headers=KEY).raise_for_status()

    assert mock_wavespeed_in_process.jobs.one.ended is False
    assert mock_runcomfy_in_process.jobs.one.provider == "runcomfy"
