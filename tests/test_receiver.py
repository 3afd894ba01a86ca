"""A receiver of webhooks: waits for them, verifies their signatures, hands them over."""

from __future__ import annotations

import time

import httpx
import pytest
from live import IMAGE, WAVESPEED
from projects import run, told

from understudy.fixtures import MockProvider, WebhookReceiver
from understudy.fixtures.receiver import problem_of


def submit(mock: MockProvider, url: str) -> str:
    headers = {"Authorization": f"Bearer {mock.api_key}"}
    body = {"prompt": "A shoe", "images": [IMAGE]}
    answer = httpx.post(mock.base_url + WAVESPEED, json=body, headers=headers, params={"webhook": url}, trust_env=False)
    return str(answer.raise_for_status().json()["data"]["id"])


def test_a_webhook_comes_as_an_event_once_its_job_has_ended(
    mock_wavespeed: MockProvider, webhook_receiver: WebhookReceiver
) -> None:
    assert not webhook_receiver.events
    job_id = submit(mock_wavespeed, webhook_receiver.url)
    (event,) = webhook_receiver.wait()

    job = mock_wavespeed.jobs.one
    assert (job_id, job.model, "completed", job.outputs) == (event.job, event.model, event.status, event.outputs)
    assert ("", (False,), None) == (event.error, event.flagged, event.problem)
    assert event.body["id"] == job_id
    assert event.id == event.headers["webhook-id"] == job_id[:25]
    assert (event,) == webhook_receiver.events
    assert [200] == [attempt.status for one in mock_wavespeed.webhooks.deliveries for attempt in one.attempts]


def test_a_failure_is_told_too(mock_wavespeed: MockProvider, webhook_receiver: WebhookReceiver) -> None:
    mock_wavespeed.will_fail("Out of paint")
    submit(mock_wavespeed, webhook_receiver.url)
    (event,) = webhook_receiver.wait()

    assert ("failed", ()) == (event.status, event.outputs)
    assert "Out of paint" in event.error


@pytest.mark.understudy(clock="manual")
def test_on_a_manual_clock_a_webhook_comes_when_that_is_advanced(
    mock_wavespeed: MockProvider, webhook_receiver: WebhookReceiver
) -> None:
    job_id = submit(mock_wavespeed, webhook_receiver.url)
    with pytest.raises(AssertionError) as early:
        webhook_receiver.wait(timeout=0)
    assert (
        f"1 webhook(s) were expected at {webhook_receiver.url} within 0 s, and 0 came. On record: waiting for job "
        f"{job_id} to {webhook_receiver.url}."
    ) == str(early.value)
    with pytest.raises(AssertionError) as waiting:
        mock_wavespeed.webhooks.wait(timeout=0)
    assert (
        "1 webhook(s) were expected within 0 s, and 0 are over. 1 are on record, and the clock is manual: advance it "
        "past the end of their jobs."
    ) == str(waiting.value)

    events = mock_wavespeed.advance(30)
    assert ("webhook", 1, 200) in [(event.kind, event.attempt, event.status) for event in events]
    assert ["delivered"] == [one.outcome for one in mock_wavespeed.webhooks.wait()]
    assert 1 == len(webhook_receiver.wait())


@pytest.mark.understudy(strict=False)
def test_a_receiver_may_turn_webhooks_down(mock_wavespeed: MockProvider, webhook_receiver: WebhookReceiver) -> None:
    webhook_receiver.answers(503, times=1)
    submit(mock_wavespeed, webhook_receiver.url)
    first, second = webhook_receiver.wait(2)

    assert first.body == second.body
    assert ["delivered"] == [one.outcome for one in mock_wavespeed.webhooks.deliveries]
    webhook_receiver.answers(410)
    submit(mock_wavespeed, webhook_receiver.url)
    assert ["delivered", "failed"] == [one.outcome for one in mock_wavespeed.webhooks.wait(2)]


def test_nothing_to_wait_for_is_told(mock_wavespeed: MockProvider, webhook_receiver: WebhookReceiver) -> None:
    none = "No job was submitted with one: WaveSpeed takes the URL as '?webhook=' after the model's path."
    with pytest.raises(AssertionError) as receiving:
        webhook_receiver.wait(timeout=0)
    with pytest.raises(AssertionError) as waiting:
        mock_wavespeed.webhooks.wait(timeout=0)

    assert str(receiving.value).endswith(f"within 0 s, and 0 came. {none}")
    assert f"1 webhook(s) were expected within 0 s, and 0 are over. {none}" == str(waiting.value)


@pytest.mark.understudy(clock="real", latency="1h")
def test_what_is_on_record_is_told_while_it_has_not_come(
    mock_wavespeed: MockProvider, webhook_receiver: WebhookReceiver
) -> None:
    job_id = submit(mock_wavespeed, webhook_receiver.url)
    with pytest.raises(AssertionError) as waiting:
        mock_wavespeed.webhooks.wait(timeout=0.01)

    assert str(waiting.value).endswith(f"and 0 are over. On record: waiting for job {job_id}.")


def test_a_receiver_without_a_provider_says_so(webhook_receiver: WebhookReceiver) -> None:
    with pytest.raises(
        AssertionError, match=r"No fixture of a provider is in this test: mock_wavespeed sends webhooks\.$"
    ):
        webhook_receiver.wait(timeout=0)


def test_what_is_not_signed_is_not_trusted(mock_wavespeed: MockProvider, webhook_receiver: WebhookReceiver) -> None:
    httpx.post(webhook_receiver.url, content=b"[]", headers={"webhook-id": "x"}, trust_env=False)
    with pytest.raises(AssertionError) as unsigned:
        webhook_receiver.wait()
    assert (
        "The webhook of job  is not to be trusted: it lacks one of the headers webhook-id, webhook-timestamp and "
        "webhook-signature."
    ) == str(unsigned.value)
    httpx.post(webhook_receiver.url, content=b"no JSON", trust_env=False)
    assert 2 == len(webhook_receiver.wait(2, verify=False))


@pytest.mark.parametrize(
    ("stamp", "signature", "problem"),
    [
        ("1", "v3,é", "its signature is not that of this test's key"),
        ("²", "v3,e", "it lacks one of the headers webhook-id, webhook-timestamp and webhook-signature"),
    ],
)
def test_whatever_else_comes_is_an_event_too(
    mock_wavespeed: MockProvider, webhook_receiver: WebhookReceiver, stamp: str, signature: str, problem: str
) -> None:
    headers = {b"webhook-id": b"x", b"webhook-timestamp": stamp.encode("latin-1")}
    headers[b"webhook-signature"] = signature.encode("latin-1")
    body = {"outputs": 5, "has_nsfw_contents": True}
    httpx.post(webhook_receiver.url, json=body, headers=headers, trust_env=False)
    (event,) = webhook_receiver.wait(verify=False)

    assert ((), (), problem) == (event.outputs, event.flagged, event.problem)


def test_a_signature_is_of_one_secret_and_of_the_present() -> None:
    import hmac

    def signed(secret: str, stamp: int) -> dict[str, str]:
        signature = hmac.digest(secret.encode(), f"id.{stamp}.body".encode(), "sha256").hex()
        return {"webhook-id": "id", "webhook-timestamp": str(stamp), "webhook-signature": f"v3,{signature}"}

    now = int(time.time())
    assert None is problem_of(signed("secret", now), b"body", ["whsec_other", "whsec_secret"])
    assert "its signature is not that of this test's key" == problem_of(signed("secret", now), b"body", ["whsec_x"])
    assert "its signature is not that of this test's key" == problem_of(
        signed("secret", now), b"bodi", ["whsec_secret"]
    )
    old = problem_of(signed("secret", now - 1000), b"body", ["whsec_secret"])
    assert old in {f"its timestamp is {age} s from now, and 300 s are allowed" for age in (1000, 1001)}


def test_the_receiver_of_a_test_that_is_over_is_gone(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        body="""
URLS = []

def test_first(webhook_receiver):
    URLS.append(webhook_receiver.url)

def test_second(webhook_receiver):
    assert webhook_receiver.url != URLS[0]
    assert httpx.post(URLS[0]).status_code == 410
    assert httpx.post(webhook_receiver.url, content=iter([b"a", b"b"])).status_code == 200
""",
    )

    result.assert_outcomes(passed=2)
    assert "error" not in told(result).lower()


def test_providers_of_wider_scope_are_trusted_too(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        body="""
@pytest.fixture(scope="module")
def studio(understudy_server):
    mock = understudy_server.provider("wavespeed", "studio")
    yield mock
    mock.close()

def test_studio(studio, webhook_receiver):
    job_id = submit(studio, webhook=webhook_receiver.url)
    assert job_id == webhook_receiver.wait()[0].job
    webhook_receiver.answers(503)
    with pytest.raises(AssertionError, match="2 webhook.s. were expected .* On record: delivered for job"):
        webhook_receiver.wait(2, timeout=0)

def test_both(studio, mock_wavespeed, webhook_receiver):
    jobs = {submit(mock, webhook=webhook_receiver.url) for mock in (studio, mock_wavespeed)}
    assert jobs == {event.job for event in webhook_receiver.wait(2)}

def test_closed(understudy_server, webhook_receiver):
    mock = understudy_server.provider("wavespeed", "another")
    submit(mock, webhook=webhook_receiver.url)
    webhook_receiver.wait()
    mock.close()
    with pytest.raises(AssertionError, match="its signature is not that of this test's key"):
        webhook_receiver.wait()
""",
    )

    result.assert_outcomes(passed=3)
