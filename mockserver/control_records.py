"""The control API's calls about what has been: the journal, the ledger, the verdict, the webhooks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from understudy.mockserver import ledger
from understudy.mockserver.control_asked import Asked
from understudy.mockserver.jobs import Job
from understudy.mockserver.money import dollars
from understudy.mockserver.store import Store
from understudy.mockserver.webhooks import Delivery


class RecordCalls:
    """`secret` is what a tenant's webhooks are signed with."""

    def __init__(self, store: Store, providers: Sequence[str], secret: Callable[[str], str]) -> None:
        self._store = store
        self._providers = providers
        self._secret = secret

    async def journal(self, asked: Asked) -> Any:
        raise NotImplementedError

    async def ledger(self, asked: Asked) -> Any:
        accounts = {name: await self._store.account(asked.tenant, name) for name in self._providers}
        jobs: list[Job] = [job for account in accounts.values() for job in account.jobs]
        now = max(account.now for account in accounts.values())
        return {
            "balances": {name: dollars(account.balance) for name, account in accounts.items()},
            "entries": [_entry(entry) for entry in ledger.entries(jobs, now)],
            "duplicates": [],
        }

    async def verdict(self, asked: Asked) -> Any:
        raise NotImplementedError

    async def webhooks(self, asked: Asked) -> Any:
        deliveries = await self._store.deliveries(asked.tenant)
        return {"deliveries": [_delivery(one) for one in deliveries], "secret": self._secret(asked.tenant)}


def _entry(entry: ledger.Entry) -> dict[str, Any]:
    kind = "refund" if entry.refund else "charge"
    return {
        "at": entry.at,
        "kind": kind,
        "job": entry.job.id,
        "provider": entry.job.submission.provider,
        "amount": entry.amount,
    }


def _delivery(delivery: Delivery) -> dict[str, Any]:
    attempts = [{"at": one.at, "status": one.status, "error": one.error or None} for one in delivery.attempts]
    return {
        "job": delivery.job.id,
        "url": delivery.url,
        "outcome": delivery.outcome.value,
        "due": delivery.due,
        "attempts": attempts,
    }
