"""The standalone's app: the same session as the command line, in a browser on this machine."""

from __future__ import annotations

import socket
import threading
from pathlib import Path
from typing import Any

import gradio as gr
from loradex.errors import InputError
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware

from standalone.records import DEMO, Settings
from standalone.session import Session
from standalone.ui.generate_tab import GenerateTab
from standalone.ui.library_tab import add_library_routes, build_library_tab, head
from standalone.ui.runs import Runs
from standalone.ui.service import StandaloneService

STYLE = Path(__file__).parent / "ui" / "app.css"
SCRIPT = Path(__file__).parent / "ui" / "app.js"
PORTS_TRIED = 20
CACHE = (3600, 86400)
"""Gradio's copies of shown pictures: looked at every hour, removed after a day, all at the end."""
LOOPBACK = ("127.0.0.1", "localhost", "::1")

HEADER = (
    "<h1>Loradex</h1><p>Every LoRA exactly as it was trained, and a reason when it cannot be.</p>"
)


def build(session: Session, runs: Runs, checkpoint: str = DEMO) -> gr.Blocks:
    """All tabs, connected to one session."""
    with gr.Blocks(title="Loradex", analytics_enabled=False, delete_cache=CACHE) as app:
        gr.HTML(HEADER, elem_id="header")
        with gr.Tabs():
            with gr.Tab("Generate", id="generate"):
                tab = GenerateTab(session, runs, checkpoint)
            with gr.Tab("LoRAs", id="library"):
                build_library_tab()
        app.unload(tab.leave)
    return app


def theme() -> gr.themes.Base:
    """System fonts only: the app must look the same without a network."""
    plain = {
        f"block_{part}_{what}{mode}": value
        for part in ("title", "label") for mode in ("", "_dark")
        for what, value in (("background_fill", "transparent"),
                            ("text_color", "*body_text_color_subdued"))
    }
    return gr.themes.Soft(
        primary_hue="indigo", neutral_hue="slate", radius_size="md", spacing_size="sm",
        font=["system-ui", "Segoe UI", "sans-serif"],
        font_mono=["ui-monospace", "Consolas", "monospace"],
    ).set(**plain, block_title_padding="0", block_title_text_weight="500",
          block_title_text_size="*text_sm")


def launch(
    settings: Settings,
    host: str = "127.0.0.1",
    port: int = 7861,
    open_browser: bool = True,
    checkpoint: str = DEMO,
) -> None:
    """Serve the app until Ctrl+C; `port` or the next free one is used.

    Raises:
        InputError: no port is free, or the address is not one of this machine.
    """
    session = Session(settings, live=True)
    runs = Runs(session)
    app = build(session, runs, checkpoint)
    local = host in LOOPBACK
    service = StandaloneService(session, reachable=not local)
    server, url = listen(
        app, host, port, inbrowser=open_browser, share=False, prevent_thread_lock=True, quiet=True,
        ssr_mode=False, run_history=False, mcp_server=False, pwa=False, enable_monitoring=False,
        footer_links=[], theme=theme(), css_paths=STYLE, js=SCRIPT.read_text(encoding="utf-8"),
        head=head(), allowed_paths=[str(settings.output_dir.absolute())], app_kwargs=guard(host),
    )
    add_library_routes(server, service, () if local else (host,))
    print(f"Loradex runs at {url} (Ctrl+C ends it)", flush=True)
    if not local:
        print("Everyone who can reach this address can use it: there is no login. LoRA files and "
              "notes can only be changed under an address of this machine alone.", flush=True)
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        print("Ending.", flush=True)
    finally:
        runs.cancel_all()
        service.stop()
        app.close(verbose=False)
        session.close()


def listen(app: gr.Blocks, host: str, port: int, **options: Any) -> tuple[Any, str]:
    """The server and its address, on `port` or the next free one."""
    last = port + PORTS_TRIED
    while True:
        port = free_port(host, port)
        try:
            server, url, _ = app.launch(server_name=host, server_port=port, **options)
        except OSError:  # another program may take the port between the look and the launch
            if port >= last:
                raise
            port += 1
        else:
            return server, url


def guard(host: str) -> dict[str, Any]:
    """Answer to this machine's own names only, else any web page could rebind its name to us."""
    if host not in LOOPBACK:
        return {}
    names = [name for name in LOOPBACK if ":" not in name]
    return {"middleware": [Middleware(TrustedHostMiddleware, allowed_hosts=names)]}


def free_port(host: str, first: int) -> int:
    """`first`, or the next port that nobody listens on."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for port in range(first, first + PORTS_TRIED):
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except OSError as error:
                reason = error.strerror or str(error)
                continue
            return port
    raise InputError(
        f"--host {host} --port {first}", f"cannot listen there ({reason})",
        f"a free port from {first} to {first + PORTS_TRIED - 1}", "Name another one with --port.",
    )
