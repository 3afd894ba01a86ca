"""The JSON files beside this module, read when asked for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from understudy.contracts.models import check_provider

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable


def load(path: str) -> Any:
    # Imported late: together they cost more than all the rest of the catalogue.
    import orjson

    return orjson.loads(_folder().joinpath(path).read_bytes())


def listed(provider: str, folder: str) -> Iterator[tuple[str, Any]]:
    """The name, without its ending, and the content of each file in one of a provider's folders, by name."""
    for name in names(provider, folder):
        yield name, load(f"{provider}/{folder}/{name}.json")


def names(provider: str, folder: str) -> list[str]:
    check_provider(provider)
    files = (file.name for file in _folder().joinpath(provider, folder).iterdir())
    return sorted(name.removesuffix(".json") for name in files if name.endswith(".json"))


def _folder() -> Traversable:
    from importlib.resources import files

    return files("understudy.contracts")
