"""A test's hand on the control API: over HTTP, with a key."""

from __future__ import annotations

from typing import Any

import httpx


class Remote:
    """Calls the control API for one key, with a client that has its origin."""

    def __init__(self, client: httpx.Client, key: str = "key") -> None:
        self._client = client
        self._headers = {"Authorization": f"Bearer {key}"}

    def call(self, method: str, path: str, body: Any = None, **query: str) -> httpx.Response:
        return self._client.request(
            method, f"/_understudy/{path}", json=body, params=query or None, headers=self._headers
        )

    def get(self, path: str, **query: str) -> Any:
        return self.call("GET", path, **query).raise_for_status().json()

    def post(self, path: str, body: Any = None) -> Any:
        return self.call("POST", path, body).raise_for_status().json()

    def put(self, path: str, body: Any) -> Any:
        return self.call("PUT", path, body).raise_for_status().json()

    def delete(self, path: str) -> Any:
        return self.call("DELETE", path).raise_for_status().json()

    def wrong(self, status: int, method: str, path: str, body: Any = None, **query: str) -> Any:
        """The error that a call is answered with."""
        answer = self.call(method, path, body, **query)
        assert status == answer.status_code, answer.text
        return answer.json()["error"]
