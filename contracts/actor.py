"""A client under observation: what it is asked, what it says, and whether it comes to an end at all."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, NamedTuple

from understudy.contracts.client import PARTS, Crash, Result, State, Trouble, capabilities
from understudy.contracts.findings import Broken, Unable
from understudy.contracts.watching import Endless, within

BUGS = (ArithmeticError, AssertionError, AttributeError, LookupError, NameError, TypeError)
"""Exceptions that tell of a mistake in a program, so no client can mean them as its own."""

SHAPES: dict[str, tuple[type, ...]] = {
    "submit": (str,),
    "status": (State,),
    "result": (Result,),
    "cancel": (bool,),
    "run": (Result,),
    "upload": (str,),
    "webhook": (Result,),
}


class Stuck(Broken):
    """A call that did not come to an end: nothing to try again and again, each time costs as long."""


class Told(NamedTuple):
    """What a call came to: a value, or one of the client's own errors."""

    value: Any
    error: Exception | None

    @property
    def result(self) -> Result | None:
        return self.value if isinstance(self.value, Result) else None

    @property
    def succeeded(self) -> bool:
        return self.result is not None and self.result.state is State.SUCCEEDED

    @property
    def text(self) -> str:
        """What the user is told of a failure."""
        return str(self.error) if self.error is not None else self.result.error if self.result is not None else ""

    def __str__(self) -> str:
        if self.error is not None:
            return f"raised {_named(self.error)}"
        return f"returned {_shown(self.value)}"


class Actor:
    """One client. `patience` is how many seconds a call may take; `abandon` is called when one does not end."""

    def __init__(self, client: Any, patience: float, abandon: Callable[[], None]) -> None:
        self._client = client
        self._patience = patience
        self._abandon = abandon
        self.can = capabilities(client)
        self.tells: frozenset[str] = getattr(client, "tells", PARTS)
        self.errors: tuple[type[Exception], ...] = _own_errors(client)
        self.said: list[str] = []

    def call(self, name: str, *arguments: Any) -> Told:
        """Raises Broken for an exception that is none of the client's own, and Stuck for a call that does not end."""
        asked = f"{name}({', '.join(map(_shown, arguments))})"
        try:
            told = Told(within(self._patience, lambda: getattr(self._client, name)(*arguments)), None)
        except Endless:
            self.said.append(f"client.{asked} did not end")
            self._abandon()
            raise Stuck(f"{name} had not come to an end after {self._patience:g} s.") from None
        except self.errors as error:
            told = Told(None, error)
        except Unable:
            raise
        except (Exception, SystemExit) as error:
            self.said.append(f"client.{asked} raised {_named(error)}")
            own = ", ".join(kind.__name__ for kind in self.errors) or "it names none"
            if isinstance(error, Crash):
                raise Broken(f"{name} ended in a crash: {error}.") from error
            raise Broken(f"{name} raised {_named(error)}, which is none of the client's own errors ({own}).") from error
        self.said.append(f"client.{asked} {told}")
        if told.error is None and not isinstance(told.value, SHAPES[name]):
            expected = SHAPES[name][0].__name__
            raise Unable(f"The adapter's {name} returned {told.value!r}; expected a value of type {expected}.")
        return told

    def close(self) -> None:
        close = getattr(self._client, "close", None)
        if close is not None:
            close()


def _own_errors(client: Any) -> tuple[type[Exception], ...]:
    try:
        errors = tuple(client.errors)
    except AttributeError:
        raise Unable(
            f"The adapter {type(client).__name__} has no attribute `errors`: name the exceptions that its client "
            "documents, as in `errors = (MyClientError,)`."
        ) from None
    for kind in errors:
        for bug in BUGS:
            if issubclass(bug, kind):
                raise Unable(
                    f"The adapter's `errors` name {kind.__name__}, which {bug.__name__} is one of: that would take a "
                    "bug for an error of the client's own. Name the exceptions that the client documents."
                )
    return errors


def _named(error: BaseException) -> str:
    return str(error) if isinstance(error, Trouble | Crash) else f"{type(error).__name__}: {error}"


def _shown(value: Any) -> str:
    if isinstance(value, bytes):
        return f"{len(value)} bytes"
    if isinstance(value, Result):
        parts = {"outputs": list(value.outputs), "flags": list(value.flags), "error": value.error}
        return f"{value.state} " + json.dumps({name: part for name, part in parts.items() if part}, ensure_ascii=False)
    if isinstance(value, State):
        return str(value)
    return json.dumps(value, ensure_ascii=False, default=repr)
