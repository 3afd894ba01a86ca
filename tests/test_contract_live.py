"""A provider without a control API, as the real ones are: what is asked of it, and what is not."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import pytest
from careful_adapter import careful
from sabotaged_servers import Bend, Bent, Exchange
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route

from understudy.contracts.catalogue import PROVIDERS
from understudy.contracts.checking import BROKEN, NOT_APPLICABLE, check, properties_for
from understudy.contracts.findings import Broken, NotApplicable, Unable
from understudy.contracts.harness import LIVE, Harness
from understudy.contracts.registry import property_named
from understudy.contracts.repeating import repeating_test
from understudy.contracts.scenario import Scenario
from understudy.contracts.trial import Limits
from understudy.mockserver.app import create_app
from understudy.mockserver.durations import DurationRange
from understudy.mockserver.server import running
from understudy.mockserver.settings import Settings

SHORT = Limits(poll_interval=0.01, timeout=5.0, patience=10.0)
NEEDS_CONTROL = {
    "it_shows_nobody_the_jobs_of_another",
    "its_failures_say_why",
    "its_jobs_keep_apart_in_any_order",
}


def as_it_is(seen: Exchange) -> tuple[int, Any]:
    return seen.status, seen.body


@contextlib.contextmanager
def live(bend: Bend = as_it_is, *, run: int = 30) -> Iterator[str]:
    """Serves the fake with its control API hidden, and jobs that take so many milliseconds of real time."""
    settings = Settings(seed=1, queue_time=DurationRange(20, 20), run_time=DurationRange(run, run))

    async def hidden(request: object) -> PlainTextResponse:
        return PlainTextResponse("no such page", 404)

    app = Starlette(
        routes=[
            Route("/_understudy/{rest:path}", hidden),
            Mount("/", Bent(create_app(settings), bend)),
        ]
    )
    with running(app) as origin:
        yield origin


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_provider_is_asked_once_what_needs_no_control(provider: str) -> None:
    with live() as origin, Harness(provider, origin, limits=SHORT) as harness:
        findings = list(check(harness, properties_for(harness)))

    assert [] == [(finding.name, finding.detail) for finding in findings if finding.outcome == BROKEN]
    left_out = {finding.name for finding in findings if "needs a fake" in finding.detail}
    assert NEEDS_CONTROL | ({"it_cancels_only_what_waits"} if provider == "runcomfy" else set()) == left_out
    assert 1 == harness.examples


def test_more_examples_can_be_asked_for() -> None:
    with live() as origin, Harness("runcomfy", origin, limits=SHORT, examples=2) as harness:
        harness.hold(property_named("its_ids_are_unique"))

    assert 2 == harness.examples


def test_time_passes_by_itself_between_two_looks() -> None:
    # RunComfy's status and result are two looks, between which a job may go on: that is no contradiction.
    scenario = Scenario("bytedance/seedream-4-5/text-to-image", {"prompt": "A shoe"}, moments=(1, 2))
    with live(run=60) as origin, Harness("runcomfy", origin, limits=SHORT._replace(poll_interval=0.001)) as harness:
        for name in ("its_answers_about_a_job_agree", "its_ended_jobs_stay_as_they_are"):
            harness.attempt(property_named(name), scenario)


def test_a_live_job_is_waited_for_as_long_as_one_may_take() -> None:
    assert (1.0, 300.0) == (LIVE.poll_interval, LIVE.timeout)


def test_a_job_that_does_not_end_is_a_finding() -> None:
    with (
        live(run=60_000) as origin,
        Harness("wavespeed", origin, limits=SHORT._replace(timeout=0.2)) as harness,
        pytest.raises(Broken, match=r"^The job had not ended after 0\.2 s\."),
    ):
        harness.hold(property_named("its_ended_jobs_stay_as_they_are"))


def nowhere(seen: Exchange) -> tuple[int, Any]:
    """A URL without a host."""
    if seen.data.get("urls"):
        seen.data["urls"]["get"] = "https:///api/v3/predictions"
    return seen.status, seen.body


def test_a_url_without_a_host_leads_nowhere() -> None:
    with (
        live(nowhere) as origin,
        Harness("wavespeed", origin, limits=SHORT) as harness,
        pytest.raises(Broken, match="points to https:///api/v3/predictions, which is no URL"),
    ):
        harness.hold(property_named("its_urls_lead_back_to_where_it_was_asked"))


def without_flags(seen: Exchange) -> tuple[int, Any]:
    """The reading in which there are none."""
    seen.data.pop("has_nsfw_contents", None)
    return seen.status, seen.body


def test_flags_that_a_provider_does_not_have_are_not_missed() -> None:
    with live(without_flags) as origin, Harness("wavespeed", origin, limits=SHORT) as harness:
        harness.hold(property_named("its_flags_are_one_for_each_output"))


def test_a_client_is_not_checked_against_it() -> None:
    with live() as origin:
        says = rf"^There is no understudy behind {origin}: a client is checked against one, which can be told what to"
        with pytest.raises(Unable, match=says):
            Harness("wavespeed", origin, careful)


def test_what_needs_a_fake_says_so() -> None:
    promise = property_named("its_ids_are_unique")
    scenario = Scenario("a/b", {})
    with (
        live() as origin,
        Harness("wavespeed", origin, limits=SHORT) as harness,
        harness.trial(promise, scenario) as trial,
    ):
        (finding,) = check(harness, [property_named("it_shows_nobody_the_jobs_of_another")])
        with pytest.raises(NotApplicable, match=r"^there is no control API behind this origin$"):
            trial.job()
        with pytest.raises(NotApplicable, match=r"^there is no client$"):
            trial.run(scenario)

    assert (NOT_APPLICABLE, "this needs a fake that can be controlled") == (finding.outcome, finding.detail)


def test_a_break_of_it_is_repeated_at_the_same_origin() -> None:
    with live() as origin, Harness("runcomfy", origin, limits=SHORT) as harness:
        test = repeating_test(harness, "its_ids_are_unique", Scenario("a/b", {"text": "A shoe"}).as_json())

    assert f"    with Harness('runcomfy', '{origin}') as harness:\n" in test
    assert "create_app" not in test
