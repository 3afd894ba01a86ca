"""The control API's calls about a tenant's clock."""

from __future__ import annotations

from typing import Any

from understudy.mockserver.clock import Clock, ClockMode, parse_clock
from understudy.mockserver.control_asked import Asked, Wrong, read_duration, read_integer, read_text
from understudy.mockserver.moments import format_second
from understudy.mockserver.store import Store
from understudy.mockserver.timekeeping import Passage, Timekeeper

MODES = ("real", "60x", "manual", "auto")
LATEST = 10**14
"""The latest instant that a clock is set to, about the year 5138."""


class ClockCalls:
    def __init__(self, store: Store, timekeeper: Timekeeper) -> None:
        self._store = store
        self._timekeeper = timekeeper

    async def show(self, asked: Asked) -> Any:
        now = await self._store.now(asked.tenant)
        return show_clock(await self._store.clock(asked.tenant), now)

    async def change(self, asked: Asked) -> Any:
        given = asked.fields("mode")
        if "mode" not in given:
            raise Wrong("mode", None, "Which mode? Give one, such as {'mode': 'manual'}.", MODES)
        try:
            mode = parse_clock(read_text("mode", given["mode"]))
        except ValueError as error:
            raise Wrong("mode", given["mode"], f"{error}.", MODES) from error
        now = await self._store.set_clock(
            asked.tenant, lambda clock, wall_now: clock.at_rate(mode.rate, wall_now, auto=mode.auto)
        )
        return show_clock(await self._store.clock(asked.tenant), now)

    async def advance(self, asked: Asked) -> Any:
        given = asked.fields("by", "to")
        if len(given) != 1:
            message = "How far? Give either 'by', a duration such as '30s', or 'to', milliseconds since 1970."
            raise Wrong("by", given.get("by"), message, ("by", "to"))
        if "by" in given:
            return show_passage(await self._timekeeper.advance(asked.tenant, read_duration("by", given["by"])))
        instant = read_integer("to", given["to"], 0, LATEST)
        try:
            return show_passage(await self._timekeeper.advance_to(asked.tenant, instant))
        except ValueError as error:
            message = f"{error} Time does not go back: reset this key, or use another one."
            raise Wrong("to", instant, message) from error

    async def idle(self, asked: Asked) -> Any:
        asked.fields()
        passage = await self._timekeeper.run_until_idle(asked.tenant)
        return {**show_passage(passage), "hanging": await self._timekeeper.hanging(asked.tenant)}


def show_clock(clock: Clock, now: int) -> dict[str, Any]:
    time = f"{format_second(now // 1000)}.{now % 1000:03}Z"
    return {"mode": str(ClockMode(clock.rate, clock.auto)), "now": now, "time": time}


def show_passage(passage: Passage) -> dict[str, Any]:
    events = [happening.shown() for happening in passage.happenings]
    return {"now": passage.now, "events": events, "notes": list(passage.notes)}
