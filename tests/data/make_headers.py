"""Writes tests/data/headers: names and shapes of network files, from the models' definitions.

    python tests/data/make_headers.py

The modules come from the classes of diffusers and transformers, built on torch's meta device;
each writer's way to name them is applied to those. Native names (LDM, BFL, MMDiT) come from the
derived tables, which tests/keys/test_keys_native_names.py holds against diffusers' converters.
"""

from __future__ import annotations

import gzip
import importlib
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "extension"))

import diffusers  # noqa: E402
import torch  # noqa: E402
import transformers  # noqa: E402
from loradex.keys import configs  # noqa: E402
from loradex.keys.derive import derive  # noqa: E402

# Files beside this one with fixtures of their own.
LINEAGES = ("headers_dit", "headers_kin", "headers_video")
HEADERS = Path(__file__).resolve().parent / "headers"
RANK = 4
Shapes = dict[str, tuple[int, ...]]
UNET = "UNet2DConditionModel"
FLUX, SD3 = "FluxTransformer2DModel", "SD3Transformer2DModel"


def real(class_name: str, config: configs.Config) -> Shapes:
    """Linear and convolution modules of a model, by name."""
    with torch.device("meta"):
        if hasattr(diffusers, class_name):
            model = getattr(diffusers, class_name)(**config)
        else:
            kind = "T5Config" if class_name.startswith("T5") else "CLIPTextConfig"
            heads = {} if kind == "T5Config" else {"num_attention_heads": 8}
            made = getattr(transformers, kind)(**config, **heads)
            model = getattr(transformers, class_name)(made)
    layers = (torch.nn.Linear, torch.nn.Conv2d)
    return {
        name: tuple(module.weight.shape)
        for name, module in model.named_modules() if isinstance(module, layers)
    }


def native(class_name: str, config: configs.Config) -> Shapes:
    """The same modules under the names of the original implementation."""
    found = derive(class_name, config).modules("native")
    return {
        name: one.weight for name, one in found.items() if one.kind.value in ("linear", "conv")
    }


def trained(modules: Shapes, *, conv: bool = False) -> Shapes:
    """What trainers touch: linears in attention blocks, with `conv` every layer."""
    return {
        name: shape for name, shape in modules.items()
        if conv or ((len(shape) == 2 or shape[2:] == (1, 1)) and _in_attention(name))
    }


def _in_attention(name: str) -> bool:
    inside = ("transformer_blocks.", "encoder.layers.", "double_blocks.", "single_blocks.",
              "joint_blocks.", "encoder.block.", ".proj_in", ".proj_out")
    return any(part in name for part in inside)


Namer = Callable[[str], tuple[str, str, str]]


def kohya(prefix: str, alpha: bool = True) -> Namer:
    def keys(name: str) -> tuple[str, str, str]:
        stem = prefix + name.replace(".", "_")
        return (f"{stem}.lora_down.weight", f"{stem}.lora_up.weight",
                f"{stem}.alpha" if alpha else "")
    return keys


def dotted(prefix: str, down: str, up: str) -> Namer:
    return lambda name: (f"{prefix}{name}{down}", f"{prefix}{name}{up}", "")


def peft(prefix: str) -> Namer:
    return dotted(prefix, ".lora_A.weight", ".lora_B.weight")


def processor(prefix: str) -> Namer:
    def keys(name: str) -> tuple[str, str, str]:
        block, _, layer = name.rpartition(".to_")
        stem = f"{prefix}{block}.processor.to_{layer.removesuffix('.0')}_lora"
        return f"{stem}.down.weight", f"{stem}.up.weight", ""
    return keys


def network(modules: Shapes, namer: Namer) -> Iterator[tuple[str, tuple[int, ...]]]:
    """The tensors of a LoRA on those modules."""
    for name, shape in modules.items():
        out, inp, *kernel = shape
        down, up, alpha = namer(name)
        yield down, (RANK, inp, *kernel)
        yield up, (out, RANK, *(1 for _ in kernel))
        if alpha:
            yield alpha, ()


def attention(modules: Shapes) -> Shapes:
    """The four attention projections only."""
    return {name: shape for name, shape in modules.items() if ".to_" in name and ".attn" in name}


def with_level(modules: Shapes) -> Shapes:
    """Names with the level that trainers write and newer transformers have dropped."""
    return {f"text_model.{name.removeprefix('text_model.')}": modules[name] for name in modules}


def entries() -> Iterator[tuple[str, str, str, dict[str, tuple[int, ...]]]]:
    """(id, family's key, layout, tensors) of every fixture."""
    yield from _stable_diffusion()
    yield from _transformers()
    yield from _foreign()
    for name in LINEAGES:
        yield from importlib.import_module(name).entries()


def _stable_diffusion() -> Iterator[tuple[str, str, str, dict[str, tuple[int, ...]]]]:
    sd1, sd2, sdxl = (
        real(UNET, one) for one in (configs.SD1_UNET, configs.SD2_UNET, configs.SDXL_UNET)
    )
    te, te_h = (
        with_level(trained(real("CLIPTextModel", one))) for one in (configs.CLIP_L, configs.CLIP_H)
    )
    clip_g = trained(real("CLIPTextModelWithProjection", configs.CLIP_G))
    yield "sd1-kohya-te", "sd1", "kohya_flat_diffusers", dict([
        *network(trained(sd1), kohya("lora_unet_")), *network(te, kohya("lora_te_"))])
    yield "sd1-locon", "sd1", "kohya_flat_diffusers", dict(
        network(trained(sd1, conv=True), kohya("lora_unet_")))
    yield "sd1-old-processor", "sd1", "diffusers_old_processor", dict(
        network(attention(sd1), processor("")))
    yield "sd1-lycoris-wrapper", "sd1", "lycoris_flat", dict(
        network(trained(sd1), kohya("lycoris_")))
    yield "sd1-comfy-native", "sd1", "bfl_dotted_diffusion_model", dict(
        network(trained(native(UNET, configs.SD1_UNET)), peft("diffusion_model.")))
    yield "sd2-kohya-te", "sd2", "kohya_flat_diffusers", dict([
        *network(trained(sd2), kohya("lora_unet_")), *network(te_h, kohya("lora_te_"))])
    yield "sd2-diffusers", "sd2", "diffusers_dotted_lora.down", dict(
        network(attention(sd2), dotted("unet.", ".lora.down.weight", ".lora.up.weight")))
    yield "sdxl-kohya-te", "sdxl", "kohya_flat_sgm", dict([
        *network(trained(native(UNET, configs.SDXL_UNET)), kohya("lora_unet_")),
        *network(te, kohya("lora_te1_")), *network(clip_g, kohya("lora_te2_"))])
    yield "sdxl-peft", "sdxl", "peft_base_model_diffusers", dict(
        network(attention(sdxl), peft("unet.base_model.model.")))
    yield "sdxl-slider", "sdxl", "kohya_flat_diffusers", dict(network(
        {name: shape for name, shape in sdxl.items() if ".attn1." in name}, kohya("lora_unet_")))
    yield "refiner-kohya", "sdxl-refiner", "kohya_flat_sgm", dict(
        network(trained(native(UNET, configs.SDXL_REFINER_UNET)), kohya("lora_unet_")))
    yield "ssd-1b-diffusers", "ssd-1b", "diffusers_peft_unet", dict(
        network(attention(real(UNET, configs.SSD_1B_UNET)), peft("unet.")))


def _transformers() -> Iterator[tuple[str, str, str, dict[str, tuple[int, ...]]]]:
    flux = trained(real(FLUX, configs.FLUX1_DEV))
    bfl = trained(native(FLUX, configs.FLUX1_DEV))
    t5 = trained(real("T5EncoderModel", configs.T5_XXL))
    yield "flux1-kohya-t5", "flux1", "kohya_flat_native", dict([
        *network(bfl, kohya("lora_unet_")), *network(t5, kohya("lora_te3_"))])
    yield "flux1-diffusers", "flux1", "diffusers_peft_transformer", dict(
        network(flux, peft("transformer.")))
    yield "flux1-onetrainer", "flux1", "onetrainer_flat", dict(
        network(flux, kohya("lora_transformer_")))
    yield "flux1-bare", "flux1", "bfl_control_peft", dict(network(bfl, peft("")))
    yield "sd3-medium-diffusers", "sd3-medium", "diffusers_peft_transformer", dict(
        network(trained(real(SD3, configs.SD3_MEDIUM)), peft("transformer.")))
    yield "sd3.5-medium-kohya", "sd3.5-medium", "kohya_flat_native", dict(
        network(trained(native(SD3, configs.SD35_MEDIUM)), kohya("lora_unet_")))
    yield "sd3.5-large-bare", "sd3.5-large", "diffusers_bare", dict(
        network(trained(real(SD3, configs.SD35_LARGE)), peft("")))


def _foreign() -> Iterator[tuple[str, str, str, dict[str, tuple[int, ...]]]]:
    """Files that are no networks; the third field is what they are called."""
    unet = native(UNET, configs.SD1_UNET)
    yield "not-checkpoint", "", "checkpoint", {
        f"model.diffusion_model.{name}.weight": shape for name, shape in unet.items()}
    yield "not-unet", "", "denoiser checkpoint", {
        f"{name}.weight": shape for name, shape in real(UNET, configs.SD1_UNET).items()}
    yield "not-vae", "", "VAE", {
        f"{name}.weight": shape
        for name, shape in real("AutoencoderKL", {"block_out_channels": (32, 64),
            "down_block_types": ("DownEncoderBlock2D",) * 2,
            "up_block_types": ("UpDecoderBlock2D",) * 2}).items()}
    yield "not-controlnet", "", "ControlNet", {
        f"{name}.weight": shape
        for name, shape in real("ControlNetModel", configs.SD1_UNET).items()}
    yield "not-text-encoder", "", "text encoder", {
        f"{name}.weight": shape for name, shape in real("CLIPTextModel", configs.CLIP_L).items()}
    yield "not-textual-inversion", "", "textual inversion embedding", {"emb_params": (4, 768)}


def main() -> None:
    HEADERS.mkdir(exist_ok=True)
    for name, key, layout, tensors in entries():
        family, _, variant = key.partition("/")
        size = {"variant": variant} if variant else {}
        record = {"family": family, **size, "layout": layout, "tensors": tensors}
        text = json.dumps(record, indent=0, separators=(",", ":"))
        path = HEADERS / f"{name}.json.gz"
        with path.open("wb") as raw, gzip.GzipFile("", "wb", 9, raw, mtime=0) as packed:
            packed.write(text.encode())


if __name__ == "__main__":
    main()
