"""Whichever model the WebUI has in memory, a picture has its networks, and no other model has."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator
from pathlib import Path

import pytest

for needed in ("torch", "fastapi", "httpx"):
    pytest.importorskip(needed)

import torch  # noqa: E402

from tests.webui.fakehost import FakeWebUI, write_lora  # noqa: E402
from tests.webui.installed import applied, session, webui_with_loradex  # noqa: E402

pytestmark = pytest.mark.torch

CHECKPOINTS = {"first": ("sd1", 1), "second": ("sd1", 2), "wide": ("sd2", 3)}


def installed(base: Path, **fields) -> FakeWebUI:
    webui = webui_with_loradex(base, **{"checkpoints": CHECKPOINTS, **fields})
    for seed, name in enumerate("ab"):
        write_lora(webui.lora_dir / f"{name}.safetensors", seed=seed)
    write_lora(webui.lora_dir / "wide_lora.safetensors", "sd2", seed=5)
    return webui


@pytest.fixture
def webui(tmp_path: Path) -> Iterator[FakeWebUI]:
    with installed(tmp_path) as made:
        yield made


@pytest.fixture
def cached(tmp_path: Path) -> Iterator[FakeWebUI]:
    """A WebUI that keeps two checkpoints in memory."""
    with installed(tmp_path, options={"sd_checkpoints_limit": 2}) as made:
        yield made


def pictures(webui: FakeWebUI, *prompts: str) -> dict[str, bytes]:
    return {prompt: webui.txt2img(prompt).picture for prompt in prompts}


def on(webui: FakeWebUI, name: str) -> FakeWebUI:
    webui.switch_checkpoint(name)
    return webui


PROMPTS = ("cat <lora:a:1>", "cat")


def test_a_checkpoint_loaded_into_the_same_modules_has_its_own_base(webui: FakeWebUI) -> None:
    """The weights are replaced under the network; the old ones must never come back."""
    first = pictures(webui, "cat", *PROMPTS)
    on(webui, "second")
    second = pictures(webui, *PROMPTS)
    assert not set(second.values()) & set(first.values())
    weights = webui.weights()
    assert pictures(on(webui, "first"), *PROMPTS) == first
    assert pictures(on(webui, "second"), *PROMPTS) == second
    after = webui.weights()
    assert all(torch.equal(after[name], weights[name]) for name in weights)


def test_switching_with_a_lora_on_is_as_switching_first(tmp_path: Path) -> None:
    with installed(tmp_path) as webui:
        fresh = pictures(on(webui, "second"), *PROMPTS)
        on(webui, "first").txt2img("cat <lora:a:1>")
        assert pictures(on(webui, "second"), *PROMPTS) == fresh


def test_a_new_model_object_is_bound_and_the_old_one_let_go(webui: FakeWebUI) -> None:
    webui.txt2img("cat <lora:a:1>")
    old = weakref.ref(webui.sd_model)
    unet = weakref.ref(webui.sd_model.model.diffusion_model)
    on(webui, "wide")
    gc.collect()
    assert old() is None
    assert unet() is None
    plain = webui.txt2img("cat").picture
    skipped = webui.txt2img("cat <lora:a:1>")
    assert skipped.picture == plain
    assert "skipped" in skipped.infotext
    assert webui.txt2img("cat <lora:wide_lora:1>").picture != plain


def test_an_old_models_weights_live_on_in_no_buffer(webui: FakeWebUI) -> None:
    webui.txt2img("cat <lora:a:1>")
    slots = session(webui).applier.manager._patcher._slots.values()
    held = [weakref.ref(one) for slot in slots for one in (slot.base, slot.live) if one is not None]
    del slots
    assert len(held) > 500
    on(webui, "wide")
    gc.collect()
    assert [one() for one in held if one() is not None] == []


def test_a_model_out_of_the_webuis_cache_comes_without_a_callback(cached: FakeWebUI) -> None:
    first = pictures(cached, *PROMPTS)
    wide = ("cat <lora:wide_lora:1>", "cat")
    second = pictures(on(cached, "wide"), *wide)
    root = cached.sd_model
    for _ in range(2):
        assert pictures(on(cached, "first"), *PROMPTS) == first
        cached.txt2img("cat <lora:a:1>")  # it stays on while the other model comes
        assert pictures(on(cached, "wide"), *wide) == second
        assert cached.sd_model is root
        cached.txt2img("cat <lora:wide_lora:1>")


def test_a_model_that_waits_in_the_cache_has_no_lora_on(cached: FakeWebUI) -> None:
    weights = cached.weights()
    first = cached.sd_model
    cached.txt2img("cat <lora:a:1>")
    on(cached, "wide").txt2img("cat")
    for name, one in first.named_parameters():
        assert torch.equal(one, weights[name])


@pytest.mark.parametrize("limit", [1, 2])
def test_a_refiner_takes_the_lora_over_in_the_middle_of_sampling(
    tmp_path: Path, limit: int
) -> None:
    """Expected: each half of the steps as its own model makes them with the network on."""
    refiner = {"refiner_checkpoint": "second", "refiner_switch_at": 0.5}
    with FakeWebUI(tmp_path / "built-in", checkpoints=CHECKPOINTS) as webui:
        for seed, name in enumerate("ab"):
            write_lora(webui.lora_dir / f"{name}.safetensors", seed=seed)
        plain = webui.txt2img("cat", **refiner)
    with installed(tmp_path / "ours", options={"sd_checkpoints_limit": limit}) as webui:
        assert webui.txt2img("cat", **refiner).picture == plain.picture
        with_a = webui.txt2img("cat <lora:a:1>", **refiner)
        assert with_a.picture != plain.picture
        assert webui.txt2img("cat", **refiner).picture == plain.picture
        on(webui, "first").txt2img("dog <lora:b:1>")
        assert webui.txt2img("cat <lora:a:1>", **refiner).picture == with_a.picture
        only_second = on(webui, "second").txt2img("cat <lora:a:1>").picture
        assert with_a.picture != only_second
        assert pictures(on(webui, "first"), "cat")["cat"] != plain.picture


def test_the_refined_half_has_the_lora_on(webui: FakeWebUI) -> None:
    """With a switch at the first step all is computed by the refiner."""
    refiner = {"refiner_checkpoint": "second", "refiner_switch_at": 0.0}
    refined = webui.txt2img("cat <lora:a:1>", **refiner).picture
    assert on(webui, "second").txt2img("cat <lora:a:1>").picture == refined


def test_hires_with_its_own_prompt_has_its_own_networks(webui: FakeWebUI) -> None:
    plain = webui.txt2img("cat", enable_hr=True).picture
    same = webui.txt2img("cat <lora:a:1>", enable_hr=True)
    assert "Loradex hires" not in same.infotext
    other = webui.txt2img("cat <lora:a:1>", enable_hr=True, hr_prompt="cat <lora:b:1>")
    assert len({plain, same.picture, other.picture}) == 3
    assert "Loradex: a 293/293" in other.infotext
    assert "Loradex hires: b 293/293" in other.infotext
    hashes = other.info["extra_generation_params"]["Lora hashes"]
    assert [one.partition(":")[0] for one in hashes.split(", ")] == ["a", "b"]
    webui.txt2img("dog")
    again = webui.txt2img("cat <lora:a:1>", enable_hr=True, hr_prompt="cat <lora:b:1>")
    assert again.picture == other.picture
    without = webui.txt2img("cat <lora:a:1>", enable_hr=True, hr_prompt="cat")
    assert without.picture not in (plain, same.picture, other.picture)
    assert webui.txt2img("cat", enable_hr=True).picture == plain


def test_hires_in_several_batches_begins_each_with_the_first_passs_networks(
    webui: FakeWebUI,
) -> None:
    fields = {"enable_hr": True, "hr_prompt": "cat <lora:b:1>"}
    alone = [webui.txt2img("cat <lora:a:1>", seed=seed, **fields).picture for seed in (1, 2)]
    made = webui.txt2img("cat <lora:a:1>", n_iter=2, **fields)
    assert list(made.pictures) == alone


def test_hires_with_another_checkpoint(webui: FakeWebUI) -> None:
    fields = {"enable_hr": True, "hr_checkpoint_name": "second"}
    plain = webui.txt2img("cat", **fields).picture
    with_a = webui.txt2img("cat <lora:a:1>", **fields).picture
    assert with_a != plain
    webui.txt2img("dog <lora:b:1>")
    assert webui.txt2img("cat <lora:a:1>", **fields).picture == with_a
    assert webui.txt2img("cat", **fields).picture == plain


@pytest.mark.parametrize("flag", ["lowvram", "medvram"])
@pytest.mark.parametrize("family", ["sd1", "sd2", "sdxl"])
def test_weights_that_move_to_and_fro_keep_the_picture(
    tmp_path: Path, family: str, flag: str
) -> None:
    found = []
    for flags in ([], [flag]):
        webui = webui_with_loradex(tmp_path, checkpoints={"x": (family, 1)}, flags=flags)
        write_lora(webui.lora_dir / "a.safetensors", family)
        with webui:
            weights = webui.weights()
            found.append(list(pictures(
                webui, "cat", "cat <lora:a:1>", "dog <lora:a:1>", "dog").values()))
            again = webui.txt2img("cat").picture
            assert again == found[-1][0]
            after = webui.weights()
            assert all(torch.equal(after[name], weights[name]) for name in weights)
    assert found[0] == found[1]


def test_a_model_that_is_loaded_late_is_served(tmp_path: Path) -> None:
    with installed(tmp_path) as webui:
        expected = pictures(webui, *PROMPTS)
    with installed(tmp_path, late_model=True) as webui:
        assert webui.module("sd_models").model_data.sd_model is None
        assert pictures(webui, *PROMPTS) == expected


def test_the_probe_of_a_model_that_is_being_loaded_has_no_lora(webui: FakeWebUI) -> None:
    """The WebUI activates with no prompts at all and encodes the empty one."""
    processing = webui.module("processing").StableDiffusionProcessingTxt2Img()
    assert processing.all_prompts is None
    empty = webui.sd_model.cond_stage_model([""])
    webui.txt2img("cat <lora:a:1>")
    probed = webui.module("sd_models").get_empty_cond(webui.sd_model)
    assert torch.equal(probed, empty)
    assert processing.comments == {}


def test_the_probe_in_the_middle_of_a_run_takes_no_lora_off(tmp_path: Path) -> None:
    """A refiner of another shape is loaded anew, and is probed, in the middle of sampling."""
    with installed(tmp_path) as webui:
        refiner = {"refiner_checkpoint": "wide", "refiner_switch_at": 0.0}
        refined = webui.txt2img("cat <lora:wide_lora:1>", **refiner)
        assert on(webui, "wide").txt2img("cat <lora:wide_lora:1>").picture == refined.picture


def test_a_refiner_that_takes_less_of_a_lora_is_no_secret(
    webui: FakeWebUI, capsys: pytest.CaptureFixture[str]
) -> None:
    """It fits the first model and not the second: half a picture has it, and that is said."""
    refiner = {"refiner_checkpoint": "wide", "refiner_switch_at": 0.5}
    plain = webui.txt2img("cat", **refiner).picture
    on(webui, "first")
    half = webui.txt2img("cat <lora:a:1><lora:none-such:1>", **refiner)
    assert half.picture != plain
    fields = half.info["extra_generation_params"]
    assert fields["Loradex"].startswith("a 293/293, none-such  skipped")
    assert fields["Loradex refiner"].startswith("a  skipped: a network for another base model")
    assert "Loradex: refiner: a  skipped" in half.comments
    assert "refiner: a  skipped" in capsys.readouterr().out
    assert any("refiner: a  skipped" in note for note in applied(webui)["notes"])
    on(webui, "first")
    same = webui.txt2img("cat <lora:a:1>", refiner_checkpoint="second", refiner_switch_at=0.5)
    assert "Loradex refiner" not in same.infotext
    assert applied(webui)["notes"] == []


def test_a_strict_run_stops_at_a_refiner_that_does_not_take_the_lora(webui: FakeWebUI) -> None:
    webui.set("loradex_strict", True)
    with pytest.raises(Exception, match="another base model"):
        webui.txt2img("cat <lora:a:1>", refiner_checkpoint="wide", refiner_switch_at=0.5)
    assert on(webui, "first").txt2img("cat <lora:a:1>").picture


@pytest.mark.parametrize("limit", [1, 3])
def test_sdxls_refiner_takes_over_from_sdxl(tmp_path: Path, limit: int) -> None:
    checkpoints = {"xl": ("sdxl", 1), "xl_refiner": ("refiner", 2)}
    refiner = {"refiner_checkpoint": "xl_refiner", "refiner_switch_at": 0.5}
    webui = webui_with_loradex(
        tmp_path, checkpoints=checkpoints, options={"sd_checkpoints_limit": limit})
    write_lora(webui.lora_dir / "a.safetensors", "sdxl")
    with webui:
        plain = webui.txt2img("cat", **refiner).picture
        with_a = webui.txt2img("cat <lora:a:1>", **refiner)
        assert with_a.picture != plain
        assert "Loradex: a " in with_a.infotext
        assert "a  skipped" in with_a.info["extra_generation_params"]["Loradex refiner"]
        assert webui.txt2img("cat", **refiner).picture == plain


def test_spare_buffers_are_given_back_when_memory_is_short(
    webui: FakeWebUI, monkeypatch: pytest.MonkeyPatch
) -> None:
    import loradex.webui.memory
    from loradex.webui import applier

    def held() -> int:
        slots = session(webui).applier.manager._patcher._slots.values()
        return sum(slot.live is not None for slot in slots)

    monkeypatch.setattr(applier, "is_short", lambda _: False)
    base = webui.txt2img("cat").picture
    webui.txt2img("cat <lora:a:1>")
    webui.txt2img("cat")
    assert held() > 0
    monkeypatch.setattr(applier, "is_short", lambda _: True)
    assert loradex.webui.memory.is_short(torch.device("meta"))
    assert webui.txt2img("cat").picture == base
    assert held() == 0
    assert webui.txt2img("cat <lora:a:1>").picture != base


def test_weights_that_another_tool_replaced_are_the_new_base_and_it_says_so(
    webui: FakeWebUI,
) -> None:
    webui.txt2img("cat <lora:a:1>")
    weight = webui.sd_model.model.diffusion_model.time_embed[0].weight
    weight.data = torch.zeros_like(weight)
    made = webui.txt2img("cat <lora:a:0.5>")
    assert "replaced by another tool" in made.comments
    webui.txt2img("cat")
    assert not weight.any()


def test_the_embedding_table_of_the_webui_stays_wrapped(webui: FakeWebUI) -> None:
    """The WebUI's wrappers inside the text encoder are no obstacle to bind, before and after."""
    webui.txt2img("cat <lora:a:1>")
    names = [type(one).__name__ for one in webui.sd_model.modules()]
    assert names.count("EmbeddingsWithFixes") == 1
