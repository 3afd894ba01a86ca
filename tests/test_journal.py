"""The journal: what is written down of an exchange, for how long, and in which form it is shown."""

from __future__ import annotations

import asyncio
import json
import re
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import settings as how
from hypothesis import strategies as st
from live import WAVESPEED, Live, MakeLive
from serving import WatchedStore, on_loop, serving, settings, submit
from talking import KEYS, Talk, talking

from understudy.mockserver.archive import AROUND, Archive, weight_of
from understudy.mockserver.clock import Clock
from understudy.mockserver.images import ImageSpec
from understudy.mockserver.jobs import Phase
from understudy.mockserver.journal import BODY_KEPT, Entry, Journal, Logged
from understudy.mockserver.journal_forms import STEADY, select, show_entry, to_lines
from understudy.mockserver.masking import likely_keys, mask, mask_body
from understudy.mockserver.rules import AnswerEffect
from understudy.mockserver.store import Entrance
from understudy.mockserver.traces import announced, is_text, replaced, spoilt

KEY = "a-secret-of-some-length"
ENTRY = Entry(1, 2, 3, "wavespeed", "submit", "POST", "/x", "job", Phase.QUEUED, 200, ("rule",), ("note",))
NAMES = {
    *("number", "at", "wall", "took", "provider", "operation", "method", "target", "job", "state", "status", "rules"),
    *("notes", "request", "response", "sent", "retry_after", "broken", "exposed"),
}


def logged(live: Live, key: str = "key") -> Logged:
    return live.server.call(live.store.journal(key))


def shown(live: Live, key: str = "key") -> list[dict[str, Any]]:
    return [show_entry(*numbered) for numbered in select(logged(live, key))]


# How an entry is shown.


def test_an_exchange_is_shown_with_the_names_that_the_control_api_promises() -> None:
    entry = show_entry(7, ENTRY._replace(request=b'{"a":1}', response=b"[]", received=7, sent=2))

    assert NAMES == entry.keys()
    assert (7, "queued", ["rule"], ["note"]) == tuple(entry[name] for name in ("number", "state", "rules", "notes"))
    assert ({"a": 1}, []) == (entry["request"], entry["response"])
    assert "timed_out" == show_entry(1, ENTRY._replace(phase=Phase.TIMED_OUT))["state"]
    assert show_entry(1, ENTRY._replace(phase=None))["state"] is None


@pytest.mark.parametrize(
    ("body", "length", "expected"),
    [
        (b"", 0, None),
        (b"", 48_213, "[48213 bytes that are no text]"),
        (b"\x89PNG\r\n\x1a\n\x00", 9, "[9 bytes that are no text]"),
        (b"\xff\xfe", 2, "[2 bytes that are no text]"),
        (b'{"a": "\xc3\xa9"}', 11, {"a": "é"}),
        (b'{"a": ', 6, '{"a": '),
        (b"<html>", 6, "<html>"),
        (b"x" * BODY_KEPT, BODY_KEPT, "x" * BODY_KEPT),
        (b"[" * BODY_KEPT, BODY_KEPT + 1, "[" * BODY_KEPT + "… [2049 bytes in all]"),
        (b"a" * (BODY_KEPT - 1) + b"\xc3", 9_000, "a" * (BODY_KEPT - 1) + "… [9000 bytes in all]"),
    ],
    ids=str,
)
def test_a_body_is_shown_as_json_where_it_is_whole(body: bytes, length: int, expected: Any) -> None:
    assert expected == show_entry(1, ENTRY._replace(response=body, sent=length))["response"]
    assert expected == show_entry(1, ENTRY._replace(request=body, received=length))["request"]


def test_entries_are_picked_by_each_property_and_of_many_the_newest() -> None:
    entries = [
        ENTRY,
        ENTRY._replace(operation="result", status=404),
        ENTRY._replace(provider="runcomfy", operation="status"),
        ENTRY._replace(job="other", status=None),
    ]
    log = Logged(5, entries)

    def numbers(**asked: Any) -> list[int]:
        return [number for number, _ in select(log, **asked)]

    assert [5, 6, 7, 8] == numbers()
    assert [7, 8] == numbers(after=6)
    assert [6] == numbers(operation="result")
    assert [6, 7] == numbers(operation="poll")
    assert [7] == numbers(provider="runcomfy")
    assert [8] == numbers(job="other")
    assert [6] == numbers(status=404)
    assert [7, 8] == numbers(limit=2)
    assert [5] == numbers(operation="submit", job="job", limit=9)
    assert [] == numbers(limit=0)


def test_lines_are_one_json_object_each_and_steady_ones_know_no_real_time() -> None:
    log = Logged(1, [ENTRY, ENTRY])

    assert [show_entry(1, ENTRY), show_entry(2, ENTRY)] == [json.loads(line) for line in to_lines(log.numbered).split()]
    assert [NAMES - {"wall", "took"}] * 2 == [
        json.loads(line).keys() for line in to_lines(log.numbered, steady=True).splitlines()
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "http://127.0.0.1:8787/a http://[::1]:80?b https://x.test:1",
            "http://127.0.0.1/a http://[::1]?b https://x.test",
        ),
        ("http%3A%2F%2Flocalhost%3A41234%2Fhook", "http%3A%2F%2Flocalhost%2Fhook"),
        ("at 12:34:56 in http://x.test/a:80", "at 12:34:56 in http://x.test/a:80"),
    ],
)
def test_steady_lines_have_no_ports(text: str, expected: str) -> None:
    entry = ENTRY._replace(target=text, response=text.encode(), sent=len(text))

    line = json.loads(to_lines([(1, entry)], steady=True))

    assert (expected, expected, len(expected)) == (line["target"], line["response"], line["sent"])


@given(ports=st.lists(st.integers(1, 65_535), min_size=2, max_size=2), urls=st.integers(25, 40))
def test_steady_lines_are_equal_whatever_the_ports_even_where_a_body_was_cut(ports: list[int], urls: int) -> None:
    lines = []
    for port in ports:
        body = b" ".join(b"http://127.0.0.1:%d/%d/%s" % (port, number, b"x" * 60) for number in range(urls))
        entry = ENTRY._replace(response=body[:BODY_KEPT], sent=len(body), request=b"\x00", received=9)
        lines.append(to_lines([(1, entry)], steady=True))

    assert lines[0] == lines[1]
    assert ("…", STEADY + 1, None) == (
        (line := json.loads(lines[0]))["response"][-1],
        len(line["response"]),
        line["sent"],
    )


# Keys.


@pytest.mark.parametrize(
    ("path", "query", "expected"),
    [
        ("/a", b"", ("/a", False)),
        (f"/{KEY}/b", b"", ("/[key]/b", True)),
        ("/a", f"k={KEY}&l={KEY}".encode(), ("/a?k=[key]&l=[key]", True)),
        (f"/{KEY}er", f"k=x{KEY}".encode(), (f"/{KEY}er?k=x{KEY}", False)),
    ],
)
def test_a_key_is_masked_in_a_url_where_it_stands_alone(path: str, query: bytes, expected: tuple[str, bool]) -> None:
    assert expected == mask(path, query, KEY)


def test_a_key_is_found_as_a_url_writes_it_and_a_short_one_not_at_all() -> None:
    assert ("/a?k=[key]", True) == mask("/a", b"k=se%20cr%2Fet", "se cr/et")
    assert ("/api/v3/key", False) == mask("/api/v3/key", b"", "key")


@given(before=st.text("ab ", max_size=20), after=st.text("ab ", max_size=20), most=st.integers(0, 70))
def test_nothing_of_a_key_is_left_in_a_body_wherever_it_is_cut(before: str, after: str, most: int) -> None:
    secret = "0123456789"
    body = f"{before} {secret} {secret} {after}".encode()

    kept = mask_body(body, secret, most)

    assert len(kept) <= most
    assert not re.search(rb"[0-9]", kept)
    assert (body == kept) == (len(body) <= most and secret.encode() not in body)


def test_short_keys_are_words_in_bodies() -> None:
    assert b"a test" == mask_body(b"a test", "test", 9)
    assert b"a te" == mask_body(b"a test", "test", 4)


def test_what_may_be_a_key_in_a_url_is_bounded() -> None:
    assert {"predictions", "secret", "ab cd"} == likely_keys("/v3/predictions/ab%20cd", b"key=secret&b=1")
    assert 16 >= len(likely_keys("/".join(f"part{number}" for number in range(99)), b""))
    assert frozenset() == likely_keys("/", b"")


def test_a_key_in_a_request_and_in_an_answer_is_masked(live: Live) -> None:
    with live.client_of(KEY) as client:
        client.post("/api/v3/bytedance/seedream-v4/edit", json={"prompt": f"{KEY} {'x' * 2_000}", "images": KEY})
        client.get("/api/v3/predictions", params={"api_key": KEY})

    first, second = shown(live, KEY)

    assert KEY not in json.dumps([first, second])
    assert "[key]" in json.dumps(first["request"])
    assert (False, True) == (first["exposed"], second["exposed"])


# What is kept.


def test_a_journal_keeps_the_last_entries_and_counts_all() -> None:
    journal = Journal(2)

    assert [0, 0, 5] == [journal.add(ENTRY, weight) for weight in (5, 6, 7)]
    assert (3, 2, 2, 1) == (journal.count, len(journal), journal.after(0).first, journal.left)
    assert (3, 1) == ((last := journal.after(2)).first, len(last.entries))
    assert Logged(4, ()) == journal.after(3)


@given(
    adds=st.lists(st.tuples(st.integers(0, 3), st.integers(0, 300)), max_size=60),
    each=st.integers(0, 8),
    most=st.integers(0, 20),
)
def test_all_journals_together_keep_the_newest_that_fit(adds: list[tuple[int, int]], each: int, most: int) -> None:
    """The oracle keeps one list of everything, and throws away from its front."""
    archive = Archive(each, most * AROUND)
    journals = [archive.open() for _ in range(4)]
    expected: list[tuple[int, Entry]] = []
    for number, (whose, size) in enumerate(adds):
        entry = ENTRY._replace(at=number, request=b"x" * size)
        archive.add(journals[whose], entry)
        expected.append((whose, entry))
        mine = [one for one in expected if one[0] == whose]
        if len(mine) > each:
            expected.remove(mine[0])
        while sum(weight_of(one) for _, one in expected) > most * AROUND:
            expected.pop(0)

    for whose, journal in enumerate(journals):
        assert [entry for owner, entry in expected if owner == whose] == list(journal.after(0).entries)
        assert sum(owner == whose for owner, _ in adds) == journal.count
    assert sum(weight_of(entry) for _, entry in expected) == archive.size

    archive.close(journals[0])

    assert sum(weight_of(entry) for owner, entry in expected if owner) == archive.size


def test_a_tenant_that_is_reset_gives_its_room_back(make_live: MakeLive) -> None:
    live = make_live(journal_store=4 * AROUND)
    for _ in range(3):
        live.client.get("/api/v3/balance")
    live.server.call(live.store.reset("key"))
    with live.client_of("other") as other:
        for _ in range(3):
            other.get("/api/v3/balance")

    assert (0, 3) == (len(logged(live).entries), len(logged(live, "other").entries))


def test_a_server_may_keep_no_journal_at_all(make_live: MakeLive) -> None:
    for chosen in ({"journal": 0}, {"journal_store": 0}):
        live = make_live(**chosen)
        live.submit_wavespeed()

        assert Logged(2, ()) == logged(live)


# What is written down.


def test_sync_answers_and_cancels_tell_the_state(live: Live) -> None:
    live.server.call(live.store.set_clock("key", lambda clock, wall: clock.at_rate(0, wall, auto=True)))
    live.submit_wavespeed(enable_sync_mode=True)
    job = live.submit_runcomfy()
    live.client.post(job["cancel_url"])
    live.client.post(job["cancel_url"])

    entries = shown(live)

    assert ["succeeded", "queued", "cancelled", "cancelled"] == [entry["state"] for entry in entries]
    assert [200, 200, 202, 202] == [entry["status"] for entry in entries]
    assert [job["request_id"]] * 3 == [entry["job"] for entry in entries[1:]]


def test_an_upload_is_written_down_with_its_size(live: Live) -> None:
    live.client.post("/api/v3/media/upload/binary", files={"file": ("a.png", b"\x89PNG" + bytes(5_000))})

    (entry,) = shown(live)

    assert ("upload-binary", 200, None) == (entry["operation"], entry["status"], entry["job"])
    assert re.fullmatch(r"\[5\d{3} bytes that are no text\]", entry["request"])


def test_an_error_of_the_servers_own_is_in_the_journal(make_live: MakeLive) -> None:
    def fail(spec: ImageSpec) -> bytes:
        raise RuntimeError("out of paint")

    live = make_live(draw=fail)
    live.server.call(live.store.set_clock("key", lambda clock, wall: clock.at_rate(0, wall, auto=True)))

    answer = live.client.post(
        WAVESPEED,
        json={
            "prompt": "A shoe",
            "images": ["https://x.test/a.png"],
            "enable_sync_mode": True,
            "enable_base64_output": True,
        },
    )

    (entry,) = shown(live)
    assert 500 == answer.status_code == entry["status"]
    assert (answer.text, ["an error of the server's own: RuntimeError('out of paint')"]) == (
        entry["response"],
        entry["notes"],
    )


@on_loop
async def test_a_client_that_hangs_up_was_told_nothing() -> None:
    store = WatchedStore()
    async with serving(store, settings()) as origin:
        port = int(origin.rpartition(":")[2])
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        body = b'{"prompt": "A shoe", "enable_sync_mode": true}'
        writer.write(
            b"POST /api/v3/bytedance/seedream-v4/edit-sequential HTTP/1.1\r\nHost: here\r\n"
            b"Authorization: Bearer key\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
        )
        await store.began.get()
        writer.close()
        await store.heard("key", 0)
        (entry,) = (await store.journal("key")).entries

    assert ("submit", None, None) == (entry.operation, entry.status, entry.phase)
    assert ("the client hung up before the answer",) == entry.notes
    assert entry.job is not None


@on_loop
async def test_an_exchange_that_the_server_cut_off_is_in_the_journal() -> None:
    store = WatchedStore()
    async with serving(store, settings()) as origin:
        waiting = asyncio.create_task(submit(origin, enable_sync_mode=True))
        await store.began.get()
    (entry,) = (await store.journal("key")).entries
    with pytest.raises(Exception):  # noqa: B017
        await waiting

    assert (None, 0) == (entry.status, entry.sent)
    assert entry.notes in (
        ("the server stopped, or dropped the connection, before the answer",),
        ("the client hung up before the answer",),
    )


def test_an_exchange_knows_which_ones_were_over_when_it_began(live: Live) -> None:
    for _ in range(3):
        live.client.get("/api/v3/balance")

    assert [0, 1, 2] == [entry.known for entry in logged(live).entries]


@pytest.mark.parametrize("path", ["/api/v3/balance?api_key={}", "/api/v3/predictions/{}", "/elsewhere?token={}"])
@pytest.mark.parametrize("header", [None, "wrong"])
def test_a_key_in_a_url_and_not_in_the_header_is_told_to_its_tenant(live: Live, path: str, header: str | None) -> None:
    with live.client_of(KEY) as client:
        client.get("/api/v3/balance")
    headers = {} if header is None else {"Authorization": header}

    answer = httpx.get(live.origin + path.format(KEY), headers=headers, trust_env=False)

    assert (404 if "elsewhere" in path else 401) == answer.status_code
    entry = shown(live, KEY)[-1]
    assert (answer.status_code, True, path.format("[key]")) == (entry["status"], entry["exposed"], entry["target"])
    assert ["the key stood in the URL, and none in the Authorization header"] == entry["notes"]


def test_requests_without_a_key_leave_no_trace(live: Live) -> None:
    for number in range(50):
        httpx.get(f"{live.origin}/api/v3/predictions/{KEY}-{number}?key=k{number}", trust_env=False)
        httpx.get(f"{live.origin}/nowhere/{KEY}-{number}", trust_env=False)

    assert [] == live.server.call(live.store.known([f"{KEY}-{number}" for number in range(50)]))
    assert ["key"] == live.server.call(_after_a_call(live))


async def _after_a_call(live: Live) -> list[str]:
    await live.store.enter("key")
    return list(await live.store.known(["zebra", "key"]))


def test_an_entrance_knows_nothing_unless_it_is_told() -> None:
    assert 0 == Entrance(1, 2, ()).known


@pytest.mark.parametrize(
    ("effect", "expected"),
    [
        (AnswerEffect(), (None, False)),
        (AnswerEffect(garbled=True), ("garbled", False)),
        (AnswerEffect(put=(("a", 1),)), ("altered", False)),
        (AnswerEffect(content_type="text/plain"), ("altered", False)),
        (AnswerEffect(error_in_200=True), ("altered", True)),
        (AnswerEffect(status=503), (None, True)),
        (AnswerEffect(html=True), (None, True)),
        (AnswerEffect(text="no"), (None, True)),
    ],
)
def test_what_a_rule_did_to_an_answer(effect: AnswerEffect, expected: tuple[str | None, bool]) -> None:
    assert expected == (spoilt(effect, put=bool(effect.put)), replaced(effect))


def test_text_is_told_by_its_bytes() -> None:
    assert [True, True, False, False, False] == [
        is_text(body) for body in (b"a\r\n\t", "é".encode()[:1], b"a\x00", b"\xff", b"\xff\xff abc")
    ]
    assert (7, 0) == (announced([(b"a", b"b"), (b"content-length", b"7")]), announced([]))


# Runs repeat.

TARGETS = (
    *("GET /api/v3/balance", "GET /nothing", "POST /api/v3/predictions", "GET /v1/models?limit=2", "POST /v1/models/x"),
    *("GET /api/v3/webhook/secret", "GET /v1/requests/1/status", "GET /api/v3/models"),
)
CALLS = st.one_of(
    st.tuples(st.just("submit"), st.sampled_from(["wavespeed", "runcomfy"]), st.integers(1, 4)),
    st.tuples(st.just("poll"), st.integers(0, 3), st.booleans()),
    st.tuples(st.just("advance"), st.integers(0, 2_000), st.none()),
    st.tuples(st.just("call"), st.sampled_from(TARGETS), st.none()),
)


@pytest.fixture(scope="module")
def twins() -> Any:
    with talking() as one, talking() as other:
        yield one, other


def play(talk: Talk, key: str, calls: list[tuple[Any, ...]]) -> str:
    jobs: list[tuple[str, str]] = []
    for what, which, how_many in calls:
        if what == "submit" and which == "wavespeed":
            jobs.append((which, talk.submit(how_many, key=key)))
        elif what == "submit":
            jobs.append((which, talk.request(how_many, key=key)))
        elif what == "poll" and jobs:
            provider, job = jobs[which % len(jobs)]
            path = f"/api/v3/predictions/{job}/result" if provider == "wavespeed" else f"/v1/requests/{job}/status"
            talk.call("GET", path if how_many else path.replace("status", "result"), key=key)
        elif what == "advance":
            talk.advance(which, key=key)
        elif what == "call":
            method, _, target = which.partition(" ")
            talk.call(method, target, {} if method == "POST" else None, key=key)
    return to_lines(talk.server.call(talk.store.journal(key)).numbered, steady=True)


@given(calls=st.lists(CALLS, max_size=12))
@how(max_examples=40)
def test_equal_seeds_give_equal_journals_byte_for_byte(twins: tuple[Talk, Talk], calls: list[tuple[Any, ...]]) -> None:
    key = next(KEYS)

    assert play(twins[0], key, calls) == play(twins[1], key, calls)


# What it costs.


def test_data_uris_and_base64_outputs_are_kept_to_a_bound(make_live: MakeLive) -> None:
    live = make_live(Clock.manual(), journal=10)
    live.server.call(live.store.set_clock("key", lambda clock, wall: clock.at_rate(0, wall, auto=True)))
    picture = "data:image/png;base64," + "A" * 200_000
    for _ in range(12):
        live.submit_wavespeed(images=[picture], enable_base64_output=True, size="1024*1024")
        live.client.get("/api/v3/balance")
    job = live.submit_wavespeed(enable_base64_output=True, enable_sync_mode=True, size="1024*1024")

    kept = logged(live).entries

    assert 10 == len(kept)
    assert BODY_KEPT == max(len(entry.request) for entry in kept) == max(len(entry.response) for entry in kept)
    assert kept[-1].sent > 20_000
    assert len(job["outputs"][0]) > 10_000
    assert max(entry.received for entry in kept) > 200_000
