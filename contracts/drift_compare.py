"""Puts exchanges beside the contract, one after the other, and keeps what they say of its facts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from statistics import median
from typing import Any

from understudy.contracts.drift_cases import Case, case_of, cases, expect_cases, judge_case
from understudy.contracts.drift_facts import BREAKING, Change, Facts
from understudy.contracts.drift_models import expect_models, judge_models, judge_price
from understudy.contracts.drift_responses import expect_responses, expect_switches, hold_switch, judge_response, settle
from understudy.contracts.exchanges import KEY, Cut, Exchange, at
from understudy.contracts.routes import Route, Routes

_PASSING = (408, 425, 429)
"""Statuses that say nothing of the contract but that it was the wrong moment."""


@dataclass(slots=True)
class Coverage:
    """What came of the exchanges: those of no operation, those without a usable answer and why, those that look like
    the provider's and those that do not, and those that were refused for their key."""

    strange: int = 0
    unanswered: dict[str, int] = field(default_factory=dict)
    recognised: int = 0
    unrecognised: int = 0
    key_refused: int = 0

    @property
    def useful(self) -> bool:
        """Whether what answered was the provider, more often than not."""
        lost = self.unrecognised + self.key_refused + sum(self.unanswered.values())
        return self.recognised > 0 and self.recognised >= lost

    def told(self) -> str:
        """What was of no use, in words."""
        parts = [f"{count} {reason}" for reason, count in self.unanswered.items()]
        parts += [f"{self.key_refused} refused for the key"] if self.key_refused else []
        parts += [f"{self.unrecognised} not in any form of the contract"] if self.unrecognised else []
        parts += [f"{self.strange} of no operation that the contract knows"] if self.strange else []
        return ", ".join(parts)


class Comparison:
    """`assumed` are the readings that are expected, as for `understudy serve --assume`."""

    def __init__(self, provider: str, assumed: Mapping[str, str] | None = None) -> None:
        self.provider = provider
        self.facts = Facts(provider)
        self.coverage = Coverage()
        self.took: dict[str, list[float]] = {}
        self.headers: dict[str, set[str]] = {}
        self._settled = dict(assumed or {})
        self._under = dict(self._settled)
        self._routes = Routes(provider, self._settled)
        self._cases = cases(provider, self._settled)
        expect_cases(self.facts, self._cases)
        expect_responses(self.facts, self._routes.operations, self._settled)
        expect_models(self.facts, self._settled)
        expect_switches(self.facts, self._settled)

    @property
    def settled(self) -> Mapping[str, str]:
        """The readings that are expected, or were seen to be the true ones."""
        return self._settled

    def see(self, exchange: Exchange) -> None:
        """Compares one exchange."""
        route = self._routes.find(exchange.method, exchange.path)
        if route is None:
            self.coverage.strange += 1
            return
        operation = route.operation.name
        why = _unusable(exchange, route)
        if why:
            self.coverage.unanswered[why] = self.coverage.unanswered.get(why, 0) + 1
            return
        if exchange.took is not None:
            self.took.setdefault(operation, []).append(exchange.took)
        if exchange.headers:
            self.headers.setdefault(operation, set()).update(exchange.headers)
        exchange = self._unwrapped(exchange)
        case = case_of(exchange, route, self._cases)
        if exchange.auth == KEY and _refuses_the_key(exchange, case, route):
            self.coverage.key_refused += 1
            return
        self._content_type(exchange, operation)
        if case is not None:
            judge_case(self.facts, exchange, case, route, self._settled)
        else:
            self._status(exchange, route)
        if route.operation.responses.get("2XX") is not None:
            return
        if judge_response(self.facts, exchange, route.operation, self._settled):
            self.coverage.recognised += 1
        else:
            self.coverage.unrecognised += 1
        if exchange.status == 200 and operation in ("models", "model"):
            self._models(exchange, operation)
        if exchange.status == 200 and operation == "price" and isinstance(exchange.sent, Mapping):
            asked, told = exchange.sent, at(exchange.body, "data", "price")
            if isinstance(asked.get("inputs"), Mapping):
                judge_price(self.facts, str(asked.get("model_id")), asked["inputs"], told, exchange.where)
        if self._settled != self._under:
            self._under = dict(self._settled)
            self._routes = Routes(self.provider, self._settled)

    def see_models(self, entries: list[Any], where: str, *, whole: bool) -> None:
        """Compares published entries that came by themselves."""
        judge_models(self.facts, entries, where, self._settled, whole=whole)
        known = sum(isinstance(entry, Mapping) and isinstance(entry.get("model_id"), str) for entry in entries)
        self.coverage.recognised += known
        self.coverage.unrecognised += len(entries) - known

    def summary(self) -> dict[str, dict[str, Any]]:
        """What a later run can be held against: milliseconds and the names of headers, by operation."""
        return {
            "took": {operation: round(median(taken), 1) for operation, taken in sorted(self.took.items())},
            "headers": {operation: sorted(names) for operation, names in sorted(self.headers.items())},
        }

    def _unwrapped(self, exchange: Exchange) -> Exchange:
        """An error that came as 200, as RunComfy's other product answers, is judged by what it says."""
        body = exchange.body
        if self.provider == "runcomfy" and exchange.status == 200 and isinstance(body, Mapping):
            code = body.get("error_code")
            if isinstance(code, int) and 400_000 <= code < 600_000:
                if self._settled.get("runcomfy.errors_as_200") != "on":
                    settle(self.facts, "runcomfy.errors_as_200", "on", exchange.where, self._settled)
                return replace(exchange, status=code // 1000)
        if exchange.status is not None and exchange.status >= 400 and self.provider == "runcomfy":
            hold_switch(self.facts, "runcomfy.errors_as_200", exchange.where, self._settled)
        return exchange

    def _content_type(self, exchange: Exchange, operation: str) -> None:
        if not exchange.content_type or f"{operation}: content type" not in self.facts.by_name:
            return
        fact = f"{operation}: content type"
        if exchange.content_type == "application/json":
            self.facts.held(fact, exchange.where)
        else:
            told = exchange.content_type
            self.facts.drifted(fact, Change("content type", BREAKING, "application/json", told, exchange.where))

    def _status(self, exchange: Exchange, route: Route) -> None:
        fact = f"{route.operation.name}: status"
        if fact not in self.facts.by_name:
            return
        expected = route.operation.responses
        asked_for_one = "{" in route.operation.path  # which there may not be
        if str(exchange.status) in expected or (exchange.status == 404 and asked_for_one):
            self.facts.held(fact, exchange.where)
        else:
            told = " or ".join(expected)
            self.facts.drifted(fact, Change("status", BREAKING, told, str(exchange.status), exchange.where))

    def _models(self, exchange: Exchange, operation: str) -> None:
        body = exchange.body
        entries: Any
        if operation == "model":
            entries, whole = [body], False
        elif self.provider == "wavespeed":
            entries = body.get("data") if isinstance(body, Mapping) else ()
            whole = True
        else:
            entries = body.get("models") if isinstance(body, Mapping) else ()
            total = body.get("total") if isinstance(body, Mapping) else None
            searched = "search=" in exchange.target or "category=" in exchange.target or "offset=" in exchange.target
            whole = isinstance(entries, list) and total == len(entries) and not searched
        if isinstance(entries, list):
            judge_models(self.facts, entries, exchange.where, self._settled, whole=whole)


def _refuses_the_key(exchange: Exchange, case: Case | None, route: Route) -> bool:
    """Whether it is the account that was turned away, and not the request."""
    if case is not None and case.sample.response["status"] == exchange.status:
        return False
    return exchange.status == 401 or (exchange.status == 403 and "403" not in route.operation.responses)


def _unusable(exchange: Exchange, route: Route) -> str:
    """Why an answer says nothing of the contract; empty where it does."""
    if exchange.status is None:
        return "without an answer"
    if exchange.status in _PASSING or (
        exchange.status >= 500 and str(exchange.status) not in route.operation.responses
    ):
        return f"answered with {exchange.status}"
    if isinstance(exchange.body, Cut):
        return "cut short"
    return ""
