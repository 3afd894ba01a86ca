"""Fewer images than asked for, none at all, and some of them flagged: on both providers, by their response schemas."""

from __future__ import annotations

from typing import Any

import pytest
from live import Live, MakeLive
from talking import conforms

from understudy.mockserver.jobs import Phase
from understudy.mockserver.rules import ALL_IMAGES, JobEffect, Rule

DONE = 2_500
FLAGGED = "Content flagged as potentially sensitive. Please try different prompts or images."
REFUSED = "The request was refused because its content was flagged as sensitive."


def result(live: Live, provider: str, effect: JobEffect, images: int = 4) -> Any:
    """What a finished job of so many images tells, as a rule has it: the whole body."""
    live.add_rules(Rule("", job=effect, times=1))
    if provider == "wavespeed":
        url = live.submit_wavespeed(max_images=images)["urls"]["get"]
    else:
        url = live.submit_runcomfy(sequential_image_generation_options=images)["result_url"]
    live.advance(DONE)
    return live.client.get(url).raise_for_status().json()


def outputs(provider: str, body: Any) -> list[str]:
    found: list[str] = body["data"]["outputs"] if provider == "wavespeed" else body["output"]["images"]
    return found


@pytest.mark.parametrize("images", [1, 3, 6])
@pytest.mark.parametrize("provider", ["wavespeed", "runcomfy"])
def test_as_many_images_come_out_as_a_rule_says(live: Live, provider: str, images: int) -> None:
    body = result(live, provider, JobEffect(images=images))

    assert [] == conforms(body, provider, "result")
    urls = outputs(provider, body)
    assert (images, images) == (len(urls), len(set(urls)))
    assert [200] * images == [live.client.get(url).status_code for url in urls]
    if provider == "wavespeed":
        assert [False] * images == body["data"]["has_nsfw_contents"]


def test_no_image_comes_out_of_a_wavespeed_job_that_succeeds_which_no_document_allows(live: Live) -> None:
    body = result(live, "wavespeed", JobEffect(images=0))

    assert ("completed", [], [], "") == tuple(
        body["data"][name] for name in ("status", "outputs", "has_nsfw_contents", "error")
    )
    assert ["[] has less than 1 item"] * 2 == [
        text.partition("\n")[0] for text in conforms(body, "wavespeed", "result")
    ]


def test_no_image_comes_out_of_a_runcomfy_job_that_succeeds_which_no_document_allows(live: Live) -> None:
    body = result(live, "runcomfy", JobEffect(images=0))

    assert ("succeeded", {"images": []}) == (body["status"], body["output"])
    assert ["[] has less than 1 item"] == [text.partition("\n")[0] for text in conforms(body, "runcomfy", "result")]


@pytest.mark.parametrize("reading", ["array", "null", "absent"])
@pytest.mark.parametrize("nsfw", ["fails", "flags"])
def test_named_images_are_flagged_as_long_as_the_outputs_whatever_the_switches_say(
    make_live: MakeLive, reading: str, nsfw: str
) -> None:
    live = make_live(assume={"wavespeed.has_nsfw_contents": reading, "wavespeed.nsfw": nsfw})

    body = result(live, "wavespeed", JobEffect(flagged=frozenset({2, 4})))
    ordinary = result(live, "wavespeed", JobEffect(images=4))["data"]

    assert [] == conforms(body, "wavespeed", "result")
    assert ("completed", 4, [False, True, False, True]) == (
        body["data"]["status"],
        len(body["data"]["outputs"]),
        body["data"]["has_nsfw_contents"],
    )
    assert {"array": [False] * 4, "null": None}.get(reading) == ordinary.get("has_nsfw_contents")


def test_before_the_end_there_are_no_flags_of_a_job_that_will_have_some(live: Live) -> None:
    live.add_rules(Rule("", job=JobEffect(flagged=frozenset({1}))))
    job = live.submit_wavespeed(max_images=2)

    assert [] == job["has_nsfw_contents"] == live.client.get(job["urls"]["get"]).json()["data"]["has_nsfw_contents"]


@pytest.mark.parametrize("nsfw", ["fails", "flags"])
def test_a_job_that_is_flagged_as_a_whole_ends_as_the_switch_says(make_live: MakeLive, nsfw: str) -> None:
    live = make_live(assume={"wavespeed.nsfw": nsfw})

    body = result(live, "wavespeed", JobEffect(flagged=ALL_IMAGES))

    assert [] == conforms(body, "wavespeed", "result")
    data = body["data"]
    if nsfw == "flags":
        assert ("completed", [True] * 4) == (data["status"], data["has_nsfw_contents"])
    else:
        assert ("failed", 1200, FLAGGED, []) == (data["status"], data["code"], data["error"], data["outputs"])


def test_a_runcomfy_job_with_flagged_images_fails_and_the_journal_says_why(live: Live) -> None:
    body = result(live, "runcomfy", JobEffect(flagged=frozenset({2})))

    assert [] == conforms(body, "runcomfy", "result")
    assert ("failed", REFUSED) == (body["status"], body["error"])
    submitted = live.journal()[0]
    assert ("submit", ("this provider has no flags for single images, so the job fails",)) == (
        submitted.operation,
        submitted.notes,
    )


def test_flags_of_images_that_do_not_come_out_are_told_in_the_journal(live: Live) -> None:
    body = result(live, "wavespeed", JobEffect(images=2, flagged=frozenset({2, 5})))

    assert [False, True] == body["data"]["has_nsfw_contents"]
    assert ("flagged: there is no image 5, 2 come out",) == live.journal()[0].notes


def test_a_flag_that_chance_gave_goes_with_the_image_that_a_rule_leaves_out(make_live: MakeLive) -> None:
    live = make_live(nsfw_rate=1.0, assume={"wavespeed.nsfw": "flags"})
    before = result(live, "wavespeed", JobEffect())["data"]["has_nsfw_contents"]

    after = result(live, "wavespeed", JobEffect(images=0))

    jobs = live.server.call(live.store.account("key", "wavespeed")).jobs
    assert (True, [], frozenset()) == (any(before), after["data"]["has_nsfw_contents"], jobs[1].plan.flagged)


@pytest.mark.parametrize("provider", ["wavespeed", "runcomfy"])
@pytest.mark.parametrize("images", [0, 1, 6])
def test_the_price_is_that_of_what_was_asked_for(live: Live, provider: str, images: int) -> None:
    for effect in (JobEffect(), JobEffect(images=images)):
        result(live, provider, effect)

    ordinary, partial = live.server.call(live.store.account("key", provider)).jobs
    start = live.server.call(live.store.account("nobody", provider)).balance
    balance = live.server.call(live.store.account("key", provider)).balance
    assert (Phase.SUCCEEDED, ordinary.submission.price) == (partial.final, partial.submission.price)
    assert 2 * ordinary.submission.price == start - balance


def test_the_bill_has_a_partial_set_at_the_full_price_and_gives_back_that_of_a_flagged_job(live: Live) -> None:
    for effect in (JobEffect(), JobEffect(images=1), JobEffect(flagged=ALL_IMAGES)):
        result(live, "wavespeed", effect)

    items = live.client.post("/api/v3/billings/search", json={}).json()["data"]["items"]

    assert ["refund", "deduct", "deduct", "deduct"] == [item["billing_type"] for item in items]
    assert 1 == len({item["price"] for item in items})
