"""A provider as a test holds it, without pytest's help: what is read, what is made to happen, what is asserted."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from types import ModuleType
from typing import Any

import httpx
import pytest
from live import IMAGE, PROMPT, RUNCOMFY, WAVESPEED

from understudy.fixtures import Job, MockProvider, Understudy, UnderstudyError, running
from understudy.mockserver.journal import Journal


@pytest.fixture(scope="module")
def server() -> Iterator[Understudy]:
    with running(seed=4) as server:
        yield server


@pytest.fixture
def wavespeed(server: Understudy, request: pytest.FixtureRequest) -> Iterator[MockProvider]:
    mock = server.provider("wavespeed", request.node.name)
    mock.clock.set("manual")
    yield mock
    mock.close()


@pytest.fixture
def runcomfy(server: Understudy, request: pytest.FixtureRequest) -> Iterator[MockProvider]:
    mock = server.provider("runcomfy", request.node.name)
    mock.clock.set("manual")
    yield mock
    mock.close()


def call(mock: MockProvider, method: str, path: str, **more: Any) -> httpx.Response:
    headers = {"Authorization": f"Bearer {mock.api_key}"}
    return httpx.request(method, mock.base_url + path, headers=headers, trust_env=False, **more)


def submit(mock: MockProvider, prompt: str = PROMPT, **query: str) -> str:
    """The id of a new job."""
    if mock.provider == "wavespeed":
        answer = call(mock, "POST", WAVESPEED, json={"prompt": prompt, "images": [IMAGE]}, params=query)
        return str(answer.raise_for_status().json()["data"]["id"])
    answer = call(mock, "POST", RUNCOMFY, json={"text": prompt, "images": [IMAGE]})
    return str(answer.raise_for_status().json()["request_id"])


def poll(mock: MockProvider, job_id: str) -> httpx.Response:
    path = f"/api/v3/predictions/{job_id}/result" if mock.provider == "wavespeed" else f"/v1/requests/{job_id}/status"
    return call(mock, "GET", path)


# What is read


def test_a_job_tells_what_it_is_and_what_will_be(wavespeed: MockProvider) -> None:
    job_id = submit(wavespeed)
    job = wavespeed.job(job_id)

    assert ("queued", "wavespeed", PROMPT, False) == (job.state, job.provider, job.prompt, job.ended)
    assert ["queued", "running", "succeeded"] == [mark.state for mark in job.timeline]
    assert job.submitted == wavespeed.clock.now
    assert [job_id] == [one.id for one in wavespeed.jobs]
    wavespeed.advance(3)
    job = wavespeed.jobs.get(job_id)
    assert ("succeeded", True, None, None) == (job.state, job.ended, job.failure, job.interrupted)
    assert job.outputs[0].startswith(wavespeed.base_url)


def test_jobs_are_picked_by_what_is_wanted_of_them(wavespeed: MockProvider) -> None:
    with pytest.raises(AssertionError, match=r"^A job was expected; nothing was submitted with this test's key\.$"):
        _ = wavespeed.jobs.last
    with pytest.raises(AssertionError, match=r"^Exactly one job was expected; there are 0\.$"):
        _ = wavespeed.jobs.one
    first, second = submit(wavespeed), submit(wavespeed)
    wavespeed.finish(first)

    jobs = wavespeed.jobs
    assert second == jobs.last.id
    assert [first] == [job.id for job in jobs.in_state("succeeded")]
    with pytest.raises(AssertionError) as several:
        _ = jobs.one
    assert f"Exactly one job was expected; there are 2: {first} (succeeded), {second} (queued)." == str(several.value)
    with pytest.raises(AssertionError) as unknown:
        jobs.in_state("queued").get("x")
    assert f"There is no job 'x' of this test's; there are 1: {second} (queued)." == str(unknown.value)
    with pytest.raises(UnderstudyError) as no_state:
        jobs.in_state("completed")
    assert (
        "There is no state 'completed' of a job; there are: queued, running, succeeded, failed, cancelled, timed_out."
    ) == str(no_state.value)


def test_the_journal_is_read_by_operation_and_by_job(runcomfy: MockProvider) -> None:
    job_id = submit(runcomfy)
    poll(runcomfy, job_id)
    call(runcomfy, "GET", f"/v1/requests/{job_id}/result")

    journal = runcomfy.journal
    assert ["submit", "status", "result"] == [exchange.operation for exchange in journal]
    assert ["status", "result"] == [exchange.operation for exchange in journal.of("poll")]
    assert ["submit"] == [exchange.operation for exchange in journal.of("submit").about(job_id)]
    assert 3 == len(journal.about(runcomfy.jobs.one))
    assert {"text": PROMPT, "images": [IMAGE]} == journal[0].request
    with pytest.raises(UnderstudyError) as no_operation:
        journal.of("submits")
    said = str(no_operation.value)
    assert said.startswith(
        "There is no operation 'submits'. Did you mean 'submit'? There are: poll, output, unknown, submit"
    )


def test_money_is_in_the_ledger(wavespeed: MockProvider) -> None:
    before = wavespeed.ledger.balances["wavespeed"]
    submit(wavespeed)

    ledger = wavespeed.ledger
    assert wavespeed.jobs.one.price == round((before - ledger.balances["wavespeed"]) * 1_000_000)
    assert 1 == len(ledger.entries)
    assert () == ledger.duplicates


def test_a_clock_is_read_and_set(wavespeed: MockProvider) -> None:
    reading = wavespeed.clock.read()

    assert ("manual", datetime(2026, 1, 1, tzinfo=UTC)) == (reading.mode, reading.time)
    for length in (60, "60s", timedelta(minutes=1)):
        assert () == wavespeed.advance(length)
    assert reading.now + 180_000 == wavespeed.clock.now
    submit(wavespeed)
    assert ["running", "succeeded"] == [event.state for event in wavespeed.clock.idle()]
    wavespeed.clock.set("auto")
    assert "auto" == wavespeed.clock.mode


# What is made to happen


def test_a_length_without_a_unit_is_not_taken_for_milliseconds(wavespeed: MockProvider) -> None:
    with pytest.raises(UnderstudyError) as told:
        wavespeed.advance("5")

    assert "'5' has no unit: write '5s', or the number alone for seconds." == str(told.value)


@pytest.mark.parametrize("length", [-1, float("nan"), float("inf"), 1e306, True, None, [5], timedelta(days=-1)])
def test_what_is_no_length_of_time_is_told_in_the_words_of_a_test(wavespeed: MockProvider, length: Any) -> None:
    expected = (
        f"{length!r} is no length of time: expected seconds from 0, a text such as '5m', or a timedelta, of at most a "
        "year."
    )
    for use in (wavespeed.advance, wavespeed.will_take, wavespeed.next_poll.is_late):
        with pytest.raises(UnderstudyError) as wrong:
            use(length)
        assert expected == str(wrong.value)


def test_a_job_fails_as_told(wavespeed: MockProvider) -> None:
    wavespeed.will_fail("Out of paint", code=1405, after="3s", times=1)
    failing, well = submit(wavespeed), submit(wavespeed)
    wavespeed.advance("5m")

    job = wavespeed.job(failing)
    assert "succeeded" == wavespeed.job(well).state
    assert ("failed", 3_000) == (job.state, (job.ends or 0) - job.submitted)
    assert job.failure is not None
    assert ("error", "Out of paint", 1405) == (job.failure.cause, job.failure.text, job.failure.code)
    assert "Out of paint" in poll(wavespeed, failing).text


def test_content_is_flagged_image_by_image_or_as_a_whole(wavespeed: MockProvider) -> None:
    wavespeed.will_flag(images=[2], prompt="shoe")
    wavespeed.will_flag(prompt="hat")
    for prompt in ("Two images of a shoe", "A hat"):
        call(wavespeed, "POST", WAVESPEED, json={"prompt": prompt, "images": [IMAGE], "max_images": 2})
    wavespeed.advance(30)

    one, whole = wavespeed.jobs
    assert ("succeeded", (2,)) == (one.state, one.flagged)
    assert ("failed", "moderation") == (whole.state, whole.failure and whole.failure.cause)


def test_a_job_hangs_for_as_long_as_one_waits(wavespeed: MockProvider) -> None:
    wavespeed.will_hang(times=1)
    wavespeed.will_hang("queued", model="*")
    for _ in range(2):
        submit(wavespeed)
    wavespeed.advance("24h")

    assert ["running", "queued"] == [job.state for job in wavespeed.jobs]
    assert 2 == len(wavespeed.finish_all())
    assert ["succeeded", "succeeded"] == [job.state for job in wavespeed.jobs]
    assert () == wavespeed.finish_all()


def test_a_job_that_ends_meanwhile_is_not_finished(wavespeed: MockProvider, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = submit(wavespeed), submit(wavespeed)
    going = wavespeed.jobs
    wavespeed.fail(first)
    monkeypatch.setattr(MockProvider, "jobs", property(lambda self: going))

    assert [second] == [job.id for job in wavespeed.finish_all()]


def test_what_keeps_a_job_from_being_finished_is_told(wavespeed: MockProvider, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(job: Job) -> Job:
        raise UnderstudyError("The store is away.")

    submit(wavespeed)
    monkeypatch.setattr(wavespeed, "finish", fails)
    with pytest.raises(UnderstudyError, match=r"^The store is away\.$"):
        wavespeed.finish_all()


def test_a_job_takes_as_long_as_told(wavespeed: MockProvider) -> None:
    wavespeed.will_take(7)
    job = wavespeed.job(submit(wavespeed))

    assert 7_000 == (job.ends or 0) - job.submitted


def test_one_job_is_ended_by_hand(runcomfy: MockProvider) -> None:
    cancelled, failed = submit(runcomfy), submit(runcomfy)

    assert "cancelled" == runcomfy.cancel(cancelled).state
    assert "failed" == runcomfy.fail(runcomfy.jobs.get(failed), "Out of paint").state
    submit(runcomfy)
    assert "succeeded" == runcomfy.finish().state
    with pytest.raises(UnderstudyError) as ended:
        runcomfy.finish(failed)
    assert f"The job {failed} had ended already: it is failed." == str(ended.value)


def test_the_next_call_loses_its_answer_and_only_that_one(wavespeed: MockProvider) -> None:
    wavespeed.next_submit.loses_answer()
    with pytest.raises(httpx.RemoteProtocolError):
        submit(wavespeed)
    submit(wavespeed)

    assert 2 == len(wavespeed.jobs)


def test_the_next_call_is_reset_and_nothing_is_done(wavespeed: MockProvider) -> None:
    wavespeed.next_submit.is_reset()
    with pytest.raises(httpx.ReadError):
        submit(wavespeed)

    assert () == wavespeed.jobs


def test_the_next_call_fails_with_a_status(runcomfy: MockProvider) -> None:
    runcomfy.next_result.fails(503, "Back soon")
    runcomfy.next_cancel.is_limited(retry_after=7)
    job_id = submit(runcomfy)
    failed = call(runcomfy, "GET", f"/v1/requests/{job_id}/result")
    limited = call(runcomfy, "POST", f"/v1/requests/{job_id}/cancel")

    assert 503 == failed.status_code
    assert "Back soon" in failed.text
    assert (429, "7") == (limited.status_code, limited.headers["retry-after"])
    assert 200 == call(runcomfy, "GET", f"/v1/requests/{job_id}/result").status_code


def test_the_next_answer_is_not_what_it_should_be(wavespeed: MockProvider) -> None:
    job_id = submit(wavespeed)
    wavespeed.next_poll.is_garbled()
    with pytest.raises(ValueError, match=r"Expecting|Unterminated|Extra"):
        poll(wavespeed, job_id).json()
    wavespeed.next_poll.is_cut(after=10)
    with pytest.raises(httpx.RemoteProtocolError):
        poll(wavespeed, job_id)
    wavespeed.advance(30)
    wavespeed.next_poll.is_stale()
    assert "processing" == poll(wavespeed, job_id).json()["data"]["status"]
    path = poll(wavespeed, job_id).json()["data"]["outputs"][0].removeprefix(wavespeed.base_url)
    wavespeed.next_output.fails(404)
    assert [404, 200] == [call(wavespeed, "GET", path).status_code for _ in range(2)]


def test_the_next_answer_is_late_on_the_tenants_clock(wavespeed: MockProvider) -> None:
    job_id = submit(wavespeed)
    wavespeed.clock.set("auto")
    before = wavespeed.clock.now
    wavespeed.next_poll.is_late("40s")
    poll(wavespeed, job_id)

    assert before + 40_000 <= wavespeed.clock.now


def test_rules_are_added_read_and_removed(wavespeed: MockProvider) -> None:
    named = wavespeed.rules.add(id="slow", when={"model": "bytedance/*"}, job={"latency": "5s"}, lasts="30s")
    other = wavespeed.will_hang(times=1)

    assert ["slow", other.id] == [rule.id for rule in wavespeed.rules]
    assert 2 == len(wavespeed.rules)
    assert named == wavespeed.rules["slow"]
    assert {"model": "bytedance/*"} == named.given["when"]
    assert ("waiting", 0) == (named.state, named.acted)
    wavespeed.rules.remove(named)
    wavespeed.rules.remove(other.id)
    wavespeed.will_hang()
    wavespeed.rules.clear()
    assert [] == list(wavespeed.rules)


def test_a_rule_that_is_none_is_told_what_there_is(wavespeed: MockProvider) -> None:
    with pytest.raises(UnderstudyError) as wrong:
        wavespeed.rules.add(job={"hangs": "running"})

    assert str(wrong.value).startswith("There is no field 'hangs' in job. Did you mean 'hang'?")
    with pytest.raises(UnderstudyError) as far_off:
        wavespeed.will_fail(cause="gremlins")

    assert "There is no cause 'gremlins'. There are: error, moderation, input." == str(far_off.value)


# What is asserted


def test_inputs_that_were_submitted_twice_are_found(wavespeed: MockProvider) -> None:
    submit(wavespeed)
    wavespeed.assert_no_duplicate_submits()
    submit(wavespeed)
    first, second = wavespeed.jobs

    with pytest.raises(AssertionError) as found:
        wavespeed.assert_no_duplicate_submits()
    assert (
        f"The same inputs were submitted more than once, and each is charged for: {first.id} and {second.id}."
        == str(found.value)
    )


def test_polls_are_counted_job_by_job(wavespeed: MockProvider) -> None:
    polled, other = submit(wavespeed), submit(wavespeed)
    for _ in range(3):
        poll(wavespeed, polled)

    wavespeed.assert_polls(at_most=3)
    wavespeed.assert_polls(at_least=3, job=polled)
    with pytest.raises(AssertionError) as many:
        wavespeed.assert_polls(at_most=2)
    assert f"Job {polled} was polled 3 times: at most 2 were allowed." == str(many.value)
    with pytest.raises(AssertionError) as few:
        wavespeed.assert_polls(at_least=1, job=wavespeed.jobs.get(other))
    assert f"Job {other} was polled never: at least 1 were expected." == str(few.value)
    with pytest.raises(AssertionError, match="assert_polls needs a bound: at_most=, at_least=, or both"):
        wavespeed.assert_polls()


def test_polls_of_a_job_that_there_is_not_are_not_few(wavespeed: MockProvider) -> None:
    with pytest.raises(AssertionError, match=r"^There is no job 'nope' of this test's; there are 0\.$"):
        wavespeed.assert_polls(at_most=1, job="nope")


def test_a_cancellation_is_asserted(runcomfy: MockProvider) -> None:
    job_id = submit(runcomfy)
    runcomfy.advance(1)
    call(runcomfy, "POST", f"/v1/requests/{job_id}/cancel")
    with pytest.raises(AssertionError) as running:
        runcomfy.assert_cancelled()
    assert f"Job {job_id} is running, not cancelled: to cancel it was asked once." == str(running.value)
    runcomfy.cancel(job_id)
    runcomfy.assert_cancelled(job_id)
    runcomfy.assert_cancelled(runcomfy.jobs.one)


def test_a_client_is_judged(wavespeed: MockProvider) -> None:
    job_id = submit(wavespeed)
    wavespeed.advance(30)
    output = poll(wavespeed, job_id).json()["data"]["outputs"][0]
    call(wavespeed, "GET", output.removeprefix(wavespeed.base_url))
    wavespeed.assert_resilient(fastest_poll=0)
    assert (True, "nothing found") == ((verdict := wavespeed.verdict(fastest_poll="0")).ok, str(verdict))

    for _ in range(3):
        poll(wavespeed, job_id)
    verdict = wavespeed.verdict()
    assert not verdict.ok
    assert "polled_after_end" in [finding.kind for finding in verdict]
    with pytest.raises(AssertionError) as bad:
        wavespeed.assert_resilient()
    assert f"The client did what it should not:\n{verdict}" == str(bad.value)


# Servers


def test_two_providers_of_one_name_draw_the_same_but_for_their_ids(server: Understudy) -> None:
    one, other = (server.provider("wavespeed", "the same name") for _ in range(2))
    jobs = [(submit(mock), mock.jobs.one) for mock in (one, other)]

    assert jobs[0][0] != jobs[1][0]
    assert one.api_key.partition("~")[0] == other.api_key.partition("~")[0]
    assert one.webhooks.secret == other.webhooks.secret
    one.close()
    again = server.provider("wavespeed", "the same name")
    assert jobs[0][0] == submit(again)
    for mock in (other, again):
        mock.close()


def test_a_provider_that_is_none_is_told_those_that_exist(server: Understudy) -> None:
    with pytest.raises(UnderstudyError) as wrong:
        server.provider("fal")
    assert "There is no provider 'fal'; there are: wavespeed, runcomfy." == str(wrong.value)


def test_a_name_may_be_any_text(server: Understudy) -> None:
    first, second, other = (server.provider("wavespeed", name) for name in ("\ud83d", "\ud83d", "\udc00"))
    (one, same), another = (
        (mock.api_key.partition("~")[0] for mock in (first, second)),
        other.api_key.partition("~")[0],
    )

    assert one == same != another


def test_values_can_be_compared_and_collected(wavespeed: MockProvider) -> None:
    job_id = submit(wavespeed)
    for _ in range(2):
        wavespeed.will_take("1s")
    journal, ledger = wavespeed.journal, wavespeed.ledger

    assert {*journal} == {*wavespeed.journal}
    assert {ledger} == {wavespeed.ledger}
    assert {wavespeed.job(job_id)} == {wavespeed.job(job_id)}
    assert 2 == len({*wavespeed.rules})


def test_an_environment_is_lent_without_pytest(server: Understudy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WAVESPEED_API_KEY", "the real one")
    mock = server.wavespeed
    with mock.environment():
        import wavespeed

        wavespeed.run(WAVESPEED.removeprefix("/api/v3/"), {"prompt": "A shoe", "images": [IMAGE]}, poll_interval=0.001)

    assert "succeeded" == mock.jobs.one.state
    assert repr(mock) == f"<understudy: wavespeed at {server.base_url}, key {mock.api_key}>"


def test_a_package_of_which_only_the_settings_are_loaded_is_pointed_all_the_same(
    server: Understudy, monkeypatch: pytest.MonkeyPatch
) -> None:
    import wavespeed.config

    monkeypatch.delitem(sys.modules, "wavespeed.api", raising=False)
    before, mock = wavespeed.config.api.base_url, server.wavespeed
    with mock.environment():
        assert mock.base_url == wavespeed.config.api.base_url
    assert before == wavespeed.config.api.base_url


def test_a_package_that_is_not_there_is_not_missed(server: Understudy, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "wavespeed"]:
        monkeypatch.delitem(sys.modules, name)
    package = ModuleType("wavespeed")
    package.__path__ = []
    monkeypatch.setitem(sys.modules, "wavespeed", package)
    monkeypatch.setattr(sys, "meta_path", [])
    with server.wavespeed.environment(), pytest.raises(ModuleNotFoundError):
        importlib.import_module("wavespeed.config")


@pytest.mark.parametrize("known", [None, "intranet.example"])
def test_a_proxy_that_the_environment_names_is_left_out(
    server: Understudy, monkeypatch: pytest.MonkeyPatch, known: str | None
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    if known is not None:
        monkeypatch.setenv("NO_PROXY", known)
    mock = server.wavespeed
    with mock.environment():
        expected = "127.0.0.1" if known is None else f"{known},127.0.0.1"
        assert [expected] * 2 == [os.environ["NO_PROXY"], os.environ["no_proxy"]]
        headers = {"Authorization": f"Bearer {mock.api_key}"}
        assert 200 == httpx.get(f"{mock.base_url}/api/v3/balance", headers=headers).status_code
    assert (known, None) == (os.environ.get("NO_PROXY"), os.environ.get("no_proxy"))


def test_a_seed_repeats_a_server_and_no_seed_does_not() -> None:
    drawn = []
    for seed in (4, 4, None):
        with running(seed=seed) as server:
            drawn.append(submit(server.wavespeed))

    assert drawn[0] == drawn[1] != drawn[2]


def test_a_server_is_had_on_a_clock_and_with_switches() -> None:
    with running(clock="manual", assume={"wavespeed.cancel": "on"}) as server:
        mock = server.wavespeed
        job_id = submit(mock)
        assert "manual" == mock.clock.mode
        assert 200 == call(mock, "POST", f"/api/v3/predictions/{job_id}/cancel").status_code
        mock.assert_cancelled()


def test_another_server_is_used_over_http(server: Understudy) -> None:
    with running(url=server.base_url + "/", seed=4) as remote:
        mock = remote.provider("runcomfy", "elsewhere")
        assert server.base_url == remote.base_url == mock.base_url
        job_id = submit(mock)
        mock.advance(30)
        assert "succeeded" == mock.job(job_id).state
        mock.rules.clear()
        assert [] == mock.misused()
        with pytest.raises(UnderstudyError, match=r"^This key has no job 'x'\. There are: "):
            mock.job("x")
        mock.close()
        assert () == mock.jobs


def test_a_server_with_a_control_token_is_used_with_it() -> None:
    from understudy.mockserver.app import create_app
    from understudy.mockserver.server import running as serving
    from understudy.mockserver.settings import Settings

    with serving(create_app(Settings(control_token="a token that is right"))) as origin:
        with running(url=origin, token="a token that is right") as remote:
            assert () == remote.wavespeed.jobs
        for token in ("wrong", None):
            with pytest.raises(UnderstudyError) as refused, running(url=origin, token=token):
                pass
            assert str(refused.value).endswith(" Tests give it with --understudy-token or running(token=…).")


# What is known without asking


def test_a_provider_is_spotless_until_there_is_something_to_look_at(server: Understudy) -> None:
    unused, used, astray, hooked = (server.provider("wavespeed") for _ in range(4))
    poll(used, submit(used))
    assert 404 == call(astray, "GET", "/api/v3/predictoins").status_code
    submit(hooked, webhook="http://127.0.0.1:9/nobody")

    assert [True, True, False, False] == [mock.spotless for mock in (unused, used, astray, hooked)]
    for mock in (unused, used, astray, hooked):
        mock.close()


def test_who_is_in_the_middle_of_something_is_not_spotless(
    wavespeed: MockProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    submit(wavespeed)
    assert wavespeed.spotless

    def busy(*_: object) -> bool:
        raise RuntimeError("deque mutated during iteration")

    monkeypatch.setattr(Journal, "has", busy)
    assert not wavespeed.spotless


def test_of_a_server_elsewhere_nothing_is_known_without_asking(server: Understudy) -> None:
    with running(url=server.base_url) as remote:
        assert not remote.wavespeed.spotless


def test_a_provider_that_was_closed_is_forgotten(server: Understudy) -> None:
    mock = server.provider("wavespeed")
    job_id = submit(mock)
    assert [job_id] == [job.id for job in mock.jobs]
    mock.close()

    assert [] == [job.id for job in mock.jobs]
