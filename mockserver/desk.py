"""What every provider does with a request: finds its model, validates, plans, keeps, looks up. No provider's words."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

from understudy.contracts.catalogue import Model
from understudy.mockserver.courier import Courier
from understudy.mockserver.dialect import Dialect
from understudy.mockserver.exchange import Call
from understudy.mockserver.gallery import Drawings
from understudy.mockserver.inputs import read_inputs
from understudy.mockserver.jobs import Hook, Job, Phase
from understudy.mockserver.plans import Habits, make_job
from understudy.mockserver.refusals import (
    ForeignJob,
    Invalid,
    Unauthenticated,
    UnknownJob,
    UnknownModel,
    WebhookWithBase64,
)
from understudy.mockserver.settings import Settings
from understudy.mockserver.store import Found, Interrupted, Store, Turn
from understudy.mockserver.switches import Switches
from understudy.mockserver.validation import InputRules, parse_object

ReadWebhook = Callable[[Call, Mapping[str, Any]], str | None]
"""The URL that a submission wants its webhook sent to, if any."""


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
    ) -> None:
        self.dialect = dialect
        self.store = store
        self.courier = courier
        self.drawings = drawings
        self.sync_limit = settings.sync_limit
        self.models = models
        self._settings = settings
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

    async def submit(self, tenant: str, call: Call, read_webhook: ReadWebhook | None = None) -> Found:
        """The job that a valid body becomes. Raises UnknownModel, Malformed, Invalid, or why its webhook is refused."""
        model = self.models.get(call.params["model_id"])
        if model is None:
            raise UnknownModel(call.params["model_id"])
        rules = self._rules[model.model_id]
        inputs = parse_object(call.body)
        problems = rules.check(inputs)
        failure = self.dialect.late_failure(problems) if problems else None
        if problems and failure is None:
            raise Invalid(problems)
        shown = inputs if self.dialect.echoes else None
        submission = read_inputs(model, rules.complete(inputs, problems), shown)
        url = read_webhook(call, inputs) if read_webhook is not None else None
        if url:
            if submission.base64:
                raise WebhookWithBase64
            await self.courier.admit(url)
            self.courier.start()
            submission = dataclasses.replace(submission, webhook=Hook(url, call.origin))

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

    async def outlast(self, tenant: str, call: Call, found: Found) -> Found:
        """A submission that waits: the job when it has ended, the sync limit has passed, or the client has gone."""
        gone = asyncio.ensure_future(call.gone())
        over = asyncio.ensure_future(self._wait(tenant, found))
        try:
            await asyncio.wait({gone, over}, return_when=asyncio.FIRST_COMPLETED)
            return over.result() if over.done() else found
        finally:
            gone.cancel()
            over.cancel()

    async def _wait(self, tenant: str, found: Found) -> Found:
        limit = found.job.submitted + self.sync_limit
        while not found.job.at(found.now).ended and found.now < limit:
            ends = found.job.ends
            now = await self.store.wait(tenant, limit if ends is None else min(ends, limit))
            # A bounded store may have dropped the job meanwhile: then it is what it was.
            found = await self.store.find(tenant, found.job.id) or Found(found.job, now)
        return found

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
