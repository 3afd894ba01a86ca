"""The control API's calls about a tenant's rules."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from understudy.mockserver.control_asked import Asked, Wrong, short, unknown
from understudy.mockserver.rule_errors import RuleError
from understudy.mockserver.rule_forms import parse_rule_set, show_rule
from understudy.mockserver.rule_reports import report
from understudy.mockserver.rules import Rule, Use
from understudy.mockserver.store import Store


class RuleCalls:
    def __init__(self, store: Store) -> None:
        self._store = store

    async def list_all(self, asked: Asked) -> Any:
        return {"rules": await self._shown(asked.tenant)}

    async def show(self, asked: Asked) -> Any:
        found = [rule for rule in await self._shown(asked.tenant) if rule["id"] == asked.params["id"]]
        if not found:
            raise await self._no_rule(asked)
        return found[0]

    async def add(self, asked: Asked) -> Any:
        try:
            rules, first = parse_rule_set(asked.body)
        except RuleError as error:
            raise Wrong(error.field, short(error.given), error.message, error.exists or None) from error
        try:
            added = await self._store.add_rules(asked.tenant, rules, first=first)
        except ValueError as error:
            there = [rule.id for rule, _ in await self._store.rules(asked.tenant)]
            taken = next((rule.id for rule in rules if rule.id in there), None)
            raise Wrong("id", taken, str(error), there) from error
        ids = {rule.id for rule in added}
        return {"rules": [rule for rule in await self._shown(asked.tenant) if rule["id"] in ids]}

    async def remove(self, asked: Asked) -> Any:
        removed = await self._store.remove_rules(asked.tenant, [asked.params["id"]])
        if not removed:
            raise await self._no_rule(asked)
        return {"removed": removed}

    async def clear(self, asked: Asked) -> Any:
        return {"removed": await self._store.remove_rules(asked.tenant)}

    async def _shown(self, tenant: str) -> list[dict[str, Any]]:
        now = await self._store.now(tenant)
        uses = await self._store.rules(tenant)
        rules = [rule for rule, _ in uses]
        return [_shown(rule, use, now, rules) for rule, use in uses]

    async def _no_rule(self, asked: Asked) -> Wrong:
        there = [rule.id for rule, _ in await self._store.rules(asked.tenant)]
        sentence = f"This key has no rule {asked.params['id']!r}." + ("" if there else " It has none at all.")
        return unknown("id", asked.params["id"], asked.params["id"], sentence, there, status=404)


def _shown(rule: Rule, use: Use, now: int, rules: Sequence[Rule]) -> dict[str, Any]:
    state, why = report(rule, use, now, rules)
    counts = {"seen": use.seen, "acted": use.acted, "shadowed": use.shadowed}
    return {**show_rule(rule), "state": state, **counts, "why": why}
