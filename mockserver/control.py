"""The control API: everything that can be made to happen and everything that can be asked about it, one call each."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from understudy.mockserver.control_asked import Asked, Wrong, unknown
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


class Answer(NamedTuple):
    """An HTTP status, and what the JSON body says."""

    status: int
    content: Any


Perform = Callable[[Asked], Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class Call:
    """One row of the table: what is answered where. `query` names the parameters that there may be; `takes` and
    `answers` are the names of schemas in the OpenAPI document. A `keyless` call is for everybody."""

    method: str
    path: str
    name: str
    perform: Perform
    query: tuple[str, ...] = ()
    takes: str | None = None
    answers: str = ""
    status: int = 200
    keyless: bool = False

    def match(self, parts: Sequence[str]) -> dict[str, str] | None:
        """The parameters in a path that is of this form; None for any other path."""
        own = self.path.split("/")
        pairs = list(zip(own, parts, strict=False))
        if len(own) != len(parts) or any(one not in (part, "{id}") for one, part in pairs):
            return None
        return {one.strip("{}"): part for one, part in pairs if one == "{id}"}


class Control:
    """Answers calls for tenants, wherever they come from: over HTTP, or from a test in the same process.

    `secret` is what a tenant's webhooks are signed with.
    """

    def __init__(
        self, store: Store, settings: Settings, providers: Sequence[str], secret: Callable[[str], str]
    ) -> None:
        timekeeper = Timekeeper(store, providers, settings.webhook_timeout)
        self.calls = _table(
            ServerCalls(store, settings, VERSION),
            RuleCalls(store),
            ClockCalls(store, timekeeper),
            JobCalls(store, providers),
            RecordCalls(store, providers, secret),
        )

    async def answer(
        self, tenant: str, method: str, path: str, query: Mapping[str, str], body: object, *, origin: str = ""
    ) -> Answer:
        """The answer to a call; `path` is what comes after `/_understudy/`, `body` what its JSON says, None for none.

        URLs of images begin with `origin`. Whatever is wrong with the call is an answer too.
        """
        try:
            call, params = self.find(method, path)
            asked = Asked(tenant, params, query, body, origin)
            asked.only(call.query)
            if call.takes is None:
                asked.fields()
            return Answer(call.status, await call.perform(asked))
        except Wrong as wrong:
            return Answer(wrong.status, wrong.shown())

    def find(self, method: str, path: str) -> tuple[Call, dict[str, str]]:
        """The call of this method and path, and the path's parameters. Raises Wrong, which says what there is."""
        parts = path.split("/")
        there = [(call, params) for call in self.calls if (params := call.match(parts)) is not None]
        for call, params in there:
            if call.method == method:
                return call, params
        if there:
            methods = sorted({call.method for call, _ in there})
            message = f"{path} takes {' and '.join(methods)}, not {method}."
            raise Wrong("method", method, message, methods, status=405)
        paths = list(dict.fromkeys(call.path for call in self.calls))
        raise unknown("path", path, f"There is no call {path!r} of the control API.", paths, status=404)


def _table(
    server: ServerCalls, rules: RuleCalls, clock: ClockCalls, jobs: JobCalls, records: RecordCalls
) -> tuple[Call, ...]:
    journal = ("after", "operation", "provider", "job", "status", "limit")
    return (
        Call("GET", "health", "health", server.health, answers="health", keyless=True),
        Call("GET", "version", "version", server.version, answers="version", keyless=True),
        Call("POST", "reset", "reset", server.reset, answers="reset"),
        Call("GET", "rules", "list_rules", rules.list, answers="rules"),
        Call("POST", "rules", "add_rules", rules.add, takes="new_rules", answers="rules", status=201),
        Call("DELETE", "rules", "remove_all_rules", rules.clear, answers="removed"),
        Call("GET", "rules/{id}", "show_rule", rules.show, answers="rule"),
        Call("DELETE", "rules/{id}", "remove_rule", rules.remove, answers="removed"),
        Call("GET", "clock", "show_clock", clock.show, answers="clock"),
        Call("PUT", "clock", "set_clock", clock.change, takes="mode", answers="clock"),
        Call("POST", "clock/advance", "advance_clock", clock.advance, takes="advance", answers="passage"),
        Call("POST", "clock/idle", "run_until_idle", clock.idle, answers="idle"),
        Call("GET", "jobs", "list_jobs", jobs.list, query=("provider", "state", "limit"), answers="jobs"),
        Call("GET", "jobs/{id}", "show_job", jobs.show, answers="whole_job"),
        Call("POST", "jobs/{id}/finish", "finish_job", jobs.finish, answers="whole_job"),
        Call("POST", "jobs/{id}/fail", "fail_job", jobs.fail, takes="failure", answers="whole_job"),
        Call("POST", "jobs/{id}/cancel", "cancel_job", jobs.cancel, answers="whole_job"),
        Call("POST", "jobs/{id}/timeout", "time_out_job", jobs.time_out, answers="whole_job"),
        Call("GET", "journal", "show_journal", records.journal, query=journal, answers="journal"),
        Call("GET", "ledger", "show_ledger", records.ledger, answers="ledger"),
        Call("GET", "verdict", "judge_client", records.verdict, query=("fastest_poll",), answers="verdict"),
        Call("GET", "webhooks", "list_webhooks", records.webhooks, answers="webhooks"),
    )
