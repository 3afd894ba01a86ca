"""What goes into the control API and what comes out of it, as JSON Schemas by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from understudy.mockserver.control_clock import LATEST
from understudy.mockserver.control_jobs import CAUSES, STATES
from understudy.mockserver.durations import LONGEST
from understudy.mockserver.rule_schema import rule_schema

TEXT = {"type": "string"}
INTEGER = {"type": "integer"}
NUMBER = {"type": "number"}
YES_OR_NO = {"type": "boolean"}
STATE = {"enum": list(STATES)}
INSTANT = {"type": "integer", "description": "milliseconds since 1970 on the key's clock"}
MICRODOLLARS = {"type": "integer", "description": "millionths of a US dollar"}
WORDS_OF_TIME = r"^[0-9]{1,6}(ms|s|m)$"

Schema = dict[str, Any]


def schemas(providers: Sequence[str]) -> dict[str, Schema]:
    """All of them, by the names that the table of calls has."""
    provider = {"enum": list(providers)}
    rule = rule_schema()
    del rule["$schema"]
    return {
        **_asked(rule),
        **_told_of_jobs(provider),
        **_told_of_time(),
        **_records(provider),
        "error": shape(error=without(shape(field=TEXT, given={}, message=TEXT, exists=many(TEXT)), "exists")),
        "health": shape(status={"const": "ok"}),
        "version": shape(understudy=TEXT, control=INTEGER, seed=INTEGER),
        "document": {"type": "object", "required": ["openapi", "info", "paths"]},
        "reset": shape(reset={"const": True}),
        "removed": shape(removed=INTEGER),
        "rule": _reported(rule),
        "rules": shape(rules=many(reference("rule"))),
    }


def shape(**properties: Mapping[str, Any]) -> Schema:
    """An object with these properties and no others, each required."""
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


def without(schema: Schema, *optional: str) -> Schema:
    """An object that may lack some of its properties."""
    return {**schema, "required": [name for name in schema["required"] if name not in optional]}


def many(items: Mapping[str, Any]) -> Schema:
    return {"type": "array", "items": items}


def maybe(schema: Mapping[str, Any]) -> Schema:
    return {"anyOf": [schema, {"type": "null"}]}


def reference(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def _asked(rule: Schema) -> dict[str, Schema]:
    """What is sent."""
    one = {**rule, "properties": {**rule["properties"], "first": YES_OR_NO}}
    length = {"type": "integer", "minimum": 0, "maximum": LONGEST}
    by = {"anyOf": [{"type": "string", "pattern": WORDS_OF_TIME}, length]}
    to = {"type": "integer", "minimum": 0, "maximum": LATEST}
    several = shape(rules={**many(rule), "minItems": 1}, first=YES_OR_NO)
    failure = shape(
        text=maybe(TEXT), code=maybe({**INTEGER, "minimum": 0, "maximum": 10**9}), cause={"enum": list(CAUSES)}
    )
    return {
        "new_rules": {"anyOf": [one, without(several, "first")]},
        "mode": shape(mode={"type": "string", "pattern": "^(real|manual|auto|[1-9][0-9]{0,5}x)$"}),
        "advance": {"oneOf": [shape(by=by), shape(to=to)]},
        "failure": without(failure, "text", "code", "cause"),
    }


def _reported(rule: Schema) -> Schema:
    """A rule as it is shown: as it was given, and what has become of it."""
    counts = dict.fromkeys(("seen", "acted", "shadowed"), INTEGER)
    told = {"id": TEXT, "state": {"enum": ["waiting", "active", "used up", "expired"]}, **counts, "why": TEXT}
    return {**rule, "properties": {**rule["properties"], **told}, "required": list(told)}


def _told_of_jobs(provider: Schema) -> dict[str, Schema]:
    failure = maybe(shape(cause={"enum": list(CAUSES)}, text=maybe(TEXT), code=maybe(INTEGER)))
    mark = shape(at=INSTANT, state=STATE)
    job = {
        "id": TEXT,
        "provider": provider,
        "model": TEXT,
        "state": STATE,
        "submitted": INSTANT,
        "starts": maybe(INSTANT),
        "ends": maybe(INSTANT),
        "images": INTEGER,
        "flagged": many(INTEGER),
        "failure": failure,
        "price": MICRODOLLARS,
        "prompt": TEXT,
        "outputs": many(TEXT),
        "interrupted": maybe(mark),
        "erased": YES_OR_NO,
    }
    plan = shape(
        queue_time=maybe(INTEGER),
        run_time=maybe(INTEGER),
        outcome=STATE,
        failure=failure,
        images=INTEGER,
        flagged=many(INTEGER),
        missing=many(INTEGER),
        black=many(INTEGER),
        resized=many(INTEGER),
        polls=maybe(INTEGER),
        expire=maybe(INTEGER),
    )
    return {
        "job": shape(**job),
        "jobs": shape(jobs=many(reference("job"))),
        "whole_job": shape(**job, plan=plan, timeline=many(mark)),
    }


def _told_of_time() -> dict[str, Schema]:
    job = shape(at=INSTANT, kind={"const": "job"}, job=TEXT, state=STATE)
    attempt = {"job": TEXT, "attempt": INTEGER, "status": maybe(INTEGER), "error": maybe(TEXT)}
    webhook = shape(at=INSTANT, kind={"const": "webhook"}, **attempt)
    passed = {"now": INSTANT, "events": many({"anyOf": [job, webhook]}), "notes": many(TEXT)}
    return {
        "clock": shape(mode=TEXT, now=INSTANT, time=TEXT),
        "passage": shape(**passed),
        "idle": shape(**passed, hanging=many(TEXT)),
        "events": {"type": "string", "description": "Server-sent events: an id, and one JSON object as data."},
    }


def _records(provider: Schema) -> dict[str, Schema]:
    exchange = shape(
        number=INTEGER,
        at=INSTANT,
        wall={"type": "integer", "description": "milliseconds since 1970 in real time"},
        took={"type": "integer", "description": "microseconds of real time"},
        provider=provider,
        operation=TEXT,
        method=TEXT,
        target=TEXT,
        job=maybe(TEXT),
        state=maybe(STATE),
        status=maybe(INTEGER),
        rules=many(TEXT),
        notes=many(TEXT),
        request={},
        response={},
        sent=INTEGER,
        retry_after=maybe(INTEGER),
        broken=maybe(TEXT),
        exposed=YES_OR_NO,
    )
    entry = shape(at=INSTANT, kind={"enum": ["charge", "refund"]}, job=TEXT, provider=provider, amount=MICRODOLLARS)
    finding = shape(kind=TEXT, message=TEXT, exchanges=many(INTEGER), jobs=many(TEXT))
    attempt = shape(at=INSTANT, status=maybe(INTEGER), error=maybe(TEXT))
    delivery = shape(job=TEXT, url=TEXT, outcome=TEXT, due=maybe(INSTANT), attempts=many(attempt))
    return {
        "journal": shape(exchanges=many(exchange), last=INTEGER),
        "ledger": shape(
            balances={"type": "object", "additionalProperties": NUMBER},
            entries=many(entry),
            duplicates=many(many(TEXT)),
        ),
        "verdict": shape(ok=YES_OR_NO, findings=many(finding)),
        "webhooks": shape(deliveries=many(delivery), secret=TEXT),
    }
