"""What each effect makes of a plan."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from understudy.mockserver.bending import NO_FLAGS, Bent, bend
from understudy.mockserver.durations import DurationRange
from understudy.mockserver.jobs import Cause, Failure, Phase, Plan, Twists, WebhookTwist
from understudy.mockserver.plans import Chance
from understudy.mockserver.rules import ALL_IMAGES, JobEffect

PLAN = Plan(500, 2_000, Phase.SUCCEEDED, 4)
FAILED = dataclasses.replace(PLAN, outcome=Phase.FAILED, failure=Failure(Cause.INPUT))
CHANCE = Chance(7, "key", 0)


def bent(effect: JobEffect, plan: Plan = PLAN, *, flags: bool = False, can: bool = True, **more: Any) -> Bent:
    return bend(plan, effect, CHANCE, flags_images=flags, can_flag=can, **more)


def fixed(milliseconds: int) -> DurationRange:
    return DurationRange(milliseconds, milliseconds)


@pytest.mark.parametrize(
    ("effect", "changed"),
    [
        (JobEffect(), {}),
        (JobEffect(queue_time=fixed(7)), {"queue_time": 7}),
        (JobEffect(run_time=fixed(7)), {"run_time": 7}),
        (JobEffect(latency=fixed(700)), {"queue_time": 500, "run_time": 200}),
        (JobEffect(latency=fixed(300)), {"queue_time": 300, "run_time": 0}),
        (JobEffect(latency=fixed(300), queue_time=fixed(100)), {"queue_time": 100, "run_time": 200}),
        (JobEffect(fail=Failure(text="no")), {"outcome": Phase.FAILED, "failure": Failure(text="no")}),
        (JobEffect(end=Phase.CANCELLED), {"outcome": Phase.CANCELLED}),
        (JobEffect(end=Phase.TIMED_OUT), {"outcome": Phase.TIMED_OUT}),
        (JobEffect(end=Phase.FAILED), {"outcome": Phase.FAILED, "failure": Failure()}),
        (JobEffect(flagged=ALL_IMAGES), {"outcome": Phase.FAILED, "failure": Failure(Cause.MODERATION)}),
        (JobEffect(flagged=frozenset({2})), {"flagged": frozenset({2}), "twists": Twists(flags=True)}),
        (JobEffect(images=0), {"images": 0}),
        (JobEffect(missing=frozenset({4})), {"twists": Twists(missing=frozenset({4}))}),
        (JobEffect(black=ALL_IMAGES, images=2), {"images": 2, "twists": Twists(black=frozenset({1, 2}))}),
        (JobEffect(resized=frozenset({1})), {"twists": Twists(resized=frozenset({1}))}),
        (JobEffect(hang=Phase.QUEUED), {"queue_time": None}),
        (JobEffect(hang=Phase.RUNNING), {"run_time": None}),
        (JobEffect(polls=3), {"queue_time": 0, "run_time": None, "twists": Twists(polls=3)}),
        (JobEffect(expire=5), {"twists": Twists(expire=5)}),
    ],
    ids=str,
)
def test_an_effect_changes_what_it_names(effect: JobEffect, changed: dict[str, Any]) -> None:
    assert Bent(dataclasses.replace(PLAN, **changed)) == bent(effect)


def test_every_effect_is_in_the_list_above() -> None:
    (mark,) = test_an_effect_changes_what_it_names.pytestmark
    used = {
        entry.name
        for effect, _ in mark.args[1]
        for entry in dataclasses.fields(JobEffect)
        if getattr(effect, entry.name) is not None
    }
    assert {entry.name for entry in dataclasses.fields(JobEffect)} == used


def test_a_webhooks_twist_goes_into_the_plan() -> None:
    twist = WebhookTwist(lost=True)

    assert Twists(webhook=twist) == bent(JobEffect(), webhook=twist).plan.twists


def test_flagged_images_fail_a_job_where_a_provider_has_no_flags_and_somebody_is_told() -> None:
    plan = dataclasses.replace(PLAN, outcome=Phase.FAILED, failure=Failure(Cause.MODERATION))

    assert Bent(plan, (NO_FLAGS,)) == bent(JobEffect(flagged=frozenset({2})), can=False)
    assert Bent(plan) == bent(JobEffect(flagged=ALL_IMAGES), can=False)


def test_all_images_are_flagged_where_flags_are_the_default() -> None:
    every = frozenset({1, 2, 3, 4})

    assert Bent(dataclasses.replace(PLAN, flagged=every)) == bent(JobEffect(flagged=ALL_IMAGES), flags=True)


@pytest.mark.parametrize("name", ["flagged", "missing", "black", "resized"])
def test_an_image_that_does_not_come_out_is_told(name: str) -> None:
    named: dict[str, Any] = {name: frozenset({2, 3})}
    notes = bent(JobEffect(images=2, **named)).notes

    assert (f"{name}: there is no image 3, 2 come out",) == notes


def test_a_job_that_would_fail_by_chance_ends_as_it_is_told() -> None:
    assert Bent(PLAN) == bent(JobEffect(end=Phase.SUCCEEDED), FAILED)
    assert Bent(FAILED) == bent(JobEffect(), FAILED)


def test_flags_of_chance_go_when_a_job_does_not_complete() -> None:
    flagged = dataclasses.replace(PLAN, flagged=frozenset({1}))

    assert frozenset({1}) == bent(JobEffect(end=Phase.SUCCEEDED), flagged).plan.flagged
    assert frozenset() == bent(JobEffect(end=Phase.CANCELLED), flagged).plan.flagged
    assert frozenset() == bent(JobEffect(fail=Failure()), flagged).plan.flagged


@given(st.integers(0, 10_000), st.integers(0, 10_000) | st.none(), st.integers(0, 10_000), st.integers(0, 99))
def test_a_latency_is_the_whole_time(least: int, queued: int | None, more: int, ordinal: int) -> None:
    plan = dataclasses.replace(PLAN, queue_time=queued)
    effect = JobEffect(latency=DurationRange(least, least + more))
    made = bend(plan, effect, Chance(7, "key", ordinal), flags_images=False, can_flag=True).plan

    assert made.queue_time is not None
    assert made.run_time is not None
    assert least <= made.queue_time + made.run_time <= least + more
    assert made.queue_time <= (queued or 0)
