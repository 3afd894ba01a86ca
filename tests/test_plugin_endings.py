"""What fails a test at its end, and what is told of one that failed."""

from __future__ import annotations

import re

import pytest
from projects import run, told

from understudy.mockserver.app import create_app
from understudy.mockserver.server import running
from understudy.mockserver.settings import Settings

OFF = (
    "To leave out these checks: @pytest.mark.understudy(strict=False); to keep some: strict='rules,webhooks' (there "
    "are rules, requests, webhooks, keys). For all tests: --understudy-strict=off, or understudy_strict = off in the "
    "ini file."
)

UNUSED = """
def test_it(mock_wavespeed):
    mock_wavespeed.will_fail("no", times=1, model="nothing/*")
"""

UNKNOWN = """
def test_it(mock_runcomfy):
    headers = {"Authorization": "Bearer " + mock_runcomfy.api_key}
    httpx.get(mock_runcomfy.base_url + "/v1/requets/1/status", headers=headers)
"""

UNDELIVERED = """
def test_it(mock_wavespeed, webhook_receiver):
    webhook_receiver.answers(500)
    submit(mock_wavespeed, webhook=webhook_receiver.url)
    assert len(webhook_receiver.wait(4)) == 4
"""

ALWAYS = """
def test_it(mock_wavespeed):
    assert not submit(mock_wavespeed)
"""


def test_a_rule_that_never_acted_fails_the_test(pytester: pytest.Pytester) -> None:
    result = run(pytester, body=UNUSED)

    result.assert_outcomes(passed=1, errors=1)
    assert (
        "At the end of the test, this was wrong with mock_wavespeed:\n"
        "* The rule 'rule-1' (times=1, when={'model': 'nothing/*'}, job={'fail': 'no'}) never acted. "
        f"No call of operation submit with a model like 'nothing/*' has come yet.\n{OFF}"
    ) in told(result)


def test_a_request_that_no_operation_is_for_fails_the_test(pytester: pytest.Pytester) -> None:
    result = run(pytester, body=UNKNOWN)

    result.assert_outcomes(passed=1, errors=1)
    assert re.search(
        r"wrong with mock_runcomfy:\n\* No operation of RunComfy's is for GET /v1/requets/1/status\..*\n"
        + re.escape(OFF),
        told(result),
    )
    assert "understudy: runcomfy" in told(result)


def test_a_webhook_that_could_not_be_delivered_fails_the_test(pytester: pytest.Pytester) -> None:
    result = run(pytester, body=UNDELIVERED)

    result.assert_outcomes(passed=1, errors=1)
    assert re.search(
        r"\* The webhook of job [0-9a-f]{32} could not be delivered to http://127\.0\.0\.1:\d+/1: the receiver "
        r"answered 500\.",
        told(result),
    )


def test_a_webhook_that_nobody_takes_fails_the_test(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        body="""
def test_it(mock_wavespeed):
    submit(mock_wavespeed, webhook="http://127.0.0.1:9/nobody")
    mock_wavespeed.webhooks.wait()
""",
    )

    result.assert_outcomes(passed=1, errors=1)
    assert "could not be delivered to http://127.0.0.1:9/nobody: ConnectError: All connection attempts failed." in told(
        result
    )


def test_what_is_wrong_with_two_providers_is_told_as_one(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        body="""
def test_it(mock_wavespeed, mock_runcomfy):
    mock_wavespeed.will_fail()
    mock_runcomfy.will_hang()
""",
    )

    result.assert_outcomes(passed=1, errors=1)
    why = "never acted. No call of operation submit has come yet."
    assert (
        "_ ERROR at teardown of test_it _________________________\n"
        "At the end of the test, this was wrong with mock_runcomfy:\n"
        f"* The rule 'rule-1' (job={{'hang': 'running'}}) {why}\n{OFF}\n\n"
        "At the end of the test, this was wrong with mock_wavespeed:\n"
        f"* The rule 'rule-1' (job={{'fail': True}}) {why}\n{OFF}\n"
    ) in told(result)


@pytest.mark.parametrize("body", [UNUSED, UNKNOWN, UNDELIVERED])
@pytest.mark.parametrize("off", ["flag", "marker", "ini", "others"])
def test_each_check_can_be_turned_off(pytester: pytest.Pytester, body: str, off: str) -> None:
    kept = {UNUSED: "requests,webhooks,keys", UNKNOWN: "rules,webhooks,keys", UNDELIVERED: "rules,requests,keys"}[body]
    mark = {"marker": "strict=False", "others": f"strict={kept!r}"}.get(off)
    if off == "ini":
        pytester.makeini("[pytest]\nunderstudy_strict = off\n")
    marked = body if mark is None else body.replace("def ", f"@pytest.mark.understudy({mark})\ndef ", 1)
    result = run(pytester, *(["--understudy-strict=off"] if off == "flag" else []), body=marked)

    result.assert_outcomes(passed=1)


def test_rules_that_chance_decides_or_that_are_not_the_tests_own_need_not_act(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        body="""
pytestmark = pytest.mark.understudy(rules=[{"job": {"fail": True}}])

def test_chance(mock_wavespeed):
    mock_wavespeed.rules.add(when={"probability": 0.000001}, job={"fail": True})
    mock_wavespeed.rules.remove(mock_wavespeed.will_hang())

@pytest.mark.understudy(rules=[{"job": {"hang": "running"}}])
def test_own(mock_wavespeed):
    pass
""",
    )

    result.assert_outcomes(passed=2, errors=1)
    assert "The rule 'rule-1' (last=True, job={'hang': 'running'}) never acted." in told(result)


def test_a_test_that_failed_already_is_not_failed_again(pytester: pytest.Pytester) -> None:
    result = run(
        pytester, body="def test_it(mock_wavespeed):\n    mock_wavespeed.will_fail()\n    assert not 'the reason'\n"
    )

    result.assert_outcomes(failed=1)
    assert "never acted" not in told(result)


def test_a_test_that_did_not_pass_is_not_failed_at_its_end(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        "-rx",
        body="""
def test_skipped(mock_wavespeed):
    mock_wavespeed.will_fail()
    pytest.skip("not here")

@pytest.mark.xfail
def test_failed_as_expected(mock_wavespeed):
    mock_wavespeed.will_fail()
    assert not "the reason"
""",
    )

    result.assert_outcomes(skipped=1, xfailed=1)
    assert "at teardown" not in told(result)


def test_a_test_that_skips_a_part_of_itself_is_looked_at(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        body="""
def test_it(mock_wavespeed, subtests):
    mock_wavespeed.will_fail()
    with subtests.test("a part"):
        pytest.skip("not here")
""",
    )

    assert "The rule 'rule-1' (job={'fail': True}) never acted." in told(result)


def test_a_failing_test_shows_what_its_providers_saw(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        "--understudy-latency=30s",
        body="""
@pytest.mark.understudy(clock="manual")
def test_it(mock_wavespeed, mock_runcomfy):
    mock_wavespeed.next_poll.fails(503, "Back soon")
    job_id = submit(mock_wavespeed)
    mock_wavespeed.advance(30)
    poll(mock_wavespeed, job_id)
    mock_wavespeed.next_poll.is_cut(after=3)
    with pytest.raises(httpx.RemoteProtocolError):
        poll(mock_wavespeed, job_id)
    assert "this" == "that"
""",
    )

    result.assert_outcomes(failed=1)
    job = r"job [0-9a-f]{32}"
    path = r"/api/v3/predictions/[0-9a-f]{32}/result"
    lines = [
        r"-+ understudy: wavespeed -+",
        r"wavespeed at http://127\.0\.0\.1:\d+, key wavespeed\.[0-9a-f]{16}~[0-9a-f]{10}",
        rf"   1    \+0\.000s  POST   /api/v3/bytedance/seedream-v4/edit-sequential  200  {job} queued",
        r"                 by latency",
        rf"   2   \+30\.000s  GET    {path}  503.*",
        r"                 by rule-\d",
        r"                 answer: \{.*Back soon.*\}",
        rf"   3   \+30\.000s  GET    {path}  200  {job} succeeded",
        r"                 by rule-\d",
        r"                 on its way: cut",
        r"",
        r"Run it again: pytest test_it\.py::test_it --understudy-seed=7 --understudy-latency=30s",
        r"-+ understudy: runcomfy -+",
        r"runcomfy at http://127\.0\.0\.1:\d+, key runcomfy\.[0-9a-f]{16}~[0-9a-f]{10}",
        r"Nothing was asked with this key\.",
    ]
    assert re.search("\n".join(lines), told(result)), told(result)


def test_of_a_lost_answer_the_job_is_shown_and_no_state(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        body="""
def test_it(mock_wavespeed):
    mock_wavespeed.next_submit.loses_answer()
    submit(mock_wavespeed)
""",
    )

    assert re.search(r"no answer  job [0-9a-f]{32}\n", told(result)), told(result)


def test_of_a_long_journal_the_end_is_shown(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        body="""
def test_it(mock_wavespeed):
    job_id = submit(mock_wavespeed)
    for _ in range(44):
        poll(mock_wavespeed, job_id)
    assert False
""",
    )

    assert "… 5 earlier ones are left out\n   6    " in told(result)


@pytest.mark.parametrize("mark", ["", "@pytest.mark.understudy(seed=3)"])
def test_the_command_in_a_report_repeats_the_failure(pytester: pytest.Pytester, mark: str) -> None:
    body = f"""
{mark}
@pytest.mark.parametrize("word", ["a b"])
def test_it(mock_wavespeed, word):
    raise OSError(submit(mock_wavespeed))
"""
    failed = told(run(pytester, seed=None, body=body))
    command = re.findall(r"Run it again: pytest (.*)", failed)[0]

    assert re.fullmatch(r"'test_it\.py::test_it\[a b\]' --understudy-seed=\d+", command)
    nodeid, seed = command.replace("'", "").split(" --understudy-seed=")
    again = told(run(pytester, nodeid, seed=int(seed)))
    assert re.findall(r"OSError: (\w+)", failed) == re.findall(r"OSError: (\w+)", again)


def test_the_command_in_a_report_is_for_the_folder_that_pytest_was_started_in(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytester.makeini("[pytest]\n")
    monkeypatch.chdir(pytester.mkdir("inside"))
    pytester.makepyfile(**{"inside/test_it": "def test_it(mock_wavespeed): assert False"})

    assert "Run it again: pytest test_it.py::test_it --understudy-seed=7\n" in told(run(pytester))


def test_a_token_is_not_told(pytester: pytest.Pytester) -> None:
    with running(create_app(Settings(control_token="a-token-that-is-right"))) as origin:
        where = f"--understudy-url={origin}"
        failed = told(run(pytester, where, "--understudy-token=a-token-that-is-right", body=ALWAYS))

    assert f"Run it again: pytest test_it.py::test_it --understudy-seed=7 {where}\n" in failed
    assert "a-token-that-is-right" not in failed


def test_a_failure_before_or_without_a_provider_is_left_as_it_is(pytester: pytest.Pytester) -> None:
    result = run(pytester, body="def test_it(): assert False\n\ndef test_that(nothing): pass\n")

    result.assert_outcomes(failed=1, errors=1)
    assert "--- understudy" not in told(result)


def test_a_test_that_is_run_again_begins_anew(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(
        """
from _pytest.runner import runtestprotocol

def pytest_runtest_protocol(item, nextitem):
    for _ in range(2):
        reports = runtestprotocol(item, nextitem=nextitem, log=False)
    for report in reports:
        item.ihook.pytest_runtest_logreport(report=report)
    return True
"""
    )
    result = run(
        pytester,
        body="""
KEYS = []

def test_it(mock_wavespeed):
    KEYS.append(mock_wavespeed.api_key)
    mock_wavespeed.will_hang()
    assert len(set(KEYS)) == 2
""",
    )

    result.assert_outcomes(passed=1, errors=1)
    assert "never acted" in told(result)
