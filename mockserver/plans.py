"""What will happen to a job: the only place where chance is drawn, and it is seeded."""

from __future__ import annotations

import struct
from hashlib import blake2b

from understudy.mockserver.jobs import Cause, Failure, Job, Phase, Plan, Submission
from understudy.mockserver.settings import Settings

_DRAWS = struct.Struct("<16s6Q")
_WHOLE = float(2**64)


class Chance:
    """All the chance that one submission has, from one seed plus the tenant and the submission's ordinal.

    Each purpose has its own number, so that a new use of chance leaves the others as they were.
    """

    __slots__ = ("failure", "flagged", "identity", "image_seed", "picture", "queue", "run")

    def __init__(self, seed: int, tenant: str, ordinal: int) -> None:
        material = f"{seed}\0{ordinal}\0{tenant}".encode("utf-8", "surrogateescape")
        self.identity, queue, run, failure, flagged, picture, image_seed = _DRAWS.unpack(
            blake2b(material, digest_size=_DRAWS.size).digest()
        )
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


def make_plan(settings: Settings, submission: Submission, chance: Chance, *, flags_images: bool) -> Plan:
    """The plan for a submission. `flags_images`: flagged content completes with flags, instead of failing the job."""
    outcome, failure, flagged = Phase.SUCCEEDED, None, frozenset[int]()
    if chance.failure < settings.failure_rate:
        outcome, failure = Phase.FAILED, Failure(Cause.ERROR)
    elif chance.flagged < settings.nsfw_rate:
        if flags_images:
            flagged = frozenset({1 + int(chance.picture * submission.count)})
        else:
            outcome, failure = Phase.FAILED, Failure(Cause.MODERATION)
    return Plan(
        queue_time=settings.queue_time.at(chance.queue),
        run_time=settings.run_time.at(chance.run),
        outcome=outcome,
        images=submission.count,
        failure=failure,
        flagged=flagged,
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
) -> Job:
    """The job that a tenant's submission of this ordinal becomes at this instant. Needs a seed in the settings."""
    assert settings.seed is not None, "The seed is drawn before the first job, in create_app."
    chance = Chance(settings.seed, tenant, ordinal)
    return Job(
        id=dashed(chance.uuid4) if dashed_id else chance.uuid4,
        tenant=tenant,
        submission=submission,
        submitted=now,
        plan=make_plan(settings, submission, chance, flags_images=flags_images),
        seed=chance.image_seed if submission.seed is None else submission.seed,
    )
