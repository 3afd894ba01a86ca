"""Account levels: images a minute are refused, jobs at once are queued."""

import pytest
from click.testing import CliRunner
from talking import QUEUE, RUN, WAVESPEED, Talk, conforms, talking

from understudy.contracts import catalogue
from understudy.mockserver.app import create_app
from understudy.mockserver.cli import main
from understudy.mockserver.settings import Settings, SettingsError

READINGS = catalogue.switch("wavespeed.levels").readings
LEVELS = [(reading, level) for reading, about in READINGS.items() for level in about.data or {}]


def ask(talk: Talk, images: int, key: str = "key") -> int:
    body = {"prompt": "A shoe", "max_images": images}
    return talk.call("POST", f"/api/v3/{WAVESPEED}", body, key=key).status_code


def test_a_minute_has_exactly_as_many_images_as_the_level_says() -> None:
    with talking(level="bronze") as talk:
        assert [200, 200, 429] == [ask(talk, images) for images in (4, 6, 1)]


def test_the_refusal_says_what_the_limit_is_and_changes_nothing() -> None:
    with talking(level="bronze") as talk:
        answer = talk.call("POST", f"/api/v3/{WAVESPEED}", {"prompt": "A shoe", "max_images": 11})
        text = "Too Many Requests. The limit is 10 images per minute; please try again later."
        assert (429, {"code": 429, "message": text}) == (answer.status_code, answer.json())
        assert [] == conforms(answer.json(), "wavespeed", "error")
        assert [] == talk.data("/predictions", {})["items"]
        assert 200 == ask(talk, 10)


def test_the_count_begins_anew_with_the_minute_of_the_clock_and_not_before() -> None:
    with talking(level="bronze") as talk:
        talk.advance(30_000)
        assert 200 == ask(talk, 10)
        talk.advance(29_999)
        assert 429 == ask(talk, 1)
        talk.advance(1)
        assert 200 == ask(talk, 10)


def test_every_tenant_has_a_count_of_its_own() -> None:
    with talking(level="bronze") as talk:
        assert [200, 200, 429] == [ask(talk, 10, "one"), ask(talk, 10, "two"), ask(talk, 1, "one")]


def test_what_goes_beyond_the_concurrency_is_created_and_waits_its_turn() -> None:
    with talking(level="bronze") as talk:
        jobs = [talk.submit() for _ in range(4)]
        talk.advance(QUEUE)
        assert ["processing"] * 3 + ["created"] == [talk.status(job) for job in jobs]
        talk.advance(RUN - 1)
        assert "created" == talk.status(jobs[3])
        talk.advance(1)
        assert ["completed"] * 3 + ["processing"] == [talk.status(job) for job in jobs]
        talk.advance(RUN)
        assert "completed" == talk.status(jobs[3])


@pytest.mark.parametrize(("reading", "level"), LEVELS)
def test_the_level_of_each_generation_has_its_own_figures(reading: str, level: str) -> None:
    data = READINGS[reading].data
    assert data is not None
    limit = data[level]["images"]
    with talking(level=level, assume={"wavespeed.levels": reading}) as talk:
        full, rest = divmod(limit, 15)
        assert {200} == {ask(talk, 15) for _ in range(full)} | ({ask(talk, rest)} if rest else {200})
        assert 429 == ask(talk, 1)


def test_there_are_no_limits_unless_a_level_is_set() -> None:
    with talking() as talk:
        assert {200} == {ask(talk, 15) for _ in range(20)}
        talk.advance(QUEUE)
        assert {"processing"} == {item["status"] for item in talk.data("/predictions", {})["items"]}


def test_a_level_does_not_hold_for_the_other_provider() -> None:
    with talking(level="bronze") as talk:
        jobs = [talk.request(15) for _ in range(5)]
        talk.advance(QUEUE)
        assert {"in_progress"} == {talk.get(f"/v1/requests/{job}/status")["status"] for job in jobs}


def test_a_level_that_a_generation_does_not_have_is_refused_at_the_start_with_those_it_has() -> None:
    text = (
        "level: there is no level 'ultra' while wavespeed.levels is 2025: expected one of bronze, silver, gold, "
        "or another reading of that switch."
    )
    with pytest.raises(SettingsError) as refused:
        create_app(Settings(level="ultra", assume={"wavespeed.levels": "2025"}))
    assert text == str(refused.value)
    ran = CliRunner().invoke(main, ["serve", "--level", "Ultra", "--assume", "wavespeed.levels=2025", "--port", "0"])
    assert (1, f"Error: {text}\n") == (ran.exit_code, ran.output)
