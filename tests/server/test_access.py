"""Where the host asks for a login the API does too: a cookie or a password, one is enough."""

import pytest

pytest.importorskip("fastapi")
pytest.importorskip("httpx")

from fastapi import APIRouter, Depends, FastAPI, HTTPException, Request
from loradex.errors import LoradexError
from loradex.server.access import Access, login_of

from tests.server.kit import PROGRAM, requests_of

STATUS = "/loradex/v1/status"
BASIC = [("ann", "sécret:1"), ("bob", "pw")]
COOKIE = {"cookie": "access-token=good"}


def gradio_like(auth, *, check=True):
    """An app with a login the way Gradio has one."""
    app = FastAPI()
    app.auth = auth

    def current_user(request: Request):
        return "ann" if request.cookies.get("access-token") == "good" else None

    router = APIRouter(prefix="/gradio_api")
    if check:
        @router.get("/login_check/")
        def login_check(user: str = Depends(current_user)):
            if app.auth is not None and user is None:
                raise HTTPException(status_code=401, detail="Not authenticated")

    app.include_router(router)
    return app


def status(client, **headers):
    return client.get(STATUS, headers=headers).status_code


@pytest.fixture
def login():
    found = login_of(gradio_like({"ann": "pw"}))
    assert found is not None
    return found


def test_without_a_login_nobody_is_asked(client):
    assert status(client) == 200
    assert status(client, authorization="Basic bm9ib2R5") == 200


def test_a_cookie_opens(app_of, client_of, login):
    client = client_of(app_of(access=Access(login)))
    answer = client.get(STATUS)
    assert answer.status_code == 401
    assert answer.json()["code"] == "login"
    assert "www-authenticate" not in answer.headers
    assert status(client, cookie="access-token=bad") == 401
    assert status(client, **COOKIE) == 200
    assert client.get(STATUS, auth=BASIC[1]).status_code == 401, "no passwords are configured"


def test_a_password_opens(app_of, client_of):
    client = client_of(app_of(access=Access(basic=BASIC)))
    answer = client.get(STATUS)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Basic ")
    assert status(client, **COOKIE) == 401
    for user, password in BASIC:
        raw = (user.encode(), password.encode())
        assert client.get(STATUS, auth=raw).status_code == 200
    assert client.get(STATUS, auth=("ann", "pw")).status_code == 401
    for odd in ("Basic", "Basic %%%", "Basic YW5u", "Bearer YW5uOnB3", "basic \xff"):
        assert client.get(STATUS, headers={"authorization": odd.encode("latin-1")}
                          ).status_code == 401


def test_either_is_enough_where_both_are_configured(app_of, client_of, login):
    client = client_of(app_of(access=Access(login, BASIC)))
    assert status(client) == 401
    assert status(client, **COOKIE) == 200
    assert client.get(STATUS, auth=("bob", "pw")).status_code == 200


def test_a_foreign_page_is_refused_before_anybody_is_asked_to_log_in(app_of, client_of, login):
    client = client_of(app_of(access=Access(login)))
    assert status(client, origin="http://evil.test", **COOKIE) == 403


def test_an_asynchronous_check_is_awaited(app_of, client_of):
    async def check(request: Request):
        if "access-token" not in request.cookies:
            raise HTTPException(status_code=401)

    client = client_of(app_of(access=Access(check)))
    assert status(client) == 401
    assert status(client, **COOKIE) == 200


def test_other_failures_of_the_check_stay_failures(app_of, client_of):
    def check():
        raise HTTPException(status_code=429)

    assert status(client_of(app_of(access=Access(check)))) == 429


def test_the_check_is_found_in_a_mounted_app(login):
    outer = FastAPI()
    outer.mount("/ui", gradio_like({"ann": "pw"}))
    assert login_of(outer) is not None


def test_no_login_is_no_check():
    assert login_of(gradio_like(None)) is None
    assert login_of(FastAPI()) is None


@pytest.mark.parametrize("name", ["auth", "auth_dependency"])
def test_a_login_without_a_check_is_an_error(name):
    app = gradio_like(None, check=False)
    setattr(app, name, lambda *_: None)
    with pytest.raises(LoradexError, match="its check was not found"):
        login_of(app)


def told(client, routes, **headers):
    """The answers to all requests that end; a stream of events goes on for whoever may have it."""
    headers = {**PROGRAM, **headers}
    return {
        f"{method} {path}": client.request(method, path, headers=headers).status_code
        for method, path in requests_of(routes)
        if "cookie" not in headers or not path.endswith("/events")
    }


def test_no_route_answers_anybody_without_a_login(app_of, client_of, login):
    app = app_of(access=Access(login))
    answers = told(client_of(app), app.routes)
    assert {name: code for name, code in answers.items() if code != 401} == {}
    answers = told(client_of(app), app.routes, **COOKIE)
    assert [name for name, code in answers.items() if code == 401] == []


def test_no_route_answers_anybody_without_the_login_of_the_real_gradio(app_of, client_of):
    gradio = pytest.importorskip("gradio")
    with gradio.Blocks() as blocks:
        gradio.Markdown("here")
    outer = gradio.mount_gradio_app(
        FastAPI(), blocks, path="/", auth=("ann", "pw"), ssr_mode=False)
    routes = app_of(access=Access(login_of(outer))).routes
    outer.router.routes[:] = [
        *(one for one in routes if getattr(one, "path", "").startswith("/loradex/")),
        *outer.router.routes]
    client = client_of(outer)
    answers = told(client, outer.routes)
    assert {name: code for name, code in answers.items() if code != 401} == {}
    assert client.post("/login", data={"username": "ann", "password": "no"}).status_code == 400
    assert client.post("/login", data={"username": "ann", "password": "pw"}).status_code == 200
    cookies = "; ".join(f"{name}={value}" for name, value in client.cookies.items())
    answers = told(client, outer.routes, cookie=cookies)
    assert [name for name, code in answers.items() if code == 401] == []
    assert answers["GET /loradex/v1/status"] == 200
