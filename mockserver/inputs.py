"""What valid inputs ask for, whatever a model calls them: prompt, number, size, format, references."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import Any

import orjson

from understudy.contracts.catalogue import Model
from understudy.mockserver.data_uris import is_data_uri
from understudy.mockserver.jobs import Submission
from understudy.mockserver.sizes import sides_of

PROMPT_KEPT = 500
"""How many characters of a prompt are kept; its digest covers the whole."""

DIGEST = "blake2b:"
"""What a digest begins with that is kept in place of a text."""

MOST_IMAGES = 100
"""The most images that one job draws, also where a user's own model has no maximum."""

URL_KEPT = 2_048
"""URLs up to this many characters are kept as they are; of longer ones and of `data:` URIs, the digest."""


def read_inputs(model: Model, inputs: Mapping[str, Any], shown: Mapping[str, Any] | None = None) -> Submission:
    """The submission that a model's valid inputs, defaults applied, ask for. `shown` is what results show of them."""
    prompt = str(_first(inputs, ("prompt", "text")) or "")
    seed = inputs.get("seed")
    width, height = sides_of(inputs)
    count = _count(inputs.get(model.price_field)) if model.price_field else 1
    known = model.input_schema["properties"]
    return Submission(
        provider=model.provider,
        model=model.model_id,
        prompt=prompt[:PROMPT_KEPT],
        prompt_digest=_digest(prompt),
        count=count,
        width=width,
        height=height,
        image_format=_format(inputs, model),
        references=tuple(map(_reference, images_of(inputs))),
        seed=int(seed) if isinstance(seed, (int, float)) else None,
        price=model.price_microdollars * count,
        base64=inputs.get("enable_base64_output") is True and "enable_base64_output" in known,
        sync=inputs.get("enable_sync_mode") is True and "enable_sync_mode" in known,
        thorough=inputs.get("optimize_prompt_options") == "standard",
        inputs=b"{}" if shown is None else orjson.dumps(_bounded(shown)),
    )


def images_of(inputs: Mapping[str, Any]) -> Sequence[str]:
    """The input images as they were sent, in order: URLs and `data:` URIs."""
    images = _first(inputs, ("images", "image", "image_urls"))
    if isinstance(images, list):
        return [str(image) for image in images]
    return [str(images)] if images else []


def _first(inputs: Mapping[str, Any], names: Sequence[str]) -> Any:
    for name in names:
        if name in inputs:
            return inputs[name]
    return None


def _count(value: Any) -> int:
    """The number of images asked for; only a model without bounds in its schema lets another value through."""
    return min(max(int(value), 1), MOST_IMAGES) if isinstance(value, (int, float)) else 1


def _format(inputs: Mapping[str, Any], model: Model) -> str:
    """The format asked for, where it is one that can be drawn."""
    named = inputs.get("output_format")
    return "jpeg" if named == "jpg" else named if named in ("jpeg", "png", "webp") else model.output_format


def _bounded(value: Any) -> Any:
    """A JSON value with long texts cut and `data:` URIs left out, so that keeping it costs little."""
    if isinstance(value, Mapping):
        return {key: _bounded(item) for key, item in list(value.items())[:100]}
    if isinstance(value, list):
        return [_bounded(item) for item in value[:100]]
    if not isinstance(value, str):
        return value
    return _reference(value) if is_data_uri(value) else value[:URL_KEPT]


def _reference(text: str) -> str:
    if len(text) <= URL_KEPT and not is_data_uri(text):
        return text
    return DIGEST + _digest(text)


def _digest(text: str) -> str:
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
