"""The control API as the network reaches it."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import parse_qsl

import orjson
from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope, Send

from understudy.mockserver.bearer import read_key
from understudy.mockserver.control import Answer, Control
from understudy.mockserver.control_access import HEADER, Access
from understudy.mockserver.control_asked import Asked, Wrong
from understudy.mockserver.control_calls import EVENTS
from understudy.mockserver.event_stream import stream
from understudy.mockserver.events import Events
from understudy.mockserver.exchange import Call, json_reply, read_body, read_head, send_reply
from understudy.mockserver.refusals import TooLarge, Unauthenticated
from understudy.mockserver.settings import Settings
from understudy.mockserver.store import StoreAway

LAST = b"last-event-id"
"""Where a listener that comes back says what it heard last."""

LIMIT = 2**20
"""How many bytes a body may have."""


class ControlEndpoint:
    """Everything under the prefix as one ASGI application."""

    def __init__(self, control: Control, settings: Settings) -> None:
        self._control = control
        self._keys = settings.keys
        self._access = Access(settings.control_token)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        head = read_head(scope)
        try:
            answer = await self._answer(head, scope, receive)
            if isinstance(answer, Events):
                await stream(answer, scope, receive, send)
                return
        except Wrong as wrong:
            answer = Answer(wrong.status, wrong.shown())
        except StoreAway as away:
            answer = Answer(503, Wrong("", None, f"{away} Try again once it is back.").shown())
        except ClientDisconnect:
            return  # what has not been said to the end has not been asked for
        await send_reply(scope, send, json_reply(answer.status, answer.content))

    async def _answer(self, head: Call, scope: Scope, receive: Receive) -> Answer | Events:
        method = "GET" if head.method == "HEAD" else head.method
        path = head.params.get("path", "")
        if path != "health":
            self._check_access(head, scope)
        call, _ = self._control.find(method, path)
        tenant = "" if call.keyless else self._tenant(head)
        try:
            body = await read_body(scope, receive, LIMIT)
        except TooLarge as error:
            message = f"The body is too long: at most {LIMIT} bytes are read."
            raise Wrong("", None, message, status=413) from error
        query = _query(head.query)
        if path == EVENTS:
            Asked(tenant, {}, query).only(call.query)
            last = next((value.decode("latin-1") for name, value in head.headers if name == LAST), query.get("after"))
            return self._control.listen(tenant, last)
        return await self._control.answer(tenant, method, path, query, _json(body), origin=head.origin)

    def _check_access(self, head: Call, scope: Scope) -> None:
        server = scope.get("server") or ("", None)
        token = next((value for name, value in head.headers if name == HEADER), None)
        host = head.origin.partition("://")[2]
        name = host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0]
        self._access.check(token, server[0], name)

    def _tenant(self, head: Call) -> str:
        try:
            return read_key(head.authorization, self._keys)
        except Unauthenticated as error:
            problem = "Whose? Send the API key whose jobs, rules and clock are meant: Authorization: Bearer <key>."
            if head.authorization and self._keys is not None:
                problem += " This server accepts only the keys that it was started with."
            raise Wrong("Authorization", None, problem, status=401) from error


def _query(raw: bytes) -> Mapping[str, str]:
    """The parameters of a query; of one that is there twice, the last."""
    return dict(parse_qsl(raw.decode("latin-1"), keep_blank_values=True))


def _json(body: bytes) -> object:
    if not body:
        return None
    try:
        content: object = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise Wrong("", body[:100].decode("utf-8", "replace"), f"The body is no JSON: {error}.") from error
    return content
