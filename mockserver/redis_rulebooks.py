"""The tenants' rules in the shared store: which act, and how they are changed."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import TypeVar

from understudy.mockserver.redis_operations import Operations
from understudy.mockserver.redis_rules import KnownRules, Standing, use_words, words_of
from understudy.mockserver.redis_turns import SharedWall
from understudy.mockserver.rulebook import Rulebook
from understudy.mockserver.rules import Luck, Rule, Use, choose

T = TypeVar("T")


class Rulebooks:
    """Whoever uses or changes rules says which version of them was read, and reads again where there is another. Of so
    many tenants it is `known` how their rules stand."""

    def __init__(self, operations: Operations, rules: KnownRules, wall: SharedWall, known: int) -> None:
        self._operations = operations
        self._rules = rules
        self._wall = wall
        self._known = known
        self._standings: dict[str, Standing] = {}

    async def act(
        self, tenant: str, fitting: Collection[str], directed: frozenset[str], luck: Luck
    ) -> Sequence[tuple[Rule, Use]]:
        known = self._standings.pop(tenant, None)
        standing = await self._standing(tenant) if known is None else known.later(self._wall)
        while True:
            acting, changed = choose(standing.rules, standing.uses, fitting, directed, standing.now, luck)
            if not changed and known is None:
                return acting
            if not changed:  # as far as is known here, and that may be long ago
                standing, known = await self._standing(tenant), None
                continue
            reply = await self._operations.do(tenant, "act", *standing.versions, *use_words(changed))
            if reply[0]:
                if len(self._standings) > self._known:
                    self._standings.clear()
                self._standings[tenant] = standing.used(changed, reply[1])
                return acting
            standing = self._rules.standing(tenant, reply)

    async def uses(self, tenant: str) -> Sequence[tuple[Rule, Use]]:
        standing = await self._standing(tenant)
        return Rulebook(standing.rules, standing.uses).uses()

    async def change(self, tenant: str, change: Callable[[Rulebook], T]) -> T:
        """What the change returns that was made to a tenant's rules."""
        while True:
            standing = await self._standing(tenant)
            book = Rulebook(standing.rules, standing.uses, standing.named)
            result = change(book)
            left = {rule.id for rule in book.rules}
            gone = [rule.id for rule in standing.rules if rule.id not in left]
            words = words_of(book.rules)
            if await self._operations.do(tenant, "set_rules", standing.versions[0], words, book.made, *gone):
                return result

    async def _standing(self, tenant: str) -> Standing:
        told = await self._operations.do(tenant, "act", self._rules.version(tenant), "", "")
        return self._rules.standing(tenant, told)
