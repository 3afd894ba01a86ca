"""A contender's process: started on its core, measured from outside, ended with all that it started."""

import os
import queue
import shlex
import signal
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from contender import Contender

START_SECONDS = 30.0
STOP_SECONDS = 5.0
SETTLE_SECONDS = 0.3
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


class CannotMeasure(Exception):
    """No figure can be given; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class Usage:
    """Of all processes of one session: seconds on the processor, in their own code and in the kernel's for them, and
    memory now in bytes."""

    own_seconds: float
    kernel_seconds: float
    resident_bytes: int


@dataclass(frozen=True, slots=True)
class Running:
    origin: str
    start_seconds: float
    idle_bytes: int
    session: int

    def usage(self) -> Usage:
        return usage(self.session)


@contextmanager
def running(contender: Contender, core: int) -> Iterator[Running]:
    """Start `contender` pinned to `core`, wait for its first answer, and end it whatever happens."""
    spawned = time.perf_counter()
    try:
        process = subprocess.Popen(
            contender.argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
            # A session of its own: what it starts is measured and ended with it, and Ctrl-C reaches it only through us.
            start_new_session=True,
            preexec_fn=lambda: os.sched_setaffinity(0, {core}),
        )
    except OSError as error:
        raise CannotMeasure(f"{contender.name} cannot be started: {error}") from error
    try:
        origin = announced(contender, process, spawned + START_SECONDS)
        submit_once(contender, origin)
        start_seconds = time.perf_counter() - spawned
        time.sleep(SETTLE_SECONDS)
        yield Running(origin, start_seconds, usage(process.pid).resident_bytes, process.pid)
    finally:
        end(process)


def announced(contender: Contender, process: subprocess.Popen[str], deadline: float) -> str:
    assert process.stdout is not None
    lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
    # Reads to the end, so that a talkative server never waits for us.
    threading.Thread(target=pass_on, args=(process.stdout, lines), daemon=True).start()
    while True:
        try:
            line = lines.get(timeout=max(0.0, deadline - time.perf_counter()))
        except queue.Empty:
            raise CannotMeasure(f"{contender.name} did not say within {START_SECONDS:g} s where it listens.") from None
        if line is None:
            raise CannotMeasure(f"{contender.name} did not say where it listens: {shlex.join(contender.argv)}")
        if origin := contender.address(line):
            return origin


def pass_on(stdout: IO[str], lines: "queue.SimpleQueue[str | None]") -> None:
    with stdout:
        for line in stdout:
            lines.put(line)
    lines.put(None)


def submit_once(contender: Contender, origin: str) -> None:
    headers = {"Authorization": "Bearer bench", "Content-Type": "application/json"}
    request = urllib.request.Request(origin + contender.submit_path, contender.submit_body.encode(), headers)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=START_SECONDS):
            pass
    except urllib.error.HTTPError as error:
        text = error.read(300).decode(errors="replace")
        raise CannotMeasure(f"{contender.name} answered its first submit with {error.code}: {text}") from error
    except OSError as error:
        raise CannotMeasure(f"{contender.name} did not answer its first submit: {error}") from error


def usage(session: int) -> Usage:
    own = kernel = pages = 0
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            # The command's name, in brackets, may hold anything; after it come `state` and numbers: proc(5), from 3 on.
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[3]) == session:
            own += int(fields[11])
            kernel += int(fields[12])
            pages += int(fields[21])
    return Usage(own / TICKS_PER_SECOND, kernel / TICKS_PER_SECOND, pages * PAGE_BYTES)


def end(process: subprocess.Popen[str]) -> None:
    """The process that we started and its group: politely, then not."""
    try:
        os.killpg(process.pid, signal.SIGTERM)
        deadline = time.monotonic() + STOP_SECONDS
        # WNOWAIT: until it is reaped its id, which is also the group's, cannot pass to somebody else's process.
        while time.monotonic() < deadline and not os.waitid(
            os.P_PID, process.pid, os.WEXITED | os.WNOWAIT | os.WNOHANG
        ):
            time.sleep(0.01)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
