"""One request to a webhook's receiver, by httpx, which is imported when the first is sent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import httpx


def open_client() -> httpx.AsyncClient:
    """A client that follows no redirects and knows no proxies. Slow: it imports httpx and reads certificates."""
    import httpx

    # Each delivery has a connection of its own: one that the receiver has closed meanwhile would look like a failure.
    return httpx.AsyncClient(
        timeout=None,
        follow_redirects=False,
        trust_env=False,
        headers={"user-agent": "understudy"},
        limits=httpx.Limits(max_keepalive_connections=0),
    )


async def post(
    client: httpx.AsyncClient, url: str, addresses: Sequence[str], headers: Mapping[str, str], body: bytes
) -> int:
    """The status that the receiver answers; what else it says is not read.

    Connects to the first of the addresses that can be reached and not to whatever the name means by now. Raises OSError
    without addresses, and what httpx raises.
    """
    import httpx

    named = httpx.URL(url)
    sent = {**headers, "host": named.netloc.decode("ascii")}
    extensions = {"sni_hostname": named.raw_host.decode("ascii")}
    failure: Exception = OSError(f"{named.host} has no address")
    for address in addresses:
        there = named.copy_with(host=address)
        try:
            async with client.stream("POST", there, content=body, headers=sent, extensions=extensions) as response:
                return response.status_code
        except httpx.ConnectError as error:
            failure = error
    raise failure
