"""What the journal says of requests that found nothing."""

from __future__ import annotations

import httpx
import pytest
from live import Live
from talking import Talk

from understudy.mockserver.alignment import Alignment, Difference, align
from understudy.mockserver.journal import Entry

W, R = "0" * 32, "01234567-0123-0123-0123-0123456789ab"
RESULT = "the nearest operation is wavespeed's result, GET /api/v3/predictions/{id}/result"
STATUS = "the nearest operation is runcomfy's status, GET /v1/requests/{id}/status"
SUBMIT = "the nearest operation is wavespeed's submit, POST /api/v3/{model_id}"
TYPO = "did you mean 'bytedance/seedream-v4/edit'?"
FORM = "32 hexadecimal digits"

NOTES: dict[str, tuple[str, ...]] = {
    f"GET /api/v3/predictions/{W}/results": (RESULT, "'results' should be 'result'"),
    f"GET /predictions/{W}/result": (RESULT, "'/api/v3' is missing at the beginning"),
    f"GET /api/v3/api/v3/predictions/{W}": (
        "the nearest operation is wavespeed's result, GET /api/v3/predictions/{id}",
        "'/api/v3' stands there twice: the base URL has it already",
    ),
    f"GET /api/v3/api/v3/api/v3/predictions/{W}/result": (
        RESULT,
        "'/api/v3' stands there twice: the base URL has it already",
    ),
    f"GET /api/v1/predictions/{W}/result": (RESULT, "'/api/v1' should be '/api/v3'"),
    f"GET /proxy/api/v3/predictions/{W}/result": (RESULT, "'/proxy' before '/api/v3' is too much"),
    f"GET /api/v3/predictions/{W}/result/": (RESULT, "the slash at the end is too much"),
    f"GET /api/v3/predictions//{W}/result": (RESULT, "there are two slashes in a row"),
    f"GET /api/v3/predictions/{W}/all/result": (RESULT, "'all' is too much"),
    "GET /v1/requests/status": (STATUS, "the job's id is missing"),
    f"POST /api/v3/predictions/{W}/result": (RESULT, "it is asked for with GET, not POST"),
    f"DELETE /v1/requests/{R}/status": (STATUS, "it is asked for with GET, not DELETE"),
    f"GET /v1/requests/{R}": (STATUS, "'status' is missing"),
    f"GET /v1/requests/{W}/stats": (
        STATUS,
        f"'{W}' is an id as wavespeed gives them: those of runcomfy have 36 characters with dashes (a UUID)",
        "'stats' should be 'status'",
    ),
    f"GET /api/v3/predictions/{R}/result": (f"'{R}' is an id as runcomfy gives them: those of wavespeed have {FORM}",),
    "GET /api/v3/predictions/undefined/result": (
        f"'undefined' is not the id of a job: those of wavespeed have {FORM}",
    ),
    f"GET /api/v3/predictions/{'x' * 101}": (f"'{'x' * 100}…' is not the id of a job: those of wavespeed have {FORM}",),
    f"GET /v1/requests/{R}/result": (
        f"no job '{R}' is known to runcomfy: it may be one of another run of this server, or have been deleted, or "
        "have made room for newer ones",
    ),
    "POST /api/v3/bytedance/seedream-v4/edti": (f"wavespeed has no model 'bytedance/seedream-v4/edti': {TYPO}",),
    "POST /bytedance/seedream-v4/edit": (SUBMIT, "'/api/v3' is missing at the beginning"),
    "POST /api/v3/acme/paint": (
        "wavespeed has no model 'acme/paint', and none that is called nearly so: GET /api/v3/models lists them",
    ),
    "POST /v1/models/bytedance/seedream-v4/edit": (
        "'bytedance/seedream-v4/edit' is a model of wavespeed's: did you mean 'bytedance/seedream-4-0/edit'?",
    ),
    "POST /v1/bytedance/seedream-4-0/edit-sequential": (
        "the nearest operation is runcomfy's submit, POST /v1/models/{model_id}",
        "'models' is missing",
    ),
    "PUT /v1/models/": (
        "the nearest operation is runcomfy's models, GET /v1/models",
        "the slash at the end is too much",
        "it is asked for with GET, not PUT",
    ),
    "PATCH /v1/requests/result": (
        "the nearest operation is runcomfy's result, GET /v1/requests/{id}/result",
        "it is asked for with GET, not PATCH",
        "the job's id is missing",
    ),
    "GET /v1/models/bytedance/seedream-4-0/edti": (
        "runcomfy has no model 'bytedance/seedream-4-0/edti': did you mean 'bytedance/seedream-4-0/edit'?",
    ),
    "GET /favicon.ico": ("no operation of any provider is like this: those that there are stand at /_understudy/docs",),
    f"GET /{'a/' * 300}": (
        "no operation of any provider is like this: those that there are stand at /_understudy/docs",
    ),
}


def last(talk: Talk, key: str) -> Entry:
    return talk.server.call(talk.store.journal(key)).entries[-1]


@pytest.mark.parametrize("request_line", NOTES, ids=lambda line: line[:70])
def test_a_request_that_finds_nothing_is_explained(talk: Talk, key: str, request_line: str) -> None:
    method, path = request_line.split(" ")

    answer = talk.call(method, path, {} if method == "POST" else None, key=key)

    assert 404 == answer.status_code
    entry = last(talk, key)
    assert NOTES[request_line] == entry.notes
    assert (method, path, 404) == (entry.method, entry.target, entry.status)


def test_a_stray_is_answered_as_if_there_were_no_journal(talk: Talk, key: str) -> None:
    stray, bare = talk.call("GET", "/nothing", key=key), httpx.get(f"{talk.origin}/nothing", trust_env=False)

    assert (bare.status_code, bare.text) == (stray.status_code, stray.text)
    assert dict(bare.headers).keys() == dict(stray.headers).keys()
    assert bare.headers["content-type"] == stray.headers["content-type"]
    assert "unknown" == last(talk, key).operation


def test_a_path_that_is_there_for_another_method_is_refused_as_ever(talk: Talk, key: str) -> None:
    assert 405 == talk.call("POST", "/_understudy/health", key=key).status_code
    assert 404 == talk.call("GET", "/_understudy/nothing", key=key).status_code
    assert () == talk.server.call(talk.store.journal(key)).entries


def test_somebody_elses_job_is_told_as_that(talk: Talk, key: str) -> None:
    job = talk.submit(key=f"{key}-other")

    talk.call("GET", f"/api/v3/predictions/{job}", key=key)

    assert ("this job belongs to another API key",) == last(talk, key).notes


def test_a_model_that_is_named_in_the_body_is_explained_too(talk: Talk, key: str) -> None:
    talk.call("POST", "/api/v3/model/price", {"model_id": "bytedance/seedream-v4/edti"}, key=key)

    assert (f"wavespeed has no model 'bytedance/seedream-v4/edti': {TYPO}",) == last(talk, key).notes


def test_other_refusals_speak_for_themselves(talk: Talk, key: str) -> None:
    talk.call("POST", "/api/v3/bytedance/seedream-v4/edit", {}, key=key)

    assert () == last(talk, key).notes


def test_the_key_does_not_get_into_notes(live: Live) -> None:
    key = "a-secret-of-some-length"
    with live.client_of(key) as client:
        client.get(f"/api/v3/predictions/{key}/result")

    entry = live.server.call(live.store.journal(key)).entries[-1]

    assert (f"'[key]' is not the id of a job: those of wavespeed have {FORM}",) == entry.notes
    assert ("/api/v3/predictions/[key]/result", True) == (entry.target, entry.exposed)


def fit(wanted: str, part: str) -> float:
    if wanted == "{x:path}":
        return 0.0 if part[0] == "b" else 1.1
    return 0.0 if wanted == part else 0.4 if wanted[0] == part[0] else 1.6


@pytest.mark.parametrize(
    ("parts", "route", "expected"),
    [
        ("", "", Alignment(0.0)),
        ("a/b", "a/b", Alignment(0.0)),
        ("a/b/c", "a/c", Alignment(1.0, (Difference("extra", "b", ""),))),
        ("a", "a/b", Alignment(1.0, (Difference("missing", "", "b"),))),
        ("a/bc", "a/bb", Alignment(0.4, (Difference("changed", "bc", "bb"),))),
        ("a/b/c/d", "a/{x:path}", Alignment(0.0)),
        ("a", "a/{x:path}", Alignment(1.0, (Difference("missing", "", "{x:path}"),))),
        ("z/a/b/c", "a/{x:path}", Alignment(1.0, (Difference("extra", "z", ""),))),
        ("", "{x:path}", Alignment(1.0, (Difference("missing", "", "{x:path}"),))),
    ],
)
def test_paths_differ_by_the_least_that_explains_it(parts: str, route: str, expected: Alignment) -> None:
    assert expected == align([part for part in parts.split("/") if part], [one for one in route.split("/") if one], fit)
