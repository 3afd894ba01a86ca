"""Measures how fast `understudy serve` hands out an image it keeps, against stock uvicorn and the same bytes.

    python benchmarks/serving.py [--rounds 5] [--seconds 3] [--check [--at-least 0.8]]

For each size, the two servers in turn (A B A B ...), afresh for each round and each alone on its core; `wrk` has the
other core. Prints a table; exits 0; with --check 1 when a median ratio is below --at-least; 2 when no figure can be
given, with the reason.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from bench import Bench, status_of
from contender import Contender
from load import Load
from running import CannotMeasure, running

BENCHMARKS = Path(__file__).parent
SIZES = ("2560*2560", "4096*4096")
FASTEST = ("--queue-time", "0", "--run-time", "0", "--seed", "1")
UNDERSTUDY = Contender(
    "understudy", (str(Path(sys.executable).with_name("understudy")), "serve", "--port", "0", *FASTEST)
)
SMALLEST = 100_000
CONNECTIONS = 16
WARM_UP_SECONDS = 1
WRONG = ("status_errors", "connect_errors", "read_errors", "write_errors", "timeout_errors")


@dataclass(frozen=True, slots=True)
class Output:
    """An image of understudy's: where it is and what is there."""

    url: str
    data: bytes
    media_type: str


def main() -> int:
    parser = argparse.ArgumentParser(description="Cached images against the same bytes from stock uvicorn.")
    parser.add_argument("--rounds", type=int, default=5, help="rounds of both servers (default 5)")
    parser.add_argument("--seconds", type=int, default=3, help="of load per server and round (default 3)")
    parser.add_argument("--check", action="store_true", help="exit 1 when a median ratio is too low")
    parser.add_argument("--at-least", type=float, default=0.8, metavar="RATIO", help="for --check (default 0.8)")
    options = parser.parse_args()
    return status_of(lambda bench: measure(bench, options))


def measure(bench: Bench, options: argparse.Namespace) -> int:
    lowest = []
    print("| image | bytes | uvicorn req/s | understudy req/s | ratio | lowest – highest | p99 ms of both |")
    print("|---|---:|---:|---:|---:|---:|---:|")
    for size in SIZES:
        plain, ours, length = rounds_of(bench, size, options.rounds, options.seconds)
        pairs = zip(plain, ours, strict=True)
        ratios = [mine.requests_per_second / theirs.requests_per_second for theirs, mine in pairs]
        rates = [median(one.requests_per_second for one in each) for each in (plain, ours)]
        slowest = [median(one.p99_ms for one in each) for each in (plain, ours)]
        print(
            f"| {size} jpeg | {length:,} | {rates[0]:,.0f} | {rates[1]:,.0f} | {median(ratios):.2f} "
            f"| {min(ratios):.2f} – {max(ratios):.2f} | {slowest[0]:.1f}, {slowest[1]:.1f} |",
            flush=True,
        )
        lowest.append(median(ratios))
    if options.check and min(lowest) < options.at_least:
        print(f"The lowest ratio is {min(lowest):.2f}; at least {options.at_least:g} is wanted.", file=sys.stderr)
        return 1
    return 0


def rounds_of(bench: Bench, size: str, rounds: int, seconds: int) -> tuple[list[Load], list[Load], int]:
    """The figures of stock uvicorn and of understudy, one each a round, and the image's length in bytes."""
    plain: list[Load] = []
    ours: list[Load] = []
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "image"
        for _ in range(rounds):
            with running(UNDERSTUDY, bench.server_core) as server:
                output = drawn(server.origin, size)
                ours.append(fetches(bench.wrk, output.url, output.data, seconds))
            file.write_bytes(output.data)
            uvicorn = Contender("uvicorn", (sys.executable, str(BENCHMARKS / "plain.py"), str(file), output.media_type))
            with running(uvicorn, bench.server_core) as server:
                plain.append(fetches(bench.wrk, server.origin + "/image", output.data, seconds))
    return plain, ours, len(output.data)


def drawn(origin: str, size: str) -> Output:
    """The first image of a new job, drawn and so kept."""
    body = {"prompt": "One city bike in front of a lighthouse", "size": size}
    job = call("POST", origin + UNDERSTUDY.submit_path, body)["data"]
    while job["status"] != "completed":
        time.sleep(0.01)
        job = call("GET", job["urls"]["get"])["data"]
    with urllib.request.urlopen(job["outputs"][0], timeout=30) as answer:
        output = Output(job["outputs"][0], answer.read(), answer.headers["content-type"])
    if len(output.data) < SMALLEST:
        raise CannotMeasure(f"The image of {size} has {len(output.data)} bytes; {SMALLEST} or more are wanted.")
    return output


def call(method: str, url: str, body: dict[str, Any] | None = None) -> Any:
    headers = {"Authorization": "Bearer bench", "Content-Type": "application/json"}
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(urllib.request.Request(url, data, headers, method=method), timeout=30) as answer:
        return json.load(answer)


def fetches(wrk: str, url: str, data: bytes, seconds: int) -> Load:
    load(wrk, url, data, WARM_UP_SECONDS)
    return load(wrk, url, data, seconds)


def load(wrk: str, url: str, data: bytes, seconds: int) -> Load:
    command = [wrk, "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "-s", str(BENCHMARKS / "fetch.lua"), url]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 30, check=False)
    last = ran.stdout.splitlines()[-1] if ran.stdout else ""
    if ran.returncode != 0 or not last.startswith("{"):
        raise CannotMeasure(f"wrk gave no figures for {url}: {ran.stderr or ran.stdout}")
    figures: dict[str, int] = json.loads(last)
    wrong = [f"{figures[name]} {name}" for name in WRONG if figures[name]]
    if wrong or not figures["requests"]:
        raise CannotMeasure(f"{url} gets no figure: {', '.join(wrong) or 'no answer'}.")
    # A head has a few hundred bytes; of the last answer on each connection wrk may have seen a part.
    surplus = figures["bytes"] - figures["requests"] * len(data)
    if not 0 <= surplus < figures["requests"] * 1000 + CONNECTIONS * len(data):
        raise CannotMeasure(f"{url} gets no figure: {figures['requests']} answers of {figures['bytes']} bytes in all.")
    taken = figures["duration_us"] / 1e6
    return Load(figures["requests"] / taken, figures["p50_us"] / 1000, figures["p99_us"] / 1000, taken)


if __name__ == "__main__":
    sys.exit(main())
