"""Uploads as such: their kinds, limits and ids, the PUT of a ticket, and the files served back."""

from __future__ import annotations

import mimetypes
import re
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from understudy.mockserver.files import OVERHEAD, Content, FoundFile, StoredFile
from understudy.mockserver.references import UnreadableReference
from understudy.mockserver.store import Store
from understudy.mockserver.tenant_names import name_of

DAYS_KEPT = 7 * 86_400_000
"""Milliseconds for which an uploaded file is there (documented)."""

TICKET_KEPT = 15 * 60_000
"""Milliseconds for which a ticket can be used (assumed: its field is on record, its length is not)."""

UNTYPED = "application/octet-stream"
_EXTENSION = re.compile(r"\.[a-z0-9]{1,8}", re.ASCII)


def media_type_of(name: str, said: str | None) -> str:
    """What a client says of its file, or else what the file's name says."""
    said = (said or "").strip().lower()
    return said if said.isascii() and said.isprintable() and "/" in said else mimetypes.guess_type(name)[0] or UNTYPED


def kind_of(media_type: str) -> str:
    kind = media_type.partition("/")[0]
    return kind if kind in ("image", "video", "audio") else "other"


@dataclass(frozen=True, slots=True)
class UploadLimits:
    """How long a file may be: `most` bytes of any kind, fewer where `kinds` says so, and no more than can be kept."""

    most: int
    kept: int
    kinds: Mapping[str, int]

    def of(self, media_type: str) -> int:
        return min(self.widest, self.kinds.get(kind_of(media_type), self.most))

    @property
    def widest(self) -> int:
        return max(min(self.most, self.kept - OVERHEAD), 0)


def file_id(seed: int, tenant: str, ordinal: int) -> str:
    """32 hexadecimal digits that nobody can guess without the seed, and that repeat with it."""
    material = f"upload\0{seed}\0{ordinal}\0{name_of(tenant)}".encode("utf-8", "surrogateescape")
    return blake2b(material, digest_size=16).hexdigest()


def file_name(file: StoredFile) -> str:
    """The id with an extension, so that whoever looks at a URL's end knows what it is."""
    stem, dot, extension = file.name.rpartition(".")
    ending = f".{extension.lower()}" if dot and stem else ""
    if _EXTENSION.fullmatch(ending) is None:
        ending = mimetypes.guess_extension(file.media_type) or ""
    return file.id + ending


def ticket_headers(file: StoredFile) -> dict[str, str]:
    return {"Content-Type": file.media_type, "If-None-Match": "*"}


class Uploads:
    """The endpoints of storage: both without a token. No body of theirs is on record but the empty one of success, and
    the statuses are those of the storage services that issue such tickets (assumed)."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def routes(self) -> list[Route]:
        return [
            Route("/upload/{file}", self.receive, methods=["PUT"], name="upload"),
            Route("/media/{file}", self.serve, name="media"),
        ]

    async def own_file(self, text: str, origin: str) -> Content | None:
        """The bytes of the file that a URL of this server's own leads to; None for any other text.

        Raises UnreadableReference for a URL of an upload that was never made, or that is there no more.
        """
        name = text.removeprefix(f"{origin}/media/")
        if name == text:
            return None
        found = await self._store.get_file(name.partition(".")[0])
        data = _data(found) if found is not None and file_name(found.file) == name else None
        if data is None:
            raise UnreadableReference("missing", "there is no upload of that name")
        return data

    async def receive(self, request: Request) -> Response:
        """The PUT of a ticket: exactly its headers, exactly the size that was announced, and once."""
        found = await self._find(request)
        if found is None or found.now >= found.file.created + TICKET_KEPT:
            return _refuse(403, "The upload ticket does not exist or has expired.")
        file = found.file
        if "authorization" in request.headers:
            return _refuse(400, "A ticket is used without an Authorization header.")
        for name, value in ticket_headers(file).items():
            if request.headers.get(name) != value:
                return _refuse(403, f"The {name} header must be exactly that of the ticket: {value}.")
        if file.data is not None:
            return _refuse(412, "The file has been uploaded already.")
        data = bytearray()
        try:
            async for chunk in request.stream():
                data += chunk
                if len(data) > file.size:
                    return _refuse(413, f"The ticket is for {file.size} bytes; this is more.")
        except ClientDisconnect:
            return Response(status_code=400)
        if len(data) < file.size:
            return _refuse(400, f"The ticket is for {file.size} bytes; these are {len(data)}.")
        if not await self._store.fill_file(file.id, data):
            return _refuse(412, "The file has been uploaded already.")
        return Response(status_code=200)

    async def serve(self, request: Request) -> Response:
        found = await self._find(request)
        data = None if found is None else _data(found)
        if found is None or data is None:
            return _refuse(404, "Not found")
        # What was uploaded may be a page with scripts: nothing here shall run it.
        headers = {"x-content-type-options": "nosniff", "content-security-policy": "sandbox"}
        headers["content-type"] = found.file.media_type
        return Response(memoryview(data), headers=headers)

    async def _find(self, request: Request) -> FoundFile | None:
        found = await self._store.get_file(request.path_params["file"].partition(".")[0])
        if found is None or file_name(found.file) != request.path_params["file"]:
            return None
        return found


def _refuse(status: int, text: str) -> Response:
    return Response(text + "\n", status, media_type="text/plain")


def _data(found: FoundFile) -> Content | None:
    """A file's bytes, for as long as it is there."""
    return found.file.data if found.now < found.file.created + DAYS_KEPT else None
