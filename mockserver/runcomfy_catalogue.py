"""RunComfy's catalogue: its models page by page, their categories, and each one with its inputs."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import parse_qs

import orjson

from understudy.contracts.catalogue import Model
from understudy.mockserver.desk import Desk
from understudy.mockserver.dialect import Operation
from understudy.mockserver.exchange import Call, Reply, json_reply
from understudy.mockserver.refusals import Invalid, Problem
from understudy.mockserver.request_rules import GREATEST

LIMIT = 100
MOST = 500
"""How many models a page has, and at most: a client's own bounds (inferred)."""


def operations(desk: Desk) -> tuple[Operation, ...]:
    whole = {model_id: orjson.dumps(model.entry) for model_id, model in desk.models.items()}
    short = {
        model_id: orjson.dumps({key: value for key, value in model.entry.items() if key != "input_schema"})
        for model_id, model in desk.models.items()
    }
    named = sorted({str(name) for model in desk.models.values() for name in model.entry.get("categories", ())})
    all_categories = json_reply(200, {"categories": named})

    async def models(tenant: str, call: Call) -> Reply:
        asked = parse_query(call.query)
        limit = _whole_number(asked, "limit", LIMIT, least=1, most=MOST)
        offset = _whole_number(asked, "offset", 0, least=0, most=GREATEST)
        entries = whole if asked.get("include_schema") == "true" else short
        found = [entries[model_id] for model_id, model in desk.models.items() if _matches(model, asked)]
        page = [orjson.Fragment(entry) for entry in found[offset : offset + limit]]
        return json_reply(200, {"models": page, "total": len(found), "limit": limit, "offset": offset})

    async def categories(tenant: str, call: Call) -> Reply:
        return all_categories

    async def model(tenant: str, call: Call) -> Reply:
        found = desk.model(call.params["model_id"])
        return Reply(200, whole.get(found.model_id) or orjson.dumps(found.entry))

    return (
        Operation("models", "GET", "/v1/models", models),
        Operation("categories", "GET", "/v1/models/categories", categories),
        Operation("model", "GET", "/v1/models/{model_id:path}", model),
    )


def parse_query(query: bytes) -> dict[str, str]:
    """The parameters of a query string, the last one where a name is repeated."""
    return {name: values[-1] for name, values in parse_qs(query.decode("latin-1")).items()} if query else {}


def _matches(model: Model, asked: Mapping[str, str]) -> bool:
    """Whether a model is asked for: a search looks into id, name and description, whatever the case (assumed)."""
    entry = model.entry
    texts = (str(entry.get(name, "")).lower() for name in ("model_id", "display_name", "description"))
    return (
        ("category" not in asked or asked["category"] in entry.get("categories", ()))
        and ("kind" not in asked or asked["kind"] == entry.get("kind", "model"))
        and ("search" not in asked or any(asked["search"].lower() in text for text in texts))
    )


def _whole_number(asked: Mapping[str, str], name: str, default: int, *, least: int, most: int) -> int:
    """A parameter's number. Raises Invalid: how the provider refuses one out of bounds is assumed."""
    text = asked.get(name, str(default))
    if not (text.isascii() and text.removeprefix("-").isdigit()):
        raise Invalid((Problem((name,), "type", ("integer",), text),), "query")
    number = int(text[:20])
    if number < least:
        raise Invalid((Problem((name,), "minimum", least, number),), "query")
    if number > most:
        raise Invalid((Problem((name,), "maximum", most, number),), "query")
    return number
