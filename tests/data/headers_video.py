"""Headers of networks for video models and their kin, which make_headers.py writes."""

from __future__ import annotations

from collections.abc import Iterator

from loradex.compat.families import family
from loradex.keys.targets import Tree
from make_headers import Namer, Shapes, kohya, network, peft

COMFY, PEFT = peft("diffusion_model."), peft("transformer.")
KOHYA, BARE = kohya("lora_unet_"), peft("")
DIFFUSERS, NATIVE = "diffusers_peft_transformer", "kohya_flat_native"
FLAT, DOTTED = "kohya_flat_diffusers", "bfl_dotted_diffusion_model"
WAN, DOUBLE = ("self_attn.", "cross_attn."), ("_attn_qkv", "_attn_proj", "_mlp.")
JOINT = (".attn.to_", ".attn.add_")
# The writer's layout and way to name, the tree, and what the names of its layers contain.
MADE: tuple[tuple[str, str, str, Namer, Tree, tuple[str, ...]], ...] = (
    ("wan-1.3b-diffusers", "wan/2.1-t2v-1.3b", DIFFUSERS, PEFT, "diffusers",
     (".attn1.", ".attn2.", ".ffn.")),
    ("wan-14b-kohya", "wan/2.1-t2v-14b", NATIVE, KOHYA, "native", (*WAN, ".ffn.")),
    ("wan-i2v-14b-comfy", "wan/2.1-i2v-14b", DOTTED, COMFY, "native",
     (*WAN, ".ffn.", "img_emb.", "head.")),
    ("wan-fun-kohya", "wan/2.1-fun-1.3b", NATIVE, kohya("lora_unet__"), "native", WAN),
    ("wan-vace-diffusers", "wan/2.1-vace-1.3b", DIFFUSERS, PEFT, "diffusers", ("vace_blocks.",)),
    ("wan-5b-bare", "wan/2.2-ti2v-5b", "native_bare", BARE, "native", WAN),
    ("hunyuan-video-kohya", "hunyuan-video", NATIVE, KOHYA, "native", (*DOUBLE, "_blocks.")),
    ("hunyuan-video-own-names", "hunyuan-video", DIFFUSERS, PEFT, "native", DOUBLE),
    ("framepack-image", "framepack", FLAT, KOHYA, "diffusers", (*JOINT, "image_projection.")),
    ("hunyuan-video-1.5-kohya", "hunyuan-video-1.5", NATIVE, KOHYA, "native",
     ("_attn_", "_mlp.")),
    ("hunyuan-video-1.5-diffusers", "hunyuan-video-1.5", DIFFUSERS, PEFT, "diffusers", JOINT),
    ("hunyuan-image-kohya", "hunyuan-image-2.1", NATIVE, KOHYA, "native", (*DOUBLE, ".linear")),
    ("qwen-image-kohya", "qwen-image", FLAT, KOHYA, "native", (*JOINT, "_mlp.", "_mod.")),
    ("qwen-image-bare", "qwen-image", "diffusers_bare", BARE, "native", JOINT),
    ("qwen-image-2.1-diffusers", "qwen-image-2.1", DIFFUSERS, PEFT, "diffusers",
     (".attn.", ".img_mlp.")),
    ("qwen-image-2.1-comfy", "qwen-image-2.1", DOTTED, COMFY, "native", (".attn.", ".img_mlp.")),
    ("anima-kohya", "anima", NATIVE, KOHYA, "native", (*WAN, ".mlp.")),
    ("anima-diffusers", "anima", DIFFUSERS, PEFT, "diffusers", (".attn", ".ff.")),
    ("krea2-kohya", "krea2", NATIVE, KOHYA, "native", ("",)),
    ("krea2-peft", "krea2", "peft_base_model_native", peft("base_model.model."), "native",
     (".attn.",)),
)


def layers(key: str, tree: Tree, parts: tuple[str, ...]) -> Shapes:
    """The linear layers of a family's denoiser whose names have one of the parts.

    They come from the derived table, which tests/keys/test_keys_video.py holds against the model
    and the converter of diffusers.
    """
    found = family(key).parts[0].table.architecture.modules(tree)
    return {
        name: one.weight for name, one in found.items()
        if one.kind.value == "linear" and any(part in name for part in parts)
    }


def entries() -> Iterator[tuple[str, str, str, dict[str, tuple[int, ...]]]]:
    """(id, family's key, layout, tensors) of every fixture."""
    for name, key, layout, namer, tree, parts in MADE:
        yield name, key, layout, dict(network(layers(key, tree, parts), namer))
