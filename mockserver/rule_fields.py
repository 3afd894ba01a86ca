"""The written form of rules as one table: parsing, showing, the JSON Schema and the documents go by it."""

from __future__ import annotations

from dataclasses import dataclass

from understudy.contracts.catalogue import PROVIDERS
from understudy.mockserver.jobs import Cause, Phase
from understudy.mockserver.rule_measures import Indexes, Length, Lengths, Puts
from understudy.mockserver.rule_values import Choice, Kind, Only, Pattern, Share, Shorthand, Switch, Text, Whole

EVERYWHERE = ("poll", "output", "unknown")
"""Operations of every provider: whatever tells a job's state, the fetch of an image, and what no operation is for."""

OPERATIONS = {
    "wavespeed": (
        *("submit", "result", "cancel", "list", "delete", "models", "price", "pricing", "balance", "billings"),
        *("usage", "uploads", "upload-binary", "webhook-secret"),
    ),
    "runcomfy": ("submit", "status", "result", "cancel", "model", "models", "categories", "balance"),
}
"""What each provider's dialect serves, by the names that the journal has them under."""

_MOST = 10**9
_MOST_IMAGES = 100
ALL_OPERATIONS = tuple(dict.fromkeys((*EVERYWHERE, *(name for names in OPERATIONS.values() for name in names))))
"""What a journal can be asked for."""


def _words(*words: str) -> dict[str, str]:
    return {word: word for word in words}


@dataclass(frozen=True, slots=True)
class Field:
    """One field of the written form: its name, what it may be, and what it means. One with `fields` may be an object
    of those. `needed` is one that its object cannot do without."""

    name: str
    kind: Kind
    meaning: str
    fields: tuple[Field, ...] = ()
    needed: bool = False


Fields = tuple[Field, ...]
_count, _images, _yes = Whole(1, _MOST), Indexes(_MOST_IMAGES), Switch()

WHEN: Fields = (
    Field("provider", Choice("provider", _words(*PROVIDERS)), "Calls to this provider."),
    Field(
        "operation", Choice("operation", _words(*ALL_OPERATIONS)), "Calls of this operation; poll tells a job's state."
    ),
    Field("model", Text(), "Submissions to a model whose id is like this shell pattern."),
    Field("prompt", Pattern(), "Submissions whose prompt has this regular expression in it."),
    Field("nth", _count, "Of those calls, the one of this number, from 1."),
    Field("every", _count, "Of those calls, each so many."),
    Field("probability", Share(), "Of those calls, this share, drawn from the seed."),
)

FAIL: Fields = (
    Field("text", Text(), "The provider's message; its own for the cause by default."),
    Field("code", Whole(-(2**31), 2**31 - 1), "The provider's code; its own for the cause by default."),
    Field("cause", Choice("cause", {one.value: one for one in Cause}), "Why it fails: error by default."),
    Field("after", Length(), "When it fails, from its submission on."),
)

JOB: Fields = (
    Field("queue_time", Lengths(), "How long the job waits."),
    Field("run_time", Lengths(), "How long it runs."),
    Field("latency", Lengths(), "The whole time from submission to end."),
    Field("fail", Shorthand("text"), "It fails.", FAIL),
    Field("flagged", _images, "These images, or all, are flagged as unsafe; where a provider has no flags, it fails."),
    Field("images", Whole(0, _MOST_IMAGES), "How many images come out, whatever was asked for."),
    Field("missing", _images, "The URLs of these images lead nowhere."),
    Field("black", _images, "These images show nothing."),
    Field("resized", _images, "These images are half as wide and high."),
    Field("hang", Choice("phase to hang in", {"queued": Phase.QUEUED, "running": Phase.RUNNING}), "It never ends."),
    Field("finish", _yes, "It ends at once."),
    Field(
        "end",
        Choice(
            "end of a job",
            {"completed": Phase.SUCCEEDED, "cancelled": Phase.CANCELLED, "timeout": Phase.TIMED_OUT},
        ),
        "How it ends, from the provider's side.",
    ),
    Field("polls", _count, "It ends on this poll of it, from 1, whatever the clock shows."),
    Field("expire", Length(), "How long after its end the images can be fetched."),
)

DRIP: Fields = (
    Field("bytes", Whole(1, _MOST), "How many bytes go out at a time.", needed=True),
    Field("pause", Length(1), "How long, in real time, each waits for the next.", needed=True),
)

BREAKS = ("close", "reset", "cut", "content_length", "drip")

ANSWER: Fields = (
    Field("moment", Choice("moment", _words("before", "after")), "Before the operation takes effect, or after it."),
    Field("delay", Lengths(), "How long, on the tenant's clock, the answer waits."),
    Field("status", Whole(200, 599), "This status with the provider's own error body, in place of the answer."),
    Field("text", Text(), "The message in that body."),
    Field("html", _yes, "A page of HTML in place of that body, as a proxy sends it."),
    Field("error_in_200", _yes, "That body with the status 200."),
    Field("retry_after", Length(), "The header Retry-After."),
    Field("retry_after_form", Choice("form of Retry-After", _words("seconds", "date")), "How it is written."),
    Field("set", Puts(), "Puts values into the answer: @data and @status are where the provider has them."),
    Field("garbled", _yes, "JSON that breaks off."),
    Field("stale", _yes, "The state of the job before its latest one, once more."),
    Field(
        "content_type",
        Text("a media type of printable ASCII characters", r"[!-~]([ -~]{0,200}[!-~])?"),
        "The header Content-Type.",
    ),
    Field("close", _yes, "Closes the connection in place of an answer."),
    Field("reset", _yes, "Resets it (RST) in place of an answer."),
    Field("cut", Whole(0, _MOST), "Closes it after so many bytes of the body."),
    Field("content_length", Whole(-_MOST, _MOST, but=0), "Content-Length says so many bytes more, or fewer."),
    Field("drip", Only(), "The answer comes slowly.", DRIP),
)

WEBHOOK: Fields = (
    Field("lost", _yes, "It is never sent."),
    Field("late", Length(1), "It is sent so much later."),
    Field("copies", Whole(2, 100), "It is sent so often."),
    Field("after_next", _yes, "It is sent after the next one of the same API key."),
    Field("forged", _yes, "Its signature does not fit."),
    Field("age", Length(1), "Its timestamp is so old."),
)

RULE: Fields = (
    Field(
        "id",
        Text("a name of 1 to 100 characters without spaces, /, ?, # and %", r"[^\u0000-\u0020/?#%\u007f]{1,100}"),
        "What it is called; rule-1, rule-2 … by default.",
    ),
    Field("next", _yes, "It is for the next matching call, nearer than a directive in a prompt, and acts once."),
    Field("last", _yes, "It comes after all other rules, whenever they are made."),
    Field("times", _count, "How often it acts at most."),
    Field("for", Length(1), "For how long it acts, from the first time on."),
    Field("when", Only(), "Which calls it is for: all that agree with every field.", WHEN),
    Field("job", Only(), "What happens to the job of a submission.", JOB),
    Field("answer", Only(), "What happens to the HTTP exchange.", ANSWER),
    Field("webhook", Only(), "What happens to the job's webhook.", WEBHOOK),
)
