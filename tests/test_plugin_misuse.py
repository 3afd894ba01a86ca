"""What is said of bad use, word for word."""

from __future__ import annotations

import re
import socket
from concurrent.futures import ThreadPoolExecutor

import pytest
from projects import HEAD, run, told

from understudy.fixtures import UnderstudyError, running

A_PROVIDER = (
    "That one can ask for understudy_server, which is as wide as the session, and have a provider of its own: "
    "server.provider('{}', 'a name'), with close() at its end"
)


@pytest.mark.parametrize(
    ("fixture", "instead"),
    [
        ("mock_wavespeed", A_PROVIDER.format("wavespeed") + "."),
        ("mock_runcomfy", A_PROVIDER.format("runcomfy") + "."),
        ("mock_wavespeed_in_process", A_PROVIDER.format("wavespeed") + ", and in_process() around what uses it."),
        ("mock_runcomfy_in_process", A_PROVIDER.format("runcomfy") + ", and in_process() around what uses it."),
        ("webhook_receiver", "Ask for it in the test itself, and hand its url on."),
        (
            "block_network",
            "For all tests there is --understudy-block-network=on, for those of a class or a module "
            "@pytest.mark.understudy(block_network=True).",
        ),
    ],
)
def test_a_fixture_of_wider_scope_is_told_what_to_ask_for(
    pytester: pytest.Pytester, fixture: str, instead: str
) -> None:
    result = run(
        pytester,
        body=f"""
@pytest.fixture(scope="module")
def shared({fixture}): pass

def test_it(shared): pass
""",
    )

    result.assert_outcomes(errors=1)
    assert (f"{fixture} is a fixture for one test, and one of wider scope asked for it. {instead}\n") in told(result)


def test_another_mistake_of_scope_is_none_of_our_business(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        body="@pytest.fixture(scope='module')\ndef shared(tmp_path): pass\n\ndef test_it(shared): pass\n",
    )

    result.assert_outcomes(errors=1)
    assert "understudy_server" not in told(result)


def test_a_port_that_is_taken_is_told(pytester: pytest.Pytester) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        message = (
            f"understudy cannot listen on 127.0.0.1:{port}: Address already in use. Choose another port, or none: then "
            "it takes one that is free."
        )
        result = run(pytester, f"--understudy-port={port}", body="def test_it(mock_wavespeed): pass")
        result.assert_outcomes(errors=1)
        assert message in told(result)
        assert "another exception" not in told(result)
        with pytest.raises(UnderstudyError) as told_too, running(port=port):
            pass
    assert message == str(told_too.value)


@pytest.mark.parametrize("port", [-1, 65536])
def test_what_is_no_port_is_told(port: int) -> None:
    with pytest.raises(UnderstudyError) as wrong, running(port=port):
        pass
    assert f"{port} is no port: expected a whole number from 0 to 65535." == str(wrong.value)


def test_a_port_that_is_free_is_listened_on(pytester: pytest.Pytester) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    result = run(
        pytester,
        f"--understudy-port={port}",
        body=f"def test_it(mock_wavespeed): assert mock_wavespeed.base_url == 'http://127.0.0.1:{port}'",
    )

    result.assert_outcomes(passed=1)


GONE = (
    "understudy's server at {origin} is gone: its thread has ended, or this process was forked from the one that it "
    "runs in. Start processes with 'spawn' and hand them base_url and api_key; whatever ended the thread is in the "
    "log above."
)


def test_a_server_that_died_is_told() -> None:
    with running() as server:
        mock = server.wavespeed
    with pytest.raises(UnderstudyError) as gone:
        _ = mock.jobs

    assert GONE.format(origin=mock.base_url) == str(gone.value)


def test_a_server_that_died_under_a_test_is_told_in_its_report(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        "-rN",  # the summary says the message once more, and whole only where CI is set
        body="""
def test_it(mock_wavespeed, understudy_server):
    understudy_server.stop()
    assert mock_wavespeed.jobs
""",
    )

    result.assert_outcomes(failed=1)
    assert 2 == len(re.findall(re.escape(GONE.partition("{origin}")[2]), re.sub(r"\nE +", " ", told(result)))), told(
        result
    )


def test_no_server_at_the_url_is_told(pytester: pytest.Pytester) -> None:
    result = run(pytester, "--understudy-url=http://127.0.0.1:9", body="def test_it(mock_wavespeed): pass")

    result.assert_outcomes(errors=1)
    assert (
        "No understudy answers at http://127.0.0.1:9 ([Errno 111] Connection refused). Start one with 'understudy "
        "serve', correct --understudy-url, or leave it away: then the tests have a server of their own."
    ) in told(result)


@pytest.mark.parametrize(
    ("status", "said"),
    [(200, b"Hello"), (200, b"[]"), (200, b"{}"), (404, b"gone"), (404, b'{"detail": "x"}'), (404, b'{"error": "x"}')],
)
def test_another_server_at_the_url_is_told(status: int, said: bytes) -> None:
    from understudy.mockserver.server import running as serving

    async def hello(scope: object, receive: object, send: object) -> None:
        assert isinstance(scope, dict)
        if scope["type"] == "http":
            await send({"type": "http.response.start", "status": status, "headers": []})  # type: ignore[operator]
            await send({"type": "http.response.body", "body": said})  # type: ignore[operator]

    with serving(hello) as origin, pytest.raises(UnderstudyError) as other, running(url=origin):
        pass

    assert (
        f"What answers at {origin} is no understudy: it does not speak the control API at /_understudy/. Correct "
        "--understudy-url, or leave it away: then the tests have a server of their own."
    ) == str(other.value)


def test_who_speaks_no_http_at_the_url_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other, ThreadPoolExecutor() as pool:
        origin = f"http://127.0.0.1:{other.getsockname()[1]}"

        def greet() -> None:
            connection, _ = other.accept()
            with connection:
                connection.sendall(b"SSH-2.0-OpenSSH_9.6\r\n")
                connection.recv(65536)

        greeted = pool.submit(greet)
        with pytest.raises(UnderstudyError) as wrong, running(url=origin):
            pass
        greeted.result()

    assert str(wrong.value).startswith(f"What answers at {origin} is no understudy: it does not speak the control API")


def test_a_name_that_is_none_is_told_alike_by_a_server_elsewhere() -> None:
    with running() as server, running(url=server.base_url) as remote:
        for mock in (server.wavespeed, remote.wavespeed):
            with pytest.raises(UnderstudyError) as wrong:
                mock.job("a b?")
            assert "This key has no job 'a b?'. It has none at all." == str(wrong.value)
            with pytest.raises(UnderstudyError, match=r"^This key has no job "):
                mock.job("\ud83d")
            with pytest.raises(UnderstudyError, match="is not a duration"):
                mock.verdict(fastest_poll="\ud83d")


def test_a_server_elsewhere_cannot_be_had_with_other_switches_nor_in_process() -> None:
    from understudy.fixtures.options import Chosen

    with running() as server, running(url=server.base_url) as remote:
        with pytest.raises(UnderstudyError) as switches:
            remote.provider("wavespeed", chosen=Chosen(assume={"wavespeed.cancel": "on"}))
        with pytest.raises(UnderstudyError) as transport:
            remote.wavespeed.transport()
        with pytest.raises(UnderstudyError) as inside, remote.wavespeed.in_process():
            pass
    assert (
        "assume={'wavespeed.cancel': 'on'} needs a server of our own, and --understudy-url names "
        f"{server.base_url}: start that one with these switches ('understudy serve --assume NAME=VALUE'), or leave the "
        "URL away."
    ) == str(switches.value)
    for what, error in (("A transport", transport), ("In-process use", inside)):
        assert (
            f"{what} needs the server in this process, and --understudy-url names {server.base_url}. Leave it away, or "
            "have the client talk to base_url over the network."
        ) == str(error.value)


def test_tests_run_against_a_server_elsewhere(pytester: pytest.Pytester) -> None:
    with running() as server:
        result = run(
            pytester,
            f"--understudy-url={server.base_url}",
            body=f"""
@pytest.mark.understudy(clock="manual", latency="9s")
def test_it(mock_wavespeed):
    assert mock_wavespeed.base_url == {server.base_url!r}
    job = mock_wavespeed.job(submit(mock_wavespeed))
    assert (mock_wavespeed.clock.mode, job.ends - job.submitted) == ("manual", 9000)
""",
        )

    result.assert_outcomes(passed=1)


def test_the_key_of_another_test_is_turned_down_and_told(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        body="""
KEPT = []

def test_first(mock_wavespeed):
    KEPT.append(mock_wavespeed.api_key)
    submit(mock_wavespeed)

def test_second(mock_wavespeed):
    with pytest.raises(httpx.HTTPStatusError, match="401"):
        submit(mock_wavespeed, KEPT[0])

@pytest.mark.understudy(strict="rules,requests,webhooks")
def test_third(mock_wavespeed):
    with pytest.raises(httpx.HTTPStatusError, match="401"):
        submit(mock_wavespeed, KEPT[0])
""",
    )

    result.assert_outcomes(passed=3, errors=1)
    assert (
        "* A request came with the key of another test, test_it.py::test_first, which is over, and was turned down. A "
        "client that is made at import, or by a fixture of wider scope, keeps the key that it was made with: make it "
        "inside of the test."
    ) in told(result)


def test_the_next_test_is_not_blamed_for_a_key_that_one_used_whose_end_was_not_looked_at(
    pytester: pytest.Pytester,
) -> None:
    result = run(
        pytester,
        body="""
KEPT = []

def test_first(mock_wavespeed):
    KEPT.append(mock_wavespeed.api_key)

def test_that_fails(mock_wavespeed):
    submit(mock_wavespeed, KEPT[0])

def test_after_it(mock_wavespeed): pass

@pytest.mark.understudy(strict=False)
def test_without_checks(mock_wavespeed):
    with pytest.raises(httpx.HTTPStatusError, match="401"):
        submit(mock_wavespeed, KEPT[0])

def test_after_that(mock_wavespeed): pass
""",
    )

    result.assert_outcomes(passed=4, failed=1)


def without(pytester: pytest.Pytester, name: str) -> pytest.RunResult:
    """A run in which importing respx finds that this package is missing."""
    pytester.makepyfile(
        test_it=HEAD + "def test_it(mock_wavespeed_in_process): pass",
        respx=f"raise ModuleNotFoundError('No module named {name}', name='{name}')",
    )
    pytester.syspathinsert()
    result = pytester.runpytest_subprocess("-p", "no:respx", "-p", "no:asyncio", "-p", "no:randomly")
    result.assert_outcomes(errors=1)
    return result


def test_in_process_use_without_respx_is_told_which_extra_to_install(pytester: pytest.Pytester) -> None:
    result = without(pytester, "respx")

    assert (
        "In-process use of httpx needs respx, which is not installed: pip install 'understudy[respx]'. Without it, "
        "give your client transport=mock_wavespeed.transport()."
    ) in told(result)


def test_another_package_that_respx_misses_is_not_blamed_on_it(pytester: pytest.Pytester) -> None:
    result = without(pytester, "other")

    assert "ERROR test_it.py::test_it - ModuleNotFoundError: No module named other" in told(result)
