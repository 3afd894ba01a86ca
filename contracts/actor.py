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
        self.tells: frozenset[str] = _parts(client)
        self.errors: tuple[type[Exception], ...] = _own_errors(client)
        self.said: list[str] = []
        self._stuck = False

    def call(self, name: str, *arguments: Any) -> Told:
        """Raises Broken for an exception that is none of the client's own, and Stuck for a call that does not end."""
        asked = f"{name}({', '.join(map(_shown, arguments))})"
        try:
            told = Told(within(self._patience, lambda: getattr(self._client, name)(*arguments)), None)
        except Endless:
            self.said.append(f"client.{asked} did not end")
            self._stuck = True
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
        if told.error is None:
            _check_shape(name, told.value)
        self.said.append(f"client.{asked} {told}")
        return told

    def close(self) -> None:
        """Raises Unable when that fails, or does not end though nothing else of the client's was stuck before."""
        close = getattr(self._client, "close", None)
        if close is None:
            return
        try:
            within(self._patience, close)
        except Endless:
            if not self._stuck:
                raise Unable(f"The adapter's close had not come to an end after {self._patience:g} s.") from None
        except Unable:
            raise
        except (Exception, SystemExit) as error:
            raise Unable(f"The adapter's close raised {_named(error)}.") from error


def _check_shape(name: str, value: Any) -> None:
    """Raises Unable for a value that no client can have meant: its adapter is wrong."""
    if not isinstance(value, SHAPES[name]):
        expected = SHAPES[name][0].__name__
        raise Unable(f"The adapter's {name} returned {value!r}; expected a value of type {expected}.")
    if isinstance(value, Result):
        for part, kind in (("state", State), ("outputs", tuple), ("flags", tuple), ("error", str)):
            told = getattr(value, part)
            if not isinstance(told, kind):
                raise Unable(
                    f"The adapter's {name} returned a Result whose {part} is {told!r}; expected a value of type "
                    f"{kind.__name__}."
                )


def _parts(client: Any) -> frozenset[str]:
    told = getattr(client, "tells", PARTS)
    if not isinstance(told, set | frozenset | tuple | list) or not PARTS.issuperset(told):
        raise Unable(f"The adapter's `tells` are {told!r}; expected a set of some of {', '.join(sorted(PARTS))}.")
    return frozenset(told)


def _own_errors(client: Any) -> tuple[type[Exception], ...]:
    if not hasattr(client, "errors"):
        raise Unable(
            f"The adapter {type(client).__name__} has no attribute `errors`: name the exceptions that its client "
            "documents, as in `errors = (MyClientError,)`."
        )
    errors = client.errors
    if not isinstance(errors, tuple | list) or not all(_is_exception(kind) for kind in errors):
        raise Unable(
            f"The adapter's `errors` are {errors!r}; expected a tuple of exceptions, as in `errors = (MyClientError,)`."
        )
    for kind in errors:
        for bug in BUGS:
            if issubclass(bug, kind):
                raise Unable(
                    f"The adapter's `errors` name {kind.__name__}, which {bug.__name__} is one of: that would take a "
                    "bug for an error of the client's own. Name the exceptions that the client documents."
                )
    return tuple(errors)


def _is_exception(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseException)


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
