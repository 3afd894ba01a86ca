"""A contender's process: started on its core, measured from outside, ended with all that it started."""

import os
import queue
import shlex
import signal
import socket
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
    """`job_id` names the job that was submitted first."""

    origin: str
    start_seconds: float
    idle_bytes: int
    session: int
    job_id: str

    def usage(self) -> Usage:
        return usage(self.session)


@contextmanager
def running(contender: Contender, core: int) -> Iterator[Running]:
    """Start `contender` pinned to `core`, wait for its first answer, and end it whatever happens."""
    port = free_port()
    argv = [word.replace("{port}", str(port)) for word in contender.argv]
    port_given = argv != list(contender.argv)
    spawned = time.perf_counter()
    try:
        process = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            # Rivals write a line there for each request; ours says there what is wrong.
            stderr=subprocess.DEVNULL if port_given else None,
            # A start is measured as users have it from the second on.
            env={name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"},
            text=True,
            # A session of its own: what it starts is measured and ended with it, and Ctrl-C reaches it only through us.
            start_new_session=True,
            preexec_fn=lambda: os.sched_setaffinity(0, {core}),
        )
    except OSError as error:
        raise CannotMeasure(f"{contender.name} cannot be started: {error}") from error
    try:
        deadline = spawned + START_SECONDS
        if port_given:
            origin = f"http://127.0.0.1:{port}"
            threading.Thread(target=swallow, args=(process.stdout,), daemon=True).start()
            await_port(contender, process, port, deadline)
        else:
            origin = announced(contender, process, deadline)
        answer = submit_once(contender, origin)
        start_seconds = time.perf_counter() - spawned
        job_id = contender.id_in(answer)
        if job_id is None:
            raise CannotMeasure(f"{contender.name} named no {contender.id_key} in its first answer: {answer[:300]}")
        time.sleep(SETTLE_SECONDS)
        yield Running(origin, start_seconds, usage(process.pid).resident_bytes, process.pid, job_id)
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


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def await_port(contender: Contender, process: subprocess.Popen[str], port: int, deadline: float) -> None:
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError as error:
            if process.poll() is not None:
                raise CannotMeasure(f"{contender.name} ended before it listened on port {port}.") from error
            if time.perf_counter() > deadline:
                raise CannotMeasure(f"{contender.name} did not listen within {START_SECONDS:g} s.") from error
            time.sleep(0.002)


def swallow(stdout: IO[str]) -> None:
    with stdout:
        for _ in stdout:
            pass


def pass_on(stdout: IO[str], lines: "queue.SimpleQueue[str | None]") -> None:
    with stdout:
        for line in stdout:
            lines.put(line)
    lines.put(None)


def submit_once(contender: Contender, origin: str) -> str:
    """The answer to one submit."""
    headers = dict(header.split(": ", 1) for header in contender.submit_headers)
    request = urllib.request.Request(origin + contender.submit_path, contender.submit_body.encode(), headers)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=START_SECONDS) as answer:
            text: str = answer.read().decode()
            return text
    except urllib.error.HTTPError as error:
        said = error.read(300).decode(errors="replace")
        raise CannotMeasure(f"{contender.name} answered its first submit with {error.code}: {said}") from error
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
