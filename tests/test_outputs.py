"""What rules make of output files: as exchanges of the job's owner, and as the pictures that come out of its job."""

from __future__ import annotations

import io
from base64 import b64decode
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from live import Live, MakeLive
from PIL import Image

from understudy.fixtures import read_image
from understudy.mockserver.durations import DurationRange
from understudy.mockserver.images import ImageSpec
from understudy.mockserver.jobs import Failure, Job, Phase
from understudy.mockserver.journal import Entry
from understudy.mockserver.rules import ALL_IMAGES, AnswerEffect, JobEffect, Rule, When
from understudy.mockserver.storage import Storage
from understudy.mockserver.wires import Wire

DONE = 2_500
OUTPUT = When(operation="output")


def finished(live: Live, provider: str = "wavespeed", effect: JobEffect | None = None, **inputs: Any) -> list[str]:
    """The URLs of the images of a job that has ended, as a rule has it."""
    if effect is not None:
        live.add_rules(Rule("", job=effect, times=1))
    if provider == "wavespeed":
        job = live.submit_wavespeed(**{"max_images": 3, "size": "1024*1024", **inputs})
        live.advance(DONE)
        outputs: list[str] = live.client.get(job["urls"]["get"]).json()["data"]["outputs"]
        return outputs
    asked = live.submit_runcomfy(**{"sequential_image_generation_options": 3, **inputs})
    live.advance(DONE)
    images: list[str] = live.client.get(asked["result_url"]).json()["output"]["images"]
    return images


def fetch(url: str, **headers: str) -> httpx.Response:
    return httpx.get(url, headers=headers, trust_env=False, timeout=10)


def picture(url: str) -> Image.Image:
    return Image.open(io.BytesIO(fetch(url).raise_for_status().content)).convert("RGB")


def fetched(live: Live, tenant: str = "key") -> list[Entry]:
    return [entry for entry in live.journal(tenant) if entry.operation == "output"]


def jobs(live: Live, provider: str = "wavespeed") -> list[Job]:
    return list(live.server.call(live.store.account("key", provider)).jobs)


@pytest.mark.parametrize("provider", ["wavespeed", "runcomfy"])
def test_a_fetch_is_in_the_journal_of_the_jobs_owner_without_the_picture(live: Live, provider: str) -> None:
    url = finished(live, provider)[1]

    answer = fetch(url)

    (entry,) = fetched(live)
    assert (provider, "GET", url.removeprefix(live.origin), 200) == (
        entry.provider,
        entry.method,
        entry.target,
        entry.status,
    )
    assert (jobs(live, provider)[0].id, Phase.SUCCEEDED, len(answer.content), b"") == (
        entry.job,
        entry.phase,
        entry.sent,
        entry.response,
    )


def test_the_parts_of_a_file_and_answers_without_one_are_exchanges_too(live: Live) -> None:
    url = finished(live)[0]
    tag = fetch(url).headers["etag"]

    answers = [
        fetch(url, Range="bytes=0-9"),
        fetch(url, **{"If-None-Match": tag}),
        fetch(url, Range="bytes=9999999-"),
    ]

    assert [206, 304, 416] == [answer.status_code for answer in answers]
    entries = fetched(live)
    assert [(200, b""), (206, b""), (304, b""), (416, b"")] == [(entry.status, entry.response) for entry in entries]


def test_a_file_that_no_job_has_is_nobodys(live: Live) -> None:
    url = finished(live)[0]
    wrong = url[:-6] + ("0" if url[-6] != "0" else "1") + url[-5:]
    live.add_rules(Rule("", OUTPUT, answer=AnswerEffect(status=500)))

    answers = [fetch(wrong), fetch(url.replace("u1_", "u2_"))]

    assert [(404, "Not found\n")] * 2 == [(answer.status_code, answer.text) for answer in answers]
    assert [] == fetched(live)


def test_a_file_before_its_job_has_ended_and_after_that_is_erased_is_not_there_and_its_owner_sees_who_asked(
    make_live: MakeLive,
) -> None:
    url = finished(make_live())[0].rpartition("/output/")[2]
    live = make_live()
    job = live.submit_wavespeed(max_images=3, size="1024*1024")

    early = fetch(f"{live.origin}/output/{url}")
    live.advance(DONE)
    there = fetch(f"{live.origin}/output/{url}")
    live.server.call(live.store.erase("key", [job["id"]]))
    late = fetch(f"{live.origin}/output/{url}")

    assert [404, 200, 404] == [early.status_code, there.status_code, late.status_code]
    expected = [
        (404, Phase.QUEUED, b"Not found\n"),
        (200, Phase.SUCCEEDED, b""),
        (404, Phase.SUCCEEDED, b"Not found\n"),
    ]
    assert expected == [(entry.status, entry.phase, entry.response) for entry in fetched(live)]


@pytest.mark.parametrize(
    ("effect", "status", "kind", "body"),
    [
        (AnswerEffect(status=403), 403, "text/plain; charset=utf-8", "Forbidden\n"),
        (AnswerEffect(status=404), 404, "text/plain; charset=utf-8", "Not found\n"),
        (AnswerEffect(status=403, text="Signed out."), 403, "text/plain; charset=utf-8", "Signed out.\n"),
        (AnswerEffect(status=599), 599, "text/plain; charset=utf-8", "Unknown error\n"),
        (
            AnswerEffect(status=503, html=True),
            503,
            "text/html",
            "<html>\r\n<head><title>503 Service Unavailable</title></head>\r\n<body>\r\n"
            "<center><h1>503 Service Unavailable</h1></center>\r\n</body>\r\n</html>\r\n",
        ),
    ],
)
def test_a_rule_refuses_a_file_in_plain_text_or_as_a_page(
    live: Live, effect: AnswerEffect, status: int, kind: str, body: str
) -> None:
    url = finished(live)[0]
    live.add_rules(Rule("closed", OUTPUT, answer=effect, times=1))

    answers = [fetch(url), fetch(url)]

    assert (status, kind, body) == (answers[0].status_code, answers[0].headers["content-type"], answers[0].text)
    assert 200 == answers[1].status_code
    assert [("closed",), ()] == [entry.rules for entry in fetched(live)]
    assert body.encode() == fetched(live)[0].response


def test_a_file_may_have_a_wrong_content_type_and_its_bytes_are_kept_out_of_the_journal_all_the_same(
    live: Live,
) -> None:
    url = finished(live)[0]
    right = fetch(url)
    live.add_rules(Rule("", OUTPUT, answer=AnswerEffect(content_type="text/html")))

    wrong = fetch(url)

    assert ("text/html", right.content) == (wrong.headers["content-type"], wrong.content)
    assert [b"", b""] == [entry.response for entry in fetched(live)]


def test_a_file_may_be_cut_and_may_come_in_drips(live: Live) -> None:
    url = finished(live)[0]
    whole = fetch(url).content
    live.add_rules(Rule("", OUTPUT, answer=AnswerEffect(wire=Wire("cut", 1_000)), times=1))

    with httpx.stream("GET", url, trust_env=False) as cut, pytest.raises(httpx.RemoteProtocolError):
        cut.read()
    live.add_rules(Rule("", OUTPUT, answer=AnswerEffect(wire=Wire("drip", len(whole) // 3, 1))))
    dripped = fetch(url)

    assert (str(len(whole)), whole) == (cut.headers["content-length"], dripped.content)
    assert [None, "cut", "drip"] == [entry.broken for entry in fetched(live)]


def test_a_slow_file_comes_on_the_owners_clock_and_not_at_all_if_it_has_expired_by_then(live: Live) -> None:
    url = finished(live, effect=JobEffect(expire=1_000))[0]
    live.add_rules(Rule("", OUTPUT, answer=AnswerEffect(delay=DurationRange(600, 600))))

    with ThreadPoolExecutor(max_workers=1) as pool:
        answers = []
        for _ in range(2):
            asked = pool.submit(fetch, url)
            while not live.server.call(live.store.ahead("key")):
                assert not asked.done(), "It was to wait."
            live.advance(600)
            answers.append(asked.result())

    assert [200, 404] == [answer.status_code for answer in answers]


def test_a_slow_file_whose_job_has_gone_meanwhile_is_not_there(live: Live) -> None:
    url = finished(live)[0]
    live.add_rules(Rule("", OUTPUT, answer=AnswerEffect(delay=DurationRange(600, 600))))

    with ThreadPoolExecutor(max_workers=1) as pool:
        asked = pool.submit(fetch, url)
        while not live.server.call(live.store.ahead("key")):
            assert not asked.done(), "It was to wait."
        live.server.call(live.store.reset("key"))
        live.advance(600)

        assert (404, "Not found\n") == (asked.result().status_code, asked.result().text)


@pytest.mark.parametrize("model", ["bytedance/*", "other/*"])
def test_a_rule_may_be_for_the_files_of_one_model(live: Live, model: str) -> None:
    url = finished(live)[0]
    live.add_rules(Rule("", When(operation="output", model=model), answer=AnswerEffect(status=403)))

    assert (403 if model == "bytedance/*" else 200) == fetch(url).status_code


def test_rules_are_those_of_the_owner_whoever_asks(live: Live) -> None:
    url = finished(live)[0]
    live.add_rules(Rule("", OUTPUT, answer=AnswerEffect(status=403)), tenant="other")

    with live.client_of("other") as client:
        assert 200 == client.get(url).status_code
    assert [] == fetched(live, "other")


@pytest.mark.parametrize("provider", ["wavespeed", "runcomfy"])
def test_a_missing_image_is_listed_and_leads_nowhere_and_the_journal_says_why(live: Live, provider: str) -> None:
    urls = finished(live, provider, JobEffect(missing=frozenset({2})))

    answers = [fetch(url) for url in urls]

    assert [200, 404, 200] == [answer.status_code for answer in answers]
    assert ("Not found\n", ("image 2 of 3 is missing",)) == (answers[1].text, fetched(live)[1].notes)


@pytest.mark.parametrize("provider", ["wavespeed", "runcomfy"])
def test_outputs_expire_on_the_owners_clock_counted_from_the_end(live: Live, provider: str) -> None:
    url = finished(live, provider, JobEffect(expire=60_000))[0]

    live.advance(59_999)
    there = fetch(url)
    live.advance(1)
    gone = fetch(url, **{"If-None-Match": there.headers["etag"]})

    assert [200, 404] == [there.status_code, gone.status_code]
    assert [(), ("the outputs expired 1m after the job's end",)] == [entry.notes for entry in fetched(live)]


def test_outputs_that_expire_at_once_were_never_there_to_be_fetched(live: Live) -> None:
    assert 404 == fetch(finished(live, effect=JobEffect(expire=0))[0]).status_code


@pytest.mark.parametrize("provider", ["wavespeed", "runcomfy"])
def test_a_black_image_is_black_all_over_and_the_others_are_not(live: Live, provider: str) -> None:
    urls = finished(live, provider, JobEffect(black=frozenset({2})))

    colours = [picture(url).getextrema() for url in urls]

    assert ((0, 0), (0, 0), (0, 0)) == colours[1]
    assert colours[1] not in (colours[0], colours[2])
    assert picture(urls[0]).size == picture(urls[1]).size


@pytest.mark.parametrize("provider", ["wavespeed", "runcomfy"])
def test_a_resized_image_is_half_as_wide_and_high_and_otherwise_whole(live: Live, provider: str) -> None:
    urls = finished(live, provider, JobEffect(resized=frozenset({3})))

    whole, half = picture(urls[0]).size, picture(urls[2]).size

    assert (whole[0] // 2, whole[1] // 2) == half
    mark = read_image(fetch(urls[2]).content)
    assert (3, 3, *half) == (mark.index, mark.count, mark.width, mark.height)


def test_an_image_of_one_pixel_is_no_smaller_when_it_is_resized(make_live: MakeLive) -> None:
    drawn: list[ImageSpec] = []

    def draw(spec: ImageSpec) -> bytes:
        drawn.append(spec)
        return b"picture"

    live = make_live(draw=draw, any_model=True)
    live.add_rules(Rule("", job=JobEffect(resized=ALL_IMAGES)))
    job = live.client.post("/api/v3/any/model", json={"prompt": "x", "size": "1*1"}).json()["data"]
    live.advance(DONE)
    (url,) = live.client.get(job["urls"]["get"]).json()["data"]["outputs"]

    assert 200 == fetch(url).status_code
    assert (1, 1) == (drawn[0].width, drawn[0].height)


def test_pictures_that_differ_have_different_tags(make_live: MakeLive) -> None:
    effects = (JobEffect(), JobEffect(black=ALL_IMAGES), JobEffect(resized=ALL_IMAGES))
    tags, files = set(), set()
    for effect in effects:  # the same job on each server
        answer = fetch(finished(make_live(), effect=effect)[0])
        tags.add(answer.headers["etag"])
        files.add(answer.content)

    assert (3, 3) == (len(tags), len(files))


def test_images_inside_an_answer_are_those_of_the_files(make_live: MakeLive) -> None:
    effect = JobEffect(black=frozenset({1}), resized=frozenset({2}))
    files = [fetch(url).content for url in finished(make_live(), effect=effect)]

    inside = finished(make_live(), effect=effect, enable_base64_output=True)

    assert files == [b64decode(text, validate=True) for text in inside]


def test_inside_an_answer_a_missing_image_is_left_out_and_the_flags_stay_with_their_images(make_live: MakeLive) -> None:
    effect = JobEffect(missing=frozenset({2}), flagged=frozenset({3}))
    files = [fetch(url) for url in finished(make_live(), effect=effect)]
    live = make_live()

    inside = finished(live, effect=effect, enable_base64_output=True)

    assert [200, 404, 200] == [file.status_code for file in files]
    assert [files[0].content, files[2].content] == [b64decode(text, validate=True) for text in inside]
    (job,) = jobs(live)
    shown = live.client.get(f"/api/v3/predictions/{job.id}").json()["data"]
    listed = live.client.post("/api/v3/predictions", json={}).json()["data"]["items"][0]
    assert [False, True] == shown["has_nsfw_contents"] == listed["has_nsfw_contents"]
    assert 2 == len(listed["outputs"])


def test_a_failed_job_has_no_files(live: Live) -> None:
    live.add_rules(Rule("", job=JobEffect(fail=Failure())))
    job = live.submit_wavespeed()
    live.advance(DONE)

    assert [] == live.client.get(job["urls"]["get"]).json()["data"]["outputs"]


def test_storage_speaks_of_any_text_that_a_rule_may_have() -> None:
    assert "nö\n".encode() == Storage("wavespeed").fail(400, "nö").body
