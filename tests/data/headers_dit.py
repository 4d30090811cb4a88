"""Headers of networks for the diffusion transformers, which make_headers.py writes."""

from __future__ import annotations

from collections.abc import Iterator

from loradex.compat.families import family
from make_headers import Namer, Shapes, kohya, native, network, peft, real


def layers(key: str, tree: str, parts: tuple[str, ...]) -> Shapes:
    """The layers of a family's denoiser whose names have one of the parts."""
    part = family(key).parts[0]
    found = (real if tree == "diffusers" else native)(part.class_name, part.config)
    return {name: shape for name, shape in found.items() if any(one in name for one in parts)}


TRANSFORMER = (peft("transformer."), "diffusers_peft_transformer")
COMFY = (peft("diffusion_model."), "bfl_dotted_diffusion_model")
KOHYA = (kohya("lora_unet_"), "kohya_flat_native")
BLOCKS = (".attn", ".ff.")
# The file, the family's key, the tree whose names it has, what it trains, who writes it so.
FIXTURES: tuple[tuple[str, str, str, tuple[str, ...], tuple[Namer, str]], ...] = (
    ("pixart-diffusers", "pixart/alpha", "diffusers", BLOCKS, TRANSFORMER),
    ("pixart-native", "pixart/sigma", "native", ("blocks.",), (peft(""), "native_bare")),
    ("hunyuandit-kohya", "hunyuandit/1.2", "native", (".attn", ".mlp."), KOHYA),
    ("auraflow-diffusers", "auraflow", "diffusers", (*BLOCKS, ".ff_context."), TRANSFORMER),
    ("auraflow-comfy-native", "auraflow", "native", ("_layers.",), COMFY),
    ("lumina2-kohya", "lumina2", "native", (".attention.", ".feed_forward."), KOHYA),
    ("lumina2-diffusers", "lumina2", "diffusers", (".attn.",), TRANSFORMER),
    ("z-image-comfy", "z-image", "diffusers", (".attention.", ".feed_forward.", ".adaLN"), COMFY),
    ("z-image-kohya", "z-image", "native", (".attention.",), KOHYA),
    ("sana-1.6b-diffusers", "sana/1.6b", "diffusers", (".attn",), TRANSFORMER),
    ("sana-0.6b-lycoris", "sana/0.6b", "diffusers", BLOCKS, (kohya("lycoris_"), "lycoris_flat")),
    ("sana-4.8b-diffusers", "sana/1.5-4.8b", "diffusers", (".attn",), TRANSFORMER),
    ("hidream-comfy", "hidream", "diffusers", (".attn1.", ".ff_i.", ".ff_t."), COMFY),
    ("cogview4-diffusers", "cogview4", "diffusers", BLOCKS, TRANSFORMER),
    ("cogvideox-5b-diffusers", "cogvideox/5b", "diffusers", BLOCKS, TRANSFORMER),
    ("cogvideox-2b-diffusers", "cogvideox/2b", "diffusers", (".attn1.",), TRANSFORMER),
    ("ltx-2b-comfy", "ltx/2b", "diffusers", BLOCKS, COMFY),
    # The embedders too: LTX-2 has the same blocks for the picture.
    ("ltx-13b-diffusers", "ltx/13b", "diffusers", ("",), TRANSFORMER),
    ("ltx2-comfy", "ltx2/2.0", "diffusers", (*BLOCKS, "audio_"), COMFY),
    ("ltx2.3-diffusers", "ltx2/2.3", "diffusers", ("_attn", ".to_gate"), TRANSFORMER),
    ("mochi-diffusers", "mochi", "diffusers", (*BLOCKS, ".ff_context."), TRANSFORMER),
    ("mochi-comfy-native", "mochi", "native", (".attn.", ".mlp_"), COMFY),
)


def entries() -> Iterator[tuple[str, str, str, dict[str, tuple[int, ...]]]]:
    """(id, family's key, layout, tensors) of every fixture."""
    for name, key, tree, parts, (namer, layout) in FIXTURES:
        yield name, key, layout, dict(network(layers(key, tree, parts), namer))
