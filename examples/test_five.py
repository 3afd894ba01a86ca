import httpx
import pytest

SUBMIT = "/api/v3/bytedance/seedream-v4/edit-sequential"
INPUTS = {"prompt": "A red shoe", "images": ["https://example.com/shoe.png"]}


@pytest.fixture
def client(mock_wavespeed):
    headers = {"Authorization": f"Bearer {mock_wavespeed.api_key}"}
    with httpx.Client(base_url=mock_wavespeed.base_url, headers=headers) as client:
        yield client


def test_a_job_is_done_when_its_time_has_passed(mock_wavespeed, client):
    prediction = client.post(SUBMIT, json=INPUTS).json()["data"]
    mock_wavespeed.advance("5m")  # nobody waits
    assert client.get(prediction["urls"]["get"]).json()["data"]["status"] == "completed"


def test_a_job_fails(mock_wavespeed, client):
    mock_wavespeed.will_fail("Out of paint")
    prediction = client.post(SUBMIT, json=INPUTS).json()["data"]
    mock_wavespeed.advance("5m")
    assert client.get(prediction["urls"]["get"]).json()["data"]["error"] == "Out of paint"


def test_a_submit_whose_answer_is_lost_is_not_repeated(mock_wavespeed, client):
    mock_wavespeed.next_submit.loses_answer()
    with pytest.raises(httpx.RemoteProtocolError):
        client.post(SUBMIT, json=INPUTS)
    assert len(mock_wavespeed.jobs) == 1  # it is there, and paid for
    mock_wavespeed.assert_no_duplicate_submits()


def test_a_webhook_comes_and_is_signed(client, webhook_receiver):
    client.post(SUBMIT, params={"webhook": webhook_receiver.url}, json=INPUTS).raise_for_status()
    (event,) = webhook_receiver.wait()
    assert event.status == "completed"


def test_code_with_the_real_address_in_it(mock_runcomfy_in_process):  # needs understudy[respx]
    url = "https://model-api.runcomfy.net/v1/models/bytedance/seedream-4-0/edit-sequential"
    inputs = {"text": "A red shoe", "images": ["https://example.com/shoe.png"]}
    answer = httpx.post(url, json=inputs, headers={"Authorization": "Bearer any"})
    assert answer.json()["request_id"] == mock_runcomfy_in_process.jobs.one.id
