"""What every provider does with a request: finds its model, validates, plans, keeps, looks up. No provider's words."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from understudy.contracts.catalogue import Model
from understudy.mockserver.dialect import Dialect
from understudy.mockserver.exchange import Call
from understudy.mockserver.images import Reference
from understudy.mockserver.inputs import images_of, read_inputs
from understudy.mockserver.intake import Intake, can_look_into
from understudy.mockserver.jobs import Cause, Failure, Job, Phase, Submission
from understudy.mockserver.plans import Habits, make_job
from understudy.mockserver.refusals import ForeignJob, Invalid, Unauthenticated, UnknownJob, UnknownModel
from understudy.mockserver.settings import Settings
from understudy.mockserver.sizes import edit_sides
from understudy.mockserver.store import Found, Interrupted, Store, Turn
from understudy.mockserver.switches import Switches
from understudy.mockserver.validation import InputRules, parse_object

LARGE = 262_144
"""A longer body is taken apart off the event loop: it holds images, and there is a lot to decode and to digest."""


class _Asked(NamedTuple):
    """What a body asks for, before any of its `images` was looked into."""

    submission: Submission
    failure: Failure | None
    inputs: Mapping[str, Any]
    images: Sequence[str]


class Desk:
    """One provider's counter: a dialect, its models, and the store behind them."""

    def __init__(
        self, dialect: Dialect, models: Mapping[str, Model], settings: Settings, store: Store, intake: Intake
    ) -> None:
        self.dialect = dialect
        self.store = store
        self.models = models
        self._settings = settings
        self._intake = intake
        self._habits = Habits.of(Switches(settings.assume))
        self._rules = {model_id: InputRules(model, dialect.media) for model_id, model in models.items()}

    def authenticate(self, call: Call) -> str:
        """The tenant that a call's key names. Raises Unauthenticated."""
        scheme, _, key = call.authorization.decode("latin-1").partition(" ")
        key = key.strip()
        keys = self._settings.keys
        if scheme.lower() != "bearer" or not key or (keys is not None and key not in keys):
            raise Unauthenticated
        return key

    async def submit(self, tenant: str, call: Call) -> Found:
        """The job that a valid body becomes. Raises UnknownModel, Malformed or Invalid."""
        model = self.models.get(call.params["model_id"])
        if model is None:
            raise UnknownModel(call.params["model_id"])
        if len(call.body) <= LARGE:
            asked = self._read(model, call.body)
        else:
            asked = await self._intake.run(self._read, model, call.body)
            call.body = b""  # the memory is wanted for the images
        submission, failure = asked.submission, asked.failure
        if can_look_into(asked.images, call.origin):
            pictures = await self._intake.look_into(asked.images, submission.references, call.origin)
            submission = _with_pictures(model, asked, pictures.readable)
            failure = failure or (None if pictures.complete else Failure(Cause.INPUT))

        def make(turn: Turn) -> Job:
            return make_job(
                self._settings,
                submission,
                tenant,
                turn.ordinal,
                turn.now,
                flags_images=self.dialect.flags_images,
                dashed_id=self.dialect.dashed_ids,
                failure=failure,
                habits=self._habits,
            )

        return await self.store.submit(tenant, self.dialect.name, make)

    def _read(self, model: Model, body: bytes) -> _Asked:
        """What a body asks for. Raises Malformed or Invalid."""
        rules = self._rules[model.model_id]
        given = parse_object(body)
        problems = rules.check(given)
        failure = self.dialect.late_failure(problems) if problems else None
        if problems and failure is None:
            raise Invalid(problems)
        inputs = rules.complete(given, problems)
        submission = read_inputs(model, inputs, given if self.dialect.echoes else None)
        return _Asked(submission, failure, inputs, images_of(inputs))

    async def find(self, tenant: str, call: Call) -> Found:
        """The job that a call names. Raises UnknownJob, or ForeignJob when it is another tenant's."""
        job_id = call.params["id"]
        found = await self.store.find(tenant, job_id)
        if found is None or found.job.submission.provider != self.dialect.name:
            raise UnknownJob(job_id)
        if found.job.tenant != tenant:
            raise ForeignJob(job_id)
        return found

    async def cancel(self, tenant: str, call: Call, only_in: frozenset[Phase]) -> Interrupted:
        """Cancels the job that a call names, if it is in one of the phases. Raises as `find` does."""
        await self.find(tenant, call)
        interrupted = await self.store.interrupt(tenant, call.params["id"], Phase.CANCELLED, only_in=only_in)
        if interrupted is None:
            raise UnknownJob(call.params["id"])
        return interrupted


def _with_pictures(model: Model, asked: _Asked, pictures: tuple[Reference, ...]) -> Submission:
    """What is asked for, with what could be seen of its images: an edit may follow the first of them."""
    submission = dataclasses.replace(asked.submission, pictures=pictures)
    sides = edit_sides(model, asked.inputs, pictures[0]) if pictures else None
    return submission if sides is None else dataclasses.replace(submission, width=sides[0], height=sides[1])
