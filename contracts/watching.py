"""A watchdog: what does not come to an end is a finding, and not a suite that hangs."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any


class Endless(Exception):
    """A call that had not returned when its time was up."""


def within(seconds: float, call: Callable[[], Any]) -> Any:
    """What a call returns or raises, in a thread of its own. Raises Endless when its time is up; it then goes on
    unheard, since no thread can be ended from outside."""
    outcome: list[tuple[Any, BaseException | None]] = []

    def work() -> None:
        try:
            outcome.append((call(), None))
        except BaseException as error:  # whatever it is, it is the caller's
            outcome.append((None, error))

    thread = threading.Thread(target=work, name="client", daemon=True)
    thread.start()
    thread.join(seconds)
    if not outcome:
        raise Endless
    value, error = outcome[0]
    if error is not None:
        raise error
    return value
