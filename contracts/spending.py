"""The one way out to a provider where money can be spent: an httpx transport that asks the ceiling first."""

from __future__ import annotations

import httpx

from understudy.contracts.ceiling import Ceiling, certainly_refused, quoted_price
from understudy.contracts.exchanges import parsed
from understudy.contracts.probes import WRONG_KEYS
from understudy.contracts.routes import Route, Routes


class Guarded(httpx.BaseTransport):
    """Sends what costs nothing, and submissions that the ceiling has room for.

    Raises OverCeiling, and has sent nothing then. Whatever is unclear counts as accepted: a lost answer, a timeout, an
    answer that is no plain refusal. Only where no connection could be had was nothing sent.
    """

    def __init__(self, inner: httpx.BaseTransport, provider: str, ceiling: Ceiling) -> None:
        self._inner = inner
        self._provider = provider
        self._ceiling = ceiling
        self._routes = Routes(provider)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        route = self._route(request.method, request.url.path)
        if route is None or route.operation.name != "submit" or not _has_key(request):
            return self._inner.handle_request(request)
        model = route.parameters["model_id"]
        price = quoted_price(self._provider, model, parsed(request.read()))
        quote = self._ceiling.reserve(price, f"a submission to {model}")
        try:
            response = self._inner.handle_request(request)
            response.read()
        except (httpx.ConnectError, httpx.ConnectTimeout):
            self._ceiling.refused(quote)
            raise
        if certainly_refused(response.status_code):
            self._ceiling.refused(quote)
        elif response.is_success and price == 0 and not _says_error(parsed(response.content)):
            self._ceiling.close("a submission was taken that should have been refused")
        return response

    def _route(self, method: str, path: str) -> Route | None:
        """What a request is, also behind a gateway that puts something before the provider's paths."""
        starts = (index for index, character in enumerate(path) if character == "/")
        return next(filter(None, (self._routes.find(method, path[start:]) for start in starts)), None)

    def close(self) -> None:
        self._inner.close()


def _says_error(body: object) -> bool:
    """Whether a 200 holds an error, as one of the two providers is said to answer."""
    return isinstance(body, dict) and isinstance(body.get("error_code"), int)


def _has_key(request: httpx.Request) -> bool:
    """Whether somebody's account could be charged."""
    key = request.headers.get("authorization", "").removeprefix("Bearer").strip()
    return bool(key) and key != WRONG_KEYS
