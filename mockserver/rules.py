"""Rules as values: when one applies, what it makes happen, how often; and which of several act. Nothing here waits."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, Literal, NamedTuple

from understudy.mockserver.durations import Spread
from understudy.mockserver.jobs import Failure, Phase, WebhookTwist
from understudy.mockserver.wires import Wire

POLLS = frozenset({"result", "status"})
"""What the operation `poll` stands for."""

DIRECTIVE = "[["
"""How a directive in a prompt begins."""

ALL_IMAGES = frozenset({0})
"""In place of indexes, which begin at 1: every image."""

Moment = Literal["before", "after"]


@dataclass(frozen=True, slots=True)
class When:
    """Which calls a rule is for: all that agree with every field that is not None.

    `operation` is the name of one, or `poll` for whatever tells a job's state, or `output` for the fetch of an image;
    `model` is a shell pattern; `prompt` a regular expression that is searched for. Of those calls, `nth` picks one,
    `every` each so many, and `probability` a share, drawn from the seed.
    """

    provider: str | None = None
    operation: str | None = None
    model: str | None = None
    prompt: str | None = None
    nth: int | None = None
    every: int | None = None
    probability: float | None = None


@dataclass(frozen=True, slots=True)
class JobEffect:
    """What a rule makes of a job. What is None stays as it would be.

    `latency` is the whole time from submission to end. `flagged` holds indexes or is ALL_IMAGES; so may `missing`
    (their URL leads nowhere), `black` and `resized` (half as wide and high). `images` is how many come out. `hang` is
    the phase that is never left. `end` is the phase to end in; `polls` ends the job on that poll of it. `expire` is for
    how many milliseconds after the end the outputs can be fetched.
    """

    queue_time: Spread | None = None
    run_time: Spread | None = None
    latency: Spread | None = None
    fail: Failure | None = None
    end: Phase | None = None
    flagged: frozenset[int] | None = None
    images: int | None = None
    missing: frozenset[int] | None = None
    black: frozenset[int] | None = None
    resized: frozenset[int] | None = None
    hang: Phase | None = None
    polls: int | None = None
    expire: int | None = None


NO_EFFECT = JobEffect()

JOB_FIELDS = tuple(entry.name for entry in dataclasses.fields(JobEffect))

CONTRARY: Mapping[str, frozenset[str]] = {
    "job.fail": frozenset({"job.end", "job.flagged", "job.hang"}),
    "job.end": frozenset({"job.fail", "job.flagged", "job.hang"}),
    "job.flagged": frozenset({"job.fail", "job.end"}),
    "job.hang": frozenset({"job.fail", "job.end", "job.latency", "job.run_time", "job.polls"}),
    "job.latency": frozenset({"job.hang", "job.run_time", "job.polls"}),
    "job.run_time": frozenset({"job.hang", "job.latency", "job.polls"}),
    "job.queue_time": frozenset({"job.polls"}),
    "job.polls": frozenset({"job.hang", "job.latency", "job.run_time", "job.queue_time"}),
}
"""What of a job cannot be so beside something else: whoever decides the one decides the others too."""


def settled(facets: frozenset[str]) -> frozenset[str]:
    """What is decided once these are: they, and what contradicts them."""
    return facets.union(*(CONTRARY[one] for one in facets if one in CONTRARY))


@dataclass(frozen=True, slots=True)
class AnswerEffect:
    """What a rule makes of one HTTP exchange.

    `moment`: `before` the operation takes effect, and then it does not, or `after`. An effect that only spoils the
    operation's answer lets it take effect either way. `delay` passes on the tenant's clock: who hangs up meanwhile has,
    before the operation, not asked for it. With a `status` the provider's own error body for it goes out, its message
    `text`, or `html`; `error_in_200` sends that body with status 200. `retry_after` is milliseconds, sent as seconds or
    as a `date`. `put` sets fields of a JSON answer, by path, `garbled` breaks it off, `stale` tells the job's state
    before the latest one. `content_type` replaces the answer's. `wire` is what happens to its bytes on their way.
    """

    moment: Moment = "before"
    delay: Spread | None = None
    status: int | None = None
    text: str | None = None
    html: bool = False
    error_in_200: bool = False
    retry_after: int | None = None
    retry_after_form: Literal["seconds", "date"] = "seconds"
    put: tuple[tuple[str, Any], ...] = field(default=(), hash=False)
    garbled: bool = False
    stale: bool = False
    content_type: str | None = None
    wire: Wire | None = None


@dataclass(frozen=True, slots=True)
class Rule:
    """`times` is how often it acts at most, `lasts` for how many milliseconds of the tenant's clock from the first time
    on; None for ever. A rule for the `next` call comes before directives in prompts, any other after them; one that is
    a `last` resort comes after all other rules, whenever they were made."""

    id: str
    when: When = When()
    job: JobEffect | None = None
    answer: AnswerEffect | None = None
    webhook: WebhookTwist | None = None
    times: int | None = None
    lasts: int | None = None
    next: bool = False
    last: bool = False

    @property
    def facets(self) -> frozenset[str]:
        """What it decides: of two rules that decide the same, or what contradicts it, the first one does."""
        named = [f"job.{name}" for name in JOB_FIELDS if self._sets(name)]
        named += ["answer"] if self.answer is not None else []
        named += ["webhook"] if self.webhook is not None else []
        return frozenset(named)

    def _sets(self, name: str) -> bool:
        return self.job is not None and getattr(self.job, name) is not None

    def fits(self, provider: str, operation: str, model: str | None, prompt: str) -> bool:
        """Whether a call is one of those it is for. What happens to jobs and webhooks is decided by submissions."""
        when = self.when
        if when.provider is not None and when.provider != provider:
            return False
        wanted = when.operation or ("submit" if self.answer is None or self.job or self.webhook else None)
        if wanted is not None and wanted != operation and not (wanted == "poll" and operation in POLLS):
            return False
        if when.model is not None and (model is None or not fnmatchcase(model, when.model)):
            return False
        return when.prompt is None or re.search(when.prompt, prompt) is not None


class Use(NamedTuple):
    """What has become of a rule: how many calls it was for, how often it acted, how often another one acted in its
    stead, and when it acted first."""

    seen: int = 0
    acted: int = 0
    shadowed: int = 0
    since: int | None = None


UNUSED = Use()


def is_over(rule: Rule, use: Use, now: int) -> bool:
    """Whether it acts no more, whatever comes."""
    if rule.times is not None and use.acted >= rule.times:
        return True
    return rule.lasts is not None and use.since is not None and now >= use.since + rule.lasts


Luck = Callable[[str, int], float]
"""A number from 0 to 1 for a rule's id and the count of calls that it was for."""


def choose(
    rules: Sequence[Rule],
    uses: Mapping[str, Use],
    fitting: Collection[str],
    directed: frozenset[str],
    now: int,
    luck: Luck,
) -> tuple[list[tuple[Rule, Use]], dict[str, Use]]:
    """Which rules act on a call that fits some of them, in the order in which they count, and how they stand then.

    `directed` are the facets that directives decide: nearer than a rule is, but for those for the next call.
    """
    acting: list[tuple[Rule, Use]] = []
    changed: dict[str, Use] = {}
    taken: frozenset[str] = frozenset()
    for rule in sorted(rules, key=lambda rule: (not rule.next, rule.last)):
        use = uses.get(rule.id, UNUSED)
        if rule.id not in fitting or is_over(rule, use, now):
            continue
        use = use._replace(seen=use.seen + 1)
        if _picks(rule, use.seen, luck):
            left = rule.facets - settled(taken if rule.next else taken | directed)
            if left:
                taken |= left
                directed -= settled(left) if rule.next else frozenset()
                use = use._replace(acted=use.acted + 1, since=now if use.since is None else use.since)
                acting.append((rule, use))
            else:
                use = use._replace(shadowed=use.shadowed + 1)
        changed[rule.id] = use
    return acting, changed


def _picks(rule: Rule, number: int, luck: Luck) -> bool:
    """Whether a rule picks the call of this number, from 1, of those that it is for."""
    when = rule.when
    if when.nth is not None and when.nth != number:
        return False
    if when.every is not None and number % when.every:
        return False
    return when.probability is None or luck(rule.id, number) < when.probability


@dataclass(frozen=True, slots=True)
class Acting:
    """What the rules and directives of one call come to. `rules` are the ids of those that act; `until` is when the one
    that decides the answer is over, if it is one that lasts for a time; `turn` is that rule's id and the count of calls
    that it was for, from which chance in its answer is drawn."""

    job: JobEffect = JobEffect()
    answer: AnswerEffect | None = None
    webhook: WebhookTwist | None = None
    rules: tuple[str, ...] = ()
    until: int | None = None
    turn: tuple[str, int] = ("", 0)

    @property
    def parts(self) -> tuple[str, ...]:
        """What of a submission it decides: its `job`, its `webhook`."""
        return (*(["job"] if self.job != NO_EFFECT else []), *(["webhook"] if self.webhook is not None else []))


def merge(acting: Sequence[tuple[Rule, Use]]) -> Acting:
    """Each facet as the first rule that decides it has it."""
    chosen: dict[str, Any] = {}
    decided: frozenset[str] = frozenset()
    answer, webhook, until, turn = None, None, None, ("", 0)
    for rule, use in acting:
        if answer is None and rule.answer is not None:
            answer, turn = rule.answer, (rule.id, use.seen)
            until = use.since + rule.lasts if rule.lasts is not None and use.since is not None else None
        webhook = webhook or rule.webhook
        if rule.job is not None:
            left = rule.facets - settled(decided)
            chosen |= {name: getattr(rule.job, name) for name in JOB_FIELDS if f"job.{name}" in left}
            decided |= left
    return Acting(JobEffect(**chosen), answer, webhook, tuple(rule.id for rule, _ in acting), until, turn)
