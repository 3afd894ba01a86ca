"""WaveSpeed's records of what was charged and used. Kinds and states in them are assumed: no client compares them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from hashlib import blake2b
from typing import Any

from understudy.mockserver.desk import Desk
from understudy.mockserver.dialect import Operation
from understudy.mockserver.exchange import Call, Reply
from understudy.mockserver.jobs import Job, Phase
from understudy.mockserver.ledger import Entry, cost, entries
from understudy.mockserver.moments import format_second
from understudy.mockserver.money import dollars
from understudy.mockserver.request_rules import MOMENT, PAGE, TEXT, TEXTS, RequestRules, period
from understudy.mockserver.wavespeed_envelope import success

_FILTERS = {"billing_type": TEXT, "model_uuid": TEXT, "access_key_uuid": TEXT, "prediction_uuids": TEXTS}
_SEARCH = RequestRules({**PAGE, **_FILTERS, "start_time": MOMENT, "end_time": MOMENT})
# One client says time and another date (both inferred): both count.
_STARTS, _ENDS = ("start_time", "start_date"), ("end_time", "end_date")
_USAGE = RequestRules(
    {**dict.fromkeys((*_STARTS, *_ENDS), MOMENT), "model_uuid": TEXT, "per_model_usage": {"type": "boolean"}}
)


def operations(desk: Desk, word: Callable[[Job, Phase], str]) -> tuple[Operation, ...]:
    """`word` is the status that a job in a phase has."""

    async def billings(tenant: str, call: Call) -> Reply:
        asked = _SEARCH.read(call.body)
        account = await desk.store.account(tenant, desk.dialect.name)
        start, end = period(asked, _STARTS, _ENDS, account.now)
        key = _uuid("key", tenant)
        found = [
            entry
            for entry in reversed(entries(account.jobs, account.now))
            if start <= entry.at <= end
            and asked.get("billing_type", _kind(entry)) == _kind(entry)
            and asked.get("model_uuid", entry.job.submission.model) == entry.job.submission.model
            and asked.get("access_key_uuid", key) == key
            and ("prediction_uuids" not in asked or entry.job.id in asked["prediction_uuids"])
        ]
        page, size = int(asked.get("page", 1)), int(asked.get("page_size", 100))
        shown = found[(page - 1) * size : page * size]
        items = [_billing(entry, word(entry.job, entry.job.at(account.now)), key) for entry in shown]
        return success({"page": page, "has_more": len(found) > page * size, "items": items})

    async def usage(tenant: str, call: Call) -> Reply:
        asked = _USAGE.read(call.body)
        account = await desk.store.account(tenant, desk.dialect.name)
        start, end = period(asked, _STARTS, _ENDS, account.now)
        jobs = [
            job
            for job in account.jobs
            if start <= job.submitted <= end and asked.get("model_uuid", job.submission.model) == job.submission.model
        ]
        return success(_usage(desk, jobs, account.now, per_model=asked.get("per_model_usage", True)))

    return (
        Operation("billings", "POST", "/api/v3/billings/search", billings),
        Operation("usage", "POST", "/api/v3/user/usage_stats", usage),
    )


def _billing(entry: Entry, status: str, key: str) -> dict[str, Any]:
    price = dollars(entry.amount)
    state = "refunded" if entry.refund else "paid"
    return {
        "uuid": _uuid(_kind(entry), entry.job.id),
        "billing_type": _kind(entry),
        "price": price,
        "created_at": f"{format_second(entry.at // 1000)}.{entry.at % 1000:03d}Z",
        "access_key_name": "default",
        "access_key_uuid": key,
        "order": {
            "uuid": _uuid("order", entry.job.id),
            "state": state,
            "price": price,
            "origin_price": price,
            "status": "completed",
        },
        "prediction": {"uuid": entry.job.id, "model_uuid": entry.job.submission.model, "status": status},
        "consumption": None,
    }


def _usage(desk: Desk, jobs: Iterable[Job], now: int, *, per_model: bool) -> dict[str, Any]:
    """What was spent, refunds taken off, by model and by the day of submission."""
    by_model: dict[str, list[Job]] = defaultdict(list)
    by_day: dict[str, dict[str, list[Job]]] = defaultdict(lambda: defaultdict(list))
    for job in jobs:
        by_model[job.submission.model].append(job)
        by_day[_day(job)][job.submission.model].append(job)
    every = [job for some in by_model.values() for job in some]
    return {
        "per_model_usage": [_model_usage(desk, name, some, now) for name, some in by_model.items() if per_model],
        "daily_usage": [
            {
                "date": day,
                "amount": _spent((job for some in models.values() for job in some), now),
                "count": sum(map(len, models.values())),
                "models": [
                    {"model_uuid": name, "count": len(some), "amount": _spent(some, now)}
                    for name, some in models.items()
                ],
            }
            for day, models in by_day.items()
        ],
        "summary": {
            "total_cost": _spent(every, now),
            "total_requests": len(every),
            "success_requests": sum(job.at(now) is Phase.SUCCEEDED for job in every),
        },
    }


def _model_usage(desk: Desk, name: str, jobs: list[Job], now: int) -> dict[str, Any]:
    model = desk.models.get(name)  # none of one that only `any_model` accepts
    return {
        "model_uuid": name,
        "model_type": str(model.entry.get("type", "")) if model else "",
        "unit_price": dollars(model.price_microdollars) if model else 0,
        "total_cost": _spent(jobs, now),
        "total_count": len(jobs),
        "last_used_date": _day(jobs[-1]),
    }


def _spent(jobs: Iterable[Job], now: int) -> float:
    return dollars(sum(cost(job, now) for job in jobs))


def _kind(entry: Entry) -> str:
    return "refund" if entry.refund else "deduct"


def _day(job: Job) -> str:
    return format_second(job.submitted // 1000)[:10]


def _uuid(kind: str, name: str) -> str:
    return blake2b(f"{kind}\0{name}".encode("utf-8", "surrogateescape"), digest_size=16).hexdigest()
