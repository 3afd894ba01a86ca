"""The harness, and what is made of its findings: tests that repeat them, reports, pytest."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import httpx
import pytest
from careful_adapter import careful
from projects import ALONE
from sabotaged_clients import FirstOnly, Sabotage, SubmitsAgain

from understudy.contracts.check_command import check_command
from understudy.contracts.checking import BROKEN, HELD, NOT_APPLICABLE, Finding, check, properties_for
from understudy.contracts.client import Account
from understudy.contracts.command import Command
from understudy.contracts.findings import Broken, NotApplicable, Unable
from understudy.contracts.harness import LIMITS, Harness
from understudy.contracts.properties import a_property
from understudy.contracts.registry import property_named
from understudy.contracts.repeating import repeating_test
from understudy.contracts.report import as_junit
from understudy.contracts.scenario import Scenario
from understudy.contracts.scenarios import one
from understudy.contracts.stagehand import Stagehand
from understudy.contracts.trial import Trial
from understudy.mockserver.app import create_app
from understudy.mockserver.server import running
from understudy.mockserver.settings import Settings

CASE = {"model": "a/b", "inputs": {}}
ROOT = Path(__file__).parent.parent
FIRST_ONLY = Sabotage(FirstOnly, "runcomfy", "it_returns_every_output_in_order", "")


@pytest.fixture(scope="module")
def origin() -> Iterator[str]:
    with running(create_app(Settings(seed=1))) as origin:
        yield origin


def test_a_break_can_be_played_again(origin: str) -> None:
    with Harness("runcomfy", origin, FIRST_ONLY.make) as harness:
        with pytest.raises(Broken) as found:
            harness.hold(property_named(FIRST_ONLY.promise))
        with pytest.raises(Broken, match=r"^The outputs are ") as again:
            harness.replay(FIRST_ONLY.promise, found.value.case)

    assert found.value.case == again.value.case


def test_a_break_of_the_state_machine_can_be_played_again(origin: str) -> None:
    steps = (("submit", 0, 0, True), ("advance", 1), ("cancel", 0))
    with Harness("runcomfy", origin, careful) as harness:
        harness.replay("it_agrees_with_the_contract_in_any_order", {**CASE, "steps": steps})
        harness.replay("its_jobs_keep_apart_in_any_order", {**CASE, "steps": steps})


def test_a_property_that_there_is_not_is_told_what_comes_close(origin: str) -> None:
    with (
        Harness("runcomfy", origin) as harness,
        pytest.raises(
            Unable,
            match=r"^There is no property 'its_ids_are_uniqe'\. Did you mean 'its_ids_are_unique'\? `understudy check",
        ),
    ):
        harness.replay("its_ids_are_uniqe", CASE)
    with pytest.raises(Unable, match=r"^There is no property 'x'\. `understudy check --list` names them all\.$"):
        property_named("x")


def test_what_is_about_a_client_needs_one(origin: str) -> None:
    with Harness("runcomfy", origin) as harness, pytest.raises(NotApplicable, match=r"^there is no client$"):
        harness.hold(property_named("it_returns_every_output_in_order"))


@pytest.mark.parametrize("asked", [1, 40])
def test_what_waits_in_real_time_keeps_its_few_examples(origin: str, asked: int) -> None:
    tried = []

    @a_property("provider", one(), examples=2, wall=True)
    def it_waits(trial: Trial, scenario: Scenario) -> None:
        """It would take long."""
        tried.append(scenario)

    with Harness("runcomfy", origin, examples=asked) as harness:
        harness.hold(it_waits)

    assert min(asked, 2) == len(tried)


def test_what_breaks_only_sometimes_is_told_to(origin: str) -> None:
    tried = []

    @a_property("provider", one(), examples=5)
    def it_is_fickle(trial: Trial, scenario: Scenario) -> None:
        """It breaks the first time."""
        tried.append(scenario)
        if len(tried) == 1:
            raise Broken("It broke.")

    with (
        Harness("runcomfy", origin) as harness,
        pytest.raises(Broken, match=r"^It broke\. \(Not every time: it depends on how fast things are\.\)"),
    ):
        harness.hold(it_is_fickle)


def test_a_control_api_that_refuses_says_what_it_said(origin: str) -> None:
    with httpx.Client(base_url=origin) as http, pytest.raises(Unable, match=r"answered PUT clock with 422: .*'fast'"):
        Stagehand(http, "key").clock("fast")


def test_a_control_api_that_has_gone_says_so() -> None:
    with running(create_app(Settings(seed=1))) as origin:
        http = httpx.Client(base_url=origin)
    with http, pytest.raises(Unable, match=r"^The control API did not answer POST reset: ConnectError"):
        Stagehand(http, "key").reset()


HANGS = """
import json, sys, time
for line in sys.stdin:
    asked = json.loads(line)
    if asked["call"] == "run":
        time.sleep(60)
    value = {"protocol": 1, "providers": ["runcomfy"], "capabilities": ["run"]}
    print(json.dumps({"id": asked["id"], "value": value}), flush=True)
"""


def test_a_command_that_hangs_is_started_anew_and_its_key_refused(origin: str) -> None:
    command = Command(shlex.join([sys.executable, "-c", HANGS]))
    try:
        with (
            Harness("runcomfy", origin, command, limits=LIMITS._replace(patience=0.2)) as harness,
            pytest.raises(Broken, match=r"^run had not come to an end after 0\.2 s\."),
        ):
            harness.hold(property_named("it_returns_every_output_in_order"))
        with Harness("runcomfy", origin, command) as harness:
            assert not command.ended
    finally:
        command.close()


def test_an_adapter_that_knows_that_nothing_can_be_said_says_so(origin: str) -> None:
    def unable(account: Account) -> Any:
        raise Unable("There is no licence for this client.")

    with pytest.raises(Unable, match=r"^There is no licence for this client\.$"):
        Harness("runcomfy", origin, unable)


def test_an_adapter_that_crashes_at_its_start_leaves_nothing_open(origin: str) -> None:
    def broken(account: Account) -> Any:
        raise ValueError("no such key")

    with pytest.raises(Unable, match=r"^The factory raised ValueError: no such key\. It is called with an Account"):
        Harness("runcomfy", origin, broken)


def test_a_test_that_repeats_a_break_imports_what_was_checked(origin: str) -> None:
    def imported(factory: Any, **more: Any) -> str:
        with Harness("wavespeed", origin, factory, **more) as harness:
            return repeating_test(harness, "it_x", CASE)

    assert imported(careful).startswith("from careful_adapter import careful\nfrom understudy.contracts.harness")
    assert "origin, careful) as harness:" in imported(careful)
    assert imported(careful, importable="mine:made").startswith("from mine import made\n")
    made = imported(lambda account: careful(account))
    assert made.startswith("from test_contract_harness import factory  # the one that the harness was given\n")


def test_a_test_that_repeats_a_break_reads_the_sources_as_the_check_did(origin: str) -> None:
    assume = {"runcomfy.success_word": "completed"}
    with Harness("runcomfy", origin, assume=assume) as harness:
        test = repeating_test(harness, "it_x", CASE)

    assert "from understudy.mockserver.settings import Settings\n\n\ndef test_it_x() -> None:" in test
    assert f"with running(create_app(Settings(assume={assume}))) as origin, " in test
    assert f"Harness('runcomfy', origin, assume={assume}) as harness:" in test


def test_a_test_that_repeats_a_break_of_a_command_starts_it(origin: str) -> None:
    command = Command(shlex.join([sys.executable, str(ROOT / "examples" / "lines_adapter.py")]))
    try:
        with Harness("wavespeed", origin, command) as harness:
            test = repeating_test(harness, "it_x", CASE)
    finally:
        command.close()

    assert test.startswith("from understudy.contracts.command import Command\n")
    assert f"origin, Command({command.command!r})) as harness:" in test


def finding(outcome: str, detail: str = "") -> Finding:
    return Finding("wavespeed", "it_x", "Something holds.", outcome, 0.5, detail, ("a story",), CASE, "a test")


def test_what_is_found_is_counted_for_ci_and_has_no_characters_that_xml_cannot_hold() -> None:
    findings = [finding(HELD), finding(BROKEN, "It said \x00."), finding(NOT_APPLICABLE, "no run")]
    suite = ElementTree.fromstring(as_junit(findings))[0]
    failure, skipped = suite[1][0], suite[2][0]

    assert ("3", "1", "1") == (suite.get("tests"), suite.get("failures"), suite.get("skipped"))
    assert ("failure", "It said \ufffd.") == (failure.tag, failure.get("message"))
    assert ("skipped", "no run") == (skipped.tag, skipped.get("message"))


def test_a_mistake_of_the_checks_own_is_no_finding(capsys: pytest.CaptureFixture[str]) -> None:
    def serve(assume: Mapping[str, str]) -> Any:
        raise RuntimeError("out of sockets")

    with pytest.raises(SystemExit) as ended:
        check_command(serve, lambda text: {}).main(["--only", "unique"], standalone_mode=False)

    assert 2 == ended.value.code
    assert "RuntimeError: out of sockets" in capsys.readouterr().err


CONFTEST = """
import pytest
from sabotaged_clients import SubmitsAgain
from careful_adapter import adapter
from understudy.contracts.harness import Harness
from understudy.mockserver.app import create_app
from understudy.mockserver.server import running

def careless(account):
    return adapter(SubmitsAgain(*account))

@pytest.fixture(scope="session", params=[careless, None])
def harness(request):
    with running(create_app()) as origin, Harness("wavespeed", origin, request.param, examples=2) as harness:
        yield harness
"""


def test_under_pytest_a_break_is_told_as_its_story_and_no_frames_of_ours(pytester: pytest.Pytester) -> None:
    assert SubmitsAgain.__doc__
    pytester.makeconftest(CONFTEST)
    done = pytester.runpytest_inprocess(
        "--pyargs",
        "understudy.contracts.suite",
        "-k",
        "lost or every_output or cancels or unique",
        *ALONE,
    )

    done.assert_outcomes(passed=2, failed=1, skipped=7)
    done.stdout.fnmatch_lines(
        [
            "wavespeed: it submits once when the answer is lost: broken",
            "  One run submitted 2 jobs, and each is paid for.",
            "    1. POST /api/v3/*",
            "  This test repeats it:",
            "    from conftest import careless",
            "    def test_it_submits_once_when_the_answer_is_lost() -> None:",
        ]
    )
    done.stdout.no_fnmatch_line("*run_properties.py*")


def test_properties_are_picked_by_their_names(origin: str) -> None:
    with Harness("runcomfy", origin) as harness:
        assert ["its_ids_are_unique"] == [str(promise) for promise in properties_for(harness, "ids are")]
        assert {HELD} == {found.outcome for found in check(harness, properties_for(harness, "ids are"))}
