"""Which fields of a rule's written form do not go together, and which mean nothing alone: a table with reasons."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

from understudy.mockserver.rule_fields import BREAKS

_SILENCED = ("status", "retry_after", "set", "garbled", "stale", "content_type")
_SPOILT = ("late", "copies", "after_next", "forged", "age")


def _clashes() -> Iterator[tuple[str, str, str]]:
    yield "when.nth", "when.every", "the one picks a single call, the other many"
    for one, other in combinations(("job.fail", "job.end", "job.flagged"), 2):
        yield one, other, "a job ends in one way"
    for length in ("latency", "run_time", "queue_time", "finish", "fail.after", "hang"):
        yield "job.polls", f"job.{length}", "a job that ends on a poll goes by no clock"
    for end in ("latency", "finish", "fail", "end", "run_time"):
        yield "job.hang", f"job.{end}", "a job that hangs does not end"
    for one, other in combinations(("job.latency", "job.finish", "job.fail.after"), 2):
        yield one, other, "both say when the job ends"
    for whole in ("latency", "finish", "fail.after"):
        yield f"job.{whole}", "job.run_time", "the whole time tells how long it runs"
    yield "job.finish", "job.queue_time", "a job that ends at once does not wait"
    for one, other in combinations(BREAKS, 2):
        yield f"answer.{one}", f"answer.{other}", "an answer is broken in one way"
    for silent in ("close", "reset"):
        for field in _SILENCED:
            yield f"answer.{silent}", f"answer.{field}", "then there is no answer"
    yield "answer.status", "answer.stale", "an error tells no job's state"
    yield "answer.html", "answer.text", "the page has no message"
    yield "answer.html", "answer.set", "a page has no fields"
    for field in _SPOILT:
        yield "webhook.lost", f"webhook.{field}", "a webhook that is lost is not sent"


CLASHES = tuple(_clashes())
"""Two fields that cannot both be given, and why."""

NEEDS = (
    ("answer.text", "answer.status", "it is the message in an error's body"),
    ("answer.html", "answer.status", "the page is that of an error"),
    ("answer.error_in_200", "answer.status", "it is that error which is sent with 200"),
    ("answer.retry_after_form", "answer.retry_after", "it is how that is written"),
)
"""A field that means nothing without another one, and why."""
