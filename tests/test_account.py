"""Balances, billings, usage and costs: all of them read off the same jobs."""

import itertools
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from talking import KEYS, QUEUE, RUN, RUNCOMFY, WAVESPEED, Talk, conforms, exact, shoe, talking

from understudy.mockserver.clock import MANUAL_START

PRICES = {"wavespeed": Decimal("0.027"), "runcomfy": Decimal("0.03")}


@pytest.fixture(scope="module")
def talk() -> Iterator[Talk]:
    with talking(failure_rate=0.4, balance=25_000_000, capacity=1, assume={"wavespeed.cancel": "on"}) as talk:
        yield talk


def spent(talk: Talk, key: str) -> dict[str, Decimal]:
    """What every way to ask says was spent."""
    billed = [
        (item["billing_type"], exact(item["price"]))
        for page in itertools.takewhile(
            lambda page: page["items"],
            (talk.data("/billings/search", {"page": number, "page_size": 3}, key=key) for number in itertools.count(1)),
        )
        for item in page["items"]
    ]
    usage = talk.data("/user/usage_stats", {}, key=key)
    wavespeed = talk.get("/api/v3/balance", key=key)["data"]["balance"]
    runcomfy = talk.get("/prod/v2/balance", key=key)
    assert exact(runcomfy["balance_usd"]) * 10**6 == runcomfy["balance_microdollars"]
    return {
        "balance": 25 - exact(wavespeed),
        "billings": sum((price if kind == "deduct" else -price for kind, price in billed), Decimal(0)),
        "usage": exact(usage["summary"]["total_cost"]),
        "models": sum((exact(one["total_cost"]) for one in usage["per_model_usage"]), Decimal(0)),
        "days": sum((exact(one["amount"]) for one in usage["daily_usage"]), Decimal(0)),
        "runcomfy": 25 - exact(runcomfy["balance_usd"]),
    }


STEPS = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["wavespeed", "runcomfy"]), st.integers(1, 15)),
        st.tuples(st.just("advance"), st.sampled_from([1, QUEUE - 1, QUEUE, RUN - 1, RUN, QUEUE + RUN, 86_400_000])),
        st.tuples(st.just("cancel"), st.integers(0, 20)),
    ),
    max_size=12,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_balance_billings_usage_prices_and_costs_agree_at_any_instant(talk: Talk, steps: list[tuple[str, int]]) -> None:
    key = next(KEYS)
    jobs: dict[str, tuple[str, int]] = {}
    for step, number in steps:
        if step == "advance":
            talk.advance(number, key=key)
        elif step == "wavespeed":
            asked = {"model_id": WAVESPEED, "inputs": {"prompt": "A shoe", "max_images": number}}
            assert PRICES[step] * number == exact(talk.data("/model/price", asked, key=key)["price"])
            jobs[talk.submit(number, key=key)] = (step, number)
        elif step == "runcomfy":
            jobs[talk.request(number, key=key)] = (step, number)
        elif jobs:
            job_id = list(jobs)[number % len(jobs)]
            kind = {"wavespeed": "/api/v3/predictions", "runcomfy": "/v1/requests"}[jobs[job_id][0]]
            assert talk.call("POST", f"{kind}/{job_id}/cancel", key=key).is_success
        expected = {"wavespeed": Decimal(0), "runcomfy": Decimal(0)}
        costs = Decimal(0)
        for job_id, (provider, images) in jobs.items():
            if provider == "wavespeed":
                status = talk.status(job_id, key=key)
            else:
                result = talk.get(f"/v1/requests/{job_id}/result?include_cost=true", key=key)
                assert [] == conforms(result, "runcomfy", "result")
                status, costs = result["status"], costs + exact(result["cost"])
            if status not in ("failed", "cancelled"):
                expected[provider] += PRICES[provider] * images
        wavespeed = dict.fromkeys(("balance", "billings", "usage", "models", "days"), expected["wavespeed"])
        assert {**wavespeed, "runcomfy": expected["runcomfy"]} == spent(talk, key)
        assert expected["runcomfy"] == costs


def test_a_failed_job_is_charged_until_the_millisecond_it_fails() -> None:
    with talking(failure_rate=1.0) as talk:
        talk.submit(2)
        talk.advance(QUEUE + RUN - 1)
        before = talk.get("/api/v3/balance")["data"]["balance"]
        talk.advance(1)
        assert (999_999.946, 1_000_000) == (before, talk.get("/api/v3/balance")["data"]["balance"])


def test_a_million_dollars_are_there_unless_the_setting_says_otherwise(talk: Talk, key: str) -> None:
    with talking() as rich:
        assert 1_000_000 == rich.get("/api/v3/balance")["data"]["balance"]
    assert {"code": 200, "message": "success", "data": {"balance": 25.0}} == talk.get("/api/v3/balance", key=key)


def test_both_balances_answer_as_recorded(talk: Talk) -> None:
    assert [] == talk.replay("wavespeed", "balance")
    assert [] == talk.replay("wavespeed", "balance-no_key")
    assert [] == talk.replay("runcomfy", "balance")
    assert [] == conforms(talk.get("/api/v3/balance"), "wavespeed", "balance")
    assert [] == conforms(talk.get("/prod/v2/balance"), "runcomfy", "balance")


def test_the_balance_may_be_spent_to_the_last_microdollar_and_no_further() -> None:
    with talking(balance=54_000) as talk:
        talk.submit(2)
        assert 0 == talk.get("/api/v3/balance")["data"]["balance"]
    with talking(balance=53_999) as talk:
        answer = talk.call("POST", f"/api/v3/{WAVESPEED}", {"prompt": "A shoe", "max_images": 2})
        assert {"code": 400, "message": "Insufficient credits. Please top up."} == answer.json()
        assert 400 == answer.status_code
        assert [] == talk.data("/predictions", {})["items"]


@pytest.mark.parametrize("sample", ["", "-402", "-403", "-long"])
def test_every_form_of_insufficient_credits_is_as_recorded(sample: str) -> None:
    assume = {"-402": {"wavespeed.insufficient_credits": "402"}, "-403": {"wavespeed.insufficient_credits": "403"}}
    assume["-long"] = {"wavespeed.credits_text": "long"}
    with talking(balance=0, assume=assume.get(sample, {})) as talk:
        assert [] == talk.replay("wavespeed", f"submit-insufficient_credits{sample}")


@pytest.mark.parametrize("sample", ["", "-402"])
def test_both_forms_of_an_insufficient_balance_are_as_recorded(sample: str) -> None:
    assume = {"runcomfy.insufficient_balance": "402"} if sample else {}
    with talking(balance=0, assume=assume) as talk:
        assert [] == talk.replay("runcomfy", f"submit-insufficient_balance{sample}")


def test_a_refund_can_be_spent_again() -> None:
    with talking(balance=30_000, queue=500) as talk:
        first = talk.request()
        assert 400 == talk.call("POST", f"/v1/models/{RUNCOMFY}", shoe()).status_code
        talk.call("POST", f"/v1/requests/{first}/cancel")
        assert talk.request() != first


def test_billings_answer_as_recorded() -> None:
    with talking() as talk:
        talk.submit(2)
        talk.advance(QUEUE + RUN)
        body = talk.post("/api/v3/billings/search", {"page": 1, "page_size": 100})
        assert [] == talk.differs("wavespeed", "billings_search", body)
        assert [] == conforms(body, "wavespeed", "billings-search")


def test_billings_come_newest_first_page_by_page(talk: Talk, key: str) -> None:
    jobs = []
    for _ in range(5):
        jobs.append(talk.submit(key=key))
        talk.advance(1, key=key)
    pages = [talk.data("/billings/search", {"page": page, "page_size": 2}, key=key) for page in (1, 2, 3, 4)]
    assert [True, True, False, False] == [page["has_more"] for page in pages]
    shown = [item["prediction"]["uuid"] for page in pages for item in page["items"]]
    assert jobs[::-1] == shown


def billed(talk: Talk, key: str, **asked: Any) -> list[str]:
    return [item["prediction"]["uuid"] for item in talk.data("/billings/search", asked, key=key)["items"]]


def test_billings_are_found_by_every_filter(talk: Talk, key: str) -> None:
    first = talk.submit(key=key)
    talk.advance(60_000, key=key)
    other = "bytedance/seedream-v4"
    second = talk.data(f"/{other}", {"prompt": "A shoe"}, key=key)["id"]
    access = talk.data("/billings/search", {}, key=key)["items"][0]["access_key_uuid"]
    assert [second, first] == billed(talk, key, billing_type="deduct")
    assert [second] == billed(talk, key, model_uuid=other)
    assert [first] == billed(talk, key, prediction_uuids=[first], billing_type="deduct")
    assert [] == billed(talk, key, access_key_uuid="another")
    assert [second, first] == billed(talk, key, access_key_uuid=access, billing_type="deduct")
    assert [second] == billed(talk, key, start_time="2026-01-01T00:01:00Z", billing_type="deduct")
    assert [first] == billed(talk, key, end_time="2026-01-01T00:00:59.999Z", billing_type="deduct")
    assert set() == {first, second} & set(billed(talk, key, billing_type="topup"))


def test_a_refund_is_billed_beside_its_charge() -> None:
    with talking(failure_rate=1.0) as talk:
        job = talk.submit(3)
        talk.advance(QUEUE + RUN)
        body = talk.post("/api/v3/billings/search", {})
        assert [] == conforms(body, "wavespeed", "billings-search")
        items = body["data"]["items"]
        assert [("refund", 0.081), ("deduct", 0.081)] == [(item["billing_type"], item["price"]) for item in items]
        assert {"uuid": job, "model_uuid": WAVESPEED, "status": "failed"} == items[0]["prediction"]
        assert 2 == len({item["uuid"] for item in items})


@pytest.mark.parametrize("body", [{"page": 1}, {"page_size": 1}, {"page_size": 100}, {"end_time": "2026-01-01"}])
def test_billings_take_what_is_within_bounds(talk: Talk, body: object) -> None:
    assert 200 == talk.call("POST", "/api/v3/billings/search", body).status_code


@pytest.mark.parametrize(
    "body", [{"page": 0}, {"page_size": 0}, {"page_size": 101}, {"start_time": "yesterday"}, {"model_uuid": 1}]
)
def test_billings_refuse_what_is_out_of_bounds(talk: Talk, body: object) -> None:
    assert 400 == talk.call("POST", "/api/v3/billings/search", body).status_code


def test_usage_answers_as_recorded() -> None:
    with talking() as talk:
        talk.submit(2)
        talk.advance(QUEUE + RUN)
        body = talk.post("/api/v3/user/usage_stats", {"start_time": "2026-01-01T00:00:00Z"})
        assert [] == talk.differs("wavespeed", "usage_stats", body)
        assert [] == conforms(body, "wavespeed", "usage-stats")


@pytest.mark.parametrize(("start", "end"), [("start_time", "end_time"), ("start_date", "end_date")])
def test_usage_takes_the_names_of_either_client(start: str, end: str) -> None:
    with talking() as talk:
        talk.submit()
        talk.advance(86_400_000)
        talk.submit(2)
        talk.data("/bytedance/seedream-v4", {"prompt": "A shoe"})
        both = talk.data("/user/usage_stats", {start: "2026-01-01", end: "2026-01-02"})
        assert [("2026-01-01", 0.027, 1), ("2026-01-02", 0.081, 2)] == [
            (day["date"], day["amount"], day["count"]) for day in both["daily_usage"]
        ]
        assert ["2026-01-01"] == [
            day["date"] for day in talk.data("/user/usage_stats", {end: "2026-01-01"})["daily_usage"]
        ]
        last = talk.data("/user/usage_stats", {start: "2026-01-02", "model_uuid": WAVESPEED})
        assert {"total_cost": 0.054, "total_requests": 1, "success_requests": 0} == last["summary"]
        assert [] == talk.data("/user/usage_stats", {"per_model_usage": False})["per_model_usage"]


def test_usage_knows_models_that_only_any_model_accepts() -> None:
    with talking(any_model=True) as talk:
        talk.data("/acme/dream", {})
        body = talk.post("/api/v3/user/usage_stats", {})
        assert [] == conforms(body, "wavespeed", "usage-stats")
        assert [("acme/dream", 0)] == [
            (one["model_uuid"], one["total_cost"]) for one in body["data"]["per_model_usage"]
        ]


def test_the_cost_stands_at_the_end_of_a_result_that_asks_for_it() -> None:
    with talking() as talk:
        job = talk.request(2)
        assert "cost" not in talk.get(f"/v1/requests/{job}/result")
        assert "cost" not in talk.get(f"/v1/requests/{job}/result?include_cost=false")
        assert 0.06 == talk.get(f"/v1/requests/{job}/result?include_cost=true")["cost"]
        talk.advance(QUEUE + RUN)
        assert [] == talk.differs(
            "runcomfy", "result-succeeded-cost", talk.get(f"/v1/requests/{job}/result?include_cost=true")
        )


def test_tenants_do_not_see_each_others_money(talk: Talk) -> None:
    mine, other = next(KEYS), next(KEYS)
    talk.submit(key=mine)
    assert 25 == talk.get("/api/v3/balance", key=other)["data"]["balance"]
    assert [] == billed(talk, other)
    assert MANUAL_START == talk.now(key=other)
