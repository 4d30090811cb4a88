"""Headers of networks for the kin of SDXL and Flux.1, and for AnimateDiff; for make_headers.py."""

from __future__ import annotations

from collections.abc import Iterator

from loradex.compat.families import family
from make_headers import (
    Namer,
    Shapes,
    attention,
    dotted,
    kohya,
    native,
    network,
    peft,
    processor,
    real,
    trained,
)

Entry = tuple[str, str, str, dict[str, tuple[int, ...]]]


def layers(key: str, tree: str) -> Shapes:
    """The linear and convolution layers of a family's main part."""
    part = family(key).parts[0]
    return (real if tree == "diffusers" else native)(part.class_name, part.config)


def linear(modules: Shapes) -> Shapes:
    """Every linear layer, the embedders too: LyCORIS' widest choice."""
    return {name: shape for name, shape in modules.items() if len(shape) == 2}


def entries() -> Iterator[Entry]:
    """(id, family, layout, tensors) of every fixture."""
    for name, family_id, layout, modules, namer in (*_unets(), *_flux()):
        yield name, family_id, layout, dict(network(modules, namer))


Made = tuple[str, str, str, Shapes, Namer]


def _unets() -> Iterator[Made]:
    yield ("vega-diffusers", "vega", "diffusers_peft_unet",
           trained(layers("vega", "diffusers")), peft("unet."))
    yield ("koala-1b-kohya", "koala", "kohya_flat_sgm",
           trained(layers("koala/1b", "native")), kohya("lora_unet_"))
    yield ("koala-700m-diffusers", "koala", "diffusers_peft_unet",
           attention(layers("koala/700m", "diffusers")), peft("unet."))
    yield ("kolors-lycoris", "kolors", "lycoris_flat",
           linear(layers("kolors", "diffusers")), kohya("lycoris_"))
    yield ("svd-diffusers", "svd", "diffusers_peft_unet",
           attention(layers("svd", "diffusers")), peft("unet."))
    yield ("svd-comfy-native", "svd", "bfl_dotted_diffusion_model",
           attention(layers("svd", "native")), peft("diffusion_model."))
    yield ("demo-kohya", "loradex-demo", "kohya_flat_diffusers",
           trained(layers("loradex-demo", "diffusers")), kohya("lora_unet_"))
    motion = layers("animatediff-sd1", "native")
    yield ("animatediff-sd1-motion-lora", "animatediff-sd1", "animatediff_motion_lora",
           {name: motion[name] for name in motion if ".attention_blocks." in name}, processor(""))
    yield ("animatediff-sdxl-diffusers", "animatediff-sdxl", "diffusers_dotted_lora.down",
           attention(layers("animatediff-sdxl", "diffusers")),
           dotted("unet.", ".lora.down.weight", ".lora.up.weight"))


def _flux() -> Iterator[Made]:
    chroma = layers("chroma", "native")
    yield ("chroma-kohya", "chroma", "kohya_flat_native", chroma, kohya("lora_unet_"))
    yield ("flux2-dev-diffusers", "flux2", "diffusers_peft_transformer",
           linear(layers("flux2/dev", "diffusers")), peft("transformer."))
    yield ("flux2-klein-9b-comfy", "flux2", "bfl_dotted_diffusion_model",
           trained(layers("flux2/klein-9b", "native")), peft("diffusion_model."))
    yield ("flux2-klein-4b-kohya", "flux2", "kohya_flat_native",
           trained(layers("flux2/klein-4b", "native")), kohya("lora_unet_"))
    control = trained(layers("flux1", "native"))
    control["img_in"] = (3072, 128)
    yield "flux1-control-bare", "flux1", "bfl_control_peft", control, peft("")
