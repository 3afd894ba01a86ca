"""Webhooks as values: what is delivered, when it is tried again, and how it is signed. Nothing here waits or sends."""

from __future__ import annotations

import dataclasses
import enum
import hmac
from base64 import b64encode
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import blake2b
from typing import NamedTuple

from understudy.mockserver.jobs import Job, Phase, WebhookTwist
from understudy.mockserver.tenant_names import name_of

RETRIES = 3
"""How many more times a delivery is tried after its first attempt failed (documented)."""

TOLD = frozenset({Phase.SUCCEEDED, Phase.FAILED})
"""The ends that a webhook tells of (documented: completed and failed). A cancelled or timed-out job sends none: no
source names any other (assumed)."""

STRAIGHT = WebhookTwist()
"""Nothing goes wrong."""

PATIENCE = 60_000
"""Milliseconds for which a webhook that is to come behind the tenant's next one waits for that at most."""

SECRET = "whsec_"
FORGERS = SECRET + "not the tenant's"
"""What a forged webhook is signed with: no tenant's secret looks like it."""

ID_LENGTHS = {"shortened": 25, "whole": 32}
"""How many characters of the job's id the `webhook-id` has, by reading."""


class Outcome(enum.Enum):
    """How a delivery stands. `UNTOLD`: the job ended in a way that no webhook tells of. `LOST`: a rule says that it is
    never sent."""

    WAITING = "waiting"
    DELIVERED = "delivered"
    FAILED = "failed"
    UNTOLD = "untold"
    LOST = "lost"


class Attempt(NamedTuple):
    """One request to the receiver: when, on the tenant's clock; the status it answered, or what went wrong."""

    at: int
    status: int | None
    error: str = ""

    @property
    def accepted(self) -> bool:
        return self.status is not None and 200 <= self.status < 300


@dataclass(frozen=True, slots=True)
class Delivery:
    """One job's webhook, before, while and after it is sent.

    `due` is when it is next tried, on the tenant's clock; None when it is not: it is over, or its job never ends. Each
    of several copies is a delivery of its own, with its own retries; the next one goes out when one is over.
    """

    job: Job
    due: int | None
    outcome: Outcome = Outcome.WAITING
    attempts: tuple[Attempt, ...] = ()

    @property
    def url(self) -> str:
        assert self.job.submission.webhook is not None, "Only a job with a webhook has a delivery."
        return self.job.submission.webhook.url

    @property
    def twist(self) -> WebhookTwist:
        """What goes wrong with it."""
        return self.job.plan.twists.webhook or STRAIGHT

    @property
    def held(self) -> bool:
        """Whether it waits for the tenant's next one to go out before it."""
        bound = _ready(self.job)
        return self.twist.after_next and not self.attempts and bound is not None and self.due == bound + PATIENCE

    def behind(self, at: int, known: int) -> Delivery:
        """The delivery after an attempt of another one, at an instant, whose end was `known` at another: if it was
        ready by then and was held for that, it is due."""
        ready = _ready(self.job)
        return dataclasses.replace(self, due=known) if self.held and ready is not None and at >= ready else self

    def tried(self, attempt: Attempt, known: int, backoff: int) -> Delivery:
        """The delivery after an attempt whose end was `known` at that instant: over, or due again after the backoff,
        which doubles each time (documented as exponential; the base is assumed)."""
        attempts = (*self.attempts, attempt)
        copies, failures = _tally(attempts)
        if failures:
            due, outcome = known + backoff * 2 ** (failures - 1), Outcome.WAITING
        elif copies < self.twist.copies:
            due, outcome = known, Outcome.WAITING
        else:
            due, outcome = None, Outcome.DELIVERED if any(one.accepted for one in attempts) else Outcome.FAILED
        return dataclasses.replace(self, due=due, outcome=outcome, attempts=attempts)


def expected(job: Job) -> Delivery:
    """The delivery that a job's timeline promises, as it is now."""
    if job.ends is not None and job.final not in TOLD:
        return Delivery(job, None, Outcome.UNTOLD)
    twist, due = job.plan.twists.webhook or STRAIGHT, _ready(job)
    if twist.lost:
        return Delivery(job, None, Outcome.LOST)
    return Delivery(job, due + PATIENCE if twist.after_next and due is not None else due)


def _ready(job: Job) -> int | None:
    """When a job's webhook would go out, did it not wait for another."""
    twist = job.plan.twists.webhook or STRAIGHT
    return None if job.ends is None else job.ends + twist.late


def _tally(attempts: Iterable[Attempt]) -> tuple[int, int]:
    """How many copies are over, and how often the one after them has failed."""
    copies = failures = 0
    for attempt in attempts:
        over = attempt.accepted or failures == RETRIES
        copies, failures = (copies + 1, 0) if over else (copies, failures + 1)
    return copies, failures


def make_secret(seed: int, tenant: str) -> str:
    """A tenant's signing secret: `whsec_` and 44 characters of base64, the form of the published sample."""
    material = f"{seed}\0webhook\0{name_of(tenant)}".encode("utf-8", "surrogateescape")
    return SECRET + b64encode(blake2b(material, digest_size=32).digest()).decode()


def sign(secret: str, webhook_id: str, timestamp: str, body: bytes) -> str:
    """The `webhook-signature`. The key is the secret's text without its prefix, not what that text decodes to."""
    key = secret.removeprefix(SECRET).encode()
    content = b"%s.%s.%s" % (webhook_id.encode(), timestamp.encode(), body)
    return "v3," + hmac.digest(key, content, "sha256").hex()


def headers(delivery: Delivery, secret: str, timestamp: int, body: bytes, *, id_length: int) -> dict[str, str]:
    """What goes with a body. The `webhook-id` is the start of the job's id, on every attempt; `timestamp` that of the
    attempt, in Unix seconds of the real time: receivers refuse what is more than 300 s from their own clock, whatever
    the tenant's shows. That it is new on a retry is assumed. What is wrong about a delivery is wrong on every
    attempt: a timestamp that is too old has the signature that belongs to it."""
    webhook_id = delivery.job.id[:id_length]
    timestamp -= -(-delivery.twist.age // 1_000)
    secret = FORGERS if delivery.twist.forged else secret
    return {
        "content-type": "application/json",
        "webhook-id": webhook_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": sign(secret, webhook_id, str(timestamp), body),
    }
