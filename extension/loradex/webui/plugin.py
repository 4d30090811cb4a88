"""Loradex in one run of a WebUI's UI: made when its script runs, ended by "Reload UI"."""

from __future__ import annotations

import importlib
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from loradex.webui.session import Session


_PARTS = ("loradex.webui.session", "loradex.webui.routes", "loradex.server.api",
          "loradex.webui.hosts.choose", "loradex.networks.native", "loradex.networks.uses")


class Plugin:
    """Answers the WebUI's callbacks; everything that costs time begins with the first `start`."""

    def __init__(self, extension: Path) -> None:
        self.extension = extension
        self._session: Session | None = None
        self._demo: Any = None
        self._imports = threading.Thread(target=_import_parts, name="loradex-imports", daemon=True)

    @property
    def stopping(self) -> bool:
        """Whether the page's server is about to end; "Reload UI" waits for streams before it."""
        server = getattr(self._demo, "server", None)
        return self._session is None or bool(getattr(server, "should_exit", False))

    def prepare(self) -> None:
        """Imports what `start` needs while the WebUI goes on with its own start (0.3 s)."""
        self._imports.start()

    @property
    def session(self) -> Session | None:
        """What is running, between `start` and `stop`."""
        return self._session

    def start(self, demo: Any, app: Any) -> None:
        """The WebUI is up: takes the tags over and opens the catalog in the background."""
        self._imports.join()
        self._demo = demo
        from loradex.webui.hosts.choose import choose_host
        from loradex.webui.routes import add_routes
        from loradex.webui.session import Session

        host = choose_host()
        if host is None:
            print("Loradex: this WebUI keeps its models in a way that is not known; "  # noqa: T201
                  "its own LoRA support stays in place.")
            return
        if self._session is None:
            self._session = Session(host)
        add_routes(app, self)
        self._session.start()

    def stop(self) -> None:
        """Everything is as it was found; no thread is left."""
        self._imports.join()
        session, self._session = self._session, None
        if session is not None:
            session.stop()

    def model_loaded(self, _: Any) -> None:
        """A checkpoint was loaded, maybe into the modules of the one before."""
        if self._session is not None:
            self._session.model_loaded()

    def stepping(self, params: Any) -> None:
        """The denoiser is about to be called."""
        if self._session is not None and self._session.applier.manager.moves:
            self._session.stepping(params)

    def sampling(self, processing: Any, c: Any = None, uc: Any = None) -> None:
        """A pass of a picture begins: `c` and `uc` are its conditionings.

        Forge reads no negative prompts where CFG is 1.
        """
        if self._session is not None and c is not None:
            self._session.sampling(processing, c, uc)

    def switched(self) -> None:
        """A setting was changed."""
        if self._session is not None:
            self._session.follow_settings()


def _import_parts() -> None:
    for name in _PARTS:
        importlib.import_module(name)
