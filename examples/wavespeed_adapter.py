"""The adapter of WaveSpeed's own SDK: `understudy check --client wavespeed_adapter:Official`.

The SDK offers `run` and `upload`, and hands on the outputs alone. What it makes of the rest is told in
docs/contract-suite.md.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

import requests
import wavespeed

from understudy.contracts.client import Account, Result, State


class Official:
    """Its errors are those that its docstrings name, and `requests`' own, which it lets through."""

    providers = ("wavespeed",)
    errors = (RuntimeError, TimeoutError, requests.exceptions.RequestException)

    def __init__(self, account: Account) -> None:
        self.account = account
        self.client = wavespeed.Client(api_key=account.key, base_url=account.origin, retry_interval=0.01)

    def run(self, model: str, inputs: Mapping[str, Any]) -> Result:
        pace = self.account.poll_interval
        done = self.client.run(model, dict(inputs), poll_interval=pace, timeout=self.account.timeout)
        return Result(State.SUCCEEDED, tuple(done["outputs"]))

    def upload(self, name: str, data: bytes) -> str:
        file = io.BytesIO(data)
        file.name = name
        return str(self.client.upload(file))
