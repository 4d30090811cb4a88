"""Checkpoint files in the original layout become exactly the model that was saved."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from loradex.errors import FileError, LoradexError, UnsafeFileError  # noqa: E402
from safetensors.torch import load_file, save_file  # noqa: E402

from standalone.checkpoint import load_checkpoint  # noqa: E402
from standalone.single_file.facts import read_facts  # noqa: E402
from standalone.single_file.prediction import (  # noqa: E402
    NOISE,
    NORM_BIAS,
    scheduler_config,
    stored_noise,
)
from standalone.single_file.unet_config import unet_config  # noqa: E402
from tests.standalone.ldm import FAMILIES, make_models, native_weights, unet_options  # noqa: E402

pytestmark = pytest.mark.torch

CPU = torch.device("cpu")
FAMILY_NAMES = tuple(FAMILIES)


def _parts(model: Any) -> dict[str, Any]:
    names = ("text_encoder", "text_encoder_2")
    encoders = zip(names, (encoder.model for encoder in model.text_encoders), strict=False)
    return {"unet": model.unet, "vae": model.vae, **dict(encoders)}


@pytest.fixture
def shapes(ldm_folder: Path) -> dict[str, tuple[int, ...]]:
    state = load_file(ldm_folder / "sd1.safetensors")
    return {name: tuple(tensor.shape) for name, tensor in state.items()}


@pytest.mark.parametrize("family", FAMILY_NAMES)
def test_a_file_gives_the_bits_of_the_model_that_was_written(
    family: str, ldm_folder: Path
) -> None:
    loaded = load_checkpoint(str(ldm_folder / f"{family}.safetensors"), CPU)
    assert loaded.family == family
    original = make_models(family, FAMILIES[family])
    for name, part in _parts(loaded).items():
        expected = original.pop(name).state_dict()
        assert part.state_dict().keys() == expected.keys()
        assert all(torch.equal(part.state_dict()[key], expected[key]) for key in expected), name
    assert not original


@pytest.mark.parametrize("family", FAMILY_NAMES)
def test_a_file_and_the_folder_of_the_same_model_are_configured_alike(
    family: str, ldm_folder: Path
) -> None:
    file = load_checkpoint(str(ldm_folder / f"{family}.safetensors"), CPU)
    folder = load_checkpoint(str(ldm_folder / family), CPU)
    for one, other in zip(_parts(file).values(), _parts(folder).values(), strict=True):
        told = [c if isinstance(c, dict) else c.to_dict() for c in (one.config, other.config)]
        ours, theirs = ({k: v for k, v in dict(c).items() if k[0] != "_"} for c in told)
        differing = {k: (ours.get(k), theirs[k]) for k in theirs
                     if _plain(ours.get(k)) != _plain(theirs[k]) and k not in _FREE}
        assert not differing


# What a folder says that no header can, and that changes nothing here.
_FREE = {"sample_size", "dtype", "torch_dtype", "transformers_version"}


def _plain(value: Any) -> Any:
    """A setting for all levels may be one value or one a level."""
    if isinstance(value, list | tuple):
        return value[0] if len(set(value)) == 1 else tuple(value)
    return value


@pytest.mark.peers
@pytest.mark.parametrize("family", FAMILY_NAMES)
def test_diffusers_own_conversion_gives_the_same_unet_and_vae(
    family: str, ldm_folder: Path
) -> None:
    """An independent reading of the same names, so that one mistake cannot hide in two tables."""
    from diffusers.loaders import single_file_utils as theirs

    path = ldm_folder / f"{family}.safetensors"
    state = load_file(path)
    loaded = load_checkpoint(str(path), CPU)
    unet = theirs.convert_ldm_unet_checkpoint(dict(state), dict(loaded.unet.config))
    vae = theirs.convert_ldm_vae_checkpoint(dict(state), dict(loaded.vae.config))
    for converted, part in ((unet, loaded.unet), (vae, loaded.vae)):
        own = part.state_dict()
        assert converted.keys() == own.keys()
        for key, tensor in converted.items():
            assert torch.equal(tensor.reshape(own[key].shape), own[key]), key


@pytest.mark.parametrize("suffix", [".ckpt", ".pth", ".bin"])
def test_a_pickle_file_gives_the_same_model(suffix: str, ldm_folder: Path, tmp_path: Path) -> None:
    source = ldm_folder / "sd1.safetensors"
    path = tmp_path / f"old{suffix}"
    torch.save({"global_step": 7, "state_dict": load_file(source)}, path)
    ours, expected = (load_checkpoint(str(p), CPU).unet.state_dict() for p in (path, source))
    assert all(torch.equal(ours[key], expected[key]) for key in expected)


class _Malicious:
    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> Any:
        return (Path.touch, (self.mark,))


def test_a_malicious_pickle_is_refused_and_does_nothing(tmp_path: Path) -> None:
    mark = tmp_path / "was-here"
    for name, write in (("new.ckpt", torch.save), ("old.ckpt", _plain_pickle)):
        path = tmp_path / name
        write({"state_dict": {"model.diffusion_model.x": _Malicious(mark)}}, path)
        with pytest.raises(UnsafeFileError) as caught:
            load_checkpoint(str(path), CPU)
        assert name in str(caught.value)
        assert "\n" not in str(caught.value)
    assert not mark.exists()


def _plain_pickle(value: Any, path: Path) -> None:
    path.write_bytes(pickle.dumps(value))


def test_the_ema_copy_and_foreign_tensors_are_left_alone(
    ldm_folder: Path, tmp_path: Path
) -> None:
    state = load_file(ldm_folder / "sd1.safetensors")
    state["model_ema.diffusion_modelout2weight"] = torch.full((2, 2), torch.nan)
    state["alphas_cumprod"] = torch.ones(1000)
    save_file(state, tmp_path / "ema.safetensors")
    assert load_checkpoint(str(tmp_path / "ema.safetensors"), CPU).family == "sd1"


def test_the_oldest_files_without_the_text_model_level_load(
    ldm_folder: Path, tmp_path: Path
) -> None:
    state = load_file(ldm_folder / "sd1.safetensors")
    renamed = {key.replace(".text_model.", "."): tensor for key, tensor in state.items()}
    save_file(renamed, tmp_path / "old.safetensors")
    old, new = (load_checkpoint(str(p), CPU).text_encoders[0].model.state_dict()
                for p in (tmp_path / "old.safetensors", ldm_folder / "sd1.safetensors"))
    assert all(torch.equal(old[key], new[key]) for key in new)


def test_a_distilled_sdxl_keeps_its_uneven_depths() -> None:
    """SSD-1B: other depths on the way up than down, and no attention in the middle."""
    from diffusers import UNet2DConditionModel
    from loradex.keys.unet import unet_architecture

    options = unet_options("sdxl", FAMILIES["sdxl"]) | {
        "transformer_layers_per_block": (1, 2, 4), "mid_block_type": "UNetMidBlock2D",
        "reverse_transformer_layers_per_block": ([4, 4, 5], [2, 1, 1], 1)}
    unet = UNet2DConditionModel(**options)
    leaves = unet_architecture(dict(unet.config)).leaves
    shapes = {k: tuple(t.shape) for k, t in native_weights(leaves, unet, "u.").items()}
    config = unet_config(shapes, "u.", "sdxl")
    assert config is not None
    sizes = {k: v for k, v in options.items() if "addition" in k or "projection_class" in k}
    rebuilt = UNet2DConditionModel(**{**config, **sizes}).state_dict()
    assert {k: v.shape for k, v in rebuilt.items()} == {
        k: v.shape for k, v in unet.state_dict().items()}


def _conv_in(channels: int) -> dict[str, tuple[int, ...]]:
    return {"model.diffusion_model.input_blocks.0.0.weight": (32, channels, 3, 3)}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (_conv_in(9), "an inpainting model"),
        (_conv_in(8), "instruct-pix2pix"),
        (_conv_in(5), "depth model"),
        (_conv_in(6), "another kind of model"),
        ({"model.diffusion_model.label_emb.0.0.weight": (128, 2560)}, "refiner"),
    ],
)
def test_models_that_cannot_be_run_are_named(
    changes: dict[str, tuple[int, ...]], words: str, shapes: dict[str, tuple[int, ...]]
) -> None:
    if "refiner" in words:
        shapes = {k: v for k, v in shapes.items() if not k.startswith("cond_stage_model")}
    with pytest.raises(FileError, match=words):
        read_facts("x.safetensors", {**shapes, **changes})


@pytest.mark.parametrize(
    ("gone", "words"),
    [
        ("model.diffusion_model.", "holds no Stable Diffusion UNet"),
        ("first_stage_model.", "has no VAE"),
        ("cond_stage_model.", "has no CLIP text encoder"),
    ],
)
def test_a_file_that_lacks_a_part_says_which(
    gone: str, words: str, shapes: dict[str, tuple[int, ...]]
) -> None:
    rest = {name: shape for name, shape in shapes.items() if not name.startswith(gone)}
    with pytest.raises(FileError, match=words):
        read_facts("x.safetensors", rest)


def test_a_lora_given_as_a_checkpoint_is_told_from_one() -> None:
    with pytest.raises(FileError, match="a LoRA, not a checkpoint"):
        read_facts("x.safetensors", {"lora_unet_mid_block.lora_up.weight": (4, 4)})


def test_one_missing_tensor_is_named(ldm_folder: Path, tmp_path: Path) -> None:
    state = load_file(ldm_folder / "sd1.safetensors")
    gone = "model.diffusion_model.middle_block.2.in_layers.2.weight"
    del state[gone]
    save_file(state, tmp_path / "cut.safetensors")
    with pytest.raises(FileError, match=f"lacks {gone}"):
        load_checkpoint(str(tmp_path / "cut.safetensors"), CPU)


def _scheduler(path: Path, family: str, names: Any = (), spread: float = 0.0,
               **metadata: str) -> dict[str, Any]:
    named = {key.replace("__", "."): value for key, value in metadata.items()}
    return scheduler_config(path, family, names, named, lambda: spread)


def test_the_prediction_type_comes_from_the_most_trusted_source(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    eps = {"modelspec__prediction_type": "epsilon"}
    assert _scheduler(path, "sd1")["prediction_type"] == "epsilon"
    assert _scheduler(path, "sd2", [NORM_BIAS], 0.1)["prediction_type"] == "v_prediction"
    assert _scheduler(path, "sd2", [NORM_BIAS], 0.05)["prediction_type"] == "epsilon"
    assert _scheduler(path, "sd1", [NORM_BIAS], 0.1)["prediction_type"] == "epsilon"
    assert _scheduler(path, "sd2", [NORM_BIAS], 0.1, **eps)["prediction_type"] == "epsilon"
    marked = _scheduler(path, "sdxl", ["v_pred", "ztsnr"], **eps)
    assert marked["prediction_type"] == "v_prediction"
    assert marked["rescale_betas_zero_snr"] is True
    path.with_suffix(".yaml").write_text('model:\n  params:\n    parameterization: "v"\n')
    assert _scheduler(path, "sd1", **eps)["prediction_type"] == "v_prediction"


def _alphas() -> Any:
    """Stable Diffusion's own schedule: [1000]."""
    roots = torch.linspace(NOISE["beta_start"]**0.5, NOISE["beta_end"]**0.5, 1000).double()
    return (1 - roots**2).cumprod(0)


def test_the_files_own_noise_schedule_is_used_as_the_webui_does(
    ldm_folder: Path, tmp_path: Path
) -> None:
    from standalone.samplers import make_scheduler

    rounded = _alphas().half()
    state = load_file(ldm_folder / "sd1.safetensors")
    save_file({**state, "alphas_cumprod": rounded}, tmp_path / "half.safetensors")
    model = load_checkpoint(str(tmp_path / "half.safetensors"), CPU)
    scheduler = make_scheduler("Euler", "Karras", model.scheduler)
    torch.testing.assert_close(scheduler.alphas_cumprod, rounded.float(), rtol=0, atol=1e-6)
    scheduler.set_timesteps(4)
    # The half nearest to 1 - 0.00085 is 0.9990234375 = 1023 / 1024; 1 / 1023 is sigma squared.
    assert float(scheduler.sigmas[-2]) == pytest.approx(1023**-0.5, rel=1e-3)


def test_a_noise_schedule_that_cannot_be_one_is_left_alone() -> None:
    assert stored_noise(_alphas())["trained_betas"][0] == pytest.approx(0.00085)
    assert stored_noise(None) == {}
    assert stored_noise(torch.zeros(1000)) == {}
    assert stored_noise(_alphas()[:500]) == {}
    assert stored_noise(_alphas().bfloat16()) == {}  # starts with a whole 1


def test_an_edm_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="EDM"):
        _scheduler(tmp_path / "x.safetensors", "sdxl", ["edm_mean", "edm_std"])


def test_the_v_models_of_sd2_make_768_pixels(ldm_folder: Path, tmp_path: Path) -> None:
    state = load_file(ldm_folder / "sd2.safetensors")
    state[NORM_BIAS] = torch.linspace(-1, 1, state[NORM_BIAS].numel())
    save_file(state, tmp_path / "v.safetensors")
    model = load_checkpoint(str(tmp_path / "v.safetensors"), CPU)
    assert model.scheduler["prediction_type"] == "v_prediction"
    assert model.unet.config.sample_size == 96


@pytest.mark.parametrize(
    "content", [b"", b"\x00" * 100, b"<!DOCTYPE html><html>", b"\x08\x00\x00\x00\x00\x00\x00\x00{}"]
)
def test_a_file_that_is_no_model_is_told_in_one_line(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "broken.safetensors"
    path.write_bytes(content)
    with pytest.raises(LoradexError) as caught:
        load_checkpoint(str(path), CPU)
    assert "broken.safetensors" in str(caught.value)
    assert "\n" not in str(caught.value)
