"""How much a tenant may ask for at a time: images a minute, and jobs that run at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from understudy.contracts import catalogue
from understudy.mockserver.settings import Settings, SettingsError
from understudy.mockserver.switches import Switches


@dataclass(frozen=True, slots=True)
class Limits:
    """`images` are those asked for in one minute, `capacity` is how many jobs run at once; None for no limit."""

    images: int | None = None
    capacity: int | None = None


UNLIMITED = Limits()


def limits_of(provider: str, settings: Settings, switches: Switches) -> Limits:
    """The limits of a provider's every tenant. Raises SettingsError for a level that does not exist."""
    if provider == "runcomfy":
        return Limits(capacity=settings.capacity)
    if settings.level is None:
        return UNLIMITED
    chosen = switches["wavespeed.levels"]
    levels: Any = catalogue.switch("wavespeed.levels").readings[chosen].data
    if settings.level not in levels:
        raise SettingsError(
            f"level: there is no level {settings.level!r} while wavespeed.levels is {chosen}: expected one of "
            f"{', '.join(levels)}, or another reading of that switch."
        )
    return Limits(images=levels[settings.level]["images"], capacity=levels[settings.level]["concurrent"])
