"""What serves a provider's output files and is no part of its API: such networks say little of what is wrong."""

from __future__ import annotations

from collections.abc import Mapping

from understudy.mockserver.exchange import Headers, Reply, phrase
from understudy.mockserver.refusals import Refusal

PLAIN: Headers = ((b"content-type", b"text/plain; charset=utf-8"),)

NOT_FOUND = Reply(404, b"Not found\n", PLAIN)
"""There is no such file: never, not yet, or no more. How the providers' networks say so is not on record: assumed, as
everything here is."""

AWAY = Reply(503, b"Service unavailable\n", PLAIN)
"""Whether there is such a file cannot be known at the moment."""


class NoFile(Refusal):
    """There is no such file."""


class Storage:
    """Errors as plain text, since neither provider's envelope has been seen around a file. `name` is the provider."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.paths: Mapping[str, tuple[str, ...]] = {}

    def refuse(self, refusal: Refusal) -> Reply:
        return NOT_FOUND

    def fail(self, status: int, text: str | None) -> Reply:
        said = text if text is not None else phrase(status).capitalize()
        return Reply(status, f"{said}\n".encode("utf-8", "surrogatepass"), PLAIN)
