"""A client behind a command, in whatever language: JSON lines over its standard input and output."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import shlex
import signal
import subprocess
from base64 import b64encode
from collections.abc import Callable, Mapping
from typing import Any

from understudy.contracts.client import CAPABILITIES, PARTS, Account, Crash, Result, State, Trouble
from understudy.contracts.findings import Unable
from understudy.contracts.watching import Endless, within

PROTOCOL = 1
GRACE = 5.0
"""Seconds that a command has to end by itself once its input is closed."""

START = 20.0
"""Seconds that a command has to answer hello: some are compiled first."""


class Command:
    """A factory of clients that live in one process, one after the other: `Command("node adapter.mjs")`.

    Raises Unable when the command cannot be started or does not speak the protocol of docs/client-protocol.md.
    """

    def __init__(self, command: str, *, grace: float = GRACE, start: float = START) -> None:
        self.command = command
        self._grace = grace
        self._patience = start
        self._numbers = itertools.count(1)
        self._process = self._start()
        self.providers = self._greet()

    def __repr__(self) -> str:
        """As it is written in a test that repeats a break."""
        return f"Command({self.command!r})"

    def __call__(self, account: Account) -> CommandClient:
        if self.ended:  # it crashed under the client before
            self.abandon()
        answer = self.ask("open", account=account._asdict())
        wrong = f"{self.command!r} answered open with {_short(answer)}"
        if not isinstance(answer, Mapping):
            raise Unable(f"{wrong}; expected an object with its capabilities. {_SEE}")
        for name, known in (("capabilities", CAPABILITIES), ("tells", sorted(PARTS))):
            told = answer.get(name, [])
            if not _are_texts(told):
                raise Unable(f"{wrong}; expected {name} as an array of texts. {_SEE}")
            unknown = set(told) - set(known)
            if unknown:
                what = "capability" if name == "capabilities" else "part of a result"
                raise Unable(f"{wrong}; there is no {what} {min(unknown)!r}, only {', '.join(known)}.")
        return CommandClient(self.ask, answer)

    @property
    def ended(self) -> bool:
        return self._process.poll() is not None

    def ask(self, call: str, **arguments: Any) -> Any:
        """What the command answers. Raises Trouble and Crash as the client does, Crash too when the process ends."""
        number = next(self._numbers)
        line = json.dumps({"id": number, "call": call, **arguments})
        process = self._process  # whoever waits for this one goes on doing so when it is abandoned
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(f"{line}\n")
            process.stdin.flush()
            answered = process.stdout.readline()
        except (BrokenPipeError, ValueError):
            answered = ""
        if not answered:
            status = process.wait()
            process.stdout.close()
            raise Crash(f"{self.command!r} ended with status {status} when it was asked to {call}")
        return self._read(number, call, answered)

    def abandon(self) -> None:
        """Ends a process that does not answer, and starts another."""
        self._end()
        self._process = self._start()
        self._greet()

    def close(self) -> None:
        """Closes the command's input, upon which it should end; ends it otherwise."""
        assert self._process.stdin is not None
        try:
            with contextlib.suppress(BrokenPipeError, subprocess.TimeoutExpired):
                self._process.stdin.close()
                self._process.wait(self._grace)
        finally:
            self._kill()

    def _start(self) -> subprocess.Popen[str]:
        try:
            words = shlex.split(self.command)
            if not words:
                raise ValueError("it is empty")
            return subprocess.Popen(
                words,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                encoding="utf-8",
                errors="backslashreplace",  # what is no UTF-8 is no JSON then, and can be quoted
                bufsize=1,
                start_new_session=True,  # so that it ends with all that it starts; Windows has none
            )
        except (OSError, ValueError) as error:
            raise Unable(f"{self.command!r} cannot be started: {error}.") from error

    def _greet(self) -> tuple[str, ...]:
        try:
            hello = within(self._patience, lambda: self.ask("hello"))
            if not isinstance(hello, Mapping) or hello.get("protocol") != PROTOCOL:
                raise Unable(
                    f"{self.command!r} answered hello with {_short(hello)}; expected protocol {PROTOCOL}. {_SEE}"
                )
            if not _are_texts(hello.get("providers")):
                raise Unable(f"{self.command!r} does not say which providers its client is for. {_SEE}")
            return tuple(hello["providers"])
        except Endless:
            self._end()
            raise Unable(f"{self.command!r} did not answer hello within {self._patience:g} s. {_SEE}") from None
        except (Trouble, Crash) as error:
            self._kill()
            raise Unable(f"{error}. {_SEE}") from error
        except Unable:
            self._kill()
            raise
        except KeyboardInterrupt:
            self._end()
            raise

    def _end(self) -> None:
        """Ends a process from which somebody still waits for an answer, who then closes the other end."""
        assert self._process.stdin is not None
        self._kill_all()
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()

    def _kill(self) -> None:
        """Ends the process, and lets go of its ends of the pipes."""
        self._kill_all()
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            with contextlib.suppress(BrokenPipeError):
                pipe.close()

    def _kill_all(self) -> None:
        """Ends the process and what it has started, which may have outlived it: a shell's child, or npm's."""
        if hasattr(os, "killpg"):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)
        self._process.kill()
        self._process.wait()

    def _read(self, number: int, call: str, answered: str) -> Any:
        wrong = f"{self.command!r} answered {call} with {_short(answered.strip())}"
        try:
            answer = json.loads(answered)
        except ValueError:
            raise Unable(f"{wrong}, which is not JSON: only answers belong on standard output. {_SEE}") from None
        if not isinstance(answer, dict) or answer.get("id") != number or not {"value", "error"} & set(answer):
            raise Unable(f"{wrong}; expected the id {number}, and a value or an error. {_SEE}")
        if "error" in answer:
            error = answer["error"]
            if not isinstance(error, Mapping):
                raise Unable(f"{wrong}; expected an error as an object, and none beside a value. {_SEE}")
            told = f"{error.get('type', 'Error')}: {error.get('message', '')}"
            raise (Trouble if error.get("own") else Crash)(told)
        return answer["value"]


_SEE = "See docs/client-protocol.md."


class CommandClient:
    """One client in a command's process, with those methods that it says it has."""

    errors = (Trouble,)

    def __init__(self, ask: Callable[..., Any], opened: Mapping[str, Any]) -> None:
        self.tells = frozenset(opened.get("tells", PARTS))
        methods: dict[str, Callable[..., Any]] = {
            "submit": lambda model, inputs: ask("submit", model=model, inputs=inputs),
            "status": lambda job: _state(ask("status", job=job)),
            "result": lambda job: _result(ask("result", job=job)),
            "cancel": lambda job: ask("cancel", job=job),
            "run": lambda model, inputs: _result(ask("run", model=model, inputs=inputs)),
            "upload": lambda name, data: ask("upload", name=name, data=b64encode(data).decode()),
            "webhook": lambda headers, body, secret: _result(
                ask("webhook", headers=headers, body=body.decode(), secret=secret)
            ),
        }
        for name in opened.get("capabilities", ()):
            setattr(self, name, methods[name])


def _state(told: Any) -> State:
    try:
        return State(told)
    except ValueError:
        raise Unable(f"a state is one of {', '.join(State)}; the command said {_short(told)}. {_SEE}") from None


def _result(told: Any) -> Result:
    if not isinstance(told, Mapping):
        raise Unable(f"a result is an object; the command said {_short(told)}. {_SEE}")
    outputs, flags = told.get("outputs") or [], told.get("flags") or []
    if not isinstance(outputs, list) or not isinstance(flags, list):
        raise Unable(f"outputs and flags of a result are arrays; the command said {_short(told)}. {_SEE}")
    return Result(
        state=_state(told.get("state")),
        outputs=tuple(outputs),
        flags=tuple(flags),
        error=str(told.get("error") or ""),
    )


def _are_texts(told: Any) -> bool:
    return isinstance(told, list) and all(isinstance(one, str) for one in told)


def _short(told: Any) -> str:
    text = told if isinstance(told, str) else json.dumps(told)
    return text if len(text) <= 200 else f"{text[:200]}…"
