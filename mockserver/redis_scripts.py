"""The scripts that the shared store runs, made of this folder's Lua files: one operation is one step of one script."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha1
from importlib.resources import files
from typing import NamedTuple

TENANT = ("tenant", "exchange", "timeline", "money", "queue", "outbox", "jobs", "exchanges", "uploads", "operation")
"""The parts of the script for all that concerns one tenant, in their order."""


class Script(NamedTuple):
    """A script, and the digest that a server knows it by."""

    source: bytes
    sha: str

    @classmethod
    def of(cls, parts: tuple[str, ...], constants: Mapping[str, int | str]) -> Script:
        """The parts as one script, with the constants before them."""
        folder = files("understudy.mockserver")
        named = "".join(f"local {name} = {_lua(value)}\n" for name, value in constants.items())
        source = (named + "\n".join((folder / f"{part}.lua").read_text("utf-8") for part in parts)).encode()
        return cls(source, sha1(source, usedforsecurity=False).hexdigest())


def _lua(value: int | str) -> str:
    return f"'{value}'" if isinstance(value, str) else str(value)
