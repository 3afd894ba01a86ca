"""What a submission costs, as both price calls say."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from talking import WAVESPEED, Talk, conforms, exact

from understudy.contracts import catalogue
from understudy.mockserver.money import dollars, parse_dollars


@pytest.mark.parametrize(
    "sample",
    ["model_price", "model_price-enum", "model_price-incomplete", "model_price-unknown_model", "model_pricing"],
)
def test_the_price_calls_answer_as_recorded(talk: Talk, sample: str) -> None:
    assert [] == talk.replay("wavespeed", sample)


@pytest.mark.parametrize(("path", "name"), [("price", "model-price"), ("pricing", "model-pricing")])
def test_both_price_calls_conform_to_their_schemas(talk: Talk, path: str, name: str) -> None:
    body = talk.post(f"/api/v3/model/{path}", {"model_id": WAVESPEED, "inputs": {"prompt": "A shoe", "max_images": 15}})
    assert [] == conforms(body, "wavespeed", name)


@pytest.mark.parametrize("model", catalogue.models("wavespeed").values(), ids=lambda model: model.model_id)
def test_without_inputs_every_model_costs_its_base_price(talk: Talk, model: catalogue.Model) -> None:
    found = talk.data("/model/price", {"model_id": model.model_id, "inputs": {}})
    assert model.entry["base_price"] == found["price"]


def test_inputs_may_be_left_out_of_the_question(talk: Talk) -> None:
    assert 0.027 == talk.data("/model/price", {"model_id": WAVESPEED})["price"]


def test_the_base_price_holds_while_inputs_are_incomplete_whatever_else_is_there(talk: Talk) -> None:
    assert 0.027 == talk.data("/model/price", {"model_id": WAVESPEED, "inputs": {"max_images": 4}})["price"]


def test_the_price_counts_the_images_asked_for(talk: Talk) -> None:
    asked = {"prompt": "A shoe", "images": ["https://example.com/shoe.png"], "max_images": 15}
    assert 0.405 == talk.data("/model/price", {"model_id": WAVESPEED, "inputs": asked})["price"]


def test_unknown_input_keys_are_ignored(talk: Talk) -> None:
    asked = {"prompt": "A shoe", "max_images": 2, "no_such_key": [1]}
    assert 0.054 == talk.data("/model/price", {"model_id": WAVESPEED, "inputs": asked})["price"]


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({"inputs": {}}, 'field "model_id" is required but missing; please provide it'),
        (
            {"model_id": WAVESPEED, "inputs": []},
            'field "inputs" must be of type object, got array with 0 items; please use the expected type',
        ),
        (
            {"model_id": WAVESPEED, "inputs": {"max_images": 16}},
            'field "max_images" must be at most 15, got integer 16; please use a value in the allowed range',
        ),
        ([], "request body must be a JSON object, got array; please send a JSON object"),
    ],
)
def test_a_question_that_makes_no_sense_is_refused(talk: Talk, body: object, text: str) -> None:
    answer = talk.call("POST", "/api/v3/model/price", body)
    assert {"code": 400, "message": text} == answer.json()


@given(st.integers(0, 10**15 - 1))
def test_dollars_are_exact_and_are_read_back(amount: int) -> None:
    assert Decimal(amount) / 1_000_000 == exact(dollars(amount))
    assert amount == parse_dollars(f"{amount // 10**6}.{amount % 10**6:06d}")


@pytest.mark.parametrize("text", ["", "-1", "1e3", "1.", ".5", "0.1234567", "1000000000", "NaN", "1,5", "٣"])
def test_what_is_no_amount_of_money_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not an amount of money: expected US dollars, such as 25 or 0\.054"):
        parse_dollars(text)
