"""The fake WebUI does to extensions what AUTOMATIC1111's v1.10.1 does."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("fastapi")
pytest.importorskip("httpx")

from tests.webui.fakehost import FakeWebUI, write_lora  # noqa: E402

pytestmark = pytest.mark.torch

# Writes down what happens in `modules.errors.seen`, which lives as long as the WebUI.
RECORDER = """
from modules import errors, script_callbacks, extra_networks, scripts, shared
seen = errors.__dict__.setdefault("seen", [])
registry = extra_networks.extra_network_registry

class Mine(extra_networks.ExtraNetwork):
    def activate(self, p, params_list):
        seen.append(("activate", len(params_list), p.prompts, p.is_hr_pass))
        if params_list and params_list[0].items[0] == "bad":
            raise ValueError("bad")
    def deactivate(self, p):
        seen.append(("deactivate",))

extra_networks.register_extra_network(Mine("early"))
seen.append(("script", __name__, scripts.basedir()))
def before_ui():
    seen.append(("before_ui", sorted(registry)))
    extra_networks.register_extra_network(Mine("lora"))
def app_started(demo, app):
    seen.append(("app_started", demo, sorted(registry), type(registry["lora"]).__name__))
    extra_networks.register_extra_network(Mine("mine"))
script_callbacks.on_before_ui(before_ui)
script_callbacks.on_app_started(app_started)
script_callbacks.on_model_loaded(lambda model: seen.append(("model_loaded", model.family)))
script_callbacks.on_before_reload(lambda: seen.append(("before_reload",)))
script_callbacks.on_script_unloaded(lambda: seen.append(("script_unloaded",)))
script_callbacks.on_cfg_denoiser(lambda params: seen.append(("step", params.sampling_step)))
"""
BROKEN = "raise RuntimeError('broken extension')"


@pytest.fixture
def webui(tmp_path: Path) -> Iterator[FakeWebUI]:
    made = FakeWebUI(
        tmp_path, [("zz", {"scripts/rec.py": RECORDER}), ("aa", {"scripts/b.py": BROKEN})],
        checkpoints={"first": ("sd1", 1), "second": ("sd1", 2), "wide": ("sd2", 3)})
    for seed, name in enumerate("ab"):
        write_lora(made.lora_dir / f"{name}.safetensors", seed=seed)
    with made:
        yield made


def seen(webui: FakeWebUI, *kinds: str) -> list[tuple]:
    return [one for one in webui.module("errors").seen if one[0] in kinds]


def test_a_third_partys_before_ui_runs_first_and_is_overwritten(webui: FakeWebUI) -> None:
    assert seen(webui, "before_ui") == [("before_ui", [])]
    (started,) = seen(webui, "app_started")
    assert started == ("app_started", None, ["lora"], "ExtraNetworkLora")


def test_metadata_ini_turns_the_order_of_before_ui(tmp_path: Path) -> None:
    order = "[callbacks/zz/rec.py/before_ui]\nBefore = lora/lora_script.py/before_ui\n"
    extension = ("zz", {"scripts/rec.py": RECORDER, "metadata.ini": order})
    with FakeWebUI(tmp_path, [extension]) as webui:
        assert seen(webui, "before_ui") == [("before_ui", ["lora"])]
        assert type(webui.registry["lora"]).__name__ == "Mine"


def test_what_a_script_registers_while_it_runs_is_wiped(webui: FakeWebUI) -> None:
    assert "early" not in webui.registry
    webui.reload()
    assert "early" not in webui.registry


def test_scripts_run_under_their_file_name_and_in_no_table(webui: FakeWebUI) -> None:
    ((_, name, basedir),) = seen(webui, "script")
    assert name == "rec.py"
    assert Path(basedir).name == "zz"
    assert "rec.py" not in sys.modules
    assert basedir not in sys.path
    assert webui.module("scripts").basedir() == str(webui.base)


def test_an_extension_that_fails_does_not_stop_the_others(
    webui: FakeWebUI, capfd: pytest.CaptureFixture[str]
) -> None:
    webui.reload()
    assert "broken extension" in capfd.readouterr().err
    assert len(seen(webui, "script")) == 2


def test_reload_runs_scripts_again_but_fires_no_model_loaded(webui: FakeWebUI) -> None:
    model, networks = webui.sd_model, sys.modules["networks"]
    webui.module("errors").seen.clear()
    webui.reload()
    kinds = [one[0] for one in webui.module("errors").seen]
    assert kinds == ["before_reload", "script_unloaded", "script", "before_ui", "app_started"]
    assert webui.sd_model is model
    assert sys.modules["networks"] is networks


def test_without_tags_activate_is_called_and_deactivate_is_not(webui: FakeWebUI) -> None:
    webui.module("errors").seen.clear()
    webui.txt2img("cat")
    assert [one[0] for one in seen(webui, "activate", "deactivate")] == ["activate"]
    webui.txt2img("cat <mine:x>", n_iter=2)
    calls = [one[:2] for one in seen(webui, "activate", "deactivate")[1:]]
    assert calls == [("activate", 1), ("activate", 1), ("deactivate",)]


def test_after_activate_raised_it_is_called_with_nothing(webui: FakeWebUI) -> None:
    webui.module("errors").seen.clear()
    assert webui.txt2img("cat <mine:bad>").picture
    assert [one[1] for one in seen(webui, "activate")] == [1, 0]


def test_the_hires_pass_activates_again(webui: FakeWebUI) -> None:
    webui.module("errors").seen.clear()
    webui.txt2img("cat <mine:x>", enable_hr=True)
    assert [one[3] for one in seen(webui, "activate")] == [False, True]
    assert len(seen(webui, "step")) == 4


def test_loading_a_model_activates_without_prompts(tmp_path: Path) -> None:
    extension = ("zz", {"scripts/rec.py": RECORDER})
    with FakeWebUI(tmp_path, [extension], late_model=True) as webui:
        assert webui.sd_model is not None
        assert seen(webui, "activate") == [("activate", 0, None, False)]


def test_the_builtin_merges_and_takes_back(webui: FakeWebUI) -> None:
    plain, weights = webui.txt2img("cat"), webui.weights()
    with_a = webui.txt2img("cat <lora:a:1>")
    assert with_a.picture != plain.picture
    assert "Lora hashes" in with_a.infotext
    changed = webui.weights()
    assert sum(not torch.equal(changed[name], weights[name]) for name in weights) > 200
    assert webui.txt2img("cat").picture == plain.picture
    assert webui.txt2img("cat <lyco:a:1>").picture == with_a.picture


def test_the_alias_must_be_replaced_too(webui: FakeWebUI) -> None:
    """With the name alone replaced, what the second owner loads wipes out the first's."""
    both = webui.txt2img("cat <lora:a:1><lyco:b:1>").picture
    only_b = webui.txt2img("cat <lora:b:1>").picture
    original = webui.registry["lora"]

    class Delegate(type(original)):
        def activate(self, p, params_list):
            original.activate(p, params_list)

    mine = Delegate()
    webui.registry["lora"] = mine
    assert webui.txt2img("cat <lora:a:1><lyco:b:1>").picture == only_b != both
    webui.aliases["lyco"] = mine
    webui.txt2img("other")  # else the conditioning of the wrong merge comes from the cache
    assert webui.txt2img("cat <lora:a:1><lyco:b:1>").picture == both


def test_undone_patches_leave_torchs_own_and_cannot_be_undone_twice(webui: FakeWebUI) -> None:
    webui.builtin.originals.undo()
    assert torch.nn.Linear.forward.__module__ == "torch.nn.modules.linear"
    with pytest.raises(RuntimeError, match="no patch"):
        webui.builtin.originals.undo()
    plain = webui.txt2img("cat").picture
    assert webui.txt2img("cat <lora:a:1>").picture == plain


def test_a_missing_lora_is_a_comment_that_the_api_does_not_carry(webui: FakeWebUI) -> None:
    assert "Lora not found: none-such" in webui.txt2img("<lora:none-such:1>").comments
    answer = webui.api().post("/sdapi/v1/txt2img", json={"prompt": "<lora:none-such:1>"})
    assert answer.status_code == 200
    assert "not found" not in answer.text


def test_cached_conditioning_survives_a_change_of_the_encoder(webui: FakeWebUI) -> None:
    encoder = webui.sd_model.cond_stage_model.wrapped.transformer
    before = webui.txt2img("cat").picture
    with torch.no_grad():
        next(encoder.parameters()).add_(1.0)
    assert webui.txt2img("cat").picture == before
    assert webui.txt2img("dog").picture != before
    assert webui.txt2img("cat").picture != before


def test_the_three_ways_of_a_checkpoint_switch(webui: FakeWebUI) -> None:
    first, log = webui.sd_model, webui.module("errors").seen
    log.clear()
    assert webui.switch_checkpoint("second") is first
    assert seen(webui, "model_loaded") == [("model_loaded", "sd1")]
    wide = webui.switch_checkpoint("wide")
    assert wide is not first
    assert next(first.parameters()).device.type == "meta"
    webui.set("sd_checkpoints_limit", 2)
    webui.switch_checkpoint("first")
    log.clear()
    assert webui.switch_checkpoint("wide") is wide
    assert not seen(webui, "model_loaded")


def test_the_refiner_comes_in_the_middle_of_sampling(webui: FakeWebUI) -> None:
    plain = webui.txt2img("cat").picture
    refined = webui.txt2img("cat", refiner_checkpoint="second", refiner_switch_at=0.5)
    assert refined.picture != plain
    assert webui.sd_model.sd_checkpoint_info.name_for_extra == "second"
    assert webui.txt2img("cat").picture == plain


def test_without_the_builtin_nobody_owns_lora(webui: FakeWebUI) -> None:
    webui.disable("Lora")
    assert "lyco" not in webui.aliases
    assert webui.api().get("/sdapi/v1/loras").status_code == 404


@pytest.mark.parametrize("flag", ["lowvram", "medvram"])
@pytest.mark.parametrize("family", ["sd1", "sd2", "sdxl"])
def test_moving_parts_changes_no_picture(tmp_path: Path, family: str, flag: str) -> None:
    with FakeWebUI(tmp_path, checkpoints={"x": (family, 1)}) as webui:
        expected = webui.txt2img("cat").picture
    with FakeWebUI(tmp_path, checkpoints={"x": (family, 1)}, flags=[flag]) as webui:
        weight = next(webui.sd_model.model.diffusion_model.time_embed.parameters())
        before = weight.data  # held, so that no later move gets the same memory
        assert webui.txt2img("cat").picture == expected
        assert weight.data_ptr() != before.data_ptr()


@pytest.mark.parametrize("family", ["sd1", "sd2", "sdxl"])
def test_a_picture_shows_a_change_of_any_weight(tmp_path: Path, family: str) -> None:
    with FakeWebUI(tmp_path, checkpoints={"x": (family, 1)}) as webui:
        processing = webui.module("processing").StableDiffusionProcessing
        before, blind = webui.txt2img("cat", steps=1).picture, []
        parameters = list(webui.sd_model.named_parameters())
        for name, weight in parameters[::23]:
            kept = weight.detach().clone()
            with torch.no_grad():
                weight.mul_(1.01)
            processing.cached_c[0] = processing.cached_uc[0] = None
            if webui.txt2img("cat", steps=1).picture == before:
                blind.append(name)
            with torch.no_grad():
                weight.copy_(kept)
        assert not blind
        assert len(parameters) > 200


def test_an_embedding_changes_the_word_that_it_stands_for(webui: FakeWebUI) -> None:
    inversion = webui.module("textual_inversion.textual_inversion")
    database = webui.module("sd_hijack").model_hijack.embedding_db
    assert database.expected_shape == 16
    plain = webui.txt2img("a thing").picture
    embedding = inversion.create_embedding_from_data({"emb": torch.ones(2, 16)}, "thing")
    database.register_embedding(embedding, webui.sd_model)
    assert webui.txt2img("that thing").picture != webui.txt2img("a thing, ").picture
    database.register_embedding_by_name(None, webui.sd_model, "thing")
    assert "thing" not in database.word_embeddings
    webui.txt2img("other")
    assert webui.txt2img("a thing").picture == plain


def test_pasting_maps_names_through_hashes(webui: FakeWebUI) -> None:
    text = webui.txt2img("cat <lora:a:1>").infotext.replace("a: ", "old: ", 1)
    text = text.replace("<lora:a:", "<lora:old:").replace('"a:', '"old:')
    answer = webui.api().post("/sdapi/v1/png-info", json={"info": text}).json()
    assert answer["parameters"]["Prompt"] == "cat <lora:a:1>"


def test_nothing_of_it_stays(tmp_path: Path) -> None:
    path, forward = list(sys.path), torch.nn.Linear.forward
    with FakeWebUI(tmp_path, [("e", {"scripts/e.py": "import own", "own.py": ""})]):
        assert torch.nn.Linear.forward is not forward
        assert "own" in sys.modules
    assert torch.nn.Linear.forward is forward
    assert sys.path == path
    left = {"modules", "networks", "network", "lora_patches", "own"} & set(sys.modules)
    assert not left


def test_our_package_starts_without_the_state_of_earlier_tests(tmp_path: Path) -> None:
    import loradex.webui

    kept = loradex.webui
    shim = "import loradex.webui as found; found.mark = 1"
    for name in "ab":
        with FakeWebUI(tmp_path / name, [("e", {"scripts/e.py": shim})]):
            assert sys.modules["loradex.webui"] is loradex.webui is not kept
            assert loradex.webui.mark == 1
    assert sys.modules["loradex.webui"] is loradex.webui is kept
    assert not hasattr(kept, "mark")
