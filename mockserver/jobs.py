"""A job's whole future, decided when it is submitted, and the one interruption it may have.

A job's state is never stored and never advanced: it is read off a timeline of marks. Time is integer milliseconds.
"""

from __future__ import annotations

import dataclasses
import enum
from dataclasses import dataclass, field
from typing import NamedTuple


class Phase(enum.IntEnum):
    """Where a job stands. The order is the order of time: a phase is never followed by a smaller one."""

    QUEUED = 0
    RUNNING = 1
    SUCCEEDED = 2
    FAILED = 3
    CANCELLED = 4
    TIMED_OUT = 5

    @property
    def ended(self) -> bool:
        return self >= Phase.SUCCEEDED


class Cause(enum.Enum):
    """Why a job failed; each dialect has its own code and text for it."""

    ERROR = "error"
    MODERATION = "moderation"
    INPUT = "input"


@dataclass(frozen=True, slots=True)
class Failure:
    """How a job failed. Without `text` or `code` the dialect uses its provider's own for the cause."""

    cause: Cause = Cause.ERROR
    text: str | None = None
    code: int | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """What will happen to a job.

    queue_time and run_time are milliseconds, or None for ever. `images` is how many come out, `flagged` holds the
    1-based indexes of those that are marked as unsafe.
    """

    queue_time: int | None
    run_time: int | None
    outcome: Phase
    images: int
    failure: Failure | None = None
    flagged: frozenset[int] = frozenset()

    def __post_init__(self) -> None:
        assert self.outcome.ended, f"A plan ends in a final phase, not in {self.outcome.name}."
        assert (self.outcome is Phase.FAILED) == (self.failure is not None), "A failure belongs to FAILED alone."


@dataclass(frozen=True, slots=True)
class Interruption:
    """The one event from outside that may end a job: a cancel, a "fail it now", a "finish it now"."""

    at: int
    phase: Phase
    failure: Failure | None = None

    def __post_init__(self) -> None:
        assert self.phase.ended, f"An interruption ends a job, so its phase is final, not {self.phase.name}."


@dataclass(frozen=True, slots=True)
class Submission:
    """What was asked for, in no provider's words. Bounded: an input's bytes are not kept, its digest is.

    width and height are pixels; `seed` is the input's own seed, if it had one.
    """

    provider: str
    model: str
    prompt: str
    prompt_digest: str
    count: int
    width: int
    height: int
    image_format: str
    references: tuple[str, ...] = ()
    seed: int | None = None


class Mark(NamedTuple):
    """From `at` on, the job is in `phase`."""

    at: int
    phase: Phase


@dataclass(frozen=True, slots=True)
class Job:
    """A submission, the instant it was made, its plan, and at most one interruption.

    `seed` is the seed of its images. `bodies` is where answers about a phase, which never change, are kept once
    encoded; it is no part of the value.
    """

    id: str
    tenant: str
    submission: Submission
    submitted: int
    plan: Plan
    seed: int
    interruption: Interruption | None = None
    marks: tuple[Mark, ...] = field(init=False, repr=False, compare=False)
    bodies: dict[tuple[str, Phase, str], bytes] = field(init=False, repr=False, compare=False, default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "marks", self._marks())

    def _marks(self) -> tuple[Mark, ...]:
        marks = [Mark(self.submitted, Phase.QUEUED)]
        if self.plan.queue_time is not None:
            marks.append(Mark(self.submitted + self.plan.queue_time, Phase.RUNNING))
            if self.plan.run_time is not None:
                marks.append(Mark(marks[-1].at + self.plan.run_time, self.plan.outcome))
        cut = self.interruption
        if cut is None:
            return tuple(marks)
        return (*(mark for mark in marks if mark.at <= cut.at), Mark(cut.at, cut.phase))

    def at(self, now: int) -> Phase:
        """The phase at an instant: that of the last mark not after it."""
        for mark in reversed(self.marks):
            if mark.at <= now:
                return mark.phase
        return Phase.QUEUED

    def between(self, after: int, until: int) -> tuple[Mark, ...]:
        """The marks in (after, until], in order: what changed since one last looked."""
        return tuple(mark for mark in self.marks if after < mark.at <= until)

    def since(self, phase: Phase) -> int | None:
        """The instant at which the job enters a phase, or None if it never does."""
        return next((mark.at for mark in self.marks if mark.phase is phase), None)

    @property
    def ends(self) -> int | None:
        """The instant at which the job ends, or None for never."""
        last = self.marks[-1]
        return last.at if last.phase.ended else None

    @property
    def failure(self) -> Failure | None:
        """How the job fails, if it does."""
        return self.interruption.failure if self.interruption else self.plan.failure

    @property
    def run_time(self) -> int:
        """Milliseconds spent running until the end; 0 when the job never ran or never ends."""
        started, ended = self.since(Phase.RUNNING), self.ends
        return 0 if started is None or ended is None else ended - started

    def keep_body(self, key: tuple[str, Phase, str], body: bytes) -> None:
        """Remembers an encoded answer. Few clients reach a job under more than one origin, so few are kept."""
        if len(self.bodies) >= 8:
            self.bodies.clear()
        self.bodies[key] = body

    def interrupt(self, interruption: Interruption) -> Job:
        """The job with this interruption; itself when it had one before, or had ended by then."""
        if self.interruption is not None or self.at(interruption.at).ended:
            return self
        return dataclasses.replace(self, interruption=interruption)
