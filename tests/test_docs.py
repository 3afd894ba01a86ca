"""The OpenAPI documents and their pages, as served."""

import asyncio
import dataclasses
import re
from collections.abc import Iterator
from html.parser import HTMLParser

import httpx
import pytest
from starlette.applications import Starlette

from understudy.contracts import catalogue
from understudy.contracts.openapi import openapi
from understudy.mockserver.app import create_app
from understudy.mockserver.docs_text import small_value
from understudy.mockserver.openapi import Documents
from understudy.mockserver.server import running
from understudy.mockserver.settings import Settings

each_provider = pytest.mark.parametrize("provider", catalogue.PROVIDERS)


@pytest.fixture(scope="module")
def client() -> Iterator[httpx.Client]:
    with (
        running(create_app(Settings(assume={"wavespeed.cancel": "on"}))) as origin,
        httpx.Client(base_url=origin) as it,
    ):
        yield it


class Page(HTMLParser):
    """What a page refers to, and what can be referred to in it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.ids: list[str] = []
        self.tags: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        for name, value in attrs:
            if name in ("href", "src"):
                self.links.append(value or "")
            elif name == "id":
                self.ids.append(value or "")


@each_provider
def test_a_document_is_served_as_the_contract_says_it(client: httpx.Client, provider: str) -> None:
    origin = str(client.base_url).rstrip("/")
    expected = openapi(provider, assumed={"wavespeed.cancel": "on"}, origin=origin)
    answer = client.get(f"/_understudy/openapi/{provider}.json")
    assert (200, "application/json") == (answer.status_code, answer.headers["content-type"])
    assert expected == answer.json()


def test_the_server_in_a_document_is_the_one_that_the_client_used(client: httpx.Client) -> None:
    for host in ("fake.test", "other.test:8080"):
        document = client.get("/_understudy/openapi/wavespeed.json", headers={"host": host}).json()
        assert [{"url": f"http://{host}"}] == document["servers"]


def test_a_model_of_the_users_own_is_among_those_served() -> None:
    own = catalogue.model_from_entry("runcomfy", {"properties": {"text": {"type": "string"}}}, model_id="me/<b>own</b>")
    with running(create_app(Settings(models=(own,)))) as origin:
        document = httpx.get(f"{origin}/_understudy/openapi/runcomfy.json").json()
        page = httpx.get(f"{origin}/_understudy/docs/runcomfy").text
    assert {"get", "post"} == document["paths"]["/v1/models/me/<b>own</b>"].keys()
    assert "/v1/models/me/&lt;b&gt;own&lt;/b&gt;</code>" in page
    assert "<b>own" not in page


@pytest.mark.parametrize("path", ["/_understudy/openapi/fal.json", "/_understudy/docs/fal"])
def test_an_unknown_provider_is_told_those_that_exist(client: httpx.Client, path: str) -> None:
    answer = client.get(path)
    assert 404 == answer.status_code
    assert {"error": 'There is no provider "fal"; there are: wavespeed, runcomfy.'} == answer.json()


def test_a_document_that_cannot_be_made_is_no_unknown_provider() -> None:
    (model, *_) = catalogue.models("wavespeed").values()
    broken = Documents({"wavespeed": {"a/b": dataclasses.replace(model, input_schema={})}}, {})
    app = Starlette(routes=broken.routes())

    async def get(path: str) -> None:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
            await client.get(path)

    for path in ("/_understudy/openapi/wavespeed.json", "/_understudy/docs/wavespeed"):
        with pytest.raises(KeyError, match="properties"):
            asyncio.run(get(path))


def test_the_first_page_leads_to_each_provider(client: httpx.Client) -> None:
    links = Page(client.get("/_understudy/docs").text).links
    assert {f"/_understudy/docs/{provider}" for provider in catalogue.PROVIDERS} <= set(links)


@pytest.mark.parametrize("page", ["", *(f"/{provider}" for provider in catalogue.PROVIDERS)])
def test_a_page_needs_nothing_but_this_server_and_leads_nowhere_else(client: httpx.Client, page: str) -> None:
    answer = client.get(f"/_understudy/docs{page}")
    found = Page(answer.text)
    assert not found.tags & {"script", "img", "iframe", "object"}
    assert not re.search(r"@import|url\(", answer.text)
    assert len(found.ids) == len(set(found.ids))
    for link in set(found.links) - {"data:,"}:
        if link.startswith("#"):
            assert link[1:] in found.ids
        else:
            assert 200 == client.get(link).status_code, link


@each_provider
def test_a_page_shows_every_operation_and_every_sample_that_holds(client: httpx.Client, provider: str) -> None:
    found = client.get(f"/_understudy/docs/{provider}").text
    document = client.get(f"/_understudy/openapi/{provider}.json").json()
    for item in document["paths"].values():
        for operation in item.values():
            assert f'id="{operation["operationId"]}"' in found
            for response in operation["responses"].values():
                for name in response.get("content", {}).get("application/json", {}).get("examples", {}):
                    assert f"<summary>{name} <span>" in found
    assert "<code>wavespeed.cancel=on</code>" in found


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"default": 3, "enum": [1, 3]}, 3),
        ({"enum": ["fast", "slow"]}, "fast"),
        ({"type": "integer", "minimum": 2}, 2),
        ({"type": "number"}, 1),
        ({"type": "boolean"}, False),
        ({"type": "array", "items": {"type": "integer"}, "minItems": 2}, [1, 1]),
        ({"type": "object", "properties": {"a": {"type": "boolean"}, "b": {}}, "required": ["a"]}, {"a": False}),
        ({"type": "object", "required": ["unlisted"]}, {"unlisted": "https://example.com/shoe.png"}),
        ({"type": "string", "title": "Prompt"}, "A red shoe"),
        ({"type": "string"}, "https://example.com/shoe.png"),
    ],
)
def test_where_no_sample_is_on_record_a_small_value_is_shown(schema: dict[str, object], value: object) -> None:
    assert value == small_value(schema)
