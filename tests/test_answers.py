"""What a rule makes of an answer, as values."""

from __future__ import annotations

import json
from copy import deepcopy
from email.utils import parsedate_to_datetime
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from understudy.mockserver.answers import NOT_SET, Altered, altered, instead
from understudy.mockserver.dialect import Dialect
from understudy.mockserver.exchange import BODILESS, JSON, Reply, json_reply
from understudy.mockserver.rules import AnswerEffect
from understudy.mockserver.runcomfy import RunComfy
from understudy.mockserver.switches import Switches
from understudy.mockserver.wavespeed import WaveSpeed
from understudy.mockserver.wires import Wire

WAVESPEED, RUNCOMFY = WaveSpeed(Switches({})), RunComfy(Switches({}))
DIALECTS: list[Dialect] = [WAVESPEED, RUNCOMFY]
WALL = 1_767_225_600_000

scalars = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False) | st.text()
values = st.recursive(scalars, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=10)
bodies = st.dictionaries(st.text(), values) | st.lists(values)
names = st.sampled_from(["@data", "@status", "@other", "data", "outputs", "0", "1", "7", "9" * 5_000, "", "-1", "²"])
paths = st.lists(names, min_size=1, max_size=5).map(".".join)


def put(content: Any, *fields: tuple[str, Any], dialect: Dialect = WAVESPEED) -> Any:
    changed = altered(dialect, AnswerEffect(put=fields), json_reply(200, content), None, WALL)
    assert () == changed.notes
    return json.loads(changed.reply.body)


def spoil(effect: AnswerEffect, reply: Reply | None = None, left: int | None = None) -> Altered:
    return altered(WAVESPEED, effect, reply or json_reply(200, {"code": 200}), left, WALL)


def error_of(dialect: Dialect, effect: AnswerEffect) -> tuple[int, Any]:
    reply = instead(dialect, effect)
    assert reply is not None
    assert JSON == reply.headers
    return reply.status, json.loads(reply.body)


def test_a_status_has_the_providers_own_error_body() -> None:
    limited = AnswerEffect(status=429)

    assert (429, {"code": 429, "message": "Too Many Requests. Please try again later."}) == error_of(WAVESPEED, limited)
    assert (429, {"error_code": 429001, "error_message": "Too many requests. Please slow down."}) == error_of(
        RUNCOMFY, limited
    )


def test_any_status_has_a_body_even_those_that_only_gateways_use() -> None:
    for status in {*range(200, 600)} - BODILESS:
        for dialect in DIALECTS:
            assert status == error_of(dialect, AnswerEffect(status=status))[0]


def test_a_status_without_a_name_is_an_unknown_error() -> None:
    assert (520, {"code": 520, "message": "Unknown Error."}) == error_of(WAVESPEED, AnswerEffect(status=520))
    assert (520, {"error_code": 520001, "error_message": "Unknown Error."}) == error_of(
        RUNCOMFY, AnswerEffect(status=520)
    )


@pytest.mark.parametrize("status", [204, 304])
def test_a_status_that_goes_without_a_body_has_none(status: int) -> None:
    assert Reply(status, b"", ()) == instead(WAVESPEED, AnswerEffect(status=status, text="x", html=True))


def test_the_text_takes_the_place_of_the_providers_message() -> None:
    effect = AnswerEffect(status=400, text="No more shoes.")

    assert (400, {"code": 400, "message": "No more shoes."}) == error_of(WAVESPEED, effect)
    assert (400, {"error_code": 400001, "error_message": "No more shoes."}) == error_of(RUNCOMFY, effect)


@pytest.mark.parametrize("status", [502, 503, 504])
def test_a_gateway_sends_a_page(status: int) -> None:
    reply = instead(WAVESPEED, AnswerEffect(status=status, html=True))

    names = {502: b"502 Bad Gateway", 503: b"503 Service Unavailable", 504: b"504 Gateway Timeout"}
    page = (
        b"<html>\r\n<head><title>%b</title></head>\r\n<body>\r\n<center><h1>%b</h1></center>\r\n</body>\r\n</html>\r\n"
    )
    assert Reply(status, page % (names[status], names[status]), ((b"content-type", b"text/html"),)) == reply


def test_a_pages_text_is_text_whatever_is_in_it() -> None:
    reply = instead(WAVESPEED, AnswerEffect(status=503, html=True, text="<b>é{0}\ud800"))

    assert reply is not None
    assert "<h1>&lt;b&gt;é{0}?</h1>".encode() in reply.body


@pytest.mark.parametrize(
    ("effect", "status", "inside"),
    [
        (AnswerEffect(error_in_200=True), 200, b'"code":500'),
        (AnswerEffect(error_in_200=True, status=503), 200, b'"code":503'),
        (AnswerEffect(error_in_200=True, html=True), 200, b"502 Bad Gateway"),
        (AnswerEffect(html=True), 502, b"502 Bad Gateway"),
        (AnswerEffect(text="No."), 500, b'"No."'),
    ],
)
def test_an_error_that_nobody_numbered_is_500_and_a_gateways_page_502(
    effect: AnswerEffect, status: int, inside: bytes
) -> None:
    reply = instead(WAVESPEED, effect)

    assert reply is not None
    assert status == reply.status
    assert inside in reply.body


@pytest.mark.parametrize("kind", ["close", "reset"])
def test_a_connection_that_only_closes_needs_no_answer(kind: Any) -> None:
    effect = AnswerEffect(wire=Wire(kind))
    reply = instead(WAVESPEED, effect)

    assert reply is not None
    assert Reply(500, b"", (), Wire(kind)) == spoil(effect, reply).reply


@pytest.mark.parametrize(
    "effect",
    [
        AnswerEffect(),
        AnswerEffect(garbled=True),
        AnswerEffect(put=(("data", None),)),
        AnswerEffect(retry_after=1_000),
        AnswerEffect(content_type="text/plain"),
        AnswerEffect(stale=True),
        *(AnswerEffect(wire=Wire(kind, 1)) for kind in ("cut", "length", "drip")),
    ],
)
def test_an_effect_that_only_spoils_an_answer_needs_the_operations_own(effect: AnswerEffect) -> None:
    assert instead(WAVESPEED, effect) is None


def test_an_effect_without_anything_leaves_an_answer_as_it_is() -> None:
    reply = json_reply(200, {"data": 1})

    assert Altered(reply) == spoil(AnswerEffect(), reply)


@pytest.mark.parametrize(
    ("wait", "left", "header", "told"),
    [
        (30_000, None, b"30", 30_000),
        (29_001, None, b"30", 29_001),
        (1, None, b"1", 1),
        (0, None, b"0", 0),
        (30_000, 12_345, b"13", 12_345),
        (30_000, 60_000, b"30", 30_000),
        (30_000, -5, b"0", 0),
    ],
)
def test_retry_after_is_whole_seconds_rounded_up_and_no_longer_than_the_rule_lasts(
    wait: int, left: int | None, header: bytes, told: int
) -> None:
    changed = spoil(AnswerEffect(retry_after=wait), left=left)

    assert (b"retry-after", header) == changed.reply.headers[-1]
    assert told == changed.retry_after


def test_retry_after_as_a_date_is_real_time_and_never_too_early() -> None:
    effect = AnswerEffect(retry_after=30_001, retry_after_form="date")

    name, date = spoil(effect).reply.headers[-1]

    assert (b"retry-after", b"Thu, 01 Jan 2026 00:00:31 GMT") == (name, date)
    assert parsedate_to_datetime(date.decode()).timestamp() * 1000 >= WALL + 30_001


@pytest.mark.parametrize(("kind", "told"), [("close", None), ("reset", None), ("cut", 1_000), ("drip", 1_000)])
def test_a_client_that_sees_no_answer_is_not_told_to_wait(kind: Any, told: int | None) -> None:
    assert told == spoil(AnswerEffect(retry_after=1_000, wire=Wire(kind, 3))).retry_after


def test_fields_are_set_where_the_provider_has_them() -> None:
    wavespeed = {"code": 200, "data": {"id": "x", "status": "processing"}}
    runcomfy = {"request_id": "x", "status": "in_progress"}

    assert {"code": 200, "data": None} == put(wavespeed, ("@data", None))
    assert {"code": 200, "data": {"id": "x", "status": "melting"}} == put(wavespeed, ("@status", "melting"))
    assert {**runcomfy, "output": None} == put(runcomfy, ("@data", None), dialect=RUNCOMFY)
    assert {**runcomfy, "status": 7} == put(runcomfy, ("@status", 7), dialect=RUNCOMFY)
    assert {**runcomfy, "output": {"images": "no list"}} == put(runcomfy, ("@data.images", "no list"), dialect=RUNCOMFY)


@pytest.mark.parametrize(
    ("before", "path", "after"),
    [
        ({"a": {"b": 1}}, "a.b", {"a": {"b": "new"}}),
        ({}, "a.b.c", {"a": {"b": {"c": "new"}}}),
        ({"a": None}, "a.b", {"a": {"b": "new"}}),
        ({"a": 7}, "a.b", {"a": {"b": "new"}}),
        ({"a": ["x", "y"]}, "a.1", {"a": ["x", "new"]}),
        ({"a": ["x", "y"]}, "a.7", {"a": ["x", "y", "new"]}),
        ({"a": [{"b": 1}]}, "a.0.b", {"a": [{"b": "new"}]}),
        ({"a": ["x"]}, "a.b", {"a": {"b": "new"}}),
        ({"a": ["x"]}, "a.-1", {"a": {"-1": "new"}}),
        ({"a": {"0": "x"}}, "a.0", {"a": {"0": "new"}}),
        ({}, "a.0", {"a": ["new"]}),
        ({}, "a.0.0", {"a": [["new"]]}),
        ({}, "a.5", {"a": ["new"]}),
        ([1], "0", ["new"]),
        ([1], "a", {"a": "new"}),
        (1, "a", {"a": "new"}),
        ({}, "", {"": "new"}),
        ({}, "@other", {"@other": "new"}),
    ],
)
def test_what_a_path_misses_is_made_and_what_stands_in_its_way_replaced(before: Any, path: str, after: Any) -> None:
    assert after == put(before, (path, "new"))


def test_fields_are_set_in_order_and_the_rules_own_values_stay_as_they_are() -> None:
    fields = (("data", {"a": [1]}), ("data.a.0", 2), ("data.a.1", 3))
    rule = deepcopy(fields)

    assert {"data": {"a": [2, 3]}} == put({}, *fields)
    assert rule == fields


def test_fields_keep_their_order_and_others_what_they_are() -> None:
    body = b'{"z":1,"a":"\xc3\xa9","m":[1.5,null,true]}'

    changed = altered(WAVESPEED, AnswerEffect(put=(("a", 2), ("b", 3))), Reply(200, body), None, WALL)

    assert b'{"z":1,"a":2,"m":[1.5,null,true],"b":3}' == changed.reply.body


@pytest.mark.parametrize("body", [b"", b"<html></html>", b"\x89PNG\r\n", b'{"a":', b"\xff"])
def test_a_body_that_is_no_json_is_left_alone_and_a_note_says_so(body: bytes) -> None:
    changed = altered(WAVESPEED, AnswerEffect(put=(("a", 1),)), Reply(200, body), None, WALL)

    assert (body, (NOT_SET,)) == (changed.reply.body, changed.notes)
    assert NOT_SET == "set: this answer has no JSON body, so its fields are as they were"


def test_what_json_has_no_place_for_is_not_set_and_a_note_says_so() -> None:
    changed = spoil(AnswerEffect(put=(("a", {1, 2}),)))

    assert b'{"code":200}' == changed.reply.body
    assert (
        "set: the fields are as they were, since JSON has no place for these (Type is not JSON serializable: set)",
    ) == changed.notes


@given(bodies, st.lists(st.tuples(paths, values), min_size=1, max_size=4))
@example({}, [(".".join("a" * 2_000), 1)])
def test_whatever_is_set_wherever_the_answer_stays_json(body: Any, fields: list[tuple[str, Any]]) -> None:
    reply = json_reply(200, body)

    json.loads(altered(WAVESPEED, AnswerEffect(put=tuple(fields)), reply, None, WALL).reply.body)


@given(bodies)
@example({"": "éé"})
def test_garbled_json_cannot_be_parsed_but_can_be_read(body: Any) -> None:
    reply = json_reply(200, body)

    garbled = spoil(AnswerEffect(garbled=True), reply).reply

    assert reply.body.startswith(garbled.body)
    with pytest.raises(json.JSONDecodeError):
        json.loads(garbled.body.decode())


def test_a_content_type_takes_the_place_of_the_other() -> None:
    reply = Reply(200, b"{}", ((b"content-type", b"application/json"), (b"etag", b"x")))

    changed = spoil(AnswerEffect(content_type="text/plain"), reply)

    assert ((b"content-type", b"text/plain"), (b"etag", b"x")) == changed.reply.headers


@pytest.mark.parametrize(("at", "cut"), [(11, True), (12, False), (100, False)])
def test_a_cut_behind_the_end_is_none_and_a_note_says_so(at: int, cut: bool) -> None:
    changed = spoil(AnswerEffect(wire=Wire("cut", at)))

    assert (Wire("cut", at) if cut else None) == changed.reply.wire
    note = f"cut: the answer has 12 bytes, so all of it went out before byte {at}"
    assert (() if cut else (note,)) == changed.notes
