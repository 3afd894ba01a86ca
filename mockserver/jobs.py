"""A job's whole future, decided when it is submitted, and the one interruption it may have.

A job's state is never stored and never advanced: it is read off a timeline of marks. Time is integer milliseconds.
"""

from __future__ import annotations

import dataclasses
import enum
from dataclasses import dataclass, field
from typing import NamedTuple

from understudy.mockserver.images import Reference
from understudy.mockserver.values import value


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
class WebhookTwist:
    """What goes wrong with a job's webhook on its way.

    `late` is milliseconds; `copies` how often it is delivered; `after_next` puts it behind the next one of its tenant;
    `forged` has a signature that does not fit, `age` makes its timestamp that many milliseconds old.
    """

    lost: bool = False
    late: int = 0
    copies: int = 1
    after_next: bool = False
    forged: bool = False
    age: int = 0


@dataclass(frozen=True, slots=True)
class Twists:
    """What is out of the ordinary about a job, each image by its 1-based index.

    The URL of a `missing` image leads nowhere, a `black` one shows nothing, a `resized` one is half as wide and high.
    `flags`: images are flagged one by one, also where flagged content fails a job by default. `polls` is on which poll
    it ends. `expire` is for how many milliseconds after the end its images can be fetched; None for ever.
    """

    missing: frozenset[int] = frozenset()
    black: frozenset[int] = frozenset()
    resized: frozenset[int] = frozenset()
    flags: bool = False
    polls: int | None = None
    expire: int | None = None
    webhook: WebhookTwist | None = None


STRAIGHT = Twists()


@dataclass(frozen=True, slots=True)
class Plan:
    """What will happen to a job.

    queue_time and run_time are milliseconds, or None for ever. `images` is how many come out, `flagged` holds the
    1-based indexes of those that are marked as unsafe, which are all `black` or show that they were flagged.
    """

    queue_time: int | None
    run_time: int | None
    outcome: Phase
    images: int
    failure: Failure | None = None
    flagged: frozenset[int] = frozenset()
    black: bool = False
    twists: Twists = STRAIGHT

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
        assert (self.phase is Phase.FAILED) == (self.failure is not None), "A failure belongs to FAILED alone."


class Hook(NamedTuple):
    """Whom to tell when a job has ended, and the origin that the URLs in what is told are on."""

    url: str
    origin: str


@value
class Submission:
    """What was asked for, in no provider's words. Bounded: an input's bytes are not kept, its digest is.

    width and height are pixels; `price` is microdollars; `seed` is the input's own seed, if it had one; `thorough`
    asks for care rather than speed; `base64` wants images in the answer in place of URLs, `sync` the job's end in the
    answer to the submission; `inputs` is the inputs as JSON, long values cut, where they are shown again.
    `pictures` is what is kept of those references that could be looked into: some 10 kB of each at most.
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
    price: int = 0
    thorough: bool = False
    base64: bool = False
    sync: bool = False
    webhook: Hook | None = None
    inputs: bytes = b"{}"
    pictures: tuple[Reference, ...] = ()


class Mark(NamedTuple):
    """From `at` on, the job is in `phase`."""

    at: int
    phase: Phase


@value
class Job:
    """A submission, the instant it was made, its plan, and at most one interruption.

    `seed` is the seed of its images. `starts` and `ends` are the instants at which it begins to run and is over, None
    for never; `final` is the phase that it ends in. All three follow from the rest.

    `held` is for how many milliseconds beyond its queue time the job waits because others take all the capacity, None
    for ever; while it is queued, the store may change it. `erased` jobs were deleted by their owner.
    """

    id: str
    tenant: str
    submission: Submission
    submitted: int
    plan: Plan
    seed: int
    interruption: Interruption | None = None
    held: int | None = 0
    erased: bool = False
    starts: int | None = field(init=False, repr=False, compare=False)
    ends: int | None = field(init=False, repr=False, compare=False)
    final: Phase = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        starts = ends = None
        final = self.plan.outcome
        if self.plan.queue_time is not None and self.held is not None:
            starts = self.submitted + self.plan.queue_time + self.held
            if self.plan.run_time is not None:
                ends = starts + self.plan.run_time
        cut = self.interruption
        if cut is not None:
            ends, final = cut.at, cut.phase
            starts = starts if starts is not None and starts <= cut.at else None
        object.__setattr__(self, "starts", starts)
        object.__setattr__(self, "ends", ends)
        object.__setattr__(self, "final", final)

    @property
    def marks(self) -> tuple[Mark, ...]:
        """The whole timeline: when the job enters which phase. Phases may be skipped, and are never gone back to."""
        instants = ((self.submitted, Phase.QUEUED), (self.starts, Phase.RUNNING), (self.ends, self.final))
        return tuple(Mark(at, phase) for at, phase in instants if at is not None)

    def at(self, now: int) -> Phase:
        """The phase at an instant: that of the last mark not after it."""
        if self.ends is not None and now >= self.ends:
            return self.final
        if self.starts is not None and now >= self.starts:
            return Phase.RUNNING
        return Phase.QUEUED

    def between(self, after: int, until: int) -> tuple[Mark, ...]:
        """The marks in (after, until], in order: what changed since one last looked."""
        return tuple(mark for mark in self.marks if after < mark.at <= until)

    @property
    def failure(self) -> Failure | None:
        """How the job fails, if it does."""
        return self.interruption.failure if self.interruption else self.plan.failure

    @property
    def run_time(self) -> int:
        """Milliseconds spent running until the end; 0 when the job never ran or never ends."""
        return 0 if self.starts is None or self.ends is None else self.ends - self.starts

    @property
    def refunded(self) -> bool:
        """Whether its price is given back when it ends: only what came out is paid for."""
        return self.final is not Phase.SUCCEEDED

    def interrupt(self, interruption: Interruption) -> Job:
        """The job with this interruption; itself when it had one before, or had ended by then."""
        if self.interruption is not None or self.at(interruption.at).ended:
            return self
        return dataclasses.replace(self, interruption=interruption)
