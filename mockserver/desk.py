"""What every provider does with a request: finds its model, validates, plans, keeps, looks up. No provider's words."""

from __future__ import annotations

from collections.abc import Mapping

from understudy.contracts.catalogue import Model
from understudy.mockserver.dialect import Dialect
from understudy.mockserver.exchange import Call
from understudy.mockserver.inputs import read_inputs
from understudy.mockserver.jobs import Job, Phase
from understudy.mockserver.plans import Habits, make_job
from understudy.mockserver.refusals import ForeignJob, Invalid, Unauthenticated, UnknownJob, UnknownModel
from understudy.mockserver.settings import Settings
from understudy.mockserver.store import Found, Interrupted, Store, Turn
from understudy.mockserver.switches import Switches
from understudy.mockserver.validation import InputRules, parse_object


class Desk:
    """One provider's counter: a dialect, its models, and the store behind them."""

    def __init__(self, dialect: Dialect, models: Mapping[str, Model], settings: Settings, store: Store) -> None:
        self.dialect = dialect
        self.store = store
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

    async def submit(self, tenant: str, call: Call) -> Found:
        """The job that a valid body becomes. Raises UnknownModel, Malformed or Invalid."""
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
