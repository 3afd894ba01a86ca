"""The command line, as processes: what a newcomer sees."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from PIL import Image

Process = subprocess.Popen[str]
Serve = Callable[..., Process]
COMMAND = (sys.executable, "-m", "understudy.mockserver")
CLEAN = {name: value for name, value in os.environ.items() if not name.startswith("UNDERSTUDY_")}


def understudy(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *arguments], capture_output=True, text=True, timeout=60, env={**CLEAN, **environment}, check=False
    )


@pytest.fixture
def serve() -> Iterator[Serve]:
    started: list[Process] = []

    def start(*arguments: str, **environment: str) -> Process:
        process = subprocess.Popen(
            [*COMMAND, "serve", "--port", "0", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**CLEAN, **environment},
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def origin_of(process: Process) -> str:
    assert process.stdout is not None
    line = process.stdout.readline()
    match = re.fullmatch(r"Listening on (http://\S+:\d+)\n", line)
    assert match is not None, line
    return match[1]


def end(process: Process) -> tuple[str, str]:
    """What it says until it ends. Not `communicate`, which loses what a reader has taken in advance."""
    assert process.stdout is not None
    assert process.stderr is not None
    said = process.stdout.read(), process.stderr.read()
    process.wait(10)
    return said


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_says_where_it_listens_answers_and_stops_cleanly(serve: Serve, number: signal.Signals) -> None:
    process = serve()
    origin = origin_of(process)
    with httpx.Client(base_url=origin, trust_env=False) as client:
        assert client.get("/_understudy/health").status_code == 200
        process.send_signal(number)
        output, errors = end(process)

    assert (0, "") == (process.returncode, errors)
    assert f"wavespeed.Client(api_key='any', base_url='{origin}')" in output
    assert f"{origin}/v1" in output
    assert re.search(r"This run's seed is \d+;", output)


def test_settings_come_from_flags_environment_and_file(serve: Serve, tmp_path: Path) -> None:
    file = tmp_path / "understudy.toml"
    file.write_text('queue_time = "0"\nrun_time = "1h"\n')
    process = serve("--config", str(file), "--seed", "5", UNDERSTUDY_RUN_TIME="0")
    with httpx.Client(base_url=origin_of(process), headers={"Authorization": "Bearer key"}, trust_env=False) as client:
        answer = client.post("/api/v3/bytedance/seedream-v4/edit-sequential", json={"prompt": "x"}).json()["data"]

        assert "completed" == client.get(f"/api/v3/predictions/{answer['id']}").json()["data"]["status"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["--failure-rate", "2"],
            "failure_rate (from --failure-rate): '2' is not a rate: expected a number from 0 to 1.",
        ),
        (["--config", "nowhere.toml"], "The settings file 'nowhere.toml' cannot be read: "),
        (["--assume", "wavespeed.cancl"], "there is no switch 'wavespeed.cancl': did you mean 'wavespeed.cancel'?"),
    ],
)
def test_a_wrong_setting_is_refused_at_start(arguments: list[str], message: str) -> None:
    refused = understudy("serve", *arguments)

    assert refused.returncode == 1
    assert message in refused.stderr
    assert "" == refused.stdout


def test_a_port_that_is_taken_is_told_with_a_way_out(serve: Serve) -> None:
    port = origin_of(serve()).rpartition(":")[2]

    refused = understudy("serve", "--port", port)

    assert refused.returncode == 1
    assert 1 == len(refused.stderr.splitlines())
    assert refused.stderr.startswith(f"Error: Cannot listen on 127.0.0.1:{port}: ")
    assert refused.stderr.endswith("--port 0 picks a free port.\n")


def test_an_address_that_others_can_reach_is_warned_of(serve: Serve) -> None:
    process = serve("--host", "0.0.0.0")
    origin_of(process)
    process.terminate()

    output, errors = end(process)
    assert "Warning: 0.0.0.0 is not loopback: others on the network can reach this.\n" == errors
    printed = re.search(r"Calls of (\S+)/_understudy/ need the header X-Understudy-Token: (\S{22})\n", output)
    assert printed is not None


def test_a_token_that_was_given_is_not_printed(serve: Serve) -> None:
    process = serve("--host", "0.0.0.0", "--control-token", "sesame")
    with httpx.Client(base_url=origin_of(process), trust_env=False) as client:
        for token, status in (("sesame", 200), ("other", 403)):
            answer = client.get("/_understudy/version", headers={"X-Understudy-Token": token})
            assert status == answer.status_code
    process.send_signal(signal.SIGTERM)
    assert "oken" not in end(process)[0]


@pytest.mark.parametrize(
    ("listed", "told"), [(False, "  Any API key works. "), (True, "  Only the API keys that are listed work. ")]
)
def test_it_says_which_keys_work(listed: bool, told: str, serve: Serve, tmp_path: Path) -> None:
    (tmp_path / "keys").write_text("one\n")
    process = serve(*(("--keys", str(tmp_path / "keys")) if listed else ()))
    origin_of(process)
    process.terminate()

    assert told in end(process)[0]


def test_localhost_is_loopback(serve: Serve) -> None:
    process = serve("--host", "localhost")
    origin_of(process)
    process.terminate()

    assert "" == end(process)[1]


def test_a_form_that_cannot_be_read_leaves_nothing_on_stderr(serve: Serve) -> None:
    process = serve()
    headers = {"Authorization": "Bearer key", "Content-Type": "multipart/form-data; boundary=x"}
    with httpx.Client(base_url=origin_of(process), headers=headers, trust_env=False) as client:
        assert 400 == client.post("/api/v3/media/upload/binary", content=b"abc").status_code
    process.terminate()

    assert "" == end(process)[1]


def test_a_webhook_that_was_not_delivered_is_told_when_the_server_stops(serve: Serve) -> None:
    process = serve("--run-time", "1h")
    with httpx.Client(base_url=origin_of(process), trust_env=False) as client:
        for key in ("secret-one", "secret-one", "other"):
            path = "/api/v3/bytedance/seedream-v4/edit-sequential?webhook=http://127.0.0.1:1/"
            client.post(path, json={"prompt": "x"}, headers={"Authorization": f"Bearer {key}"}).raise_for_status()
    process.terminate()

    assert "Webhooks not delivered: 2 of key secr…, 1 of key othe….\n" == end(process)[1]


def test_a_variable_that_is_no_setting_is_warned_of(serve: Serve) -> None:
    process = serve(UNDERSTUDY_SEDE="1")
    origin_of(process)
    process.terminate()

    warning = "Warning: UNDERSTUDY_SEDE is set, and there is no such setting: it has no effect.\n"
    assert warning == end(process)[1]


def test_the_demo_drives_both_providers_and_leaves_their_images(tmp_path: Path) -> None:
    shown = understudy("demo", "-o", str(tmp_path))

    assert (0, "") == (shown.returncode, shown.stderr)
    for line in (
        "WaveSpeed  four images             created > processing > completed    4 images",
        "RunComfy   three images            in_queue > in_progress > completed  succeeded: 3 images",
        "RunComfy   cancelled while queued  in_queue > cancelled                cancelled",
        "WaveSpeed  a failed job            created > processing > failed       Task failed. Please try again.",
        "RunComfy   a failed job            in_queue > in_progress > completed  failed: Model run failed.",
        "WaveSpeed  flagged content         created > processing > failed       Content flagged as potentially ",
        "RunComfy   flagged content         in_queue > in_progress > completed  failed: The request was refused ",
        f"The images are in {tmp_path}",
    ):
        assert line in shown.stdout
    sizes = {}
    for path in tmp_path.iterdir():
        with Image.open(path) as image:
            sizes[path.name] = image.size
    assert {
        **{f"wavespeed-{index}.jpeg": (1024, 1024) for index in range(1, 5)},
        **{f"runcomfy-{index}.jpeg": (2560, 1440) for index in range(1, 4)},
    } == sizes


def test_the_demo_needs_no_proxy_and_no_file_in_its_way(tmp_path: Path) -> None:
    proxies = {"http_proxy": "http://127.0.0.1:9", "HTTP_PROXY": "http://127.0.0.1:9", "no_proxy": ""}
    assert understudy("demo", "-o", str(tmp_path / "new"), **proxies).returncode == 0
    (tmp_path / "file").touch()
    refused = understudy("demo", "-o", str(tmp_path / "file"))
    below = understudy("demo", "-o", str(tmp_path / "file" / "below"))

    assert f"Error: {tmp_path / 'file'} is a file: name a folder, or leave --output out.\n" == refused.stderr
    told = f"Error: {tmp_path / 'file' / 'below'} cannot be written: Not a directory. Name another folder, or leave "
    assert f"{told}--output out.\n" == below.stderr


@pytest.mark.parametrize("arguments", [("check", "--list"), ("drift", "wavespeed", "--recording", "empty.jsonl")])
def test_whoever_reads_no_further_sees_no_traceback(arguments: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "empty.jsonl").touch()
    there, here = os.pipe()
    os.close(there)
    with os.fdopen(here, "w") as nowhere:
        ended = subprocess.run(
            [*COMMAND, *arguments],
            stdout=nowhere,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
            env=CLEAN,
            check=False,
            cwd=tmp_path,
        )

    assert (2, "") == (ended.returncode, ended.stderr)


def test_switches_are_listed_with_what_speaks_for_each_reading() -> None:
    listed = understudy("switches").stdout

    assert "wavespeed.cancel\n  Whether a prediction can be cancelled over HTTP.\n    off (default): " in listed
    assert "[assumed: " in listed


def test_the_version_is_told() -> None:
    assert re.fullmatch(r"understudy, version \d+\.\d+\.\d+\n", understudy("--version").stdout)
