"""The fixtures of the plugin in a user's project."""

from __future__ import annotations

import os
import re
import sys

import pytest
from projects import run, told


def test_a_provider_works_with_the_official_package_and_with_plain_requests(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        body="""
def test_package(mock_wavespeed):
    import wavespeed
    outputs = wavespeed.run(MODEL.removeprefix("/api/v3/"), INPUTS, poll_interval=0.001)["outputs"]
    assert len(outputs) == mock_wavespeed.jobs.one.images

def test_requests(mock_wavespeed):
    job_id = submit(mock_wavespeed)
    assert mock_wavespeed.jobs.one.id == job_id
    mock_wavespeed.advance(30)
    assert poll(mock_wavespeed, job_id) == "completed"
    assert [one.operation for one in mock_wavespeed.journal] == ["submit", "result"]

def test_other_provider(mock_runcomfy):
    headers = {"Authorization": "Bearer " + mock_runcomfy.api_key}
    inputs = {"text": "A shoe", "images": ["https://example.com/shoe.png"]}
    url = mock_runcomfy.base_url + "/v1/models/bytedance/seedream-4-0/edit-sequential"
    job_id = httpx.post(url, json=inputs, headers=headers).json()["request_id"]
    assert mock_runcomfy.jobs.one.id == job_id
""",
    )

    result.assert_outcomes(passed=3)


def test_each_test_has_a_tenant_and_all_share_a_server(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        body="""
SEEN = []

@pytest.mark.parametrize("number", range(3))
def test_it(mock_wavespeed, number):
    assert not mock_wavespeed.jobs and not mock_wavespeed.journal
    submit(mock_wavespeed)
    SEEN.append((mock_wavespeed.base_url, mock_wavespeed.api_key))

def test_what_was_seen(mock_wavespeed, mock_runcomfy):
    assert len({origin for origin, _ in SEEN}) == 1
    assert len({key for _, key in SEEN}) == 3
    assert mock_wavespeed.api_key != mock_runcomfy.api_key
    assert mock_wavespeed.base_url == mock_runcomfy.base_url == SEEN[0][0]
""",
    )

    result.assert_outcomes(passed=4)


IDS = """
def test_it(mock_wavespeed):
    ids = [submit(mock_wavespeed) for _ in range(2)]
    mock_wavespeed.advance(30)
    print("drawn", ids, mock_wavespeed.webhooks.secret, mock_wavespeed.jobs[0].outputs[0].partition("/output")[2])
"""


def test_a_run_with_the_same_seed_repeats_and_one_with_another_does_not(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_it="")
    drawn = [re.findall(r"drawn .*", told(run(pytester, "-s", body=IDS, seed=seed))) for seed in (7, 7, 8)]

    assert 1 == len(drawn[0])
    assert drawn[0] == drawn[1]
    assert drawn[0] != drawn[2]


def test_a_test_that_is_run_twice_on_one_server_draws_the_same(pytester: pytest.Pytester) -> None:
    result = run(pytester, "-s", "--keep-duplicates", "test_it.py", "test_it.py", body=IDS)

    drawn = re.findall(r"drawn .*", told(result))
    assert 2 == len(drawn)
    assert drawn[0] == drawn[1]


def test_the_environment_names_the_fake_and_is_put_back(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WAVESPEED_API_KEY", "the real one")
    monkeypatch.delenv("RUNCOMFY_TOKEN", raising=False)
    result = run(
        pytester,
        body="""
def test_it(mock_wavespeed, mock_runcomfy):
    assert {os.environ["WAVESPEED_API_KEY"]} == {mock_wavespeed.api_key}
    assert mock_wavespeed.base_url == os.environ["WAVESPEED_BASE_URL"] == os.environ["WAVESPEED_API_BASE"]
    tokens = ("RUNCOMFY_TOKEN", "RUNCOMFY_API_KEY", "RUNCOMFY_API_TOKEN")
    assert {os.environ[name] for name in tokens} == {mock_runcomfy.api_key}
    assert os.environ["RUNCOMFY_MODEL_API_BASE"] == mock_runcomfy.base_url + "/v1"
    assert os.environ["RUNCOMFY_MODEL_API_BASE_URL"] == mock_runcomfy.base_url
""",
    )

    result.assert_outcomes(passed=1)
    assert "the real one" == os.environ["WAVESPEED_API_KEY"]
    assert "RUNCOMFY_TOKEN" not in os.environ


@pytest.mark.parametrize("when", ["before", "late"])
def test_the_official_package_is_pointed_at_the_fake_and_back(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    monkeypatch.setenv("WAVESPEED_API_KEY", "the real one")
    for name in [name for name in sys.modules if name.partition(".")[0] == "wavespeed"]:
        monkeypatch.delitem(sys.modules, name)
    top, inside = ("import wavespeed", "pass") if when == "before" else ("", "import wavespeed")
    result = run(
        pytester,
        body=f"""
{top}
def test_first(mock_wavespeed):
    {inside}
    import wavespeed.api
    assert wavespeed.config.api.base_url == mock_wavespeed.base_url
    assert wavespeed.config.api.api_key == mock_wavespeed.api_key
    wavespeed.run(MODEL.removeprefix("/api/v3/"), INPUTS, poll_interval=0.001)

def test_second(mock_wavespeed):
    import wavespeed
    wavespeed.run(MODEL.removeprefix("/api/v3/"), INPUTS, poll_interval=0.001)
    assert mock_wavespeed.jobs.one.state == "succeeded"

def test_third():
    import wavespeed
    assert wavespeed.config.api.base_url == "https://api.wavespeed.ai"
    assert wavespeed.config.api.api_key == "the real one"
    assert wavespeed.api._default_client is None
    assert wavespeed.config.__spec__.loader.__class__.__name__ == "SourceFileLoader"
""",
    )

    result.assert_outcomes(passed=3)


@pytest.mark.parametrize("when", ["before", "late"])
def test_another_package_of_the_same_name_is_left_alone(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "wavespeed"]:
        monkeypatch.delitem(sys.modules, name)
    pytester.mkpydir("wavespeed").joinpath("config.py").write_text("TIMEOUT = 5\n")
    top, inside = ("import wavespeed.config", "pass") if when == "before" else ("", "import wavespeed.config")
    result = run(
        pytester,
        body=f"""
{top}
def test_it(mock_wavespeed):
    {inside}
    import wavespeed
    assert wavespeed.config.TIMEOUT == 5
""",
    )

    result.assert_outcomes(passed=1)


def test_the_official_package_may_be_imported_where_two_providers_wait_for_it(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WAVESPEED_API_KEY", "the real one")
    for name in [name for name in sys.modules if name.partition(".")[0] == "wavespeed"]:
        monkeypatch.delitem(sys.modules, name)
    result = run(
        pytester,
        body="""
def test_it(mock_wavespeed, understudy_server):
    other = understudy_server.wavespeed
    with other.environment():
        import wavespeed
        assert wavespeed.config.api.api_key == other.api_key
    assert wavespeed.config.api.base_url == mock_wavespeed.base_url
    assert wavespeed.config.api.api_key == mock_wavespeed.api_key
    other.close()

def test_afterwards():
    import wavespeed
    assert wavespeed.config.api.base_url == "https://api.wavespeed.ai"
    assert wavespeed.config.api.api_key == "the real one"
    assert wavespeed.config.__spec__.loader.__class__.__name__ == "SourceFileLoader"
""",
    )

    result.assert_outcomes(passed=2)


def test_a_server_is_as_wide_as_the_session_and_makes_more_tenants(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        body="""
@pytest.fixture(scope="module")
def shared(understudy_server):
    mock = understudy_server.provider("wavespeed", "shared")
    yield mock
    mock.close()

@pytest.mark.parametrize("count", [1, 2])
def test_it(shared, count):
    submit(shared)
    assert len(shared.jobs) == count

def test_two_keys(understudy_server):
    one, other = understudy_server.wavespeed, understudy_server.runcomfy
    assert (one.provider, other.provider) == ("wavespeed", "runcomfy")
    assert one.base_url == other.base_url == understudy_server.base_url
""",
    )

    result.assert_outcomes(passed=3)
