"""The OpenAPI documents are true: what they allow is accepted, and what comes back is what they say."""

import re
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import count
from typing import Any, NamedTuple
from urllib.parse import quote

import httpx
import jsonschema_rs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.routing import Route

from understudy.contracts import catalogue
from understudy.contracts.allowed import values
from understudy.contracts.openapi import openapi
from understudy.mockserver.app import create_app
from understudy.mockserver.durations import DurationRange
from understudy.mockserver.server import running
from understudy.mockserver.settings import Settings

AT_ONCE = DurationRange(0, 0)
# The last reading of every switch is never its default, except that one of them is at odds with another.
OTHERWISE = {switch.name: switch.values[-1] for switch in catalogue.switches()} | {"wavespeed.validation": "submit"}
APPS = {
    "by default": create_app(Settings(queue_time=AT_ONCE, run_time=AT_ONCE, seed=1)),
    "read otherwise": create_app(Settings(queue_time=AT_ONCE, run_time=AT_ONCE, seed=1, assume=OTHERWISE)),
}
KEYS = (f"key-{number}" for number in count())
# A webhook would be delivered out of this test; it has tests of its own.
LEFT_OUT = {"webhook", "webhook_url"}


class Case(NamedTuple):
    """One operation of one document, and the application that should do as it says."""

    app: str
    document: dict[str, Any]
    method: str
    path: str
    operation: dict[str, Any]

    def __repr__(self) -> str:
        """Short: Hypothesis shows it with every failure."""
        return f"{self.app}: {self.operation['operationId']}"

    @property
    def content(self) -> tuple[str, dict[str, Any]] | None:
        content = self.operation.get("requestBody", {}).get("content", {})
        return next(((kind, one["schema"]) for kind, one in content.items()), None)

    @property
    def template(self) -> str:
        return self._template(self.path)

    @property
    def aliases(self) -> list[str]:
        return [self._template(path) for path in self.operation.get("x-aliases", ())]

    def _template(self, path: str) -> str:
        """The method and a path, with `{model_id}` in place of the model's own."""
        for model_id in sorted(self.document["components"]["schemas"]["model-id"]["enum"], key=len, reverse=True):
            if path.endswith(f"/{model_id}"):
                path = path.removesuffix(model_id) + "{model_id}"
                break
        return f"{self.method.upper()} {path}"


def cases(app: str) -> Iterator[Case]:
    assumed = APPS[app].state.settings.assume
    for provider in catalogue.PROVIDERS:
        document = openapi(provider, assumed=assumed)
        for path, item in document["paths"].items():
            for method, operation in item.items():
                yield Case(app, document, method, path, operation)


ALL = [case for app in APPS for case in cases(app)]
LINKS = {
    (case.app, id(case.document), name): (case, link["parameters"])
    for case in ALL
    for response in case.operation["responses"].values()
    for name, link in response.get("links", {}).items()
}


def source(case: Case) -> tuple[Case, dict[str, str]] | None:
    """The operation whose answers give this one's path parameters, and how."""
    return LINKS.get((case.app, id(case.document), case.operation["operationId"]))


def each(cases: list[Case]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("case", cases, ids=repr)


@pytest.fixture(scope="module")
def clients() -> Iterator[dict[str, httpx.Client]]:
    with ExitStack() as stack:
        origins = {name: stack.enter_context(running(app)) for name, app in APPS.items()}
        yield {name: stack.enter_context(httpx.Client(base_url=origin)) for name, origin in origins.items()}


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def draw_request(data: st.DataObject, case: Case) -> dict[str, Any]:
    """What the document allows beside the path: query, headers and body, as httpx takes them."""
    request: dict[str, Any] = {"params": {}, "headers": {}}
    for parameter in case.operation["parameters"]:
        asked = parameter.get("required") or (parameter["name"] not in LEFT_OUT and data.draw(st.booleans()))
        if asked and parameter["in"] != "path":
            value = data.draw(values(parameter["schema"], case.document), parameter["name"])
            place = "params" if parameter["in"] == "query" else "headers"
            request[place][parameter["name"]] = str(value).lower() if isinstance(value, bool) else value
    kind, schema = case.content or ("", {})
    if kind == "application/json":
        body = data.draw(values(schema, case.document), "body")
        request["json"] = {name: value for name, value in body.items() if name not in LEFT_OUT}
    elif kind == "multipart/form-data":
        request["files"] = {"file": ("shoe.png", data.draw(st.binary(max_size=64)), "image/png")}
    elif kind:
        request["content"] = data.draw(st.binary(max_size=64))
    return request


def pointed(body: Any, expression: str) -> str:
    """The part of a body that an OpenAPI runtime expression such as `$response.body#/data/id` points to."""
    for part in expression.removeprefix("$response.body#/").split("/"):
        body = body[part]
    return str(body)


def resolved(case: Case) -> dict[str, Any]:
    """The schema of the body."""
    assert case.content is not None
    name = case.content[1].get("$ref", "").rpartition("/")[2]
    schema: dict[str, Any] = case.document["components"]["schemas"].get(name, case.content[1])
    return schema


def check(case: Case, answer: httpx.Response) -> None:
    """Asserts that the document says so: this status, and a body of this schema."""
    status = str(answer.status_code)
    responses = case.operation["responses"]
    response = responses.get(status) or responses.get(f"{status[0]}XX")
    assert response is not None, f"{status} is not described: {answer.text}"
    if "content" in response:
        assert "application/json" == answer.headers["content-type"]
        schema = {**response["content"]["application/json"]["schema"], "components": case.document["components"]}
        problems = [error.message for error in jsonschema_rs.Draft202012Validator(schema).iter_errors(answer.json())]
        assert [] == problems, answer.text


@each([case for case in ALL if "{" not in case.path or source(case)])
@settings(max_examples=10, deadline=None)
@given(data=st.data())
def test_what_a_document_allows_is_answered_as_it_says(
    clients: dict[str, httpx.Client], case: Case, data: st.DataObject
) -> None:
    client, authorization, path = clients[case.app], bearer(next(KEYS)), case.path
    if found := source(case):
        before, parameters = found
        request = draw_request(data, before)
        answer = client.request(before.method, before.path, **{**request, "headers": authorization})
        path = path.format_map({name: pointed(answer.json(), one) for name, one in parameters.items()})
    request = draw_request(data, case)
    request["headers"].update(authorization)
    answer = client.request(case.method, path, **request)
    assert answer.is_success, answer.text
    assert answer.status_code != 200 or not {"error_code", "error_message"} & set(answer.json())
    check(case, answer)


@each(ALL)
@settings(max_examples=3, deadline=None)
@given(data=st.data())
def test_what_a_document_does_not_allow_is_answered_as_it_says_too(
    clients: dict[str, httpx.Client], case: Case, data: st.DataObject
) -> None:
    client = clients[case.app]
    names = {one["name"]: one["schema"] for one in case.operation["parameters"] if one["in"] == "path"}
    unknown = {name: data.draw(values(schema, case.document), name) for name, schema in names.items()}
    path = case.path.format_map({name: quote(value, safe="") or "x" for name, value in unknown.items()})
    request = draw_request(data, case)
    if case.operation.get("security") != []:
        check(case, client.request(case.method, path, **request))
    request["headers"].update(bearer(next(KEYS)))
    if unknown:
        check(case, client.request(case.method, path, **request))
    if "json" in request:
        for content in (b"", b"{", b"[]", b"null"):
            check(case, client.request(case.method, path, headers=request["headers"], content=content))
        for name in resolved(case).get("required", ()):
            body = {key: value for key, value in request["json"].items() if key != name}
            check(case, client.request(case.method, path, headers=request["headers"], json=body))


@pytest.mark.parametrize("app", APPS)
def test_documents_and_routes_agree(app: str) -> None:
    routes = [route for route in APPS[app].routes if isinstance(route, Route)]
    answered = {
        (nameless(f"{method} {route.path}"), route.name)
        for route in routes
        for method in route.methods or ()
        if method != "HEAD"
    }
    described = {nameless(one): one for case in ALL if case.app == app for one in (case.template, *case.aliases)}
    assert set() == {template for key, template in described.items() if key not in dict(answered)}
    providers = {template for template, name in answered if name.partition(".")[0] in catalogue.PROVIDERS}
    assert set() == providers - described.keys()


def nameless(template: str) -> str:
    """A path with its parameters all called alike: documents and routes need not agree on that."""
    return re.sub(r"{[^}]*}", "{}", template)


def test_an_answer_that_a_document_does_not_describe_is_noticed(clients: dict[str, httpx.Client]) -> None:
    case = next(case for case in ALL if case.operation["operationId"].startswith("submit.bytedance.seedream-5"))
    body = {"prompt": "A shoe", "image": ["https://example.com/shoe.png"]}
    answer = clients[case.app].request(case.method, case.path, headers=bearer("key"), json=body)
    check(case, answer)
    content = {"application/json": {"schema": {"$ref": "#/components/schemas/status"}}}
    for responses in ({}, {"200": {"content": content}}):
        with pytest.raises(AssertionError):
            check(case._replace(operation={**case.operation, "responses": responses}), answer)


def test_an_alias_of_a_path_is_answered_as_the_path(clients: dict[str, httpx.Client]) -> None:
    for case in ALL:
        for alias in case.operation.get("x-aliases", ()):
            for headers in ({}, bearer("key")):
                paths = [path.replace("{id}", "0" * 32) for path in (case.path, alias)]
                one, other = (clients[case.app].request(case.method, path, headers=headers) for path in paths)
                assert (one.status_code, one.text) == (other.status_code, other.text), alias
