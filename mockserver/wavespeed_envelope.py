"""WaveSpeed's envelope around what a call that worked has to tell."""

from __future__ import annotations

import orjson

from understudy.mockserver.exchange import Reply


def envelope(data: object) -> bytes:
    return orjson.dumps({"code": 200, "message": "success", "data": data})


def success(data: object) -> Reply:
    return Reply(200, envelope(data))
