"""What rules can make happen, a line each, in all their forms: the tables of docs/rules.md, for wire tests too."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from understudy.mockserver.rule_forms import rule


class Line(NamedTuple):
    """One outcome or fault: what it is, its rule as plain values, and the directive that does the same, if one does."""

    name: str
    form: dict[str, Any]
    directive: str = ""

    @property
    def python(self) -> str:
        """The call that makes the rule."""
        parts = {"lasts" if name == "for" else name: part for name, part in self.form.items()}
        return f"rule({', '.join(f'{name}={part!r}' for name, part in parts.items())})".replace("'", '"')

    @property
    def json(self) -> str:
        return json.dumps(self.form)


def job(name: str, directive: str = "", **fields: object) -> Line:
    return Line(name, {"job": fields}, directive)


def answer(name: str, directive: str = "", *, on: str = "submit", **fields: object) -> Line:
    return Line(name, {"when": {"operation": on}, "answer": fields}, directive)


def webhook(name: str, directive: str = "", **fields: object) -> Line:
    return Line(name, {"webhook": fields}, directive)


JOB_LINES = (
    job("queued for 5 s", "[[queue:5s]]", queue_time="5s"),
    job("running for 5 s", "[[run:5s]]", run_time="5s"),
    job("over 5 s after submission", "[[latency:5s]]", latency="5s"),
    job("a time between two, uniform", "[[latency:1s..4s]]", latency="1s..4s"),
    job("a time, lognormal", "[[latency:lognormal(5s, 0.5)]]", latency="lognormal(5s, 0.5)"),
    job("fails", "[[fail]]", fail=True),
    job("fails with a text", "[[fail:The model crashed.]]", fail="The model crashed."),
    job("fails with a code", fail={"text": "Too busy.", "code": 1405}),
    job("fails because of an input", fail={"cause": "input"}),
    job("fails at a chosen moment", "[[fail]] [[latency:3s]]", fail={"after": "3s"}),
    job("flagged, all of it", "[[nsfw]]", flagged=True),
    job("images 2 and 5 flagged", "[[nsfw:2,5]]", flagged=[2, 5]),
    job("two images come out", "[[partial:2]]", images=2),
    job("image 2 is missing", "[[missing:2]]", missing=[2]),
    job("image 2 is black", "[[black:2]]", black=[2]),
    job("image 2 has the wrong size", "[[resized:2]]", resized=[2]),
    job("hangs while running", "[[hang]]", hang="running"),
    job("hangs in the queue", "[[hang:queued]]", hang="queued"),
    job("over at once", "[[latency:0]]", finish=True),
    job("completes, whatever chance says", end="completed"),
    job("cancelled by the provider", "[[cancelled]]", end="cancelled"),
    job("timed out at the provider", "[[timeout]]", end="timeout"),
    job("over on the third poll", "[[polls:3]]", polls=3),
    job("outputs expire after 1 h", "[[expire:1h]]", expire="1h"),
)

ANSWER_LINES = (
    answer("a status, nothing submitted", "[[http:500]]", status=500),
    answer("a status with a text", status=400, text="No such thing."),
    answer("429 with Retry-After", "[[http:429,30s]]", status=429, retry_after="30s"),
    answer("429 with Retry-After as a date", status=429, retry_after="30s", retry_after_form="date"),
    answer("502 with an HTML page", on="poll", status=502, html=True),
    answer("200 that carries an error", on="poll", status=500, error_in_200=True),
    answer("slow", on="poll", delay="5s"),
    answer("accepted, then an error", moment="after", status=500),
    answer("accepted, the answer lost", "[[lose]]", moment="after", close=True),
    answer("closed before the answer", close=True),
    answer("reset (RST)", reset=True),
    answer("cut after 100 bytes", on="poll", cut=100),
    answer("wrong Content-Length", on="poll", content_length=10),
    answer("slow drip", on="poll", drip={"bytes": 16, "pause": "100ms"}),
    answer("garbled JSON", on="poll", garbled=True),
    answer("`data: null`", on="poll", set={"@data": None}),
    answer("a field of the wrong type", on="poll", set={"data.urls": 7}),
    answer("an unknown status word", on="poll", set={"@status": "melting"}),
    answer("stale: an older state once more", on="poll", stale=True),
    answer("an output is 403", on="output", status=403),
    answer("an output is 404", on="output", status=404),
    answer("an output is slow", on="output", delay="5s"),
    answer("an output is cut", on="output", cut=100),
    answer("an output has the wrong type", on="output", content_type="text/plain"),
)

WEBHOOK_LINES = (
    webhook("lost", "[[webhook:lost]]", lost=True),
    webhook("late", "[[webhook:late,10s]]", late="10s"),
    webhook("delivered twice", "[[webhook:twice]]", copies=2),
    webhook("out of order", after_next=True),
    webhook("wrong signature", "[[webhook:forged]]", forged=True),
    webhook("stale timestamp", "[[webhook:stale]]", age="10m"),
)

LINES = (*JOB_LINES, *ANSWER_LINES, *WEBHOOK_LINES)


def evaluate(line: Line) -> Any:
    """What the Python form makes."""
    return eval(line.python, {"rule": rule})


def table(lines: tuple[Line, ...]) -> str:
    """The lines as docs/rules.md shows them."""
    rows = [f"| {one.name} | `{one.python}` | `{one.json}` | {_code(one.directive)} |" for one in lines]
    return "\n".join(("| what | Python | JSON | directive |", "|---|---|---|---|", *rows))


def _code(text: str) -> str:
    return f"`{text}`" if text else ""
