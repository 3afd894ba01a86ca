"""Who may call the control API."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from live import Live, MakeLive

from understudy.mockserver.app import create_app
from understudy.mockserver.control_access import Access, is_loopback
from understudy.mockserver.control_asked import Wrong
from understudy.mockserver.server import running
from understudy.mockserver.settings import Settings, SettingsError, load

KEY = {"Authorization": "Bearer key"}
TOKEN = "X-Understudy-Token"
WHERE = "--control-token sets it, or else the server printed one at its start."


def ask(origin: str, path: str = "clock", **headers: str) -> httpx.Response:
    with httpx.Client(trust_env=False, headers={**KEY, **headers}) as client:
        return client.get(f"{origin}/_understudy/{path}")


def test_with_a_token_every_call_but_health_needs_it(make_live: MakeLive) -> None:
    live = make_live(control_token="sesame")
    for path in ("clock", "version", "openapi.json", "events", "nothing"):
        answer = ask(live.origin, path)
        message = f"This call needs the header X-Understudy-Token: {WHERE}"
        assert (403, {"error": {"field": TOKEN, "given": None, "message": message}}) == (
            answer.status_code,
            answer.json(),
        )
        wrong = ask(live.origin, path, **{TOKEN: "Sesame"}).json()["error"]["message"]
        assert f"This call has the wrong X-Understudy-Token: {WHERE}" == wrong
    assert 200 == ask(live.origin, "health").status_code
    assert 200 == ask(live.origin, **{TOKEN: "sesame"}).status_code
    # Who has the token is no stranger's web page, whatever the host is called.
    assert 200 == ask(live.origin, **{TOKEN: "sesame", "Host": "understudy.example"}).status_code


def test_beyond_loopback_a_token_is_drawn() -> None:
    app = create_app(Settings(host="0.0.0.0"))
    with running(app) as origin:
        assert 403 == ask(origin).status_code
        assert 200 == ask(origin, **{TOKEN: app.state.settings.control_token}).status_code
    assert 22 == len(app.state.settings.control_token)
    assert app.state.settings.control_token != create_app(Settings(host="::")).state.settings.control_token
    assert create_app(Settings(host="::1")).state.settings.control_token is None
    assert "own" == create_app(Settings(host="0.0.0.0", control_token="own")).state.settings.control_token


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "LOCALHOST:99", "[::1]:80", "127.1.2.3", "wave.localhost"])
def test_on_loopback_its_own_names_need_no_token(live: Live, host: str) -> None:
    assert 200 == ask(live.origin, Host=host).status_code


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "10.0.0.1", "127.0.0.1.evil.example", "[::2]"])
def test_a_page_whose_name_leads_to_loopback_is_kept_out(live: Live, host: str) -> None:
    error = ask(live.origin, Host=host).json()["error"]
    name = host.strip("[]").removesuffix(":80")
    assert (
        f"Without a control token this server answers to 127.0.0.1, [::1] and localhost, not to {name!r}: "
        "a web page could have its own name lead here. Use one of those, or set --control-token."
    ) == error["message"]
    assert ("Host", ["127.0.0.1", "[::1]", "localhost"]) == (error["field"], error["exists"])
    assert 200 == ask(live.origin, "health", Host=host).status_code


def test_a_page_on_another_origin_is_not_told_that_it_may_call(live: Live) -> None:
    asked = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
    answer = live.client.options("/_understudy/reset", headers=asked)
    assert not [name for name in answer.headers if name.startswith("access-control")]


def test_over_the_network_there_is_no_control_without_a_token() -> None:
    with pytest.raises(Wrong) as refused:
        Access(None).check(None, "192.0.2.7", "127.0.0.1")
    assert (
        403,
        "This server is reached over the network, at 192.0.2.7, and has no control token: give it one.",
    ) == (refused.value.status, refused.value.message)


def test_where_there_is_no_network_between_any_host_is_right() -> None:
    Access(None).check(None, "api.wavespeed.ai", "api.wavespeed.ai")
    Access(None).check(None, "/run/understudy.sock", "")
    with pytest.raises(Wrong):
        Access("sesame").check(None, "api.wavespeed.ai", "api.wavespeed.ai")


def test_an_application_without_a_socket_can_be_controlled_too() -> None:
    import asyncio

    async def ask_in_process() -> Any:
        transport = httpx.ASGITransport(create_app(Settings(seed=1)))
        async with httpx.AsyncClient(transport=transport, base_url="https://api.wavespeed.ai", headers=KEY) as client:
            return (await client.get("/_understudy/clock")).json()["mode"]

    assert "real" == asyncio.run(ask_in_process())


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        *((name, True) for name in ("127.0.0.1", "::1", "localhost", "Localhost.", "a.localhost")),
        *((name, False) for name in ("0.0.0.0", "::", "10.0.0.1", "localhost.example", "")),
    ],
)
def test_loopback_is_known_by_address_and_name(host: str, expected: bool) -> None:
    assert expected == is_loopback(host)


@pytest.mark.parametrize("token", ["", "two words", "schlüssel"])
def test_a_token_that_no_header_can_carry_is_refused(token: str) -> None:
    with pytest.raises(SettingsError, match="a token is made of printable ASCII characters without spaces"):
        load({"control_token": token}, {}, None)
    assert "sesame" == load({"control_token": "sesame"}, {}, None).control_token
