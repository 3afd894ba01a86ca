"""What rules and directives make of a plan that settings and chance have made."""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

from understudy.mockserver.jobs import STRAIGHT, Cause, Failure, Phase, Plan, Twists, WebhookTwist
from understudy.mockserver.plans import Chance
from understudy.mockserver.rules import ALL_IMAGES, JobEffect

NO_FLAGS = "this provider has no flags for single images, so the job fails"


class Bent(NamedTuple):
    """A plan, and what whoever made the rules should know about it."""

    plan: Plan
    notes: tuple[str, ...] = ()


def bend(
    plan: Plan,
    effect: JobEffect,
    chance: Chance,
    *,
    flags_images: bool,
    can_flag: bool,
    webhook: WebhookTwist | None = None,
) -> Bent:
    """The plan as the effect has it. `flags_images` is what flagged content does by default: complete with flags, or
    fail the job; `can_flag`, whether the provider has flags at all."""
    notes: list[str] = []
    images = plan.images if effect.images is None else effect.images
    outcome, failure, flagged, flags = plan.outcome, plan.failure, plan.flagged, False
    if effect.fail is not None:
        outcome, failure, flagged = Phase.FAILED, effect.fail, frozenset()
    elif effect.end is not None:
        outcome, failure = effect.end, Failure() if effect.end is Phase.FAILED else None
        flagged = flagged if effect.end is Phase.SUCCEEDED else frozenset()
    elif effect.flagged is not None:
        named = effect.flagged != ALL_IMAGES
        if can_flag and (named or flags_images):
            outcome, failure, flags = Phase.SUCCEEDED, None, named
            flagged = _indexes(effect.flagged, images, "flagged", notes)
        else:
            outcome, failure, flagged = Phase.FAILED, Failure(Cause.MODERATION), frozenset()
            if named:
                notes.append(NO_FLAGS)
    flagged &= frozenset(range(1, images + 1))
    queue_time, run_time = _times(plan, effect, chance)
    twists = Twists(
        missing=_indexes(effect.missing, images, "missing", notes),
        black=_indexes(effect.black, images, "black", notes),
        resized=_indexes(effect.resized, images, "resized", notes),
        flags=flags,
        polls=effect.polls,
        expire=effect.expire,
        webhook=webhook,
    )
    bent = Plan(queue_time, run_time, outcome, images, failure, flagged, plan.black, twists)
    return Bent(bent if twists != STRAIGHT else dataclasses.replace(bent, twists=STRAIGHT), tuple(notes))


def _times(plan: Plan, effect: JobEffect, chance: Chance) -> tuple[int | None, int | None]:
    queue_time, run_time = plan.queue_time, plan.run_time
    if effect.queue_time is not None:
        queue_time = effect.queue_time.at(chance.queue)
    if effect.run_time is not None:
        run_time = effect.run_time.at(chance.run)
    if effect.latency is not None:
        whole = effect.latency.at(chance.run)
        queue_time = min(queue_time or 0, whole)
        run_time = whole - queue_time
    if effect.polls is not None:
        return 0, None  # it runs until that poll
    if effect.hang is not None:
        return (None, run_time) if effect.hang is Phase.QUEUED else (queue_time, None)
    return queue_time, run_time


def _indexes(named: frozenset[int] | None, images: int, what: str, notes: list[str]) -> frozenset[int]:
    every = frozenset(range(1, images + 1))
    if named is None:
        return frozenset()
    if named == ALL_IMAGES:
        return every
    notes += [f"{what}: there is no image {index}, {images} come out" for index in sorted(named - every)]
    return named & every
