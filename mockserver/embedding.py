"""Images inside an answer: drawn as their files would be, written as plain base64."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from collections.abc import Callable

from understudy.mockserver.gallery import Drawings, image_spec
from understudy.mockserver.jobs import Job
from understudy.mockserver.outputs import shown


async def embed(drawings: Drawings, job: Job, encode: Callable[[list[str]], bytes]) -> bytes:
    """The body that `encode` makes of a job's images. Megabytes: drawn and encoded off the event loop, and not kept."""
    files = await asyncio.gather(*(drawings.get(image_spec(job, index)) for index in shown(job)))
    return await asyncio.to_thread(lambda: encode([b64encode(file).decode("ascii") for file in files]))
