"""Measures what the pytest plugin costs, beside pytest-httpserver's and moto: `python benchmarks/plugin.py`.

    python benchmarks/plugin.py [--rounds 9] [--check]

Each figure comes from fresh processes with no plugins but the one that is measured, the contenders in turn in each
round; an import is measured on the processor, everything else on the wall. Prints a table; exits 0; with --check 1 when
one of understudy's goals is missed. Needs the dependency group `bench`.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

TESTS = 200
MANY = 400
GOALS = {"import": 5.0, "fixture": 0.2, "stop": 20.0}
"""Milliseconds that understudy may take."""

# What a run of pytest does with a plugin, as it does it: imports and registers it, parses the options, configures it.
IMPORT = """
import sys, time
from _pytest.config import get_config
config, name = get_config([]), sys.argv[1]
start = time.process_time()
config.pluginmanager.import_plugin(name)
taken = time.process_time() - start
config.parse(["-p", "no:cacheprovider", "."])
configure = getattr(config.pluginmanager.get_plugin(name), "pytest_configure", None)
start = time.process_time()
if configure is not None:
    configure(config)
print(taken + time.process_time() - start)
"""

IMPORT_ALONE = """
import sys, time
start = time.process_time()
__import__(sys.argv[1])
print(time.process_time() - start)
"""

CONFTEST = """
import json
SEEN = []

def pytest_runtest_logreport(report):
    SEEN.append((report.when, report.duration, report.outcome))

def pytest_unconfigure(config):
    with open("seen.json", "w") as file:
        json.dump(SEEN, file)
"""

HEAD = """
import httpx, pytest
CLIENT = httpx.Client(trust_env=False)
MODEL = "/api/v3/bytedance/seedream-v4/edit-sequential"
INPUTS = {"prompt": "A shoe", "images": ["https://example.com/shoe.png"]}

@pytest.fixture
def nothing():
    yield
"""

UNDERSTUDY = """
def submit(mock):
    headers = {"Authorization": "Bearer " + mock.api_key}
    answer = CLIENT.post(mock.base_url + MODEL, json=INPUTS, headers=headers)
    return answer.json()["data"]["id"]

def poll(mock, job_id):
    headers = {"Authorization": "Bearer " + mock.api_key}
    answer = CLIENT.get(f"{mock.base_url}/api/v3/predictions/{job_id}/result", headers=headers)
    return answer.json()["data"]["status"]

def work(mock):
    poll(mock, submit(mock))
"""

HTTPSERVER = """
def work(server):
    path = "/api/v3/predictions/1/result"
    server.expect_request(MODEL, method="POST").respond_with_json({"data": {"id": "1"}})
    server.expect_request(path).respond_with_json({"data": {"status": "completed"}})
    CLIENT.post(server.url_for(MODEL), json=INPUTS).json()
    CLIENT.get(server.url_for(path)).json()
"""

MOTO = """
import boto3, moto

@pytest.fixture
def aws():
    with moto.mock_aws():
        yield boto3.client("sqs", "us-east-1", aws_access_key_id="a", aws_secret_access_key="b")

def work(aws):
    url = aws.create_queue(QueueName="jobs")["QueueUrl"]
    aws.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])
"""

SPREAD = """
@pytest.mark.parametrize("number", range({many}))
def test_it(mock_wavespeed, number):
    mock_wavespeed.clock.set("manual")
    job_id = submit(mock_wavespeed)
    assert poll(mock_wavespeed, job_id) == "created"
    mock_wavespeed.advance(30)
    assert poll(mock_wavespeed, job_id) == "completed"
    assert [job.id for job in mock_wavespeed.jobs] == [job_id]
    assert [one.job for one in mock_wavespeed.journal] == [job_id] * 3
"""


@dataclass(frozen=True, slots=True)
class Contender:
    """`fixture` is what each test asks for; `plugin` the module that pytest loads, None where there is none; `module`
    what is imported by whoever uses it, where that is no plugin's affair."""

    name: str
    fixture: str
    head: str
    plugin: str | None = None
    module: str | None = None


NOTHING = Contender("no plugin", "nothing", HEAD + "def work(nothing): pass\n")
OURS = Contender("understudy", "mock_wavespeed", HEAD + UNDERSTUDY, plugin="understudy.fixtures.plugin")
OTHERS = (
    Contender("pytest-httpserver", "httpserver", HEAD + HTTPSERVER, plugin="pytest_httpserver.pytest_plugin"),
    Contender("moto", "aws", HEAD + MOTO, module="moto"),
)
ALL = (NOTHING, OURS, *OTHERS)


@dataclass(frozen=True, slots=True)
class Run:
    """What one run's tests took, in milliseconds: the first one's beginning, the end of the last, and of all between
    the median of what goes before and after a test, and of the test itself."""

    first: float
    last: float
    around: float
    inside: float


def child(folder: Path, *arguments: str) -> str:
    # What Python compiles is kept, as it is for people, and not in the tree.
    kept = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONPYCACHEPREFIX": str(folder / "compiled")}
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"} | kept
    done = subprocess.run(
        [sys.executable, *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        sys.exit(f"{arguments[:4]} failed:\n{done.stdout}\n{done.stderr}")
    return done.stdout


def import_ms(folder: Path, contender: Contender) -> float:
    if contender.plugin is not None:
        return float(child(folder, "-c", IMPORT, contender.plugin)) * 1000
    return 0.0 if contender.module is None else float(child(folder, "-c", IMPORT_ALONE, contender.module)) * 1000


def run(folder: Path, contender: Contender, body: str) -> Run:
    """One run of TESTS tests with this body."""
    (folder / "conftest.py").write_text(CONFTEST)
    test = f"def test_it({contender.fixture}, number):\n    {body}\n"
    (folder / "test_it.py").write_text(f"{contender.head}\n@pytest.mark.parametrize('number', range({TESTS}))\n{test}")
    plugin = [] if contender.plugin is None else ["-p", contender.plugin]
    child(folder, "-m", "pytest", "-q", "-p", "no:cacheprovider", *plugin, "test_it.py")
    seen: list[tuple[str, float, str]] = json.loads((folder / "seen.json").read_text())
    setups, calls, teardowns = (
        [1000 * duration for when, duration, _ in seen if when == phase] for phase in ("setup", "call", "teardown")
    )
    around = [before + after for before, after in zip(setups[1:-1], teardowns[1:-1], strict=True)]
    return Run(setups[0], teardowns[-1], median(around), median(calls[1:-1]))


def spread(folder: Path, workers: int) -> float:
    """Seconds for MANY tests of ours that submit, advance and read, in so many workers; 0 for none."""
    (folder / "conftest.py").write_text("")
    (folder / "test_it.py").write_text(OURS.head + SPREAD.format(many=MANY))
    assert OURS.plugin is not None
    xdist = ["-p", "xdist", "-n", str(workers)] if workers else []
    start = time.perf_counter()
    shown = child(folder, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", OURS.plugin, *xdist, "test_it.py")
    taken = time.perf_counter() - start
    assert f"{MANY} passed" in shown, shown
    return taken


def told(values: Sequence[float], less: float = 0.0) -> str:
    """The median and the extremes, less what the same takes with nothing."""
    middle, low, high = (value - less for value in (median(values), min(values), max(values)))
    digits = 2 if abs(middle) < 10 else 0
    return f"{middle:.{digits}f} ({low:.{digits}f} – {high:.{digits}f})"


def main() -> int:
    parser = argparse.ArgumentParser(description="The pytest plugin's costs beside those of others.")
    parser.add_argument("--rounds", type=int, default=9, help="rounds of all contenders (default 9)")
    parser.add_argument("--check", action="store_true", help="exit 1 when one of understudy's goals is missed")
    options = parser.parse_args()
    imports: dict[str, list[float]] = {one.name: [] for one in ALL}
    empty: dict[str, list[Run]] = {one.name: [] for one in ALL}
    working: dict[str, list[Run]] = {one.name: [] for one in ALL}
    wall: dict[int, list[float]] = {0: [], 4: []}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for one in ALL:  # once for nothing: what is compiled is there from now on
            import_ms(folder, one)
            run(folder, one, f"work({one.fixture})")
        for _ in range(options.rounds):
            for one in ALL:
                imports[one.name].append(import_ms(folder, one))
                empty[one.name].append(run(folder, one, "pass"))
                working[one.name].append(run(folder, one, f"work({one.fixture})"))
        for _ in range(min(3, options.rounds)):
            for workers, seconds in wall.items():
                seconds.append(spread(folder, workers))
    bare = {field: median(getattr(run, field) for run in empty[NOTHING.name]) for field in ("first", "last", "around")}
    print(f"Median (lowest – highest) of {options.rounds} rounds, in milliseconds.\n")
    print("| | to import | first test | each test | two exchanges | to stop |\n|---|---:|---:|---:|---:|---:|")
    for one in (OURS, *OTHERS):
        cells = [
            told(imports[one.name]),
            told([run.first for run in empty[one.name]], bare["first"]),
            told([run.around for run in empty[one.name]], bare["around"]),
            told([run.inside for run in working[one.name]]),
            told([run.last for run in empty[one.name]], bare["last"]),
        ]
        print(f"| {one.name} | {' | '.join(cells)} |")
    for workers, seconds in wall.items():
        how = f"pytest -n {workers}" if workers else "pytest"
        print(f"\n`{how}`, {MANY} tests that submit, advance and read: {told(seconds)} s in all.")
    ours = {
        "import": median(imports[OURS.name]),
        "fixture": median(run.around for run in empty[OURS.name]) - bare["around"],
        "stop": median(run.last for run in empty[OURS.name]) - bare["last"],
    }
    missed = [
        f"{goal}: {ours[goal]:.2f} ms, at most {most:g} allowed" for goal, most in GOALS.items() if ours[goal] > most
    ]
    print("\n".join(missed), file=sys.stderr)
    return 1 if options.check and missed else 0


if __name__ == "__main__":
    sys.exit(main())
