"""What can be chosen for a test, where it is said, and what is said of a mistake."""

from __future__ import annotations

import pytest
from projects import run, told

SHOWS = """
def test_it(mock_wavespeed):
    submit(mock_wavespeed)
    job = mock_wavespeed.job(mock_wavespeed.jobs.one.id)
    print("shown", mock_wavespeed.clock.mode, job.ends - job.submitted, sorted(mock_wavespeed.chosen.strict))
"""


def shown(result: pytest.RunResult) -> list[str]:
    return [line.partition("shown ")[2] for line in told(result).splitlines() if "shown " in line]


ALL = "['keys', 'requests', 'rules', 'webhooks']"


def test_by_default_time_is_automatic_and_all_is_checked(pytester: pytest.Pytester) -> None:
    assert [f"auto 2500 {ALL}"] == shown(run(pytester, "-s", body=SHOWS))


def test_the_nearest_place_wins(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    pytester.makeini("[pytest]\nunderstudy_latency = 1s\nunderstudy_clock = 60x\nunderstudy_strict = off\n")
    assert ["60x 1000 []"] == shown(run(pytester, "-s", body=SHOWS))
    monkeypatch.setenv("UNDERSTUDY_LATENCY", "2s")
    assert ["60x 2000 []"] == shown(run(pytester, "-s"))
    flags = ("-s", "--understudy-latency=3s", "--understudy-strict=rules,keys")
    assert ["60x 3000 ['keys', 'rules']"] == shown(run(pytester, *flags))
    marked = "\n@pytest.mark.understudy(latency=4, strict=True)" + SHOWS
    assert [f"60x 4000 {ALL}"] == shown(run(pytester, *flags, body=marked))


def test_of_several_markers_the_nearest_wins_and_switches_are_merged(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        "--understudy-assume=wavespeed.unknown_keys=refused",
        body="""
pytestmark = pytest.mark.understudy(clock="manual", latency="1s", assume={"wavespeed.cancel": True})

class TestIt:
    pytestmark = [pytest.mark.understudy(latency="2s")]

    @pytest.mark.understudy(latency="3s", assume="seedream.prompt_count")
    def test_nearest(self, mock_wavespeed):
        chosen = mock_wavespeed.chosen
        assert (chosen.clock, chosen.latency) == ("manual", "3s")
        assert chosen.assume == {
            "wavespeed.cancel": "on", "seedream.prompt_count": "on", "wavespeed.unknown_keys": "refused"
        }
        job_id = submit(mock_wavespeed)
        headers = {"Authorization": "Bearer " + mock_wavespeed.api_key}
        httpx.post(f"{mock_wavespeed.base_url}/api/v3/predictions/{job_id}/cancel", headers=headers).raise_for_status()
        mock_wavespeed.assert_cancelled()

    def test_class(self, mock_wavespeed):
        assert mock_wavespeed.chosen.latency == "2s"

def test_module(mock_wavespeed, understudy_server):
    assert mock_wavespeed.chosen.latency == "1s"
    assert mock_wavespeed.base_url != understudy_server.base_url
""",
    )

    result.assert_outcomes(passed=3)


def test_rules_come_from_a_file_or_a_marker_and_after_those_of_the_test(pytester: pytest.Pytester) -> None:
    pytester.makefile(".toml", rules='[[rule]]\njob = {latency = "9s"}\n[[rule]]\njob = {fail = "of the file"}\n')
    pytester.makeini("[pytest]\nunderstudy_rules = rules.toml\n")
    result = run(
        pytester,
        body="""
def ends(mock):
    job = mock.job(submit(mock))
    return job.ends - job.submitted, job.plan["failure"] and job.plan["failure"]["text"]

def test_file(mock_wavespeed):
    assert ends(mock_wavespeed) == (9000, "of the file")
    mock_wavespeed.will_take(5)
    assert ends(mock_wavespeed) == (5000, "of the file")

@pytest.mark.understudy(rules={"job": {"fail": "of the marker"}})
def test_marker(mock_wavespeed):
    assert ends(mock_wavespeed) == (2500, "of the marker")
""",
    )

    result.assert_outcomes(passed=2)


def test_a_marker_may_take_the_rules_of_others_away(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        body="""
pytestmark = pytest.mark.understudy(rules=[{"job": {"fail": True}}])

@pytest.mark.understudy(rules=[])
def test_it(mock_wavespeed):
    assert len(mock_wavespeed.rules) == 0
""",
    )

    result.assert_outcomes(passed=1)


def test_a_clock_that_a_marker_asks_for_is_the_tenants(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        body="""
@pytest.mark.parametrize("clock", [pytest.param(mode, marks=pytest.mark.understudy(clock=mode))
    for mode in ("manual", "auto", "real", "60x")])
def test_it(mock_wavespeed, clock):
    assert mock_wavespeed.clock.mode == clock
""",
    )

    result.assert_outcomes(passed=4)


def test_markers_that_fixtures_add_count_for_what_is_asked_for_after_them(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        body="""
import socket
from understudy.fixtures import NetworkBlocked
BEFORE = socket.getaddrinfo

@pytest.fixture
def added(request):
    request.applymarker(pytest.mark.understudy(clock="manual", block_network=True))

@pytest.fixture
def mistaken(request):
    request.applymarker(pytest.mark.understudy(clock="sundial"))

@pytest.mark.understudy(latency="2s")
def test_beside_another(added, mock_wavespeed):
    assert mock_wavespeed.clock.mode == "manual"
    assert mock_wavespeed.chosen.latency == "2s"
    with pytest.raises(NetworkBlocked):
        socket.getaddrinfo("example.com", 80)

def test_alone(added, mock_wavespeed):
    assert mock_wavespeed.clock.mode == "manual"

@pytest.mark.understudy(block_network=True)
class TestBlocked:
    def test_freed(self, request, mock_wavespeed):
        assert socket.getaddrinfo is not BEFORE
        request.applymarker(pytest.mark.understudy(block_network=False))
        request.getfixturevalue("mock_runcomfy")
        assert socket.getaddrinfo is BEFORE

    def test_as_before(self):
        assert socket.getaddrinfo is not BEFORE

def test_sealed(block_network, added, mock_wavespeed):
    assert mock_wavespeed.clock.mode == "manual"

@pytest.mark.understudy(block_network=True)
def test_sealed_and_freed(block_network, request):
    request.applymarker(pytest.mark.understudy(block_network=False))
    request.getfixturevalue("mock_wavespeed")
    assert socket.getaddrinfo is not BEFORE

def test_over():
    assert socket.getaddrinfo is BEFORE

@pytest.mark.understudy(latency="2s")
def test_mistaken(mistaken, mock_wavespeed): pass
""",
    )

    result.assert_outcomes(passed=7, errors=1)
    assert "@pytest.mark.understudy(clock='sundial') on test_it.py::test_mistaken: " in told(result)


SEEDED = """
@pytest.mark.understudy(seed=3)
def test_it(mock_wavespeed):
    print("shown", submit(mock_wavespeed))
"""


def test_a_markers_seed_repeats_a_test_and_only_the_flag_beats_it(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = shown(run(pytester, "-s", seed=None, body=SEEDED))

    assert drawn == shown(run(pytester, "-s", seed=None))
    pytester.makeini("[pytest]\nunderstudy_seed = 5\n")
    monkeypatch.setenv("UNDERSTUDY_SEED", "6")
    assert drawn == shown(run(pytester, "-s", seed=None))
    assert drawn != shown(run(pytester, "-s", seed=7))
    assert drawn == shown(run(pytester, "-s", seed=3))


def test_the_header_tells_the_seed_and_where_it_comes_from(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytester.makepyfile("def test_it(): pass")
    pytester.makeini("[pytest]\nunderstudy_seed = 5\n")
    expected = "understudy: seed {0} (--understudy-seed={0} repeats this run)"
    assert expected.format(5) in told(run(pytester, seed=None))
    monkeypatch.setenv("UNDERSTUDY_SEED", "6")
    assert expected.format(6) in told(run(pytester, seed=None))
    assert expected.format(7) in told(run(pytester))
    elsewhere = f"{expected.format(7)}, server http://127.0.0.1:9"
    assert elsewhere in told(run(pytester, "--understudy-url=http://127.0.0.1:9"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            "latncy='5s'",
            "@pytest.mark.understudy(latncy=…) on test_it.py::test_it: there is no 'latncy'. Did you mean 'latency'? "
            "There are: assume, block_network, clock, latency, rules, seed, strict.",
        ),
        (
            "zzz=1",
            "@pytest.mark.understudy(zzz=…) on test_it.py::test_it: there is no 'zzz'. "
            "There are: assume, block_network, clock, latency, rules, seed, strict.",
        ),
        (
            "'manual'",
            "@pytest.mark.understudy('manual') on test_it.py::test_it: it takes names only, such as clock='manual'. "
            "There are: assume, block_network, clock, latency, rules, seed, strict.",
        ),
        (
            "clock='fast'",
            "@pytest.mark.understudy(clock='fast') on test_it.py::test_it: 'fast' is no clock: expected real, manual, "
            "auto, or how many times as fast, such as 60x.",
        ),
        (
            "latency='soon'",
            "@pytest.mark.understudy(latency='soon') on test_it.py::test_it: 'soon' is not a duration: expected a "
            "number and a unit (ms, s, m or h), such as 500ms or 2s, of at most a year.",
        ),
        (
            "latency=-1",
            "@pytest.mark.understudy(latency=-1) on test_it.py::test_it: -1 is no latency: expected seconds from 0, "
            "or a text such as '5s' or '1s..4s'.",
        ),
        (
            "latency=float('inf')",
            "@pytest.mark.understudy(latency=inf) on test_it.py::test_it: inf is no latency: expected seconds from "
            "0, or a text such as '5s' or '1s..4s'.",
        ),
        (
            "latency=True",
            "@pytest.mark.understudy(latency=True) on test_it.py::test_it: True is no latency: expected seconds from "
            "0, or a text such as '5s' or '1s..4s'.",
        ),
        (
            "latency=None",
            "@pytest.mark.understudy(latency=None) on test_it.py::test_it: None is no latency: expected seconds from "
            "0, or a text such as '5s' or '1s..4s'.",
        ),
        (
            "seed='x'",
            "@pytest.mark.understudy(seed='x') on test_it.py::test_it: 'x' is no seed: expected a whole number from 0.",
        ),
        (
            "strict='rules,keyes'",
            "@pytest.mark.understudy(strict='rules,keyes') on test_it.py::test_it: 'rules,keyes' is not allowed: "
            "expected on, off, or some of rules, requests, webhooks, keys.",
        ),
        (
            "strict=3",
            "@pytest.mark.understudy(strict=3) on test_it.py::test_it: 3 is not allowed: expected on, off, or some of "
            "rules, requests, webhooks, keys.",
        ),
        (
            "assume={'wavespeed.cancle': 'on'}",
            "@pytest.mark.understudy(assume={'wavespeed.cancle': 'on'}) on test_it.py::test_it: there is no switch "
            "'wavespeed.cancle': did you mean 'wavespeed.cancel'? `understudy switches` lists them all.",
        ),
        (
            "assume=3",
            "@pytest.mark.understudy(assume=3) on test_it.py::test_it: 3 are no switches: expected a dict such as "
            "{'wavespeed.cancel': 'on'}.",
        ),
        (
            "block_network='yes'",
            "@pytest.mark.understudy(block_network='yes') on test_it.py::test_it: 'yes' is neither on nor off.",
        ),
        (
            "rules=3",
            "@pytest.mark.understudy(rules=3) on test_it.py::test_it: 3 are no rules: expected a list of them, or the "
            "name of a TOML file.",
        ),
        (
            "rules=[{'job': {'hangs': 'running'}}]",
            "@pytest.mark.understudy(rules=[{'job': {'hangs': 'running'}}]) on test_it.py::test_it: There is no field "
            "'hangs' in job. Did you mean 'hang'? There are: queue_time, run_time, latency, fail, flagged, images, "
            "missing, black, resized, hang, finish, end, polls, expire.",
        ),
    ],
)
def test_a_mistake_in_a_marker_is_told(pytester: pytest.Pytester, arguments: str, message: str) -> None:
    result = run(pytester, body=f"@pytest.mark.understudy({arguments})\ndef test_it(): pass")

    result.assert_outcomes(errors=1)
    assert f"\n{message}\n" in told(result)
    assert "another exception" not in told(result)


@pytest.mark.parametrize(
    ("flag", "message"),
    [
        ("--understudy-seed=x", "--understudy-seed: 'x' is no seed: expected a whole number from 0."),
        (
            "--understudy-clock=fast",
            "--understudy-clock: 'fast' is no clock: expected real, manual, auto, or how many times as fast, such as "
            "60x.",
        ),
        ("--understudy-block-network=si", "--understudy-block-network: 'si' is neither on nor off."),
        ("--understudy-port=x", "--understudy-port: 'x' is no port: expected a whole number from 0 to 64999."),
        *(
            (
                f"--understudy-url={url}",
                f"--understudy-url: {url!r} is no URL of a server: expected one such as http://127.0.0.1:8787.",
            )
            for url in ("", "localhost:8787", "http://", "http://127.0.0.1:x", "http://127.0.0.1:99999", "http://a b")
        ),
        (
            "--understudy-rules=none.toml",
            "--understudy-rules: 'none.toml' cannot be read as TOML: [Errno 2] No such file or directory: 'none.toml'.",
        ),
    ],
)
def test_a_mistake_in_a_flag_is_told_at_the_start(pytester: pytest.Pytester, flag: str, message: str) -> None:
    assert f"ERROR: {message}\n" in told(run(pytester, flag, seed=None, body="def test_it(): pass"))


def test_a_mistake_in_the_environment_and_in_the_ini_file_is_told_with_its_place(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = "ERROR: {}: {!r} is no clock: expected real, manual, auto, or how many times as fast, such as 60x.\n"
    ini = pytester.makeini("[pytest]\nunderstudy_clock = slow\n")
    slow = expected.format(f"understudy_clock in {ini}", "slow")
    assert slow in told(run(pytester, body="def test_it(): pass"))
    monkeypatch.setenv("UNDERSTUDY_CLOCK", "fast")
    assert expected.format("UNDERSTUDY_CLOCK in the environment", "fast") in told(run(pytester))
