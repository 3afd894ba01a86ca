"""WaveSpeed's list of models: one bare array of entries as published."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from understudy.contracts.catalogue import Model
from understudy.mockserver.desk import Desk
from understudy.mockserver.dialect import Operation
from understudy.mockserver.exchange import Call, Reply
from understudy.mockserver.switches import Switches
from understudy.mockserver.wavespeed_envelope import envelope


def operations(desk: Desk, switches: Switches) -> tuple[Operation, ...]:
    left_out = {"formula"} if switches["wavespeed.formula"] == "absent" else set()

    @lru_cache(maxsize=16)
    def body(origin: str) -> bytes:
        listed = [_entry(model, origin) for model in desk.models.values()]
        return envelope([{key: one[key] for key in one if key not in left_out} for one in listed])

    async def models(tenant: str, call: Call) -> Reply:
        return Reply(200, body(call.origin))

    return (Operation("models", "GET", "/api/v3/models", models),)


def _entry(model: Model, origin: str) -> dict[str, Any]:
    """The entry with its server, as every URL, on the origin that the client used."""
    schemas = [{**schema, "server": origin} for schema in model.entry["api_schema"]["api_schemas"]]
    return {**model.entry, "api_schema": {**model.entry["api_schema"], "api_schemas": schemas}}
