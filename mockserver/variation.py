"""Chance for drawings: numbers that follow from a text alone, and so are the same everywhere."""

from dataclasses import dataclass
from hashlib import blake2b


@dataclass(frozen=True, slots=True)
class Variation:
    """Named numbers: `pick("sun", 4)` is the same number below 4 for the same source, whatever else was picked."""

    source: str

    def pick(self, name: str, below: int) -> int:
        return int.from_bytes(self.bytes(name)[:6]) % below

    def bytes(self, name: str) -> bytes:
        """64 bytes."""
        return blake2b(f"{self.source}\0{name}".encode()).digest()
