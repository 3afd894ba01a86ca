"""The list of predictions, and their deletion."""

from typing import Any

import httpx
import pytest
from talking import KEYS, QUEUE, RUN, WAVESPEED, Talk, conforms, talking

DAY = 86_400_000


def listed(talk: Talk, key: str, **asked: Any) -> list[str]:
    return [item["id"] for item in talk.data("/predictions", asked, key=key)["items"]]


@pytest.mark.parametrize(("reading", "sample"), [("absent", "predictions_list"), ("present", "predictions_list-total")])
def test_the_list_is_as_recorded_with_a_total_and_without(reading: str, sample: str) -> None:
    assume = {"wavespeed.list_total": reading}
    with talking(assume=assume) as talk:
        talk.submit(2)
        talk.advance(QUEUE + RUN)
        body = talk.post("/api/v3/predictions", {"page": 1, "page_size": 100})
        assert [] == talk.differs("wavespeed", sample, body)
        assert [] == conforms(body, "wavespeed", "predictions-list", assume)


def test_an_item_is_what_a_poll_of_it_answers(talk: Talk, key: str) -> None:
    job = talk.submit(2, key=key)
    for step in (0, QUEUE, RUN):
        talk.advance(step, key=key)
        (item,) = talk.data("/predictions", {}, key=key)["items"]
        assert talk.get(f"/api/v3/predictions/{job}/result", key=key)["data"] == item


def test_predictions_come_newest_first_page_by_page(talk: Talk, key: str) -> None:
    jobs = [talk.submit(key=key) for _ in range(5)]
    pages = [talk.data("/predictions", {"page": page, "page_size": 2}, key=key) for page in (1, 2, 3, 4)]
    assert [1, 2, 3, 4] == [page["page"] for page in pages]
    assert [jobs[4:2:-1], jobs[2:0:-1], jobs[:1], []] == [[item["id"] for item in page["items"]] for page in pages]


def test_a_page_has_a_hundred_items_unless_another_number_is_asked_for(talk: Talk, key: str) -> None:
    jobs = [talk.submit(key=key) for _ in range(101)]
    assert jobs[:0:-1] == listed(talk, key)
    assert jobs[:0:-1] == listed(talk, key, page_size=100)


@pytest.mark.parametrize("body", [{"page": 1}, {"page_size": 1}, {"page_size": 100}, {"status": "timeout"}])
def test_what_is_within_bounds_is_answered(talk: Talk, body: object) -> None:
    assert 200 == talk.call("POST", "/api/v3/predictions", body).status_code


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({"page": 0}, 'field "page" must be at least 1, got integer 0; please use a value in the allowed range'),
        (
            {"page_size": 0},
            'field "page_size" must be at least 1, got integer 0; please use a value in the allowed range',
        ),
        (
            {"page_size": 101},
            'field "page_size" must be at most 100, got integer 101; please use a value in the allowed range',
        ),
        (
            {"status": "queued"},
            'field "status" must be one of ["created", "processing", "completed", "failed", "cancelled", "timeout", '
            '"deleted"], got string "queued"; please use one of the allowed values',
        ),
        (
            {"created_after": "yesterday"},
            'field "created_after" must be a time in ISO 8601, got string "yesterday"; please use the expected format',
        ),
    ],
)
def test_what_is_out_of_bounds_is_refused(talk: Talk, body: object, text: str) -> None:
    answer = talk.call("POST", "/api/v3/predictions", body)
    assert (400, {"code": 400, "message": text}) == (answer.status_code, answer.json())


def test_predictions_are_found_by_model_status_and_time(talk: Talk, key: str) -> None:
    first = talk.submit(key=key)
    talk.advance(QUEUE + RUN, key=key)
    second = talk.data("/bytedance/seedream-v4", {"prompt": "A shoe"}, key=key)["id"]
    created = talk.data("/predictions", {}, key=key)["items"][0]["created_at"]
    assert [first] == listed(talk, key, model=WAVESPEED)
    assert [] == listed(talk, key, model="no/such")
    assert [first] == listed(talk, key, status="completed")
    assert [second] == listed(talk, key, status="created")
    assert [second] == listed(talk, key, created_after=created)
    assert [first] == listed(talk, key, created_before="2026-01-01T00:00:02.499Z")
    assert [second, first] == listed(talk, key, created_before="2026-01-01T01:00:02.5+01:00")
    assert [second, first] == listed(talk, key, created_before="2026-01-01")


def test_a_prediction_is_listed_for_seven_days_and_not_a_millisecond_longer(talk: Talk, key: str) -> None:
    job = talk.submit(key=key)
    talk.advance(7 * DAY, key=key)
    assert [job] == listed(talk, key)
    talk.advance(1, key=key)
    assert [] == listed(talk, key)


def test_nobody_elses_predictions_are_listed_or_deleted(talk: Talk, key: str) -> None:
    job = talk.submit(key=key)
    assert [] == listed(talk, next(KEYS))
    assert {"deleted_count": 0} == talk.data("/predictions/delete", {"ids": [job]}, key=next(KEYS))
    assert [job] == listed(talk, key)


def test_a_deletion_answers_as_recorded(talk: Talk, key: str) -> None:
    body = talk.post("/api/v3/predictions/delete", {"ids": [talk.submit(key=key)]}, key=key)
    assert [] == talk.differs("wavespeed", "predictions_delete", body)
    assert [] == conforms(body, "wavespeed", "predictions-delete")
    assert [] == talk.replay("wavespeed", "predictions_delete-unknown")


def test_a_prediction_is_deleted_once(talk: Talk, key: str) -> None:
    one, two = talk.submit(key=key), talk.submit(key=key)
    assert {"deleted_count": 2} == talk.data("/predictions/delete", {"ids": [one, two, one, "0" * 32]}, key=key)
    assert {"deleted_count": 0} == talk.data("/predictions/delete", {"ids": [one, two]}, key=key)
    assert [] == listed(talk, key)


def test_requests_of_the_other_provider_cannot_be_deleted_here(talk: Talk, key: str) -> None:
    job = talk.request(key=key)
    assert {"deleted_count": 0} == talk.data("/predictions/delete", {"ids": [job]}, key=key)
    assert job == talk.get(f"/v1/requests/{job}/result", key=key)["request_id"]


@pytest.mark.parametrize("body", [{}, {"ids": "0" * 32}, {"ids": [1]}])
def test_a_deletion_needs_a_list_of_ids(talk: Talk, body: object) -> None:
    assert 400 == talk.call("POST", "/api/v3/predictions/delete", body).status_code


@pytest.mark.parametrize(
    ("reading", "well", "failed"),
    [("when-failed", [None, None], [None, 1405]), ("always", [0, 0], [0, 1405]), ("never", [None] * 2, [None] * 2)],
)
def test_the_code_of_a_task_is_told_as_the_switch_has_it(
    reading: str, well: list[int | None], failed: list[int | None]
) -> None:
    with talking(assume={"wavespeed.task_code": reading}) as talk:
        for prompt, codes in (("A shoe", well), ("A shoe [[fail]]", failed)):
            path = f"/api/v3/predictions/{talk.submit(prompt=prompt)}/result"
            before = talk.get(path)["data"]
            talk.advance(QUEUE + RUN)
            assert codes == [told.get("code") for told in (before, talk.get(path)["data"])]


@pytest.mark.parametrize(("reading", "sample"), [("404", "result-deleted"), ("deleted", "result-deleted-status")])
def test_a_deleted_prediction_answers_in_either_form_and_its_outputs_are_gone(reading: str, sample: str) -> None:
    assume = {"wavespeed.deleted": reading}
    with talking(assume=assume) as talk:
        job = talk.submit(2)
        talk.advance(QUEUE + RUN)
        (output, _) = talk.get(f"/api/v3/predictions/{job}/result")["data"]["outputs"]
        assert 200 == httpx.get(output).status_code
        talk.data("/predictions/delete", {"ids": [job]})
        answer = talk.call("GET", f"/api/v3/predictions/{job}/result")
        assert [] == talk.differs("wavespeed", sample, answer.json())
        assert [] == conforms(answer.json(), "wavespeed", {"404": "error", "deleted": "result"}[reading], assume)
        assert 404 == httpx.get(output).status_code
        assert ([job] if reading == "deleted" else []) == listed(talk, "key")
        assert ([job] if reading == "deleted" else []) == listed(talk, "key", status="deleted")


@pytest.mark.parametrize("reading", ["404", "deleted"])
def test_a_prediction_deleted_while_it_runs_never_shows_an_end(reading: str) -> None:
    assume = {"wavespeed.deleted": reading}
    with talking(assume=assume, failure_rate=1.0) as talk:
        job = talk.submit(2)
        talk.data("/predictions/delete", {"ids": [job]})
        talk.advance(QUEUE + RUN)
        answer = talk.call("GET", f"/api/v3/predictions/{job}").json()
        assert ("" if reading == "deleted" else None) == answer.get("data", {}).get("error")
        assert 1_000_000 == talk.get("/api/v3/balance")["data"]["balance"]


def test_what_was_deleted_stays_billed() -> None:
    with talking() as talk:
        job = talk.submit(2)
        talk.advance(QUEUE + RUN)
        talk.data("/predictions/delete", {"ids": [job]})
        assert 999_999.946 == talk.get("/api/v3/balance")["data"]["balance"]
        (item,) = talk.data("/billings/search", {})["items"]
        assert {"uuid": job, "model_uuid": WAVESPEED, "status": "deleted"} == item["prediction"]


def test_a_deleted_prediction_shows_no_images_inside_it_either() -> None:
    with talking(assume={"wavespeed.deleted": "deleted"}) as talk:
        job = talk.submit(enable_base64_output=True)
        talk.advance(QUEUE + RUN)
        talk.data("/predictions/delete", {"ids": [job]})
        assert [] == talk.get(f"/api/v3/predictions/{job}/result")["data"]["outputs"]
