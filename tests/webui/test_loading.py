"""Start, "Reload UI" and the end: what Loradex adds to a WebUI, once, and leaves behind never."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from pathlib import Path

import pytest

for needed in ("torch", "fastapi", "httpx"):
    pytest.importorskip(needed)

import torch  # noqa: E402

from tests.webui.fakehost import FakeWebUI, write_lora  # noqa: E402
from tests.webui.installed import (  # noqa: E402
    ROOT,
    SHIM,
    WithLoradex,
    owner,
    patched_functions,
    session,
    webui_with_loradex,
)

pytestmark = pytest.mark.torch

GREEDY = ("greedy", {
    "scripts/greedy.py": "import extension, lora; from extension import core",
    "extension/__init__.py": "", "extension/core.py": "MINE = 'greedy'", "lora.py": ""})

REGISTERED = """
import json, sys, threading
from pathlib import Path
root, host = map(Path, sys.argv[1:])
opened = []
sys.addaudithook(lambda event, args: opened.append(str(args[0])) if event == "open" else None)
threading.Thread.start = lambda self: None  # what is put off does not count
sys.path[:0] = [str(host), str(root / "extension")]
before, start = set(sys.modules), len(opened)
import loradex.webui
loradex.webui.register(root)
from modules import script_callbacks
print(json.dumps({
    "modules": sorted({name.partition(".")[0] for name in set(sys.modules) - before}),
    "opened": [name for name in opened[start:] if not name.endswith((".py", ".pyc"))],
    "callbacks": script_callbacks.added}))
"""
CALLBACKS = """
callback_map, added = {}, []
def __getattr__(name):
    if not name.startswith("on_"):
        raise AttributeError(name)
    return lambda callback: added.append(name)
"""


@pytest.fixture
def others() -> set[threading.Thread]:
    """Threads that earlier tests of the process left: of apps and catalogs that live on."""
    return set(threading.enumerate())


def ours(others: set[threading.Thread]) -> list[str]:
    """Names of live threads that Loradex or its catalog started in this test."""
    alive = set(threading.enumerate()) - others
    return sorted(one.name for one in alive if "loradex" in one.name)


def routes(webui: FakeWebUI) -> list[str]:
    return sorted(
        f"{one.methods} {one.path}" for one in webui.app.router.routes
        if getattr(one, "path", "").startswith("/loradex/"))


@pytest.mark.parametrize("folder", ["loradex", "My LoRA manager", "zz_ünïcode"])
def test_it_loads_from_a_folder_of_any_name(tmp_path: Path, folder: str) -> None:
    with WithLoradex(tmp_path, [(folder, {"scripts/loradex.py": SHIM}), GREEDY]) as webui:
        assert owner(webui) == "loradex"
        assert "greedy" in vars(sys.modules["extension.core"])["MINE"]
        assert webui.txt2img("cat").picture


def test_a_real_clone_in_a_path_with_spaces_runs_beside_owners_of_common_names(
    tmp_path: Path,
) -> None:
    """In a process of its own, where nothing but the clone has the package."""
    script = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from tests.webui.fakehost import FakeWebUI
from tests.webui.test_loading import GREEDY
sys.path[:] = [one for one in sys.path if not one.endswith("extension")]
for name in [one for one in sys.modules if one.partition(".")[0] == "loradex"]:
    del sys.modules[name]
webui = FakeWebUI(Path(sys.argv[2]), [GREEDY])
clone = webui.install(Path(sys.argv[1])).rename(webui.base / "extensions" / "my clone")
with webui:
    import loradex.webui
    assert Path(loradex.webui.__file__).is_relative_to(clone), loradex.webui.__file__
    assert type(webui.registry["lora"]).__module__ == "loradex.webui.extra_network"
    assert sys.modules["networks"].loaded_networks == []
    assert webui.txt2img("cat <lora:none:1>").comments
print("served")
"""
    path = f"import sys; sys.path.insert(0, {str(ROOT / 'extension')!r})\n"
    made = subprocess.run(
        [sys.executable, "-c", path + script, str(ROOT), str(tmp_path / "a web ui")],
        capture_output=True, text=True, timeout=100, check=False)
    assert made.stdout.endswith("served\n"), made.stderr


def test_registering_imports_and_opens_next_to_nothing(tmp_path: Path) -> None:
    (tmp_path / "modules").mkdir()
    (tmp_path / "modules" / "__init__.py").write_text("", encoding="utf-8")
    (tmp_path / "modules" / "script_callbacks.py").write_text(CALLBACKS, encoding="utf-8")
    (tmp_path / "modules" / "scripts.py").write_text("class Script: ...\n", encoding="utf-8")
    made = subprocess.run(
        [sys.executable, "-S", "-c", REGISTERED, str(ROOT), str(tmp_path)],
        capture_output=True, text=True, timeout=60, check=True)
    found = json.loads(made.stdout)
    heavy = {"torch", "numpy", "gradio", "fastapi", "sqlite3", "safetensors", "watchdog", "asyncio"}
    assert heavy.isdisjoint(found["modules"])
    assert found["opened"] == []
    assert "on_app_started" in found["callbacks"]
    assert len(found["callbacks"]) == len(set(found["callbacks"]))


def test_a_second_clone_registers_nothing_and_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], others: set[threading.Thread]
) -> None:
    with webui_with_loradex(tmp_path, ("second", {"scripts/loradex.py": SHIM})) as webui:
        assert "installed twice" in capsys.readouterr().out
        entries = [
            entry for entries in webui.module("script_callbacks").callback_map.values()
            for entry in entries if entry.callback.__module__.startswith("loradex")]
        assert len(entries) == len({entry.name for entry in entries}) == 7
        assert len(routes(webui)) == len(set(routes(webui)))
        assert ours(others).count("loradex-open") <= 1


def test_reloading_the_ui_again_and_again_leaves_one_of_each(
    tmp_path: Path, others: set[threading.Thread]
) -> None:
    with webui_with_loradex(tmp_path) as webui:
        session(webui).opened_catalog()
        paths = routes(webui)
        plain = webui.txt2img("cat").picture
        write_lora(webui.lora_dir / "late.safetensors")
        for _ in range(5):
            webui.reload()
            session(webui).opened_catalog()
        names = [name for name in ours(others) if "-hash" not in name]  # a pool has several
        assert len(names) == len(set(names))
        assert len([name for name in names if "watch" in name]) <= 1
        assert routes(webui) == paths
        assert owner(webui) == "loradex"
        handlers = {id(one) for one in (webui.registry["lora"], webui.aliases["lyco"])}
        assert len(handlers) == 1
        assert webui.txt2img("cat <lora:late:1>").picture != plain
        assert webui.txt2img("cat").picture == plain


def test_reloading_with_a_lora_on_gives_its_weights_back_first(tmp_path: Path) -> None:
    with webui_with_loradex(tmp_path) as webui:
        write_lora(webui.lora_dir / "a.safetensors")
        before = webui.weights()
        with_a = webui.txt2img("cat <lora:a:1>").picture
        session(webui).stop()
        after = webui.weights()
        assert all(torch.equal(after[name], before[name]) for name in before)
        webui.reload()
        assert webui.txt2img("cat <lora:a:1>").picture == with_a


def test_disabling_the_extension_gives_the_builtin_back_untouched(
    tmp_path: Path, others: set[threading.Thread]
) -> None:
    prompts = ["cat", "cat <lora:a:1>", "cat <lyco:a:0.5>", "cat"]
    with FakeWebUI(tmp_path / "without") as webui:
        write_lora(webui.lora_dir / "a.safetensors")
        expected = [webui.txt2img(one).picture for one in prompts]
        weights = webui.weights()
    with webui_with_loradex(tmp_path / "with") as webui:
        write_lora(webui.lora_dir / "a.safetensors")
        webui.txt2img("cat <lora:a:1>")
        webui.disable("loradex")
        assert owner(webui) == "extra_networks_lora"
        assert webui.registry["lora"] is webui.aliases["lyco"] is webui.builtin.extra_network_lora
        assert routes(webui) == []
        assert ours(others) == []
        assert torch.nn.Linear.forward.__module__ == "networks"
        assert [webui.txt2img(one).picture for one in prompts] == expected
        after = webui.weights()
        assert all(torch.equal(after[name], weights[name]) for name in weights)
        assert not any(one._forward_pre_hooks for one in webui.sd_model.modules())


def test_stopping_puts_the_very_functions_and_handlers_back(tmp_path: Path) -> None:
    keep = """
from modules import errors, extra_networks, script_callbacks
import torch
def keep(demo, app):
    errors.before = (dict(extra_networks.extra_network_registry),
                     dict(extra_networks.extra_network_aliases))
script_callbacks.on_app_started(keep)
"""
    with webui_with_loradex(tmp_path, ("aa", {"scripts/keep.py": keep})) as webui:
        registry, aliases = webui.module("errors").before
        assert registry["lora"] is not webui.registry["lora"]
        plain = patched_functions()
        session(webui).stop()
        assert webui.registry == registry
        assert webui.aliases == aliases
        builtin = patched_functions()
        assert all(one.__module__ == "networks" for one in builtin)
        webui.builtin.originals.undo()
        assert patched_functions() == plain


def test_enabled_again_it_serves_again(tmp_path: Path) -> None:
    with webui_with_loradex(tmp_path) as webui:
        write_lora(webui.lora_dir / "a.safetensors")
        first = webui.txt2img("cat <lora:a:1>")
        webui.disable("loradex")
        webui.txt2img("cat <lora:a:1>")
        webui.opts.disabled_extensions = []
        webui.reload()
        assert owner(webui) == "loradex"
        again = webui.txt2img("cat <lora:a:1>")
        assert again.picture == first.picture
        assert "Loradex: a 293/293" in again.infotext


def test_five_hundred_files_are_not_listed_before_the_ui_is_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The catalog opens on a thread of its own; the start does not wait for it."""
    from loradex.catalog import catalog

    opening, go_on = threading.Event(), threading.Event()

    class Slow(catalog.Catalog):
        def start(self, *, watch: bool = True) -> None:
            opening.set()
            go_on.wait(30)
            super().start(watch=watch)

    monkeypatch.setattr(catalog, "Catalog", Slow)
    webui = webui_with_loradex(tmp_path)
    small = write_lora(webui.lora_dir / "f0.safetensors", parts=["te"]).read_bytes()
    for number in range(1, 500):
        (webui.lora_dir / f"f{number}.safetensors").write_bytes(small)
    with webui:
        assert opening.wait(10)
        assert session(webui).catalog.opened is None  # and the UI is up all the same
        assert webui.txt2img("cat").picture
        go_on.set()
        session(webui).opened_catalog().refresh()
        assert len(session(webui).opened_catalog().files()) == 500


def test_without_the_builtin_it_serves_alone(tmp_path: Path) -> None:
    webui = webui_with_loradex(tmp_path, options={"disabled_extensions": ["Lora"]})
    write_lora(webui.lora_dir / "a.safetensors")
    with webui:
        plain = webui.txt2img("cat").picture
        with_a = webui.txt2img("cat <lora:a:1>").picture
        assert with_a != plain
        assert webui.txt2img("cat <lyco:a:1>").picture == with_a
        assert webui.txt2img("cat").picture == plain
        webui.disable("loradex")
        assert "lora" not in webui.registry
        assert "lyco" not in webui.aliases
