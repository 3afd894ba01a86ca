"""One example: a tenant with nothing of its own yet, a client that talks for it, and who pulls the strings."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from understudy.contracts.actor import Actor, Told
from understudy.contracts.client import State
from understudy.contracts.findings import Broken, NotApplicable
from understudy.contracts.scenario import Rule, Scenario
from understudy.contracts.stagehand import Seen, Stagehand, Truth
from understudy.contracts.talk import Answer, Talk

LONG = 2_000_000
"""Milliseconds after which every job has ended that the suite's own schedules let end."""


class Limits(NamedTuple):
    """Seconds: between polls, for the client's own timeout, and until a call counts as endless."""

    poll_interval: float
    timeout: float
    patience: float


class Trial:
    """What a property is given to work with. Without a fake's control API there is no `stagehand`."""

    def __init__(
        self,
        provider: str,
        origin: str,
        talk: Talk,
        stagehand: Stagehand | None,
        client: Actor | None,
        other: Talk,
        limits: Limits,
    ) -> None:
        self.provider = provider
        self.origin = origin
        self.talk = talk
        self.other = other
        self.limits = limits
        self._stagehand = stagehand
        self._client = client

    @property
    def controlled(self) -> bool:
        """Whether there is a fake that does as it is told."""
        return self._stagehand is not None

    @property
    def hand(self) -> Stagehand:
        if self._stagehand is None:
            raise NotApplicable("there is no control API behind this origin")
        return self._stagehand

    @property
    def client(self) -> Actor:
        if self._client is None:
            raise NotApplicable("there is no client")
        return self._client

    def set(self, clock: str, rules: Sequence[Rule] = ()) -> None:
        """Sets the clock and the rules; without a control API there is nothing to set."""
        if self._stagehand is not None:
            self._stagehand.clock(clock)
            if rules:
                self._stagehand.add_rules(rules)

    def begin(self, scenario: Scenario) -> str:
        """Submits a scenario over plain HTTP, on a clock that stands still. The id of the job."""
        self.set("manual", scenario.rules)
        return self.talk.submit(scenario.model, scenario.inputs)

    def run(self, scenario: Scenario) -> Told:
        """What the client makes of a scenario, on a clock that jumps to what happens next."""
        self.set("auto", scenario.rules)
        return self.client.call("run", scenario.model, dict(scenario.inputs))

    def job(self) -> Truth:
        """What the one job of this trial really is. Raises Broken when there is none, or another."""
        jobs = self.hand.jobs()
        if len(jobs) != 1:
            raise Broken(f"The client submitted {len(jobs)} jobs; expected 1.")
        return jobs[0]

    def outcome(self) -> Truth:
        """What the one job of this trial comes to, however long that takes: its client may have gone."""
        self.advance(LONG)
        return self.job()

    def seen(self, *operations: str) -> list[Seen]:
        """The exchanges of some operations, or all."""
        return [one for one in self.hand.journal() if not operations or one.operation in operations]

    def advance(self, milliseconds: int) -> None:
        """Lets time pass; where nobody controls it, until the next poll is due."""
        if self._stagehand is not None:
            self._stagehand.advance(milliseconds)
        else:
            time.sleep(self.limits.poll_interval)

    def watch(self, job: str, moments: Sequence[int], kind: str = "result") -> Iterator[Answer]:
        """What a look at a job tells at once, after each of some moments, and when it has ended."""
        if self._stagehand is not None:
            for moment in (0, *moments, LONG):
                self._stagehand.advance(moment)
                yield self.talk.look(job, kind)
            return
        until = time.monotonic() + self.limits.timeout
        while time.monotonic() < until:
            answer = self.talk.look(job, kind)
            yield answer
            if self.talk.state(answer) not in (State.QUEUED, State.RUNNING):
                return
            time.sleep(self.limits.poll_interval)
        raise Broken(f"The job had not ended after {self.limits.timeout:g} s.")

    def story(self) -> tuple[str, ...]:
        """What happened, a line for each exchange, in order."""
        if self._client is None:
            return tuple(self.talk.said + self.other.said)
        lines = [_line(one) for one in self.hand.journal()[-40:]]
        return (*lines, *self._client.said)


def _line(seen: Seen) -> str:
    request = f" {_short(seen.request)}" if seen.request is not None else ""
    answer = "no answer" if seen.status is None else f"{seen.status} {_short(seen.response)}"
    broken = f" ({seen.broken})" if seen.broken else ""
    return f"{seen.method} {seen.target}{request} → {answer}{broken}"


def _short(body: Any) -> str:
    text = " ".join((body if isinstance(body, str) else json.dumps(body, ensure_ascii=False)).split())
    return text if len(text) <= 160 else f"{text[:160]}…"
