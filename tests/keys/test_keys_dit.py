"""The tables of the diffusion transformers are compared with diffusers' models and converters."""

import pytest

torch = pytest.importorskip("torch")
diffusers = pytest.importorskip("diffusers")

from loradex.compat.families import FAMILIES  # noqa: E402
from loradex.keys.derive import derive  # noqa: E402

pytestmark = pytest.mark.torch

LINEAGES = ("pixart", "hunyuandit", "auraflow", "lumina2", "z-image", "sana", "hidream",
            "cogview4", "cogvideox", "ltx", "ltx2", "mochi")
FULL_SIZE = {
    one.key: (one.parts[0].class_name, dict(one.parts[0].config))
    for one in FAMILIES if one.id in LINEAGES
}
HUNYUAN = {"in_channels": 4, "patch_size": 2, "num_attention_heads": 3, "attention_head_dim": 8,
           "hidden_size": 24, "num_layers": 5, "mlp_ratio": 4.3637}
HIDREAM = {"patch_size": 2, "in_channels": 4, "num_layers": 2, "num_single_layers": 1,
           "attention_head_dim": 8, "num_attention_heads": 3, "caption_channels": [40, 48],
           "text_emb_dim": 20, "num_routed_experts": 3, "llama_layers": [0, 1, 2]}
LTX2 = {"num_layers": 2, "num_attention_heads": 2, "attention_head_dim": 12,
        "cross_attention_dim": 40, "audio_num_attention_heads": 3, "audio_attention_head_dim": 4,
        "audio_cross_attention_dim": 28}
SMALL = {
    "pixart": ("PixArtTransformer2DModel", {
        "num_layers": 2, "num_attention_heads": 3, "attention_head_dim": 8,
        "cross_attention_dim": 24, "caption_channels": 40, "sample_size": 64,
    }),
    "pixart-micro-conditioned": ("PixArtTransformer2DModel", {
        "num_layers": 1, "attention_bias": False, "out_channels": None,
    }),
    "hunyuandit": ("HunyuanDiT2DModel", HUNYUAN),
    "hunyuandit-plain": ("HunyuanDiT2DModel", {
        **HUNYUAN, "use_style_cond_and_image_meta_size": False, "learn_sigma": False,
        "num_layers": 4,
    }),
    "auraflow": ("AuraFlowTransformer2DModel", {
        "num_mmdit_layers": 2, "num_single_dit_layers": 3, "attention_head_dim": 8,
        "num_attention_heads": 3, "joint_attention_dim": 40, "caption_projection_dim": 24,
    }),
    "lumina2": ("Lumina2Transformer2DModel", {
        "num_layers": 2, "hidden_size": 96, "num_attention_heads": 6, "num_kv_heads": 2,
        "ffn_dim_multiplier": 1.5, "multiple_of": 32, "axes_dim_rope": (4, 6, 6),
    }),
    "z-image": ("ZImageTransformer2DModel", {
        "n_layers": 2, "n_refiner_layers": 1, "dim": 96, "n_heads": 6, "n_kv_heads": 6,
        "axes_dims": [4, 6, 6],
    }),
    "z-image-omni": ("ZImageTransformer2DModel", {
        "n_layers": 1, "dim": 96, "n_heads": 6, "n_kv_heads": 6, "axes_dims": [4, 6, 6],
        "siglip_feat_dim": 40, "all_patch_size": (2, 4), "all_f_patch_size": (1, 2),
        "qk_norm": False,
    }),
    "sana": ("SanaTransformer2DModel", {
        "num_layers": 2, "num_attention_heads": 3, "attention_head_dim": 8,
        "num_cross_attention_heads": 3, "cross_attention_head_dim": 8, "cross_attention_dim": 24,
        "caption_channels": 40,
    }),
    "sana-sprint": ("SanaTransformer2DModel", {
        "num_layers": 1, "qk_norm": "rms_norm_across_heads", "guidance_embeds": True,
        "out_channels": None, "attention_bias": True,
    }),
    "hidream": ("HiDreamImageTransformer2DModel", HIDREAM),
    "cogview4": ("CogView4Transformer2DModel", {
        "num_layers": 2, "attention_head_dim": 8, "num_attention_heads": 3,
        "rope_axes_dim": (4, 4),
    }),
    "cogvideox": ("CogVideoXTransformer3DModel", {
        "num_layers": 2, "norm_elementwise_affine": False, "attention_bias": False,
    }),
    "cogvideox-1.5": ("CogVideoXTransformer3DModel", {
        "num_layers": 1, "patch_size_t": 2, "patch_bias": False, "ofs_embed_dim": 512,
        "in_channels": 32, "use_rotary_positional_embeddings": True,
    }),
    "ltx": ("LTXVideoTransformer3DModel", {
        "num_layers": 2, "num_attention_heads": 3, "attention_head_dim": 8,
        "cross_attention_dim": 40, "caption_channels": 48, "attention_bias": False,
    }),
    "ltx2": ("LTX2VideoTransformer3DModel", {
        **LTX2, "caption_channels": 20, "attention_bias": False, "audio_ff_bias": False,
    }),
    "ltx2-gated": ("LTX2VideoTransformer3DModel", {
        **LTX2, "gated_attn": True, "audio_gated_attn": True, "audio_cross_attn_mod": True,
        "use_prompt_embeddings": False, "ff_bias": False,
    }),
    "ltx2-no-prompt-modulation": ("LTX2VideoTransformer3DModel", {
        **LTX2, "cross_attn_mod": True, "use_prompt_adaln_single": False, "gated_attn": True,
    }),
    "mochi": ("MochiTransformer3DModel", {
        "num_layers": 3, "num_attention_heads": 3, "attention_head_dim": 8,
        "pooled_projection_dim": 12, "text_embed_dim": 40,
    }),
}
MODELS = {**FULL_SIZE, **{f"small-{name}": one for name, one in SMALL.items()}}


def real_modules(model):
    """Module name -> (weight shape, whether it has a bias) of all weights of a model."""
    return {
        name: (tuple(module.weight.shape), getattr(module, "bias", None) is not None)
        for name, module in model.named_modules()
        if isinstance(getattr(module, "weight", None), torch.nn.Parameter)
    }


def derived_modules(architecture):
    return {
        name: (found.weight, found.bias)
        for name, found in architecture.modules("diffusers").items()
    }


def built(class_name, config):
    with torch.device("meta"):
        return getattr(diffusers, class_name)(**config)


@pytest.mark.parametrize("name", MODELS)
def test_every_weight_of_a_model_is_in_its_table_and_nothing_else(name):
    class_name, config = MODELS[name]
    model = built(class_name, config)
    real = real_modules(model)
    assert derived_modules(derive(class_name, config)) == real
    assert derived_modules(derive(class_name, dict(model.config))) == real


@pytest.mark.parametrize("name", SMALL)
def test_both_trees_have_the_same_weights(name):
    table = derive(*SMALL[name])
    sizes = [
        sum(torch.Size(one.weight).numel() for one in table.modules(tree).values())
        for tree in ("diffusers", "native")
    ]
    assert sizes[0] == sizes[1]
    assert sizes[0] == sum(torch.Size(leaf.shape).numel() for leaf in table.leaves)
