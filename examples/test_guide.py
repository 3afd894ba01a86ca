import httpx
import pytest

MODEL = "bytedance/seedream-v4/edit-sequential"
INPUTS = {"prompt": "A red shoe", "images": ["https://example.com/shoe.png"]}


def submit(mock, **query):
    url, headers = f"{mock.base_url}/api/v3/{MODEL}", {"Authorization": f"Bearer {mock.api_key}"}
    return httpx.post(url, json=INPUTS, headers=headers, params=query).raise_for_status().json()["data"]["id"]


def poll(mock, job_id):
    url, headers = f"{mock.base_url}/api/v3/predictions/{job_id}/result", {"Authorization": f"Bearer {mock.api_key}"}
    return httpx.get(url, headers=headers).raise_for_status().json()["data"]["status"]


@pytest.mark.understudy(clock="manual", latency="40s")
def test_a_job_takes_its_time(mock_wavespeed):
    job_id = submit(mock_wavespeed)
    assert poll(mock_wavespeed, job_id) == "created"
    mock_wavespeed.advance(39)  # seconds, "5m" or a timedelta
    assert poll(mock_wavespeed, job_id) == "processing"
    mock_wavespeed.advance(1)
    assert poll(mock_wavespeed, job_id) == "completed"
    assert [exchange.operation for exchange in mock_wavespeed.journal] == ["submit", "result", "result", "result"]


def test_things_go_wrong(mock_wavespeed):
    mock_wavespeed.will_flag(images=[1], times=1)  # of the next job
    mock_wavespeed.will_hang(model="*/seedream-v4/*")  # that one and all others
    flagged, hanging = submit(mock_wavespeed), submit(mock_wavespeed)
    mock_wavespeed.next_poll.fails(503, retry_after=7)
    with pytest.raises(httpx.HTTPStatusError):
        poll(mock_wavespeed, hanging)
    mock_wavespeed.fail(hanging, "Out of paint")
    assert mock_wavespeed.jobs.get(hanging).failure.text == "Out of paint"
    mock_wavespeed.finish(flagged)
    assert mock_wavespeed.jobs.get(flagged).flagged == (1,)


def test_a_webhook_comes(mock_wavespeed, webhook_receiver):
    webhook_receiver.answers(503, times=1)  # it is sent once more
    submit(mock_wavespeed, webhook=webhook_receiver.url)
    first, second = webhook_receiver.wait(count=2)
    assert (first.status, first.flagged, first.id) == ("completed", (False,), second.id)


@pytest.fixture(scope="module")
def studio(understudy_server):
    mock = understudy_server.provider("runcomfy", "studio")
    yield mock
    mock.close()


def test_a_provider_for_a_whole_module(studio):
    assert studio.provider == "runcomfy"


def test_without_pytest():
    import understudy.fixtures

    with understudy.fixtures.running(seed=7) as server:
        mock = server.wavespeed
        with mock.environment():  # the variables that clients read
            job_id = submit(mock)
        assert mock.finish().id == job_id
