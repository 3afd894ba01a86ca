"""The control API's calls about what has been: the journal, the ledger, the verdict, the webhooks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from understudy.mockserver import ledger
from understudy.mockserver.control_asked import Asked
from understudy.mockserver.duplicates import duplicates
from understudy.mockserver.jobs import Job
from understudy.mockserver.journal_forms import select, show_entry
from understudy.mockserver.money import dollars
from understudy.mockserver.rule_fields import ALL_OPERATIONS
from understudy.mockserver.store import Account, Store
from understudy.mockserver.verdict import FASTEST_POLL, show_verdict, verdict
from understudy.mockserver.webhooks import Delivery


class RecordCalls:
    """`secret` is what a tenant's webhooks are signed with."""

    def __init__(self, store: Store, providers: Sequence[str], secret: Callable[[str], str]) -> None:
        self._store = store
        self._providers = providers
        self._secret = secret

    async def journal(self, asked: Asked) -> Any:
        after = asked.count("after", 0) or 0
        provider = asked.choice("provider", self._providers)
        status, limit = asked.count("status", 100), asked.count("limit", 1)
        operation, job = asked.choice("operation", ALL_OPERATIONS), asked.query.get("job")
        logged = await self._store.journal(asked.tenant, after)
        found = select(logged, after=after, operation=operation, provider=provider, job=job, status=status, limit=limit)
        # With nothing newer than `after`, the last one is still not known: a reset may have made the journal shorter.
        whole = logged if logged.entries else await self._store.journal(asked.tenant)
        last = whole.first + len(whole.entries) - 1
        return {"exchanges": [show_entry(number, entry) for number, entry in found], "last": last}

    async def ledger(self, asked: Asked) -> Any:
        accounts = await self._accounts(asked.tenant)
        jobs = _jobs(accounts)
        now = max(account.now for account in accounts.values())
        repeated = duplicates(jobs, await self._store.journal(asked.tenant))
        return {
            "balances": {name: dollars(account.balance) for name, account in accounts.items()},
            "entries": [_entry(entry) for entry in ledger.entries(jobs, now)],
            "duplicates": [[job.id for job in group] for group in repeated],
        }

    async def verdict(self, asked: Asked) -> Any:
        fastest = asked.duration("fastest_poll")
        jobs = _jobs(await self._accounts(asked.tenant))
        logged = await self._store.journal(asked.tenant)
        deliveries = await self._store.deliveries(asked.tenant)
        now = await self._store.now(asked.tenant)
        return show_verdict(
            verdict(jobs, logged, deliveries, now, fastest_poll=FASTEST_POLL if fastest is None else fastest)
        )

    async def webhooks(self, asked: Asked) -> Any:
        deliveries = await self._store.deliveries(asked.tenant)
        return {"deliveries": [_delivery(one) for one in deliveries], "secret": self._secret(asked.tenant)}

    async def _accounts(self, tenant: str) -> Mapping[str, Account]:
        return {name: await self._store.account(tenant, name) for name in self._providers}


def _jobs(accounts: Mapping[str, Account]) -> list[Job]:
    """In order of submission."""
    return sorted((job for account in accounts.values() for job in account.jobs), key=lambda job: job.submitted)


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
