"""The application tested three ways: the package over a socket, httpx in process, asynchronous httpx in process."""

import asyncio
from collections.abc import Callable

import pytest
import shoot

from understudy.fixtures import MockProvider, read_image

PROMPT = "Generate a series of 3 images (Panels 1-3) of the same red shoe."
SOURCE = "https://example.com/shoe.png"

Shoot = Callable[[], list[bytes]]


def with_package() -> list[bytes]:
    return shoot.with_package(PROMPT, SOURCE, 3, pause=0.001)


def with_httpx() -> list[bytes]:
    return shoot.with_httpx(PROMPT, SOURCE, 3, pause=0)


def with_async_httpx() -> list[bytes]:
    return asyncio.run(shoot.with_async_httpx(PROMPT, SOURCE, 3, pause=0))


WAYS = [
    pytest.param(with_package, "mock_wavespeed", id="package over a socket"),
    pytest.param(with_httpx, "mock_wavespeed_in_process", id="httpx in process"),
    pytest.param(with_async_httpx, "mock_wavespeed_in_process", id="async httpx in process"),
]
pytestmark = [pytest.mark.parametrize(("take", "fixture"), WAYS)]


@pytest.fixture
def wavespeed(request: pytest.FixtureRequest, fixture: str) -> MockProvider:
    mock = request.getfixturevalue(fixture)
    assert isinstance(mock, MockProvider)
    return mock


def test_all_images_come_in_order(wavespeed: MockProvider, take: Shoot) -> None:
    marks = [read_image(image) for image in take()]

    assert [1, 2, 3] == [mark.index for mark in marks]
    assert {wavespeed.jobs.one.id} == {mark.job for mark in marks}
    wavespeed.assert_no_duplicate_submits()
    wavespeed.assert_polls(at_most=5)


def test_a_failure_is_told_in_the_providers_words(wavespeed: MockProvider, take: Shoot) -> None:
    wavespeed.will_fail("Out of paint")

    with pytest.raises(shoot.ShootFailed, match="Out of paint"):
        take()


def test_content_that_is_flagged_is_no_success(wavespeed: MockProvider, take: Shoot) -> None:
    wavespeed.will_flag()

    with pytest.raises(shoot.ShootFailed, match="sensitive"):
        take()


def test_an_error_of_a_submission_is_not_retried(wavespeed: MockProvider, take: Shoot) -> None:
    wavespeed.next_submit.fails(500, "Back soon")

    with pytest.raises(shoot.ShootFailed, match="Back soon"):
        take()
    assert not wavespeed.jobs
