"""Nothing but this machine is reached while block_network is on."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable

import pytest
from projects import run, told

from understudy.fixtures import NetworkBlocked
from understudy.fixtures.blocking import blocked, is_loopback

MESSAGE = (
    "The test wanted to reach {}, and block_network is on: only this machine may be reached. Have the client use "
    "base_url of mock_wavespeed or mock_runcomfy, or turn it off with @pytest.mark.understudy(block_network=False)."
)
BY_FIXTURE = MESSAGE.partition("turn it off")[0] + "have the test not ask for the fixture block_network."
REACHES = """
def test_it(mock_wavespeed{more}):
    assert submit(mock_wavespeed)
    httpx.get("https://api.wavespeed.ai/api/v3/balance", trust_env=False)
"""


@pytest.mark.parametrize("how", ["flag", "marker", "fixture", "ini"])
def test_a_host_elsewhere_is_named(pytester: pytest.Pytester, how: str) -> None:
    body = REACHES.format(more=", block_network" if how == "fixture" else "")
    if how == "marker":
        body = "@pytest.mark.understudy(block_network=True)" + body
    if how == "ini":
        pytester.makeini("[pytest]\nunderstudy_block_network = on\n")
    result = run(pytester, *(["--understudy-block-network=on"] if how == "flag" else []), body=body)

    result.assert_outcomes(failed=1)
    message = BY_FIXTURE if how == "fixture" else MESSAGE
    assert "NetworkBlocked: " + message.format("api.wavespeed.ai") in told(result)


def test_the_fixture_is_named_where_a_marker_does_not_help(pytester: pytest.Pytester) -> None:
    marked = "@pytest.mark.understudy(block_network=False)" + REACHES.format(more=", block_network")
    result = run(pytester, "--understudy-block-network=on", body=marked)

    result.assert_outcomes(failed=1)
    assert "NetworkBlocked: " + BY_FIXTURE.format("api.wavespeed.ai") in told(result)


def test_it_ends_with_the_test_or_the_session(pytester: pytest.Pytester) -> None:
    before = (socket.getaddrinfo, socket.socket.connect, "connect" in vars(socket.socket))
    result = run(
        pytester,
        body="""
import socket
BEFORE = socket.getaddrinfo

@pytest.mark.understudy(block_network=True)
def test_blocked():
    assert socket.getaddrinfo is not BEFORE

def test_free(mock_wavespeed):
    assert socket.getaddrinfo is BEFORE
""",
    )
    run(pytester, "--understudy-block-network=on")

    result.assert_outcomes(passed=2)
    assert before == (socket.getaddrinfo, socket.socket.connect, "connect" in vars(socket.socket))


def test_it_ends_with_a_test_whose_end_fails_too(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        body="""
import socket
BEFORE = socket.getaddrinfo

@pytest.mark.understudy(block_network=True)
def test_blocked(mock_wavespeed):
    mock_wavespeed.will_hang()

def test_free():
    assert socket.getaddrinfo is BEFORE
""",
    )

    result.assert_outcomes(passed=2, errors=1)


def test_a_marker_lets_one_test_out(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        "--understudy-block-network=on",
        body="""
import socket
from understudy.fixtures import NetworkBlocked

@pytest.mark.understudy(block_network=False)
def test_free():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.connect(("203.0.113.1", 9))

def test_blocked():
    with socket.socket() as sender, pytest.raises(NetworkBlocked):
        sender.connect(("203.0.113.1", 9))
""",
    )

    result.assert_outcomes(passed=2)


def test_every_way_out_is_blocked() -> None:
    elsewhere = ("203.0.113.1", 9)
    with blocked(), socket.socket() as one, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        ways: list[Callable[[], object]] = [
            lambda: one.connect(elsewhere),
            lambda: one.connect_ex(elsewhere),
            lambda: other.sendto(b"x", elsewhere),
            lambda: other.sendto(b"x", 0, elsewhere),
            lambda: other.sendmsg([b"x"], [], 0, elsewhere),
            lambda: socket.create_connection(elsewhere),
            lambda: socket.getaddrinfo(b"203.0.113.1", 9),
            lambda: socket.gethostbyname("203.0.113.1"),
            lambda: socket.gethostbyname_ex("203.0.113.1"),
            lambda: asyncio.run(asyncio.open_connection(*elsewhere)),
        ]
        for way in ways:
            with pytest.raises(NetworkBlocked) as refused:
                way()
            assert MESSAGE.format("203.0.113.1") == str(refused.value)


def test_names_of_this_machine_and_of_what_is_allowed_are_looked_up(monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere: tuple[str, list[str], list[str]] = ("understudy.example", [], ["203.0.113.1"])
    monkeypatch.setattr(socket, "gethostname", lambda: "studio.example")
    monkeypatch.setattr(socket, "gethostbyname", lambda host: "203.0.113.1")
    monkeypatch.setattr(socket, "gethostbyname_ex", lambda host: elsewhere)
    for look_up in (lambda host: socket.gethostbyname(host), lambda host: socket.gethostbyname_ex(host)):
        with blocked("understudy.example"), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            for host in ("localhost", "127.0.0.1", "studio.example"):
                assert look_up(host) in ("203.0.113.1", elsewhere)
            with pytest.raises(NetworkBlocked):
                sender.connect(("203.0.113.1", 9))
            look_up("understudy.example")
            sender.connect(("203.0.113.1", 9))
            with pytest.raises(NetworkBlocked) as refused:
                look_up("api.wavespeed.ai")
            assert MESSAGE.format("api.wavespeed.ai") == str(refused.value)


def test_uvloop_is_no_way_out() -> None:
    uvloop = pytest.importorskip("uvloop")

    async def look_up() -> None:
        await asyncio.get_running_loop().getaddrinfo("api.wavespeed.ai", 443)

    async def connect() -> None:
        await asyncio.get_running_loop().create_connection(asyncio.Protocol, host="203.0.113.1", port=9)

    async def listen() -> None:
        server = await asyncio.start_server(lambda reader, writer: writer.close(), "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        assert b"" == await reader.read()
        writer.close()
        await writer.wait_closed()
        server.close()

    async def take(client: socket.socket) -> None:
        transport, _ = await asyncio.get_running_loop().create_connection(asyncio.Protocol, sock=client)
        transport.abort()
        await asyncio.sleep(0)

    with blocked():
        for way, host in ((look_up, "api.wavespeed.ai"), (connect, "203.0.113.1")):
            with pytest.raises(NetworkBlocked) as refused:
                uvloop.run(way())
            assert MESSAGE.format(host) == str(refused.value)
        uvloop.run(listen())
        with socket.create_server(("127.0.0.1", 0)) as listener, socket.socket() as client:
            client.connect(listener.getsockname())
            client.setblocking(False)
            uvloop.run(take(client))


def test_this_machine_and_what_is_allowed_are_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    def known(host: str, *_: object, **__: object) -> list[tuple[int, int, int, str, tuple[str, int]]]:
        return [(socket.AF_INET, socket.SOCK_DGRAM, 17, "", ("203.0.113.1", 9))]

    monkeypatch.setattr(socket, "getaddrinfo", known)
    with blocked("understudy.example"):
        (found,) = socket.getaddrinfo("understudy.example", 9)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.connect(found[4])
        socket.getaddrinfo(None, 9)
    with blocked(), socket.create_server(("127.0.0.1", 0)) as listener, socket.socket() as client:
        client.connect(listener.getsockname())
    with blocked(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        assert 1 == sender.sendto(b"x", ("127.0.0.1", 9))
        assert 1 == sender.sendmsg([b"x"], [], 0, ("127.0.0.1", 9))
    with blocked(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.connect(("127.0.0.1", 9))
        assert 1 == sender.sendmsg([b"x"])
    with blocked(), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as one, pytest.raises(FileNotFoundError):
        one.sendto(b"x", "/nowhere")
    with blocked(), socket.socket(socket.AF_UNIX) as one, pytest.raises(FileNotFoundError):
        one.connect("/nowhere")


@pytest.mark.parametrize(
    ("host", "here"),
    [
        ("127.0.0.1", True),
        ("127.8.8.8", True),
        ("::1", True),
        ("0.0.0.0", True),
        ("::ffff:127.0.0.1", True),
        ("::ffff:10.0.0.1", False),
        ("localhost", True),
        ("LOCALHOST.", True),
        ("fake.localhost", True),
        ("", True),
        ("fe80::1%eth0", False),
        ("10.0.0.1", False),
        ("localhost.example.com", False),
    ],
)
def test_loopback_is_this_machine(host: str, here: bool) -> None:
    assert here is is_loopback(host)
