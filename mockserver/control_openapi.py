"""The control API as an OpenAPI 3.1 document, out of the table of its calls."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from understudy.mockserver.control_calls import EVENTS, VERSION, Call
from understudy.mockserver.control_jobs import STATES
from understudy.mockserver.control_schemas import INTEGER, TEXT, WORDS_OF_TIME, schemas
from understudy.mockserver.rule_fields import ALL_OPERATIONS

ABOUT = (
    "Makes anything happen to what one API key has on this server, and tells what has happened. The key is the tenant: "
    "each has its own jobs, rules, clock and journal."
)
REFUSED = {
    401: "No key, or none that this server accepts.",
    403: "The control token is missing or wrong, or the host is a name that anybody could have chosen.",
    404: "The key has no such job or rule.",
    409: "The job had ended.",
    413: "The body is too long.",
    422: "Something is wrong with what was asked: which field, what was given, what there is.",
}


def openapi(calls: Sequence[Call], providers: Sequence[str], origin: str) -> dict[str, Any]:
    """The document, with its server at `origin`."""
    paths: dict[str, dict[str, Any]] = {}
    for call in calls:
        paths.setdefault(f"/{call.path}", {})[call.method.lower()] = _operation(call, providers)
    return {
        "openapi": "3.1.0",
        "info": {"title": "understudy: the control API", "version": str(VERSION), "description": ABOUT},
        "servers": [{"url": f"{origin}/_understudy"}],
        "security": [{"key": []}, {"key": [], "token": []}],
        "paths": paths,
        "components": {
            "schemas": schemas(providers),
            "securitySchemes": {
                "key": {"type": "http", "scheme": "bearer", "description": "The API key whose things are meant."},
                "token": {
                    "type": "apiKey",
                    "in": "header",
                    "name": "X-Understudy-Token",
                    "description": "The control token, where the server has one.",
                },
            },
        },
    }


def _operation(call: Call, providers: Sequence[str]) -> dict[str, Any]:
    parameters = [{"name": "id", "in": "path", "required": True, "schema": TEXT}] if "{id}" in call.path else []
    queried = _parameters(providers)
    asked = [{"name": name, "in": "query", "schema": queried[name]} for name in call.query]
    kind = "text/event-stream" if call.path == EVENTS else "application/json"
    done = {"description": "Done.", "content": {kind: {"schema": _reference(call.answers)}}}
    refusals = {str(status): _refusal(status) for status in sorted(_refused(call))}
    operation: dict[str, Any] = {
        "operationId": call.name,
        "summary": call.summary,
        "parameters": parameters + asked,
        "responses": {str(call.status): done, **refusals},
    }
    if call.keyless:
        operation["security"] = [{}, {"token": []}]
    if call.takes is not None:
        content = {"application/json": {"schema": _reference(call.takes)}}
        operation["requestBody"] = {"required": call.takes != "failure", "content": content}
    return operation


def _refused(call: Call) -> set[int]:
    refused = {422}
    refused |= set() if call.path == "health" else {403}
    refused |= set() if call.keyless else {401}
    refused |= {413} if call.takes is not None else set()
    refused |= {404} if "{id}" in call.path else set()
    return refused | ({409} if call.path.startswith("jobs/{id}/") else set())


def _refusal(status: int) -> dict[str, Any]:
    return {"description": REFUSED[status], "content": {"application/json": {"schema": _reference("error")}}}


def _parameters(providers: Sequence[str]) -> dict[str, dict[str, Any]]:
    return {
        "provider": {"enum": list(providers)},
        "state": {"enum": list(STATES)},
        "operation": {"enum": list(ALL_OPERATIONS), "description": "poll: whatever tells a job's state"},
        "job": TEXT,
        "status": {**INTEGER, "minimum": 100, "maximum": 599},
        "limit": {**INTEGER, "minimum": 1, "maximum": 10**9, "description": "the newest so many"},
        "after": {
            "type": "string",
            "pattern": "^[0-9]{1,9}$",
            "description": "the number of an exchange; for events also the id of one",
        },
        "fastest_poll": {"type": "string", "pattern": WORDS_OF_TIME, "description": "a duration: 500ms"},
    }


def _reference(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}
