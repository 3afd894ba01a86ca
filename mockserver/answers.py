"""What a rule makes of an answer: another one in its place, or the same one spoilt."""

from __future__ import annotations

from understudy.mockserver.dialect import Voice
from understudy.mockserver.exchange import Headers, Reply
from understudy.mockserver.rules import AnswerEffect

HTML = b"<html>\r\n<head><title>%s</title></head>\r\n<body>\r\n<center><h1>%s</h1></center>\r\n</body>\r\n</html>\r\n"
PAGE: Headers = ((b"content-type", b"text/html"),)
SILENT = frozenset({"close", "reset"})


def instead(dialect: Voice, effect: AnswerEffect) -> Reply | None:
    """The answer that stands in for the operation's own; None when there is no other."""
    raise NotImplementedError


def altered(dialect: Voice, effect: AnswerEffect, reply: Reply, left: int | None) -> Reply:
    """An answer as the effect spoils it. `left` is for how many milliseconds a rule that lasts goes on."""
    raise NotImplementedError
