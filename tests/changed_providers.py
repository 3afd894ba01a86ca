"""Providers that have changed, each in one way: what was done to the answers, and what is to be found out."""

from __future__ import annotations

from typing import Any, NamedTuple

from drifting import Answering, Bend


class Change(NamedTuple):
    """`fact` is that which has drifted first of all; of what follows from it there may be more."""

    provider: str
    bend: Bend
    fact: str
    kind: str
    severity: str


def new_field(seen: Answering) -> None:
    if "timings" in seen.data:
        seen.data["seed"] = 7


def field_gone(seen: Answering) -> None:
    seen.data.pop("timings", None)


def number_as_text(seen: Answering) -> None:
    if "timings" in seen.data:
        seen.data["timings"]["inference"] = str(seen.data["timings"]["inference"])


def new_state(seen: Answering) -> None:
    if seen.data.get("status") == "processing":
        seen.data["status"] = "running"


def other_words(seen: Answering) -> None:
    if seen.status == 401:
        seen.body["message"] = "Who are you?"


def other_status(seen: Answering) -> None:
    if seen.status == 404 and "/predictions/0000" in seen.path:
        seen.status, seen.body["code"] = 400, 400


def other_code(seen: Answering) -> None:
    if "error_code" in (seen.body if isinstance(seen.body, dict) else {}) and seen.status == 404:
        seen.body["error_code"] = 404_002


def other_time(seen: Answering) -> None:
    if "created_at" in seen.data:
        seen.data["created_at"] = seen.data["created_at"].replace("T", " ").removesuffix("Z")


def entries(seen: Answering) -> list[Any]:
    is_list = seen.path == "/api/v3/models" and seen.status == 200
    return list(seen.body["data"]) if is_list else []


def inputs(entry: Any) -> Any:
    return entry["api_schema"]["api_schemas"][0]["request_schema"]


def of_model(seen: Answering, name: str) -> Any:
    return next((entry for entry in entries(seen) if entry["model_id"] == name), None)


V4, SEQUENTIAL, FLASH = "bytedance/seedream-v4", "bytedance/seedream-v4/sequential", "bytedance/seedream-v5.0-flash"


def dearer(seen: Answering) -> None:
    if entry := of_model(seen, SEQUENTIAL):
        entry["base_price"] = 0.03


def cheaper(seen: Answering) -> None:
    if entry := of_model(seen, SEQUENTIAL):
        entry["base_price"] = 0.02


def model_gone(seen: Answering) -> None:
    if found := entries(seen):
        seen.body["data"] = [entry for entry in found if entry["model_id"] != FLASH]


def new_model(seen: Answering) -> None:
    if found := entries(seen):
        seen.body["data"] = [*found, {**found[0], "model_id": "bytedance/seedream-v6"}]


def new_required_input(seen: Answering) -> None:
    if entry := of_model(seen, V4):
        inputs(entry)["properties"]["style"] = {"type": "string"}
        inputs(entry)["required"] = ["prompt", "style"]


def new_input(seen: Answering) -> None:
    if entry := of_model(seen, V4):
        inputs(entry)["properties"]["style"] = {"type": "string"}


def input_gone(seen: Answering) -> None:
    if entry := of_model(seen, V4):
        del inputs(entry)["properties"]["enable_sync_mode"]


def choice_gone(seen: Answering) -> None:
    if entry := of_model(seen, FLASH):
        del inputs(entry)["properties"]["output_format"]["enum"][0]


def new_choice(seen: Answering) -> None:
    if entry := of_model(seen, FLASH):
        inputs(entry)["properties"]["output_format"]["enum"].append("avif")


def narrower(seen: Answering) -> None:
    if entry := of_model(seen, SEQUENTIAL):
        inputs(entry)["properties"]["max_images"]["maximum"] = 10


def wider(seen: Answering) -> None:
    if entry := of_model(seen, SEQUENTIAL):
        inputs(entry)["properties"]["max_images"]["maximum"] = 20


def optional_now(seen: Answering) -> None:
    if entry := of_model(seen, "bytedance/seedream-v4/edit"):
        inputs(entry)["required"] = ["prompt"]


def other_type_of_input(seen: Answering) -> None:
    if entry := of_model(seen, SEQUENTIAL):
        inputs(entry)["properties"]["max_images"]["type"] = "number"


def html(seen: Answering) -> None:
    if seen.path.endswith("/balance") and seen.status == 200:
        seen.headers["content-type"] = "text/html; charset=utf-8"


def created(seen: Answering) -> None:
    if seen.submits and seen.status == 200:
        seen.status = 201


def null_flags(seen: Answering) -> None:
    if "has_nsfw_contents" in seen.data:
        seen.data["has_nsfw_contents"] = None


def auth_400(seen: Answering) -> None:
    if seen.status == 401:
        seen.status, seen.body["error_code"] = 400, 400_004


def errors_as_200(seen: Answering) -> None:
    if seen.status >= 400:
        seen.status = 200


def double_charge(seen: Answering) -> None:
    if seen.path.endswith("/balance") and seen.status == 200:
        seen.memory.setdefault("first", seen.data["balance"])
        spent = seen.memory["first"] - seen.data["balance"]
        seen.data["balance"] = round(seen.data["balance"] - spent, 6)


def charged_when_cancelled(seen: Answering) -> None:
    if seen.path.endswith("/balance") and seen.status == 200:
        seen.memory["looks"] = seen.memory.get("looks", 0) + 1
        if seen.memory["looks"] > 2:
            seen.body["balance_usd"] -= 0.03
            seen.body["balance_microdollars"] -= 30_000


def goes_back(seen: Answering) -> None:
    if seen.method == "GET" and seen.data.get("status") in ("created", "processing"):
        seen.memory["looks"] = seen.memory.get("looks", 0) + 1
        seen.data["status"] = "created" if seen.memory["looks"] % 2 == 0 else "processing"


def outputs_need_a_key(seen: Answering) -> None:
    if seen.path.endswith((".jpeg", ".png")):
        seen.status, seen.body = 403, b"no"


def takes_anything(seen: Answering) -> None:
    if seen.submits and seen.status == 400 and isinstance(seen.sent, dict) and "output_format" in seen.sent:
        data = {"id": "0" * 32, "status": "created"}
        seen.status, seen.body = 200, {"code": 200, "message": "success", "data": data}


def quotes_more(seen: Answering) -> None:
    if seen.path.endswith("/model/price") and seen.status == 200 and seen.sent["inputs"].get("size") == "1024*1024":
        seen.data["price"] = 0.05


def no_position(seen: Answering) -> None:
    seen.data.pop("queue_position", None)


def operation_gone(seen: Answering) -> None:
    if seen.path.endswith("/balance") and seen.status == 200:
        seen.status, seen.body = 404, {"code": 404, "message": "There is no such thing."}


def other_outcome(seen: Answering) -> None:
    if seen.data.get("outcome"):
        seen.data["outcome"] = "done"


def no_formula(seen: Answering) -> None:
    for entry in entries(seen):
        del entry["formula"]


CHANGES: dict[str, Change] = {
    "a new field": Change("wavespeed", new_field, "result 200: /data/seed", "new field", "additive"),
    "a field is gone": Change("wavespeed", field_gone, "result 200: /data/timings", "field gone", "breaking"),
    "a number is text": Change("wavespeed", number_as_text, "result 200: /data/timings/inference", "type", "breaking"),
    "a new state": Change("wavespeed", new_state, "result 200: /data/status", "new word", "breaking"),
    "other words": Change("wavespeed", other_words, "submit-no_key: /message", "text", "cosmetic"),
    "another status": Change("wavespeed", other_status, "result-unknown_id: status", "status", "breaking"),
    "another code": Change("runcomfy", other_code, "status-unknown_id: /error_code", "value", "breaking"),
    "another form of time": Change("wavespeed", other_time, "result 200: /data/created_at", "format", "breaking"),
    "a price went up": Change("wavespeed", dearer, f"model {SEQUENTIAL}: base_price", "price", "breaking"),
    "a price went down": Change("wavespeed", cheaper, f"model {SEQUENTIAL}: base_price", "price", "cosmetic"),
    "a model is gone": Change("wavespeed", model_gone, f"model {FLASH}", "model gone", "breaking"),
    "a new model": Change("wavespeed", new_model, "model bytedance/seedream-v6", "new model", "additive"),
    "a new required input": Change(
        "wavespeed", new_required_input, f"model {V4}: input style", "new required input", "breaking"
    ),
    "a new input": Change("wavespeed", new_input, f"model {V4}: input style", "new input", "additive"),
    "an input is gone": Change(
        "wavespeed", input_gone, f"model {V4}: input enable_sync_mode", "input gone", "breaking"
    ),
    "a choice is gone": Change(
        "wavespeed", choice_gone, f"model {FLASH}: input output_format", "choice gone", "breaking"
    ),
    "a new choice": Change("wavespeed", new_choice, f"model {FLASH}: input output_format", "new choice", "additive"),
    "a narrower range": Change("wavespeed", narrower, f"model {SEQUENTIAL}: input max_images", "range", "breaking"),
    "a wider range": Change("wavespeed", wider, f"model {SEQUENTIAL}: input max_images", "range", "additive"),
    "an input is optional now": Change(
        "wavespeed", optional_now, "model bytedance/seedream-v4/edit: input images", "required", "additive"
    ),
    "another type of an input": Change(
        "wavespeed", other_type_of_input, f"model {SEQUENTIAL}: input max_images", "type", "breaking"
    ),
    "another content type": Change("wavespeed", html, "balance: content type", "content type", "breaking"),
    "201 for a submission": Change("wavespeed", created, "submit: status", "status", "breaking"),
    "null for the flags": Change(
        "wavespeed", null_flags, "switch wavespeed.has_nsfw_contents", "another reading", "breaking"
    ),
    "no formula in the list of models": Change(
        "wavespeed", no_formula, "switch wavespeed.formula", "another reading", "breaking"
    ),
    "400 for no key": Change("runcomfy", auth_400, "switch runcomfy.auth_error", "another reading", "breaking"),
    "errors as 200": Change("runcomfy", errors_as_200, "switch runcomfy.errors_as_200", "another reading", "breaking"),
    "a double charge": Change("wavespeed", double_charge, "a job: it costs what is published", "charge", "breaking"),
    "a charge for what was cancelled": Change(
        "runcomfy", charged_when_cancelled, "a cancelled job: it costs nothing", "charge", "breaking"
    ),
    "states that go back": Change("wavespeed", goes_back, "a job: its states only go forward", "order", "breaking"),
    "outputs that need a key": Change(
        "wavespeed", outputs_need_a_key, "a job: its outputs are images that anybody can fetch", "output", "breaking"
    ),
    "wrong inputs are taken": Change(
        "wavespeed", takes_anything, "wrong inputs: they are refused", "taken", "breaking"
    ),
    "another quotation": Change("wavespeed", quotes_more, f"model {V4}: base_price", "price", "breaking"),
    "no queue position": Change("runcomfy", no_position, "status 200: /queue_position", "field gone", "breaking"),
    "an operation is gone": Change("wavespeed", operation_gone, "balance: status", "status", "breaking"),
    "another outcome of a cancellation": Change(
        "runcomfy", other_outcome, "cancel 202: /outcome", "new word", "additive"
    ),
}
