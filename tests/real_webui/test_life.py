"""Reload UI, the engine off and on, and who has the tags in between."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest

pytest.importorskip("torch")

from tests.real_webui.models import SD1

if TYPE_CHECKING:
    from tests.real_webui.host import RunningWebUI
    from tests.real_webui.shelf import Shelf

pytestmark = [pytest.mark.torch, pytest.mark.timeout(600)]

RELOADS = 3


def is_ours(handler: str) -> bool:
    return handler.startswith("loradex.")


def test_both_tags_are_ours(host: RunningWebUI) -> None:
    handlers = host.get("/loradex-probe/handlers")
    assert is_ours(handlers["lora"])
    assert is_ours(handlers["lyco"])


def test_off_and_on(host: RunningWebUI, shelf: Shelf) -> None:
    """Off in the middle of everything: the built-in has the tags, on an untouched model."""
    prompt = f"a cat <lora:{shelf.usual(SD1)}:1>"
    base, weights, ours = host.draw("a cat"), host.weights(), host.draw(prompt)
    with host.builtin():
        assert host.weights() == weights
        assert not any(map(is_ours, host.get("/loradex-probe/handlers").values()))
        assert host.get("/loradex-probe/process")["forward"] == "networks"
        assert host.draw("a cat").same(base)
        host.draw(prompt)
    # The built-in's network was still on when it lost the tag.
    assert host.weights() == weights
    assert host.draw("a cat").same(base)
    assert host.draw(prompt).same(ours)


def test_the_builtins_patches_are_undone(host: RunningWebUI, shelf: Shelf) -> None:
    assert host.get("/loradex-probe/process")["forward"] == "torch.nn.modules.linear"
    with host.setting(loradex_undo_builtin=False):
        assert host.get("/loradex-probe/process")["forward"] == "networks"
        picture = host.draw(f"a cat <lora:{shelf.usual(SD1)}:1>")
    assert host.draw(f"a cat <lora:{shelf.usual(SD1)}:1>").same(picture)


def test_reload_with_a_network_on(host: RunningWebUI, shelf: Shelf) -> None:
    prompt = f"a cat <lora:{shelf.usual(SD1)}:1>"
    base, weights, ours = host.draw("a cat"), host.weights(), host.draw(prompt)
    state = host.get("/loradex-probe/process")
    for _ in range(RELOADS):
        host.draw(prompt)
        host.reload()
        assert host.weights() == weights
        assert host.draw("a cat").same(base)
        assert host.draw(prompt).same(ours)
    handlers = host.get("/loradex-probe/handlers")
    assert is_ours(handlers["lora"])
    assert is_ours(handlers["lyco"])
    assert not more(host.get("/loradex-probe/process")["threads"], state["threads"])
    assert host.applied()["applied"]


def more(now: list[str], before: list[str]) -> Counter[str]:
    """Threads of Loradex that there were fewer of."""
    counts = [Counter(name for name in names if "loradex" in name) for names in (now, before)]
    return counts[0] - counts[1]


def test_off_over_a_reload(host: RunningWebUI, shelf: Shelf) -> None:
    prompt = f"a cat <lora:{shelf.usual(SD1)}:1>"
    host.draw("a cat")
    weights, ours = host.weights(), host.draw(prompt)
    with host.builtin():
        host.reload()
        theirs = host.draw(prompt)
        assert not theirs.report
        assert ours.near(theirs)
    assert host.draw(prompt).same(ours)
    host.draw("a cat")
    assert host.weights() == weights


def test_memory_is_not_held_twice(host: RunningWebUI, shelf: Shelf) -> None:
    """Many networks one after the other keep no more than the setting allows."""
    names = [shelf.usual(SD1, "locon", seed=seed) for seed in range(30, 42)]
    with host.setting(loradex_cache_mb=1):
        host.draw(f"a cat <lora:{names[0]}:1>")
        host.draw("a cat")
        before = host.rss_bytes()
        for name in names * 2:
            host.draw(f"a cat <lora:{name}:1>", steps=1)
            held = host.get("/loradex/v1/engine")["memory"]
            assert (held["used"], held["budget_bytes"]) == (1, 2**20)
            assert held["network_bytes"] <= max(held["budget_bytes"], held["used_bytes"])
        host.draw("a cat")
        grown = host.rss_bytes() - before
        print(f"grown by {grown / 2**20:.1f} MB over {2 * len(names)} LoRAs")
        assert grown < 150 * 2**20


def test_a_paste_finds_the_file_by_its_hash(host: RunningWebUI, shelf: Shelf) -> None:
    name = shelf.usual(SD1)
    picture = host.draw(f"a cat <lora:{name}:0.9>")
    text = picture.infotext.replace(name, "their-name")
    answer = host.post("/sdapi/v1/png-info", {"image": _png_with(text)})
    assert f"<lora:{name}:0.9>" in answer["parameters"]["Prompt"]


def _png_with(infotext: str) -> str:
    import base64
    import io

    from PIL import Image
    from PIL.PngImagePlugin import PngInfo

    told = PngInfo()
    told.add_text("parameters", infotext)
    raw = io.BytesIO()
    Image.new("RGB", (8, 8)).save(raw, "PNG", pnginfo=told)
    return base64.b64encode(raw.getvalue()).decode()
