"""A whole conversation with a provider: what is free, what is wrong on purpose, and the jobs that are paid for."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from understudy.contracts.ceiling import MILLION, OverCeiling, dollars
from understudy.contracts.client import State
from understudy.contracts.drift_compare import Comparison
from understudy.contracts.drift_facts import BREAKING, COSMETIC, Change
from understudy.contracts.exchanges import KEY, WRONG_KEY, Exchange, at
from understudy.contracts.prober import Prober
from understudy.contracts.probes import Job, Probe, free_probes, price_probe, wrong_probes
from understudy.contracts.states import life
from understudy.contracts.talk import WORDS

POLLS = 300
BETWEEN = 2.0
"""How often a job is looked at, at most, and the seconds between."""

FORWARD = "a job: its states only go forward"
OUTPUTS = "a job: its outputs are images that anybody can fetch"
CHARGED = "a job: it costs what is published"
CANCELLED = "a cancelled job: it costs nothing"
ACCEPTED = "wrong inputs: they are refused"

FORWARDS = "queued, running, ended"
GOING = ("queued", "running", "ended", "deleted")
"""States after which a look tells more: RunComfy's status says that a job has ended, and its result says how."""


class Session:
    """`heard` is told of every exchange."""

    def __init__(
        self, prober: Prober, comparison: Comparison, heard: Callable[[Exchange], None] = lambda exchange: None
    ) -> None:
        self._prober = prober
        self._comparison = comparison
        self._facts = comparison.facts
        self._heard = heard
        self._words = WORDS[prober.provider]
        for name, expected in (
            (FORWARD, FORWARDS),
            (OUTPUTS, "200 and an image, without a key"),
            (CHARGED, "the balance goes down by the price"),
            (CANCELLED, "the balance stays"),
            (ACCEPTED, "4xx"),
        ):
            self._facts.expect(name, expected, reason="it may cost money: --spend")

    def free(self) -> None:
        """All that costs nothing. Raises Unable when there is nobody to be asked."""
        any_key = self._prober.is_understudy
        self._prober.check_reached()
        for probe in free_probes(self._prober.provider):
            try:
                exchange = self._ask(probe, compare=False)
            except OverCeiling:
                continue  # something was taken that should not have been: no more of that kind
            self._prober.check_reached()
            if probe.auth == WRONG_KEY and any_key and exchange.status not in (400, 401, 403):
                continue  # a fake that was not told which keys there are
            self._compare(exchange)

    def paid(self, jobs: list[Job]) -> str:
        """The wrong inputs and the jobs, as far as there is room; why it ended before its end, if it did."""
        short = ""
        for probe in wrong_probes(self._prober.provider):
            try:
                self._refused(self._ask(probe))
            except OverCeiling as reason:
                short = short or str(reason)
        for job in jobs:
            try:
                self._job(job)
            except OverCeiling as reason:
                return str(reason)
        return f"stopped: {self._prober.ceiling.closed}" if self._prober.ceiling.closed else short

    def _refused(self, exchange: Exchange) -> None:
        if exchange.status is not None and exchange.status < 300 and self._job_id(exchange):
            self._prober.ceiling.close("a submission was taken that should have been refused")
            change = Change("taken", BREAKING, "4xx", str(exchange.status), exchange.where)
            self._facts.drifted(ACCEPTED, change)
        elif exchange.status is not None and 400 <= exchange.status < 500:
            self._facts.held(ACCEPTED, exchange.where)

    def _job(self, job: Job) -> None:
        before = self._balance()
        if not self._price_agrees(job):
            return
        path = self._words.submit.format(model=job.model)
        submitted = self._ask(Probe(f"submit {job.model}", "POST", path, KEY, dict(job.inputs), job.price))
        job_id = self._job_id(submitted)
        if job_id is None:
            self._prober.ceiling.close(f"a submission to {job.model} was answered with {submitted.status} and no job")
            return
        if job.cancels and self._words.cancel is not None:
            self._ask(Probe(f"cancel {job.model}", "POST", self._words.cancel.format(job=job_id), KEY))
        state, last = self._follow(job_id)
        self._charged(job, state, before)
        if state is State.SUCCEEDED and last is not None:
            self._fetch(last)

    def _price_agrees(self, job: Job) -> bool:
        """Whether the provider's own quotation, where it gives one, is the published price."""
        if self._prober.provider != "wavespeed":
            return True
        quoted = at(self._ask(price_probe(job.model, job.inputs)).body, "data", "price")
        if isinstance(quoted, int | float) and round(quoted * MILLION) == job.price:
            return True
        told = dollars(round(quoted * MILLION)) if isinstance(quoted, int | float) else "nothing"
        self._prober.ceiling.close(f"{job.model} is published at {dollars(job.price)}, and the provider quotes {told}")
        return False

    def _follow(self, job_id: str) -> tuple[State | None, Exchange | None]:
        """How a job ended, and the last answer about it."""
        last, ended = None, None
        before: dict[str, str] = {}
        for number in range(POLLS):
            for kind, path in self._words.tells.items():
                last = self._ask(Probe(f"{kind} {number + 1}", "GET", path.format(job=job_id), KEY))
                known = life(self._prober.provider, self._comparison.settled)
                state = known.named(kind).get(str(at(last.body, *self._words.state)))
                if state is None:
                    continue
                if known.may_follow(before.get(kind, state), state):
                    self._facts.held(FORWARD, last.where)
                else:
                    change = Change("order", BREAKING, FORWARDS, f"{state} after {before[kind]}", last.where)
                    self._facts.drifted(FORWARD, change)
                before[kind] = state
                ended = State(state) if state not in GOING else ended
            if ended is not None:
                return ended, last
            self._prober.pause(BETWEEN)
        return None, last

    def _charged(self, job: Job, state: State | None, before: int | None) -> None:
        after = self._balance()
        if before is None or after is None or state not in (State.SUCCEEDED, State.CANCELLED):
            return
        fact, price = (CHARGED, job.price) if state is State.SUCCEEDED else (CANCELLED, 0)
        if before - after == price:
            self._facts.held(fact, str(job))
            return
        severity = BREAKING if before - after > price else COSMETIC
        seen = dollars(before - after) if before >= after else f"{dollars(after - before)} more on the account"
        self._facts.drifted(fact, Change("charge", severity, dollars(price), seen, str(job)))
        self._prober.ceiling.close(f"{job} was to cost {dollars(price)}, and what it cost is {seen}")

    def _balance(self) -> int | None:
        target = "/api/v3/balance" if self._prober.provider == "wavespeed" else "/prod/v2/balance"
        body = self._ask(Probe("balance", "GET", target, KEY, account=True)).body
        found = at(body, "data", "balance") if self._prober.provider == "wavespeed" else at(body, "balance_usd")
        return round(found * MILLION) if isinstance(found, int | float) else None

    def _fetch(self, answer: Exchange) -> None:
        for url in self._words.outputs_in(answer.body):
            output = self._prober.fetch(str(url), "output")
            if output.status == 200 and output.content_type.startswith("image/"):
                self._facts.held(OUTPUTS, "output")
            else:
                seen = f"{output.status or 'no answer'} {output.content_type}".strip()
                self._facts.drifted(OUTPUTS, Change("output", BREAKING, "200 and an image", seen, "output"))

    def _job_id(self, exchange: Exchange) -> str | None:
        found = at(exchange.body, *self._words.job)
        return found if isinstance(found, str) and found else None

    def _ask(self, probe: Probe, *, compare: bool = True) -> Exchange:
        exchange = self._prober.ask(probe)
        if compare:
            self._compare(exchange)
        return exchange

    def _compare(self, exchange: Exchange) -> None:
        self._heard(exchange)
        self._comparison.see(exchange)


def plan(provider: str, limit: int, jobs: list[Job]) -> Iterator[str]:
    """What will be asked, and what it may cost at most, a line each."""
    yield f"Free: {len(free_probes(provider))} requests."
    if not limit:
        yield "Nothing is spent without --spend: wrong inputs and jobs are not tried."
        return
    wrong = wrong_probes(provider)
    dearest = max(probe.price for probe in wrong)
    yield f"Wrong inputs: {len(wrong)} submissions that are to be refused, tried where there is room for their price"
    yield f"  ({dollars(dearest)} at most) in case one is taken; that would be the last."
    for job in jobs:
        yield f"Job: {dollars(job.price)}  {job}"
    total = sum(job.price for job in jobs)
    yield f"Jobs: {dollars(total)} in all; the ceiling is {dollars(limit)}."
