"""Rules and what has become of them between their values and what the shared store keeps of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from understudy.mockserver.clock import Clock
from understudy.mockserver.redis_codec import dump, load
from understudy.mockserver.redis_turns import SharedWall, clock_of
from understudy.mockserver.rules import Rule, Use


class _Rules(NamedTuple):
    rules: tuple[Rule, ...]


@dataclass(frozen=True, slots=True)
class Standing:
    """A tenant's rules at an instant. `versions` tell whether they are still so: of the rules, of their uses, and of
    the clock; `named` is how many rules have been given an id."""

    rules: tuple[Rule, ...]
    uses: Mapping[str, Use]
    now: int
    versions: tuple[bytes, bytes | int, int]
    named: int
    clock: Clock

    def later(self, wall: SharedWall) -> Standing:
        """The same as it will be found now if nothing has happened."""
        return self if self.clock.rate == 0 else dataclasses.replace(self, now=self.clock.now(wall.now()))

    def used(self, changed: Mapping[str, Use], version: int) -> Standing:
        """The same when the rules have been used, by the version that the store then says it has."""
        versions = self.versions[0], version, self.versions[2]
        return dataclasses.replace(self, uses={**self.uses, **changed}, versions=versions)


def words_of(rules: tuple[Rule, ...]) -> bytes:
    return dump(_Rules(rules))


def use_words(changed: Mapping[str, Use]) -> Iterator[str]:
    """Each rule's id, and what has become of it."""
    for name, use in changed.items():
        yield name
        yield f"{use.seen} {use.acted} {use.shadowed} {'-' if use.since is None else use.since}"


def _use(word: bytes) -> Use:
    seen, acted, shadowed, since = word.split()
    return Use(int(seen), int(acted), int(shadowed), None if since == b"-" else int(since))


class KnownRules:
    """The rules that this process has read, of up to `bound` tenants: fetched again only when they have changed."""

    def __init__(self, initial: tuple[Rule, ...], bound: int) -> None:
        self._initial = initial
        self._bound = bound
        self._kept: dict[str, tuple[bytes, tuple[Rule, ...]]] = {}

    def version(self, tenant: str) -> bytes:
        kept = self._kept.get(tenant)
        return b"" if kept is None else kept[0]

    def learn(self, tenant: str, version: bytes | None, words: bytes | None) -> tuple[Rule, ...]:
        """The rules of that version; without words for a version that is not known, those of the settings."""
        if version is None:
            return self._initial
        kept = self._kept.get(tenant)
        if kept is not None and kept[0] == version:
            return kept[1]
        rules = self._initial if words is None else load(_Rules, words).rules
        if len(self._kept) > self._bound:
            self._kept.clear()
        self._kept[tenant] = (version, rules)
        return rules

    def standing(self, tenant: str, told: Sequence[Any]) -> Standing:
        """What the store tells when it is asked for a tenant's rules."""
        _, now, version, uses, words, used, gen, named, clock = told
        rules = self.learn(tenant, None if version == b"0" else version, words)
        pairs = zip(used[::2], used[1::2], strict=True)
        standing = {name.decode(): _use(word) for name, word in pairs}
        return Standing(rules, standing, int(now), (version, uses, gen), int(named), clock_of(clock))
