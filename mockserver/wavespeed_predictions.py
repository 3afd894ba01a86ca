"""WaveSpeed's list of predictions, and their deletion."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from understudy.mockserver.desk import Desk
from understudy.mockserver.dialect import Operation
from understudy.mockserver.exchange import Call, Reply
from understudy.mockserver.jobs import Job, Phase
from understudy.mockserver.request_rules import MOMENT, PAGE, TEXT, TEXTS, RequestRules, period
from understudy.mockserver.switches import Switches
from understudy.mockserver.wavespeed_envelope import success

LISTED = 7 * 86_400_000
"""Milliseconds for which a prediction is listed (documented)."""

STATUSES = ["created", "processing", "completed", "failed", "cancelled", "timeout", "deleted"]
"""What the server accepts as a status to look for (inferred from a client's own check)."""

_MOMENTS = {"created_after": MOMENT, "created_before": MOMENT}
_LIST = RequestRules({**PAGE, **_MOMENTS, "model": TEXT, "status": {**TEXT, "enum": STATUSES}})
_DELETE = RequestRules({"ids": TEXTS}, required=("ids",))
_ID = re.compile("[0-9a-f]{32}")


def operations(
    desk: Desk,
    switches: Switches,
    describe: Callable[[Job, Phase, str], dict[str, Any]],
    word: Callable[[Job, Phase], str],
) -> tuple[Operation, ...]:
    """`describe` is the prediction object of a job in a phase, for an origin; `word` is its status alone."""

    async def list_predictions(tenant: str, call: Call) -> Reply:
        asked = _LIST.read(call.body)
        jobs, _, now = await desk.store.account(tenant, desk.dialect.name)
        start, end = period(asked, ("created_after",), ("created_before",), now)
        found = [
            job
            for job in reversed(jobs)
            if max(start, now - LISTED) <= job.submitted <= end
            and (desk.dialect.shows_erased or not job.erased)
            and asked.get("model", job.submission.model) == job.submission.model
            and ("status" not in asked or asked["status"] == word(job, job.at(now)))
        ]
        page, size = int(asked.get("page", 1)), int(asked.get("page_size", 100))
        shown = found[(page - 1) * size : page * size]
        total = {"total": len(found)} if switches["wavespeed.list_total"] == "present" else {}
        items = [describe(job, job.at(now), call.origin) for job in shown]
        return success({"page": page, "items": items, **total})

    async def delete(tenant: str, call: Call) -> Reply:
        asked = _DELETE.read(call.body)
        ids = {job_id for job_id in asked["ids"] if _ID.fullmatch(job_id)}
        return success({"deleted_count": await desk.store.erase(tenant, ids)})

    return (
        Operation("list", "POST", "/api/v3/predictions", list_predictions),
        Operation("delete", "POST", "/api/v3/predictions/delete", delete),
    )
