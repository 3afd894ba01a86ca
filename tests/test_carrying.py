"""What happens to an answer's bytes on their way, on a socket: in the lane (submits, polls) and on uvicorn's way."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import socket
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from live import WAVESPEED, Live, MakeLive
from raw import BALANCE, FORM, LANE, POLL, REQUESTS, SUBMIT, UPLOAD, ask, connect, read_all, request_of, split
from starlette.types import Message
from studio import Studio, outputs_of
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from understudy.mockserver.app import create_app
from understudy.mockserver.clock import Clock
from understudy.mockserver.connection import Connection, Exchange
from understudy.mockserver.durations import DurationRange
from understudy.mockserver.memory_store import MemoryStore
from understudy.mockserver.rules import AnswerEffect, Rule
from understudy.mockserver.server import Server
from understudy.mockserver.settings import Settings
from understudy.mockserver.wires import Broken, Wire

FOREVER = 3_600_000
each_request = pytest.mark.parametrize("asked", REQUESTS.values(), ids=REQUESTS)
each_way = pytest.mark.parametrize("asked", [LANE["submit"], POLL, BALANCE], ids=["submit", "poll", "balance"])


@pytest.fixture(autouse=True)
def _nothing_to_complain_of(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """A fault that was asked for is no error of the server's own."""
    yield
    assert [] == [one.getMessage() for when in ("call", "teardown") for one in caplog.get_records(when)]


def breaks(live: Live, wire: Wire, *, times: int | None = None, **effect: Any) -> None:
    live.add_rules(Rule("", answer=AnswerEffect(wire=wire, **effect), times=times))


def whole(live: Live, request: bytes) -> bytes:
    """The body of an answer that nothing happens to, from a tenant without rules."""
    request = request.replace(b"Bearer key", b"Bearer calm").replace(b"Host: x", b"Host: x\r\nConnection: close")
    return split(ask(live, request))[1]


def jobs(live: Live, provider: str = "wavespeed") -> int:
    return len(live.server.call(live.store.account("key", provider)).jobs)


@each_request
def test_a_closed_connection_is_one_without_a_byte(live: Live, asked: bytes) -> None:
    breaks(live, Wire("close"))

    assert b"" == ask(live, asked)


@each_request
def test_a_reset_connection_is_one_that_ends_with_a_tcp_reset(live: Live, asked: bytes) -> None:
    breaks(live, Wire("reset"))

    with pytest.raises(ConnectionResetError):
        ask(live, asked)


@each_request
@pytest.mark.parametrize("at", [0, 1, 20])
def test_a_cut_answer_has_its_whole_length_and_ends_before_it(live: Live, asked: bytes, at: int) -> None:
    breaks(live, Wire("cut", at))

    length, body = split(ask(live, asked))

    assert at == len(body)
    assert length > 20
    if asked is POLL or asked is BALANCE:
        assert whole(live, asked)[:at] == body
        assert length == len(whole(live, asked))


@each_request
@pytest.mark.parametrize("off", [7, -7, -FOREVER])
def test_a_wrong_length_is_off_by_as_much_and_the_whole_body_comes(live: Live, asked: bytes, off: int) -> None:
    breaks(live, Wire("length", off))

    length, body = split(ask(live, asked))

    assert max(len(body) + off, 0) == length
    assert len(whole(live, asked)) == len(body)


@each_request
def test_a_drip_comes_bit_by_bit_and_is_whole_in_the_end(live: Live, asked: bytes) -> None:
    breaks(live, Wire("drip", 16, 1), times=1)

    with connect(live.origin) as raw:
        raw.sendall(asked)
        answer = b""
        while b"\r\n\r\n" not in answer or split(answer)[0] > len(split(answer)[1]):
            answer += raw.recv(1)
        raw.sendall(BALANCE.replace(b"Host", b"Connection: close\r\nHost"))
        behind = read_all(raw)

    assert len(whole(live, asked)) == len(split(answer)[1])
    assert behind.startswith(b"HTTP/1.1 200 ")


@each_way
def test_a_drip_sends_as_many_bytes_at_a_time_and_holds_up_nobody(live: Live, asked: bytes) -> None:
    breaks(live, Wire("drip", 5, FOREVER))
    raws = [connect(live.origin) for _ in range(50)]
    for raw in raws:
        raw.sendall(asked)
    for raw in raws:
        answer = b""
        while len(answer.partition(b"\r\n\r\n")[2]) < 5:
            answer += raw.recv(65536)
        assert 5 == len(split(answer)[1])

    assert {"status": "ok"} == live.client.get("/_understudy/health").json()
    for raw in raws:
        raw.setblocking(False)
        with raw, pytest.raises(BlockingIOError):
            raw.recv(1)


async def tasks() -> set[asyncio.Task[Any]]:
    return asyncio.all_tasks() - {asyncio.current_task()}


@each_way
@pytest.mark.parametrize("behind", [b"", POLL, BALANCE], ids=["nothing", "a poll", "a balance"])
def test_a_drip_ends_when_the_client_goes(live: Live, asked: bytes, behind: bytes) -> None:
    breaks(live, Wire("drip", 1, 300 if behind else FOREVER))
    before = live.server.call(tasks())
    with connect(live.origin) as raw:
        raw.sendall(asked + behind)
        assert raw.recv(65536)
        new = live.server.call(tasks()) - before
        assert new
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")

    async def over() -> int:
        return len((await asyncio.wait(new, timeout=10))[1])

    assert 0 == live.server.call(over())


@each_way
def test_a_drip_ends_when_the_server_stops(asked: bytes) -> None:
    live = Live(Settings(seed=1), Clock.manual())
    live.client.close()
    breaks(live, Wire("drip", 1, FOREVER))
    with connect(live.origin) as raw:
        raw.sendall(asked)
        first = raw.recv(65536)
        live.server.stop()
        length, body = split(first + read_all(raw))

    assert 1 == len(body) < length


@each_way
@pytest.mark.parametrize("wire", [Wire("close"), Wire("cut", 5), Wire("length", 5), Wire("length", -5)], ids=str)
def test_what_is_behind_a_broken_answer_is_not_done_and_the_connection_closed(
    live: Live, asked: bytes, wire: Wire
) -> None:
    breaks(live, wire, times=1, moment="after")

    answer = ask(live, asked + LANE["submit"] + request_of("POST", WAVESPEED + "?x", SUBMIT) + BALANCE)

    assert (0 if wire.kind == "close" else 1) == answer.count(b"HTTP/1.1 ")
    assert answer.lower().count(b"connection: close") == answer.count(b"HTTP/1.1 ")
    assert (1 if asked == LANE["submit"] else 0) == jobs(live)


@each_way
def test_what_is_behind_a_reset_is_not_done(live: Live, asked: bytes) -> None:
    breaks(live, Wire("reset"), times=1, moment="after")

    with pytest.raises(ConnectionResetError):
        ask(live, asked + LANE["submit"] + request_of("POST", WAVESPEED + "?x", SUBMIT))

    assert live.client.get("/_understudy/health").status_code == 200
    assert (1 if asked == LANE["submit"] else 0) == jobs(live)


@each_way
def test_what_is_behind_a_drip_is_done_in_order(live: Live, asked: bytes) -> None:
    breaks(live, Wire("drip", 8, 1), times=1)

    answer = ask(live, asked + LANE["submit"] + BALANCE + POLL.replace(b"Host", b"Connection: close\r\nHost"))

    first = b"404" if asked is POLL else b"200"
    assert [first, b"200", b"200", b"404"] == [part[:3] for part in answer.split(b"HTTP/1.1 ")[1:]]


@each_way
def test_a_drip_to_a_client_that_wants_one_answer_ends_the_connection(live: Live, asked: bytes) -> None:
    breaks(live, Wire("drip", 8, 1))

    answer = ask(live, asked.replace(b"Host", b"Connection: close\r\nHost"))

    assert b"\r\nconnection: close\r\n" in answer
    length, body = split(answer)
    assert length == len(body)


@pytest.mark.parametrize("wire", [Wire("close"), Wire("cut", 5), Wire("length", 5)], ids=str)
def test_an_upload_is_heard_to_its_end_before_its_connection_closes(live: Live, wire: Wire) -> None:
    breaks(live, wire, status=503)
    form = FORM.replace(b"PNG", b"x" * 3_000_000)
    kind = b"Content-Type: multipart/form-data; boundary=x\r\n"

    answer = ask(live, request_of("POST", "/api/v3/media/upload/binary", form, kind))  # no reset, as else it would be

    assert (b"" if wire.kind == "close" else b"HTTP/1.1 503 Service Unavailable") == answer.partition(b"\r")[0]


def test_a_client_that_goes_in_the_middle_of_an_upload_is_not_waited_for(live: Live) -> None:
    breaks(live, Wire("close"))
    with connect(live.origin) as raw:
        raw.sendall(UPLOAD[:-10])
    entries = live.heard()

    assert ["upload-binary"] == [entry.operation for entry in entries]
    assert {"status": "ok"} == live.client.get("/_understudy/health").json()


@pytest.mark.parametrize("query", ["", "?x"])
@pytest.mark.parametrize("kind", ["close", "reset", "cut", "drip"])
def test_a_connection_that_the_client_has_closed_is_left_alone(make_live: MakeLive, kind: Any, query: str) -> None:
    studio = Studio()
    live = make_live(draw=studio.draw)
    url = outputs_of(live)[0]
    breaks(live, Wire(kind, 1), moment="after")
    with connect(live.origin) as raw:
        raw.sendall(request_of("GET", url.removeprefix(live.origin) + query))
        assert studio.begun.acquire(timeout=10)
    with live.client_of("calm") as other:
        other.get("/_understudy/health")  # the server has heard that the connection is closed when it answers this
    studio.may_go.set()

    assert [kind] == [entry.broken for entry in live.heard(3) if entry.operation == "output"]


def test_who_waits_to_be_told_to_send_an_upload_is_not_told(live: Live) -> None:
    breaks(live, Wire("close"))

    assert b"" == ask(live, UPLOAD[: -len(FORM)].replace(b"Host", b"Expect: 100-continue\r\nHost"))


@pytest.mark.parametrize(
    ("wire", "answers"),
    [
        (Wire("close"), False),
        (Wire("cut", 5), True),
        (Wire("length", 5), True),
        (Wire("drip", 1, FOREVER), True),
    ],
    ids=str,
)
def test_an_answer_to_head_has_no_body_to_break(live: Live, wire: Wire, answers: bool) -> None:
    normal, body = split(ask(live, request_of("HEAD", "/api/v3/balance", more=b"Connection: close\r\n")))
    assert b"" == body
    breaks(live, wire)

    answer = ask(live, request_of("HEAD", "/api/v3/balance", more=b"Connection: close\r\n"))

    if not answers:
        assert b"" == answer
    else:
        off = wire.bytes if wire.kind == "length" else 0
        assert (normal + off, b"") == split(answer)


@pytest.mark.parametrize("status", [204, 304])
@pytest.mark.parametrize("wire", [None, Wire("cut", 0), Wire("length", 5)], ids=str)
@each_way
def test_an_answer_that_goes_without_a_body_has_no_length(
    live: Live, asked: bytes, wire: Wire | None, status: int
) -> None:
    live.add_rules(Rule("", answer=AnswerEffect(status=status, wire=wire)))

    head, _, body = ask(live, asked.replace(b"Host", b"Connection: close\r\nHost")).partition(b"\r\n\r\n")

    assert head.startswith(b"HTTP/1.1 %d " % status)
    assert b"content-length" not in head.lower()
    assert b"transfer-encoding" not in head.lower()
    assert b"" == body


@pytest.mark.parametrize("status", [429, 520, 599])
@each_way
def test_any_status_goes_out_either_way(live: Live, asked: bytes, status: int) -> None:
    live.add_rules(Rule("", answer=AnswerEffect(status=status)))
    answer = ask(live, asked.replace(b"Host", b"Connection: close\r\nHost"))
    length, body = split(answer)

    assert answer.startswith(b"HTTP/1.1 %d " % status)
    assert length == len(body)
    assert b'"code":%d' % status in body


def test_a_loop_of_the_standard_library_breaks_answers_as_well() -> None:
    async def work(wire: Wire, asked: bytes) -> bytes:
        store = MemoryStore(rules=(Rule("r", answer=AnswerEffect(wire=wire)),))
        server = Server(create_app(Settings(seed=1), store))
        await server.start()
        reader, writer = await asyncio.open_connection("127.0.0.1", int(server.origin.rpartition(":")[2]))
        writer.write(asked + asked)
        try:
            return await asyncio.wait_for(reader.read(), 10)
        finally:
            writer.close()
            await server.stop()

    for asked in (LANE["submit"], POLL, BALANCE, UPLOAD):
        with pytest.raises(ConnectionResetError):
            asyncio.run(work(Wire("reset"), asked))
        assert b"" == asyncio.run(work(Wire("close"), asked))
        assert 3 == len(split(asyncio.run(work(Wire("cut", 3), asked)))[1])
        length, body = split(asyncio.run(work(Wire("length", 3), asked)))
        assert len(body) + 3 == length


# The journal.


@pytest.mark.parametrize(
    ("wire", "status"),
    [
        (Wire("close"), None),
        (Wire("reset"), None),
        (Wire("cut", 3), 200),
        (Wire("length", 3), 200),
        (Wire("drip", 1_000), 200),
    ],
    ids=str,
)
@pytest.mark.parametrize("asked", [LANE["submit"], BALANCE, UPLOAD], ids=["submit", "balance", "upload"])
def test_the_journal_has_what_became_of_the_bytes(live: Live, asked: bytes, wire: Wire, status: int | None) -> None:
    breaks(live, wire, moment="after")
    with connect(live.origin) as raw:
        raw.sendall(asked)
        entry = live.heard()[0]

    assert (wire.kind, status, ("rule-1",)) == (entry.broken, entry.status, entry.rules)
    assert (entry.status is None) == (entry.sent == 0) == (entry.response == b"")


def test_a_cut_that_comes_too_late_is_none_in_the_journal(live: Live) -> None:
    breaks(live, Wire("cut", 10_000))

    assert live.client.post(WAVESPEED, json={"prompt": "x"}).status_code == 200
    entry = live.journal()[0]
    assert entry.broken is None
    assert (f"cut: the answer has {entry.sent} bytes, so all of it went out before byte 10000",) == entry.notes


def left_over() -> list[object]:
    return [one for one in gc.get_objects() if isinstance(one, RequestResponseCycle | Connection | Exchange)]


@pytest.mark.parametrize("wire", [None, Wire("close"), Wire("reset"), Wire("cut", 3), Wire("drip", 16)], ids=str)
def test_an_exchange_leaves_nothing_for_the_garbage_collector(live: Live, wire: Wire | None) -> None:
    live.add_rules(Rule("", answer=AnswerEffect(wire=wire)))
    gc.collect()
    gc.disable()
    try:
        for asked in (BALANCE, POLL):
            with contextlib.suppress(ConnectionResetError):
                ask(live, asked.replace(b"Host", b"Connection: close\r\nHost"))
        for _ in range(1_000):
            if not left_over():
                break
            live.server.call(tasks())  # one more turn of the server's loop
        assert [] == left_over()
    finally:
        gc.enable()


# In process, where no connection is.


def in_process(wire: Wire, method: str = "GET") -> httpx.Response:
    async def work() -> httpx.Response:
        store = MemoryStore(rules=(Rule("r", answer=AnswerEffect(wire=wire)),))
        transport = httpx.ASGITransport(create_app(Settings(seed=1), store))
        async with httpx.AsyncClient(transport=transport, base_url="http://fake") as client:
            return await client.request(method, "/api/v3/balance", headers={"Authorization": "Bearer key"})

    return asyncio.run(work())


@pytest.mark.parametrize(
    ("wire", "length", "through"),
    [
        (Wire("cut", 10), 61, b'{"code":20'),
        (Wire("length", -51), 10, b'{"code":20'),
        (Wire("length", 5), 66, b'{"code":200,"message":"success","data":{"balance":1000000.0}}'),
    ],
    ids=str,
)
def test_in_process_an_answer_that_breaks_is_an_error_with_what_got_through(
    wire: Wire, length: int, through: bytes
) -> None:
    with pytest.raises(Broken) as caught:
        in_process(wire)

    broken = caught.value
    assert (wire, 200, through) == (broken.wire, broken.status, broken.body)
    assert {b"content-type": b"application/json", b"content-length": b"%d" % length} == dict(broken.headers)
    assert f"The answer does not arrive whole: {wire}." == str(broken)


@pytest.mark.parametrize("wire", [Wire("close"), Wire("reset")], ids=str)
def test_in_process_an_answer_that_nobody_gets_is_an_error_with_nothing(wire: Wire) -> None:
    with pytest.raises(Broken) as caught:
        in_process(wire)

    assert (wire, b"") == (caught.value.wire, caught.value.body)


def test_in_process_a_drip_is_whole() -> None:
    assert 200 == in_process(Wire("drip", 7, FOREVER)).json()["code"]
    assert 200 == in_process(Wire("drip", 0)).json()["code"]


@pytest.mark.parametrize("wire", [Wire("cut", 1), Wire("length", 5), Wire("drip", 1)], ids=str)
def test_in_process_an_answer_to_head_has_no_body_to_break(wire: Wire) -> None:
    assert (200, b"") == (in_process(wire, "HEAD").status_code, in_process(wire, "HEAD").content)


def test_in_process_a_closed_connection_breaks_head_as_well() -> None:
    with pytest.raises(Broken):
        in_process(Wire("close"), "HEAD")


def test_to_a_client_that_has_gone_nothing_is_sent_whatever_the_server() -> None:
    sent: list[Message] = []

    async def work() -> None:
        late = AnswerEffect(delay=DurationRange(1_000, 1_000))
        app = create_app(Settings(seed=1), MemoryStore(Clock.manual(), rules=(Rule("late", answer=late),)))
        scope = {
            "type": "http",
            "method": "GET",
            "scheme": "http",
            "path": "/api/v3/balance",
            "query_string": b"",
            "headers": [(b"host", b"x"), (b"authorization", b"Bearer key")],
        }

        async def receive() -> Message:
            return {"type": "http.disconnect"}

        async def send(message: Message) -> None:
            sent.append(message)

        await app(scope, receive, send)

    asyncio.run(work())

    assert [] == sent
