"""What a user could pick instead: each set up here, from PyPI and npm, into a folder that git ignores."""

import shutil
import subprocess
import sys
import venv
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from contender import JSON, KEY, Contender

BENCHMARKS = Path(__file__).parent
FILES = BENCHMARKS / "rivals"
CACHE = BENCHMARKS / ".rivals"
PACKAGES = CACHE / "node_modules"
MOTO = "moto[server]==5.2.5"
TEXTRACT = "/20260101/us-east-1/textract/aws4_request, SignedHeaders=host, Signature=0"


class Absent(Exception):
    """It cannot be measured here; the text says what is missing."""


def thin_go() -> Contender:
    go = found("go", "no Go toolchain on PATH")
    binary = CACHE / "thin-go"
    run([go, "build", "-o", str(binary), str(BENCHMARKS / "thin.go")])
    return Contender("Go by hand", (str(binary),))


def aimock() -> Contender:
    argv = (*node("@copilotkit/aimock/dist/cli.js"), "-p", "{port}", "-f", str(FILES / "aimock.json"))
    queue = "x-fal-target-host: queue.fal.run"
    return Contender(
        "aimock",
        argv,
        submit_path="/fal/fal-ai/bytedance/seedream/v4/edit",
        poll_path="/fal/fal-ai/bytedance/seedream/v4/edit/requests/{id}/status",
        submit_headers=(KEY, JSON, queue),
        poll_headers=(KEY, queue),
        id_key="request_id",
        lacks="another provider's queue (fal): no key asked, no inputs validated, jobs end by polls",
    )


def prism() -> Contender:
    argv = (*node("@stoplight/prism-cli/dist/index.js"), "mock", str(FILES / "prism.json"), "-p", "{port}", "--errors")
    return Contender("Prism", argv, polls_name_job=False, lacks="no jobs: each answer is the document's example")


def wiremock() -> Contender:
    java = found("java", "no Java on PATH")
    node_packages()
    jar = next((PACKAGES / "wiremock" / "build").glob("wiremock-standalone-*.jar"))
    argv = (java, "-jar", str(jar), "--port", "{port}", "--bind-address", "127.0.0.1", "--root-dir", str(FILES))
    return Contender("WireMock", argv, lacks="no jobs: any id is one that has ended")


def mockoon() -> Contender:
    start = ("start", "--data", str(FILES / "mockoon.json"), "--port", "{port}", "--disable-log-to-file")
    argv = (*node("@mockoon/cli/bin/run.js"), *start)
    lacks = "no jobs: any id is one that has ended; of the inputs it asks only for a prompt"
    return Contender("Mockoon", argv, lacks=lacks)


def moto() -> Contender:
    server = CACHE / "moto" / "bin" / "moto_server"
    if not server.exists():
        venv.create(CACHE / "moto", with_pip=True)
        run([str(CACHE / "moto" / "bin" / "python"), "-m", "pip", "install", "--quiet", MOTO])
    signed = f"Authorization: AWS4-HMAC-SHA256 Credential=bench{TEXTRACT}"
    headers = (signed, "Content-Type: application/x-amz-json-1.1")
    return Contender(
        "moto",
        (str(server), "-p", "{port}"),
        submit_path="/",
        poll_path="/",
        submit_body='{"DocumentLocation": {"S3Object": {"Bucket": "bench", "Name": "a.png"}}}',
        poll_body='{"JobId": "{id}"}',
        submit_headers=(*headers, "X-Amz-Target: Textract.StartDocumentTextDetection"),
        poll_headers=(*headers, "X-Amz-Target: Textract.GetDocumentTextDetection"),
        id_key="JobId",
        polls_name_job=False,
        lacks="another service (AWS Textract): jobs have ended at once; each answer closes its connection",
    )


RIVALS: tuple[tuple[str, Callable[[], Contender]], ...] = (
    ("Go by hand", thin_go),
    ("aimock", aimock),
    ("Prism", prism),
    ("WireMock", wiremock),
    ("Mockoon", mockoon),
    ("moto", moto),
)


@dataclass(frozen=True, slots=True)
class Field:
    """Who can be measured here, and of the others why not."""

    present: tuple[Contender, ...]
    absent: tuple[tuple[str, str], ...]


def set_up_rivals() -> Field:
    CACHE.mkdir(exist_ok=True)
    present: list[Contender] = []
    absent: list[tuple[str, str]] = []
    for name, make in RIVALS:
        print(f"setting up {name}", file=sys.stderr)
        try:
            present.append(make())
        except Absent as error:
            absent.append((name, str(error)))
    return Field(tuple(present), tuple(absent))


def node(script: str) -> tuple[str, str]:
    """The command that runs a script of an npm package."""
    path = found("node", "no Node.js on PATH")
    node_packages()
    return path, str(PACKAGES / script)


def node_packages() -> None:
    npm = found("npm", "no npm on PATH")
    wanted = (FILES / "package.json").read_text()
    own = CACHE / "package.json"
    if own.exists() and own.read_text() == wanted and (CACHE / "installed").exists():
        return
    own.write_text(wanted)
    (CACHE / "installed").unlink(missing_ok=True)
    run([npm, "install", "--silent", "--no-audit", "--no-fund", "--prefix", str(CACHE)])
    (CACHE / "installed").touch()


def found(program: str, otherwise: str) -> str:
    path = shutil.which(program)
    if path is None:
        raise Absent(otherwise)
    return path


def run(command: list[str]) -> None:
    """Raises Absent with the last line that the command wrote when it fails."""
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    if ran.returncode != 0:
        lines = (ran.stderr or ran.stdout).strip().splitlines() or [f"exit status {ran.returncode}"]
        raise Absent(f"`{Path(command[0]).name} {command[1]}` failed: {lines[-1]}")
