"""FROZEN, do not edit: next to nothing, as a lower bound. The unit of measure is `thin.py`, which does the same work.

WaveSpeed's submit and poll as one would write them by hand: an ASGI application without a framework, the standard
`json`, a dictionary of models and a dictionary of jobs, on stock uvicorn (uvloop, httptools) with Python's own settings
for garbage collection. A submit reads the body, makes an id, keeps the job and answers the whole prediction; a poll
computes the state from the time and encodes the prediction again. What a fake needs is left out: validation, tenants,
a journal, bounds, images.

    python benchmarks/bare.py [PORT]

prints `Listening on http://127.0.0.1:PORT`; without PORT, or with 0, on a free one.
"""

import json
import socket
import sys
import time
import uuid
from collections.abc import Awaitable, Callable, MutableMapping
from datetime import UTC, datetime
from typing import Any

import uvicorn

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

QUEUE_SECONDS = 0.5
RUN_SECONDS = 2.0
PREDICTIONS = "/api/v3/predictions/"
MODELS = {"/api/v3/bytedance/seedream-v4/edit-sequential": "bytedance/seedream-v4/edit-sequential"}

# model, moment of submission in seconds, the same as text, images asked for
Job = tuple[str, float, str, int]
jobs: dict[str, Job] = {}


async def app(scope: Message, receive: Receive, send: Send) -> None:
    path = scope["path"]
    if scope["method"] == "POST":
        model = MODELS.get(path)
        if model is None:
            await answer(send, 404, {"code": 404, "message": "Model not found."})
            return
        inputs = json.loads(await read(receive))
        job_id = uuid.uuid4().hex
        now = time.time()
        created_at = datetime.fromtimestamp(now, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        jobs[job_id] = job = (model, now, created_at, inputs.get("max_images", 1))
        await answer(send, 200, prediction(scope, job_id, job))
        return
    if path.startswith(PREDICTIONS):
        job_id = path[len(PREDICTIONS) :].removesuffix("/result")
        found = jobs.get(job_id)
        if found is not None:
            await answer(send, 200, prediction(scope, job_id, found))
            return
    await answer(send, 404, {"code": 404, "message": "Prediction not found."})


async def read(receive: Receive) -> bytes:
    message = await receive()
    body: bytes = message.get("body", b"")
    while message.get("more_body", False):
        message = await receive()
        body += message.get("body", b"")
    return body


def prediction(scope: Message, job_id: str, job: Job) -> dict[str, Any]:
    model, submitted, created_at, images = job
    age = time.time() - submitted
    if age < QUEUE_SECONDS:
        status = "created"
    elif age < QUEUE_SECONDS + RUN_SECONDS:
        status = "processing"
    else:
        status = "completed"
    done = status == "completed"
    origin = f"{scope['scheme']}://{host(scope)}"
    return {
        "code": 200,
        "message": "success",
        "data": {
            "id": job_id,
            "model": model,
            "outputs": [f"{origin}/output/{job_id}-{index}.jpeg" for index in range(images)] if done else [],
            "urls": {"get": f"{origin}{PREDICTIONS}{job_id}/result"},
            "has_nsfw_contents": [False] * images if done else [],
            "status": status,
            "created_at": created_at,
            "error": "",
            "timings": {"inference": int(RUN_SECONDS * 1000) if done else 0},
        },
    }


def host(scope: Message) -> str:
    for name, value in scope["headers"]:
        if name == b"host":
            text: str = value.decode("latin-1")
            return text
    return "localhost"


async def answer(send: Send, status: int, content: dict[str, Any]) -> None:
    body = json.dumps(content).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


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
