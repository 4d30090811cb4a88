"""The page and its API over a catalog of a test's own files, in a thread of this process."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from loradex.catalog.catalog import Catalog
from loradex.networks.cache import EngineMemory
from loradex.server.api import make_router
from loradex.server.web import FOLDER

PROMPT = "<div id='txt2img_prompt'><textarea aria-label='Prompt'></textarea></div>"


class Host:
    """A service whose checkpoint a test sets."""

    def __init__(self, catalog: Catalog) -> None:
        self.loaded: Any = None
        self.server: Any = None
        self.held = EngineMemory(
            networks=12, network_bytes=340 << 20, used=2, used_bytes=40 << 20,
            budget_bytes=2048 << 20, live_bytes=1536 << 20, spare_bytes=200 << 20, device="cpu")
        self._catalog = catalog

    def catalog(self) -> Catalog:
        return self._catalog

    def checkpoint(self) -> Any:
        return self.loaded

    def applied(self) -> dict[str, Any]:
        return {}

    def engine(self) -> dict[str, Any]:
        return {"on": True, "reason": "", "host": "a test"}

    def memory(self) -> EngineMemory:
        return self.held

    def release_memory(self) -> int:
        freed = self.held.spare_bytes
        self.held = replace(self.held, spare_bytes=0)
        return freed

    def locked(self) -> str:
        return ""

    def stopping(self) -> bool:
        """Open streams end by themselves when the server is about to."""
        return self.server is not None and self.server.should_exit


@contextmanager
def page_of(
    roots: tuple[Path, ...], loaded: Any = None, *,
    hashing: bool = False, watching: bool = False, port: int = 0,
) -> Iterator[str]:
    """The address of the page, which has a prompt box above it; `port` 0 is any that is free."""
    import uvicorn
    from fastapi import FastAPI
    from fastapi.responses import HTMLResponse
    app = FastAPI()
    with Catalog(roots) as catalog:
        catalog.refresh()
        if hashing or watching:
            catalog.start(watch=watching)
        host = Host(catalog)
        host.loaded = loaded
        app.include_router(make_router(host))

        @app.get("/try/page")
        def tried() -> HTMLResponse:
            page = (FOLDER / "page.html").read_text(encoding="utf-8")
            page = page.replace('"web/', '"../loradex/web/')
            return HTMLResponse(page.replace("<main>", f"{PROMPT}<main>"))

        server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="error",
                                               timeout_graceful_shutdown=3))
        host.server = server
        thread = threading.Thread(target=server.run)
        thread.start()
        while not server.started:
            time.sleep(0.02)
        port = server.servers[0].sockets[0].getsockname()[1]
        try:
            yield f"http://127.0.0.1:{port}/try/page"
        finally:
            server.should_exit = True
            thread.join()
