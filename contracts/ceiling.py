"""A hard ceiling on what is spent: checked before each submission, and at its most pessimistic."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from understudy.contracts.catalogue import models
from understudy.contracts.findings import NotApplicable
from understudy.contracts.models import Model

MILLION = 1_000_000


class OverCeiling(NotApplicable):
    """A submission that there is no room for; nothing was sent."""


@dataclass(slots=True)
class Quote:
    """What one submission may cost, in microdollars."""

    price: int
    what: str
    open: bool = True


@dataclass(slots=True)
class Ceiling:
    """`limit` in microdollars. What counts is the quoted price of every submission that may have been accepted: from
    before it is sent until it is certain that it was refused."""

    limit: int
    quotes: list[Quote] = field(default_factory=list)
    closed: str = ""
    """Why nothing may be submitted any more, once something was not as expected."""

    @property
    def committed(self) -> int:
        return sum(quote.price for quote in self.quotes if quote.open)

    @property
    def left(self) -> int:
        return self.limit - self.committed

    def reserve(self, price: int | None, what: str) -> Quote:
        """Room for a submission. Raises OverCeiling where there is none."""
        if self.closed:
            raise OverCeiling(f"nothing is submitted any more: {self.closed}")
        if price is None:
            raise OverCeiling(f"{what} has no price that anybody knows")
        if price > self.left:
            spent = f", {dollars(self.committed)} of it is spoken for" if self.committed else ""
            raise OverCeiling(
                f"{what} may cost {dollars(price)}, and the ceiling is {dollars(self.limit)}{spent}: "
                f"--spend {dollars(self.committed + price).removeprefix('$')} has room for it"
            )
        quote = Quote(price, what)
        self.quotes.append(quote)
        return quote

    def refused(self, quote: Quote) -> None:
        """It is certain that there is no job."""
        quote.open = False

    def close(self, reason: str) -> None:
        """Nothing is submitted from now on; the first reason is the one that is told."""
        self.closed = self.closed or reason


def certainly_refused(status: int) -> bool:
    """Whether an answer that arrived proves that nothing was accepted. A 5xx does not, nor a 408 or 409; a 200 with an
    error in it might."""
    return 400 <= status < 500 and status not in (408, 409, 499)


def dollars(microdollars: int) -> str:
    text = f"{microdollars / MILLION:.6f}".rstrip("0")
    whole, _, rest = text.partition(".")
    return f"${whole}.{rest.ljust(2, '0')}"


def microdollars(text: str) -> int:
    """Dollars as people write them: `0.50`, `$1`. Raises ValueError."""
    from decimal import Decimal, InvalidOperation

    try:
        amount = Decimal(text.strip().removeprefix("$"))
    except InvalidOperation:
        raise ValueError(f"{text!r} is not an amount of dollars, as in 0.50") from None
    if not amount.is_finite() or amount < 0 or amount.adjusted() > 12:
        raise ValueError(f"{text!r} is not an amount of dollars, as in 0.50")
    return int(amount * MILLION)


def published_price(model: Model, inputs: Mapping[str, Any]) -> int:
    """What inputs cost by the contract, in microdollars. Inputs of which nobody knows how many images they ask for are
    counted as the most that the model makes."""
    if model.price_field is None:
        return model.price_microdollars
    schema = model.input_schema["properties"][model.price_field]
    count = inputs.get(model.price_field, schema.get("default", 1))
    if isinstance(count, bool) or not isinstance(count, int) or count < 1:
        count = int(max(schema.get("enum", [schema.get("maximum", 15)])))
    return model.price_microdollars * count


def quoted_price(provider: str, model_id: str, sent: Any) -> int | None:
    """What a submission may cost as it stands, None where nobody knows. One that is no object, or without what its
    model requires, is nothing that could be run: it costs nothing, nor does one of a model that does not exist."""
    model = models(provider).get(model_id)
    if not isinstance(sent, Mapping) or model_id in UNKNOWN or model_id.endswith("/unknown"):
        return 0
    if model is None:
        return None
    if any(name not in sent for name in model.input_schema.get("required", ())):
        return 0
    return published_price(model, sent)


UNKNOWN = ("no/such-model", "bytedance/seedream-4-0/image-to-image")
"""Ids of models that are asked for because they do not exist."""
