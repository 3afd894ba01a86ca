"""What a rule has come to, in words for the user who wonders why nothing happened."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import Literal, NamedTuple

from understudy.mockserver.durations import format_duration
from understudy.mockserver.rules import Rule, Use, is_over, settled

NAMED = 3
"""How many rules are named that act in another one's stead: of a thousand, each would name all before it."""

State = Literal["waiting", "active", "used up", "expired"]


class Report(NamedTuple):
    """Where a rule stands: `waiting` for the first call that it acts on, `active`, or over in one of two ways. `why` is
    a sentence."""

    state: State
    why: str


def report(rule: Rule, use: Use, now: int, rules: Sequence[Rule] = ()) -> Report:
    """How a rule stands at an instant of its tenant's clock. `rules` are all of the tenant's in their order, which tell
    those that act in its stead."""
    acted = f"It acted on {use.acted} of {_calls(use.seen)}"
    if rule.times is not None and use.acted >= rule.times:
        return Report("used up", f"{acted}, and `times` is {rule.times}.{_refused(rule)}")
    if is_over(rule, use, now):
        assert rule.lasts is not None, "A rule that is over is used up or has expired."
        since = format_duration(now - (use.since or 0) - rule.lasts)
        return Report("expired", f"{acted}, for {format_duration(rule.lasts)} from the first on: over since {since}.")
    if rule.when.nth is not None and use.seen >= rule.when.nth:
        if use.acted:
            return Report("used up", f"{acted}: the nth, {rule.when.nth}, has come.{_refused(rule)}")
        return Report("used up", f"{_calls(use.seen)} came, and on the nth, {rule.when.nth}, {_others(rule, rules)}.")
    if use.acted:
        return Report("active", f"{acted}{_elsewhere(rule, use, rules)}.")
    return Report("waiting", _waits(rule, use, rules))


def _waits(rule: Rule, use: Use, rules: Sequence[Rule]) -> str:
    when = rule.when
    if not use.seen:
        return f"No call{_described(rule)} has come yet."
    came = f"{_calls(use.seen)} came, and"
    if use.shadowed:
        return f"{came} on {use.shadowed} of them {_others(rule, rules)}."
    if when.nth is not None:
        return f"{came} the nth is {when.nth}."
    if when.every is not None and use.seen < when.every:
        return f"{came} it acts on one in {when.every}."
    return f"{came} chance picked none: the probability is {when.probability or 0:g}."


def _described(rule: Rule) -> str:
    when = rule.when
    operation = when.operation or ("submit" if rule.job or rule.webhook else None)
    parts = (
        (" to ", when.provider),
        (" of operation ", operation),
        (" with a model like ", when.model and repr(when.model)),
        (" with a prompt like ", when.prompt and repr(when.prompt)),
    )
    return "".join(before + part for before, part in parts if part)


def _elsewhere(rule: Rule, use: Use, rules: Sequence[Rule]) -> str:
    return f"; on {use.shadowed} of them {_others(rule, rules)}" if use.shadowed else ""


def _refused(rule: Rule) -> str:
    """What else a rule about jobs may have been used up by."""
    return " Submissions that were refused count too: the journal's notes tell." if rule.answer is None else ""


def _others(rule: Rule, rules: Sequence[Rule]) -> str:
    """Who acts in a rule's stead: rules that come before it and decide the same, or directives."""
    order = sorted(rules, key=lambda one: (not one.next, one.last))
    ids = [one.id for one in order]
    before = order[: ids.index(rule.id)] if rule.id in ids else []
    nearer = list(islice((repr(one.id) for one in before if settled(one.facets) & rule.facets), NAMED + 1))
    nearer[NAMED:] = ["others"] if len(nearer) > NAMED else []
    named = [*nearer, *([] if rule.next else ["a directive in the prompt"])]
    return f"what it decides was decided nearer ({' or '.join(named)})" if named else "another rule acted in its stead"


def _calls(number: int) -> str:
    return "1 call" if number == 1 else f"{number} calls"
