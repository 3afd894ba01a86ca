"""RunComfy's balance, and what a request has cost."""

from __future__ import annotations

import orjson

from understudy.mockserver.desk import Desk
from understudy.mockserver.dialect import Operation
from understudy.mockserver.exchange import Call, Reply, json_reply
from understudy.mockserver.jobs import Job
from understudy.mockserver.ledger import cost
from understudy.mockserver.money import dollars
from understudy.mockserver.runcomfy_catalogue import parse_query


def operations(desk: Desk) -> tuple[Operation, ...]:
    async def balance(tenant: str, call: Call) -> Reply:
        left = (await desk.store.account(tenant, desk.dialect.name)).balance
        return json_reply(200, {"balance_usd": dollars(left), "balance_microdollars": left, "currency": "USD"})

    return (Operation("balance", "GET", "/prod/v2/balance", balance),)


def with_cost(body: bytes, query: bytes, job: Job, now: int) -> bytes:
    """A result's body, and at its end the cost, if the query asks for it.

    It is there in every state, so that results and balance agree at any time: the price from the submission on, 0 once
    it has been given back. That both happen as at the other provider is assumed.
    """
    if parse_query(query).get("include_cost") != "true":
        return body
    return body[:-1] + b',"cost":' + orjson.dumps(dollars(cost(job, now))) + b"}"
