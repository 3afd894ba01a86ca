"""What will happen to a job: the only place where chance is drawn, and it is seeded."""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b

from understudy.mockserver.jobs import Cause, Failure, Job, Phase, Plan, Submission
from understudy.mockserver.settings import Settings
from understudy.mockserver.switches import Switches
from understudy.mockserver.tenant_names import name_of

_DRAWS = struct.Struct("<16s6Q")
_WHOLE = float(2**64)
_NUMBER = re.compile(
    r"\b(\d{1,2})\s+(?:[a-z-]+\s+){0,3}(?:images?|pictures?|photos?|panels?)\b|\bpanels?\s+1\s*[-–—]\s*(\d{1,2})\b",
    re.IGNORECASE | re.ASCII,
)
MOST_IMAGES = 15


class Chance:
    """All the chance that one submission has, from one seed plus the tenant and the submission's ordinal.

    Each purpose has its own number, so that a new use of chance leaves the others as they were. `again` counts the ids
    that this submission could have had but somebody has: another one leaves everything else as it was.
    """

    __slots__ = ("failure", "flagged", "identity", "image_seed", "picture", "queue", "run")

    def __init__(self, seed: int, tenant: str, ordinal: int, again: int = 0) -> None:
        material = f"{seed}\0{ordinal}\0{name_of(tenant)}".encode("utf-8", "surrogateescape")
        self.identity, queue, run, failure, flagged, picture, image_seed = _DRAWS.unpack(
            blake2b(material, digest_size=_DRAWS.size).digest()
        )
        if again:
            self.identity = blake2b(self.identity, digest_size=16, salt=again.to_bytes(8)).digest()
        self.queue = queue / _WHOLE
        self.run = run / _WHOLE
        self.failure = failure / _WHOLE
        self.flagged = flagged / _WHOLE
        self.picture = picture / _WHOLE
        self.image_seed = image_seed >> 33  # 31 bits, so that it fits everywhere a seed does

    @property
    def uuid4(self) -> str:
        """A lower-case UUID of version 4, of 32 hexadecimal digits without dashes."""
        number = int.from_bytes(self.identity, "big")
        number = number & ~(0xF000 << 64) & ~(0xC000 << 48) | 4 << 76 | 0x8000 << 48
        return f"{number:032x}"


def dashed(digits: str) -> str:
    """A UUID's 32 digits with the dashes that most people write it with."""
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def number_in(prompt: str) -> int | None:
    """How many images a prompt asks for, as the page advises to write it: `4 edited images`, `Panels 1-4`."""
    match = _NUMBER.search(prompt)
    return int(match[1] or match[2]) if match else None


@dataclass(frozen=True, slots=True)
class Habits:
    """What the pages say that the models do, each off unless assumed.

    counts_prompt: a smaller number of images in the prompt wins. counts_references: input and output images are at
    most 15 together. slow_when_thorough: careful prompt optimisation takes twice as long (the factor is assumed).
    """

    counts_prompt: bool = False
    counts_references: bool = False
    slow_when_thorough: bool = False

    @classmethod
    def of(cls, switches: Switches) -> Habits:
        names = ("seedream.prompt_count", "seedream.reference_count", "seedream.optimize_prompt")
        return cls(*(switches.on(name) for name in names))

    def images(self, submission: Submission) -> int:
        """How many images come out."""
        count = submission.count
        number = number_in(submission.prompt) if self.counts_prompt else None
        if number is not None:
            count = min(count, max(number, 1))
        if self.counts_references:
            count = min(count, max(MOST_IMAGES - len(submission.references), 1))
        return count


NO_HABITS = Habits()


_share = lru_cache(maxsize=1_024)(Plan)
"""Plans as values: most are like another, and one that exists is had for less than a new one."""


def make_plan(
    settings: Settings,
    submission: Submission,
    chance: Chance,
    *,
    flags_images: bool,
    failure: Failure | None = None,
    habits: Habits = NO_HABITS,
) -> Plan:
    """The plan for a submission. `flags_images`: flagged content completes with flags, instead of failing the job.
    A `failure` is how it ends whatever chance says."""
    flagged = frozenset[int]()
    images = habits.images(submission)
    if failure is None and chance.failure < settings.failure_rate:
        failure = Failure(Cause.ERROR)
    elif failure is None and chance.flagged < settings.nsfw_rate:
        if flags_images:
            flagged = frozenset({1 + int(chance.picture * images)})
        else:
            failure = Failure(Cause.MODERATION)
    run_time = settings.run_time.at(chance.run)
    return _share(
        settings.queue_time.at(chance.queue),
        2 * run_time if habits.slow_when_thorough and submission.thorough else run_time,
        Phase.SUCCEEDED if failure is None else Phase.FAILED,
        images,
        failure,
        flagged,
        settings.flagged_images == "black",
    )


def make_job(
    settings: Settings,
    submission: Submission,
    tenant: str,
    ordinal: int,
    now: int,
    *,
    flags_images: bool,
    dashed_id: bool,
    failure: Failure | None = None,
    habits: Habits = NO_HABITS,
    again: int = 0,
) -> Job:
    """The job that a tenant's submission of this ordinal becomes at this instant. Needs a seed in the settings."""
    assert settings.seed is not None, "The seed is drawn before the first job, in create_app."
    chance = Chance(settings.seed, tenant, ordinal, again)
    return Job(
        id=dashed(chance.uuid4) if dashed_id else chance.uuid4,
        tenant=tenant,
        submission=submission,
        submitted=now,
        plan=make_plan(settings, submission, chance, flags_images=flags_images, failure=failure, habits=habits),
        seed=chance.image_seed if submission.seed is None else submission.seed,
    )
