"""The API describes itself where the host's FastAPI shows it, and says what docs/api.md says."""

import re
from pathlib import Path

import pytest

pytest.importorskip("fastapi")
pytest.importorskip("httpx")

from loradex.server.api import RAW_ROUTES, ROUTES
from loradex.server.described import ANSWERS, MEDIA
from loradex.server.openapi import name_of, route_words

V1 = "/loradex/v1"
DOCS = Path(__file__).parents[2] / "docs" / "api.md"
ALL = {name_of(route): route for route in (*ROUTES, *RAW_ROUTES)}
KINDS = {"string": str, "integer": int, "number": (int, float), "boolean": bool, "array": list,
         "object": dict}


@pytest.fixture
def described(client):
    return client.get("/openapi.json").json()["paths"]


def operation(described, name):
    method, path = name.split()
    return described[V1 + path][method.lower()]


def test_every_route_is_there_and_nothing_else_of_ours(described):
    shown = {f"{method.upper()} {path.removeprefix(V1)}"
             for path, methods in described.items() for method in methods}
    assert shown == set(ALL)


@pytest.mark.parametrize("name", ALL)
def test_a_route_says_what_it_does_takes_and_gives(described, name):
    shown, route = operation(described, name), ALL[name]
    assert re.search(r"\w$", shown["summary"])
    assert shown["tags"] == ["Loradex"]
    given = {(one["in"], one["name"]) for one in shown.get("parameters", ())}
    assert {("query", one) for one in route.params} == {one for one in given if one[0] == "query"}
    assert {one for place, one in given if place == "path"} == set(re.findall(r"{(\w+)}", name))
    assert (("header", "X-Loradex-Token") in given) is route.changes
    assert all(one["description"] and one["schema"] for one in shown.get("parameters", ()))
    answers = shown["responses"]
    assert set(answers) == {"201" if name == "PUT /uploads" else "200", "default"}
    assert all(one["description"] and one["content"] for one in answers.values())
    fields = getattr(route, "fields", ())
    body = shown.get("requestBody", {}).get("content", {})
    members = body.get("application/json", {}).get("schema", {}).get("properties", {})
    assert set(members) == set(fields)
    assert ("application/octet-stream" in body) is (route.method == "PUT")


def test_each_route_answers_either_json_or_something_else():
    assert set(ANSWERS) | set(MEDIA) == set(ALL)
    assert not set(ANSWERS) & set(MEDIA)


def test_parameters_have_the_words_of_the_documentation():
    text = DOCS.read_text(encoding="utf-8")
    told = {}
    for section in re.split(r"^## ", text, flags=re.MULTILINE)[1:]:
        method, path = re.match(r"`(\w+) /loradex/v1(/\S+)`\n", section).groups()
        told |= {(f"{method} {path}", name): words for name, words in re.findall(
            r"^\| `(\w+)` \| (.*) \|$", section, re.MULTILINE)}
    shown = {(name, one["name"]): one["description"] for name, route in ALL.items()
             for one in route_words(route)["openapi_extra"]["parameters"] if one["in"] == "query"}
    assert shown == told


def answers(client, page, key):
    """What each route without a file in its body really answers."""
    ink = "networks/ink.safetensors"
    for name in ("status", "index", "networks", "operations", "folders", "doctor", "duplicates",
                 "checkpoint", "engine"):
        yield f"GET /{name}", client.get(f"{V1}/{name}").json()
    yield "GET /networks/{id}", client.get(f"{V1}/{ink}").json()
    yield "PATCH /networks/{id}", page("PATCH", ink, {"rating": 3})[1]
    yield "POST /operations", page("POST", "operations", {
        "action": "edit", "keys": [key], "favourite": True})[1]
    yield "POST /undo", page("POST", "undo", {})[1]
    yield "POST /folders", page("POST", "folders", {"folder": "new"})[1]
    yield "POST /hashing", page("POST", "hashing", {"paused": True})[1]
    yield "POST /refresh", page("POST", "refresh")[1]
    yield "POST /engine/release", page("POST", "engine/release")[1]


def test_answers_are_what_is_described(client, page, key_of, described):
    for name, answer in answers(client, page, key_of("ink.safetensors")):
        content = operation(described, name)["responses"]["200"]["content"]
        members = content["application/json"]["schema"]["properties"]
        assert members.keys() <= answer.keys(), name
        if name != "GET /networks/{id}":
            assert members.keys() == answer.keys(), name
        for field, schema in members.items():
            kinds = KINDS[schema["type"]]
            empty = answer[field] is None and schema.get("nullable")
            assert empty or isinstance(answer[field], kinds), (name, field, answer[field])


def test_a_description_that_was_made_before_the_routes_came_is_made_again(app_of, client_of, host):
    from loradex.server.api import make_router
    from loradex.server.routing import attach

    app = app_of()
    app.openapi_schema = {"paths": {}}
    attach(app, make_router(host))
    assert f"{V1}/status" in client_of(app).get("/openapi.json").json()["paths"]
