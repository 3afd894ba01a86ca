"""Recordings of every form say of a provider what asking it says; a pass-through makes them, and they play again."""

from __future__ import annotations

import base64
import gzip
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from changed_providers import CHANGES
from drifting import KEY, TODAY, Answering, as_it_is, drifts, talking_to

from understudy.contracts.drift_compare import Comparison
from understudy.contracts.drift_report import report
from understudy.contracts.exchanges import Exchange, Text
from understudy.contracts.findings import Unable
from understudy.contracts.probes import WRONG_KEYS
from understudy.contracts.recorder import Recorder
from understudy.contracts.recordings import line_of, read_recording
from understudy.contracts.replayer import ReplayApp, Replayer
from understudy.contracts.secrecy import Scrubber
from understudy.mockserver.server import running

PROVIDERS = ("wavespeed", "runcomfy")
SERVERS = {"wavespeed": "https://api.wavespeed.ai", "runcomfy": "https://model-api.runcomfy.net"}


def of(provider: str, name: str = "") -> list[Exchange]:
    """All that is said when a provider is asked, one that has changed where a change is named."""
    with talking_to(provider, CHANGES[name].bend if name else as_it_is) as talk:
        talk.compare()
        return talk.heard


def as_lines(exchanges: list[Exchange]) -> str:
    return "".join(line_of(one, Scrubber([KEY])) for one in exchanges)


def headers_of(one: Exchange) -> dict[str, str]:
    keys = {"key": {"Authorization": f"Bearer {KEY}"}, "wrong": {"Authorization": f"Bearer {WRONG_KEYS}"}}
    return keys.get(one.auth, {})


def as_har(exchanges: list[Exchange]) -> str:
    entries = []
    for number, one in enumerate(exchanges):
        body = json.dumps(one.body) if not isinstance(one.body, Text) else str(one.body)
        content = {"mimeType": "application/json", "text": body}
        if number % 2:
            content |= {"encoding": "base64", "text": base64.b64encode(body.encode()).decode()}
        sent = {} if one.sent is None else {"postData": {"text": _text(one.sent)}}
        entries.append(
            {
                "startedDateTime": "2026-11-21T10:00:00.000Z",
                "time": 12.5,
                "request": {
                    "method": one.method,
                    "url": "https://api.wavespeed.ai" + one.target,
                    "headers": [{"name": name, "value": value} for name, value in headers_of(one).items()],
                    **sent,
                },
                "response": {"status": one.status, "headers": [], "content": content},
            }
        )
    entries.append(
        {
            "request": {"method": "GET", "url": "https://tracker.test/api/v3/balance"},
            "response": {"status": 200, "content": {"text": "{}"}},
        }
    )
    return json.dumps({"log": {"version": "1.2", "entries": entries}})


def _text(sent: Any) -> str:
    return str(sent) if isinstance(sent, Text) else json.dumps(sent)


def as_cassette(exchanges: list[Exchange]) -> list[dict[str, Any]]:
    found = []
    for number, one in enumerate(exchanges):
        body: Any = json.dumps(one.body).encode()
        response: Any = ({"string": body}, {"string": gzip.compress(body)}, body.decode())[number % 3]
        found.append(
            {
                "request": {
                    "method": one.method,
                    "uri": "https://api.wavespeed.ai" + one.target,
                    "headers": {name: [value] for name, value in headers_of(one).items()},
                    "body": None if one.sent is None else _text(one.sent),
                },
                "response": {
                    "status": {"code": one.status, "message": "…"},
                    "headers": {"Content-Type": ["application/json"]},
                    "body": response,
                },
            }
        )
    return found


def read(path: Path, text: str, provider: str = "wavespeed") -> Comparison:
    path.write_text(text)
    comparison = Comparison(provider)
    for exchange in read_recording(path, provider, Scrubber()):
        comparison.see(exchange)
    return comparison


@pytest.mark.parametrize("provider", PROVIDERS)
def test_what_was_recorded_says_what_was_said(provider: str, tmp_path: Path) -> None:
    comparison = read(tmp_path / "a.jsonl", as_lines(of(provider)), provider)

    assert {} == drifts(comparison.facts)
    assert 250 < comparison.facts.count("held")


@pytest.mark.parametrize("name", ["a new field", "a new state", "other words", "a price went up", "a model is gone"])
def test_a_changed_provider_is_found_out_by_recordings_of_every_form(name: str, tmp_path: Path) -> None:
    change, exchanges = CHANGES[name], of("wavespeed", name)
    cassette = as_cassette(exchanges)
    forms = {
        "a.jsonl": as_lines(exchanges),
        "a.har": as_har(exchanges),
        "a.yaml": yaml.safe_dump({"interactions": cassette, "version": 1}),
    }

    for file, text in forms.items():
        found = drifts(read(tmp_path / file, text).facts)
        assert (change.kind, change.severity) == found[change.fact], file


def test_an_unchanged_provider_is_clean_in_recordings_of_every_form(tmp_path: Path) -> None:
    exchanges = of("wavespeed")
    cassette = as_cassette(exchanges)
    for one in cassette:
        if isinstance(one["response"]["body"], dict):
            raw = one["response"]["body"]["string"]
            one["response"]["body"] = {"base64_string": base64.b64encode(raw).decode()}
    forms = {
        "a.har": as_har(exchanges),
        "a.json": json.dumps({"interactions": cassette}),
        "a.yaml": yaml.safe_dump({"interactions": as_cassette(exchanges)}),
    }

    for file, text in forms.items():
        comparison = read(tmp_path / file, text)
        assert {} == drifts(comparison.facts), file
        assert 250 < comparison.facts.count("held")


def test_a_journal_of_the_fake_is_a_recording_too(tmp_path: Path) -> None:
    with talking_to("wavespeed") as talk:
        talk.compare()
        headers = {"authorization": f"Bearer {KEY}"}
        journal = httpx.get(f"{talk.origin}/_understudy/journal", headers=headers, trust_env=False).json()
    lines = [json.dumps(one) for one in journal["exchanges"]]
    spoilt = [json.dumps({**one, "rules": ["r1"], "status": 418}) for one in journal["exchanges"]]

    comparison = read(tmp_path / "journal.jsonl", "\n".join((*lines, "", *spoilt)))

    assert {} == drifts(comparison.facts)
    assert 100 < comparison.facts.count("held")
    assert "cut short" in comparison.coverage.told()


@pytest.mark.parametrize("separator", ["\u2028", "\u2029", "\x85"])
def test_a_text_may_hold_what_unicode_takes_for_the_end_of_a_line(separator: str, tmp_path: Path) -> None:
    prompt = {"prompt": f"A red{separator}shoe"}
    exchange = Exchange("", "POST", "/api/v3/bytedance/seedream-v4", "key", prompt, 400, {}, {"code": 400})
    path = tmp_path / "recording"
    path.write_text(line_of(exchange, Scrubber()), encoding="utf-8")

    (found,) = read_recording(path, "wavespeed", Scrubber())

    assert prompt == found.sent


def test_a_recording_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    path = tmp_path / "recording"
    path.write_text(as_har(of("wavespeed")[:3]), encoding="utf-8-sig")

    assert 3 == len(read_recording(path, "wavespeed", Scrubber()))


def test_the_keys_in_a_recording_are_secrets(tmp_path: Path) -> None:
    (tmp_path / "a.har").write_text(as_har(of("wavespeed")))
    scrubber = Scrubber()
    read_recording(tmp_path / "a.har", "wavespeed", scrubber)

    assert "a [key] b" == scrubber.text(f"a {KEY} b")


def test_a_recording_of_something_else_never_passes(tmp_path: Path) -> None:
    comparison = read(tmp_path / "a.jsonl", as_lines(of("wavespeed")), "runcomfy")
    found = report(comparison, Scrubber(), source="a.jsonl", today=TODAY, live=False)

    assert 2 == found["status"]
    assert found["verdict"].startswith("Nothing could be compared: ")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{not json", "a.txt, line 1, column 2 is no JSON (Expecting property name enclosed in double quotes): "),
        ('{"log": {}}', "a.txt cannot be read as a recording (KeyError 'entries'): "),
        ("a: [b", "a.txt cannot be read as a recording (ValueError no YAML: ParserError): "),
        ("[" * 100_000, "a.txt cannot be read as a recording (RecursionError "),
        ("just words", "a.txt cannot be read as a recording (TypeError "),
        ('{"method": "GET"}', "a.txt, line 1 cannot be read as a recording (KeyError 'target'): "),
    ],
)
def test_what_is_no_recording_is_refused(text: str, told: str, tmp_path: Path) -> None:
    with pytest.raises(Unable) as unable:
        read(tmp_path / "a.txt", text)

    assert str(unable.value).startswith(told)
    expected = "a HAR file, a VCR cassette (YAML or JSON), or the JSON lines of a journal or of `understudy record`."
    assert str(unable.value).endswith(f": expected {expected}")


LINE = {
    "at": 0, "took": 1, "method": "GET", "target": "/api/v3/balance", "auth": "key", "request": None, "status": 200,
    "headers": {}, "response": {},
}  # fmt: skip


@pytest.mark.parametrize(
    ("third", "says"),
    [
        ('{"at": 1, "took": ', "a.txt, line 3, column 19 is no JSON (Expecting value): "),
        (json.dumps({**LINE, "status": "x"}), "status is of type str; expected a whole number): "),
        (json.dumps({**LINE, "status": True}), "status is of type bool; expected a whole number): "),
        (json.dumps({**LINE, "target": 7}), "target is of type int; expected a text): "),
        (json.dumps({**LINE, "headers": {"a": 7}}), "a header is no text): "),
        (json.dumps({**LINE, "headers": None}), "headers is of type NoneType; expected an object): "),
        (json.dumps({**LINE, "at": "now"}), "at is of type str; expected a number): "),
        ("[]", "list indices must be integers or slices, not str): "),
    ],
)
def test_a_line_that_is_none_is_named_by_its_number_in_the_file(third: str, says: str, tmp_path: Path) -> None:
    with pytest.raises(Unable) as unable:
        read(tmp_path / "a.txt", f"{json.dumps(LINE)}\n\n{third}\n{json.dumps(LINE)}\n")

    told = str(unable.value)
    assert told.startswith(says if says.startswith("a.txt") else "a.txt, line 3 cannot be read as a recording (TypeErr")
    assert says in told


def test_an_entry_that_is_none_is_named_by_its_number(tmp_path: Path) -> None:
    har = json.loads(as_har(of("wavespeed")[:2]))
    har["log"]["entries"][1]["response"]["status"] = "x"
    cassette = {"interactions": as_cassette(of("wavespeed")[:1])}
    cassette["interactions"][0]["request"]["method"] = 7

    with pytest.raises(Unable, match=r"^a.har, entry 2 cannot be read as a recording \(TypeError status is of type "):
        read(tmp_path / "a.har", json.dumps(har))
    with pytest.raises(Unable, match=r"^a.yaml, interaction 1 cannot be read .* method is of type int"):
        read(tmp_path / "a.yaml", yaml.safe_dump(cassette))


def test_a_file_that_ends_too_early_is_named_where_it_ends(tmp_path: Path) -> None:
    har = json.dumps(json.loads(as_har(of("wavespeed")[:2])), indent=1)
    short = "\n".join(har.split("\n")[:5])

    with pytest.raises(Unable, match=r"^a.har, line 5, column \d+ is no JSON"):
        read(tmp_path / "a.har", short)


@pytest.mark.parametrize("provider", PROVIDERS)
def test_halves_of_characters_are_told_as_their_escapes(provider: str, tmp_path: Path) -> None:
    body = {"code": 401, "message": "a half \ud800 and a whole \U0001f600", "\udc00": 1}
    har: dict[str, Any] = {
        "request": {"method": "GET", "url": f"{SERVERS[provider]}/api/v3/balance?a=\ud800", "headers": []},
        "response": {"status": 401, "content": {"text": '{"message": "\ud800"}', "mimeType": "\ud800"}},
    }
    har["request"]["headers"] = [{"name": "X-Api-Key", "value": "a-\ud800-k3y"}]
    forms = {
        "a.jsonl": json.dumps({**LINE, "status": 401, "response": body}),
        "a.har": json.dumps({"log": {"entries": [har]}}),
        "a.yaml": 'interactions: [{request: {method: GET, uri: "https://a.test/api/v3/balance"}, response: '
        '{status: 401, body: "{\\"message\\": \\"\\ud83d\\ude00 \\ud800\\"}"}}]',
    }

    for file, text in forms.items():
        scrubber, comparison = Scrubber(), Comparison(provider)
        (tmp_path / file).write_text(text)
        (exchange,) = read_recording(tmp_path / file, provider, scrubber)
        comparison.see(exchange)
        found = report(comparison, scrubber, source=file, today=TODAY)
        told = line_of(exchange, scrubber) + json.dumps(found, ensure_ascii=False)
        assert told == told.encode().decode(), file
        assert "\\ud800" in told, file


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(Unable, match="cannot be read: No such file or directory"):
        read_recording(tmp_path / "none", "wavespeed", Scrubber())
    with pytest.raises(Unable, match="is no text: expected a HAR file"):
        read_recording(tmp_path / "a", "wavespeed", Scrubber())


@contextmanager
def recording(provider: str, origin: str, lines: list[str]) -> Iterator[str]:
    scrubber = Scrubber()
    scrubber.stands_for(origin, SERVERS[provider])
    with running(Recorder(provider, origin, None, lines.append, scrubber)) as own:
        yield own


def test_the_recorder_knows_keys_and_cookies_for_secrets() -> None:
    def repeats(seen: Answering) -> None:
        seen.body = {"code": 401, "message": "my-own-k3y, c00kie-of-mine, n3w-cookie and p4rameter are unknown"}
        seen.headers["set-cookie"] = "sid=n3w-cookie; Path=/"

    lines: list[str] = []
    with talking_to("wavespeed", repeats) as talk, recording("wavespeed", talk.origin, lines) as own:
        headers = {"x-api-key": "my-own-k3y", "cookie": "sid=c00kie-of-mine"}
        httpx.get(f"{own}/api/v3/balance?access_key=p4rameter", headers=headers, trust_env=False)

    (line,) = map(json.loads, lines)
    assert "[key], [key], [key] and [key] are unknown" == line["response"]["message"]
    assert "/api/v3/balance?access_key=[key]" == line["target"]


def test_the_recorder_passes_on_and_writes_down_without_secrets() -> None:
    lines: list[str] = []
    with talking_to("wavespeed") as talk, recording("wavespeed", talk.origin, lines) as own:
        headers = {"authorization": f"Bearer {KEY}"}
        with httpx.Client(base_url=own, headers=headers, trust_env=False) as client:
            answer = client.post("/api/v3/bytedance/seedream-v4?webhook=", json={"prompt": KEY})
            job = answer.json()["data"]
            first = client.get(job["urls"]["get"])
            talk.pause(10)
            done = client.get(job["urls"]["get"]).json()["data"]
            image = client.get(done["outputs"][0])
            nobody = client.get("/api/v3/balance", headers={"authorization": ""})
        real = talk.origin

    assert job["urls"]["get"].startswith(f"{own}/api/v3/predictions/")
    assert (200, "created", "completed", 401) == (
        first.status_code,
        first.json()["data"]["status"],
        done["status"],
        nobody.status_code,
    )
    assert image.headers["content-type"] == "image/jpeg"
    written = [json.loads(line) for line in lines]
    assert ["key", "key", "key", "key", "wrong"] == [one["auth"] for one in written]
    assert {"prompt": "[key]"} == written[0]["request"]
    assert (
        f"https://api.wavespeed.ai/api/v3/predictions/{job['id']}/result"
        == written[1]["response"]["data"]["urls"]["get"]
    )
    assert f"[{len(image.content)} bytes]" == written[3]["response_text"]
    assert KEY not in "".join(lines)
    assert real.removeprefix("http://") not in "".join(lines)


def test_the_recorder_says_when_nobody_answers() -> None:
    lines: list[str] = []
    with talking_to("wavespeed") as talk:
        gone = talk.origin
    with recording("wavespeed", gone, lines) as own:
        answer = httpx.get(f"{own}/api/v3/balance", trust_env=False)

    assert (502, "The provider did not answer.") == (answer.status_code, answer.json()["message"])
    assert json.loads(lines[0])["status"] is None


def test_the_account_is_on_its_own_host() -> None:
    lines: list[str] = []
    with talking_to("runcomfy") as account, talking_to("runcomfy") as talk:
        recorder = Recorder("runcomfy", talk.origin, account.origin, lines.append, Scrubber())
        headers = {"authorization": f"Bearer {KEY}"}
        with running(recorder) as own, httpx.Client(base_url=own, headers=headers, trust_env=False) as client:
            client.post("/v1/models/bytedance/seedream-4-0/text-to-image", json={"prompt": "x"}).raise_for_status()
            balance = client.get("/prod/v2/balance").json()["balance_usd"]
        real = httpx.get(f"{talk.origin}/prod/v2/balance", headers=headers, trust_env=False).json()["balance_usd"]

    assert 0.03 == pytest.approx(balance - real)


class Replay:
    """A recording that plays again, at a time that a test sets."""

    def __init__(self, provider: str, exchanges: list[Exchange]) -> None:
        self.now = 1_000.0
        self.replayer = Replayer(provider, exchanges, now=lambda: self.now)

    def ask(self, method: str, target: str, sent: Any = None, auth: str = "key") -> tuple[int, Any]:
        status, kind, text = self.replayer.answer(method, target, auth, sent, "http://here")
        assert kind == "application/json"
        return status, json.loads(text)


def recorded_jobs(provider: str) -> list[Exchange]:
    """The exchanges about jobs, on a clock that goes with the fake's."""
    with talking_to(provider) as talk:
        moments: list[float] = []
        talk.compare()
        passed = 0.0
        for one in talk.heard:
            moments.append(passed)
            looks = [look for look in ("/result", "/status") if one.path.endswith(look)]
            passed += 1_000 if looks and one.status == 200 else 1
        return [
            Exchange(
                one.where,
                one.method,
                one.target,
                one.auth,
                one.sent,
                one.status,
                one.headers,
                json.loads(json.dumps(one.body).replace(talk.origin, SERVERS[provider])),
                one.took,
                moment,
            )
            for one, moment in zip(talk.heard, moments, strict=True)
        ]


WAVESPEED = ("/api/v3/bytedance/seedream-v4", {"prompt": "A plain white square", "size": "1024*1024"})
RUNCOMFY = (
    "/v1/models/bytedance/seedream-4-0/sequential",
    {"text": "A plain white square", "sequential_image_generation_options": 1},
)


def test_a_job_settles_by_time_and_not_by_how_often_one_looks() -> None:
    replay = Replay("wavespeed", recorded_jobs("wavespeed"))
    _, submitted = replay.ask("POST", *WAVESPEED)
    job = submitted["data"]["id"]
    path = f"/api/v3/predictions/{job}/result"
    seen = [replay.ask("GET", path)[1]["data"]["status"] for _ in range(20)]
    replay.now += 1_500
    later = [replay.ask("GET", path)[1]["data"]["status"] for _ in range(20)]
    replay.now += 60_000
    _, done = replay.ask("GET", path)

    assert {"created"} == set(seen)
    assert {"processing"} == set(later)
    assert "completed" == done["data"]["status"]
    assert f"http://here{path}" == done["data"]["urls"]["get"]


def test_a_job_that_is_submitted_again_lives_again_under_another_id() -> None:
    replay = Replay("wavespeed", recorded_jobs("wavespeed"))
    first = replay.ask("POST", *WAVESPEED)[1]["data"]["id"]
    replay.now += 60_000
    second = replay.ask("POST", *WAVESPEED)[1]["data"]["id"]

    assert len(first) == len(second) == 32
    assert first != second
    assert ["completed", "created"] == [
        replay.ask("GET", f"/api/v3/predictions/{job}/result")[1]["data"]["status"] for job in (first, second)
    ]
    assert second == replay.ask("GET", f"/api/v3/predictions/{second}/result")[1]["data"]["id"]


def test_a_job_is_cancelled_only_by_who_cancels_it() -> None:
    replay = Replay("runcomfy", recorded_jobs("runcomfy"))
    cancelled = replay.ask("POST", *RUNCOMFY)[1]["request_id"]
    finished = replay.ask("POST", *RUNCOMFY)[1]["request_id"]
    status, body = replay.ask("POST", f"/v1/requests/{cancelled}/cancel")

    assert (202, "cancelled") == (status, body["outcome"])
    assert "cancelled" == replay.ask("GET", f"/v1/requests/{cancelled}/status")[1]["status"]
    replay.now += 60_000
    assert "completed" == replay.ask("GET", f"/v1/requests/{finished}/status")[1]["status"]
    assert "succeeded" == replay.ask("GET", f"/v1/requests/{finished}/result")[1]["status"]
    assert 501 == replay.ask("POST", f"/v1/requests/{finished}/cancel")[0]


def test_a_job_that_was_cancelled_then_and_is_not_now_goes_on_as_it_was() -> None:
    replay = Replay("runcomfy", recorded_jobs("runcomfy"))
    job = replay.ask("POST", *RUNCOMFY)[1]["request_id"]
    replay.now += 60_000
    told, body = replay.ask("GET", f"/v1/requests/{job}/status")

    # Nobody looked before it was cancelled, so nothing is known of the time without.
    assert 501 == told
    assert "GET /v1/requests" in body["message"]


def test_a_cancellation_that_came_too_late_then_is_told_only_when_it_does_so_now() -> None:
    job = "6f21c6f0-4a25-49ee-b720-ac33b9323f5d"
    path = f"/v1/requests/{job}"

    def told(moment: float, method: str, end: str, **body: object) -> Exchange:
        return Exchange("", method, f"{path}/{end}", "key", None, 200, {}, {"request_id": job, **body}, at=moment)

    replay = Replay(
        "runcomfy",
        [
            Exchange("", "POST", RUNCOMFY[0], "key", RUNCOMFY[1], 200, {}, {"request_id": job}),
            Exchange("", "POST", RUNCOMFY[0], "key", {}, 200, {}, {"error_code": 400001}),
            told(10, "GET", "status", status="in_queue"),
            told(20, "POST", "cancel", outcome="cancelled"),
            told(30, "GET", "status", status="cancelled"),
            told(40, "POST", "cancel", outcome="not_cancellable"),
        ],
    )
    replay.ask("POST", *RUNCOMFY)
    first, second = (replay.ask("POST", f"{path}/cancel")[1]["outcome"] for _ in range(2))

    assert ("cancelled", "not_cancellable") == (first, second)
    assert 200 == replay.ask("POST", RUNCOMFY[0], {})[0]


def test_what_depends_on_what_was_submitted_is_told_accordingly() -> None:
    replay = Replay("wavespeed", recorded_jobs("wavespeed"))
    before = replay.ask("GET", "/api/v3/balance")[1]["data"]["balance"]
    replay.ask("POST", *WAVESPEED)
    after = replay.ask("GET", "/api/v3/balance")[1]["data"]["balance"]

    assert 0.027 == pytest.approx(before - after)
    assert 401 == replay.ask("GET", "/api/v3/balance", auth="none")[0]


def test_what_was_not_recorded_is_told_with_what_was() -> None:
    replay = Replay("wavespeed", recorded_jobs("wavespeed"))
    status, body = replay.ask("POST", WAVESPEED[0], {"prompt": "Something else"})

    assert (501, "Nothing like POST /api/v3/bytedance/seedream-v4 is in the recording.") == (status, body["message"])
    assert {"POST /api/v3/bytedance/seedream-v4", "GET /api/v3/balance"} <= set(body["recorded"])


@pytest.mark.parametrize("provider", PROVIDERS)
def test_what_plays_again_has_not_drifted(provider: str) -> None:
    exchanges = recorded_jobs(provider)
    replayer = Replayer(provider, exchanges)
    with running(ReplayApp(replayer)) as origin, httpx.Client(base_url=origin, trust_env=False) as client:
        comparison = Comparison(provider)
        for one in exchanges:
            content: Any = {"content": str(one.sent)} if isinstance(one.sent, Text) else {"json": one.sent}
            sent = content if one.sent is not None else {}
            answer = client.request(one.method, one.target, headers=headers_of(one), **sent)
            body = answer.json()
            comparison.see(
                Exchange(one.where, one.method, one.target, one.auth, one.sent, answer.status_code, {}, body)
            )

    assert {} == drifts(comparison.facts)


def test_cassettes_say_what_reading_them_needs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "yaml", None)
    with pytest.raises(Unable, match=r"`pip install 'understudy\[drift\]'` has what reading YAML needs\.$"):
        read(tmp_path / "a.yaml", "interactions: []")
