"""What other sites, strangers and odd paths must never do, tried on every route there is."""

import logging
import re
from types import SimpleNamespace
from urllib.parse import quote, unquote

import pytest
from loradex.server import api, web
from loradex.server.access import Access, login_of

from tests.catalog.netkit import write_lora
from tests.server.kit import tree

pytest.importorskip("fastapi")
pytest.importorskip("httpx")

PREFIX = "/loradex"
SAME = {"X-Loradex": "1"}
SECRET = "OUTSIDE-THE-LIBRARY"
TOLD = (*api.ROUTES, *api.RAW_ROUTES, *web.web_routes(web.WebFiles()))
ROUTES = [
    (method, route.path) for route in api.make_router(SimpleNamespace()).routes
    for method in sorted(route.methods)
]
WRITING = [route for route in ROUTES if route[0] not in ("GET", "HEAD")]
HARMLESS = ("POST", "/loradex/v1/refresh")
"""It only looks again, which a program without the token may ask for."""
USUAL = {"key": "1", "digest": web.WebFiles().digest, "id": "ink.safetensors", "name": "page.js"}

FOREIGN = {
    "foreign origin": {"origin": "https://evil.test"},
    "foreign host": {"host": "evil.test:7860"},
    "origin of a sandbox": {"origin": "null"},
    "another site by the browser's word": {"sec-fetch-site": "cross-site"},
}
ODD_PATHS = (
    "../secret.safetensors", "..", "a/../../secret.safetensors", "..\\secret.safetensors",
    "/etc/passwd", "//host/share/x", "C:\\secret", "C:secret", "\\\\host\\share\\x", "a\0b",
    "art.", "art ", "CON", "nul.safetensors", "%2e%2e%2fsecret\0",
)
HTML = b"<!doctype html><script>alert(1)</script>" * 4
SVG = b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>"


def each(routes):
    return pytest.mark.parametrize(("method", "path"), routes, ids=" ".join)


def filled(path, **values):
    """The address of a route with its parameters, each letter of a given one percent-encoded."""
    def value(found):
        name = found[1]
        if name in values:
            return "".join(f"%{byte:02X}" for byte in values[name].encode())
        return quote(USUAL[name])

    return re.sub(r"\{(\w+)(?::\w+)?\}", value, path)


@pytest.fixture
def logged(caplog):
    """logged() -> the lines on refusals so far."""
    caplog.set_level(logging.WARNING, "loradex")
    return lambda: [one.getMessage() for one in caplog.records if one.name.startswith("loradex.")]


@pytest.fixture
def token(client):
    return client.get("/loradex/v1/status").json()["token"]


@pytest.fixture
def ask(client, token, logged, tmp_path):
    """ask(method, path, ...) with the token -> the answer, which must be a refusal on record."""
    def asked(method, path, **more):
        headers = {**SAME, "X-Loradex-Token": token, **more.pop("headers", {})}
        before = tree(tmp_path)
        answer = client.request(method, path, headers=headers, **more)
        assert tree(tmp_path) == before
        assert SECRET not in answer.text
        refused(answer, method, logged())
        return answer

    return asked


def refused(answer, method, lines, *statuses):
    problem = answer.json()
    assert answer.status_code in (statuses or range(400, 500)), problem
    assert set(problem) == {"code", "subject", "found", "expected", "next_step", "message"}
    assert lines[-1].startswith(f"Refused {method} /loradex/"), lines
    assert f"with {answer.status_code} {problem['code']}" in lines[-1]


class TestStrangers:
    """Asked before anything is read: the host is gone, and any route that looks at it fails."""

    @pytest.fixture(autouse=True)
    def nothing_is_asked(self, request, host, monkeypatch):
        request.getfixturevalue("token")
        for name in ("catalog", "checkpoint", "applied", "engine"):
            monkeypatch.setattr(host, name, lambda: pytest.fail("it was asked"))

    @pytest.mark.parametrize("how", FOREIGN)
    @each(ROUTES)
    def test_pages_of_other_sites(self, client, token, logged, method, path, how):
        headers = {**SAME, "X-Loradex-Token": token, **FOREIGN[how]}
        answer = client.request(method, filled(path), headers=headers)
        refused(answer, method, logged(), 403)
        assert answer.json()["code"] == "refused"

    @each(WRITING)
    def test_a_form_of_another_page_lacks_the_header(self, client, token, logged, method, path):
        answer = client.request(method, filled(path), headers={"X-Loradex-Token": token})
        refused(answer, method, logged(), 403)

    @pytest.mark.parametrize("sent", [None, "", "x", "x" * 32, "é"])
    @each([route for route in WRITING if route != HARMLESS])
    def test_changes_need_the_token(self, client, logged, method, path, sent):
        headers = {**SAME, **({} if sent is None else {"X-Loradex-Token": sent.encode()})}
        answer = client.request(method, filled(path), headers=headers)
        refused(answer, method, logged(), 403)
        assert answer.json()["code"] == "token"

    @each([route for route in WRITING if route != HARMLESS])
    def test_a_locked_host_takes_no_changes(self, client, token, host, logged, method, path):
        host.lock = "others can reach this server"
        headers = {**SAME, "X-Loradex-Token": token}
        answer = client.request(method, filled(path), headers=headers)
        refused(answer, method, logged(), 403)

    @each(ROUTES)
    def test_with_a_password_nobody_comes_in_without(
        self, app_of, client_of, token, logged, method, path
    ):
        client = client_of(app_of(access=Access(basic=[("ann", "pw")])))
        headers = {**SAME, "X-Loradex-Token": token}
        for auth in (None, ("ann", "wrong")):
            answer = client.request(method, filled(path), headers=headers, auth=auth)
            refused(answer, method, logged(), 401)
            assert "wrong" not in logged()[-1]

    def test_under_gradios_login_nobody_comes_in_without(self, app_of, client_of, logged):
        fastapi, gradio = pytest.importorskip("fastapi"), pytest.importorskip("gradio")
        with gradio.Blocks() as blocks:
            gradio.Markdown("here")
        outer = gradio.mount_gradio_app(
            fastapi.FastAPI(), blocks, path="/", auth=("ann", "pw"), ssr_mode=False)
        client = client_of(app_of(access=Access(login_of(outer))))
        for method, path in ROUTES:
            for cookie in ("", "access-token=guessed"):
                answer = client.request(method, filled(path), headers={**SAME, "cookie": cookie})
                refused(answer, method, logged(), 401)


def places():
    """(method, path, where, name) of everything in a request that names a file or folder."""
    for method, path in ROUTES:
        route = next(
            one for one in TOLD if one.method == method and path.endswith(one.path))
        yield from ((method, path, "path", name) for name in re.findall(r"\{(\w+)", path))
        yield from ((method, path, "query", name) for name in route.params
                    if name in ("folder", "name") and method != "GET")
        yield from ((method, path, "body", name) for name in getattr(route, "fields", ())
                    if name in ("folder", "name"))


@pytest.mark.parametrize(("method", "path", "where", "name"), list(places()), ids=str)
def test_no_path_leads_out_of_the_library(ask, key_of, tmp_path, method, path, where, name):
    write_lora(tmp_path / "secret.safetensors", metadata={"modelspec.title": SECRET})
    key = key_of("ink.safetensors")
    for odd in ODD_PATHS:
        if where == "path":
            if "/" in unquote(odd) and f"{{{name}}}" in path:
                continue  # with a slash it is no address of this route
            ask(method, filled(path, **{name: odd}))
        elif where == "query":
            ask(method, filled(path), params={"name": "x.safetensors", name: odd}, content=b"x")
        else:
            action = {"action": "move" if name == "folder" else "rename", "keys": [key]}
            ask(method, filled(path), json={**(action if "operations" in path else {}), name: odd})


@pytest.mark.parametrize("content", [HTML, SVG, b"MZ" + bytes(60), b"", b"PK\3\4" + bytes(60)])
def test_what_is_no_network_or_picture_is_not_taken_in(ask, key_of, content):
    named = {"name": "x.safetensors", "folder": ""}
    ask("PUT", "/loradex/v1/uploads", params=named, content=content)
    ask("PUT", f"/loradex/v1/previews/{key_of('ink.safetensors')}", content=content)


def test_a_body_that_is_announced_as_too_large_is_not_read(ask, key_of):
    headers = {"content-length": str(1 << 50)}
    for path in ("/uploads?name=x.safetensors", f"/previews/{key_of('ink.safetensors')}",
                 f"/networks/{'ink.safetensors'}"):
        method = "PATCH" if "networks" in path else "PUT"
        ask(method, f"/loradex/v1{path}", content=b"x", headers=headers)
