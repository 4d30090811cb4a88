"""What trainers call the layers of video models and their kin leads to the rows they mean."""

import gzip
import json
from pathlib import Path

import pytest
from loradex.compat.facts import facts_of, fits
from loradex.compat.families import families_of, family
from loradex.keys.derive import derive
from loradex.keys.layouts import place
from loradex.keys.parse import parse_file
from loradex.keys.resolve import NameTable, Resolver, shapes_fit
from loradex.keys.signatures import describe

CORPUS = Path(__file__).parents[3] / "shared" / "corpus"
OURS = ("wan", "hunyuan-video", "framepack", "hunyuan-video-1.5", "hunyuan-image-2.1",
        "qwen-image", "anima", "krea2")


@pytest.mark.parametrize(
    ("stem", "component", "name", "layout"),
    [
        ("lora_unet_blocks_3_self_attn_q", "denoiser", "blocks_3_self_attn_q",
         "kohya_flat_native"),
        ("lora_unet__blocks_3_cross_attn_k_img", "denoiser", "blocks_3_cross_attn_k_img",
         "kohya_flat_native"),
        ("lora_unet_blocks_3_attn1_to_q", "denoiser", "blocks_3_attn1_to_q",
         "kohya_flat_diffusers"),
        ("transformer.blocks.3.attn2.add_k_proj", "denoiser", "blocks_3_attn2_add_k_proj",
         "diffusers_peft_transformer"),
        ("transformer_2.blocks.3.attn1.to_q", "denoiser2", "blocks_3_attn1_to_q",
         "diffusers_peft_transformer"),
        ("diffusion_model.blocks.3.self_attn.q", "denoiser", "blocks_3_self_attn_q",
         "bfl_dotted_diffusion_model"),
        ("blocks.3.self_attn.q", "denoiser", "blocks_3_self_attn_q", "native_bare"),
        ("blocks.3.ffn.net.0.proj", "denoiser", "blocks_3_ffn_net_0_proj", "diffusers_bare"),
        ("head.head", "denoiser", "head_head", "native_bare"),
        ("time_embedding.0", "denoiser", "time_embedding_0", "native_bare"),
        ("time_embedding.linear_1", "denoiser", "time_embedding_linear_1", "diffusers_bare"),
        ("img_emb.proj.1", "denoiser", "img_emb_proj_1", "native_bare"),
        ("patch_embedding", "denoiser", "patch_embedding", "native_bare"),
        ("vace_blocks.0.before_proj", "denoiser", "vace_blocks_0_before_proj", "native_bare"),
        ("condition_embedder.time_proj", "denoiser", "condition_embedder_time_proj",
         "diffusers_bare"),
        ("transformer.double_blocks.0.img_attn_qkv", "denoiser", "double_blocks_0_img_attn_qkv",
         "diffusers_peft_transformer"),
        ("vision_in.proj.1", "denoiser", "vision_in_proj_1", "native_bare"),
        ("clean_x_embedder.proj_2x", "denoiser", "clean_x_embedder_proj_2x", "diffusers_bare"),
        ("llm_adapter.blocks.0.mlp.0", "denoiser", "llm_adapter_blocks_0_mlp_0", "native_bare"),
        ("text_conditioner.blocks.0.mlp.0", "text_conditioner", "blocks_0_mlp_0",
         "diffusers_peft_text_conditioner"),
        ("base_model.model.first", "denoiser", "first", "peft_base_model_native"),
        ("base_model.model.last.linear", "denoiser", "last_linear", "peft_base_model_native"),
        ("txtfusion.projector", "denoiser", "txtfusion_projector", "native_bare"),
        ("text_fusion.projector", "denoiser", "text_fusion_projector", "diffusers_bare"),
        ("txt_norm", "denoiser", "txt_norm", "diffusers_bare"),
        ("lora_te_layers_0_self_attn_q_proj", "te", "layers_0_self_attn_q_proj",
         "kohya_flat_te"),
        ("text_encoders.qwen3_06b.transformer.model.layers.0.mlp.gate_proj", "te",
         "model_layers_0_mlp_gate_proj", "comfy_text_encoders"),
        ("layers.0.self_attn.q_proj", "te", "layers_0_self_attn_q_proj", "text_encoder_bare"),
    ],
)
def test_a_key_is_placed_whatever_tree_and_prefix_it_has(stem, component, name, layout):
    assert place(stem, f"{stem}.lora_A.weight") == (component, name, layout)


def targets_of(key, shape, components, tree="diffusers"):
    out, inp = shape
    parsed = parse_file({f"{key}.lora_down.weight": (4, inp), f"{key}.lora_up.weight": (out, 4)})
    (module,) = parsed.modules
    found = Resolver(components, dict.fromkeys(components, tree)).resolve(module, shape)
    return [(one.module, one.rows and (one.rows.start, one.rows.stop),
             one.delta_rows and (one.delta_rows.start, one.delta_rows.stop)) for one in found]


def thirds(names, width):
    return [(name, None, (width * i, width * (i + 1))) for i, name in enumerate(names)]


@pytest.mark.parametrize(
    ("key", "shape", "model", "tree", "expected"),
    [
        ("lora_unet_blocks_3_self_attn_o", (5120, 5120), "wan/2.1-t2v-14b", "diffusers",
         [("blocks.3.attn1.to_out.0", None, None)]),
        ("diffusion_model.blocks.39.cross_attn.v_img", (5120, 5120), "wan/2.1-i2v-14b",
         "diffusers", [("blocks.39.attn2.add_v_proj", None, None)]),
        ("lora_unet__blocks_29_ffn_2", (1536, 8960), "wan/2.1-fun-1.3b", "diffusers",
         [("blocks.29.ffn.net.2", None, None)]),
        ("transformer.blocks.3.ffn.net.0.proj", (14336, 3072), "wan/2.2-ti2v-5b", "native",
         [("blocks.3.ffn.0", None, None)]),
        ("lora_unet_vace_blocks_0_after_proj", (5120, 5120), "wan/2.1-vace-14b", "diffusers",
         [("vace_blocks.0.proj_out", None, None)]),
        ("lora_unet_double_blocks_19_img_attn_qkv", (9216, 3072), "hunyuan-video", "diffusers",
         thirds([f"transformer_blocks.19.attn.to_{one}" for one in "qkv"], 3072)),
        ("transformer.double_blocks.0.txt_attn_qkv", (9216, 3072), "hunyuan-video", "native",
         [("double_blocks.0.txt_attn_qkv", None, None)]),
        ("transformer.single_transformer_blocks.39.proj_mlp", (12288, 3072), "hunyuan-video",
         "native", [("single_blocks.39.linear1", (9216, 21504), None)]),
        ("lora_unet_txt_in_individual_token_refiner_blocks_1_self_attn_qkv", (9216, 3072),
         "hunyuan-video", "diffusers",
         thirds([f"context_embedder.token_refiner.refiner_blocks.1.attn.to_{one}"
                 for one in "qkv"], 3072)),
        # musubi trains 1.5 with q, k and v apart; ComfyUI fuses them and has Flux' names.
        ("lora_unet_double_blocks_53_txt_attn_k", (2048, 2048), "hunyuan-video-1.5", "diffusers",
         [("transformer_blocks.53.attn.add_k_proj", None, None)]),
        ("lora_unet_double_blocks_0_img_attn_qkv", (6144, 2048), "hunyuan-video-1.5", "diffusers",
         thirds([f"transformer_blocks.0.attn.to_{one}" for one in "qkv"], 2048)),
        ("lora_unet_double_blocks_0_img_mlp_0", (8192, 2048), "hunyuan-video-1.5", "native",
         [("double_blocks.0.img_mlp.fc1", None, None)]),
        ("lora_unet_double_blocks_0_txt_mod_lin", (21504, 3584), "hunyuan-image-2.1", "diffusers",
         [("transformer_blocks.0.norm1_context.linear", None, None)]),
        ("lora_unet_single_blocks_39_modulation_lin", (10752, 3584), "hunyuan-image-2.1",
         "native", [("single_blocks.39.modulation.linear", None, None)]),
        ("lora_unet_transformer_blocks_59_attn_to_add_out", (3072, 3072), "qwen-image",
         "diffusers", [("transformer_blocks.59.attn.to_add_out", None, None)]),
        ("transformer_blocks.0.txt_mod.1", (18432, 3072), "qwen-image", "diffusers",
         [("transformer_blocks.0.txt_mod.1", None, None)]),
        ("lora_unet_blocks_27_adaln_modulation_cross_attn_2", (6144, 256), "anima", "diffusers",
         [("transformer_blocks.27.norm2.linear_2", None, None)]),
        ("lora_unet_blocks_0_cross_attn_output_proj", (2048, 2048), "anima", "diffusers",
         [("transformer_blocks.0.attn2.to_out.0", None, None)]),
        ("lora_unet_llm_adapter_blocks_5_cross_attn_o_proj", (1024, 1024), "anima", "native",
         [("llm_adapter.blocks.5.cross_attn.o_proj", None, None)]),
        ("lora_unet_txtfusion_refiner_blocks_1_mlp_down", (2560, 6912), "krea2", "diffusers",
         [("text_fusion.refiner_blocks.1.ff.down", None, None)]),
        ("diffusion_model.blocks.27.attn.wk", (1536, 6144), "krea2", "diffusers",
         [("transformer_blocks.27.attn.to_k", None, None)]),
        ("transformer.transformer_blocks.0.attn.to_gate", (6144, 6144), "krea2", "native",
         [("blocks.0.attn.gate", None, None)]),
    ],
)
def test_a_layer_of_a_video_model_is_found_under_a_trainers_name(
    key, shape, model, tree, expected
):
    table = family(model).architectures()["denoiser"]
    assert targets_of(key, shape, {"transformer": table}, tree) == expected


def test_the_halves_of_hunyuans_final_modulation_change_places():
    table = family("hunyuan-video").architectures()["denoiser"]
    found = targets_of("lora_unet_final_layer_adaLN_modulation_1", (6144, 3072),
                       {"transformer": table})
    assert sorted(found) == [("norm_out.linear", (0, 3072), (3072, 6144)),
                             ("norm_out.linear", (3072, 6144), (0, 3072))]


@pytest.mark.parametrize(("key", "shape", "component", "module"), [
    ("lora_unet_llm_adapter_blocks_0_self_attn_q_proj", (1024, 1024), "text_conditioner",
     "blocks.0.self_attn.q_proj"),
    ("text_conditioner.blocks.0.self_attn.q_proj", (1024, 1024), "text_conditioner",
     "blocks.0.self_attn.q_proj"),
    ("lora_unet_blocks_0_self_attn_q_proj", (2048, 2048), "transformer",
     "transformer_blocks.0.attn1.to_q"),
])
def test_animas_adapter_is_a_part_of_its_own_in_diffusers(key, shape, component, module):
    components = {
        "transformer": derive("CosmosTransformer3DModel", {"num_attention_heads": 16}),
        "text_conditioner": derive("AnimaTextConditioner", {}),
    }
    parsed = parse_file({f"{key}.lora_A.weight": (4, shape[1]),
                         f"{key}.lora_B.weight": (shape[0], 4)})
    (target,) = Resolver(components).resolve(parsed.modules[0], shape)
    assert (target.component, target.module) == (component, module)


@pytest.mark.parametrize(("key", "shape", "model", "expected"), [
    ("lora_te_layers_27_self_attn_k_proj", (1024, 1024), "anima",
     "layers.27.self_attn.k_proj"),
    ("text_encoders.qwen3_06b.transformer.model.layers.27.self_attn.k_proj", (1024, 1024),
     "anima", "layers.27.self_attn.k_proj"),
    ("text_encoder.layers.0.self_attn.q_proj", (2048, 1024), "anima",
     "layers.0.self_attn.q_proj"),
    ("lora_te_layers_25_mlp_down_proj", (2304, 9216), "lumina2", "layers.25.mlp.down_proj"),
])
def test_a_language_models_layer_is_found_with_and_without_its_level(
    key, shape, model, expected
):
    encoder = family(model).architectures()["te"]
    assert targets_of(key, shape, {"te": encoder}) == [(expected, None, None)]


def test_a_loaded_framepack_takes_hunyuan_videos_networks_and_its_listing_does_not():
    loaded = NameTable(derive("HunyuanVideoFramepackTransformer3DModel", {}))
    listed = family("framepack").tables()["denoiser"]
    name = "double_blocks_0_img_attn_qkv"
    assert loaded.shape(name) == (9216, 3072)
    assert name not in listed
    assert "transformer_blocks_0_attn_to_q" in loaded
    assert "transformer_blocks_0_attn_to_q" in listed


def test_no_network_of_flux_is_one_of_hunyuan_video_by_comfyuis_names():
    table = family("hunyuan-video").tables()["denoiser"]
    assert "double_blocks_0_img_mlp_0" not in table
    assert "double_blocks_0_img_mlp_0" in family("hunyuan-image-2.1").tables()["denoiser"]


def test_the_kernel_of_a_video_has_three_sides():
    weight = family("wan/2.1-t2v-14b").tables()["denoiser"].shape("patch_embedding")
    assert weight == (5120, 16, 1, 2, 2)
    lora = describe({"down": (4, 16, 1, 2, 2), "up": (5120, 4, 1, 1, 1)})
    assert (lora.extent, lora.variant) == (weight, "conv")
    flattened = describe({"hada_w1_a": (5120, 4), "hada_w1_b": (4, 64),
                          "hada_w2_a": (5120, 4), "hada_w2_b": (4, 64)})
    assert shapes_fit(flattened.extent, weight)
    assert not shapes_fit((5120, 16), weight)
    assert shapes_fit((2048, 65), (2048, 65, 1, 1, 1))


def corpus():
    if not CORPUS.is_dir():
        return [pytest.param(None, marks=pytest.mark.skip(reason="no reference sets"))]
    entries = [
        entry for name in ("generated", "real")
        for entry in json.loads(gzip.decompress((CORPUS / f"{name}.json.gz").read_bytes()))
        if entry["expected_family"] in OURS
    ]
    # Of the two written by hand for Anima, the shapes are those of no model.
    return [pytest.param(one, id=one["id"]) for one in entries
            if not one["id"].startswith("anima_lora_")]


@pytest.mark.parametrize("entry", corpus())
def test_every_module_of_a_reference_set_is_in_its_familys_table(entry):
    tensors = {key: tuple(one[0] or ()) for key, one in entry["keys"].items()}
    facts = facts_of(parse_file(tensors), tensors)
    admitting = [
        one for one in families_of(entry["expected_family"])
        if all(fits(fact, one.parts[0].table) for fact in facts)
    ]
    assert admitting
