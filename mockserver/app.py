"""The whole fake as one ASGI application."""

from __future__ import annotations

import dataclasses
import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from typing import Protocol

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from understudy.contracts import catalogue
from understudy.contracts.catalogue import Model
from understudy.mockserver.connection import Answerer
from understudy.mockserver.control import Control
from understudy.mockserver.control_access import with_token
from understudy.mockserver.courier import Courier
from understudy.mockserver.desk import Desk
from understudy.mockserver.diagnosis import Guide, Place
from understudy.mockserver.dialect import Dialect, Operation
from understudy.mockserver.endpoint import Endpoint
from understudy.mockserver.exchange import Call, Reply
from understudy.mockserver.gallery import Draw, Drawings, Gallery
from understudy.mockserver.images import draw
from understudy.mockserver.intake import Intake
from understudy.mockserver.key_rules import KeyRules
from understudy.mockserver.late import Late
from understudy.mockserver.limits import limits_of
from understudy.mockserver.openapi import Documents
from understudy.mockserver.outputs import file_of
from understudy.mockserver.refusals import UnknownRoute
from understudy.mockserver.runcomfy import RunComfy
from understudy.mockserver.settings import Settings
from understudy.mockserver.stage import Stage
from understudy.mockserver.store import Store, StoreAway
from understudy.mockserver.stores import make_store
from understudy.mockserver.strays import Strays
from understudy.mockserver.switches import Switches
from understudy.mockserver.uploads import Uploads
from understudy.mockserver.wavespeed import WaveSpeed


class _Spoken(Dialect, Protocol):
    """A dialect that knows its operations."""

    def operations(self, desk: Desk, settings: Settings) -> tuple[Operation, ...]: ...


def create_app(settings: Settings | None = None, store: Store | None = None, draw: Draw = draw) -> App:
    """Both providers on one origin, told apart by their paths. `draw` makes their images, in threads.

    Without a store, there is the one that the settings name; without a seed in the settings, one is drawn, and a
    control token where the host is not loopback. What was used is in `app.state.settings` and `app.state.store`;
    `app.state.control` answers what `/_understudy/` does. Raises SettingsError for settings that do not go together.
    """
    settings = settings or Settings()
    if settings.seed is None:
        settings = dataclasses.replace(settings, seed=secrets.randbits(32))
    settings = with_token(settings)
    store = store or make_store(settings)
    switches = Switches(settings.assume)
    drawings = Drawings(settings.image_cache, draw)
    uploads = Uploads(store)
    intake = Intake(uploads.own_file, image_limit=settings.image_limit)
    wavespeed = WaveSpeed(switches)
    courier = Courier(store, settings, {wavespeed.name: wavespeed.webhook_body})
    dialects: tuple[_Spoken, ...] = (wavespeed, RunComfy(switches))

    assert settings.seed is not None, "It was drawn above."
    served: dict[str, Mapping[str, Model]] = {}
    desks: list[tuple[_Spoken, Desk, tuple[Operation, ...]]] = []
    for dialect in dialects:
        own = {model.model_id: model for model in settings.models if model.provider == dialect.name}
        models = served[dialect.name] = {**catalogue.models(dialect.name), **own}
        desk = Desk(
            dialect,
            {name: model.under(settings.assume) for name, model in models.items()},
            settings,
            store,
            courier,
            drawings,
            intake,
            limits=limits_of(dialect.name, settings, switches),
            keys=KeyRules.of(dialect.name, switches),
        )
        desks.append((dialect, desk, dialect.operations(desk, settings)))

    guide = Guide([_place(dialect, one) for dialect, _, operations in desks for one in operations], served)
    stage = Stage(store, settings.seed, guide)
    routes: list[Route] = []
    hot: dict[str, dict[str, Endpoint]] = {}
    submits: dict[str, tuple[Endpoint, str]] = {}
    for dialect, desk, operations in desks:
        for operation in (*operations, *_unknown(dialect)):
            endpoint = Endpoint(operation, dialect, desk.authenticate, settings.body_limit, stage)
            methods = [operation.method] if operation.method else None
            routes.append(Route(operation.path, endpoint, methods=methods, name=f"{dialect.name}.{operation.name}"))
            before, marker, after = operation.path.partition("{id}")
            if marker and operation.method == "GET":
                hot.setdefault(before, {})[after] = endpoint
            elif operation.name == "submit":
                prefix = operation.path.removesuffix("{model_id:path}")
                submits.update((prefix + model_id, (endpoint, model_id)) for model_id in served[dialect.name])
    gallery = Gallery(store, drawings, stage, served)
    control = Control(store, settings, tuple(dialect.name for dialect in dialects), courier.secret)
    controlled = Late(partial(_control_endpoint, control, settings))
    routes += [
        *uploads.routes(),
        Route("/{folder:path}output/{file}", gallery, methods=["GET"], name="output"),
        *Documents(served, settings.assume).routes(),
        *(Route(path, controlled) for path in ("/_understudy", "/_understudy/{path:path}")),
    ]

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        courier.start()
        yield
        await courier.stop()
        drawings.close()
        intake.close()

    app = App(routes=routes, lifespan=lifespan, exception_handlers={StoreAway: _away})
    app.router.redirect_slashes = False  # the providers have not been seen to redirect
    known = {dialect.name: dialect for dialect in dialects}
    app.router.default = Strays(desks[0][1].authenticate, stage, guide, known, app.router.default)
    app.lane = HotPath(submits, hot, gallery)
    app.state.settings = settings
    app.state.store = store
    app.state.control = control
    return app


class App(Starlette):
    """Starlette, and what our own server may answer without it."""

    lane: HotPath


class HotPath:
    """Finds submits by a dictionary, polls by a prefix and images by their folder, in the stead of the router and all
    that is before it.

    They are nine tenths of all traffic. The endpoints are those of the routes, so nothing else differs.
    """

    def __init__(
        self,
        submits: Mapping[str, tuple[Endpoint, str]],
        polls: Mapping[str, Mapping[str, Endpoint]],
        gallery: Gallery,
    ) -> None:
        self._gallery = gallery
        self._submits = {path.encode(): (endpoint, {"model_id": name}) for path, (endpoint, name) in submits.items()}
        self._polls = tuple(
            (prefix.encode(), len(prefix), {ending.encode(): endpoint for ending, endpoint in endings.items()})
            for prefix, endings in polls.items()
        )

    def find(self, method: bytes, target: bytes) -> tuple[Answerer, dict[str, str]] | None:
        """The endpoint for a request and its path parameters; None for all that is not hot."""
        if method == b"POST":
            return self._submits.get(target)
        if method == b"GET" and b"%" not in target and b"?" not in target:
            for prefix, length, endings in self._polls:
                if target.startswith(prefix):
                    job_id, slash, rest = target[length:].partition(b"/")
                    endpoint = endings.get(slash + rest)
                    return (endpoint, {"id": job_id.decode()}) if endpoint is not None and job_id else None
            file = file_of(target.decode("latin-1"))
            return (self._gallery, {"file": file}) if file is not None else None
        return None


def _control_endpoint(control: Control, settings: Settings) -> ASGIApp:
    from understudy.mockserver.control_http import ControlEndpoint

    return ControlEndpoint(control, settings)


def _unknown(dialect: Dialect) -> list[Operation]:
    """Whatever else lies under a provider's prefixes: refused in its words."""

    async def refuse(tenant: str, call: Call) -> Reply:
        raise UnknownRoute(call.method, call.path)

    prefixes = (dialect.prefix, *dialect.other_prefixes)
    return [Operation("unknown", "", prefix + rest, refuse) for prefix in prefixes for rest in ("", "/{path:path}")]


async def _away(request: Request, error: Exception) -> Response:
    return PlainTextResponse(f"{error}\n", 503)


def _place(dialect: Dialect, operation: Operation) -> Place:
    prefixes = (dialect.prefix, *dialect.other_prefixes)
    prefix = next(one for one in prefixes if operation.path.startswith(f"{one}/"))
    return Place(dialect.name, operation.name, operation.method, prefix, operation.path)
