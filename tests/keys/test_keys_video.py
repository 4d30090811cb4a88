"""The tables of video models and their kin are compared with diffusers' models and converters."""

import pytest

torch = pytest.importorskip("torch")
diffusers = pytest.importorskip("diffusers")
transformers = pytest.importorskip("transformers")

from diffusers.loaders import lora_conversion_utils as lora_readers  # noqa: E402
from diffusers.loaders import single_file_utils as converters  # noqa: E402
from loradex.compat.families import FAMILIES  # noqa: E402
from loradex.keys.derive import derive  # noqa: E402
from loradex.keys.parse import parse_file  # noqa: E402
from loradex.keys.resolve import Resolver  # noqa: E402

from tests.keys.trees import rows_of  # noqa: E402

pytestmark = pytest.mark.torch

LINEAGES = ("wan", "hunyuan-video", "framepack", "hunyuan-video-1.5", "hunyuan-image-2.1",
            "qwen-image", "qwen-image-2.1", "anima", "krea2")
# What the configurations here say that diffusers has no word for.
OURS = ("llm_adapter", "original_names")
FULL_SIZE = {
    one.key: (one.parts[0].class_name, dict(one.parts[0].config))
    for one in FAMILIES if one.id in LINEAGES
}
HEADS = {"num_attention_heads": 3, "attention_head_dim": 8}
TOY_WAN = {**HEADS, "num_layers": 2, "ffn_dim": 40, "text_dim": 20, "freq_dim": 12,
           "rope_max_seq_len": 32}
TOY_VIDEO = {**HEADS, "num_layers": 2, "num_single_layers": 1, "num_refiner_layers": 1,
             "text_embed_dim": 20, "pooled_projection_dim": 12, "rope_axes_dim": (4, 2, 2)}
TOY_VIDEO_15 = {**HEADS, "num_layers": 2, "num_refiner_layers": 1, "text_embed_dim": 20,
                "text_embed_2_dim": 12, "image_embed_dim": 28, "rope_axes_dim": (4, 2, 2)}
TOY_IMAGE = {**HEADS, "num_layers": 2, "num_single_layers": 1, "num_refiner_layers": 1,
             "text_embed_dim": 20, "rope_axes_dim": (4, 4)}
TOY_QWEN = {**HEADS, "num_layers": 2, "joint_attention_dim": 20, "axes_dims_rope": (4, 2, 2)}
TOY_COSMOS = {**HEADS, "attention_head_dim": 24, "num_layers": 2, "adaln_lora_dim": 4,
              "text_embed_dim": 20}
TOY_ADAPTER = {"source_dim": 20, "target_dim": 24, "model_dim": 16, "num_layers": 2,
               "num_attention_heads": 2, "target_vocab_size": 30}
TOY_KREA = {"num_attention_heads": 6, "attention_head_dim": 8, "num_key_value_heads": 2,
            "num_layers": 2, "intermediate_size": 40, "timestep_embed_dim": 12,
            "text_hidden_dim": 24, "num_text_layers": 3, "text_num_attention_heads": 4,
            "text_num_key_value_heads": 2, "text_intermediate_size": 28,
            "axes_dims_rope": (4, 2, 2)}
SMALL = {
    "wan": ("WanTransformer3DModel", TOY_WAN),
    "wan-image": ("WanTransformer3DModel", {
        **TOY_WAN, "image_dim": 28, "added_kv_proj_dim": 24, "pos_embed_seq_len": 4,
        "cross_attn_norm": False,
    }),
    "wan-vace": ("WanVACETransformer3DModel", {
        **TOY_WAN, "vace_layers": (0, 1), "vace_in_channels": 10,
    }),
    "hunyuan-video": ("HunyuanVideoTransformer3DModel", TOY_VIDEO),
    "hunyuan-video-image": ("HunyuanVideoTransformer3DModel", {
        **TOY_VIDEO, "in_channels": 33, "guidance_embeds": False, "mlp_ratio": 3.0,
        "image_condition_type": "token_replace",
    }),
    "framepack": ("HunyuanVideoFramepackTransformer3DModel", {
        **TOY_VIDEO, "has_image_proj": True, "image_proj_dim": 20, "has_clean_x_embedder": True,
    }),
    "framepack-bare": ("HunyuanVideoFramepackTransformer3DModel", TOY_VIDEO),
    "hunyuan-video-1.5": ("HunyuanVideo15Transformer3DModel", TOY_VIDEO_15),
    "hunyuan-video-1.5-distilled": ("HunyuanVideo15Transformer3DModel", {
        **TOY_VIDEO_15, "use_meanflow": True,
    }),
    "hunyuan-image": ("HunyuanImageTransformer2DModel", {**TOY_IMAGE, "text_embed_2_dim": 12}),
    "hunyuan-image-distilled": ("HunyuanImageTransformer2DModel", {
        **TOY_IMAGE, "guidance_embeds": True, "use_meanflow": True,
    }),
    "hunyuan-image-refiner": ("HunyuanImageTransformer2DModel", {
        **TOY_IMAGE, "patch_size": (1, 2, 2), "rope_axes_dim": (4, 2, 2),
    }),
    "qwen-image": ("QwenImageTransformer2DModel", TOY_QWEN),
    "qwen-image-layered": ("QwenImageTransformer2DModel", {
        **TOY_QWEN, "use_additional_t_cond": True, "use_layer3d_rope": True, "out_channels": None,
    }),
    "qwen-image-2.1": ("QwenImage21Transformer2DModel", {
        **HEADS, "num_layers": 2, "context_in_dim": 20, "axes_dims_rope": (4, 2, 2),
        "patch_size": 2, "out_channels": None,
    }),
    "cosmos": ("CosmosTransformer3DModel", TOY_COSMOS),
    "cosmos-2.5": ("CosmosTransformer3DModel", {
        **TOY_COSMOS, "use_crossattn_projection": True, "crossattn_proj_in_channels": 36,
        "encoder_hidden_states_channels": 20, "concat_padding_mask": False,
        "extra_pos_embed_type": None,
    }),
    "anima-adapter": ("AnimaTextConditioner", TOY_ADAPTER),
    "anima-adapter-plain": ("AnimaTextConditioner", {
        **TOY_ADAPTER, "use_self_attention": False, "use_layer_norm": True, "model_dim": 24,
        "num_attention_heads": 4,
    }),
    "krea2": ("Krea2Transformer2DModel", TOY_KREA),
}
MODELS = {**FULL_SIZE, **{f"small-{name}": one for name, one in SMALL.items()}}


def real_modules(class_name, config):
    """Module name -> (weight shape, whether it has a bias) of all weights of a model."""
    known = {key: value for key, value in config.items() if key not in OURS}
    with torch.device("meta"):
        model = getattr(diffusers, class_name)(**known)
    return {
        name: (tuple(module.weight.shape), getattr(module, "bias", None) is not None)
        for name, module in model.named_modules()
        if isinstance(getattr(module, "weight", None), torch.nn.Parameter)
    }, dict(model.config)


def derived_modules(class_name, config):
    return {
        name: (found.weight, found.bias)
        for name, found in derive(class_name, config).modules("diffusers").items()
    }


@pytest.mark.parametrize("name", MODELS)
def test_every_weight_of_a_video_model_is_in_its_table_and_nothing_else(name):
    class_name, config = MODELS[name]
    real, saved = real_modules(class_name, config)
    table = derived_modules(class_name, {**config, "llm_adapter": None})
    assert table == real
    assert derived_modules(class_name, saved) == real


def test_animas_adapter_has_the_weights_of_diffusers_text_conditioner():
    class_name, config = FULL_SIZE["anima"]
    real, _ = real_modules("AnimaTextConditioner", config["llm_adapter"])
    table = derived_modules(class_name, config)
    level = "llm_adapter."
    assert {name[len(level):]: one for name, one in table.items() if name.startswith(level)} == real
    native = derive("AnimaTextConditioner", {}).modules("native")
    assert {name[len(level):] for name in native} == real.keys()


@pytest.mark.parametrize("name", MODELS)
def test_both_trees_of_a_video_model_have_the_same_weights(name):
    table = derive(*MODELS[name])
    sizes = {
        sum(torch.Size(one.weight).numel() for one in table.modules(tree).values())
        for tree in ("diffusers", "native")
    }
    assert sizes == {sum(torch.Size(leaf.shape).numel() for leaf in table.leaves)}


# HunyuanVideo's width is written into its converter, the two kin of it have none: what they
# share with it goes through its own.
KIN = {**TOY_VIDEO, "num_attention_heads": 24, "attention_head_dim": 128}
IMAGE_KIN = {**TOY_IMAGE, "num_attention_heads": 24, "attention_head_dim": 128}
WAN, HUNYUAN = "wan_transformer", "hunyuan_video_transformer"
CONVERTED = {
    **{key: (f"convert_{WAN}_to_diffusers", *FULL_SIZE[key])
       for key in FULL_SIZE if key.startswith("wan")},
    "hunyuan-video": (f"convert_{HUNYUAN}_to_diffusers", *FULL_SIZE["hunyuan-video"]),
    "hunyuan-video-no-guidance": (
        f"convert_{HUNYUAN}_to_diffusers", "HunyuanVideoTransformer3DModel",
        {**KIN, "guidance_embeds": False}),
    "cosmos": ("convert_cosmos_transformer_checkpoint_to_diffusers", "CosmosTransformer3DModel",
               {**TOY_COSMOS, "num_attention_heads": 16}),
    "krea2": ("convert_krea2_transformer_checkpoint_to_diffusers", *FULL_SIZE["krea2"]),
    "qwen-image-2.1": ("convert_qwen_image21_transformer_checkpoint_to_diffusers",
                       *FULL_SIZE["qwen-image-2.1"]),
}


@pytest.mark.parametrize("name", CONVERTED)
def test_every_native_row_of_a_video_model_converts_to_the_diffusers_row_it_belongs_to(name):
    converter, class_name, config = CONVERTED[name]
    table = derive(class_name, config)
    converted = getattr(converters, converter)(rows_of(table, "native"))
    expected = rows_of(table, "diffusers")
    assert converted.keys() == expected.keys()
    assert [one for one in expected if not torch.equal(converted[one], expected[one])] == []


def test_what_hunyuan_image_shares_with_hunyuan_video_converts_like_it():
    table = derive("HunyuanImageTransformer2DModel", {**IMAGE_KIN, "guidance_embeds": True})
    converted = converters.convert_hunyuan_video_transformer_to_diffusers(rows_of(table, "native"))
    expected = rows_of(table, "diffusers")
    renamed = {key.replace("time_text_embed", "time_guidance_embed", 1)
               if key.startswith("time_text_embed") else key: one for key, one in converted.items()}
    assert renamed.keys() == expected.keys()
    assert [one for one in expected if not torch.equal(renamed[one], expected[one])] == []


def test_what_hunyuan_video_15_shares_with_hunyuan_video_converts_like_it():
    table = derive("HunyuanVideo15Transformer3DModel", TOY_VIDEO_15)
    shared = ("img_in", "txt_in", "double_blocks", "final_layer")
    apart = tuple(f"_attn_{one}." for one in "qkv")  # of no converter
    native = {key: one for key, one in rows_of(table, "native").items()
              if key.startswith(shared) and not any(part in key for part in apart)}
    count = len(native)
    converted = converters.convert_hunyuan_video_transformer_to_diffusers(native)
    expected = rows_of(table, "diffusers")
    refiner = sum(".self_attn_qkv." in key for key in rows_of(table, "native"))
    assert len(converted) == count + 2 * refiner  # q, k and v out of each
    assert [one for one in converted if not torch.equal(converted[one], expected[one])] == []


def test_framepack_takes_hunyuan_videos_own_names_only_where_it_is_loaded():
    loaded = derive("HunyuanVideoFramepackTransformer3DModel", TOY_VIDEO)
    listed = derive(*FULL_SIZE["framepack"])
    converted = converters.convert_hunyuan_video_transformer_to_diffusers(rows_of(
        derive("HunyuanVideoFramepackTransformer3DModel", KIN), "native"))
    assert converted.keys() == rows_of(
        derive("HunyuanVideoFramepackTransformer3DModel", KIN), "diffusers").keys()
    assert loaded.modules("native") != loaded.modules("diffusers")
    assert listed.modules("native") == listed.modules("diffusers")


TOY_LLM = {"hidden_size": 24, "intermediate_size": 40, "num_hidden_layers": 2, "vocab_size": 30,
           "num_attention_heads": 4, "num_key_value_heads": 2}
LANGUAGE = {
    **{f"{one.key}-{part.component}": (part.class_name, dict(part.config))
       for one in FAMILIES for part in one.parts
       if part.class_name in ("Qwen3Model", "Gemma2Model", "LlamaModel")},
    "toy-qwen2": ("Qwen2Model", TOY_LLM),
    "toy-qwen3": ("Qwen3Model", {**TOY_LLM, "head_dim": 16, "attention_bias": True}),
    "toy-gemma2": ("Gemma2Model", {**TOY_LLM, "head_dim": 8}),
    "toy-llama": ("LlamaModel", {**TOY_LLM, "mlp_bias": True}),
}


@pytest.mark.parametrize("name", LANGUAGE)
def test_every_weight_of_a_language_model_is_in_its_table_and_nothing_else(name):
    class_name, config = LANGUAGE[name]
    made = getattr(transformers, class_name.removesuffix("Model") + "Config")(**config)
    with torch.device("meta"):
        model = getattr(transformers, class_name)(made)
    real = {
        place: (tuple(module.weight.shape), getattr(module, "bias", None) is not None)
        for place, module in model.named_modules()
        if isinstance(getattr(module, "weight", None), torch.nn.Parameter)
    }
    assert derived_modules(class_name, config) == real
    assert derived_modules(class_name, made.to_dict()) == real


# diffusers' reader of such files, the family, and which native layers the file trains. Of the
# token refiner's fused layers diffusers cuts the wrong side, so they are not asked.
READERS = {
    "wan": ("_convert_non_diffusers_wan_lora_to_diffusers", "wan/2.1-i2v-14b", "diffusion_model.",
            ("blocks.", "img_emb.", "head.", "time_", "text_")),
    "musubi-wan": ("_convert_musubi_wan_lora_to_diffusers", "wan/2.1-i2v-14b", "lora_unet_",
                   ("blocks.",)),
    "hunyuan-video": ("_convert_hunyuan_video_lora_to_diffusers", "hunyuan-video", "transformer.",
                      ("double_blocks.", "single_blocks.", "final_layer.", "guidance_in.")),
    "anima": ("_convert_non_diffusers_anima_lora_to_diffusers", "anima", "diffusion_model.",
              ("blocks.", "final_layer.", "x_embedder.", "t_embedder.")),
    "krea2": ("_convert_non_diffusers_krea2_lora_to_diffusers", "krea2", "base_model.model.",
              ("",)),
}


def native_file(table, prefix, parts):
    """A LoRA of rank 2 on the native linears whose names begin with one of the parts."""
    flat = prefix == "lora_unet_"
    down, up = ("lora_down", "lora_up") if flat else ("lora_A", "lora_B")
    found = {}
    for name, one in table.modules("native").items():
        if one.kind.value == "linear" and name.startswith(parts):
            stem = prefix + (name.replace(".", "_") if flat else name)
            found[f"{stem}.{down}.weight"] = torch.zeros(2, one.weight[1])
            found[f"{stem}.{up}.weight"] = torch.zeros(one.weight[0], 2)
            if flat:
                found[f"{stem}.alpha"] = torch.tensor(2.0)
    return found


@pytest.mark.parametrize("name", READERS)
def test_a_native_network_goes_to_the_layers_that_diffusers_puts_it_on(name):
    reader, key, prefix, parts = READERS[name]
    table = derive(*FULL_SIZE[key])
    tensors = native_file(table, prefix, parts)
    shapes = {key: tuple(one.shape) for key, one in tensors.items()}
    resolver, ours = Resolver({"transformer": table}), {}
    for module in parse_file(shapes).modules:
        extent = (shapes[module.parts["up"]][0], shapes[module.parts["down"]][1])
        for target in resolver.resolve(module, extent):
            place = f"{target.component}.{target.module}"
            out, inp = ours.get(place, (0, target.shape[1]))
            ours[place] = (out + target.shape[0], inp)
    read = getattr(lora_readers, reader)(tensors)
    theirs = {
        key.removesuffix(".lora_B.weight"):
            (one.shape[0], read[key.replace("lora_B", "lora_A")].shape[1])
        for key, one in read.items() if key.endswith(".lora_B.weight")
    }
    assert ours == theirs
