"""Uploaded files, and where a process keeps them: bounded in bytes, the oldest go first."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import NamedTuple

Content = bytes | bytearray

OVERHEAD = 1_024
"""What a file counts beyond its bytes, and a place that is not filled counts altogether: both are bounded too."""


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
    """Files by id, of `bound` bytes together: the oldest make room. A file's bytes count once they are here, so that
    what somebody merely announces takes no room from anybody."""

    def __init__(self, bound: int) -> None:
        self._bound = bound
        self._size = 0
        self._files: dict[str, StoredFile] = {}

    def put(self, file: StoredFile) -> None:
        self._files[file.id] = file
        self._size += _counts(file)
        while self._size > self._bound and self._files:
            self._size -= _counts(self._files.pop(next(iter(self._files))))

    def fill(self, file_id: str, data: Content) -> bool:
        """Gives a place its data, from when on it is the newest file. False when there is no such place any more."""
        file = self._files.get(file_id)
        if file is None or file.data is not None:
            return False
        assert len(data) == file.size, "The place that was kept is as large as the data."
        self._size -= _counts(self._files.pop(file_id))
        self.put(dataclasses.replace(file, data=data))
        return True

    def clear(self, tenant: str) -> None:
        """Drops all that one tenant has."""
        for file in [file for file in self._files.values() if file.tenant == tenant]:
            self._size -= _counts(self._files.pop(file.id))

    def get(self, file_id: str) -> StoredFile | None:
        return self._files.get(file_id)


def _counts(file: StoredFile) -> int:
    return OVERHEAD if file.data is None else file.size + OVERHEAD
