"""Where a job's images are: the paths of their files, and back from a file to its job and index."""

from __future__ import annotations

import re
from base64 import urlsafe_b64encode
from hashlib import blake2b
from typing import NamedTuple

from understudy.mockserver.jobs import Job
from understudy.mockserver.moments import format_second
from understudy.mockserver.plans import dashed
from understudy.mockserver.tenant_names import name_of

_UUID = "[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}"
_WAVESPEED = re.compile(rf"({_UUID})-u1_({_UUID})\.(\w+)")
_RUNCOMFY = re.compile(r"([0-9a-f]{32})_\d{10,}_([0-9a-f]{8})\.(\w+)")


class OutputFile(NamedTuple):
    """What the name of an output file says: whose it is, and which mark tells its index."""

    job_id: str
    mark: str


def shown(job: Job) -> list[int]:
    """The indexes (from 1) of the images that an answer tells of, in order. One that is missing has a URL, which leads
    nowhere; inside an answer there is nothing to be shown of it."""
    left_out = job.plan.twists.missing if job.submission.base64 else frozenset[int]()
    return [index for index in range(1, job.plan.images + 1) if index not in left_out]


def output_urls(job: Job, origin: str) -> list[str]:
    """The URL of every image that is shown. The forms are those observed, on the client's own origin."""
    return [origin + path_of(job, index) for index in shown(job)]


def path_of(job: Job, index: int) -> str:
    """Where the image of this index (from 1) is."""
    mark = _mark(job, index)
    extension = job.submission.image_format
    if job.submission.provider == "wavespeed":
        return f"/output/{dashed(job.id)}-u1_{dashed(mark)}.{extension}"
    # Two folders were seen: one per user and one that holds a time, both encoded.
    user = urlsafe_b64encode(blake2b(_name(job), digest_size=18).digest()).decode()
    folder = urlsafe_b64encode(format_second(job.submitted // 1000).encode()).decode().rstrip("=")
    digits = job.id.replace("-", "")
    return f"/{user}/{folder}/output/{digits}_{job.submitted // 1000:010d}_{mark[:8]}.{extension}"


def _mark(job: Job, index: int) -> str:
    """32 hexadecimal digits that name one image of a job, so that nobody can guess the others."""
    return blake2b(f"{job.id}:{index}".encode(), key=_name(job)[:64], digest_size=16).hexdigest()


def _name(job: Job) -> bytes:
    return name_of(job.tenant).encode("utf-8", "surrogateescape")


def file_of(path: str) -> str | None:
    """The name of the output that a path of either form leads to; None for any other path."""
    folder, found, name = path.rpartition("/output/")
    return name if found and (not folder or folder.count("/") == 2) and parse_file(name) is not None else None


def parse_file(name: str) -> OutputFile | None:
    """The job and mark of a file name; None when no output is called so."""
    if match := _WAVESPEED.fullmatch(name):
        return OutputFile(match[1].replace("-", ""), match[2].replace("-", ""))
    if match := _RUNCOMFY.fullmatch(name):
        return OutputFile(dashed(match[1]), match[2])
    return None


def index_of(job: Job, file: OutputFile) -> int | None:
    """The 1-based index of the image that a file is of; None when the job has no such image."""
    for index in range(1, job.plan.images + 1):
        if _mark(job, index).startswith(file.mark):
            return index
    return None
