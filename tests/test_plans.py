"""Plans: chance from one seed, the rates, and what they leave alone."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from understudy.mockserver.bodies import Bodies
from understudy.mockserver.durations import DurationRange
from understudy.mockserver.jobs import Cause, Failure, Job, Phase, Submission
from understudy.mockserver.plans import Chance, Habits, make_job, make_plan, number_in
from understudy.mockserver.settings import Settings

SETTINGS = Settings(seed=7)
SUBMISSION = Submission("wavespeed", "model", "prompt", "digest", 4, 64, 64, "jpeg")


def job(settings: Settings = SETTINGS, tenant: str = "key", ordinal: int = 0, flags_images: bool = False) -> Job:
    return make_job(settings, SUBMISSION, tenant, ordinal, 1000, flags_images=flags_images, dashed_id=False)


@given(st.integers(0, 2**63 - 1), st.text(), st.integers(0, 10**9))
def test_the_same_seed_tenant_and_ordinal_give_the_same_job(seed: int, tenant: str, ordinal: int) -> None:
    settings = Settings(seed=seed, queue_time=DurationRange(0, 999), failure_rate=0.5, nsfw_rate=0.5)

    assert job(settings, tenant, ordinal) == job(settings, tenant, ordinal)


def test_another_seed_tenant_or_ordinal_gives_another_id_and_other_pictures() -> None:
    others = [job(), job(replace(SETTINGS, seed=8)), job(tenant="other"), job(ordinal=1)]

    assert len(others) == len({one.id for one in others})
    assert len(others) == len({one.seed for one in others})


@given(st.integers(0, 10**6))
def test_every_id_is_a_uuid_of_version_4(ordinal: int) -> None:
    identifier = UUID(job(ordinal=ordinal).id)

    assert identifier.version == 4
    assert identifier.hex == job(ordinal=ordinal).id


def test_an_id_may_have_dashes() -> None:
    dashed = make_job(SETTINGS, SUBMISSION, "key", 0, 0, flags_images=False, dashed_id=True).id

    assert str(UUID(job().id)) == dashed


def test_times_lie_in_the_ranges_of_the_settings_and_fill_them() -> None:
    settings = replace(SETTINGS, queue_time=DurationRange(10, 20), run_time=DurationRange(5, 6))
    plans = [job(settings, ordinal=ordinal).plan for ordinal in range(200)]

    assert set(range(10, 21)) == {plan.queue_time for plan in plans}
    assert {5, 6} == {plan.run_time for plan in plans}


def test_about_as_many_jobs_fail_as_the_rate_says() -> None:
    failed = [job(replace(SETTINGS, failure_rate=0.3), ordinal=ordinal).plan for ordinal in range(1000)]

    assert 250 < sum(plan.failure == Failure(Cause.ERROR) for plan in failed) < 350


def test_flagged_content_fails_a_job_where_the_provider_says_so() -> None:
    plan = job(replace(SETTINGS, nsfw_rate=1.0)).plan

    assert (Phase.FAILED, Failure(Cause.MODERATION)) == (plan.outcome, plan.failure)


def test_flagged_content_marks_one_image_where_the_provider_flags_images() -> None:
    plans = [job(replace(SETTINGS, nsfw_rate=1.0), ordinal=ordinal, flags_images=True).plan for ordinal in range(50)]

    assert {Phase.SUCCEEDED} == {plan.outcome for plan in plans}
    assert {frozenset({index}) for index in (1, 2, 3, 4)} == {plan.flagged for plan in plans}


def test_one_rate_does_not_move_what_another_decides() -> None:
    calm = [job(ordinal=ordinal) for ordinal in range(50)]
    rough = [job(replace(SETTINGS, failure_rate=0.5), ordinal=ordinal) for ordinal in range(50)]

    assert [(one.id, one.seed, one.plan.run_time) for one in calm] == [
        (one.id, one.seed, one.plan.run_time) for one in rough
    ]


def test_the_seed_of_an_input_is_the_seed_of_its_images() -> None:
    submission = replace(SUBMISSION, seed=42)

    assert make_job(SETTINGS, submission, "key", 0, 0, flags_images=False, dashed_id=False).seed == 42


def test_only_so_many_bodies_are_kept_and_only_for_the_very_same_job() -> None:
    bodies, made = Bodies(bound=2), []

    def encode(one: Job, phase: Phase, origin: str) -> bytes:
        made.append((one.id, phase, origin))
        return b"body"

    first, second = job(ordinal=1), job(ordinal=2)
    for one in (first, first, second, replace(first, tenant="other"), first):
        assert b"body" == bodies.get("result", one, Phase.QUEUED, "origin", encode)

    assert [first.id, second.id, first.id, first.id] == [identifier for identifier, _, _ in made]


@pytest.mark.parametrize(
    ("prompt", "number"),
    [
        ("Generate a series of 4 edited images (Panels 1-4).", 4),
        ("I want to generate 3 images… of a shoe", 3),
        ("Panels 1–12: a story", 12),
        ("one picture, version 2.0, of 5 shoes", None),
        ("2 high-contrast close-up photos", 2),
        ("a shoe", None),
        ("2024 images", None),
    ],
)
def test_the_number_in_a_prompt_is_that_of_its_images(prompt: str, number: int | None) -> None:
    assert number == number_in(prompt)


def test_fewer_images_come_out_when_the_prompt_asks_for_fewer_if_that_is_assumed() -> None:
    submission = replace(SUBMISSION, prompt="a series of 2 images", count=4)
    settings = replace(SETTINGS, nsfw_rate=1.0)

    def images(habits: Habits, prompt: str = submission.prompt) -> int:
        asked = replace(submission, prompt=prompt)
        return make_plan(settings, asked, Chance(7, "key", 0), flags_images=True, habits=habits).images

    assert (4, 2) == (images(Habits()), images(Habits(counts_prompt=True)))
    assert (4, 1) == (images(Habits(counts_prompt=True), "9 images"), images(Habits(counts_prompt=True), "0 images"))
