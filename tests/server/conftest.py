"""A catalog of real files behind the API in a FastAPI app, asked like a browser or a program."""

from __future__ import annotations

from dataclasses import replace

import pytest
from loradex.catalog.catalog import Catalog
from loradex.compat.checkpoint_facts import CheckpointFacts
from loradex.compat.families import family
from loradex.networks.cache import EngineMemory

from tests.catalog.netkit import lora_tensors, write_lora


class FakeHost:
    """A service whose checkpoint and report a test sets."""

    def __init__(self, catalog):
        self.loaded, self.report, self.lock = None, {}, ""
        self.held = EngineMemory(
            networks=12, network_bytes=340 << 20, used=2, used_bytes=40 << 20, factor_bytes=9,
            budget_bytes=2048 << 20, live_bytes=1 << 30, spare_bytes=200 << 20, device="cpu")
        self._catalog = catalog

    def catalog(self):
        return self._catalog

    def checkpoint(self):
        return self.loaded

    def applied(self):
        return self.report

    def engine(self):
        return {"on": True, "reason": "", "host": "a test"}

    def memory(self):
        return self.held

    def release_memory(self):
        freed = self.held.spare_bytes
        self.held = replace(self.held, spare_bytes=0)
        return freed

    def locked(self):
        return self.lock


@pytest.fixture
def roots(tmp_path):
    first, second = tmp_path / "Lora", tmp_path / "More"
    write_lora(first / "ink.safetensors", metadata={"modelspec.title": "Ink"})
    write_lora(first / "art" / "wash.safetensors", lora_tensors("sdxl", rank=8))
    (first / "broken.safetensors").write_bytes(b"<html>")
    write_lora(second / "art" / "wash.safetensors", lora_tensors("sd1", rank=2))
    write_lora(second / "new ink #1.safetensors", lora_tensors("sd1", rank=2, count=3))
    return first, second


@pytest.fixture
def host(roots):
    with Catalog(roots) as catalog:
        catalog.refresh()
        yield FakeHost(catalog)


@pytest.fixture
def sd1(tmp_path):
    return CheckpointFacts(
        path=tmp_path / "sd1.safetensors", name="sd1", family="sd1", title="SD 1.5",
        confidence="high",
        components={"unet": family("sd1").architectures()["denoiser"]},
    )


@pytest.fixture
def client_of():
    """client_of(app) -> a client that asks as a program on this machine does."""
    pytest.importorskip("fastapi")
    pytest.importorskip("httpx")
    from fastapi.testclient import TestClient

    return lambda app: TestClient(app, base_url="http://127.0.0.1:7860")


@pytest.fixture
def app_of(host):
    """app_of(guard, access) -> an app with the API and, at `/`, one that answers everything."""
    fastapi = pytest.importorskip("fastapi")
    from loradex.server.api import make_router
    from loradex.server.routing import attach
    from starlette.responses import PlainTextResponse

    def make(guard=None, access=None):
        app = fastapi.FastAPI()
        app.mount("/", PlainTextResponse("the host's page"))
        attach(app, make_router(host, guard, access))
        return app

    return make


@pytest.fixture
def client(app_of, client_of):
    return client_of(app_of())


@pytest.fixture
def page(client):
    """page(method, path, body) -> status and JSON of a change as the page asks for it."""
    token = client.get("/loradex/v1/status").json()["token"]

    def change(method, path, body=None, **more):
        headers = {"X-Loradex": "1", "X-Loradex-Token": token, **more.pop("headers", {})}
        answer = client.request(
            method, f"/loradex/v1/{path}", json=body, headers=headers, **more)
        return answer.status_code, answer.json()

    return change


@pytest.fixture
def key_of(client):
    """key_of(id, root=0) -> its key in the index."""
    return lambda id_, root=0: client.get(
        f"/loradex/v1/networks/{id_}", params={"root": root}).json()["key"]
