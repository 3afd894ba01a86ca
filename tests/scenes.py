"""Exchanges between a client and a provider that fails as it is told, as the journal would have them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator
from typing import Any

from understudy.mockserver.clock import MANUAL_START
from understudy.mockserver.jobs import Failure, Hook, Job, Phase, Plan, Submission
from understudy.mockserver.journal import Entry, Logged
from understudy.mockserver.verdict import Verdict, verdict
from understudy.mockserver.webhooks import Delivery

SUBMISSION = Submission("wavespeed", "some/model", "A shoe", "d", 1, 64, 64, "png", price=40_000)
RETRY_AFTER = 5_000
FAULTS = ("refused", "hurried", "lost", "lost after", "503", "503 after", "cut", "garbled", "altered")
"""429 without and with Retry-After, a connection that breaks before or after the effect, and so on."""


SPOILT = ("cut", "garbled", "altered")


class Scene:
    """Plays the provider. Both clocks run as one. Each exchange takes its fault from `faults`, then there are none."""

    def __init__(self, provider: str = "wavespeed", faults: Iterable[str | None] = (), **plan: Any) -> None:
        self.provider = provider
        self.faults: Iterator[str | None] = iter(faults)
        self.plan = Plan(**{"queue_time": 500, "run_time": 2_000, "outcome": Phase.SUCCEEDED, "images": 1, **plan})
        self.now = MANUAL_START
        self.entries: list[Entry] = []
        self.jobs: list[Job] = []
        self.deliveries: list[Delivery] = []

    def wait(self, milliseconds: int) -> None:
        self.now += milliseconds

    def submit(self, query: str = "", **changes: Any) -> Entry:
        """A submission whose body is the prompt; what came of it."""
        asked = dataclasses.replace(SUBMISSION, provider=self.provider, **changes)

        def effect() -> tuple[str, Phase]:
            job = Job(f"job-{len(self.jobs) + 1}", "key", asked, self.now, self.plan, seed=1)
            self.jobs.append(job)
            return job.id, Phase.QUEUED

        return self.exchange("submit", f"/submit{query}", effect, asked.prompt.encode())

    def poll(self, job_id: str, operation: str = "result", query: str = "") -> Entry:
        def effect() -> tuple[str, Phase]:
            job = next(job for job in self.jobs if job.id == job_id)
            return job_id, job.at(self.now)

        return self.exchange(operation, f"/{job_id}/{operation}{query}", effect)

    def exchange(self, operation: str, target: str, effect: Any = lambda: (None, None), body: bytes = b"") -> Entry:
        fault = next(self.faults, None)
        before = fault in ("refused", "hurried", "lost", "503")
        job, phase = (None, None) if before else effect()
        status = {"refused": 429, "hurried": 429, "lost": None, "lost after": None, "503": 503, "503 after": 503}
        lost = fault in status
        word = b"completed" if phase is not None and phase.ended else b"in_progress"
        entry = Entry(
            self.now,
            self.now,
            1_000,
            self.provider,
            operation,
            "POST" if operation == "submit" else "GET",
            target,
            job,
            None if lost else phase,
            status.get(fault, 200) if fault is not None else 200,
            request=body,
            response=b"" if lost else b'{"status":"%b"}' % word,
            retry_after=RETRY_AFTER if fault == "hurried" else None,
            broken={"lost": "reset", "lost after": "reset"}.get(fault or "", fault if fault in SPOILT else None),
            received=len(body),
            known=len(self.entries),
        )
        return self.add(entry)

    def add(self, entry: Entry) -> Entry:
        self.entries.append(entry)
        self.now += 1
        return entry

    @property
    def logged(self) -> Logged:
        return Logged(1, self.entries)

    def judge(self, **options: Any) -> Verdict:
        return verdict(self.jobs, self.logged, self.deliveries, self.now, **options)


FAILED: dict[str, Any] = {"outcome": Phase.FAILED, "failure": Failure()}
HOOK = Hook("https://example.com/hook", "http://here")
