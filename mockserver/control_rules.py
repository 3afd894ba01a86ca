"""The control API's calls about a tenant's rules."""

from __future__ import annotations

from typing import Any

from understudy.mockserver.control_asked import Asked, Wrong, kind_of, short, unknown
from understudy.mockserver.rules import Rule, Use
from understudy.mockserver.store import Store


class RuleCalls:
    def __init__(self, store: Store) -> None:
        self._store = store

    async def list(self, asked: Asked) -> Any:
        return {"rules": await self._shown(asked.tenant)}

    async def show(self, asked: Asked) -> Any:
        found = [rule for rule in await self._shown(asked.tenant) if rule["id"] == asked.params["id"]]
        if not found:
            raise await self._no_rule(asked)
        return found[0]

    async def add(self, asked: Asked) -> Any:
        rules, first = _read(asked)
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
        from understudy.mockserver.rule_forms import show_rule

        now = await self._store.now(tenant)
        uses: list[tuple[Rule, Use]] = list(await self._store.rules(tenant))
        return [show_rule(rule, use, now) for rule, use in uses]

    async def _no_rule(self, asked: Asked) -> Wrong:
        there = [rule.id for rule, _ in await self._store.rules(asked.tenant)]
        sentence = f"This key has no rule {asked.params['id']!r}." + ("" if there else " It has none at all.")
        return unknown("id", asked.params["id"], sentence, there, status=404)


def _read(asked: Asked) -> tuple[list[Rule], bool]:
    """The rules that are to be added, and whether before all others. Raises Wrong."""
    from understudy.mockserver.rule_forms import RuleError, parse_rule

    body = asked.body
    if not isinstance(body, dict):
        raise Wrong("", short(body), f"The body is {kind_of(body)}: expected a rule, or rules: {{'rules': [...]}}.")
    first = body.get("first", False)
    if not isinstance(first, bool):
        raise Wrong("first", short(first), f"first is {kind_of(first)}: expected true or false.")
    try:
        if "rules" not in body:
            return [parse_rule({name: part for name, part in body.items() if name != "first"})], first
        given = asked.fields("rules", "first")["rules"]
        if not isinstance(given, list):
            raise Wrong("rules", short(given), f"rules is {kind_of(given)}: expected a list of rules.")
        return [parse_rule(rule, f"rules.{index}") for index, rule in enumerate(given)], first
    except RuleError as error:
        raise Wrong(error.field, error.given, error.message, error.exists) from error
