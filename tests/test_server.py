"""The server itself: how it starts, what it does to connections, how it stops."""

from __future__ import annotations

import asyncio
import gc
import re
import socket
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from live import WAVESPEED, Live
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from understudy.mockserver.app import create_app
from understudy.mockserver.clock import Clock
from understudy.mockserver.connection import Connection
from understudy.mockserver.exchange import Call, Reply
from understudy.mockserver.server import Server, ServerThread, running
from understudy.mockserver.settings import Settings


def app_of(endpoint: Callable[[Request], Awaitable[Response]]) -> Starlette:
    return Starlette(routes=[Route("/", endpoint, methods=["GET", "POST"])])


def connect(origin: str) -> socket.socket:
    return socket.create_connection(("127.0.0.1", int(origin.rpartition(":")[2])), timeout=10)


def read_all(raw: socket.socket) -> bytes:
    return b"".join(iter(lambda: raw.recv(65536), b""))


def test_a_port_that_is_taken_is_an_error_at_once() -> None:
    with running(create_app()) as origin:
        second = ServerThread(create_app(), port=int(origin.rpartition(":")[2]))
        with pytest.raises(OSError, match="address already in use"):
            second.start()


def test_an_application_that_cannot_start_is_an_error_at_once() -> None:
    async def broken(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "lifespan.startup.failed", "message": "no"})

    with pytest.raises(RuntimeError, match="The application could not start"):
        ServerThread(broken).start()


def test_stopping_leaves_a_request_under_way_a_moment_to_finish() -> None:
    entered = threading.Event()
    finish: list[Callable[[], object]] = []

    async def slow(request: Request) -> Response:
        loop, finished = asyncio.get_running_loop(), asyncio.Event()
        finish.append(lambda: loop.call_soon_threadsafe(finished.set))
        entered.set()
        await finished.wait()
        return PlainTextResponse("done")

    with ThreadPoolExecutor() as pool:
        with running(app_of(slow)) as origin:
            answer = pool.submit(httpx.get, origin, trust_env=False)
            assert entered.wait(10)
            finish[0]()
        assert answer.result().text == "done"


def test_stopping_ends_a_request_that_would_never_finish(capfd: pytest.CaptureFixture[str]) -> None:
    entered = threading.Event()
    ended: list[str] = []

    async def endless(request: Request) -> Response:
        entered.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("yes")
        return Response()

    with ThreadPoolExecutor() as pool:
        with running(app_of(endless)) as origin:
            answer = pool.submit(httpx.get, origin, trust_env=False, timeout=30)
            assert entered.wait(10)
        assert isinstance(answer.exception(), httpx.TransportError)
    assert ["yes"] == ended
    assert ("", "") == capfd.readouterr()


def test_a_request_that_cancels_itself_is_a_500(caplog: pytest.LogCaptureFixture) -> None:
    async def cancelled(request: Request) -> Response:
        raise asyncio.CancelledError

    with running(app_of(cancelled)) as origin:
        assert httpx.get(origin, trust_env=False).status_code == 500

    assert "CancelledError" in caplog.text


def test_stopping_closes_connections_that_are_idle() -> None:
    with running(create_app()) as origin:
        raw = connect(origin)
        raw.sendall(b"GET /_understudy/health HTTP/1.1\r\nHost: x\r\n\r\n")
        assert raw.recv(65536).startswith(b"HTTP/1.1 200 ")
    with raw:
        assert b"" == read_all(raw)


def test_a_connection_that_has_ended_leaves_nothing_for_the_garbage_collector() -> None:
    gc.collect()
    gc.disable()
    try:
        with running(create_app()) as origin:
            for path in ("/_understudy/health", "/api/v3/predictions/x/result", WAVESPEED):
                with httpx.Client(base_url=origin, headers={"Authorization": "Bearer key"}, trust_env=False) as client:
                    client.post(path, json={"prompt": "x"})
        assert [] == [one for one in gc.get_objects() if isinstance(one, Connection)]
    finally:
        gc.enable()


def test_requests_may_come_one_after_another_without_waiting_for_answers(live: Live) -> None:
    body = b'{"prompt": "x"}'
    submit = b"POST %s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer key\r\nContent-Length: %d\r\n\r\n%s"
    poll = b"GET /api/v3/predictions/none/result HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer key\r\n%s\r\n"
    with connect(live.origin) as raw:
        raw.sendall(submit % (WAVESPEED.encode(), len(body), body) + poll % b"" + poll % b"Connection: close\r\n")
        answer = read_all(raw)

    assert [b"200", b"404", b"404"] == [part[:3] for part in answer.split(b"HTTP/1.1 ")[1:]]
    assert answer.lower().count(b"connection: close") == 1


def test_a_body_may_come_in_pieces(live: Live) -> None:
    body = b'{"prompt": "' + b"x" * 200_000 + b'"}'
    head = f"POST {WAVESPEED} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer key\r\nConnection: close\r\n"
    with connect(live.origin) as raw:
        raw.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode())
        for start in range(0, len(body), 50_000):
            raw.sendall(body[start : start + 50_000])
        answer = read_all(raw)

    assert answer.startswith(b"HTTP/1.1 200 ")


def test_a_client_that_does_not_read_holds_up_nobody_and_gets_every_answer_in_order(live: Live) -> None:
    ids = [live.submit_wavespeed(max_images=15)["id"] for _ in range(3)]
    live.advance(5000)
    wanted = [ids[number % 3] for number in range(3000)]
    poll = "GET /api/v3/predictions/{}/result HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer key\r\n\r\n"
    with socket.socket() as raw, ThreadPoolExecutor() as pool:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        raw.settimeout(10)
        raw.connect(("127.0.0.1", int(live.origin.rpartition(":")[2])))
        sending = pool.submit(raw.sendall, "".join(map(poll.format, wanted)).encode())
        assert live.client.get("/_understudy/health").status_code == 200
        answers = b""
        while answers.count(b'"timings"') < len(wanted):
            answers += raw.recv(1_000_000)
        sending.result()

    assert wanted == [found.decode() for found in re.findall(rb'"data":{"id":"([0-9a-f]{32})"', answers)]


def test_a_connection_that_stays_idle_is_closed_once_it_has_been_used() -> None:
    async def work() -> bytes:
        server = Server(create_app(), keep_alive=0.02)
        await server.start()
        reader, writer = await asyncio.open_connection("127.0.0.1", int(server.origin.rpartition(":")[2]))
        writer.write(b"GET /_understudy/health HTTP/1.1\r\nHost: x\r\n\r\n")
        answer = await asyncio.wait_for(reader.read(), 10)
        writer.close()
        await server.stop()
        return answer

    assert asyncio.run(work()).startswith(b"HTTP/1.1 200 ")


def test_a_client_may_wait_for_100_continue(live: Live) -> None:
    head = f"POST {WAVESPEED} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer key\r\nConnection: close\r\n"
    with connect(live.origin) as raw:
        raw.sendall(f"{head}Expect: 100-continue\r\nContent-Length: 15\r\n\r\n".encode())
        assert raw.recv(65536).startswith(b"HTTP/1.1 100 ")
        raw.sendall(b'{"prompt": "x"}')
        assert read_all(raw).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("query", ["", "?x"])
@pytest.mark.parametrize("framing", ["Content-Length: 500\r\n\r\n{}", "Transfer-Encoding: chunked\r\n\r\nf\r\n{}\r\n"])
def test_a_submit_that_is_not_sent_to_its_end_makes_no_job(live: Live, query: str, framing: str) -> None:
    head = f"POST {WAVESPEED}{query} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer key\r\n"
    with connect(live.origin) as raw:
        raw.sendall((head + framing.format('{"prompt": "x"}')).encode())
    assert live.client.get("/_understudy/health").status_code == 200

    assert () == live.server.call(live.store.account("key", "wavespeed")).jobs


def test_an_offer_of_another_protocol_is_passed_over(live: Live) -> None:
    body = b'{"prompt": "x"}'
    offer = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n"
    submit = b"POST %s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer key\r\nContent-Length: %d\r\n%s\r\n%s"
    with connect(live.origin) as raw:
        for _ in range(2):
            raw.sendall(submit % (WAVESPEED.encode(), len(body), offer, body))
            assert raw.recv(65536).startswith(b"HTTP/1.1 200 ")


def test_an_answer_that_is_being_read_is_not_cut_by_stopping() -> None:
    live = Live(Settings(seed=1), Clock.manual())
    job = live.submit_wavespeed(enable_base64_output=True, max_images=15)
    live.advance(5000)
    live.client.close()
    poll = f"GET /api/v3/predictions/{job['id']} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer key\r\n\r\n"
    with connect(live.origin) as raw, ThreadPoolExecutor() as pool:
        raw.sendall(poll.encode())
        first = raw.recv(1)
        stopped = pool.submit(live.server.stop)
        head, _, body = (first + read_all(raw)).partition(b"\r\n\r\n")
        stopped.result()

    assert f"content-length: {len(body)}\r\n".encode() in head
    assert len(body) > 1_000_000


def test_a_client_that_hangs_up_in_the_middle_of_a_body_harms_nobody(live: Live) -> None:
    head = f"POST {WAVESPEED} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer key\r\nContent-Length: 100000\r\n\r\n"
    for sent in (b"", b"x" * 70_000):
        with connect(live.origin) as raw:
            raw.sendall(head.encode() + sent)

    assert live.client.post(WAVESPEED, json={"prompt": "x"}).status_code == 200


def test_answers_carry_a_date_and_a_length(live: Live) -> None:
    for answer in (live.client.get("/api/v3/predictions/x/result"), live.client.get("/_understudy/health")):
        assert answer.headers["date"].endswith(" GMT")
        assert str(len(answer.content)) == answer.headers["content-length"]


def test_an_http_1_0_client_without_a_host_header_gets_the_address_it_used(live: Live) -> None:
    body = b'{"prompt": "x"}'
    with connect(live.origin) as raw:
        head = f"POST {WAVESPEED} HTTP/1.0\r\nAuthorization: Bearer key\r\nContent-Length: {len(body)}\r\n\r\n"
        raw.sendall(head.encode() + body)
        answer = read_all(raw)

    assert f'"{live.origin}/api/v3/predictions/'.encode() in answer


class Broken:
    """A lane whose answers are bugs."""

    def find(self, method: bytes, target: bytes) -> tuple[Broken, dict[str, str]] | None:
        return (self, {}) if target == WAVESPEED.encode() else None

    async def answer(self, call: Call) -> Reply:
        raise RuntimeError("a bug")


def test_an_error_of_our_own_is_a_500_and_the_connection_lives_on(caplog: pytest.LogCaptureFixture) -> None:
    app = create_app()
    app.lane = Broken()  # type: ignore[assignment]  # broken on purpose
    with running(app) as origin, httpx.Client(base_url=origin, trust_env=False) as client:
        assert client.post(WAVESPEED, json={}).status_code == 500
        assert client.get("/_understudy/health").json() == {"status": "ok"}

    assert "RuntimeError: a bug" in caplog.text


def test_the_same_application_runs_under_any_asgi_server(live: Live) -> None:
    async def work() -> tuple[int, str]:
        transport = httpx.ASGITransport(create_app(Settings(seed=1)))
        async with httpx.AsyncClient(transport=transport, base_url="http://fake") as client:
            headers = {"Authorization": "Bearer key"}
            answer = await client.post(WAVESPEED, json={"prompt": "x"}, headers=headers)
            return answer.status_code, answer.json()["data"]["urls"]["get"]

    status, url = asyncio.run(work())

    assert status == 200
    assert url.startswith("http://fake/api/v3/predictions/")


def test_a_server_can_run_in_a_loop_that_is_not_its_own() -> None:
    async def work() -> int:
        server = Server(create_app())
        await server.start()
        async with httpx.AsyncClient(trust_env=False) as client:
            answer = await client.get(f"{server.origin}/_understudy/health")
        await server.stop()
        return answer.status_code

    assert asyncio.run(work()) == 200


def test_an_address_of_ip_version_6_is_written_in_brackets() -> None:
    with running(create_app(), host="::1") as origin:
        assert origin.startswith("http://[::1]:")
        assert httpx.get(f"{origin}/_understudy/health", trust_env=False).status_code == 200
