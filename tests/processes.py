"""Servers as processes of their own, to be stopped and killed."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

Process = subprocess.Popen[str]
COMMAND = (sys.executable, "-m", "understudy.mockserver", "serve", "--port", "0")
CLEAN = {name: value for name, value in os.environ.items() if not name.startswith("UNDERSTUDY_")}


class Started(NamedTuple):
    process: Process
    origin: str

    def line(self) -> str:
        """What it says next."""
        assert self.process.stdout is not None
        return self.process.stdout.readline()

    def complaint(self) -> str:
        """The next line that it complains with."""
        assert self.process.stderr is not None
        return self.process.stderr.readline()

    def end(self) -> int:
        self.process.terminate()
        return self.process.wait(20)


Start = Callable[..., Started]


@contextmanager
def starting() -> Iterator[Start]:
    """Starts servers with the arguments given, and sees to it that none is left."""
    started: list[Process] = []

    def start(*arguments: str) -> Started:
        process = subprocess.Popen(
            [*COMMAND, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=CLEAN
        )
        started.append(process)
        assert process.stdout is not None
        line = process.stdout.readline()
        match = re.fullmatch(r"Listening on (http://\S+:\d+)\n", line)
        assert match is not None, line or (process.stderr and process.stderr.read())
        return Started(process, match[1])

    try:
        yield start
    finally:
        for process in started:
            process.kill()
            process.communicate()


def is_running(process: int) -> bool:
    """Whether there is such a process: one that was ended is gone as soon as somebody has taken notice."""
    until = time.monotonic() + 5
    while time.monotonic() < until:
        try:
            os.kill(process, 0)
        except ProcessLookupError:
            return False
        time.sleep(0.01)
    return True
