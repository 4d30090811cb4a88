"""Requests that other sites make a browser send are refused; those of users are not."""

import pytest
from loradex.server.guard import Guard
from loradex.server.problems import RequestRefusedError

HOSTS = ("studio.local", "Art.example.org:8443")
WRITE = {"x-loradex": "1"}

HOSTILE = {
    "evil origin on localhost": ("GET", {"host": "localhost:7860", "origin": "http://evil.test"}),
    "evil origin on a LAN address":
        ("GET", {"host": "192.168.1.5:7860", "origin": "http://evil.test"}),
    "another port": ("GET", {"host": "localhost:7860", "origin": "http://localhost:8000"}),
    "rebound name": ("GET", {"host": "evil.test:7860"}),
    "rebound name with its origin":
        ("GET", {"host": "evil.test:7860", "origin": "http://evil.test:7860"}),
    "name that ends like ours": ("GET", {"host": "notlocalhost"}),
    "name that begins like an address": ("GET", {"host": "127.0.0.1.evil.test"}),
    "no host": ("GET", {}),
    "sandboxed page": ("POST", {"host": "localhost", "origin": "null", **WRITE}),
    "extension page": ("GET", {"host": "localhost", "origin": "chrome-extension://localhost"}),
    "simple post": ("POST", {"host": "localhost:7860", "content-type": "text/plain"}),
    "wrong header": ("DELETE", {"host": "localhost:7860", "x-loradex": "0"}),
    "picture on another site": ("GET", {"host": "localhost", "sec-fetch-site": "cross-site"}),
    "page of a sister domain": ("GET", {"host": "localhost", "sec-fetch-site": "same-site"}),
    "evil put with the header":
        ("PUT", {"host": "10.0.0.2:7860", "origin": "https://evil.test", **WRITE}),
}

LEGITIMATE = {
    "program": ("GET", {"host": "127.0.0.1:7860"}),
    "program that writes": ("POST", {"host": "127.0.0.1:7860", **WRITE}),
    "IPv6": ("GET", {"host": "[::1]:7860", "origin": "http://[::1]:7860"}),
    "page": ("POST", {"host": "localhost:7860", "origin": "http://localhost:7860",
                      "sec-fetch-site": "same-origin", **WRITE}),
    "address bar": ("GET", {"host": "localhost.:7860", "sec-fetch-site": "none"}),
    "local subdomain": ("GET", {"host": "webui.localhost"}),
    "LAN": ("POST", {"host": "192.168.1.5:7860", "origin": "http://192.168.1.5:7860", **WRITE}),
    "configured name": ("GET", {"host": "STUDIO.local:7860", "origin": "http://studio.local:7860"}),
    "proxy that rewrites Host":
        ("POST", {"host": "127.0.0.1:7860", "origin": "https://art.example.org:8443", **WRITE}),
}


@pytest.mark.parametrize(("method", "headers"), HOSTILE.values(), ids=HOSTILE)
def test_hostile_requests_are_refused(method, headers):
    with pytest.raises(RequestRefusedError):
        Guard(HOSTS).check(method, headers)


@pytest.mark.parametrize(("method", "headers"), LEGITIMATE.values(), ids=LEGITIMATE)
def test_legitimate_requests_pass(method, headers):
    Guard(HOSTS).check(method, headers)


def test_a_name_has_to_be_configured():
    with pytest.raises(RequestRefusedError, match=r"Host studio\.local"):
        Guard().check("GET", {"host": "studio.local"})


@pytest.mark.parametrize("name", HOSTILE)
def test_the_app_refuses_them_before_anything_is_done(name, client, host, monkeypatch):
    method, headers = HOSTILE[name]
    headers = {"host": "", **headers}
    monkeypatch.setattr(host, "catalog", lambda: pytest.fail("it was asked"))
    path = "/loradex/v1/status" if method == "GET" else "/loradex/v1/refresh"
    answer = client.request("GET" if method == "GET" else "POST", path, headers=headers)
    assert answer.status_code == 403
    assert set(answer.json()) == {
        "code", "subject", "found", "expected", "next_step", "message",
    }
    assert answer.json()["code"] == "refused"


@pytest.mark.parametrize("name", [name for name in LEGITIMATE if "proxy" not in name])
def test_the_app_answers_users(name, app_of, client_of):
    method, headers = LEGITIMATE[name]
    path = "/loradex/v1/status" if method == "GET" else "/loradex/v1/refresh"
    client = client_of(app_of(Guard(HOSTS)))
    assert client.request(method, path, headers=headers).status_code == 200
