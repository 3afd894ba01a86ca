"""The control API's own document: valid, complete, and true."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import jsonschema_rs
import pytest
from controlling import Remote
from hypothesis import given, settings
from hypothesis import strategies as st
from openapi_spec_validator import OpenAPIV31SpecValidator
from talking import KEYS, Talk, talking

from understudy.contracts.allowed import values
from understudy.mockserver.app import create_app
from understudy.mockserver.settings import Settings

APP = create_app(Settings(seed=1))
DOCUMENT: dict[str, Any] = asyncio.run(
    APP.state.control.answer("key", "GET", "openapi.json", {}, None, origin="http://here")
).content
OPERATIONS = [
    (method, path, operation)
    for path, item in DOCUMENT["paths"].items()
    for method, operation in item.items()
    if path != "/events"  # its answer has no end: test_events.py
]


def test_it_is_valid_openapi() -> None:
    assert [] == [str(error) for error in OpenAPIV31SpecValidator(DOCUMENT).iter_errors()]


def test_it_is_served_with_the_servers_own_origin(talk: Talk) -> None:
    served = talk.client.get("/_understudy/openapi.json").json()
    assert [{"url": f"{talk.origin}/_understudy"}] == served["servers"]
    assert {**DOCUMENT, "servers": served["servers"]} == served


def test_every_call_is_in_it_under_a_name_of_its_own() -> None:
    calls = {(call.method.lower(), f"/{call.path}") for call in APP.state.control.calls}
    assert calls == {(method, path) for path, item in DOCUMENT["paths"].items() for method in item}
    names = [operation["operationId"] for _, _, operation in OPERATIONS]
    assert len(names) == len(set(names))


def test_every_schema_is_in_use() -> None:
    text = str(DOCUMENT["paths"]) + str(DOCUMENT["components"]["schemas"])
    assert [] == [name for name in DOCUMENT["components"]["schemas"] if f"/schemas/{name}'" not in text]


def check(operation: dict[str, Any], answer: httpx.Response) -> None:
    """Asserts that the document knows this status, and that the body is as it says."""
    response = operation["responses"].get(str(answer.status_code))
    assert response is not None, f"{answer.status_code} is not described: {answer.text}"
    schema = {**response["content"]["application/json"]["schema"], "components": DOCUMENT["components"]}
    jsonschema_rs.Draft202012Validator(schema).validate(answer.json())


@pytest.fixture(scope="module")
def served() -> Any:
    with talking() as talk:
        yield talk


@pytest.mark.parametrize(
    ("method", "path", "operation"), OPERATIONS, ids=[operation["operationId"] for _, _, operation in OPERATIONS]
)
@settings(max_examples=25)
@given(data=st.data())
def test_what_it_allows_is_answered_as_it_says(
    served: Talk, method: str, path: str, operation: dict[str, Any], data: st.DataObject
) -> None:
    key = next(KEYS)
    remote = Remote(served.client, key)
    job = served.submit(key=key)
    remote.post("rules", {"id": "slow", "job": {"run_time": "3s"}})
    there = data.draw(st.booleans(), "exists")
    name = (job if path.startswith("/jobs") else "slow") if there else "none"
    query = {
        parameter["name"]: str(data.draw(values(parameter["schema"], DOCUMENT), parameter["name"]))
        for parameter in operation["parameters"]
        if parameter["in"] == "query" and data.draw(st.booleans())
    }
    body = None
    if "requestBody" in operation:
        body = data.draw(values(operation["requestBody"]["content"]["application/json"]["schema"], DOCUMENT), "body")
    answer = remote.call(method.upper(), path[1:].replace("{id}", name), body, **query)
    check(operation, answer)
    if "{id}" in path:
        assert there == (404 != answer.status_code)
    if path not in ("/rules", "/clock/advance") or body is None:
        # Rules may contradict themselves, and an instant may have passed: no schema says that.
        assert answer.status_code in (200, 201, 404), answer.text


@pytest.mark.parametrize(
    ("method", "path", "operation"), OPERATIONS, ids=[operation["operationId"] for _, _, operation in OPERATIONS]
)
def test_refusals_are_as_it_says_too(talk: Talk, method: str, path: str, operation: dict[str, Any]) -> None:
    place = f"/_understudy{path.replace('{id}', 'none')}"
    key = {"Authorization": "Bearer key"}
    if path not in ("/health", "/version", "/openapi.json"):
        check(operation, talk.client.request(method, place))
    if path != "/health":
        check(operation, talk.client.request(method, place, headers={**key, "Host": "evil.example"}))
    check(operation, talk.client.request(method, place, headers=key, params={"unheard-of": "1"}))
    check(operation, talk.client.request(method, place, headers=key, content=b"["))


def test_a_body_that_is_too_long_and_a_job_that_has_ended_are_as_it_says(talk: Talk, key: str) -> None:
    headers = {"Authorization": f"Bearer {key}"}
    rules = DOCUMENT["paths"]["/rules"]["post"]
    check(rules, talk.client.post("/_understudy/rules", headers=headers, content=b" " * (2**20 + 1)))
    job, fail = talk.submit(key=key), DOCUMENT["paths"]["/jobs/{id}/fail"]["post"]
    for status in (200, 409):
        answer = talk.client.post(f"/_understudy/jobs/{job}/fail", headers=headers)
        assert status == answer.status_code
        check(fail, answer)


def test_what_every_kind_of_record_looks_like_is_as_it_says(talk: Talk, key: str) -> None:
    """Records with something in them: jobs of all ends, exchanges, webhooks, findings, rules that have acted."""
    remote = Remote(talk.client, key)
    remote.post("rules", {"rules": [{"job": {"flagged": [1]}, "times": 1}, {"job": {"fail": "Paint"}, "for": "1s"}]})
    path = "/api/v3/bytedance/seedream-v4/edit-sequential?webhook=http://127.0.0.1:1/x"
    for _ in range(3):
        talk.post(path, {"prompt": "A shoe"}, key=key)
    talk.request(key=key)
    remote.post("clock/idle")
    for one in ("jobs", "rules", "journal", "ledger", "verdict", "webhooks", "clock"):
        answer = remote.call("GET", one)
        assert answer.json()
        check(DOCUMENT["paths"][f"/{one}"]["get"], answer)
