"""What the engine holds in memory, as the page asks for it and gives it back."""

from dataclasses import asdict

import pytest

pytest.importorskip("fastapi")
pytest.importorskip("httpx")

ENGINE = "/loradex/v1/engine"


def test_the_record_is_told_whole(client, host):
    answer = client.get(ENGINE)
    assert (answer.status_code, answer.json()) == (200, {"memory": asdict(host.held)})
    assert answer.headers["cache-control"] == "no-store"


def test_memory_is_given_back_with_how_much_it_was(client, page, host):
    status, told = page("POST", "engine/release")
    assert (status, told["freed_bytes"]) == (200, 200 << 20)
    assert told["memory"] == asdict(host.held) == client.get(ENGINE).json()["memory"]
    assert page("POST", "engine/release")[1]["freed_bytes"] == 0


def test_nobody_else_gives_it_back(client, page, host):
    held = host.held
    assert client.post(f"{ENGINE}/release").status_code == 403
    assert client.post(f"{ENGINE}/release", headers={"X-Loradex": "1"}).json()["code"] == "token"
    host.lock = "there is no login"
    assert page("POST", "engine/release")[1]["code"] == "locked"
    assert host.held is held
