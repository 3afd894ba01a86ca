"""The control API's calls about a tenant's jobs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from understudy.mockserver.control_asked import Asked, Wrong, read_integer, read_text, unknown
from understudy.mockserver.happenings import state_of
from understudy.mockserver.jobs import Cause, Failure, Job, Phase, Plan
from understudy.mockserver.outputs import output_urls
from understudy.mockserver.store import Found, Store

STATES = tuple(state_of(phase) for phase in Phase)
CAUSES = tuple(cause.value for cause in Cause)
GOING = frozenset({Phase.QUEUED, Phase.RUNNING})


class JobCalls:
    def __init__(self, store: Store, providers: Sequence[str]) -> None:
        self._store = store
        self._providers = providers

    async def list_all(self, asked: Asked) -> Any:
        provider = asked.choice("provider", self._providers)
        state = asked.choice("state", STATES)
        limit = asked.count("limit", 1)
        found: list[Found] = []
        for name in self._providers if provider is None else [provider]:
            account = await self._store.account(asked.tenant, name)
            found += [Found(job, account.now) for job in account.jobs]
        found.sort(key=lambda one: one.job.submitted)
        if state is not None:
            found = [one for one in found if state_of(one.job.at(one.now)) == state]
        return {"jobs": [show_job(*one, asked.origin) for one in found[-(limit or 0) :]]}

    async def show(self, asked: Asked) -> Any:
        return show_whole_job(*await self._find(asked), asked.origin)

    async def finish(self, asked: Asked) -> Any:
        asked.fields()
        return await self._end(asked, Phase.SUCCEEDED)

    async def fail(self, asked: Asked) -> Any:
        given = asked.fields("text", "code", "cause")
        cause = read_text("cause", given.get("cause", CAUSES[0]))
        if cause not in CAUSES:
            raise unknown("cause", cause, cause, f"There is no cause {cause!r}.", CAUSES)
        text = None if given.get("text") is None else read_text("text", given["text"])
        code = None if given.get("code") is None else read_integer("code", given["code"], 0, 10**9)
        return await self._end(asked, Phase.FAILED, Failure(Cause(cause), text, code))

    async def cancel(self, asked: Asked) -> Any:
        asked.fields()
        return await self._end(asked, Phase.CANCELLED)

    async def time_out(self, asked: Asked) -> Any:
        asked.fields()
        return await self._end(asked, Phase.TIMED_OUT)

    async def _find(self, asked: Asked) -> Found:
        job_id = asked.params["id"]
        found = await self._store.find(asked.tenant, job_id)
        if found is None or found.job.tenant != asked.tenant:
            raise await self._no_job(asked.tenant, job_id)
        return found

    async def _end(self, asked: Asked, phase: Phase, failure: Failure | None = None) -> Any:
        job_id = asked.params["id"]
        ended = await self._store.interrupt(asked.tenant, job_id, phase, only_in=GOING, failure=failure)
        if ended is None:
            raise await self._no_job(asked.tenant, job_id)
        if not ended.effective:
            state = state_of(ended.job.at(ended.now))
            raise Wrong("id", job_id, f"The job {job_id} had ended already: it is {state}.", status=409)
        return show_whole_job(ended.job, ended.now, asked.origin)

    async def _no_job(self, tenant: str, job_id: str) -> Wrong:
        """That the key has no such job, with those that it has, the latest first."""
        there = [job for name in self._providers for job in (await self._store.account(tenant, name)).jobs]
        there.sort(key=lambda job: -job.submitted)
        sentence = f"This key has no job {job_id!r}." + ("" if there else " It has none at all.")
        return unknown("id", job_id, job_id, sentence, [job.id for job in there[:20]], status=404)


def show_job(job: Job, now: int, origin: str) -> dict[str, Any]:
    """A job as it stands: what lies ahead of it is in its plan."""
    phase = job.at(now)
    done = phase is Phase.SUCCEEDED
    cut = job.interruption
    return {
        "id": job.id,
        "provider": job.submission.provider,
        "model": job.submission.model,
        "state": state_of(phase),
        "submitted": job.submitted,
        "starts": job.starts,
        "ends": job.ends,
        "images": job.plan.images,
        "flagged": sorted(job.plan.flagged) if done else [],
        "failure": _failure(job.failure) if phase is Phase.FAILED else None,
        "price": job.submission.price,
        "prompt": job.submission.prompt,
        "outputs": output_urls(job, origin) if done else [],
        "interrupted": None if cut is None else {"at": cut.at, "state": state_of(cut.phase)},
        "erased": job.erased,
    }


def show_whole_job(job: Job, now: int, origin: str) -> dict[str, Any]:
    """The same with its plan and its timeline, the future included."""
    timeline = [{"at": mark.at, "state": state_of(mark.phase)} for mark in job.marks]
    return {**show_job(job, now, origin), "plan": _plan(job.plan), "timeline": timeline}


def _plan(plan: Plan) -> dict[str, Any]:
    twists = plan.twists
    return {
        "queue_time": plan.queue_time,
        "run_time": plan.run_time,
        "outcome": state_of(plan.outcome),
        "failure": _failure(plan.failure),
        "images": plan.images,
        "flagged": sorted(plan.flagged),
        "missing": sorted(twists.missing),
        "black": sorted(twists.black | plan.flagged if plan.black else twists.black),
        "resized": sorted(twists.resized),
        "polls": twists.polls,
        "expire": twists.expire,
    }


def _failure(failure: Failure | None) -> dict[str, Any] | None:
    if failure is None:
        return None
    return {"cause": failure.cause.value, "text": failure.text, "code": failure.code}
