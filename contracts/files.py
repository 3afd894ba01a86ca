"""The JSON files beside this module, read when asked for."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from understudy.contracts.models import check_provider

# importlib.resources would find them in an archive too, where nothing else of this works; it costs 4 ms of each start.
_FOLDER = Path(__file__).parent


def load(path: str) -> Any:
    # Imported late: it costs more than all the rest of the catalogue.
    import orjson

    return orjson.loads(_FOLDER.joinpath(path).read_bytes())


def listed(provider: str, folder: str) -> Iterator[tuple[str, Any]]:
    """The name, without its ending, and the content of each file in one of a provider's folders, by name."""
    for name in names(provider, folder):
        yield name, load(f"{provider}/{folder}/{name}.json")


def names(provider: str, folder: str) -> list[str]:
    check_provider(provider)
    files = (file.name for file in _FOLDER.joinpath(provider, folder).iterdir())
    return sorted(name.removesuffix(".json") for name in files if name.endswith(".json"))
