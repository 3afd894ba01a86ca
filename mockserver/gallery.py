"""Serves output images: drawn on first fetch, off the event loop, kept up to a bound in bytes."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from hashlib import blake2b

from starlette.types import Receive, Scope, Send

from understudy.mockserver.durations import format_duration
from understudy.mockserver.exchange import Call, Headers, Reply, read_head, send_reply
from understudy.mockserver.images import LARGEST_SIDE, LARGEST_WEBP, ImageSpec, as_format, draw, media_type
from understudy.mockserver.jobs import Job, Phase
from understudy.mockserver.outputs import OutputFile, index_of, parse_file, path_of
from understudy.mockserver.ranges import parse_range
from understudy.mockserver.stage import Part, Stage
from understudy.mockserver.storage import AWAY, NOT_FOUND, NoFile, Storage
from understudy.mockserver.store import Store, StoreAway

Draw = Callable[[ImageSpec], bytes]

OUTPUT = "output"
"""The operation that the fetch of a file is, in rules and journals, with every provider."""

KNOWN = 1_024
CONDITIONS = frozenset({b"if-none-match", b"if-range", b"range"})


class Drawings:
    """Images by specification. Requests for the same one share one drawing; the least recently used go first."""

    def __init__(self, limit: int, draw: Draw = draw) -> None:
        self._limit = limit
        self._file_of = draw
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
            data = await asyncio.get_running_loop().run_in_executor(self._pool, self._file_of, spec)
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


@dataclass(frozen=True, slots=True)
class _Output:
    """A file of a job's, and what is said of it: `about` always, `headers` with its data. A job is a frozen value: one
    that changed is another."""

    file: OutputFile
    job: Job
    spec: ImageSpec
    tag: bytes
    about: Headers
    headers: Headers


class Gallery:
    """The endpoint of every output file. Fetched without a token, as the providers' own files are: whoever asks, it is
    an exchange of the job's owner. What is the file of no job is nobody's."""

    def __init__(self, store: Store, drawings: Drawings, stage: Stage, providers: Iterable[str]) -> None:
        self._store = store
        self._drawings = drawings
        self._stage = stage
        self._parts = {name: Part(OUTPUT, self._fetch, Storage(name)) for name in providers}
        self._known: dict[str, _Output] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        call = read_head(scope)
        call.receive = receive
        await send_reply(scope, send, await self.answer(call))

    async def answer(self, call: Call) -> Reply:
        try:
            return await self._play(call)
        except StoreAway:
            return AWAY

    async def _play(self, call: Call) -> Reply:
        found = await self._find(call.params["file"])
        if found is None:
            return NOT_FOUND
        job = found[0].job
        call.params = {**call.params, "model_id": job.submission.model}
        return await self._stage.play(job.tenant, self._parts[job.submission.provider], call)

    async def _fetch(self, tenant: str, call: Call) -> Reply:
        found = await self._find(call.params["file"])  # once more: a rule may have had it wait
        if found is None:
            raise NoFile
        output, now = found
        job, index = output.job, output.spec.index
        call.job, call.phase = job, job.at(now)
        if job.erased or call.phase is not Phase.SUCCEEDED:
            raise NoFile
        if index in job.plan.twists.missing:
            call.notes += (f"image {index} of {job.plan.images} is missing",)
            raise NoFile
        # What is answered for a file that is kept no more is not on record: as for one that never was (assumed).
        if job.ends is not None and job.plan.twists.expire is not None and now >= job.ends + job.plan.twists.expire:
            call.notes += (f"the outputs expired {format_duration(job.plan.twists.expire)} after the job's end",)
            raise NoFile
        asked = {name: value for name, value in call.headers if name in CONDITIONS}
        if not asked:
            return Reply(200, await self._drawings.get(output.spec), output.headers)
        if _names(asked.get(b"if-none-match", b""), output.tag):
            return Reply(304, b"", output.about)
        data = await self._drawings.get(output.spec)
        wanted = None
        # Of a HEAD request the range means nothing (RFC 9110, section 14.2).
        if call.method == "GET" and asked.get(b"if-range", output.tag) == output.tag:
            wanted = parse_range(asked.get(b"range", b"").decode("latin-1"), len(data))
        if wanted is None:
            return Reply(200, data, output.headers)
        if not wanted:
            return Reply(416, b"", ((b"content-range", b"bytes */%d" % len(data)), *output.about))
        place = (b"content-range", b"bytes %d-%d/%d" % (wanted.start, wanted.stop - 1, len(data)))
        return Reply(206, data[wanted.start : wanted.stop], (place, *output.headers))

    async def _find(self, name: str) -> tuple[_Output, int] | None:
        """The file of that name, whether or not it can be fetched yet or still, and its owner's time."""
        known = self._known.get(name)
        file = parse_file(name) if known is None else known.file
        found = await self._store.locate(file.job_id) if file else None
        if file is None or found is None:
            return None
        if known is not None and known.job is found.job:
            return known, found.now
        index = index_of(found.job, file)
        if index is None or not path_of(found.job, index).endswith("/" + name):
            return None
        if len(self._known) >= KNOWN:
            self._known.clear()
        output = self._known[name] = _output(file, found.job, image_spec(found.job, index))
        return output, found.now


def _output(file: OutputFile, job: Job, spec: ImageSpec) -> _Output:
    # A reference's digest stands for its thumbnail.
    seen = (repr(replace(spec, references=())), *(reference.digest for reference in spec.references))
    tag = b'"%s"' % blake2b("\0".join(seen).encode("utf-8", "surrogatepass"), digest_size=12).hexdigest().encode()
    about = ((b"etag", tag), (b"accept-ranges", b"bytes"), (b"cache-control", b"public, max-age=604800, immutable"))
    return _Output(file, job, spec, tag, about, ((b"content-type", media_type(spec.format).encode()), *about))


def _names(condition: bytes, tag: bytes) -> bool:
    """Whether an If-None-Match header names an entity tag."""
    return condition == b"*" or tag in (part.strip().removeprefix(b"W/") for part in condition.split(b","))


def image_spec(job: Job, index: int) -> ImageSpec:
    """The picture of this index (from 1) that comes out of a job."""
    asked = job.submission
    image_format = as_format(asked.image_format)
    most = LARGEST_WEBP if image_format == "webp" else LARGEST_SIDE
    width, height = min(asked.width, most), min(asked.height, most)
    if index in job.plan.twists.resized:
        width, height = max(width // 2, 1), max(height // 2, 1)
    flagged = index in job.plan.flagged
    return ImageSpec(
        provider=asked.provider,
        model=asked.model,
        job=job.id,
        index=index,
        count=job.plan.images,
        width=width,
        height=height,
        format=image_format,
        seed=job.seed,
        prompt=asked.prompt,
        prompt_digest=asked.prompt_digest,
        flagged=flagged,
        black=(flagged and job.plan.black) or index in job.plan.twists.black,
        references=asked.pictures,
    )
