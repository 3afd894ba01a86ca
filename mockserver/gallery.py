"""Serves output images: drawn on first fetch, off the event loop, kept up to a bound in bytes."""

from __future__ import annotations

import asyncio
import os
from concurrent.futures import ThreadPoolExecutor
from hashlib import blake2b

from starlette.requests import Request
from starlette.responses import Response

from understudy.mockserver.images import ImageSpec, as_format, draw, media_type
from understudy.mockserver.jobs import Job, Phase
from understudy.mockserver.outputs import index_of, parse_file
from understudy.mockserver.ranges import parse_range
from understudy.mockserver.store import Store


class Drawings:
    """Images by specification. Requests for the same one share one drawing; the least recently used go first."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._kept: dict[ImageSpec, bytes] = {}
        self._size = 0
        self._under_way: dict[ImageSpec, asyncio.Task[bytes]] = {}
        self._pool = ThreadPoolExecutor(max_workers=os.cpu_count(), thread_name_prefix="understudy-draw")

    async def get(self, spec: ImageSpec) -> bytes:
        kept = self._kept.pop(spec, None)
        if kept is not None:
            self._kept[spec] = kept
            return kept
        task = self._under_way.get(spec)
        if task is None:
            task = self._under_way[spec] = asyncio.create_task(self._draw(spec))
        # Shielded: whoever hangs up does not take the picture away from those who wait for the same one.
        return await asyncio.shield(task)

    async def _draw(self, spec: ImageSpec) -> bytes:
        try:
            data = await asyncio.get_running_loop().run_in_executor(self._pool, draw, spec)
        finally:
            del self._under_way[spec]
        if len(data) <= self._limit:
            self._kept[spec] = data
            self._size += len(data)
            while self._size > self._limit:
                self._size -= len(self._kept.pop(next(iter(self._kept))))
        return data

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)


class Gallery:
    """The endpoint of every output file. Fetched without a token, as the providers' own files are."""

    def __init__(self, store: Store, drawings: Drawings) -> None:
        self._store = store
        self._drawings = drawings

    async def serve(self, request: Request) -> Response:
        spec = await self._find(request.path_params["file"])
        if spec is None:
            return Response("Not found\n", 404, media_type="text/plain")
        tag = '"' + blake2b(repr(spec).encode(), digest_size=12).hexdigest() + '"'
        headers = {"etag": tag, "accept-ranges": "bytes", "cache-control": "public, max-age=604800, immutable"}
        asked = request.headers.get("if-none-match", "")
        if asked == "*" or tag in (part.strip().removeprefix("W/") for part in asked.split(",")):
            return Response(status_code=304, headers=headers)
        data = await self._drawings.get(spec)
        content_type = media_type(spec.format)
        wanted = None
        if request.headers.get("if-range", tag) == tag:
            wanted = parse_range(request.headers.get("range"), len(data))
        if wanted is None:
            return Response(data, headers=headers, media_type=content_type)
        if not wanted:
            return Response(status_code=416, headers={**headers, "content-range": f"bytes */{len(data)}"})
        headers["content-range"] = f"bytes {wanted.start}-{wanted.stop - 1}/{len(data)}"
        return Response(data[wanted.start : wanted.stop], 206, headers=headers, media_type=content_type)

    async def _find(self, name: str) -> ImageSpec | None:
        file = parse_file(name)
        found = await self._store.locate(file.job_id) if file else None
        if file is None or found is None or found.job.erased or found.job.at(found.now) is not Phase.SUCCEEDED:
            return None
        index = index_of(found.job, file)
        return None if index is None else image_spec(found.job, index)


def image_spec(job: Job, index: int) -> ImageSpec:
    asked = job.submission
    return ImageSpec(
        provider=asked.provider,
        model=asked.model,
        job=job.id,
        index=index,
        count=job.plan.images,
        width=asked.width,
        height=asked.height,
        format=as_format(asked.image_format),
        seed=job.seed,
        prompt=asked.prompt,
        prompt_digest=asked.prompt_digest,
        flagged=index in job.plan.flagged,
    )
