"""This checkout's extension, installed in a fake WebUI, and how tests look at the two of them."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from tests.webui.fakehost import FakeWebUI, Result

ROOT = Path(__file__).resolve().parents[2]
SHIM = (ROOT / "scripts" / "loradex.py").read_text(encoding="utf-8")
EXTENSION = ("loradex", {"scripts/loradex.py": SHIM})
"""The script alone: its package is imported from the checkout, which the tests have on the path."""


class WithLoradex(FakeWebUI):
    """Ends Loradex' threads when it stops, for the process of the tests goes on."""

    def stop(self) -> None:
        running = session(self) if self._kept is not None else None
        if running is not None:
            running.stop()
        super().stop()


def webui_with_loradex(base: Path, *others: Any, **fields: Any) -> FakeWebUI:
    """Not started yet; `others` are further extensions, `fields` those of FakeWebUI."""
    return WithLoradex(base, [EXTENSION, *others], **fields)


def owner(webui: FakeWebUI) -> str:
    """The package of whoever has the tag."""
    return type(webui.registry["lora"]).__module__.partition(".")[0]


def session(webui: FakeWebUI) -> Any:
    """The running session, by way of the callbacks that the WebUI holds."""
    if "modules.script_callbacks" not in sys.modules:
        return None
    for entry in webui.module("script_callbacks").callback_map["callbacks_app_started"]:
        plugin = getattr(entry.callback, "__self__", None)
        if type(plugin).__module__ == "loradex.webui.plugin":
            return plugin.session
    return None


def patched_functions() -> list[Any]:
    """What stands at the places that the built-in patches."""
    return [
        getattr(getattr(torch.nn, name), field)
        for name in ("Linear", "Conv2d", "GroupNorm", "LayerNorm", "MultiheadAttention")
        for field in ("forward", "_load_from_state_dict")]


def applied(webui: FakeWebUI) -> Mapping[str, Any]:
    """What the API says of the last run."""
    found: Mapping[str, Any] = webui.api().get(
        "/loradex/v1/applied", headers={"host": "127.0.0.1"}).json()
    return found


def by_builtin(base: Path, prompts: Mapping[str, Mapping[str, Any]], **fields: Any) -> list[Result]:
    """The built-in's pictures of these jobs (prompt -> fields), each from a fresh conditioning."""
    with FakeWebUI(base, **fields) as webui:
        return [webui.txt2img(prompt, **job) for prompt, job in prompts.items()]


def difference(first: Result, second: Result) -> float:
    """The largest difference of two pictures; their values are of the order of 1."""
    return max(
        float(np.abs(np.frombuffer(a, np.float32) - np.frombuffer(b, np.float32)).max())
        for a, b in zip(first.pictures, second.pictures, strict=True))
