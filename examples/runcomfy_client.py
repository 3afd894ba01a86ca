"""A small client of RunComfy's Model API on httpx: submit, wait, take the images, cancel."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from typing import Any

import httpx


class RunFailed(Exception):
    """The job ended without images; the message is the provider's."""


@dataclass(frozen=True)
class Client:
    """`base_url` is https://model-api.runcomfy.net, or wherever understudy listens."""

    token: str
    base_url: str
    poll_interval: float = 1.0

    def submit(self, model: str, inputs: dict[str, Any]) -> str:
        """The id of a new request."""
        return str(self._call("POST", f"/v1/models/{model}", inputs)["request_id"])

    def status(self, request_id: str) -> str:
        """in_queue, in_progress, completed or cancelled. A failed request is `completed` too: only its result tells."""
        return str(self._call("GET", f"/v1/requests/{request_id}/status")["status"])

    def result(self, request_id: str) -> dict[str, Any]:
        """The result as it is now: `status` is succeeded or failed once it has ended."""
        return self._call("GET", f"/v1/requests/{request_id}/result")

    def cancel(self, request_id: str) -> bool:
        """Whether it was cancelled: only what is still in the queue can be."""
        return bool(self._call("POST", f"/v1/requests/{request_id}/cancel")["outcome"] == "cancelled")

    def run(self, model: str, inputs: dict[str, Any]) -> list[str]:
        """The URLs of the images, in order. Raises RunFailed."""
        request_id = self.submit(model, inputs)
        while self.status(request_id) in ("in_queue", "in_progress"):
            time.sleep(self.poll_interval)
        result = self.result(request_id)
        if result["status"] != "succeeded":
            raise RunFailed(f"{request_id} {result['status']}: {result.get('error', 'no reason given')}")
        output = result["output"]
        return list(output["images"] if "images" in output else [output["image"]])

    def _call(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {self.token}"}
        answer = httpx.request(method, self.base_url + path, json=body, headers=headers, timeout=30)
        content = answer.json()
        if answer.is_error:
            raise RunFailed(f"HTTP {answer.status_code}: {content.get('error_message', content)}")
        return dict(content)


if __name__ == "__main__":
    base_url = sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8787"
    inputs = {"text": "Generate 3 images of the same red shoe.", "images": ["https://example.com/shoe.png"]}
    for url in Client("any", base_url).run("bytedance/seedream-4-0/edit-sequential", inputs):
        print(url)
