"""What rules make happen to jobs, over HTTP on both providers: poll by poll, and moment by moment on a manual clock."""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from live import Live, MakeLive
from serving import WatchedStore, get, on_loop, receiving, serving, settings, submit
from talking import conforms

from understudy.mockserver.durations import DurationRange
from understudy.mockserver.jobs import Cause, Failure, Phase
from understudy.mockserver.memory_store import MemoryStore
from understudy.mockserver.rules import JobEffect, Rule
from understudy.mockserver.webhooks import Outcome

QUEUED, DONE = 500, 2_500
FOREVER = 30 * 86_400_000
PROVIDERS = pytest.mark.parametrize("provider", ["wavespeed", "runcomfy"])
TASK_FAILED = "Task failed. Please try again."
RUN_FAILED = "Model run failed."


class Watched:
    """A job of either provider, and what its client is told of it."""

    def __init__(self, live: Live, provider: str, effect: JobEffect, **inputs: Any) -> None:
        self.live, self.provider = live, provider
        live.add_rules(Rule("", job=effect, times=1))
        if provider == "wavespeed":
            body = live.submit_wavespeed(**inputs)
            self.id, self.status_url, self.result_url = body["id"], None, body["urls"]["get"]
        else:
            body = live.submit_runcomfy(**inputs)
            self.id, self.status_url, self.result_url = body["request_id"], body["status_url"], body["result_url"]

    def result(self) -> Any:
        """The object that tells of the job; its form is checked."""
        body = self.live.client.get(self.result_url).raise_for_status().json()
        assert [] == conforms(body, self.provider, "result")
        return body["data"] if self.provider == "wavespeed" else body

    @property
    def told(self) -> str:
        """The status in a result."""
        return str(self.result()["status"])

    @property
    def status(self) -> str:
        """RunComfy's other word."""
        assert self.status_url is not None, "Only RunComfy has a status of its own."
        body = self.live.client.get(self.status_url).raise_for_status().json()
        assert [] == conforms(body, "runcomfy", "status")
        return str(body["status"])

    @property
    def error(self) -> str:
        return str(self.result().get("error", ""))

    @property
    def balance(self) -> int:
        """What the job has cost by now, in microdollars."""
        store, call = self.live.store, self.live.server.call
        return call(store.account("nobody", self.provider)).balance - call(store.account("key", self.provider)).balance


def words(provider: str, *phases: str) -> list[str]:
    """How a provider's results spell phases."""
    spelt = {
        "wavespeed": {"queued": "created", "running": "processing", "succeeded": "completed", "timeout": "timeout"},
        "runcomfy": {"queued": "in_queue", "running": "in_progress", "timeout": "failed"},
    }
    return [spelt[provider].get(phase, phase) for phase in phases]


# Polls.


@PROVIDERS
@pytest.mark.parametrize("polls", [1, 3])
def test_a_job_ends_on_the_poll_that_a_rule_names_though_no_time_passes(live: Live, provider: str, polls: int) -> None:
    job = Watched(live, provider, JobEffect(polls=polls))

    told = [job.told for _ in range(polls + 1)]

    assert words(provider, *["running"] * (polls - 1), "succeeded", "succeeded") == told
    phases = [entry.phase for entry in live.journal() if entry.operation == "result"]
    assert [Phase.RUNNING] * (polls - 1) + [Phase.SUCCEEDED] * 2 == phases


def test_polls_of_runcomfys_status_and_of_its_result_both_count(live: Live) -> None:
    job = Watched(live, "runcomfy", JobEffect(polls=4))

    told = [job.status, job.told, job.status, job.status, job.told]

    assert ["in_progress", "in_progress", "in_progress", "completed", "succeeded"] == told


@PROVIDERS
def test_polls_count_for_each_job_by_itself(live: Live, provider: str) -> None:
    jobs = [Watched(live, provider, JobEffect(polls=2)) for _ in range(2)]

    told = [jobs[number].told for number in (0, 1, 0, 1)]

    assert words(provider, "running", "running", "succeeded", "succeeded") == told


@PROVIDERS
def test_polls_by_another_tenant_do_not_count(live: Live, provider: str) -> None:
    job = Watched(live, provider, JobEffect(polls=1))

    with live.client_of("other") as other:
        assert other.get(job.result_url).is_client_error

    assert words(provider, "succeeded") == [job.told]


@PROVIDERS
@pytest.mark.parametrize("clock", [0, FOREVER])
def test_a_job_that_nobody_polls_goes_on_for_ever(live: Live, provider: str, clock: int) -> None:
    job = Watched(live, provider, JobEffect(polls=2))

    live.advance(clock)

    assert words(provider, "running", "succeeded") == [job.told, job.told]


@PROVIDERS
def test_the_last_poll_may_bring_a_failure_and_the_price_back(live: Live, provider: str) -> None:
    job = Watched(live, provider, JobEffect(polls=2, fail=Failure(Cause.ERROR, "Out of luck.")))

    first, charged = job.told, job.balance
    second = job.told

    assert words(provider, "running", "failed") == [first, second]
    assert (True, 0, "Out of luck.") == (charged > 0, job.balance, job.error)


def test_the_last_poll_may_bring_flags(live: Live) -> None:
    job = Watched(live, "wavespeed", JobEffect(polls=1, flagged=frozenset({2})), max_images=2)

    assert [False, True] == job.result()["has_nsfw_contents"]


@PROVIDERS
@pytest.mark.parametrize("end", [Phase.CANCELLED, Phase.TIMED_OUT])
def test_the_last_poll_may_bring_another_end(live: Live, provider: str, end: Phase) -> None:
    job = Watched(live, provider, JobEffect(polls=1, end=end))

    assert words(provider, "cancelled" if end is Phase.CANCELLED else "timeout") == [job.told]


def test_a_job_that_waits_for_a_slot_gets_no_nearer_to_its_end_by_being_polled(make_live: MakeLive) -> None:
    live = make_live(capacity=1)
    first, second = (Watched(live, "runcomfy", JobEffect(polls=2)) for _ in range(2))

    told = [second.status, second.status, second.status, first.status, first.status, second.status, second.status]

    assert ["in_queue"] * 3 + ["in_progress", "completed", "in_progress", "completed"] == told


def test_a_cancelled_job_that_was_to_end_on_a_poll_stays_cancelled_and_its_count_is_forgotten(
    make_live: MakeLive,
) -> None:
    live = make_live(assume={"wavespeed.cancel": "on"})
    job = Watched(live, "wavespeed", JobEffect(polls=2))

    before = job.told
    live.client.post(f"/api/v3/predictions/{job.id}/cancel").raise_for_status()

    assert ["processing", "cancelled", "cancelled"] == [before, job.told, job.told]
    if isinstance(live.store, MemoryStore):
        assert {} == live.store._tenants["key"].polled


def test_a_queued_runcomfy_job_that_was_to_end_on_a_poll_can_be_cancelled(make_live: MakeLive) -> None:
    live = make_live(capacity=1)
    _, job = (Watched(live, "runcomfy", JobEffect(polls=1)) for _ in range(2))

    assert 202 == live.client.post(f"/v1/requests/{job.id}/cancel").status_code
    assert ["cancelled", "cancelled"] == [job.status, job.told]


@on_loop
async def test_the_webhook_of_a_job_that_ends_on_a_poll_goes_out_then() -> None:
    with receiving() as receiver:
        async with serving(store := WatchedStore(), settings()) as origin:
            await store.add_rules("key", [Rule("", job=JobEffect(polls=2))])
            body = (await submit(origin, "?webhook=" + quote(receiver.origin, safe=""))).body["data"]
            await get(body["urls"]["get"])
            (before,) = await store.deliveries("key")
            answer = (await get(body["urls"]["get"])).json()["data"]
            received = await receiver.next()
    assert (Outcome.WAITING, None) == (before.outcome, before.due)
    assert answer == received.prediction


@on_loop
async def test_in_sync_mode_nobody_polls_so_the_wait_ends_at_its_limit() -> None:
    async with serving(store := WatchedStore(), settings(sync_limit=10_000)) as origin:
        await store.add_rules("key", [Rule("", job=JobEffect(polls=1))])
        answer = asyncio.create_task(submit(origin, enable_sync_mode=True))
        await store.began.get()
        await store.advance(10_000)
        status, body = await answer
    assert (200, "processing", 5004) == (status, body["data"]["status"], body["data"]["code"])
    assert [] == conforms(body, "wavespeed", "result")


# Time, and how it ends.


@PROVIDERS
@pytest.mark.parametrize("where", [Phase.QUEUED, Phase.RUNNING])
def test_a_job_hangs_where_a_rule_says_for_ever_and_is_charged(live: Live, provider: str, where: Phase) -> None:
    job = Watched(live, provider, JobEffect(hang=where))

    live.advance(FOREVER)

    assert words(provider, "queued" if where is Phase.QUEUED else "running") == [job.told]
    assert job.balance > 0
    assert [] == live.server.call(live.store.ahead("key"))


def test_a_job_that_hangs_while_it_runs_keeps_its_slot_and_one_that_hangs_before_takes_none(
    make_live: MakeLive,
) -> None:
    live = make_live(capacity=1)
    jobs = [Watched(live, "runcomfy", effect) for effect in (JobEffect(hang=Phase.QUEUED), JobEffect())]
    live.advance(DONE)
    assert ["in_queue", "completed"] == [job.status for job in jobs]

    jobs = [Watched(live, "runcomfy", effect) for effect in (JobEffect(hang=Phase.RUNNING), JobEffect())]
    live.advance(FOREVER)
    assert ["in_progress", "in_queue"] == [job.status for job in jobs]


@PROVIDERS
def test_a_job_ends_at_once(live: Live, provider: str) -> None:
    job = Watched(live, provider, JobEffect(latency=DurationRange(0, 0)))

    assert words(provider, "succeeded") == [job.told]


@PROVIDERS
@pytest.mark.parametrize("at", [200, QUEUED, 1_700, 60_000])
def test_a_job_fails_at_the_moment_that_was_chosen_and_not_before(live: Live, provider: str, at: int) -> None:
    job = Watched(live, provider, JobEffect(latency=DurationRange(at, at), fail=Failure(Cause.ERROR)))

    live.advance(at - 1)
    before, charged = job.told, job.balance
    live.advance(1)

    assert words(provider, "queued" if at <= QUEUED else "running", "failed") == [before, job.told]
    assert (True, 0) == (charged > 0, job.balance)
    assert (TASK_FAILED if provider == "wavespeed" else RUN_FAILED) == job.error


@PROVIDERS
@pytest.mark.parametrize(
    ("failure", "wavespeed", "runcomfy"),
    [
        (Failure(), (1405, TASK_FAILED), RUN_FAILED),
        (Failure(text="No."), (1405, "No."), "No."),
        (Failure(code=1407, text="No."), (1407, "No."), "No."),
        (Failure(Cause.INPUT), (1402, "Failed to read the input media."), "An input image could not be read."),
        (
            Failure(Cause.MODERATION),
            (1200, "Content flagged as potentially sensitive. Please try different prompts or images."),
            "The request was refused because its content was flagged as sensitive.",
        ),
    ],
)
def test_a_job_fails_for_the_reason_and_in_the_words_that_were_chosen(
    live: Live, provider: str, failure: Failure, wavespeed: tuple[int, str], runcomfy: str
) -> None:
    job = Watched(live, provider, JobEffect(fail=failure))
    live.advance(DONE)

    body = job.result()

    assert words(provider, "failed") == [body["status"]]
    assert (wavespeed if provider == "wavespeed" else (None, runcomfy)) == (body.get("code"), body["error"])


@PROVIDERS
def test_the_provider_cancels_a_job(live: Live, provider: str) -> None:
    job = Watched(live, provider, JobEffect(end=Phase.CANCELLED))
    live.advance(DONE - 1)
    before = job.told
    live.advance(1)

    assert words(provider, "running", "cancelled") == [before, job.told]
    assert 0 == job.balance
    if provider == "runcomfy":
        assert "cancelled" == job.status


@PROVIDERS
def test_a_job_runs_out_of_time_at_the_providers(live: Live, provider: str) -> None:
    job = Watched(live, provider, JobEffect(end=Phase.TIMED_OUT))
    live.advance(DONE - 1)
    before = job.told
    live.advance(1)

    assert words(provider, "running", "timeout") == [before, job.told]
    assert 0 == job.balance
    if provider == "runcomfy":
        assert ("completed", "The model run timed out.") == (job.status, job.error)


@PROVIDERS
def test_a_rule_has_a_job_succeed_that_chance_had_fail(make_live: MakeLive, provider: str) -> None:
    live = make_live(failure_rate=1.0)
    ordinary, chosen = Watched(live, provider, JobEffect()), Watched(live, provider, JobEffect(end=Phase.SUCCEEDED))
    live.advance(DONE)

    assert words(provider, "failed", "succeeded") == [ordinary.told, chosen.told]


@PROVIDERS
def test_a_job_queues_and_runs_for_as_long_as_a_rule_says(live: Live, provider: str) -> None:
    job = Watched(live, provider, JobEffect(queue_time=DurationRange(50, 50), run_time=DurationRange(70, 70)))
    told = []
    for step in (49, 1, 69, 1):
        live.advance(step)
        told.append(job.told)

    assert words(provider, "queued", "running", "running", "succeeded") == told


def test_a_client_without_the_key_moves_no_count(live: Live) -> None:
    job = Watched(live, "wavespeed", JobEffect(polls=1))

    assert 401 == httpx.get(job.result_url, trust_env=False).status_code
    assert [] == [entry for entry in live.journal() if entry.operation == "result"]
