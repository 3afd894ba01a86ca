"""What is asked of a provider, and what asking costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from understudy.contracts.catalogue import Sample, models, samples
from understudy.contracts.ceiling import published_price, quoted_price
from understudy.contracts.exchanges import KEY, NO_KEY, WRONG_KEY
from understudy.contracts.findings import Unable
from understudy.contracts.models import Model
from understudy.contracts.routes import Routes

FREE: Mapping[str, tuple[str, ...]] = {
    "wavespeed": (
        "balance-no_key",
        "result-no_key",
        "submit-no_key",
        "submit-bad_key",
        "balance",
        "models",
        "model_price",
        "model_price-incomplete",
        "model_price-enum",
        "model_price-unknown_model",
        "model_pricing",
        "result-unknown_id",
        "cancel-no_endpoint",
        "submit-unknown_model",
        "submit-not_json",
        "submit-array",
        "submit-missing_prompt",
    ),
    "runcomfy": (
        "submit-no_token",
        "status-no_token",
        "submit-empty_token",
        "balance",
        "categories",
        "model",
        "model-unknown",
        "status-unknown_id",
        "result-unknown_id",
        "cancel-unknown_id",
        "submit-unknown_model",
        "submit-not_json",
        "submit-missing_text",
    ),
}
"""The samples whose requests cost nothing. Those that are submissions lack what their model requires."""

WRONG: Mapping[str, tuple[str, ...]] = {
    "wavespeed": (
        "submit-enum",
        "submit-wrong_type",
        "submit-size_form",
        "submit-size_range",
        "submit-too_few",
        "submit-too_many",
        "submit-eleven_images",
    ),
    "runcomfy": (
        "submit-no_images",
        "submit-long_text",
        "submit-image_size",
        "submit-count",
        "submit-eleven_images",
    ),
}
"""The samples that a provider refuses, and that would be jobs if it did not: each needs room for its price."""

WRONG_KEYS = "understudy-drift-is-no-key"

NOT_ASKED: Mapping[str, str] = {
    "list": "it tells of the account's past: not asked",
    "billings": "it tells of the account's past: not asked",
    "usage": "it tells of the account's past: not asked",
    "webhook-secret": "it is a secret: not asked",
    "delete": "it deletes: not asked",
    "uploads": "it leaves a file there: not asked",
    "upload": "it leaves a file there: not asked",
    "upload-binary": "it leaves a file there: not asked",
}
"""Operations that no probe uses, and why. A recording may have them."""


class Probe(NamedTuple):
    """One request. `price` in microdollars is what it costs should it be accepted; `secure` whether the answer may come
    from another host, the account's."""

    name: str
    method: str
    target: str
    auth: str
    body: Any = None
    price: int = 0
    account: bool = False


class Job(NamedTuple):
    """A job that is paid for: `cancels` where it is cancelled at once."""

    model: str
    inputs: Mapping[str, Any]
    price: int
    cancels: bool

    def __str__(self) -> str:
        asked = ", ".join(f"{name} {value}" for name, value in self.inputs.items() if name != "prompt")
        end = "cancelled at once" if self.cancels else "to its end"
        return f"{self.model}{f' ({asked})' if asked else ''}, {end}"


def free_probes(provider: str) -> list[Probe]:
    """In the order in which they are sent: without a key first."""
    probes = [_probe(provider, sample) for sample in _named(provider, FREE[provider])]
    if provider == "runcomfy":
        probes.append(Probe("models-all", "GET", "/v1/models?include_schema=true&limit=500", KEY))
        return probes + [Probe(f"model {name}", "GET", f"/v1/models/{name}", KEY) for name in models(provider)]
    return probes + [price_probe(name, {}) for name in models(provider)]


def price_probe(model: str, inputs: Mapping[str, Any]) -> Probe:
    """Asks WaveSpeed what a job would cost."""
    asked = {"model_id": model, "inputs": dict(inputs)}
    return Probe(f"price of {model}", "POST", "/api/v3/model/price", KEY, asked)


def wrong_probes(provider: str) -> list[Probe]:
    """The cheapest first."""
    probes = [_probe(provider, sample) for sample in _named(provider, WRONG[provider])]
    return sorted(probes, key=lambda probe: probe.price)


def jobs(provider: str, chosen: Sequence[str] = ()) -> list[Job]:
    """The jobs to pay for, the cheapest first: of the cheapest model that needs no picture, or of those that are named;
    where jobs can be cancelled, one of the cheapest model is. Raises Unable."""
    known = {name: (model, _least(model)) for name, model in models(provider).items()}
    for name in chosen:
        if name not in known:
            raise Unable(f"{provider} has no model {name!r}; there are: {', '.join(known)}.")
        if known[name][1] is None:
            raise Unable(f"{name} needs more than a prompt, which a probe does not have.")
    able = sorted(
        ((published_price(model, inputs), name, inputs) for name, (model, inputs) in known.items() if inputs),
        key=lambda one: one[:2],
    )
    picked = [one for one in able if one[1] in chosen] if chosen else able[:1]
    finished = [Job(name, inputs, price, False) for price, name, inputs in picked]
    if Routes(provider).find("POST", "/v1/requests/0/cancel") is None:
        return finished
    return [finished[0]._replace(cancels=True), *finished]


def _least(model: Model) -> dict[str, Any] | None:
    """The cheapest inputs: one image of the smallest size; None where a prompt is not enough."""
    schema = model.input_schema
    words = [name for name in schema.get("required", ()) if name in ("prompt", "text")]
    if len(words) != len(schema.get("required", ())) or not words:
        return None
    inputs: dict[str, Any] = dict.fromkeys(words, "A plain white square")
    size = schema["properties"].get("size", {})
    if "minimum" in size:
        inputs["size"] = f"{size['minimum']}*{size['minimum']}"
    if model.price_field is not None:
        inputs[model.price_field] = 1
    return inputs


def _named(provider: str, names: Sequence[str]) -> list[Sample]:
    known = {sample.name: sample for sample in samples(provider)}
    return [known[name] for name in names]


def _probe(provider: str, sample: Sample) -> Probe:
    header = sample.request.get("headers", {}).get("Authorization")
    auth = NO_KEY if header is None else KEY if header.removeprefix("Bearer").strip() else WRONG_KEY
    route = Routes(provider).find(sample.request["method"], sample.request["path"].partition("?")[0])
    body = sample.request.get("body")
    price = 0
    if route is not None and route.operation.name == "submit" and auth == KEY:
        price = quoted_price(provider, route.parameters["model_id"], body) or 0
    account = route is not None and bool(route.operation.server)
    return Probe(sample.name, sample.request["method"], sample.request["path"], auth, body, price, account)
