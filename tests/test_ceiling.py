"""The ceiling: whatever happens to submissions, what they may have cost stays below it."""

from __future__ import annotations

import json
from collections.abc import Callable

import httpx
import pytest
from drifting import KEY
from hypothesis import given
from hypothesis import strategies as st

from understudy.contracts.catalogue import models
from understudy.contracts.ceiling import (
    Ceiling,
    OverCeiling,
    certainly_refused,
    dollars,
    microdollars,
    published_price,
    quoted_price,
)
from understudy.contracts.exchanges import KEY as WITH_KEY
from understudy.contracts.findings import Unable
from understudy.contracts.prober import Prober
from understudy.contracts.probes import WRONG_KEYS, Probe, jobs
from understudy.contracts.secrecy import Scrubber
from understudy.contracts.spending import Guarded

PROVIDERS = ("wavespeed", "runcomfy")
PATHS = {"wavespeed": "/api/v3/", "runcomfy": "/v1/models/"}
LOST = (httpx.ReadTimeout, httpx.ReadError, httpx.RemoteProtocolError, httpx.WriteError, httpx.WriteTimeout)
NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout)
STATUSES = (200, 201, 202, 302, 400, 401, 402, 404, 408, 409, 422, 429, 499, 500, 502, 503, 504)

Outcome = int | type[httpx.TransportError]


class Provider(httpx.BaseTransport):
    """Does to each submission what it is told to, and knows what may have been accepted at the published price."""

    def __init__(self, outcomes: list[Outcome]) -> None:
        self.outcomes = outcomes
        self.accepted = 0
        self.asked = 0

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.asked += 1
        outcome = self.outcomes.pop(0) if self.outcomes else 200
        sent = json.loads(request.content)
        path = request.url.path
        provider = "wavespeed" if path.startswith(PATHS["wavespeed"]) else "runcomfy"
        price = published_price(models(provider)[path.removeprefix(PATHS[provider])], sent)
        if isinstance(outcome, int):
            # What was refused beyond doubt is no job, and everything else may be one.
            self.accepted += 0 if outcome in (400, 401, 402, 404, 422, 429) else price
            return httpx.Response(outcome, json={"code": outcome, "message": "…"})
        self.accepted += 0 if outcome in NEVER_SENT else price
        raise outcome("lost")


def prober_of(
    provider: str, beyond: Provider, ceiling: Ceiling, pause: Callable[[float], None] = lambda seconds: None
) -> Prober:
    origin = "http://provider.test"
    return Prober(provider, origin, KEY, ceiling, Scrubber([KEY]), pause=pause, transport=beyond)


@st.composite
def submissions(draw: st.DrawFn) -> tuple[str, list[tuple[str, dict[str, object]]]]:
    provider = draw(st.sampled_from(PROVIDERS))
    able = [
        (name, model)
        for name, model in models(provider).items()
        if set(model.input_schema.get("required", ())) <= {"prompt", "text"}
    ]
    found = []
    for name, model in draw(st.lists(st.sampled_from(able), min_size=1, max_size=12)):
        sent: dict[str, object] = {"prompt": "x", "text": "x"}
        if model.price_field is not None:
            count = draw(st.integers(1, 15) | st.none() | st.just("many") | st.just(-4))
            sent |= {} if count is None else {model.price_field: count}
        found.append((name, sent))
    return provider, found


@given(
    submissions(),
    st.lists(st.sampled_from([*STATUSES, *LOST, *NEVER_SENT]), max_size=40),
    st.integers(0, 1_000_000),
)
def test_no_order_of_prices_failures_retries_and_lost_answers_exceeds_the_ceiling(
    drawn: tuple[str, list[tuple[str, dict[str, object]]]], outcomes: list[Outcome], limit: int
) -> None:
    provider, found = drawn
    ceiling, beyond = Ceiling(limit), Provider(outcomes)
    prober = prober_of(provider, beyond, ceiling)
    for name, sent in found:
        probe = Probe(name, "POST", f"{PATHS[provider]}{name}", WITH_KEY, sent)
        try:
            prober.ask(probe)
        except OverCeiling:
            continue
        assert beyond.accepted <= limit
    prober.close()

    assert beyond.accepted <= ceiling.committed <= limit


@pytest.mark.parametrize("outcome", [*LOST, 500, 503, 408, 200])
def test_a_submission_that_may_have_been_accepted_is_never_sent_again(outcome: Outcome) -> None:
    beyond = Provider([outcome, 200, 200])
    prober = prober_of("wavespeed", beyond, Ceiling(10**9))
    prober.ask(Probe("submit", "POST", "/api/v3/bytedance/seedream-v4", WITH_KEY, {"prompt": "x"}))
    prober.close()

    assert (1, 27_000) == (beyond.asked, prober.ceiling.committed)


def test_a_submission_that_was_turned_away_for_the_rate_is_sent_again_and_counts_once() -> None:
    beyond, paused = Provider([429, 429, 200]), list[float]()
    prober = prober_of("wavespeed", beyond, Ceiling(27_000), paused.append)
    prober.ask(Probe("submit", "POST", "/api/v3/bytedance/seedream-v4", WITH_KEY, {"prompt": "x"}))
    prober.close()

    assert (3, 27_000, [1.0, 2.0]) == (beyond.asked, prober.ceiling.committed, paused)


@pytest.fixture
def guarded() -> Callable[[Ceiling, httpx.MockTransport], httpx.Client]:
    def make(ceiling: Ceiling, transport: httpx.MockTransport) -> httpx.Client:
        return httpx.Client(transport=Guarded(transport, "wavespeed", ceiling), base_url="http://provider.test")

    return make


def test_whoever_cannot_be_charged_needs_no_room(
    guarded: Callable[[Ceiling, httpx.MockTransport], httpx.Client],
) -> None:
    path = "/api/v3/bytedance/seedream-v4"
    with guarded(Ceiling(0), httpx.MockTransport(lambda request: httpx.Response(200, json={}))) as client:
        for headers in ({}, {"authorization": "Bearer "}, {"authorization": f"Bearer {WRONG_KEYS}"}):
            assert 200 == client.post(path, json={"prompt": "x"}, headers=headers).status_code
        assert 200 == client.get("/api/v3/balance", headers={"authorization": f"Bearer {KEY}"}).status_code
        with pytest.raises(OverCeiling) as over:
            client.post(path, json={"prompt": "x"}, headers={"authorization": f"Bearer {KEY}"})

    assert (
        "a submission to bytedance/seedream-v4 may cost $0.027, and the ceiling is $0.00: --spend 0.027 has room for it"
    ) == str(over.value)


def test_a_gateway_before_the_providers_paths_is_no_way_around_it(
    guarded: Callable[[Ceiling, httpx.MockTransport], httpx.Client],
) -> None:
    headers = {"authorization": f"Bearer {KEY}"}
    with guarded(Ceiling(0), httpx.MockTransport(lambda request: httpx.Response(200, json={}))) as client:
        for path in (
            "/gateway/api/v3/bytedance/seedream-v4",
            "/a//api/v3/bytedance/seedream-v4",
            "/api/v2/bytedance/x",
        ):
            with pytest.raises(OverCeiling):
                client.post(path, json={"prompt": "x"}, headers=headers)
        assert 200 == client.get("/gateway", headers=headers).status_code


def test_what_was_taken_although_it_was_wrong_is_the_last(
    guarded: Callable[[Ceiling, httpx.MockTransport], httpx.Client],
) -> None:
    ceiling = Ceiling(10**9)
    headers = {"authorization": f"Bearer {KEY}"}
    path = "/api/v3/bytedance/seedream-v4"
    with guarded(
        ceiling, httpx.MockTransport(lambda request: httpx.Response(200, json={"error_code": 404001}))
    ) as client:
        client.post(path, json={}, headers=headers)
    assert "" == ceiling.closed
    with guarded(ceiling, httpx.MockTransport(lambda request: httpx.Response(200, json={}))) as client:
        client.post(path, json={}, headers=headers)
        with pytest.raises(OverCeiling) as over:
            client.post(path, json={"prompt": "x"}, headers=headers)

    assert "nothing is submitted any more: a submission was taken that should have been refused" == str(over.value)


def test_a_model_that_nobody_knows_has_no_price() -> None:
    with pytest.raises(OverCeiling) as over:
        Ceiling(10**9).reserve(quoted_price("wavespeed", "bytedance/seedream-v9", {"prompt": "x"}), "a submission")

    assert "a submission has no price that anybody knows" == str(over.value)


def test_what_is_spoken_for_is_told() -> None:
    ceiling = Ceiling(50_000)
    ceiling.reserve(27_000, "one")
    with pytest.raises(OverCeiling) as over:
        ceiling.reserve(30_000, "another")

    assert (
        "another may cost $0.03, and the ceiling is $0.05, $0.027 of it is spoken for: --spend 0.057 has room for it"
    ) == str(over.value)


def test_only_a_plain_refusal_is_one() -> None:
    assert set(range(400, 500)) - {408, 409, 499} == {status for status in range(100, 600) if certainly_refused(status)}


@pytest.mark.parametrize(
    ("text", "amount"), [("0", 0), ("0.50", 500_000), ("$1", 1_000_000), (" 2.5 ", 2_500_000), ("0.0000019", 1)]
)
def test_dollars_are_read_as_people_write_them(text: str, amount: int) -> None:
    assert amount == microdollars(text)


@pytest.mark.parametrize("text", ["", "much", "-1", "nan", "inf", "1,50", "1e999999"])
def test_what_is_no_amount_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not an amount of dollars, as in 0\.50$"):
        microdollars(text)


@given(st.integers(0, 10**12))
def test_dollars_are_read_back_as_they_are_told(amount: int) -> None:
    assert amount == microdollars(dollars(amount))


def test_the_cheapest_job_is_one_small_image() -> None:
    [job] = jobs("wavespeed")
    cancelled, finished = jobs("runcomfy")

    assert "bytedance/seedream-v4 (size 1024*1024), to its end" == str(job)
    assert (27_000, True, False) == (job.price, cancelled.cancels, finished.cancels)
    assert str(cancelled).endswith("cancelled at once")


def test_models_can_be_named() -> None:
    found = jobs("wavespeed", ["bytedance/seedream-v5.5", "bytedance/seedream-v4.5"])

    assert ["bytedance/seedream-v4.5", "bytedance/seedream-v5.5"] == [job.model for job in found]
    with pytest.raises(Unable, match=r"^wavespeed has no model 'bytedance/seedream'; there are: bytedance/"):
        jobs("wavespeed", ["bytedance/seedream"])
    with pytest.raises(Unable, match=r"^bytedance/seedream-v4/edit needs more than a prompt, which a probe does not"):
        jobs("wavespeed", ["bytedance/seedream-v4/edit"])
