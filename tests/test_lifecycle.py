"""Both dialects over a real socket: whatever the inputs and the moments of polling, the story a client sees is one."""

from __future__ import annotations

import io
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from live import IMAGE, RUNCOMFY, WAVESPEED, Live, MakeLive
from PIL import Image

from understudy.contracts import catalogue
from understudy.mockserver.app import create_app
from understudy.mockserver.clock import Clock
from understudy.mockserver.durations import DurationRange
from understudy.mockserver.jobs import Phase
from understudy.mockserver.memory_store import MemoryStore
from understudy.mockserver.server import running
from understudy.mockserver.settings import Settings

ORDER = {"created": 0, "processing": 1, "completed": 2, "failed": 2, "in_queue": 0, "in_progress": 1, "succeeded": 2}
FINAL = {"completed", "failed", "cancelled", "succeeded"}
SIZES = catalogue.models("runcomfy")["bytedance/seedream-4-0/edit-sequential"].input_schema["properties"]["image_size"]

FLAGGING = {"nsfw_rate": 0.5, "assume": {"wavespeed.nsfw": "flags"}}

# Moments lie near the marks of a job that is queued for 500 ms and runs for 2000 ms.
pauses = st.lists(st.sampled_from([0, 1, 499, 500, 501, 1999, 2000, 2001]), min_size=1, max_size=6)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
images = st.lists(st.sampled_from([IMAGE, "http://example.com/a b.jpg", "not even a URL", ""]), min_size=1, max_size=10)
several = settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])


@st.composite
def wavespeed_inputs(draw: st.DrawFn) -> dict[str, Any]:
    """Any input that the page of edit-sequential allows, unknown keys included; sides are small for speed."""
    width, height = draw(st.integers(1024, 1100)), draw(st.integers(1024, 1100))
    optional = {
        "images": images,
        "size": st.just(f"{width}*{height}"),
        "max_images": st.integers(1, 15),
        "enable_base64_output": st.just(False),
        "enable_sync_mode": st.just(False),
        "seed": st.integers(),
    }
    return draw(st.fixed_dictionaries({"prompt": texts, "size": optional.pop("size")}, optional=optional))


runcomfy_inputs = st.fixed_dictionaries(
    {"text": texts, "images": images},
    optional={
        "image_size": st.sampled_from(SIZES["enum"]),
        "seed": st.integers(-(2**53), 2**53),
        "sequential_image_generation_options": st.integers(1, 15),
        "optimize_prompt_options": st.sampled_from(["fast", "standard"]),
    },
)


@pytest.fixture(
    params=[{}, {"failure_rate": 0.5}, {"nsfw_rate": 0.5}, FLAGGING], ids=["good", "failing", "nsfw", "flags"]
)
def either(request: pytest.FixtureRequest, make_live: MakeLive) -> Live:
    """A server where all jobs succeed, or half of them fail, or half are flagged, in either form."""
    return make_live(**request.param)


@several
@given(wavespeed_inputs(), pauses)
def test_a_wavespeed_client_sees_one_story(either: Live, inputs: dict[str, Any], moments: list[int]) -> None:
    answer = either.client.post(WAVESPEED, json=inputs)
    first = answer.raise_for_status().json()["data"]
    count = inputs.get("max_images", 1)
    seen = [first]
    for pause in [0, *moments, 5000]:
        either.advance(pause)
        answers = [either.client.get(first["urls"]["get"]), either.client.get(f"/api/v3/predictions/{first['id']}")]
        assert answers[0].json() == answers[1].json()
        seen.append(answers[0].json()["data"])

    assert sorted(ORDER[one["status"]] for one in seen) == [ORDER[one["status"]] for one in seen]
    for one in seen:
        assert (count if one["status"] == "completed" else 0) == len(one["outputs"])
        assert len(one["has_nsfw_contents"]) == len(one["outputs"])
        assert (one["status"] == "failed") == bool(one["error"])
    last = seen[-1]
    assert last["status"] in FINAL
    if last["outputs"]:
        check_image(last["outputs"][-1], "JPEG", tuple(map(int, inputs["size"].split("*"))))


@several
@given(runcomfy_inputs, pauses)
def test_a_runcomfy_client_sees_one_story(either: Live, inputs: dict[str, Any], moments: list[int]) -> None:
    job = either.client.post(RUNCOMFY, json=inputs).raise_for_status().json()
    count = inputs.get("sequential_image_generation_options", 3)
    size = inputs.get("image_size", "2560:1440 (16:9)")
    seen: list[tuple[dict[str, Any], dict[str, Any]]] = []
    for pause in [0, *moments, 5000]:
        either.advance(pause)
        status, result = (either.client.get(job[name]).json() for name in ("status_url", "result_url"))
        seen.append((status, result))

    words = [status["status"] for status, _ in seen]
    assert sorted(words, key=ORDER.__getitem__) == words
    for status, result in seen:
        assert status["status"] == {"succeeded": "completed", "failed": "completed"}.get(
            result["status"], result["status"]
        )
        assert ("queue_position" in status) == (status["status"] == "in_queue")
        assert ("output" in result) == (result["status"] == "succeeded")
        assert ("error" in result) == (result["status"] == "failed")
    last = seen[-1][1]
    assert last["status"] in FINAL
    if "output" in last:
        assert count == len(last["output"]["images"])
        check_image(last["output"]["images"][-1], "JPEG", tuple(int(side) for side in size.split(" ")[0].split(":")))


def check_image(url: str, kind: str, size: tuple[int, ...]) -> None:
    """Fetched without a key, as the providers' own files are."""
    with Image.open(io.BytesIO(httpx.get(url, trust_env=False).raise_for_status().content)) as image:
        image.load()
        assert (kind, size) == (image.format, image.size)


@given(st.integers(0, 2600))
@several
def test_a_runcomfy_job_can_be_cancelled_while_it_is_queued_and_goes_on_otherwise(live: Live, moment: int) -> None:
    job = live.submit_runcomfy()
    live.advance(moment)
    before = live.client.get(job["status_url"]).json()["status"]

    answer = live.client.post(job["cancel_url"], headers={"Content-Type": "application/json"})

    after = live.client.get(job["status_url"]).json()["status"]
    assert answer.status_code == 202
    if before == "in_queue":
        assert {"request_id": job["request_id"], "status": "cancelled", "outcome": "cancelled"} == answer.json()
        assert after == "cancelled"
    else:
        assert {"request_id": job["request_id"], "status": before, "outcome": "not_cancellable"} == answer.json()
        assert before == after
    live.advance(5000)
    assert ("cancelled" if before == "in_queue" else "succeeded") == live.client.get(job["result_url"]).json()["status"]


def test_wavespeed_has_no_cancel_unless_it_is_assumed(make_live: MakeLive) -> None:
    real, assumed = make_live(), make_live(assume={"wavespeed.cancel": "on"})
    for live in (real, assumed):
        job_id = live.submit_wavespeed()["id"]
        answer = live.client.post(f"/api/v3/predictions/{job_id}/cancel")
        status = live.client.get(f"/api/v3/predictions/{job_id}/result").json()["data"]["status"]
        assert (200, "cancelled") == (answer.status_code, status) if live is assumed else (404, "created")


@pytest.mark.parametrize(("phase", "word"), [(Phase.CANCELLED, "cancelled"), (Phase.TIMED_OUT, "timeout")])
def test_what_the_provider_itself_ends_is_seen_at_once(live: Live, phase: Phase, word: str) -> None:
    job_id = live.submit_wavespeed()["id"]
    live.client.get(f"/api/v3/predictions/{job_id}/result")
    live.interrupt(job_id, phase)

    assert word == live.client.get(f"/api/v3/predictions/{job_id}/result").json()["data"]["status"]


def test_the_same_seed_and_submissions_give_the_same_outcomes(make_live: MakeLive) -> None:
    stories = []
    for _ in range(2):
        live = make_live(failure_rate=0.5, queue_time=DurationRange(0, 900))
        live_stories = []
        for _ in range(8):
            job = live.submit_wavespeed()
            live.advance(5000)
            data = live.client.get(job["urls"]["get"]).json()["data"]
            live_stories.append((data["id"], data["status"], data["created_at"], data["timings"]))
        stories.append(live_stories)

    assert stories[0] == stories[1]
    assert {"completed", "failed"} == {story[1] for story in stories[0]}


def test_every_url_points_back_at_the_origin_that_the_client_used(live: Live) -> None:
    headers = {"Host": "fake.example:99"}
    job = live.client.post(
        "/v1/models/bytedance/seedream-4-0/edit-sequential", json={"text": "x", "images": [IMAGE]}, headers=headers
    ).json()
    live.advance(5000)
    path = f"/v1/requests/{job['request_id']}/result"
    answers = [live.client.get(path, headers={"Host": host}).json() for host in ("fake.example:99", "other.example")]

    assert all(job[name].startswith("http://fake.example:99/v1/") for name in job if name.endswith("_url"))
    assert answers[0]["output"]["images"][0].startswith("http://fake.example:99/")
    assert answers[1]["output"]["images"][0].startswith("http://other.example/")


def test_a_job_of_one_provider_is_unknown_to_the_other(live: Live) -> None:
    job_id = live.submit_wavespeed()["id"]

    assert 404 == live.client.get(f"/v1/requests/{job_id}/status").status_code


def test_two_equal_submits_are_two_jobs(live: Live) -> None:
    assert live.submit_wavespeed()["id"] != live.submit_wavespeed()["id"]


def test_clients_may_send_headers_and_keys_that_mean_nothing(live: Live) -> None:
    headers = {"X-Client-Name": "x", "X-Client-Version": "1", "X-Client-OS": "linux"}
    body = {"prompt": "x", "model": "y", "seed": 1, "anything": {"at": "all"}}
    answer = live.client.post("/api/v3/bytedance/seedream-v4/edit-sequential", json=body, headers=headers)

    assert answer.status_code == 200


def test_a_runcomfy_job_that_the_provider_gives_up_is_completed_and_failed(live: Live) -> None:
    job = live.submit_runcomfy()
    live.interrupt(job["request_id"], Phase.TIMED_OUT)
    status, result = (live.client.get(job[name]).json() for name in ("status_url", "result_url"))

    assert ("completed", "failed", "The model run timed out.") == (status["status"], result["status"], result["error"])


def test_a_job_that_is_gone_by_the_time_it_is_cancelled_is_unknown(make_live: MakeLive) -> None:
    class Forgetful(MemoryStore):
        async def interrupt(self, *arguments: Any, **named: Any) -> None:
            """As though another worker had made room just now."""

    store = Forgetful(Clock.manual())
    with running(create_app(Settings(seed=1), store)) as origin:
        headers = {"Authorization": "Bearer key"}
        with httpx.Client(base_url=origin, headers=headers, trust_env=False) as client:
            url = "/v1/models/bytedance/seedream-4-0/edit-sequential"
            job = client.post(url, json={"text": "x", "images": [IMAGE]}).json()

            assert 404 == client.post(job["cancel_url"]).status_code


@pytest.mark.parametrize("value", ["off", "on"])
def test_the_number_in_the_prompt_counts_where_it_is_assumed_to(make_live: MakeLive, value: str) -> None:
    live = make_live(assume={"seedream.prompt_count": value})
    job = live.submit_wavespeed(prompt="Generate a series of 2 images (Panels 1-2) of a shoe", max_images=4)
    live.advance(5000)

    assert {"off": 4, "on": 2}[value] == len(live.client.get(job["urls"]["get"]).json()["data"]["outputs"])


@pytest.mark.parametrize("value", ["off", "on"])
def test_reference_images_count_against_the_maximum_where_they_are_assumed_to(make_live: MakeLive, value: str) -> None:
    live = make_live(assume={"seedream.reference_count": value})
    job = live.submit_wavespeed(images=[IMAGE] * 10, max_images=15)
    live.advance(5000)

    assert {"off": 15, "on": 5}[value] == len(live.client.get(job["urls"]["get"]).json()["data"]["outputs"])


@pytest.mark.parametrize("value", ["off", "on"])
def test_careful_prompt_optimisation_takes_longer_where_it_is_assumed_to(make_live: MakeLive, value: str) -> None:
    live = make_live(assume={"seedream.optimize_prompt": value})
    jobs = [live.submit_runcomfy(optimize_prompt_options=option) for option in ("fast", "standard")]
    live.advance(2500)
    words = [live.client.get(job["status_url"]).json()["status"] for job in jobs]

    assert ["completed", {"off": "completed", "on": "in_progress"}[value]] == words


def test_a_price_is_that_of_the_images_asked_for_though_fewer_come_out(make_live: MakeLive) -> None:
    live = make_live(assume={"seedream.prompt_count": "on"}, balance=1_000_000)
    live.submit_wavespeed(prompt="2 images", max_images=4)

    assert 1_000_000 - 4 * 27_000 == live.server.call(live.store.account("key", "wavespeed")).balance
