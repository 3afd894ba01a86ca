"""WaveSpeed's two ways to upload: a ticket with a PUT, and the older multipart form."""

from __future__ import annotations

import logging
from typing import Any

from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException
from starlette.requests import ClientDisconnect, Request
from starlette.types import Message

from understudy.contracts import catalogue
from understudy.mockserver.desk import Desk
from understudy.mockserver.dialect import Operation
from understudy.mockserver.exchange import Call, Reply
from understudy.mockserver.files import StoredFile
from understudy.mockserver.moments import format_second
from understudy.mockserver.refusals import FileTooLarge, Invalid, Problem
from understudy.mockserver.request_rules import TEXT, RequestRules
from understudy.mockserver.settings import Settings
from understudy.mockserver.switches import Switches
from understudy.mockserver.uploads import (
    TICKET_KEPT,
    UploadLimits,
    file_id,
    file_name,
    kind_of,
    media_type_of,
    ticket_headers,
)
from understudy.mockserver.wavespeed_envelope import success

AROUND = 65_536
"""Bytes that a form may have around its file: boundaries, headers, other fields."""

MOST_FILES = 100
"""How many files of a form are counted, so that whoever sends two is told so."""

# Without a handler, logging writes what this library warns of, such as a missing boundary, bare to stderr.
logging.getLogger("python_multipart").addHandler(logging.NullHandler())

_TICKET = RequestRules(
    {"filename": {**TEXT, "minLength": 1, "maxLength": 1_024}, "size": {"type": "integer", "minimum": 0}}
    | {"content_type": {**TEXT, "maxLength": 256}},
    required=("filename", "size"),
)


def operations(desk: Desk, settings: Settings, switches: Switches) -> tuple[Operation, ...]:
    limits = upload_limits(settings, switches)

    async def keep(tenant: str, name: str, media_type: str, size: int, data: bytes | None = None) -> StoredFile:
        def make(now: int, ordinal: int) -> StoredFile:
            assert settings.seed is not None, "The seed is drawn before the first request, in create_app."
            identity = file_id(settings.seed, tenant, ordinal)
            return StoredFile(identity, tenant, name, media_type, size, now, data)

        return await desk.store.put_file(tenant, make)

    async def ticket(tenant: str, call: Call) -> Reply:
        asked = _TICKET.read(call.body)
        media_type = media_type_of(asked["filename"], asked.get("content_type"))
        size = int(asked["size"])
        if size > limits.of(media_type):
            raise FileTooLarge(limits.of(media_type))
        file = await keep(tenant, asked["filename"], media_type, size)
        expires = file.created + TICKET_KEPT
        instruction = {
            "method": "PUT",
            "url": f"{call.origin}/upload/{file_name(file)}",
            "headers": ticket_headers(file),
            "expires_at": f"{format_second(expires // 1000)}Z",
        }
        return success({**_described(file, call.origin), "upload": instruction})

    async def form(tenant: str, call: Call) -> Reply:
        name, media_type, data = await _read_form(call, limits)
        file = await keep(tenant, name, media_type, len(data), data)
        return success(_described(file, call.origin))

    return (
        Operation("uploads", "POST", "/api/v3/media/uploads", ticket),
        Operation("upload-binary", "POST", "/api/v3/media/upload/binary", form, streams=True),
        # Nodes of the second generation upload here (inferred from their source).
        Operation("upload-binary", "POST", "/api/v2/media/upload/binary", form, streams=True),
    )


def upload_limits(settings: Settings, switches: Switches) -> UploadLimits:
    """What the chosen reading says of each kind. The setting takes the place of one limit for all, or bounds others."""
    chosen = switches["wavespeed.upload_limit"]
    kinds = catalogue.switch("wavespeed.upload_limit").readings[chosen].data
    assert kinds is not None, "Every reading of wavespeed.upload_limit says how many bytes."
    if settings.upload_limit is None:
        return UploadLimits(max(kinds.values()), settings.upload_store, kinds)
    return UploadLimits(settings.upload_limit, settings.upload_store, kinds if chosen == "by-kind" else {})


async def _read_form(call: Call, limits: UploadLimits) -> tuple[str, str, bytes]:
    """Name, media type and bytes of the form's file. Raises FileTooLarge, or Invalid without it or with more files."""
    assert call.stream is not None, "A form is read from the stream."
    scope, receive = call.stream
    most = limits.widest + AROUND
    length = 0

    async def counted() -> Message:
        nonlocal length
        message = await receive()
        length += len(message.get("body", b""))
        if length > most:
            raise FileTooLarge(limits.widest)
        return message

    request = Request(scope, counted)
    if int(request.headers.get("content-length", 0)) > most:
        raise FileTooLarge(limits.widest)
    try:
        async with request.form(max_files=MOST_FILES, max_fields=100) as form:
            file = form.get("file")
            names = [value.filename for _, value in form.multi_items() if isinstance(value, UploadFile)]
            if len(names) > 1:
                raise Invalid((Problem(("file",), "format", "exactly one file", names),))
            if isinstance(file, UploadFile):
                media_type = media_type_of(file.filename or "", file.content_type)
                if (file.size or 0) > limits.of(media_type):
                    raise FileTooLarge(limits.of(media_type))
                return (file.filename or "file")[:1_024], media_type, await file.read()
    except (MultiPartException, HTTPException, ClientDisconnect):
        pass  # the form cannot be read, so there is no file in it: the text of that is not on record
    raise Invalid((Problem(("file",), "required", None, None),))


def _described(file: StoredFile, origin: str) -> dict[str, Any]:
    return {
        "type": kind_of(file.media_type),
        "download_url": f"{origin}/media/{file_name(file)}",
        "filename": file.name,
        "size": file.size,
    }
