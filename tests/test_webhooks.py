"""Webhooks, received by a real server and verified from the documentation alone."""

import asyncio
import hashlib
import hmac
import socket
import time
from typing import Any
from urllib.parse import quote

import pytest
import wavespeed
from serving import MODEL, Received, WatchedStore, get, on_loop, receiving, result, serving, settings, submit

from understudy.contracts import catalogue
from understudy.contracts.compare import differences
from understudy.mockserver.jobs import Phase
from understudy.mockserver.webhook_hosts import parse_address, parse_hosts
from understudy.mockserver.webhooks import Outcome, sign

SAMPLES = {sample.name: sample for sample in catalogue.samples("wavespeed")}
START = 1_767_225_600_000


def verify(received: Received, secret: str) -> bool:
    """What https://wavespeed.ai/docs/verify-webhooks asks a receiver to do."""
    sent = received.headers
    version, _, signature = sent["webhook-signature"].partition(",")
    signed = sent["webhook-id"] + "." + sent["webhook-timestamp"] + "." + received.body.decode()
    mac = hmac.new(secret.split("_", 1)[1].encode("ascii"), signed.encode(), hashlib.sha256)
    return (
        version == "v3"
        and hmac.compare_digest(mac.hexdigest(), signature)
        and abs(time.time() - int(sent["webhook-timestamp"])) <= 300
    )


def query(url: str) -> str:
    return "?webhook=" + quote(url, safe="")


async def secret_of(origin: str, key: str = "key") -> str:
    return str((await get(f"{origin}/api/v3/webhook/secret", key)).json()["data"]["secret"])


async def outcomes(store: WatchedStore, key: str = "key") -> list[Outcome]:
    return [delivery.outcome for delivery in await store.deliveries(key)]


@pytest.mark.parametrize(
    ("timestamp", "expected"),
    [
        ("1758798328", "7a32ef7ef2c0cc05dbf74c9456add530c638730d40b36ecbce282a4251feaba7"),
        ("1758802746", "f8b7bf9947e6c9eae9009baa626b1a91202e0103bce66fbcc516195b6a20c7d9"),
    ],
)
def test_the_published_body_has_the_signature_that_the_documented_algorithm_gives(
    timestamp: str, expected: str
) -> None:
    body = (
        b'{"id":"45b392b22c3b449fa935bd4dc","model":"wavespeed-ai/flux-dev","outputs":["https://d2p7pge43lyniu.'
        b'cloudfront.net/output/18058184-5df8-4d05-9e1b-7ad84c8b963e-u1_9bfd4537-e541-4ad0-a0f6-4812b11a37f1.jpeg"],'
        b'"urls":{"get":"https://api.wavespeed.ai/api/v3/predictions/45b392b22c3b449fa935bd4dc2219dfe/result"},'
        b'"has_nsfw_contents":[false],"status":"completed","created_at":"2025-09-25T09:12:48.239112031Z","error":"",'
        b'"executionTime":6710,"timings":{"inference":6710}}'
    )
    secret = "whsec_e9EE3BdyXSxcB4ZyZUKjQUEoQX4sF9P1+eMpb/KluCM="
    assert f"v3,{expected}" == sign(secret, "45b392b22c3b449fa935bd4dc", timestamp, body)


@on_loop
async def test_a_webhook_appended_to_the_model_id_arrives_and_verifies() -> None:
    with receiving() as receiver:
        async with serving(of=settings(10, 20)) as origin:

            def run() -> Any:
                client = wavespeed.Client(api_key="key", base_url=origin)
                model = f"{MODEL}?webhook={quote(receiver.origin + '/hook?a=b')}"
                return client.run(model, {"prompt": "A shoe", "max_images": 2}, poll_interval=0.01)

            outputs = (await asyncio.to_thread(run))["outputs"]
            received = await receiver.next()
            assert verify(received, await secret_of(origin))
            assert not verify(received, await secret_of(origin, "another"))
            job_id = received.prediction["id"]
            assert (await result(origin, job_id)) == received.prediction
    sample = SAMPLES["webhook-completed"]
    assert ("/hook?a=b", outputs) == (received.path, received.prediction["outputs"])
    assert [] == differences(sample, received.prediction, origin=origin)
    assert ("application/json", job_id[:25]) == (received.headers["content-type"], received.headers["webhook-id"])
    assert b": " not in received.body
    assert received.body.startswith(b'{"id":"')


@pytest.mark.parametrize(("reading", "length"), [("shortened", 25), ("whole", 32)])
@on_loop
async def test_the_webhook_id_is_the_start_of_the_tasks_id_or_all_of_it(reading: str, length: int) -> None:
    with receiving() as receiver:
        async with serving(of=settings(0, 10, assume={"wavespeed.webhook_id": reading})) as origin:
            job_id = (await submit(origin, query(receiver.origin))).body["data"]["id"]
            received = await receiver.next()
            assert verify(received, await secret_of(origin))
    assert job_id[:length] == received.headers["webhook-id"]


@on_loop
async def test_a_failure_is_told_too() -> None:
    with receiving() as receiver:
        async with serving(of=settings(0, 10, failure_rate=1.0)) as origin:
            await submit(origin, query(receiver.origin), max_images=2)
            received = await receiver.next()
    assert [] == differences(SAMPLES["webhook-failed"], received.prediction, origin=origin)


@pytest.mark.parametrize("reading", ["404", "deleted"])
@on_loop
async def test_a_prediction_deleted_before_its_end_is_told_of_as_if_it_were_not(reading: str) -> None:
    with receiving() as receiver:
        async with serving(store := WatchedStore(), settings(assume={"wavespeed.deleted": reading})) as origin:
            job_id = (await submit(origin, query(receiver.origin), max_images=2)).body["data"]["id"]
            await store.erase("key", [job_id])
            await store.advance(2_500)
            received = await receiver.next()
    assert [] == differences(SAMPLES["webhook-completed"], received.prediction, origin=origin)


@on_loop
async def test_the_secret_is_the_tenants_and_comes_from_the_seed() -> None:
    secrets = []
    for _ in range(2):
        async with serving() as origin:
            secrets.append((await secret_of(origin), await secret_of(origin, "another")))
    assert (secrets[0], 2) == (secrets[1], len(set(secrets[0])))
    answer = SAMPLES["webhook_secret"]
    async with serving() as origin:
        body = (await get(f"{origin}/api/v3/webhook/secret")).json()
    assert [] == differences(answer, body, origin=origin)


@on_loop
async def test_the_secret_alone_is_the_other_reading() -> None:
    async with serving(of=settings(assume={"wavespeed.webhook_secret": "bare"})) as origin:
        body = (await get(f"{origin}/api/v3/webhook/secret")).json()
    assert [] == differences(SAMPLES["webhook_secret-bare"], body, origin=origin)


@on_loop
async def test_a_receiver_that_fails_twice_gets_three_deliveries_at_growing_distances_and_none_after() -> None:
    with receiving(500, 503) as receiver:
        async with serving(store := WatchedStore()) as origin:
            job_id = (await submit(origin, query(receiver.origin))).body["data"]["id"]
            ids, secret = [], await secret_of(origin)
            for early, distance in ((2_499, 2_500), (999, 1_000), (1_999, 2_000)):
                await store.advance(early)
                # Another tenant's webhook goes out meanwhile, so the courier has looked.
                await submit(origin, query(receiver.origin + "/other"), key="other")
                await store.advance(2_500, "other")
                statuses, receiver.statuses[:] = list(receiver.statuses), []
                assert "/other" == (await receiver.next()).path
                await store.settled.get()
                assert 0 == receiver.waiting
                receiver.statuses[:] = statuses
                await store.advance(distance - early)
                received = await receiver.next()
                await store.settled.get()
                assert verify(received, secret)
                ids.append(received.headers["webhook-id"])
            await store.advance(3_600_000)
            (delivery,) = await store.deliveries("key")
    assert [job_id[:25]] * 3 == ids
    assert [(START + 2_500, 500), (START + 3_500, 503), (START + 5_500, 204)] == [
        (attempt.at, attempt.status) for attempt in delivery.attempts
    ]
    assert (Outcome.DELIVERED, None, 0) == (delivery.outcome, delivery.due, receiver.waiting)


@on_loop
async def test_one_leap_of_a_manual_clock_sends_everything_in_the_order_of_its_time() -> None:
    with receiving(500, 500, 204, 500, 500) as receiver:
        async with serving(store := WatchedStore()) as origin:
            first = (await submit(origin, query(receiver.origin))).body["data"]["id"]
            await store.advance(1_500)
            second = (await submit(origin, query(receiver.origin))).body["data"]["id"]
            await store.advance(3_600_000)
            for _ in range(5):
                await store.settled.get()
            deliveries = await store.deliveries("key")
            received = [(await receiver.next()).prediction["id"] for _ in range(5)]
    attempts = sorted((one.at - START, delivery.job.id) for delivery in deliveries for one in delivery.attempts)
    assert [(2_500, first), (3_500, first), (4_000, second), (5_500, first), (9_500, first)] == attempts
    assert [job_id for _, job_id in attempts] == received
    assert [Outcome.FAILED, Outcome.DELIVERED] == [delivery.outcome for delivery in deliveries]


@on_loop
async def test_a_redirect_is_a_failure_and_not_followed() -> None:
    with receiving(307, 302, 301, 308) as receiver:
        async with serving(store := WatchedStore()) as origin:
            await submit(origin, query(receiver.origin + "/hook"))
            await store.advance(60_000)
            for _ in range(4):
                await store.settled.get()
            (delivery,) = await store.deliveries("key")
            assert ["/hook"] * 4 == [(await receiver.next()).path for _ in range(4)]
    assert (Outcome.FAILED, [307, 302, 301, 308], 0) == (
        delivery.outcome,
        [attempt.status for attempt in delivery.attempts],
        receiver.waiting,
    )


@on_loop
async def test_a_receiver_that_is_not_there_is_on_record() -> None:
    with receiving() as receiver:
        gone = receiver.origin
    async with serving(store := WatchedStore()) as origin:
        await submit(origin, query(gone))
        await store.advance(2_500)
        assert "ConnectError" in (await store.settled.get()).error
    assert [Outcome.WAITING] == await outcomes(store)


@on_loop
async def test_a_receiver_that_does_not_answer_in_time_is_on_record() -> None:
    silent = socket.create_server(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{silent.getsockname()[1]}"
    async with serving(store := WatchedStore(), settings(webhook_timeout=50)) as origin:
        await submit(origin, query(url))
        await store.advance(2_500)
        assert "no answer within 50ms" == (await store.settled.get()).error
    silent.close()


@on_loop
async def test_a_name_is_delivered_to_whichever_of_its_addresses_answers() -> None:
    with receiving() as receiver:
        async with serving(of=settings(0, 0)) as origin:
            named = receiver.origin.replace("127.0.0.1", "localhost")
            await submit(origin, query(named))
            assert named.removeprefix("http://") == (await receiver.next()).headers["host"]


@pytest.mark.parametrize(
    ("hosts", "url", "host", "address"),
    [
        ("private", "http://93.184.215.14/hook", "93.184.215.14", "93.184.215.14"),
        ("private", "http://169.254.169.254/latest", "169.254.169.254", "169.254.169.254"),
        ("private", "http://[::ffff:8.8.8.8]/", "::ffff:8.8.8.8", "8.8.8.8"),
        ("private", "http://2852039166/", "2852039166", "169.254.169.254"),
        ("10.0.0.0/8, private", "http://[::ffff:169.254.169.254]/", "::ffff:169.254.169.254", "169.254.169.254"),
        ("loopback", "http://10.0.0.1/", "10.0.0.1", "10.0.0.1"),
        ("192.0.2.0/24", "http://127.0.0.1:1/", "127.0.0.1", "127.0.0.1"),
    ],
)
@on_loop
async def test_a_host_that_the_settings_do_not_allow_is_refused_by_name(
    hosts: str, url: str, host: str, address: str
) -> None:
    async with serving(of=settings(webhook_hosts=parse_hosts(hosts))) as origin:
        answer = await submit(origin, query(url))
    message = (
        f'webhook host "{host}" ({address}) is not among the allowed hosts; '
        f"please allow it with --webhook-hosts {hosts.replace(' ', '')},{host}, or with the setting webhook_hosts"
    )
    assert (400, {"code": 400, "message": message}) == answer


@pytest.mark.parametrize(
    "host", ["2852039166", "[::ffff:169.254.169.254]", "169.254.169.254", "0xa9fea9fe", "localhost"]
)
@on_loop
async def test_what_a_refusal_tells_to_set_allows_the_host(host: str) -> None:
    hosts = "10.0.0.0/8"
    for expected in (400, 200):
        async with serving(of=settings(webhook_hosts=parse_hosts(hosts))) as origin:
            status, body = await submit(origin, query(f"http://{host}:1/"))
        assert expected == status
        hosts = body["message"].partition("--webhook-hosts ")[2].partition(", or ")[0]


@on_loop
async def test_every_address_of_a_name_is_checked() -> None:
    async with serving(of=settings(webhook_hosts=parse_hosts("10.0.0.0/8"))) as origin:
        status, body = await submit(origin, query("http://localhost:1/"))
    assert (400, True) == (status, body["message"].startswith('webhook host "localhost" ('))


@on_loop
async def test_a_name_on_the_list_may_have_any_address() -> None:
    with receiving() as receiver:
        async with serving(of=settings(0, 0, webhook_hosts=parse_hosts("LOCALHOST, 192.0.2.1"))) as origin:
            await submit(origin, query(receiver.origin.replace("127.0.0.1", "localhost")))
            assert "/" == (await receiver.next()).path


@on_loop
async def test_a_name_that_does_not_resolve_fails_when_it_is_delivered() -> None:
    async with serving(store := WatchedStore()) as origin:
        assert 200 == (await submit(origin, query("http://nobody.invalid/"))).status
        await store.advance(2_500)
        assert (await store.settled.get()).error


@pytest.mark.parametrize("url", ["ftp://127.0.0.1/", "/hook", "http://", "http://[x", "http://a:x/", "http://a b/"])
@on_loop
async def test_what_is_no_url_is_refused(url: str) -> None:
    async with serving() as origin:
        status, body = await submit(origin, query(url))
    assert (400, True) == (status, body["message"].startswith("webhook must be an absolute http or https URL of at"))


@pytest.mark.parametrize(("length", "expected"), [(2_048, 200), (2_049, 400)])
@on_loop
async def test_the_longest_url_is_a_setting(length: int, expected: int) -> None:
    async with serving(of=settings(webhook_url_limit=100)) as origin:
        assert expected == (await submit(origin, query("http://127.0.0.1/".ljust(length - 1_948, "a")))).status


@pytest.mark.parametrize(("length", "expected"), [(2_048, 200), (2_049, 400)])
@on_loop
async def test_a_url_has_a_longest_length(length: int, expected: int) -> None:
    async with serving() as origin:
        assert expected == (await submit(origin, query("http://127.0.0.1/".ljust(length, "a")))).status


@on_loop
async def test_a_query_without_a_webhook_or_with_an_empty_one_is_none() -> None:
    async with serving(store := WatchedStore()) as origin:
        answers = [(await submit(origin, text)).status for text in ("?webhook=", "?other=1", "?")]
        answers.append((await submit(origin, webhook_url="http://127.0.0.1:1/")).status)
    assert ([200] * 4, []) == (answers, await outcomes(store))


@on_loop
async def test_a_webhook_in_the_body_counts_in_the_other_reading() -> None:
    with receiving() as receiver:
        async with serving(of=settings(0, 0, assume={"wavespeed.webhook_in_body": "on"})) as origin:
            await submit(origin, webhook_url=receiver.origin + "/body")
            assert "/body" == (await receiver.next()).path
            assert 400 == (await submit(origin, webhook_url=3)).status
            assert 200 == (await submit(origin)).status


@pytest.mark.parametrize("phase", [Phase.CANCELLED, Phase.TIMED_OUT])
@on_loop
async def test_an_end_that_the_documents_do_not_name_is_not_told(phase: Phase) -> None:
    with receiving() as receiver:
        async with serving(store := WatchedStore()) as origin:
            job_id = (await submit(origin, query(receiver.origin))).body["data"]["id"]
            await store.interrupt("key", job_id, phase, only_in=frozenset({Phase.QUEUED}))
            await store.advance(3_600_000)
            assert [Outcome.UNTOLD] == await outcomes(store)
    assert 0 == receiver.waiting


@on_loop
async def test_a_job_that_is_finished_from_outside_is_told_at_once() -> None:
    with receiving() as receiver:
        async with serving(store := WatchedStore()) as origin:
            job_id = (await submit(origin, query(receiver.origin))).body["data"]["id"]
            await store.interrupt("key", job_id, Phase.SUCCEEDED, only_in=frozenset({Phase.QUEUED}))
            assert "completed" == (await receiver.next()).prediction["status"]
            await store.settled.get()
            await store.erase("key", [job_id])
    assert [Outcome.DELIVERED] == await outcomes(store)


@on_loop
async def test_a_receiver_that_dawdles_delays_neither_answers_nor_other_tenants() -> None:
    silent = socket.create_server(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{silent.getsockname()[1]}"
    with receiving() as receiver:
        async with serving(of=settings(0, 0)) as origin:
            for key in ("a", "b"):
                assert 200 == (await submit(origin, query(url), key=key)).status
            await submit(origin, query(receiver.origin), key="c")
            assert "completed" == (await receiver.next()).prediction["status"]
    silent.close()


@on_loop
async def test_many_hanging_receivers_of_one_tenant_do_not_delay_anothers_webhook() -> None:
    silent = socket.create_server(("127.0.0.1", 0), backlog=128)
    url = f"http://127.0.0.1:{silent.getsockname()[1]}"
    with receiving() as receiver:
        async with serving(of=settings(0, 0, webhook_timeout=60_000)) as origin:
            for _ in range(70):
                await submit(origin, query(url), key="hung")
            await submit(origin, query(receiver.origin), key="other")
            assert "completed" == (await receiver.next()).prediction["status"]
    silent.close()


@on_loop
async def test_stopping_keeps_the_record_and_the_next_server_delivers_what_is_left() -> None:
    silent = socket.create_server(("127.0.0.1", 0))
    store = WatchedStore()
    with receiving() as receiver:
        async with serving(store) as origin:
            await submit(origin, query(receiver.origin))
            await store.advance(2_500)
            await store.settled.get()
            await submit(origin, query(f"http://127.0.0.1:{silent.getsockname()[1]}"), key="hung")
            await submit(origin, query(receiver.origin + "/later"), key="later")
            await store.advance(2_500, "hung")
            connection, _ = await asyncio.to_thread(silent.accept)
            started = time.monotonic()
        assert 0.1 > time.monotonic() - started
        assert [[Outcome.DELIVERED], [Outcome.WAITING], [Outcome.WAITING]] == [
            await outcomes(store, key) for key in ("key", "hung", "later")
        ]
        connection.close()
        silent.close()
        async with serving(store):
            await store.advance(2_500, "later")
            assert ["/", "/later"] == [(await receiver.next()).path for _ in range(2)]
            await store.settled.get()
        assert [Outcome.DELIVERED] == await outcomes(store, "later")


@on_loop
async def test_a_host_is_checked_again_when_it_is_delivered_to() -> None:
    store = WatchedStore()
    with receiving() as receiver:
        async with serving(store) as origin:
            await submit(origin, query(receiver.origin))
        async with serving(store, settings(webhook_hosts=parse_hosts("192.0.2.0/24"))):
            await store.advance(2_500)
            assert "127.0.0.1 (127.0.0.1) is not among webhook_hosts" == (await store.settled.get()).error
    assert 0 == receiver.waiting


@pytest.mark.parametrize("host", ["cafe", "cafe.babe", "example.com", "99999999999", "0xg"])
def test_a_name_that_could_be_digits_is_a_name_all_the_same(host: str) -> None:
    assert parse_address(host) is None
