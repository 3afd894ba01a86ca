"""A pass-through to a live provider that writes down every exchange, with nothing secret in it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from understudy.contracts.exchanges import KEY, NO_KEY, WRONG_KEY, Exchange, Text, parsed
from understudy.contracts.probes import WRONG_KEYS
from understudy.contracts.recordings import line_of, secrets_in
from understudy.contracts.routes import Routes
from understudy.contracts.secrecy import Scrubber, carried, key_in

if TYPE_CHECKING:
    import httpx
    from starlette.types import Receive, Scope, Send

MOST = 4_000_000
"""Bytes of a body that are written down; of a longer one, its length is."""

_HOP = frozenset(
    ("connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade", "host")
)


class Recorder:
    """An ASGI application. What it gets goes to `origin`, or to `account` where the operation lives there, and comes
    back with the provider's URLs leading here again. `write` is given a line for every exchange; `now` are seconds."""

    def __init__(
        self,
        provider: str,
        origin: str,
        account: str | None,
        write: Callable[[str], None],
        scrubber: Scrubber,
        *,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._origin = origin.rstrip("/")
        self._account = (account or origin).rstrip("/")
        self._routes = Routes(provider)
        self._write = write
        self._scrubber = scrubber
        self._now = now
        self._began = now()
        self._http: httpx.AsyncClient | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        from starlette.requests import Request
        from starlette.responses import Response

        assert scope["type"] == "http", "Only HTTP is passed on."
        request = Request(scope, receive)
        sent = await request.body()
        target = scope["raw_path"].decode("latin-1") if scope.get("raw_path") else request.url.path
        target += f"?{request.url.query}" if request.url.query else ""
        authorization = request.headers.get("authorization")
        key = None if authorization is None else key_in(authorization)
        began = self._now()
        answer = await self._pass_on(request.method, target, dict(request.headers), sent)
        exchange = self._exchange(request.method, target, key, sent, answer, began)
        told = request.headers.items() + ([] if answer is None else answer.headers.multi_items())
        secrets = (*carried(told), *secrets_in(exchange))
        self._scrubber.also(*(one for one in secrets if one != WRONG_KEYS))
        self._write(line_of(exchange, self._scrubber))
        if answer is None:
            await Response('{"message": "The provider did not answer."}', 502, media_type="application/json")(
                scope, receive, send
            )
            return
        own = f"{request.url.scheme}://{request.headers.get('host', '')}".encode()
        content = answer.content
        for origin in {self._origin, self._account}:
            content = content.replace(origin.encode(), own)
        response = Response(content, answer.status_code)
        response.raw_headers = [
            (name.lower(), value)
            for name, value in answer.headers.raw
            if name.lower().decode("latin-1") not in _HOP | {"content-length", "content-encoding"}
        ]
        response.raw_headers.append((b"content-length", str(len(content)).encode()))
        await response(scope, receive, send)

    async def _live(self, receive: Receive, send: Send) -> None:
        import httpx

        await receive()
        self._http = httpx.AsyncClient(timeout=120, trust_env=False)
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self._http.aclose()
        await send({"type": "lifespan.shutdown.complete"})

    async def _pass_on(self, method: str, target: str, headers: dict[str, str], sent: bytes) -> httpx.Response | None:
        import httpx

        assert self._http is not None, "A recorder is served with its lifespan."
        route = self._routes.find(method, target.partition("?")[0])
        origin = self._account if route is not None and route.operation.server else self._origin
        kept = {name: value for name, value in headers.items() if name not in _HOP | {"accept-encoding"}}
        try:
            return await self._http.request(method, f"{origin}{target}", headers=kept, content=sent)
        except (httpx.RequestError, httpx.InvalidURL):
            return None

    def _exchange(
        self, method: str, target: str, key: str | None, sent: bytes, answer: httpx.Response | None, began: float
    ) -> Exchange:
        return Exchange(
            where="",
            method=method,
            target=target,
            auth=NO_KEY if key is None else WRONG_KEY if key in ("", WRONG_KEYS) else KEY,
            sent=_kept(sent),
            status=None if answer is None else answer.status_code,
            headers={} if answer is None else dict(answer.headers),
            body=None if answer is None else _kept(answer.content),
            took=(self._now() - began) * 1000,
            at=(began - self._began) * 1000,
        )


def _kept(content: bytes) -> object:
    """A body as it is written down; of a file, or a very long one, its length."""
    if len(content) > MOST or b"\0" in content:
        return Text(f"[{len(content)} bytes]")
    return parsed(content)
