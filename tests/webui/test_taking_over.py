"""Whose the tags are, and what becomes of the built-in while they are not its own."""

from __future__ import annotations

from pathlib import Path

import pytest

for needed in ("torch", "fastapi", "httpx"):
    pytest.importorskip(needed)

import torch  # noqa: E402

from tests.webui.fakehost import FakeWebUI, write_lora  # noqa: E402
from tests.webui.installed import (  # noqa: E402
    applied,
    difference,
    owner,
    patched_functions,
    session,
    webui_with_loradex,
)

pytestmark = pytest.mark.torch

ON_TOP = """
import torch
under = torch.nn.Linear.forward
def on_top(self, x):
    return under(self, x) + 0.25
torch.nn.Linear.forward = on_top
"""
ALIASED = """
from modules import extra_networks, script_callbacks
def add(demo, app):
    extra_networks.register_extra_network_alias(
        extra_networks.extra_network_registry["lora"], "locon")
    extra_networks.register_extra_network_alias(
        extra_networks.ExtraNetwork("else"), "other")
script_callbacks.on_app_started(add)
"""


def installed(base: Path, *others, **fields) -> FakeWebUI:
    webui = webui_with_loradex(base, *others, **fields)
    for seed, name in enumerate("ab"):
        write_lora(webui.lora_dir / f"{name}.safetensors", seed=seed)
    return webui


def test_the_name_and_every_alias_are_taken_and_given_back(tmp_path: Path) -> None:
    with installed(tmp_path, ("aa", {"scripts/a.py": ALIASED})) as webui:
        mine, other = webui.registry["lora"], webui.aliases["other"]
        assert owner(webui) == "loradex"
        assert webui.aliases["lyco"] is webui.aliases["locon"] is mine
        assert other.name == "else"
        with_a = webui.txt2img("cat <lora:a:1>").picture
        assert webui.txt2img("cat <locon:a:1>").picture == with_a
        webui.set("loradex_engine", False)
        builtin = webui.builtin.extra_network_lora
        assert webui.registry["lora"] is builtin
        assert webui.aliases == {"lyco": builtin, "locon": builtin, "other": other}


def test_lora_and_lyco_in_one_prompt_both_count(tmp_path: Path) -> None:
    with installed(tmp_path) as webui:
        both = webui.txt2img("cat <lora:a:1><lora:b:1>")
        mixed = webui.txt2img("cat <lora:a:1><lyco:b:1>")
        assert mixed.picture == both.picture
        assert mixed.picture != webui.txt2img("cat <lyco:b:1>").picture
        assert "Loradex: \"a 293/293, b 293/293\"" in mixed.infotext


def test_the_builtins_patches_are_undone_while_ours_and_put_back_after(tmp_path: Path) -> None:
    with installed(tmp_path) as webui:
        assert torch.nn.Linear.forward.__module__ == "torch.nn.modules.linear"
        webui.txt2img("cat <lora:a:1>")
        assert all("torch" in one.__module__ for one in patched_functions())
        webui.set("loradex_engine", False)
        assert all(one.__module__ == "networks" for one in patched_functions())
        webui.set("loradex_engine", True)
        assert all("torch" in one.__module__ for one in patched_functions())


def test_the_patches_stay_where_the_setting_says_so(tmp_path: Path) -> None:
    with installed(tmp_path) as webui:
        plain = webui.txt2img("cat").picture
        undone = webui.txt2img("cat <lora:a:1>").picture
        webui.set("loradex_undo_builtin", False)
        assert all(one.__module__ == "networks" for one in patched_functions())
        webui.txt2img("dog")
        assert webui.txt2img("cat <lora:a:1>").picture == undone
        assert webui.txt2img("cat").picture == plain
        assert all(one.__module__ == "networks" for one in patched_functions())
        webui.set("loradex_undo_builtin", True)
        assert all("torch" in one.__module__ for one in patched_functions())
        assert webui.txt2img("cat <lora:a:1>").picture == undone


def test_what_another_extension_patched_on_top_stays(tmp_path: Path) -> None:
    """Undoing the built-in's patch would take the other's away, so it is left."""
    with installed(tmp_path, ("zz", {"scripts/z.py": ON_TOP})) as webui:
        assert torch.nn.Linear.forward.__name__ == "on_top"
        plain = webui.txt2img("cat").picture
        assert webui.txt2img("cat <lora:a:1>").picture != plain
        assert webui.txt2img("cat").picture == plain
        webui.set("loradex_engine", False)
        assert torch.nn.Linear.forward.__name__ == "on_top"
        webui.set("loradex_engine", True)
        assert torch.nn.Linear.forward.__name__ == "on_top"


def test_a_patch_that_came_while_ours_stays_when_the_builtins_return(tmp_path: Path) -> None:
    with installed(tmp_path) as webui:
        plain, under = webui.txt2img("cat").picture, torch.nn.Linear.forward

        def on_top(self, x):
            return under(self, x)

        torch.nn.Linear.forward = on_top
        try:
            webui.set("loradex_engine", False)
            assert webui.txt2img("cat <lora:a:1>").picture != plain
            webui.set("loradex_engine", True)
            webui.txt2img("dog")
            assert webui.txt2img("cat").picture == plain
        finally:
            torch.nn.Linear.forward = under


def test_switched_off_with_a_lora_on_the_builtin_serves_its_own_picture(tmp_path: Path) -> None:
    with FakeWebUI(tmp_path / "without") as webui:
        write_lora(webui.lora_dir / "a.safetensors")
        expected = [webui.txt2img(one).picture for one in ("cat <lora:a:1>", "cat")]
    with installed(tmp_path / "with") as webui:
        ours = webui.txt2img("cat <lora:a:1>")
        webui.set("loradex_engine", False)
        assert [webui.txt2img(one).picture for one in ("cat <lora:a:1>", "cat")] == expected
        assert "Loradex" not in webui.txt2img("cat <lora:a:1>").infotext
        assert session(webui).engine["on"] is False
        webui.set("loradex_engine", True)
        assert webui.txt2img("cat <lora:a:1>").picture == ours.picture
        assert webui.txt2img("cat").picture == expected[1]


def test_the_base_is_bit_for_bit_after_any_change_of_hands(tmp_path: Path) -> None:
    with installed(tmp_path) as webui:
        base, weights = webui.txt2img("cat").picture, webui.weights()
        for prompt in ("cat <lora:a:1>", "cat <lora:b:0.7><lyco:a:-1>"):
            for engine in (False, True):
                webui.txt2img(prompt)
                webui.set("loradex_engine", engine)
                webui.txt2img(prompt)
        assert webui.txt2img("cat").picture == base
        after = webui.weights()
        assert all(torch.equal(after[name], weights[name]) for name in weights)


def test_weights_that_the_builtin_changed_before_we_came_are_taken_off(tmp_path: Path) -> None:
    """Loradex is cloned while the WebUI runs, and comes with "Reload UI"."""
    with FakeWebUI(tmp_path / "alone") as webui:
        plain = webui.txt2img("cat")
    webui = installed(tmp_path / "late", options={"disabled_extensions": ["loradex"]})
    with webui:
        by_builtin = webui.txt2img("cat <lora:a:1>")
        webui.opts.disabled_extensions = []
        webui.reload()
        assert owner(webui) == "loradex"
        assert webui.txt2img("cat").picture == plain.picture
        assert difference(plain, by_builtin) > 0.1
        assert difference(webui.txt2img("cat <lora:a:1>"), by_builtin) < 2e-3
        assert not any(
            getattr(one, "network_weights_backup", None) for one in webui.sd_model.modules())


def test_another_extension_that_takes_the_tag_keeps_it(tmp_path: Path) -> None:
    with installed(tmp_path) as webui:
        class Theirs(webui.module("extra_networks").ExtraNetwork):
            def activate(self, p, params_list): ...
            def deactivate(self, p): ...

        theirs = webui.registry["lora"] = Theirs("lora")
        assert session(webui).engine == {
            "on": False, "reason": "another extension has taken the <lora:> tag", "host": "a1111"}
        session(webui).stop()
        assert webui.registry["lora"] is theirs


def test_an_engine_that_the_host_compiled_is_left_to_the_builtin(tmp_path: Path) -> None:
    """TensorRT has the weights compiled in; the reason is on the picture and in the API."""
    with installed(tmp_path) as webui:
        plain = webui.txt2img("cat").picture
        webui.txt2img("cat <lora:a:1>")
        unet = webui.module("sd_unet")
        unet.current_unet = type("Compiled", (), {"option": None})()
        served = webui.txt2img("cat <lora:a:1>")
        assert "compiled in" in served.infotext
        assert "compiled in" in served.comments
        assert "compiled in" in applied(webui)["notes"][0]
        assert "compiled in" in session(webui).engine["reason"]
        assert webui.builtin.loaded_networks
        assert served.picture != plain
        unet.current_unet = None
        assert webui.txt2img("cat").picture == plain
        assert webui.builtin.loaded_networks == []
        assert session(webui).engine["on"] is True
