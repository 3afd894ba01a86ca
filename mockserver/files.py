"""Uploaded files, and where a process keeps them: bounded in bytes, the oldest go first."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import NamedTuple

Content = bytes | bytearray

OVERHEAD = 1_024
"""What a file counts beyond its bytes, so that empty ones and places that are never filled are bounded too."""


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file that a tenant uploaded, or without `data` the place kept for one. `size` is bytes; `created` is on the
    tenant's clock."""

    id: str
    tenant: str
    name: str
    media_type: str
    size: int
    created: int
    data: Content | None = None


class FoundFile(NamedTuple):
    """A file, and what its owner's clock shows."""

    file: StoredFile
    now: int


class Shelf:
    """Files by id, of `bound` bytes together. A file counts with its whole size as soon as a place is kept for it."""

    def __init__(self, bound: int) -> None:
        self._bound = bound
        self._size = 0
        self._files: dict[str, StoredFile] = {}

    def put(self, file: StoredFile) -> None:
        self._files[file.id] = file
        self._size += file.size + OVERHEAD
        while self._size > self._bound and self._files:
            self._size -= self._files.pop(next(iter(self._files))).size + OVERHEAD

    def fill(self, file_id: str, data: Content) -> bool:
        file = self._files.get(file_id)
        if file is None or file.data is not None:
            return False
        assert len(data) == file.size, "The place that was kept is as large as the data."
        self._files[file_id] = dataclasses.replace(file, data=data)
        return True

    def get(self, file_id: str) -> StoredFile | None:
        return self._files.get(file_id)
