"""WaveSpeed's calls about money: balance and prices."""

from __future__ import annotations

from understudy.mockserver.desk import Desk
from understudy.mockserver.dialect import Operation
from understudy.mockserver.exchange import Call, Reply
from understudy.mockserver.money import dollars
from understudy.mockserver.request_rules import TEXT, RequestRules
from understudy.mockserver.wavespeed_envelope import success

_PRICE = RequestRules({"model_id": TEXT, "inputs": {"type": "object"}}, required=("model_id",))


def operations(desk: Desk) -> tuple[Operation, ...]:
    async def balance(tenant: str, call: Call) -> Reply:
        account = await desk.store.account(tenant, desk.dialect.name)
        return success({"balance": dollars(account.balance)})

    def ask(call: Call) -> tuple[str, float]:
        asked = _PRICE.read(call.body)
        return asked["model_id"], dollars(desk.price(asked["model_id"], asked.get("inputs", {})))

    async def price(tenant: str, call: Call) -> Reply:
        model_id, amount = ask(call)
        # The rate is the percentage that is paid: nobody has a discount here.
        costs = {"price": amount, "discounted_price": amount, "discount_rate": 100, "currency": "USD"}
        return success({"model_id": model_id, **costs})

    async def pricing(tenant: str, call: Call) -> Reply:
        model_id, amount = ask(call)
        return success({"model_id": model_id, "unit_price": amount, "currency": "USD"})

    return (
        Operation("balance", "GET", "/api/v3/balance", balance),
        Operation("price", "POST", "/api/v3/model/price", price),
        Operation("pricing", "POST", "/api/v3/model/pricing", pricing),
    )
