"""FROZEN: the unit of measure. Do not edit; a ratio is comparable with older ones only while this file stays as it is.

What a team writes by hand to fake WaveSpeed's submit and poll: an ASGI application without a framework, the standard
library, stock uvicorn (uvloop, httptools). For these requests it does the same work as understudy, the obvious way:
asks for a key and keeps jobs apart by it, validates the inputs and fills in defaults, draws ids and outcomes from a
seed so that runs repeat, charges a balance, and answers the whole prediction. It has no other operation, no other
provider, no images.

    python benchmarks/thin.py [PORT]

prints `Listening on http://127.0.0.1:PORT`; without PORT, or with 0, on a free one.
"""

import json
import random
import re
import socket
import sys
import time
import uuid
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import uvicorn

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

SEED = 1
QUEUE_SECONDS = 0.5
RUN_SECONDS = 2.0
FAILURE_RATE = 0.0
PRICE = 0.027
PREDICTIONS = "/api/v3/predictions/"
MODELS = {"/api/v3/bytedance/seedream-v4/edit-sequential": "bytedance/seedream-v4/edit-sequential"}
SIZE = re.compile(r"(\d+)\*(\d+)")


@dataclass
class Job:
    id: str
    model: str
    inputs: dict[str, Any]
    submitted: float
    created_at: str
    price: float
    fails: bool


@dataclass
class Tenant:
    jobs: dict[str, Job] = field(default_factory=dict)
    balance: float = 1_000_000.0


tenants: dict[str, Tenant] = {}


class Refused(Exception):
    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


async def app(scope: Message, receive: Receive, send: Send) -> None:
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
    try:
        key = headers.get("authorization", "").removeprefix("Bearer ").strip()
        if not key:
            raise Refused(401, "Invalid API key.")
        content = await handle(scope, receive, headers, key, tenants.setdefault(key, Tenant()))
        status = 200
    except Refused as refused:
        status, content = refused.status, {"code": refused.status, "message": str(refused)}
    body = json.dumps(content).encode()
    head = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": head})
    await send({"type": "http.response.body", "body": body})


async def handle(scope: Message, receive: Receive, headers: dict[str, str], key: str, tenant: Tenant) -> dict[str, Any]:
    path = scope["path"]
    origin = f"{scope['scheme']}://{headers.get('host', 'localhost')}"
    if scope["method"] == "POST":
        model = MODELS.get(path)
        if model is None:
            raise Refused(404, f'Model "{path}" not found. Please check the model identifier.')
        job = submit(key, tenant, model, validated(await read(receive)))
        return prediction(job, origin)
    if path.startswith(PREDICTIONS):
        found = tenant.jobs.get(path[len(PREDICTIONS) :].removesuffix("/result"))
        if found is not None:
            return prediction(found, origin)
    raise Refused(404, "Prediction not found.")


async def read(receive: Receive) -> bytes:
    message = await receive()
    body: bytes = message.get("body", b"")
    while message.get("more_body", False):
        message = await receive()
        body += message.get("body", b"")
    return body


def validated(body: bytes) -> dict[str, Any]:
    try:
        given = json.loads(body)
    except ValueError:
        raise Refused(400, "request body must be a JSON object") from None
    if not isinstance(given, dict):
        raise Refused(400, "request body must be a JSON object")
    inputs = {"images": [], "size": "2048*2048", "max_images": 1, **given}
    if not isinstance(inputs.get("prompt"), str):
        raise Refused(400, 'field "prompt" is required')
    images = inputs["images"]
    if not isinstance(images, list) or len(images) > 10 or not all(isinstance(image, str) for image in images):
        raise Refused(400, 'field "images" must be at most 10 strings')
    size = SIZE.fullmatch(inputs["size"]) if isinstance(inputs["size"], str) else None
    if size is None or not all(1024 <= int(side) <= 4096 for side in size.groups()):
        raise Refused(400, 'field "size" must be WIDTH*HEIGHT')
    if type(inputs["max_images"]) is not int or not 1 <= inputs["max_images"] <= 15:
        raise Refused(400, 'field "max_images" must be from 1 to 15')
    return inputs


def submit(key: str, tenant: Tenant, model: str, inputs: dict[str, Any]) -> Job:
    price = PRICE * inputs["max_images"]
    if tenant.balance < price:
        raise Refused(400, "Insufficient credits. Please top up.")
    chance = random.Random(f"{SEED}:{key}:{len(tenant.jobs)}")
    now = time.time()
    created_at = datetime.fromtimestamp(now, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    job_id = uuid.UUID(int=chance.getrandbits(128), version=4).hex
    job = Job(job_id, model, inputs, now, created_at, price, chance.random() < FAILURE_RATE)
    tenant.jobs[job.id] = job
    tenant.balance -= price
    while len(tenant.jobs) > 100_000:
        del tenant.jobs[next(iter(tenant.jobs))]
    return job


def status_of(job: Job) -> str:
    age = time.time() - job.submitted
    if age < QUEUE_SECONDS:
        return "created"
    if age < QUEUE_SECONDS + RUN_SECONDS:
        return "processing"
    return "failed" if job.fails else "completed"


def prediction(job: Job, origin: str) -> dict[str, Any]:
    status = status_of(job)
    done = status == "completed"
    count = job.inputs["max_images"]
    return {
        "code": 200,
        "message": "success",
        "data": {
            "id": job.id,
            "model": job.model,
            "outputs": [f"{origin}/output/{job.id}-{index}.jpeg" for index in range(count)] if done else [],
            "urls": {"get": f"{origin}{PREDICTIONS}{job.id}/result"},
            "has_nsfw_contents": [False] * count if done else [],
            "status": status,
            "created_at": job.created_at,
            "error": "Task failed." if status == "failed" else "",
            "timings": {"inference": int(RUN_SECONDS * 1000) if status in ("completed", "failed") else 0},
        },
    }


def main() -> None:
    config = uvicorn.Config(
        app, loop="uvloop", http="httptools", ws="none", lifespan="off", access_log=False, log_level="critical"
    )
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", int(sys.argv[1]) if len(sys.argv) > 1 else 0))
    # From here the kernel accepts connections; the first request waits until uvicorn takes it.
    listener.listen(2048)
    print(f"Listening on http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
    uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    main()
