"""What a client must have made of its job, whatever else a property is about."""

from __future__ import annotations

import json

from understudy.contracts.actor import Told
from understudy.contracts.client import State
from understudy.contracts.findings import Broken
from understudy.contracts.stagehand import Truth
from understudy.contracts.trial import Trial

FAILURES = (State.FAILED, State.CANCELLED, State.TIMED_OUT)


def expect_success(trial: Trial, told: Told, truth: Truth) -> None:
    """Raises Broken unless the client returned what the job really came to, as far as it tells."""
    if told.result is None or told.result.state is not State.SUCCEEDED:
        raise Broken(f"The job succeeded; the client {told}.")
    if "outputs" in trial.client.tells and told.result.outputs != truth.outputs:
        raise Broken(f"The outputs are {json.dumps(truth.outputs)}; the client {told}.")
    flags = told.result.flags or (False,) * len(truth.outputs)
    if "flags" in trial.client.tells and flags != truth.flags:
        raise Broken(f"The flags are {json.dumps(truth.flags)}; the client {told}.")


def expect_failure(told: Told, what: str) -> None:
    """Raises Broken unless the client raised one of its own errors or returned that the job did not succeed."""
    if told.error is None and (told.result is None or told.result.state not in FAILURES):
        raise Broken(f"{what}; the client {told}.")
