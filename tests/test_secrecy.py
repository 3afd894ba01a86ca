"""No key, token, signed URL or private host gets out, whatever a provider does with it."""

from __future__ import annotations

import base64
import json
import string
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from drifting import DOLLAR, TODAY, Answering, talking_to
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from understudy.contracts.ceiling import Ceiling
from understudy.contracts.drift_compare import Comparison
from understudy.contracts.drift_page import as_page
from understudy.contracts.drift_report import report
from understudy.contracts.drift_text import as_json, as_junit, as_markdown, table
from understudy.contracts.exchanges import Exchange
from understudy.contracts.findings import Unable
from understudy.contracts.prober import Prober
from understudy.contracts.recordings import line_of, read_recording
from understudy.contracts.secrecy import HOST, KEY, SECRET, SIGNED, Scrubber, carried, fields, is_masked, key_in

CHARACTERS = string.ascii_letters + string.digits + "-_.~+/="
SECRETS = st.text(CHARACTERS, min_size=8, max_size=60).filter(lambda text: len(set(text)) > 3 and "/" not in text[:1])
HOSTS = st.from_regex(r"\A[a-z][a-z0-9-]{2,12}\.(internal|corp|local|lan)\Z") | st.builds(
    lambda a, b: f"10.{a}.{b}.7", st.integers(0, 255), st.integers(0, 255)
)


def forms(secret: str) -> list[str]:
    """How a secret may be found again."""
    raw = secret.encode()
    return [
        secret,
        quote(secret, safe=""),
        json.dumps(secret)[1:-1],
        base64.b64encode(raw).decode().rstrip("="),
        base64.urlsafe_b64encode(raw).decode().rstrip("="),
    ]


def leaky(secret: str, host: str) -> dict[str, object]:
    """A body that has it in every place."""
    signed = f"https://bucket.s3.amazonaws.com/a.png?X-Amz-Signature={secret}&X-Amz-Expires=60"
    return {
        "echo": f"The key {secret} is not known.",
        secret: "as a name",
        "authorization": f"Bearer {secret}",
        "url": f"https://user:{secret}@api.wavespeed.ai/{quote(secret, safe='')}?key={quote(secret)}",
        "signed": signed,
        "escaped": json.dumps({"Authorization": f"Bearer {secret}", "url": signed}),
        "basic": base64.b64encode(secret.encode()).decode(),
        "where": f"http://{host}:8443/gateway and {host} and http%3A%2F%2F{host}%2F",
        "nested": [{"deep": [secret, signed, host]}],
    }


@settings(max_examples=200)
@given(SECRETS, HOSTS)
def test_nothing_secret_is_left_in_a_value(secret: str, host: str) -> None:
    scrubbed = json.dumps(Scrubber([secret]).value(leaky(secret, host)), ensure_ascii=False)

    assert [] == [form for form in forms(secret) if form in scrubbed]
    assert host not in scrubbed
    assert "X-Amz" not in scrubbed


@settings(max_examples=200)
@given(SECRETS, HOSTS)
def test_nothing_secret_is_left_in_the_line_of_a_recording(secret: str, host: str) -> None:
    exchange = Exchange(
        where="x",
        method="POST",
        target=f"/api/v3/a?webhook=https%3A%2F%2F{host}%2Fhook%3Ft%3D{quote(secret, safe='')}&key={quote(secret)}",
        auth="key",
        sent=leaky(secret, host),
        status=200,
        headers={"Set-Cookie": secret, "Retry-After": "3", "X-Served-By": host, "X-Request-Id": secret, secret: "1"},
        body=leaky(secret, host),
    )
    line = line_of(exchange, Scrubber([secret]))

    assert [] == [form for form in forms(secret) if form in line]
    assert host not in line
    assert {"set-cookie": "", "retry-after": "3", "x-served-by": "", "x-request-id": ""} == json.loads(line)["headers"]


# Not shrunk: each example is a whole conversation.
@settings(max_examples=15, phases=(Phase.generate,), suppress_health_check=list(HealthCheck))
@given(st.text(string.ascii_letters + string.digits + "-_.~+=", min_size=10, max_size=40), HOSTS)
def test_nothing_secret_gets_out_of_a_whole_run(secret: str, host: str) -> None:
    def tells_everything(seen: Answering) -> None:
        if isinstance(seen.body, dict):
            seen.body["leak"] = leaky(secret, host)
            if seen.status >= 400:
                seen.body["message"] = f"Bearer {secret} is no key at https://{host}/?sig={secret}"
        seen.headers["x-key"] = secret
        seen.headers["content-type"] = f"application/json; {secret}"

    with talking_to("wavespeed", tells_everything, key=secret) as talk:
        talk.scrubber.stands_for(talk.origin, "https://api.wavespeed.ai")
        found = talk.report(talk.compare(DOLLAR), notes=[talk.stopped])
        written = [as_json(found), as_junit(found), as_markdown(found), as_page(found), *table(found)]
        written += [line_of(exchange, talk.scrubber) for exchange in talk.heard]
        origin = talk.origin

    everything = "\n".join(written)
    assert "leak" in everything
    assert [] == [form for form in (*forms(secret), host, origin.removeprefix("http://")) if form in everything]


@pytest.mark.parametrize(
    ("told", "scrubbed"),
    [
        ("https://api.wavespeed.ai/api/v3/models?limit=5", "https://api.wavespeed.ai/api/v3/models?limit=5"),
        ("https://d2p7.cloudfront.net/a.png?Expires=1&Signature=x", f"https://d2p7.cloudfront.net/a.png?{SIGNED}"),
        ("https://u:p@example.com/x", "https://example.com/x"),
        ("http://10.0.0.7:80/x", f"http://{HOST}/x"),
        ("https://wavespeed.ai.evil.test/x", f"https://{HOST}/x"),
        ("see http://box.local:8080", f"see http://{HOST}"),
        ("at 192.168.1.4:99 or db.internal", f"at {HOST} or {HOST}"),
        ("version 1.2.3.4.5 of 8.8.8.8", "version 1.2.3.4.5 of 8.8.8.8"),
        ("fd00::12 and localhost:80", f"{HOST} and {HOST}"),
        ("whsec_abcDEF123+/=", SECRET),
        ("Authorization: Bearer abcdef123456", f"Authorization: Bearer {SECRET}"),
        ('{"api_key": "short"}', f'{{"api_key": "{SECRET}"}}'),
        ("https%3A%2F%2Fapi.wavespeed.ai%2Fx", "https%3A%2F%2Fapi.wavespeed.ai%2Fx"),
        ("https%3A%2F%2Fapi.wavespeed.ai%2Fx%3Fk%3D1", f"https%3A%2F%2F{HOST}"),
        ("not.an.999.address 999.1.1.1", "not.an.999.address 999.1.1.1"),
    ],
)
def test_what_looks_secret_is_cut_out_and_the_rest_stays(told: str, scrubbed: str) -> None:
    assert scrubbed == Scrubber().text(told)


@pytest.mark.parametrize("piece", ["a", "ab-", "a.", "1.1.1.", "fd00:", "token ", "token='", "eyJaaaaaaaaa.", "http:"])
def test_long_texts_come_to_an_end(piece: str) -> None:
    text = piece * (500_000 // len(piece))  # what is tried anew at each letter takes hours

    assert len(Scrubber(("a-key-that-is-long",)).text(text)) > 0


def test_an_origin_is_told_as_the_host_that_it_stands_for() -> None:
    scrubber = Scrubber()
    scrubber.stands_for("http://gateway.corp:8080", "https://api.wavespeed.ai")
    scrubber.stands_for("https://api.wavespeed.ai", "https://api.wavespeed.ai")

    assert "https://api.wavespeed.ai/x at api.wavespeed.ai" == scrubber.text(
        "http://gateway.corp:8080/x at gateway.corp:8080"
    )


def test_a_short_key_is_masked_where_it_stands_alone() -> None:
    assert f"the {KEY} of a keyboard" == Scrubber(["key", ""]).text("the key of a keyboard")


def test_what_was_masked_is_known_again() -> None:
    assert [True, False, False] == [is_masked(f"a {SECRET}"), is_masked("a secret"), is_masked(7)]
    assert ["abc", "", "abc"] == [key_in("Bearer abc"), key_in(" "), key_in("abc")]


@pytest.mark.parametrize("key", ["two\nlines", " blank", "schlüssel", "tab\there"])
def test_a_key_that_cannot_be_sent_is_refused_without_being_told(key: str) -> None:
    with pytest.raises(Unable) as unable:
        Prober("wavespeed", "http://127.0.0.1:1", key, Ceiling(0), Scrubber([key]))

    assert "The key is not one that can be sent in a header: it has blanks, line ends or odd characters." == str(
        unable.value
    )


CARRIED: dict[str, tuple[dict[str, str], str, dict[str, str], str]] = {
    "a key": ({"X-Api-Key": "{}"}, "", {}, ""),
    "a token": ({"x-amz-security-token": "{}"}, "", {}, ""),
    "a cookie": ({"Cookie": "lang=en; sid={}"}, "", {}, ""),
    "a new cookie": (
        {},
        "",
        {"Set-Cookie": "lang=en; Path=/\nsid={}; Path=/; Expires=Wed, 21 Oct 2026 07:28:00 GMT"},
        "",
    ),
    "a parameter": ({}, "?limit=5&api_key={}", {}, ""),
    "a field": ({}, "", {}, '{{"data": {{"accessToken": "{}"}}}}'),
    "a field of several": ({}, "", {}, '[{{"secrets": ["{}"]}}]'),
    "a form": ({}, "", {}, "grant=1&client_secret={}"),
}


def heard_with(secret: str, way: str, form: str) -> str:
    """A recording of one exchange that carries a secret, and repeats it in the answer."""
    asked, query, told, sent = CARRIED[way]
    echo = json.dumps({"code": 200, "message": f"Hello {secret}", "data": {"balance": 1.5, secret: f"is {secret}"}})
    url = f"https://api.wavespeed.ai/api/v3/balance{query.format(quote(secret, safe=''))}"
    request, answer = ({name: value.format(secret) for name, value in one.items()} for one in (asked, told))
    text = sent.format(secret)
    if form == "lines":
        body = {"request_text": text} if "=" in text else {"request": json.loads(text or "null")}
        line: dict[str, Any] = {"at": 0, "took": 1, "method": "GET"}
        line |= {"target": url.removeprefix("https://api.wavespeed.ai")}
        line |= {"auth": "key", **body, "status": 200, "headers": answer, "response": json.loads(echo)}
        return json.dumps(line)
    if form == "cassette":
        one: dict[str, Any] = {
            "request": {
                "method": "GET",
                "uri": url,
                "headers": {name: ["0", value] for name, value in request.items()},
            },
            "response": {
                "status": 200,
                "headers": {name: ["0", value] for name, value in answer.items()},
                "body": echo,
            },
        }
        one["request"]["body"] = text
        return json.dumps({"interactions": [one]})
    headers = [{"name": name, "value": value} for name, value in (("cookie", "a=b"), *request.items())]
    entry = {
        "request": {"method": "GET", "url": url, "headers": headers, "postData": {"text": text}},
        "response": {
            "status": 200,
            "headers": [{"name": name, "value": value} for name, value in answer.items()],
            "content": {"mimeType": "application/json", "text": echo},
        },
    }
    return json.dumps({"log": {"entries": [entry]}})


@pytest.mark.parametrize(
    ("way", "form"),
    [(way, form) for way in CARRIED for form in ("har", "cassette", "lines") if form != "lines" or not CARRIED[way][0]],
)
def test_what_a_recording_carries_as_a_secret_is_in_no_report(way: str, form: str, tmp_path: Path) -> None:
    secret = "s3cr3t-Value-0123456789"
    path = tmp_path / "recording"
    path.write_text(heard_with(secret, way, form))
    scrubber, comparison = Scrubber(), Comparison("wavespeed")
    heard = read_recording(path, "wavespeed", scrubber)
    for exchange in heard:
        comparison.see(exchange)
    found = report(comparison, scrubber, source="a", today=TODAY)
    written = [as_json(found), as_junit(found), as_markdown(found), as_page(found), *table(found)]
    written += [line_of(exchange, scrubber) for exchange in heard]

    assert 1 == len(heard)
    assert "Hello [key]" in written[-1]
    assert [] == [one for one in written if secret in one]


def test_a_header_of_several_cookies_has_several_secrets() -> None:
    told = [("Cookie", 'a="s1d-%41bcdef"; theme=dark'), ("set-cookie", "b=t0ken-of-1, c=t0ken-of-2; Path=/, token=x")]

    expected = ["s1d-%41bcdef", "s1d-Abcdef", "t0ken-of-1", "t0ken-of-1", "t0ken-of-2", "t0ken-of-2", "x", "x"]
    assert expected == list(carried(told))


def test_plain_words_under_a_secrets_name_are_not_cut_out_elsewhere() -> None:
    body = {"password": "required", "token": {"type": "string"}, "max_tokens": "4096", "api_keys": ["a", 7, None]}

    assert [] == list(fields(body))
    assert [] == list(carried([("x-ratelimit-tokens", "150000"), ("content-type", "text/html")]))


def test_everything_under_a_secrets_name_is_cut_out() -> None:
    scrubbed = Scrubber().value({"clientSecrets": ["one", {"a": "b"}, 7], "tokenizer": "x"})

    assert {"clientSecrets": [SECRET, {"a": "b"}, 7], "tokenizer": "x"} == scrubbed
