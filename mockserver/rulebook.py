"""One tenant's rules in this process's memory, and what has become of each."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping, Sequence

from understudy.mockserver.rules import UNUSED, Luck, Rule, Use, choose


class Rulebook:
    """Rules in their order. `rules` is replaced and never changed; `made` is how many have been given an id."""

    __slots__ = ("_uses", "made", "rules")

    def __init__(self, rules: tuple[Rule, ...] = (), uses: Mapping[str, Use] | None = None, made: int = 0) -> None:
        self.rules = rules
        self._uses = dict(uses or {})
        self.made = made

    def uses(self) -> Sequence[tuple[Rule, Use]]:
        return tuple((rule, self._uses.get(rule.id, UNUSED)) for rule in self.rules)

    def act(
        self, fitting: Collection[str], directed: frozenset[str], now: int, luck: Luck
    ) -> Sequence[tuple[Rule, Use]]:
        acting, changed = choose(self.rules, self._uses, fitting, directed, now, luck)
        self._uses.update(changed)
        return acting

    def add(self, rules: Sequence[Rule], *, first: bool) -> Sequence[Rule]:
        named = []
        taken = {rule.id for rule in self.rules}
        for rule in rules:
            if not rule.id:
                self.made += 1
                while f"rule-{self.made}" in taken:
                    self.made += 1
                rule = dataclasses.replace(rule, id=f"rule-{self.made}")
            if rule.id in taken:
                raise ValueError(f"There is a rule {rule.id!r} already: give this one another id, or none.")
            taken.add(rule.id)
            named.append(rule)
        self.rules = (*named, *self.rules) if first else (*self.rules, *named)
        return named

    def remove(self, ids: Collection[str] | None) -> int:
        kept = () if ids is None else tuple(rule for rule in self.rules if rule.id not in ids)
        removed = len(self.rules) - len(kept)
        self.rules = kept
        self._uses = {rule.id: self._uses[rule.id] for rule in kept if rule.id in self._uses}
        return removed
