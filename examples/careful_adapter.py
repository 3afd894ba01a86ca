"""The adapter of careful_client.py: `understudy check --client careful_adapter:careful`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from careful_client import Client, ClientError, Outcome

from understudy.contracts.client import Account, Result, State


class Adapter:
    """What the client can do at both providers, its values as the suite's own."""

    errors = (ClientError,)

    def __init__(self, client: Client) -> None:
        self.client = client

    def submit(self, model: str, inputs: Mapping[str, Any]) -> str:
        return self.client.submit(model, inputs)

    def status(self, job: str) -> State:
        return State(self.client.status(job))

    def result(self, job: str) -> Result:
        return _result(self.client.result(job))

    def run(self, model: str, inputs: Mapping[str, Any]) -> Result:
        return _result(self.client.run(model, inputs))


class AtWaveSpeed(Adapter):
    """Uploads and webhooks are WaveSpeed's alone."""

    def upload(self, name: str, data: bytes) -> str:
        return self.client.upload(name, data)

    def webhook(self, headers: Mapping[str, str], body: bytes, secret: str) -> Result:
        return _result(self.client.webhook(headers, body, secret))


class AtRunComfy(Adapter):
    """Only RunComfy's jobs can be cancelled."""

    def cancel(self, job: str) -> bool:
        return self.client.cancel(job)


def careful(account: Account) -> Adapter:
    return adapter(Client(*account))


def adapter(client: Client) -> Adapter:
    return (AtWaveSpeed if client.wavespeed else AtRunComfy)(client)


def _result(outcome: Outcome) -> Result:
    return Result(State(outcome.state), outcome.outputs, outcome.flags, outcome.error)
