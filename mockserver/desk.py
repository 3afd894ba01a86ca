"""What every provider does with a request: finds its model, validates, plans, keeps, looks up. No provider's words."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

from starlette.requests import ClientDisconnect

from understudy.contracts.catalogue import Model
from understudy.mockserver.bearer import read_key
from understudy.mockserver.bending import bend
from understudy.mockserver.courier import Courier
from understudy.mockserver.dialect import Dialect
from understudy.mockserver.exchange import Call
from understudy.mockserver.gallery import Drawings
from understudy.mockserver.images import Reference
from understudy.mockserver.inputs import images_of, read_inputs
from understudy.mockserver.intake import Intake, can_look_into
from understudy.mockserver.jobs import Cause, Failure, Hook, Job, Phase, Submission
from understudy.mockserver.key_rules import STRICT, KeyRules
from understudy.mockserver.limits import UNLIMITED, Limits
from understudy.mockserver.own_models import is_model_id, stand_in
from understudy.mockserver.plans import Chance, Habits, make_job
from understudy.mockserver.refusals import (
    ForeignJob,
    InsufficientCredits,
    Invalid,
    Problem,
    RateLimited,
    UnknownJob,
    UnknownModel,
    WebhookWithBase64,
)
from understudy.mockserver.rules import Acting
from understudy.mockserver.settings import Settings
from understudy.mockserver.sizes import edit_sides
from understudy.mockserver.store import Found, Interrupted, Store, Turn
from understudy.mockserver.switches import Switches
from understudy.mockserver.validation import InputRules, parse_object

ReadWebhook = Callable[[Call, Mapping[str, Any]], str | None]
"""The URL that a submission wants its webhook sent to, if any."""

CALLERS = 1_024
"""Authorization headers whose tenant is remembered, so that nearly every request finds it by one look."""

WRONG_INPUTS = "the inputs fail the job, which comes before all rules"
NO_WEBHOOK = "webhook: the submission asked for none"

LARGE = 262_144
"""A longer body is taken apart off the event loop: it holds images, and there is a lot to decode and to digest."""


class Desk:
    """One provider's counter: a dialect, its models, and what stands behind them."""

    def __init__(
        self,
        dialect: Dialect,
        models: Mapping[str, Model],
        settings: Settings,
        store: Store,
        courier: Courier,
        drawings: Drawings,
        intake: Intake,
        *,
        limits: Limits = UNLIMITED,
        keys: KeyRules = STRICT,
    ) -> None:
        self.dialect = dialect
        self.store = store
        self.courier = courier
        self.drawings = drawings
        self.sync_limit = settings.sync_limit
        self.models = models
        self._settings = settings
        self._callers: dict[bytes, str] = {}
        self._limits = limits
        self._keys = keys
        self._intake = intake
        self._habits = Habits.of(Switches(settings.assume))
        media = dataclasses.replace(dialect.media, image_limit=settings.image_limit)
        self._rules = {model_id: InputRules(model, media) for model_id, model in models.items()}
        self._no_rules = InputRules(stand_in(dialect.name, "any/model"), media)

    def authenticate(self, call: Call) -> str:
        """The tenant that a call's key names. Raises Unauthenticated."""
        known = self._callers.get(call.authorization)
        if known is not None:
            return known
        keys = self._settings.keys
        key = read_key(call.authorization, keys)
        # What anything but a fixed set says of a key may change, so it is asked each time.
        if keys is None or isinstance(keys, frozenset):
            if len(self._callers) >= CALLERS:
                self._callers.clear()
            self._callers[call.authorization] = key
        return key

    async def submit(self, tenant: str, call: Call, read_webhook: ReadWebhook | None = None) -> Found:
        """The job that a valid body becomes. Raises UnknownModel, Malformed, Invalid, InsufficientCredits, RateLimited,
        or why its webhook is refused."""
        model = self.model(call.params["model_id"])
        if len(call.body) <= LARGE:
            submission, failure, inputs = self._read(model, call.body)
        else:
            submission, failure, inputs = await self._intake.run(self._read, model, call.body)
            call.body = b""  # the memory is wanted for the images
        if can_look_into(submission.references, call.origin):
            pictures = await self._intake.look_into(images_of(inputs), submission.references, call.origin)
            submission = _with_pictures(model, inputs, submission, pictures.readable)
            failure = failure or (None if pictures.complete else Failure(Cause.INPUT))
        url = read_webhook(call, inputs) if read_webhook is not None else None
        if url:
            if submission.base64:
                raise WebhookWithBase64
            await self.courier.admit(url)
            self.courier.start()
            submission = dataclasses.replace(submission, webhook=Hook(url, call.origin))

        most = self._limits.images
        acting = call.acting
        noted = call.notes

        def make(turn: Turn) -> Job:
            if submission.price > turn.balance:
                raise InsufficientCredits
            # Whether a submission that alone is beyond the limit would pass is not on record: it does not (assumed).
            if most is not None and turn.images + submission.count > most:
                raise RateLimited(most)
            job = make_job(
                self._settings,
                submission,
                tenant,
                turn.ordinal,
                turn.now,
                flags_images=self.dialect.flags_images,
                dashed_id=self.dialect.dashed_ids,
                failure=failure,
                habits=self._habits,
                again=turn.again,
            )
            if acting is None:
                return job
            call.notes = noted  # a store that is shared may ask for a job more than once
            if failure is not None:
                call.notes += tuple(f"{part}: {WRONG_INPUTS}" for part in acting.parts)
                return job
            return self._bend(call, acting, job, turn)

        found = await self.store.submit(tenant, self.dialect.name, make, capacity=self._limits.capacity)
        call.job, call.phase = found.job, Phase.QUEUED
        return found

    def _bend(self, call: Call, acting: Acting, job: Job, turn: Turn) -> Job:
        """The job as rules and directives have it. That its inputs are wrong comes before all of them."""
        assert self._settings.seed is not None, "The seed is drawn before the first job, in create_app."
        plan, notes = bend(
            job.plan,
            acting.job,
            Chance(self._settings.seed, job.tenant, turn.ordinal),
            flags_images=self.dialect.flags_images,
            can_flag=self.dialect.can_flag,
            webhook=acting.webhook,
        )
        call.notes += notes
        if acting.webhook is not None and job.submission.webhook is None:
            call.notes += (NO_WEBHOOK,)
        return dataclasses.replace(job, plan=plan)

    def model(self, model_id: str) -> Model:
        """The model of that id. Raises UnknownModel."""
        model = self.models.get(model_id)
        if model is not None:
            return model
        if self._settings.any_model and is_model_id(self.dialect.name, model_id):
            return stand_in(self.dialect.name, model_id)
        raise UnknownModel(model_id)

    def price(self, model_id: str, inputs: dict[str, Any]) -> int:
        """What submitting the inputs would cost, in microdollars; what one image costs while some are missing. Raises
        UnknownModel or Invalid."""
        model = self.model(model_id)
        rules = self._rules.get(model_id, self._no_rules)
        problems = rules.check(inputs)
        wrong = tuple(problem for problem in problems if problem.rule != "required")
        if wrong:
            raise Invalid(wrong)
        return model.price_microdollars if problems else read_inputs(model, rules.complete(inputs)).price

    def _read(self, model: Model, body: bytes) -> tuple[Submission, Failure | None, Mapping[str, Any]]:
        """What a body asks for before any of its images was looked into, how that fails if it does, and the inputs with
        the model's defaults. Raises Malformed or Invalid."""
        rules = self._rules.get(model.model_id, self._no_rules)
        given = parse_object(body)
        problems: tuple[Problem, ...] = ()
        if self._keys is not STRICT:
            given = self._keys.settle(model, given)
            problems = self._keys.problems(model, given)
        problems += rules.check(given)
        failure = self.dialect.late_failure(problems) if problems else None
        if problems and failure is None:
            raise Invalid(problems)
        inputs = rules.complete(given, problems)
        submission = read_inputs(model, inputs, given if self.dialect.echoes else None)
        return submission, failure, inputs

    async def outlast(self, tenant: str, call: Call, found: Found) -> Found:
        """A submission that waits: the job when it has ended, or the sync limit has passed. Raises ClientDisconnect
        when the client has gone before."""
        gone = asyncio.ensure_future(call.gone())
        over = asyncio.ensure_future(self._wait(tenant, found))
        try:
            await asyncio.wait({gone, over}, return_when=asyncio.FIRST_COMPLETED)
            if not over.done():
                raise ClientDisconnect
            found = over.result()
            call.phase = found.job.at(found.now)
            return found
        finally:
            gone.cancel()
            over.cancel()
            await asyncio.wait({over})  # until it waits no more, time may go on for its sake

    async def _wait(self, tenant: str, found: Found) -> Found:
        limit = found.job.submitted + self.sync_limit
        while not found.job.at(found.now).ended and found.now < limit:
            ends = found.job.ends
            now = await self.store.wait(tenant, limit if ends is None else min(ends, limit))
            # A bounded store may have dropped the job meanwhile: then it is what it was.
            found = await self.store.find(tenant, found.job.id) or Found(found.job, now)
        return found

    async def find(self, tenant: str, call: Call) -> Found:
        """The job that a call names. Raises UnknownJob, or ForeignJob when it is another tenant's.

        An erased job is unknown, but to a dialect that shows what has become of it.
        """
        return self._own(tenant, call, await self.store.find(tenant, call.params["id"]))

    async def poll(self, tenant: str, call: Call) -> Found:
        """The same for a client that waits for the job to end. A stale answer has the time before its latest mark."""
        found = self._own(tenant, call, await self.store.poll(tenant, call.params["id"]))
        if not call.stale:
            return found
        passed = [mark.at for mark in found.job.marks if mark.at <= found.now]
        if len(passed) < 2:
            call.notes += ("stale: the job has had no other state yet",)
            return found
        before = Found(found.job, passed[-1] - 1)
        call.phase = before.job.at(before.now)
        return before

    def _own(self, tenant: str, call: Call, found: Found | None) -> Found:
        job_id = call.params["id"]
        if found is None or found.job.submission.provider != self.dialect.name:
            raise UnknownJob(job_id)
        if found.job.tenant != tenant:
            raise ForeignJob(job_id)
        if found.job.erased and not self.dialect.shows_erased:
            raise UnknownJob(job_id)
        call.job, call.phase = found.job, found.job.at(found.now)
        return found

    async def cancel(self, tenant: str, call: Call, only_in: frozenset[Phase]) -> Interrupted:
        """Cancels the job that a call names, if it is in one of the phases. Raises as `find` does."""
        await self.find(tenant, call)
        interrupted = await self.store.interrupt(tenant, call.params["id"], Phase.CANCELLED, only_in=only_in)
        if interrupted is None:
            raise UnknownJob(call.params["id"])
        call.phase = interrupted.job.at(interrupted.now)
        return interrupted


def _with_pictures(
    model: Model, inputs: Mapping[str, Any], submission: Submission, pictures: tuple[Reference, ...]
) -> Submission:
    """What is asked for, with what could be seen of its images: an edit may follow the first of them."""
    submission = dataclasses.replace(submission, pictures=pictures)
    sides = edit_sides(model, inputs, pictures[0]) if pictures else None
    return submission if sides is None else dataclasses.replace(submission, width=sides[0], height=sides[1])
