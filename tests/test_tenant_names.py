"""Keys with a nonce: chance does not see it, and nothing of a tenant that is over is left."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from live import IMAGE, WAVESPEED, Live, MakeLive

from understudy.mockserver.tenant_names import name_of


@given(st.text(min_size=1), st.text())
def test_a_nonce_is_what_follows_the_last_tilde_of_a_key(name: str, nonce: str) -> None:
    assert name == name_of(f"{name}~{nonce.replace('~', '')}")


@given(st.text().filter(lambda key: "~" not in key))
def test_a_key_without_one_is_its_own_name(key: str) -> None:
    assert key == name_of(key)
    assert f"~{key}" == name_of(f"~{key}")


def submit(live: Live, key: str) -> str:
    with live.client_of(key) as client:
        answer = client.post(WAVESPEED, json={"prompt": "A shoe", "images": [IMAGE]})
    return str(answer.raise_for_status().json()["data"]["id"])


def upload(live: Live, key: str) -> str:
    with live.client_of(key) as client:
        answer = client.post("/api/v3/media/upload/binary", files={"file": ("a.txt", key.encode(), "text/plain")})
    return str(answer.raise_for_status().json()["data"]["download_url"])


def reset(live: Live, key: str) -> None:
    with live.client_of(key) as client:
        client.post("/_understudy/reset").raise_for_status()


def test_an_id_is_given_anew_once_nobody_has_it(live: Live) -> None:
    first, second = submit(live, "name~1"), submit(live, "name~2")

    assert first != second
    reset(live, "name~1")
    assert first == submit(live, "name~3")
    assert second != submit(live, "name~4") != first


def test_two_keys_of_a_name_have_files_of_their_own(live: Live) -> None:
    first, second = upload(live, "name~1"), upload(live, "name~2")

    assert [b"name~1", b"name~2"] == [live.client.get(url).content for url in (first, second)]
    reset(live, "name~1")
    assert [404, 200] == [live.client.get(url).status_code for url in (first, second)]
    assert first == upload(live, "name~3")


def test_nothing_is_left_of_a_key_that_is_reset(live: Live) -> None:
    submit(live, "name~1")
    assert ["name~1"] == live.server.call(live.store.known(["name~1"]))
    reset(live, "name~1")

    assert [] == live.server.call(live.store.known(["name~1"]))


class Listed:
    """A list of keys that changes while the server runs."""

    def __init__(self) -> None:
        self.keys = {"one", "two"}

    def __contains__(self, key: object) -> bool:
        return key in self.keys


@pytest.mark.parametrize("path", ["/api/v3/balance", "/api/v3/predictions/x/result"])
def test_a_list_of_keys_that_can_change_is_looked_at_each_time(make_live: MakeLive, path: str) -> None:
    listed = Listed()
    live = make_live(keys=listed)
    with live.client_of("one") as client:
        before = client.get(path).status_code
        listed.keys.discard("one")
        assert 401 == client.get(path).status_code != before
