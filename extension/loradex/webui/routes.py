"""The JSON API on the WebUI's own app, behind the WebUI's own login."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from loradex.catalog.catalog import Catalog
from loradex.compat.checkpoint_facts import CheckpointFacts
from loradex.errors import InputError, LoradexError
from loradex.networks.cache import EngineMemory

if TYPE_CHECKING:
    from loradex.webui.plugin import Plugin
    from loradex.webui.session import Session


class WebUiService:
    """The plugin as the API sees it; between two runs of the UI there is nothing to see."""

    def __init__(self, plugin: Plugin) -> None:
        self._plugin = plugin

    def catalog(self) -> Catalog:
        return self._session.catalog.get()

    def checkpoint(self) -> CheckpointFacts | None:
        return self._session.checkpoint()

    def applied(self) -> Mapping[str, Any]:
        return self._session.reporter.last

    def engine(self) -> Mapping[str, Any]:
        return self._session.engine

    def memory(self) -> EngineMemory:
        return self._session.applier.manager.memory()

    def release_memory(self) -> int:
        return self._session.applier.manager.release_unused()

    def stopping(self) -> bool:
        return self._plugin.stopping

    def locked(self) -> str:
        """The WebUI's own rule for its Extensions tab: no installing where others can reach it."""
        from modules import shared

        login = getattr(shared.cmd_opts, "gradio_auth", None) or getattr(
            shared.cmd_opts, "gradio_auth_path", None)
        if getattr(shared.cmd_opts, "disable_extension_access", False) and not login:
            return ("others can reach this WebUI and there is no login "
                    "(--gradio-auth, or --enable-insecure-extension-access)")
        return ""

    @property
    def _session(self) -> Session:
        session = self._plugin.session
        if session is None:
            raise InputError("Loradex", "it is not running", next_step="Restart the WebUI.")
        return session


def add_routes(app: Any, plugin: Plugin) -> None:
    """Adds the routes, or says why they stay off: without the login they would be open to all."""
    from loradex.server.access import Access, login_of
    from loradex.server.api import make_router
    from loradex.server.guard import Guard
    from loradex.server.routing import attach

    try:
        access = Access(login_of(app), _passwords())
    except LoradexError as error:
        print(f"Loradex: {error}")  # noqa: T201
        return
    attach(app, make_router(WebUiService(plugin), Guard(_hosts()), access))


def _passwords() -> tuple[tuple[str, str], ...]:
    """Pairs of `--api-auth user:password,user:password`."""
    from modules import shared

    given = getattr(shared.cmd_opts, "api_auth", None) or ""
    pairs = (pair.partition(":") for pair in given.split(",") if pair)
    return tuple((user, password) for user, _, password in pairs)


def _hosts() -> tuple[str, ...]:
    """The names under which the user said that the WebUI is reached."""
    from modules import shared

    name = getattr(shared.cmd_opts, "server_name", None)
    return (name,) if name else ()
