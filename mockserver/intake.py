"""Looks into the input images that can be looked into, off the event loop and few at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple, TypeVar

from understudy.mockserver.data_uris import UnreadableDataUri, is_data_uri, parse_data_uri
from understudy.mockserver.images import Reference
from understudy.mockserver.inputs import DIGEST
from understudy.mockserver.references import UnreadableReference, read_reference

T = TypeVar("T")

OwnFile = Callable[[str, str], Awaitable[bytes | bytearray | None]]
"""The bytes of a file that was uploaded to this server: given an input's text and the origin that the client used;
None where the text is somebody else's URL. Raises UnreadableReference where it should be ours, and there is none."""

WORKERS = 2
"""Images under way at once: a large one may take 144 MB for a moment."""

KEPT = 1_000
"""References kept beside the jobs, some 10 kB each: tests send the same few images again and again."""


class Pictures(NamedTuple):
    """The references that could be read, in order; whether that was all of them."""

    readable: tuple[Reference, ...]
    complete: bool


async def no_files(text: str, origin: str) -> None:
    """For a server without uploads."""


class Intake:
    """Reduces a submission's images to references. Plain URLs are never fetched; a `data:` URI may hold `image_limit`
    bytes."""

    def __init__(
        self,
        own_file: OwnFile = no_files,
        read: Callable[[bytes], Reference] = read_reference,
        image_limit: int = 50_000_000,
    ) -> None:
        self._image_limit = image_limit
        self._own_file = own_file
        self._read = read
        self._kept: dict[str, Reference] = {}
        self._pool = ThreadPoolExecutor(max_workers=WORKERS, thread_name_prefix="understudy-read")

    async def run(self, work: Callable[..., T], *arguments: object) -> T:
        """What `work` returns when it runs off the event loop."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, work, *arguments)

    async def look_into(self, images: Sequence[str], names: Sequence[str], origin: str) -> Pictures:
        """The references of a submission's `images`, those of them that are no files of ours left out.

        `names` are the images as they are kept: a `data:` URI's is its digest.
        """
        readable: list[Reference] = []
        complete = True
        for text, name in zip(images, names, strict=True):
            try:
                reference = await self._look_at(text, name, origin)
            except (UnreadableDataUri, UnreadableReference):
                complete = False
            else:
                readable += [reference] if reference is not None else []
        return Pictures(tuple(readable), complete)

    async def _look_at(self, text: str, name: str, origin: str) -> Reference | None:
        if not is_data_uri(text):
            data = await self._own_file(text, origin)
            return None if data is None else await self.run(self._read, data)
        reference = self._kept.pop(name, None)
        if reference is None:
            reference = await self.run(self._unpack, text)
            if len(self._kept) >= KEPT:
                del self._kept[next(iter(self._kept))]
        self._kept[name] = reference
        return reference

    def _unpack(self, text: str) -> Reference:
        return self._read(parse_data_uri(text, most_bytes=self._image_limit).data)

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)


def can_look_into(names: Sequence[str], origin: str) -> bool:
    """Whether any of the images that are kept under these names may be more than a URL of somebody else's."""
    ours = (DIGEST, origin)
    for name in names:  # noqa: SIM110  # in every submission, and a generator takes longer
        if name.startswith(ours):
            return True
    return False
