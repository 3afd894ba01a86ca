"""Clients behind a command: what is made of one that does not start, does not answer, or says something else."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path
from typing import Any

import pytest
from processes import is_running

from understudy.contracts.actor import Actor, Stuck
from understudy.contracts.client import Account, Crash, Result, State, Trouble
from understudy.contracts.command import Command
from understudy.contracts.findings import Broken, Unable
from understudy.contracts.watching import Endless, within

ACCOUNT = Account("wavespeed", "http://127.0.0.1:1", "key", 0.1, 1.0)
HELLO = {"protocol": 1, "providers": ["wavespeed"]}


@pytest.fixture
def scripted(tmp_path: Path, request: pytest.FixtureRequest) -> Any:
    """Makes commands that answer each call as a dictionary says; a text goes out as it is, None not at all, and at the
    text `end` the process ends."""

    def make(answers: dict[str, Any]) -> Command:
        file = tmp_path / "adapter.py"
        file.write_text(
            "import json, sys, time\n"
            f"answers = {answers!r}\n"
            "for line in sys.stdin:\n"
            "    asked = json.loads(line)\n"
            "    told = answers.get(asked['call'])\n"
            "    if told is None:\n"
            "        time.sleep(60)\n"
            "    if told == 'end':\n"
            "        sys.exit(3)\n"
            "    print(told if isinstance(told, str) else json.dumps({'id': asked['id'], **told}), flush=True)\n"
        )
        command = Command(shlex.join([sys.executable, str(file)]))
        request.addfinalizer(command.close)
        return command

    return make


def opened(scripted: Any, capabilities: list[str], **answers: Any) -> Any:
    command = scripted({"hello": {"value": HELLO}, "open": {"value": {"capabilities": capabilities}}, **answers})
    return command(ACCOUNT)


def test_what_a_client_says_comes_as_the_suites_own_values(scripted: Any) -> None:
    told = {"state": "succeeded", "outputs": ["https://example.com/1.png"], "flags": [True], "error": None}
    answers = {name: {"value": told} for name in ("run", "result", "webhook")}
    client = opened(
        scripted,
        ["submit", "status", "result", "cancel", "run", "upload", "webhook"],
        submit={"value": "id"},
        status={"value": "running"},
        cancel={"value": True},
        upload={"value": "https://example.com/a.png"},
        **answers,
    )
    expected = Result(State.SUCCEEDED, ("https://example.com/1.png",), (True,), "")

    assert ("id", State.RUNNING, True) == (client.submit("m", {}), client.status("id"), client.cancel("id"))
    assert expected == client.run("m", {}) == client.result("id") == client.webhook({}, b"{}", "secret")
    assert "https://example.com/a.png" == client.upload("a.png", b"\x00\xff")


def test_its_own_errors_and_crashes_are_told_apart(scripted: Any) -> None:
    error = {"type": "ApiError", "message": "no money"}
    client = opened(scripted, ["run", "submit"], run={"error": {**error, "own": True}}, submit={"error": error})

    with pytest.raises(Trouble, match=r"^ApiError: no money$"):
        client.run("m", {})
    with pytest.raises(Crash, match=r"^ApiError: no money$"):
        client.submit("m", {})


def test_a_process_that_ends_in_the_middle_is_a_crash_of_the_client(scripted: Any) -> None:
    client = opened(scripted, ["run"], run="end")
    actor = Actor(client, 10, lambda: None)

    with pytest.raises(
        Broken, match=r"^run ended in a crash: '.*adapter.py' ended with status 3 when it was asked to run"
    ):
        actor.call("run", "m", {})
    with pytest.raises(Crash, match=r"ended with status 3"):
        client.run("m", {})


def test_a_process_that_does_not_answer_is_ended_and_another_started(scripted: Any) -> None:
    command = scripted({"hello": {"value": HELLO}, "open": {"value": {"capabilities": ["run"]}}})
    actor = Actor(command(ACCOUNT), 0.2, command.abandon)

    with pytest.raises(Stuck, match=r"^run had not come to an end after 0\.2 s\.$"):
        actor.call("run", "m", {})

    assert {"run"} == Actor(command(ACCOUNT), 10, command.abandon).can


@pytest.mark.skipif(os.name != "posix", reason="there is no sh")
def test_what_a_shell_has_started_ends_with_it(tmp_path: Path) -> None:
    child = tmp_path / "child"
    code = f"import os; open({str(child)!r}, 'w').write(str(os.getpid()))\n{LINGERS}"
    command = Command(shlex.join(["sh", "-c", shlex.join([sys.executable, "-c", code]) + "; true"]), grace=0.1)
    first = int(child.read_text())
    with pytest.raises(Endless):
        within(0.2, lambda: command.ask("run"))

    command.abandon()
    second = int(child.read_text())
    command.close()

    assert first != second
    assert [False, False] == [is_running(process) for process in (first, second)]


def test_a_process_that_does_not_end_by_itself_is_ended() -> None:
    command = Command(shlex.join([sys.executable, "-c", LINGERS]), grace=0.1)

    command.close()

    assert command.ended


LINGERS = (
    "import json, time\n"
    "print(json.dumps({'id': json.loads(input())['id'], 'value': {'protocol': 1, 'providers': []}}), flush=True)\n"
    "time.sleep(60)\n"
)


@pytest.mark.parametrize(
    ("command", "says"),
    [
        ("no-such-command --at all", r"^'no-such-command --at all' cannot be started: .*No such file"),
        ("'", r"^\"'\" cannot be started: No closing quotation\.$"),
        (" ", r"^' ' cannot be started: it is empty\.$"),
        (
            f"{sys.executable} -c pass",
            r"' ended with status 0 when it was asked to hello\. See docs/client-protocol\.md\.$",
        ),
    ],
)
def test_a_command_that_cannot_be_started_says_so(command: str, says: str) -> None:
    with pytest.raises(Unable, match=says):
        Command(command)


@pytest.mark.parametrize(
    ("hello", "says"),
    [
        ("Listening …", r"answered hello with Listening …, which is not JSON: only answers belong on standard output"),
        ({"value": {"protocol": 2}}, r"answered hello with {\"protocol\": 2}; expected protocol 1\. See docs"),
        ({"value": {"protocol": 1}}, r"does not say which providers its client is for\. See docs/client-protocol\.md"),
        ({"nothing": 1}, r"expected the id 1, and a value or an error\. See docs/client-protocol\.md\."),
        ({"error": {}}, r"^Error: \. See docs/client-protocol\.md\.$"),
        ("[" + "1," * 200 + "1]", r"answered hello with \[1,1.*…; expected the id 1"),
    ],
)
def test_a_command_that_does_not_keep_to_the_protocol_is_told_what_was_expected(
    scripted: Any, hello: Any, says: str
) -> None:
    with pytest.raises(Unable, match=says):
        scripted({"hello": hello})


@pytest.mark.parametrize(
    ("told", "says"),
    [
        (["run"], r"answered open with \[\"run\"\]; expected an object with its capabilities\. See docs"),
        (
            {"capabilities": ["runs"]},
            r"there is no capability 'runs', only submit, status, result, cancel, run, upload",
        ),
    ],
)
def test_a_command_that_opens_no_client_is_told_what_was_expected(scripted: Any, told: Any, says: str) -> None:
    command = scripted({"hello": {"value": HELLO}, "open": {"value": told}})

    with pytest.raises(Unable, match=says):
        command(ACCOUNT)


def test_values_of_another_form_are_told_from_findings(scripted: Any) -> None:
    client = opened(scripted, ["run", "status"], run={"value": "done"}, status={"value": "melting"})

    with pytest.raises(
        Unable, match=r"^a result is an object; the command said done\. See docs/client-protocol\.md\.$"
    ):
        client.run("m", {})
    with pytest.raises(Unable, match=r"^a state is one of queued, .*, ended; the command said melting\. See docs"):
        Actor(client, 10, lambda: None).call("status", "id")


def test_a_process_that_crashed_is_started_anew_for_the_next_client(scripted: Any) -> None:
    command = scripted({"hello": {"value": HELLO}, "open": {"value": {"capabilities": ["run"]}}, "run": "end"})
    with pytest.raises(Crash, match=r"ended with status 3 when it was asked to run$"):
        command(ACCOUNT).run("m", {})

    assert callable(command(ACCOUNT).run)


def test_a_command_that_never_says_hello_is_given_up() -> None:
    with pytest.raises(Unable, match=r" did not answer hello within 0\.2 s\. See docs/client-protocol\.md\.$"):
        Command(shlex.join([sys.executable, "-c", "import time; time.sleep(60)"]), start=0.2)


def test_what_is_no_text_is_quoted() -> None:
    says = "import sys; sys.stdout.buffer.write(b'\\xff\\xfe\\n')"
    with pytest.raises(Unable, match=r"answered hello with \\xff\\xfe, which is not JSON"):
        Command(shlex.join([sys.executable, "-c", says]))


@pytest.mark.parametrize("hello", [{"error": None, "value": HELLO}, {"error": "no"}])
def test_an_error_that_is_no_object_is_told_what_was_expected(scripted: Any, hello: Any) -> None:
    with pytest.raises(Unable, match=r"expected an error as an object, and none beside a value\. See docs"):
        scripted({"hello": hello})


@pytest.mark.parametrize("told", [{"capabilities": None}, {"capabilities": [{}]}, {"tells": "outputs"}])
def test_words_that_are_no_array_are_told_what_was_expected(scripted: Any, told: Any) -> None:
    command = scripted({"hello": {"value": HELLO}, "open": {"value": told}})

    with pytest.raises(Unable, match=r"expected (capabilities|tells) as an array of texts\. See docs"):
        command(ACCOUNT)


def test_outputs_that_are_no_array_are_no_finding(scripted: Any) -> None:
    client = opened(scripted, ["run"], run={"value": {"state": "succeeded", "outputs": "https://example.com/1.png"}})

    with pytest.raises(Unable, match=r"^outputs and flags of a result are arrays; the command said "):
        client.run("m", {})
