"""The calls of the control API as one table, which the OpenAPI document is made from too."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from understudy.mockserver.control_asked import Asked, Wrong
from understudy.mockserver.control_clock import ClockCalls
from understudy.mockserver.control_jobs import JobCalls
from understudy.mockserver.control_records import RecordCalls
from understudy.mockserver.control_rules import RuleCalls
from understudy.mockserver.control_server import ServerCalls
from understudy.mockserver.settings import Settings
from understudy.mockserver.store import Store
from understudy.mockserver.timekeeping import Timekeeper

VERSION = 1
"""Of this interface: it changes when a client that was right would be so no more."""

EVENTS = "events"
"""The one call whose answer has no end."""

Perform = Callable[[Asked], Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class Call:
    """One row of the table: what is answered where. `query` names the parameters that there may be; `takes` and
    `answers` are the names of schemas in the OpenAPI document. A `keyless` call is for everybody."""

    method: str
    path: str
    summary: str
    perform: Perform
    query: tuple[str, ...] = ()
    takes: str | None = None
    answers: str = ""
    status: int = 200
    keyless: bool = False

    @property
    def name(self) -> str:
        """What the OpenAPI document calls it."""
        words = re.sub("[^a-z]+", " ", f"{self.method.lower()} {self.path}").split()
        return "_".join(words)

    def match(self, parts: Sequence[str]) -> dict[str, str] | None:
        """The parameters in a path that is of this form; None for any other path."""
        own = self.path.split("/")
        pairs = list(zip(own, parts, strict=False))
        if len(own) != len(parts) or any(one not in (part, "{id}") for one, part in pairs):
            return None
        return {one.strip("{}"): part for one, part in pairs if one == "{id}"}


async def _stream(asked: Asked) -> Any:
    raise Wrong("path", EVENTS, "events is a stream: ask for it over HTTP, or in Python with Control.listen.")


def table(
    store: Store, settings: Settings, providers: Sequence[str], secret: Callable[[str], str], document: Perform
) -> tuple[Call, ...]:
    """All calls. `document` performs the one whose answer is made from this very table."""
    server = ServerCalls(store, settings, VERSION)
    rules = RuleCalls(store)
    clock = ClockCalls(store, Timekeeper(store, providers, settings.webhook_timeout))
    jobs = JobCalls(store, providers)
    records = RecordCalls(store, providers, secret)
    found = ("after", "operation", "provider", "job", "status", "limit")
    some = ("provider", "state", "limit")
    return (
        Call("GET", "health", "Whether the server is there", server.health, answers="health", keyless=True),
        Call("GET", "version", "Which versions, and the seed", server.version, answers="version", keyless=True),
        Call("GET", "openapi.json", "This document", document, answers="document", keyless=True),
        Call("POST", "reset", "Make the key anew, as if it had never been used", server.reset, answers="reset"),
        Call("GET", "rules", "All rules, and what has become of each", rules.list_all, answers="rules"),
        Call("POST", "rules", "Add rules", rules.add, takes="new_rules", answers="rules", status=201),
        Call("DELETE", "rules", "Remove all rules", rules.clear, answers="removed"),
        Call("GET", "rules/{id}", "One rule", rules.show, answers="rule"),
        Call("DELETE", "rules/{id}", "Remove one rule", rules.remove, answers="removed"),
        Call("GET", "clock", "The key's clock", clock.show, answers="clock"),
        Call("PUT", "clock", "Let time pass otherwise from here", clock.change, takes="mode", answers="clock"),
        Call("POST", "clock/advance", "Set the clock forward", clock.advance, takes="advance", answers="passage"),
        Call("POST", "clock/idle", "Let all happen that is to come", clock.idle, answers="idle"),
        Call("GET", "jobs", "Jobs, oldest first", jobs.list_all, query=some, answers="jobs"),
        Call("GET", "jobs/{id}", "One job, its future included", jobs.show, answers="whole_job"),
        Call("POST", "jobs/{id}/finish", "Let a job succeed now", jobs.finish, answers="whole_job"),
        Call("POST", "jobs/{id}/fail", "Let a job fail now", jobs.fail, takes="failure", answers="whole_job"),
        Call("POST", "jobs/{id}/cancel", "Let a job be cancelled now", jobs.cancel, answers="whole_job"),
        Call("POST", "jobs/{id}/timeout", "Let a job time out now", jobs.time_out, answers="whole_job"),
        Call("GET", "journal", "Exchanges, oldest first", records.journal, query=found, answers="journal"),
        Call("GET", "ledger", "Money, and what was submitted twice", records.ledger, answers="ledger"),
        Call(
            "GET", "verdict", "What the client does wrong", records.verdict, query=("fastest_poll",), answers="verdict"
        ),
        Call("GET", "webhooks", "Webhooks and their attempts", records.webhooks, answers="webhooks"),
        Call("GET", EVENTS, "What happens, as it happens", _stream, query=("after",), answers="events"),
    )
