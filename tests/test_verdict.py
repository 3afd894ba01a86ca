"""What a client is found guilty of, and of what not."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from live import Live
from scenes import FAILED, FAULTS, HOOK, RETRY_AFTER, Scene

from understudy.mockserver.findings import KINDS, Finding
from understudy.mockserver.jobs import Failure, Interruption, Phase
from understudy.mockserver.journal import Entry, Logged
from understudy.mockserver.verdict import Verdict, show_verdict, verdict
from understudy.mockserver.webhooks import Attempt, Delivery, Outcome


def behave(scene: Scene, pause: int = 1_000, **asked: Any) -> None:
    """A client as one would wish: it never sends twice what may have been accepted, polls at leisure, waits longer
    after each failure and for as long as it is told, and wants to know the end."""
    backoff = pause
    while (answer := scene.submit(**asked)).status == 429:
        scene.wait(max(backoff, answer.retry_after or 0))
        backoff *= 2
    if not answer.accepted or answer.job is None:
        return
    job = answer.job
    for operation in ("status", "result") if scene.provider == "runcomfy" else ("result",):
        backoff = pause
        while True:
            answer = scene.poll(job, operation)
            if answer.accepted and answer.phase is not None and answer.phase.ended:
                break
            if answer.accepted:
                backoff = pause
                scene.wait(pause)
            else:
                scene.wait(max(backoff, answer.retry_after or 0))
                backoff *= 2


@given(
    provider=st.sampled_from(["wavespeed", "runcomfy"]),
    faults=st.lists(st.none() | st.sampled_from(FAULTS), max_size=12),
    outcome=st.sampled_from([{}, FAILED, {"outcome": Phase.TIMED_OUT}, {"outcome": Phase.CANCELLED}]),
    jobs=st.integers(1, 3),
    pause=st.sampled_from([100, 300, 1_000]),
)
def test_whatever_fails_a_client_that_behaves_well_has_no_findings(
    provider: str, faults: list[str | None], outcome: dict[str, Any], jobs: int, pause: int
) -> None:
    scene = Scene(provider, faults, **outcome)
    for number in range(jobs):
        behave(scene, pause, prompt=f"Shoe {number}")

    assert Verdict(()) == scene.judge()


def polls_once_more(scene: Scene) -> None:
    behave(scene)
    scene.wait(1_000)
    scene.poll("job-1")


def polls_without_a_pause(scene: Scene) -> None:
    behave(scene, 50)


def comes_back_before_it_may(scene: Scene) -> None:
    scene.submit()
    scene.wait(1_000)
    behave(scene)


def hammers(scene: Scene) -> None:
    while not scene.submit().accepted:
        scene.wait(200)
    scene.wait(3_000)
    scene.poll("job-1")


def sends_again(scene: Scene) -> None:
    scene.submit()
    scene.wait(1_000)
    scene.submit()
    scene.wait(3_000)
    scene.poll("job-2")


def forgets(scene: Scene) -> None:
    scene.submit()
    scene.poll("job-1")
    scene.wait(3_000)


def never_asks(scene: Scene) -> None:
    scene.submit()
    scene.wait(3_000)


def gives_up(scene: Scene) -> None:
    scene.submit()
    scene.wait(3_000)
    scene.poll("job-1")
    scene.wait(6_001)


def trusts_the_status(scene: Scene) -> None:
    scene.submit()
    scene.wait(3_000)
    scene.poll("job-1", "status")


def shows_its_key(scene: Scene) -> None:
    behave(scene)
    scene.entries[-1] = scene.entries[-1]._replace(exposed=True)


JOB = "Job job-1 succeeded 2500ms after it was submitted, and its result was never fetched: "
GUILTY: dict[str, tuple[Callable[[Scene], None], Scene, Finding]] = {
    "polled_after_end": (
        polls_once_more,
        Scene(),
        Finding(
            "polled_after_end",
            "Job job-1 was asked about once more after exchange 5 had told that it had succeeded.",
            (5, 6),
            ("job-1",),
        ),
    ),
    "polled_too_fast": (
        polls_without_a_pause,
        Scene(run_time=0, queue_time=120),
        Finding(
            "polled_too_fast",
            "3 polls of job job-1 came less than 100ms of real time after the one before: the soonest after 51 ms.",
            (3, 4, 5),
            ("job-1",),
        ),
    ),
    "ignored_retry_after": (
        comes_back_before_it_may,
        Scene(faults=["hurried"]),
        Finding(
            "ignored_retry_after",
            "Exchange 1 (submit, 429) told the client to wait 5s, and it asked the same again after 1001 ms, in "
            "exchange 2.",
            (1, 2),
            ("job-1",),
        ),
    ),
    "no_backoff": (
        hammers,
        Scene(faults=["503", "lost", "refused", "503"]),
        Finding(
            "no_backoff",
            "4 exchanges in a row failed (503, no answer (reset), 429, …), and the client asked the same again after "
            "201 to 201 ms each time: it should wait longer from one attempt to the next.",
            (1, 2, 3, 4, 5),
            ("job-1",),
        ),
    ),
    "resubmitted": (
        sends_again,
        Scene(faults=["lost after"]),
        Finding(
            "resubmitted",
            "Job job-2 repeats job job-1: the submission in exchange 1 (no answer (reset)) had been accepted, and "
            "exchange 2 sent it again. Both are charged, $0.04 and $0.04.",
            (1, 2),
            ("job-1", "job-2"),
        ),
    ),
    "never_fetched": (
        forgets,
        Scene(),
        Finding(
            "never_fetched",
            f"{JOB}the client asked about it last in exchange 2, when it was queued.",
            (1, 2),
            ("job-1",),
        ),
    ),
    "never_fetched, never asked about": (
        never_asks,
        Scene(),
        Finding("never_fetched", f"{JOB}the client never asked about it.", (1,), ("job-1",)),
    ),
    "never_fetched, given up": (
        gives_up,
        Scene(faults=[None, "cut"]),
        Finding("never_fetched", f"{JOB}the client gave up after exchange 2 (200, cut).", (1, 2), ("job-1",)),
    ),
    "never_fetched, though known to have ended": (
        trusts_the_status,
        Scene("runcomfy"),
        Finding("never_fetched", f"{JOB}exchange 2 told the client that it had ended.", (1, 2), ("job-1",)),
    ),
    "took_completed_for_success": (
        trusts_the_status,
        Scene("runcomfy", **FAILED),
        Finding(
            "took_completed_for_success",
            "Job job-1 failed, and the client cannot know: exchange 2 said completed, as RunComfy says of failed jobs "
            "too, and the result was not asked for, which says failed.",
            (2,),
            ("job-1",),
        ),
    ),
    "key_in_url": (
        shows_its_key,
        Scene(),
        Finding(
            "key_in_url",
            "The API key stood in the URL of exchange 5, where proxies and logs keep it: send it in the Authorization "
            "header only.",
            (5,),
        ),
    ),
}


@pytest.mark.parametrize("name", GUILTY)
def test_a_client_that_does_one_thing_wrong_is_found_guilty_of_that_alone(name: str) -> None:
    client, scene, expected = GUILTY[name]
    client(scene)

    assert Verdict((expected,)) == scene.judge()


def test_each_kind_of_finding_has_a_client_that_it_fits() -> None:
    assert set(KINDS) == {finding.kind for _, _, finding in GUILTY.values()}


def kinds(scene: Scene, **options: Any) -> list[str]:
    return [finding.kind for finding in scene.judge(**options).findings]


def test_a_status_that_told_the_end_is_followed_by_the_result_once() -> None:
    scene = Scene("runcomfy")
    trusts_the_status(scene)
    scene.poll("job-1", "result")
    assert [] == kinds(scene)

    scene.poll("job-1", "status")
    scene.poll("job-1", "result")

    assert (2, 4, 5) == scene.judge().findings[0].exchanges
    assert "asked about 2 more times after exchange 2 had told that it had ended." in scene.judge().findings[0].message


def test_the_same_result_with_another_query_is_another_question() -> None:
    scene = Scene("runcomfy")
    trusts_the_status(scene)
    scene.poll("job-1", "result")
    scene.poll("job-1", "result", "?include_cost=true")

    assert [] == kinds(scene)


def test_whoever_was_told_the_end_by_the_submission_itself_need_not_ask() -> None:
    scene = Scene()
    scene.submit(sync=True)
    scene.entries[0] = scene.entries[0]._replace(phase=Phase.SUCCEEDED)
    scene.wait(3_000)
    assert [] == kinds(scene)

    scene.poll("job-1")

    assert ["polled_after_end"] == kinds(scene)


def test_polls_that_began_before_the_end_was_told_are_not_blamed() -> None:
    scene = Scene()
    scene.submit()
    scene.wait(3_000)
    scene.poll("job-1")
    scene.add(scene.poll("job-1")._replace(known=1))
    scene.entries[2] = scene.entries[2]._replace(known=1)

    assert [] == kinds(scene)


@pytest.mark.parametrize(("status", "expected"), [(404, []), (304, ["polled_after_end"])])
def test_whoever_could_not_fetch_an_output_may_look_again(status: int, expected: list[str]) -> None:
    scene = Scene()
    behave(scene)
    scene.add(scene.entries[-1]._replace(operation="output", status=status, phase=None, known=5))
    scene.poll("job-1")

    assert expected == kinds(scene)


def test_a_limit_of_0_allows_any_pace() -> None:
    scene = Scene()
    polls_without_a_pause(scene)

    assert ["polled_too_fast"] == kinds(scene)
    assert ["polled_too_fast"] == kinds(scene, fastest_poll=52)
    assert [] == kinds(scene, fastest_poll=51)
    assert [] == kinds(scene, fastest_poll=0)


def test_one_poll_too_soon_is_said_in_the_singular() -> None:
    scene = Scene()
    scene.submit()
    scene.poll("job-1")
    scene.poll("job-1")

    assert scene.judge().findings[0].message.startswith("A poll of job job-1 came less than 100ms")


@pytest.mark.parametrize("clock", ["at", "wall"])
def test_whoever_waits_on_one_of_the_clocks_heeds_retry_after(clock: str) -> None:
    scene = Scene(faults=["hurried"])
    scene.submit()
    scene.submit()
    changed: dict[str, Any] = {clock: scene.entries[0].at + RETRY_AFTER}
    scene.entries[1] = scene.entries[1]._replace(**changed)

    assert "ignored_retry_after" not in kinds(scene)


def test_retry_after_ignored_several_times_is_one_finding() -> None:
    scene = Scene(faults=["hurried"] * 3)
    for _ in range(4):
        scene.submit()

    found = scene.judge().findings
    assert [("ignored_retry_after", (1, 2, 3, 4))] == [(one.kind, one.exchanges) for one in found[:1]]
    assert found[0].message.endswith("in exchange 2. It did so 3 times.")


@pytest.mark.parametrize(
    ("pauses", "expected"),
    [
        ((200, 200, 200), True),
        ((200, 200, 290), True),
        ((200, 200, 310), False),
        ((100, 200, 400), False),
        ((0, 5, 15), True),
        ((1_000, 1_000, 1_000), False),
        ((200, 200), False),
    ],
)
@pytest.mark.parametrize("clock", ["at", "wall"])
def test_a_backoff_is_seen_on_either_clock(pauses: tuple[int, ...], expected: bool, clock: str) -> None:
    scene = Scene(faults=["503"] * 9)
    first = scene.submit()
    instant = first.at
    for pause in pauses:
        instant += pause
        changed: dict[str, Any] = {"known": len(scene.entries), clock: instant}
        scene.add(first._replace(**changed))

    assert expected == ("no_backoff" in kinds(scene))


def test_attempts_side_by_side_are_no_row() -> None:
    scene = Scene(faults=["503"] * 5)
    for _ in range(5):
        scene.submit()
    scene.entries = [entry._replace(known=0) for entry in scene.entries]

    assert [] == kinds(scene)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ({"status": 400}, []),
        ({"status": 429}, []),
        ({"status": 200}, []),
        ({"status": 502}, ["resubmitted"]),
        ({"status": 200, "broken": "length"}, ["resubmitted"]),
        ({"status": 200, "broken": "altered"}, ["resubmitted"]),
        ({"status": 200, "broken": "drip"}, []),
    ],
)
def test_a_submission_sent_again_is_blamed_where_the_first_may_have_been_accepted(
    answer: dict[str, Any], expected: list[str]
) -> None:
    scene = Scene()
    sends_again(scene)
    scene.entries[0] = scene.entries[0]._replace(**answer, phase=Phase.QUEUED)

    assert expected == [kind for kind in kinds(scene) if kind == "resubmitted"]


def test_submissions_side_by_side_are_not_sent_again() -> None:
    scene = Scene(faults=["lost after"])
    sends_again(scene)
    scene.entries[1] = scene.entries[1]._replace(known=0)

    assert [] == kinds(scene)


def with_webhook(outcome: Outcome | None, *attempts: Attempt) -> Scene:
    scene = Scene()
    scene.submit(webhook=HOOK)
    scene.wait(3_000)
    if outcome is not None:
        scene.deliveries = [Delivery(scene.jobs[0], None, outcome, attempts)]
    return scene


@pytest.mark.parametrize("outcome", [Outcome.DELIVERED, Outcome.WAITING, None])
def test_whoever_has_a_webhook_need_not_poll(outcome: Outcome | None) -> None:
    assert [] == kinds(with_webhook(outcome))


@pytest.mark.parametrize(("tries", "words"), [(1, "1 attempt"), (4, "4 attempts")])
def test_whose_webhook_failed_should_ask(tries: int, words: str) -> None:
    scene = with_webhook(Outcome.FAILED, *[Attempt(0, 500)] * tries)
    expected = f"{JOB}its webhook failed ({words}), and the client never asked about it."
    assert [expected] == [finding.message for finding in scene.judge().findings]

    scene.poll("job-1")

    assert [] == kinds(scene)


def test_a_list_of_all_jobs_tells_what_came_out() -> None:
    scene = Scene()
    scene.submit()
    scene.exchange("list", "/list")
    scene.wait(3_000)
    assert ["never_fetched"] == kinds(scene)

    scene.exchange("list", "/list")

    assert [] == kinds(scene)


def test_an_output_that_was_fetched_is_enough() -> None:
    scene = Scene()
    never_asks(scene)
    scene.add(scene.entries[0]._replace(operation="output", phase=None, known=1))

    assert [] == kinds(scene)


@pytest.mark.parametrize("status", [401, 403, 404])
def test_whoever_was_told_that_there_is_nothing_may_leave(status: int) -> None:
    scene = Scene()
    gives_up(scene)
    scene.entries[1] = scene.entries[1]._replace(status=status, phase=None)

    assert [] == kinds(scene)


@pytest.mark.parametrize("status", [408, 429, 500])
def test_whoever_was_told_to_try_again_may_not(status: int) -> None:
    scene = Scene()
    gives_up(scene)
    scene.entries[1] = scene.entries[1]._replace(status=status, phase=None)

    assert ["never_fetched"] == kinds(scene)


def test_whoever_tried_to_cancel_wants_no_result() -> None:
    scene = Scene("runcomfy")
    scene.submit()
    scene.add(scene.poll("job-1", "cancel"))
    scene.wait(3_000)

    assert [] == kinds(scene)


def test_whoever_has_asked_now_and_then_may_still_be_asking() -> None:
    scene = Scene()
    scene.submit()
    scene.wait(2_000)
    scene.poll("job-1")
    scene.wait(2_000)
    assert [] == kinds(scene)

    scene.wait(3_000)

    assert ["never_fetched"] == kinds(scene)


def test_a_job_that_was_deleted_need_not_be_fetched_nor_one_that_goes_on() -> None:
    scene = Scene()
    scene.submit()
    assert [] == kinds(scene)
    scene.wait(3_000)

    scene.jobs[0] = dataclasses.replace(scene.jobs[0], erased=True)

    assert [] == kinds(scene)


def test_a_status_that_said_failed_took_nobody_in() -> None:
    scene = Scene("runcomfy", **FAILED)
    trusts_the_status(scene)
    scene.entries[1] = scene.entries[1]._replace(response=b'{"status":"failed"}')

    assert [] == kinds(scene)


def test_a_job_that_timed_out_or_was_cancelled_is_told_as_what_it_is() -> None:
    scene = Scene()
    behave(scene)
    scene.jobs[0] = scene.jobs[0].interrupt(Interruption(scene.jobs[0].submitted, Phase.CANCELLED))
    for phase, words in ((Phase.CANCELLED, "was cancelled"), (Phase.TIMED_OUT, "had ended")):
        scene.entries[4] = scene.entries[4]._replace(phase=phase)
        scene.entries[5:] = [scene.entries[4]._replace(known=5)]

        assert scene.judge().findings[0].message.endswith(f"had told that it {words}.")


def test_nothing_is_said_of_jobs_whose_submission_is_not_in_the_journal() -> None:
    scene = Scene(faults=["lost after"])
    sends_again(scene)
    scene.wait(9_000)

    later = Logged(2, scene.entries[1:])

    assert Verdict(()) == verdict(scene.jobs, later, (), scene.now)
    assert Verdict(()) == verdict(scene.jobs, Logged(9, ()), (), scene.now)


def test_several_exposed_keys_are_one_finding_and_findings_stand_in_the_order_in_which_they_began() -> None:
    scene = Scene()
    polls_once_more(scene)
    scene.entries = [entry._replace(exposed=True) for entry in scene.entries]

    found = scene.judge()

    assert ["key_in_url", "polled_after_end"] == [one.kind for one in found.findings]
    assert "exchange 1 (and 5 more)" in found.findings[0].message
    assert not found.ok


def test_a_verdict_as_json() -> None:
    scene = Scene()
    forgets(scene)

    shown = show_verdict(scene.judge())

    assert {"ok": False, "findings": [{"kind": "never_fetched", "exchanges": [1, 2], "jobs": ["job-1"]}]} == {
        **shown,
        "findings": [{key: value for key, value in one.items() if key != "message"} for one in shown["findings"]],
    }
    assert {"ok": True, "findings": []} == show_verdict(Verdict(()))


def judged(live: Live, provider: str) -> list[str]:
    account = live.server.call(live.store.account("key", provider))
    logged = live.server.call(live.store.journal("key"))
    deliveries = live.server.call(live.store.deliveries("key"))
    return [one.kind for one in verdict(account.jobs, logged, deliveries, account.now, fastest_poll=0).findings]


def test_over_the_wire_a_client_that_polls_to_the_end_and_no_further_is_fine(live: Live) -> None:
    job = live.submit_wavespeed()
    live.client.get(job["urls"]["get"])
    live.advance(3_000)
    live.client.get(job["urls"]["get"])
    assert [] == judged(live, "wavespeed")

    live.client.get(job["urls"]["get"])

    assert ["polled_after_end"] == judged(live, "wavespeed")


def test_over_the_wire_a_client_that_trusts_the_status_of_a_failed_job_is_told(live: Live) -> None:
    job = live.submit_runcomfy()
    live.interrupt(job["request_id"], Phase.FAILED, Failure())
    live.client.get(job["status_url"])
    assert ["took_completed_for_success"] == judged(live, "runcomfy")

    live.client.get(job["result_url"])

    assert [] == judged(live, "runcomfy")


def test_over_the_wire_a_sync_submission_whose_end_was_told_needs_no_poll(live: Live) -> None:
    live.server.call(live.store.set_clock("key", lambda clock, wall: clock.at_rate(0, wall, auto=True)))

    job = live.submit_wavespeed(enable_sync_mode=True)

    assert "completed" == job["status"]
    assert [] == judged(live, "wavespeed")


def test_an_entry_that_was_spoilt_did_not_arrive() -> None:
    entry = Entry(0, 0, 0, "wavespeed", "result", "GET", "/", None, None, 200)
    spoilt = (None, "drip", "cut", "altered")

    assert [True, True, False, False] == [entry._replace(broken=one).arrived for one in spoilt]
    assert not entry._replace(status=None).arrived
    assert not entry._replace(status=404).accepted
