"""The named switches: where sources contradict each other, one reading is the default and another can be assumed."""

from __future__ import annotations

from collections.abc import Mapping

from understudy.contracts import catalogue


def parse_switches(text: str) -> dict[str, str]:
    """`NAME[=VALUE]`, several with commas; a name alone means `on`. Raises ValueError with what exists."""
    chosen = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, equals, value = part.partition("=")
        chosen[name.strip()] = value.strip() if equals else "on"
    return check_switches(chosen)


def check_switches(chosen: Mapping[str, str]) -> dict[str, str]:
    """The same mapping, when every name and value exists; ValueError with what exists otherwise."""
    known = {switch.name: switch for switch in catalogue.switches()}
    for name, value in chosen.items():
        if name not in known:
            import difflib  # late, as wherever somebody errs

            near = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]!r}? " if near else ""
            raise ValueError(f"there is no switch {name!r}: {hint}`understudy switches` lists them all")
        if value not in known[name].values:
            allowed = ", ".join(known[name].values)
            raise ValueError(f"switch {name!r} has no value {value!r}: it takes {allowed}")
    return dict(chosen)


class Switches:
    """Every switch with its value: the chosen one, or the default."""

    def __init__(self, chosen: Mapping[str, str]) -> None:
        self._values = {switch.name: switch.default for switch in catalogue.switches()} | dict(chosen)

    def __getitem__(self, name: str) -> str:
        return self._values[name]

    def on(self, name: str) -> bool:
        return self._values[name] == "on"
