"""The OpenAPI documents as served, and the pages that show them: made when first asked for, then kept."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from understudy.contracts.catalogue import Model

PLACE = "/_understudy"


class Documents:
    """One document per provider, of the models that are served under the switches that are set."""

    def __init__(self, models: Mapping[str, Mapping[str, Model]], assumed: Mapping[str, str]) -> None:
        self._models = models
        self._assumed = assumed
        self._kept: dict[str, dict[str, Any]] = {}

    def routes(self) -> list[Route]:
        return [
            Route(f"{PLACE}/openapi/{{provider}}.json", self._document),
            Route(f"{PLACE}/docs", self._overview),
            Route(f"{PLACE}/docs/{{provider}}", self._page),
        ]

    def get(self, provider: str, origin: str) -> dict[str, Any]:
        """A provider's document with its server at `origin`. Raises KeyError for an unknown provider."""
        if provider not in self._kept:
            from understudy.contracts.openapi import openapi  # late: a server starts without it

            self._kept[provider] = openapi(
                provider, models=self._models[provider], assumed=self._assumed, origin=origin
            )
        return {**self._kept[provider], "servers": [{"url": origin}]}

    async def _document(self, request: Request) -> Response:
        provider = request.path_params["provider"]
        if provider not in self._models:
            return self._unknown(provider)
        return Response(orjson.dumps(self.get(provider, _origin(request))), media_type="application/json")

    async def _overview(self, request: Request) -> Response:
        from understudy.mockserver.docs_page import overview

        return HTMLResponse(overview({name: self.get(name, _origin(request)) for name in self._models}))

    async def _page(self, request: Request) -> Response:
        from understudy.mockserver.docs_page import page

        provider = request.path_params["provider"]
        if provider not in self._models:
            return self._unknown(provider)
        return HTMLResponse(page(provider, list(self._models), self.get(provider, _origin(request))))

    def _unknown(self, asked: str) -> Response:
        known = ", ".join(self._models)
        return JSONResponse({"error": f'There is no provider "{asked}"; there are: {known}.'}, status_code=404)


def _origin(request: Request) -> str:
    return str(request.base_url).rstrip("/")
