"""The control API: everything that can be made to happen and everything that can be asked about it, one call each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

from understudy.mockserver.control_asked import Asked, Wrong, unknown
from understudy.mockserver.settings import Settings
from understudy.mockserver.store import Store

if TYPE_CHECKING:
    from understudy.mockserver.control_calls import Call
    from understudy.mockserver.events import Events


class Answer(NamedTuple):
    """An HTTP status, and what the JSON body says."""

    status: int
    content: Any


class Control:
    """Answers calls for tenants, wherever they come from: over HTTP, or from a test in the same process.

    `secret` is what a tenant's webhooks are signed with.
    """

    def __init__(
        self, store: Store, settings: Settings, providers: Sequence[str], secret: Callable[[str], str]
    ) -> None:
        self._store = store
        self._settings = settings
        self._providers = providers
        self._secret = secret

    @cached_property
    def calls(self) -> tuple[Call, ...]:
        """All that there are. Imported and made when first asked for: most servers are never controlled."""
        from understudy.mockserver.control_calls import table

        return table(self._store, self._settings, self._providers, self._secret, self._document)

    async def answer(
        self, tenant: str, method: str, path: str, query: Mapping[str, str], body: object, *, origin: str = ""
    ) -> Answer:
        """The answer to a call; `path` is what comes after `/_understudy/`, `body` what its JSON says, None for none.

        URLs of images begin with `origin`. Whatever is wrong with the call is an answer too.
        """
        try:
            call, params = self.find(method, path)
            asked = Asked(tenant, params, query, body, origin)
            asked.only(call.query)
            if call.takes is None:
                asked.fields()
            return Answer(call.status, await call.perform(asked))
        except Wrong as wrong:
            return Answer(wrong.status, wrong.shown())

    def listen(self, tenant: str, after: str | None = None) -> Events:
        """What happens to a tenant from now on, or `after` the number of an exchange or an event's own id. Raises
        Wrong."""
        from understudy.mockserver.events import Events, parse_cursor

        cursor = None if after is None else parse_cursor(after)
        if after is not None and cursor is None:
            expected = "expected the number of an exchange, or the id of an event"
            raise Wrong("query.after", after, f"{after!r} is not allowed: {expected}.")
        return Events(self._store, self._providers, tenant, cursor)

    async def _document(self, asked: Asked) -> Any:
        from understudy.mockserver.control_openapi import openapi

        return openapi(self.calls, self._providers, asked.origin)

    def find(self, method: str, path: str) -> tuple[Call, dict[str, str]]:
        """The call of this method and path, and the path's parameters. Raises Wrong, which says what there is."""
        parts = path.split("/")
        there = [(call, params) for call in self.calls if (params := call.match(parts)) is not None]
        for call, params in there:
            if call.method == method:
                return call, params
        if there:
            methods = sorted({call.method for call, _ in there})
            message = f"{path} takes {' and '.join(methods)}, not {method}."
            raise Wrong("method", method, message, methods, status=405)
        paths = list(dict.fromkeys(call.path for call in self.calls))
        raise unknown("path", path, path, f"There is no call {path!r} of the control API.", paths, status=404)
