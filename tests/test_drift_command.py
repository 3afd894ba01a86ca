"""`understudy drift`, `record` and `replay` on the command line: what is printed and written, and how they end."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import httpx
import pytest
from changed_providers import CHANGES
from click.testing import CliRunner, Result
from drifting import KEY, Talk, as_it_is, talking_to

from understudy.contracts.catalogue import models
from understudy.contracts.drift_live import account_of
from understudy.contracts.exchanges import Exchange
from understudy.contracts.prober import Prober, Unreachable
from understudy.contracts.recordings import line_of
from understudy.mockserver.cli import main
from understudy.mockserver.durations import DurationRange


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WAVESPEED_API_KEY", KEY)
    monkeypatch.setenv("RUNCOMFY_API_KEY", KEY)
    return tmp_path


@pytest.fixture
def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Recordings of providers, one of which has not changed."""
    found = {}
    for name in ("", "a new state", "other words", "a price went up", "another code"):
        provider = CHANGES[name].provider if name else "wavespeed"
        with talking_to(provider, CHANGES[name].bend if name else as_it_is) as talk:
            talk.scrubber.stands_for(talk.origin, "https://api.wavespeed.ai")
            talk.compare()
            path = tmp_path_factory.mktemp("recorded") / "talk.jsonl"
            path.write_text("".join(line_of(one, talk.scrubber) for one in talk.heard))
            found[name] = path
    return found


@pytest.fixture
def fast() -> Iterator[Talk]:
    """A provider whose jobs take no time."""
    none = DurationRange(0, 0)
    with talking_to("wavespeed", queue_time=none, run_time=none) as talk:
        yield talk


def drift(*arguments: object, stdin: str | None = None) -> Result:
    return CliRunner().invoke(main, ["drift", *map(str, arguments)], input=stdin)


def test_an_unchanged_provider_ends_with_0_and_its_reports_say_so(folder: Path, fast: Talk) -> None:
    done = drift(
        "wavespeed", "--base-url", f"{fast.origin}/api/v3", "--spend", "1", "--yes", "--json", "a.json", "--junit",
        "a.xml", "--markdown", "a.md", "--html", "a.html", "--record", "a.jsonl",
    )  # fmt: skip

    assert (0, "") == (done.exit_code, done.stderr)
    assert done.stdout.startswith(
        "Free: 34 requests.\n"
        "Wrong inputs: 7 submissions that are to be refused, tried where there is room for their price\n"
        "  ($0.432 at most) in case one is taken; that would be the last.\n"
        "Job: $0.027  bytedance/seedream-v4 (size 1024*1024), to its end\n"
        "Jobs: $0.027 in all; the ceiling is $1.00.\n"
        "wavespeed, asked live\n"
    )
    assert done.stdout.endswith("not checked. Everything that could be compared has held.\n")
    report = json.loads((folder / "a.json").read_text())
    suite = ElementTree.parse(folder / "a.xml").getroot()
    assert ("0", "0", str(sum(report["counts"].values()))) == (
        suite.get("failures"),
        suite.get("errors"),
        suite.get("tests"),
    )
    assert (folder / "a.md").read_text().startswith("# wavespeed and its contract: Everything that could be compared")
    assert "Everything that could be compared has held." in (folder / "a.html").read_text()
    again = drift("wavespeed", "--recording", "a.jsonl")
    assert (0, "") == (again.exit_code, again.stderr)
    everything = "".join(path.read_text() for path in folder.iterdir()) + done.stdout
    assert KEY not in everything
    assert fast.origin.removeprefix("http://") not in everything


def test_a_drift_is_told_in_full_and_ends_with_1(folder: Path, recorded: dict[str, Path]) -> None:
    done = drift("wavespeed", "--recording", recorded["a new state"], "--junit", "a.xml", "--markdown", "a.md")

    assert (1, "") == (done.exit_code, done.stderr)
    assert re.search(
        r"^wavespeed, talk.jsonl\n\n"
        r"  breaking  result 200: /data/status: new word\n"
        r'    expected  one of \["created", "processing", "completed", "failed", .*\], required\n'
        r'    seen      "running"   \(talk.jsonl, line \d+, and \d more\)\n\n'
        r"  Known now: \d+ facts that were assumed; \d+ of them were right.\n\n"
        r"  Not checked:\n     \d+  nothing that was seen shows it\n\n"
        r"\d+ held, 1 drifted, \d+ not checked. 1 fact has drifted: breaking.\n$",
        done.stdout,
    )
    (failure,) = ElementTree.parse(folder / "a.xml").iterfind("./testcase/failure")
    assert "breaking" == failure.get("type")
    assert "| breaking | `result 200: /data/status` | new word |" in (folder / "a.md").read_text()


def test_the_severity_that_counts_can_be_chosen(recorded: dict[str, Path]) -> None:
    mild = recorded["other words"]

    assert 0 == drift("wavespeed", "--recording", mild).exit_code
    assert 1 == drift("wavespeed", "--recording", mild, "--fail-on", "cosmetic").exit_code


def test_too_little_ends_with_2(folder: Path) -> None:
    (folder / "none.jsonl").write_text("\n")
    done = drift("wavespeed", "--recording", "none.jsonl", "--junit", "a.xml", "--html", "a.html")

    assert 2 == done.exit_code
    assert done.stdout.endswith("Nothing could be compared: there was no exchange.\n")
    assert "1" == ElementTree.parse(folder / "a.xml").getroot().get("errors")
    assert 'class="verdict useless"' in (folder / "a.html").read_text()


IGNORE = """
[[ignore]]
fact = "result 200: /data/sta*"
reason = "the client copes"
until = {until}

[[ignore]]
fact = "submit 200: /data/nothing"
reason = "it is old"
until = 2999-01-01
"""


def test_what_is_ignored_does_not_count_until_its_date(folder: Path, recorded: dict[str, Path]) -> None:
    (folder / "now.toml").write_text(IGNORE.format(until="2999-01-01"))
    (folder / "old.toml").write_text(IGNORE.format(until="2020-01-01"))
    options = ("wavespeed", "--recording", recorded["a new state"], "--junit", "a.xml", "--html", "a.html")
    now, old = drift(*options, "--ignore", "now.toml"), drift("wavespeed", *options[1:3], "--ignore", "old.toml")

    assert (0, 1) == (now.exit_code, old.exit_code)
    assert "  ignored   result 200: /data/status: new word\n" in now.stdout
    assert "    ignored: the client copes (until 2999-01-01)\n" in now.stdout
    assert "Ignored, and there is nothing to ignore: submit 200: /data/nothing (it is old)\n" in now.stdout
    assert now.stdout.endswith("Nothing new has drifted.\n")
    assert "Ignored until 2020-01-01, which is over: result 200: /data/sta* (the client copes)\n" in old.stdout
    skipped = [one.get("message") for one in ElementTree.parse(folder / "a.xml").iterfind("./testcase/skipped")]
    assert "the client copes (until 2999-01-01)" in skipped
    assert "the client copes (until 2999-01-01)" in (folder / "a.html").read_text()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("x", "a.toml is no TOML: "),
        ("a = 1", "a.toml has a: expected [[ignore]] with fact = "),
        ("ignore = 3", "a.toml has ignore: expected [[ignore]] with fact = "),
        ("ignore = [3]", "a.toml, entry 1 has 3: expected [[ignore]]"),
        ('[[ignore]]\nfact = "a"', "a.toml, entry 1 has fact: expected [[ignore]]"),
        ('[[ignore]]\nfact = "a"\nreason = " "\nuntil = 2026-01-01', "a.toml, entry 1: fact and reason are texts, and"),
        ('[[ignore]]\nfact = "a"\nreason = "b"\nuntil = "soon"', "a.toml, entry 1: until is 'soon'; expected a date"),
    ],
)
def test_an_ignore_file_that_is_wrong_is_refused(text: str, told: str, folder: Path, recorded: dict[str, Path]) -> None:
    (folder / "a.toml").write_text(text)
    done = drift("wavespeed", "--recording", recorded[""], "--ignore", "a.toml")

    assert 2 == done.exit_code
    assert done.stderr.startswith(f"Error: {told}")


def test_a_baseline_leaves_what_is_new(folder: Path, recorded: dict[str, Path]) -> None:
    first = drift("wavespeed", "--recording", recorded["a new state"], "--json", "was.json")
    same = drift("wavespeed", "--recording", recorded["a new state"], "--baseline", "was.json", "--html", "a.html")
    other = drift("wavespeed", "--recording", recorded["a price went up"], "--baseline", "was.json")

    assert [1, 0, 1] == [one.exit_code for one in (first, same, other)]
    assert "  known     result 200: /data/status: new word\n" in same.stdout
    assert "No drift any more since the baseline: result 200: /data/status\n" in other.stdout
    assert "since the baseline" in (folder / "a.html").read_text()


def test_headers_and_times_are_held_against_a_baseline(folder: Path, recorded: dict[str, Path]) -> None:
    lines = [json.loads(line) for line in recorded[""].read_text().splitlines()]
    drift("wavespeed", "--recording", recorded[""], "--json", "was.json")
    for line in lines:
        if line["target"] == "/api/v3/balance":
            line["took"] = 5_000
            line["headers"] = {"content-type": "application/json", "x-ratelimit-limit": "7"}
        elif line["target"] == "/api/v3/models":
            line["headers"] = {"x-new": ""}
    (folder / "now.jsonl").write_text("\n".join(map(json.dumps, lines[:-1])))
    done = drift("wavespeed", "--recording", "now.jsonl", "--baseline", "was.json", "--json", "now.json")

    found = {(one["fact"], one["kind"], one["severity"]) for one in json.loads(Path("now.json").read_text())["drifted"]}
    assert 0 == done.exit_code
    assert {
        ("balance: headers", "new header", "additive"),
        ("balance: time", "slower", "cosmetic"),
        ("models: headers", "new header", "additive"),
    } == found


def test_a_header_that_is_gone_and_an_operation_that_was_not_asked(folder: Path, recorded: dict[str, Path]) -> None:
    report = {
        "provider": "wavespeed",
        "drifted": [],
        "headers": {"balance": ["content-type", "x-gone"], "list": ["x"]},
        "took": {"list": 3},
    }
    (folder / "was.json").write_text(json.dumps(report))
    drift("wavespeed", "--recording", recorded[""], "--baseline", "was.json", "--json", "now.json")

    now = json.loads((folder / "now.json").read_text())
    assert [("balance: headers", "header gone", "x-gone", "no such header")] == [
        (one["fact"], one["kind"], one["expected"], one["seen"]) for one in now["drifted"]
    ]
    assert any({"list: headers", "list: time"} <= set(one["facts"]) for one in now["not_checked"])


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("x", "was.json is no JSON: "),
        ("[]", "was.json is no report of `understudy drift --json`, which a baseline is."),
        ('{"provider": "runcomfy", "drifted": []}', "was.json is a report on runcomfy, not on wavespeed."),
        (None, "was.json cannot be read: No such file or directory."),
    ],
)
def test_a_baseline_that_is_none_is_refused(
    text: str | None, told: str, folder: Path, recorded: dict[str, Path]
) -> None:
    if text is not None:
        (folder / "was.json").write_text(text)
    done = drift("wavespeed", "--recording", recorded[""], "--baseline", "was.json")

    assert (2, True) == (done.exit_code, done.stderr.startswith(f"Error: {told}"))


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (
            (),
            "Say what to compare: --base-url, which is https://api.wavespeed.ai for the provider itself, or "
            "--recording, or --catalogue.",
        ),
        (("--base-url", "http://a.test", "--catalogue", "b"), "Say what to compare: --base-url, which is "),
        (("--base-url", "nowhere"), "--base-url is no URL of a host, as in https://api.example.com."),
        (("--base-url", "http://a.test/gw"), "--base-url is an origin, as in https://api.example.com: there may be no"),
        (("--base-url", "http://u:p@a.test"), "--base-url is no URL of a host, as in https://api.example.com."),
        (("--base-url", "http://[::1"), "--base-url is no URL of a host, as in https://api.example.com."),
        (("--base-url", "http://a.test", "--account-url", "x"), "--account-url is no URL of a host, as in "),
        (
            ("--base-url", "http://a.test", "--key-env", "NO_SUCH_KEY"),
            "The API key is expected in the environment variable NO_SUCH_KEY, which is not set; see --key-env.",
        ),
        (("--base-url", "http://a.test", "--spend", "all"), "--spend: 'all' is not an amount of dollars, as in 0.50."),
        (
            ("--base-url", "http://a.test", "--spend", "1"),
            "This may spend money, and nobody is there to be asked: --yes says that it may.",
        ),
        (
            ("--base-url", "http://a.test", "--spend", "1", "--model", "x"),
            "wavespeed has no model 'x'; there are: bytedance/",
        ),
        (("--recording", "none.har"), "none.har cannot be read: No such file or directory."),
        (("--recording", "x", "--assume", "a=b"), '--assume a=b: no switch is called "a"; there are: '),
        (
            ("--recording", "x", "--assume", "wavespeed.size=huge"),
            "--assume wavespeed.size=huge: wavespeed.size is one of seed, catalogue, llms.",
        ),
        (("--recording", "x", "--ignore", "none.toml"), "none.toml cannot be read: No such file or directory."),
    ],
)
def test_what_is_wrong_with_a_command_is_said(arguments: tuple[str, ...], told: str, folder: Path) -> None:
    done = drift("wavespeed", *arguments)

    assert 2 == done.exit_code
    assert done.stderr.startswith(f"Error: {told}")


def test_a_report_that_cannot_be_written_is_no_pass(folder: Path, recorded: dict[str, Path]) -> None:
    done = drift("wavespeed", "--recording", recorded[""], "--json", "none/a.json")
    data = drift("runcomfy", "--recording", recorded["another code"], "--write-data", recorded[""] / "x")

    assert (2, "Error: none/a.json cannot be written: No such file or directory.\n") == (done.exit_code, done.stderr)
    assert (2, "cannot be written: Not a directory.\n") == (data.exit_code, data.stderr[-36:])


@pytest.mark.parametrize("option", ["--record", "--json", "--junit", "--markdown", "--html"])
def test_a_report_that_cannot_be_written_is_told_before_anything_is_asked(
    option: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("understudy.contracts.drift_command.ask", pytest.fail)
    done = drift("wavespeed", "--base-url", "http://127.0.0.1:1", "--json", "a.json", option, "none/a")

    assert (2, "Error: none/a cannot be written: No such file or directory.\n") == (done.exit_code, done.stderr)
    assert [] == [*folder.iterdir()]


def test_an_error_of_our_own_tells_no_key(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "a.json").write_text(json.dumps({"data": [{"model_id": "bytedance/seedream-v4", "base_price": [KEY]}]}))
    (folder / "b.json").write_text("{}")
    monkeypatch.setenv("WAVESPEED_API_KEY", KEY)
    (folder / "was.json").write_text('{"provider": "wavespeed", "drifted": [{"Bearer abcdefghijk": 1}]}')
    done = drift("wavespeed", "--catalogue", "a.json", "--baseline", "was.json")

    assert 2 == done.exit_code
    assert "KeyError: 'fact'" in done.stderr
    assert str(folder) not in done.stdout


def published(provider: str = "wavespeed") -> list[Any]:
    return [json.loads(json.dumps(model.entry)) for model in models(provider).values()]


def schema_of(entry: Any) -> Any:
    return entry["api_schema"]["api_schemas"][0]["request_schema"]


def test_the_catalogue_is_compared_by_itself_and_its_updated_files_are_written(folder: Path) -> None:
    entries = published()
    v4 = next(one for one in entries if one["model_id"] == "bytedance/seedream-v4")
    v4["base_price"] = 0.05
    v4["description"] = "Somebody else's words."
    schema_of(v4)["properties"]["style"] = {"type": "string", "description": "Somebody else's words."}
    new = {**json.loads(json.dumps(v4)), "model_id": "bytedance/seedream-v6"}
    (folder / "models.json").write_text(json.dumps({"code": 200, "data": [*entries, new, {"model_id": "a/b"}]}))
    done = drift("wavespeed", "--catalogue", "models.json", "--write-data", "data", "--json", "a.json")

    drifted = {one["fact"]: one["kind"] for one in json.loads((folder / "a.json").read_text())["drifted"]}
    assert {
        "model bytedance/seedream-v4: base_price": "price",
        "model bytedance/seedream-v4: input style": "new input",
        "model bytedance/seedream-v6": "new model",
    } == drifted
    assert 1 == done.exit_code
    written = json.loads((folder / "data/wavespeed/models/bytedance.seedream-v4.json").read_text())
    assert (0.05, "Seedream on WaveSpeed: draw pictures from a prompt.") == (
        written["base_price"],
        written["description"],
    )
    assert {"type": "string"} == schema_of(written)["properties"]["style"]
    assert "What to draw or change." == schema_of(written)["properties"]["prompt"]["description"]
    evidence = written["x-understudy"]["evidence"]
    assert "observed" == evidence["base_price"][0]["mark"] == evidence["inputs.style"][0]["mark"]
    assert (folder / "data/wavespeed/models/bytedance.seedream-v6.json").exists()
    assert "Somebody" not in "".join(path.read_text() for path in (folder / "data").rglob("*.json"))
    assert 2 == len(list((folder / "data").rglob("*.json")))


def test_an_unchanged_catalogue_is_clean(folder: Path) -> None:
    (folder / "models.json").write_text(json.dumps({"models": published("runcomfy"), "total": 10}))
    done = drift("runcomfy", "--catalogue", "models.json")

    assert (0, "") == (done.exit_code, done.stderr)


@pytest.mark.parametrize("provider", ["wavespeed", "runcomfy"])
def test_the_schema_of_a_model_page_is_compared_with_the_model(provider: str, folder: Path) -> None:
    entry = published(provider)[0]
    schema = schema_of(entry) if provider == "wavespeed" else entry["input_schema"]
    schema["properties"]["prompt" if "prompt" in schema["properties"] else "text"]["type"] = "array"
    (folder / "page.json").write_text(json.dumps(schema))
    done = drift(provider, "--catalogue", "page.json", "--model", entry["model_id"], "--write-data", "data")

    assert 1 == done.exit_code
    assert f"model {entry['model_id']}: input " in done.stdout
    [written] = (folder / "data").rglob("*.json")
    kept = json.loads(written.read_text())
    assert ({**entry, "x-understudy": 0}).keys() == kept.keys()


@pytest.mark.parametrize(
    ("text", "model", "told"),
    [
        (
            '{"properties": {}}',
            None,
            "a.json is the schema of one model: say which with --model; there are: ",
        ),
        ('{"properties": {"a": 3}}', "bytedance/seedream-v4", "a.json is no schema of a model: "),
        ("7", None, "a.json is no catalogue: expected an answer of /models, an entry of it, or a model page's schema."),
        ("{", None, "a.json is no JSON: "),
        (None, None, "a.json cannot be read: No such file or directory."),
    ],
)
def test_what_is_no_catalogue_is_refused(text: str | None, model: str | None, told: str, folder: Path) -> None:
    if text is not None:
        (folder / "a.json").write_text(text)
    done = drift("wavespeed", "--catalogue", "a.json", *(("--model", model) if model else ()))

    assert (2, True) == (done.exit_code, done.stderr.startswith(f"Error: {told}")), done.stderr


def test_one_entry_is_compared_and_the_others_are_not_gone(folder: Path) -> None:
    (folder / "one.json").write_text(json.dumps(published()[0]))
    done = drift("wavespeed", "--catalogue", "one.json")

    assert (0, "") == (done.exit_code, done.stderr)


def test_what_was_learnt_is_written_as_contract_data(folder: Path, recorded: dict[str, Path]) -> None:
    done = drift("runcomfy", "--recording", recorded["another code"], "--write-data", "data")

    written = json.loads((folder / "data/runcomfy/samples/submit-unknown_model.json").read_text())
    assert "Written: data/runcomfy/samples/submit-unknown_model.json\n" in done.stdout
    assert 404_002 == written["response"]["body"]["error_code"]
    assert "assumed" not in {one["mark"] for one in written["evidence"]}


def understudy(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "understudy.mockserver", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
    )


def test_what_record_wrote_is_what_replay_serves(folder: Path, fast: Talk) -> None:
    headers = {"authorization": f"Bearer {KEY}"}
    sent = {"prompt": "A shoe"}
    path = "/api/v3/bytedance/seedream-v4"
    with understudy("record", "wavespeed", "--base-url", fast.origin, "-o", "a.jsonl", "--port", "0") as recorder:
        assert recorder.stdout is not None
        origin = recorder.stdout.readline().split()[-1]
        with httpx.Client(base_url=origin, headers=headers, trust_env=False) as client:
            job = client.post(path, json=sent).json()["data"]
            done = client.get(job["urls"]["get"]).json()["data"]
        recorder.send_signal(signal.SIGTERM)
    with understudy("replay", "wavespeed", "a.jsonl", "--port", "0", "--speed", "100") as replay:
        assert replay.stdout is not None
        origin = replay.stdout.readline().split()[-1]
        with httpx.Client(base_url=origin, headers={"authorization": "Bearer any"}, trust_env=False) as client:
            again = client.post(path, json=sent).json()["data"]
            told = again
            while told["status"] != "completed":  # as long after its submission as it was then
                told = client.get(again["urls"]["get"]).json()["data"]
        replay.send_signal(signal.SIGINT)

    assert (0, 0) == (recorder.returncode, replay.returncode)
    assert (job["id"], done["status"]) == (again["id"], told["status"])
    assert again["urls"]["get"].startswith(origin)
    assert KEY not in (folder / "a.jsonl").read_text()


def test_an_interrupted_run_ends_with_130_and_what_was_spent(
    folder: Path, fast: Talk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(self: Prober, url: str, where: str) -> Exchange:
        raise KeyboardInterrupt

    monkeypatch.setattr(Prober, "fetch", interrupt)
    done = drift("wavespeed", "--base-url", fast.origin, "--spend", "1", "--yes")

    assert (130, "At most $0.027 was spent.\nInterrupted: not everything was compared.\n") == (
        done.exit_code,
        done.stderr,
    )


@pytest.mark.parametrize("provider", ["wavespeed", "runcomfy"])
def test_a_host_that_refuses_the_connection_is_named_at_once(folder: Path, free_port: int, provider: str) -> None:
    origin = f"http://127.0.0.1:{free_port}"
    done = drift(provider, "--base-url", origin)

    assert (2, f"Error: Nothing answers at {origin}: [Errno 111] Connection refused.\n") == (
        done.exit_code,
        done.stderr,
    )


def test_a_private_host_that_refuses_the_connection_is_not_named(folder: Path) -> None:
    told = str(Unreachable("https://gateway.corp:8443/v1/models", ""))

    assert "Nothing answers at https://[host]: no connection." == told
    assert "Nothing answers at https://api.wavespeed.ai: no way." == str(
        Unreachable("https://api.wavespeed.ai/", "no way")
    )


@pytest.mark.parametrize("nothing", ["0", "0.00", "$0"])
def test_nothing_to_spend_is_nothing_however_it_is_written(folder: Path, fast: Talk, nothing: str) -> None:
    done = drift("wavespeed", "--base-url", fast.origin, "--spend", nothing, "--json", "a.json")

    assert 0 == done.exit_code
    assert "it may cost money: --spend" in (folder / "a.json").read_text()


@pytest.mark.parametrize(("part", "value"), [("status", "x"), ("target", 7)])
def test_a_line_of_another_form_is_named_and_ends_with_2(
    folder: Path, recorded: dict[str, Path], part: str, value: object
) -> None:
    first, second, *rest = recorded[""].read_text().splitlines()
    wrong = json.dumps({**json.loads(second), part: value})
    (folder / "a.jsonl").write_text("\n".join((first, wrong, *rest)))

    for done in (
        drift("wavespeed", "--recording", "a.jsonl"),
        CliRunner().invoke(main, ["replay", "wavespeed", "a.jsonl"]),
    ):
        assert 2 == done.exit_code
        assert done.stderr.startswith(
            f"Error: a.jsonl, line 2 cannot be read as a recording (TypeError {part} is of type "
        )


def test_record_and_replay_say_what_is_wrong(folder: Path) -> None:
    run = CliRunner().invoke
    nowhere = run(main, ["record", "wavespeed", "-o", "none/a.jsonl"])
    nothing = run(main, ["replay", "wavespeed", "none.jsonl"])
    (folder / "a.jsonl").write_text("")
    far = run(main, ["replay", "wavespeed", "a.jsonl", "--host", "203.0.113.1"])

    assert "Error: none/a.jsonl cannot be written: No such file or directory." in nowhere.stderr
    assert "Error: none.jsonl cannot be read: No such file or directory." in nothing.stderr
    assert "Error: Cannot listen on 203.0.113.1:8789: " in far.stderr


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--base-url", "ftp://x"), "Error: --base-url is no URL of a host, as in https://api.example.com."),
        (("--account-url", "x"), "Error: --account-url is no URL of a host, as in https://api.example.com."),
        (("--base-url", "http://x/v2"), "Error: --base-url is an origin, as in https://api.example.com: there may be"),
        (("--port", "65536"), "Error: Invalid value for '--port': 65536 is not in the range 0<=x<=65535."),
    ],
)
def test_what_cannot_be_recorded_is_told_before_anything_is(
    arguments: tuple[str, ...], told: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("understudy.mockserver.server.running", pytest.fail)  # it would listen
    done = CliRunner().invoke(main, ["record", "wavespeed", "-o", "a.jsonl", *arguments])

    assert told in done.stderr
    assert not (folder / "a.jsonl").exists()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--speed", "0"), "Error: Invalid value for '--speed': 0.0 is not more than 0."),
        (("--speed", "nan"), "Error: Invalid value for '--speed': nan is not more than 0."),
        (("--port", "-1"), "Error: Invalid value for '--port': -1 is not in the range 0<=x<=65535."),
    ],
)
def test_what_cannot_be_replayed_is_told(
    arguments: tuple[str, ...], told: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("understudy.mockserver.server.running", pytest.fail)  # it would listen
    (folder / "a.jsonl").write_text("")
    done = CliRunner().invoke(main, ["replay", "wavespeed", "a.jsonl", *arguments])

    assert told in done.stderr


def test_the_base_url_of_what_is_recorded_may_end_in_the_providers_prefix(folder: Path, fast: Talk) -> None:
    options = ("--base-url", f"{fast.origin}/api/v3", "-o", "a.jsonl", "--port", "0")
    with understudy("record", "wavespeed", *options) as recorder:
        assert recorder.stdout is not None
        origin = recorder.stdout.readline().split()[-1]
        answer = httpx.get(f"{origin}/api/v3/balance", headers={"authorization": f"Bearer {KEY}"}, trust_env=False)
        recorder.send_signal(signal.SIGTERM)

    assert 200 == answer.status_code


def test_the_account_of_a_providers_own_host_is_where_the_contract_says() -> None:
    found = {
        ("runcomfy", "https://model-api.runcomfy.net"): "https://api.runcomfy.net",
        ("runcomfy", "http://127.0.0.1:1"): "http://127.0.0.1:1",
        ("wavespeed", "https://api.wavespeed.ai"): "https://api.wavespeed.ai",
    }

    assert found == {asked: account_of(*asked) for asked in found}


@pytest.mark.parametrize(("answer", "status"), [("n\n", 2), ("", 2), ("y\n", 0)])
def test_something_is_spent_only_when_the_answer_is_yes(answer: str, status: int, folder: Path, fast: Talk) -> None:
    code = (
        "import sys, understudy.mockserver.cli as cli\n"
        "sys.stdin.isatty = lambda: True\n"
        f"sys.argv = ['understudy', 'drift', 'wavespeed', '--base-url', {fast.origin!r}, '--spend', '1']\n"
        "cli.main()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], input=answer, capture_output=True, text=True, timeout=60, check=False
    )

    assert "Go on? [y/N]: " in done.stdout
    assert status == done.returncode
    assert done.stderr.endswith("Error: Nothing was asked, and nothing was spent.\n" if status else "")
    headers = {"authorization": f"Bearer {KEY}"}
    journal = httpx.get(f"{fast.origin}/_understudy/journal", headers=headers, trust_env=False).json()
    assert (status == 0) is bool(journal["exchanges"])


def test_without_spending_the_plan_says_so(folder: Path, fast: Talk) -> None:
    done = drift(
        "wavespeed", "--base-url", fast.origin, "--account-url", fast.origin, "--assume", "wavespeed.size=seed"
    )

    assert (0, "") == (done.exit_code, done.stderr)
    assert done.stdout.startswith(
        "Free: 34 requests.\nNothing is spent without --spend: wrong inputs and jobs are not tried.\n"
    )


def test_the_account_of_a_recorded_provider_may_be_elsewhere(folder: Path) -> None:
    with talking_to("runcomfy") as account, talking_to("runcomfy") as talk:
        options = ("--base-url", talk.origin, "--account-url", account.origin, "-o", "a.jsonl", "--port", "0")
        with understudy("record", "runcomfy", *options) as recorder:
            assert recorder.stdout is not None
            origin = recorder.stdout.readline().split()[-1]
            headers = {"authorization": f"Bearer {KEY}"}
            assert 200 == httpx.get(f"{origin}/prod/v2/balance", headers=headers, trust_env=False).status_code
            recorder.send_signal(signal.SIGTERM)

    assert "balance_usd" in (folder / "a.jsonl").read_text()
    assert "127.0.0.1" not in (folder / "a.jsonl").read_text()


def test_a_listing_without_schemas_updates_what_it_has(folder: Path) -> None:
    entries = [{key: value for key, value in one.items() if key != "input_schema"} for one in published("runcomfy")]
    entries[0]["base_price_usd"] = 9.5
    (folder / "models.json").write_text(json.dumps({"models": entries}))
    done = drift("runcomfy", "--catalogue", "models.json", "--write-data", "data")

    [written] = (folder / "data").rglob("*.json")
    kept = json.loads(written.read_text())
    assert (1, 9.5) == (done.exit_code, kept["base_price_usd"])
    assert published("runcomfy")[0]["input_schema"] == kept["input_schema"]
