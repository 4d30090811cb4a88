"""What trainers call the layers of diffusion transformers leads to the rows that they mean."""

import gzip
import json
from pathlib import Path

import pytest
from loradex.compat.claims import claimed_family
from loradex.compat.facts import facts_of, fits
from loradex.compat.families import FAMILIES, family
from loradex.keys.parse import parse_file
from loradex.keys.resolve import Resolver

CORPUS = Path(__file__).parents[3] / "shared" / "corpus"
OURS = ("pixart", "hunyuandit", "auraflow", "lumina2", "z-image", "sana", "hidream", "cogview4",
        "cogvideox", "ltx", "ltx2", "mochi")


def modules_of(key, out, inp):
    """The one module of a file that trains the layer `key` names, prefix included."""
    flat = key.startswith(("lora_", "lycoris_"))
    down, up = ("lora_down", "lora_up") if flat else ("lora_A", "lora_B")
    tensors = {f"{key}.{down}.weight": (4, inp), f"{key}.{up}.weight": (out, 4)}
    return parse_file(tensors), tensors


def targets_of(key, out, inp, model, tree):
    parsed, _ = modules_of(key, out, inp)
    (module,) = parsed.modules
    tables = {"transformer": family(model).architectures()["denoiser"]}
    found = Resolver(tables, {"transformer": tree}).resolve(module, (out, inp))
    return [(one.module, one.rows and (one.rows.start, one.rows.stop),
             one.delta_rows and (one.delta_rows.start, one.delta_rows.stop)) for one in found]


@pytest.mark.parametrize(
    ("key", "out", "inp", "model", "tree", "expected"),
    [
        # PixArt: PEFT files onto PixArt's own tree, and its own names onto diffusers'.
        ("transformer.transformer_blocks.3.attn1.to_k", 1152, 1152, "pixart", "native",
         [("blocks.3.attn.qkv", (1152, 2304), None)]),
        ("transformer.transformer_blocks.3.attn2.to_v", 1152, 1152, "pixart/sigma", "native",
         [("blocks.3.cross_attn.kv_linear", (1152, 2304), None)]),
        ("lora_unet_blocks_3_cross_attn_kv_linear", 2304, 1152, "pixart", "diffusers",
         [("transformer_blocks.3.attn2.to_k", None, (0, 1152)),
          ("transformer_blocks.3.attn2.to_v", None, (1152, 2304))]),
        # HunyuanDiT: both trees say `blocks`, sd-scripts trains its own.
        ("lora_unet_blocks_0_attn1_Wqkv", 4224, 1408, "hunyuandit", "diffusers",
         [(f"blocks.0.attn1.to_{one}", None, (1408 * i, 1408 * (i + 1)))
          for i, one in enumerate("qkv")]),
        ("lora_unet_blocks_39_attn2_kv_proj", 2816, 1024, "hunyuandit/1.1", "diffusers",
         [("blocks.39.attn2.to_k", None, (0, 1408)), ("blocks.39.attn2.to_v", None, (1408, 2816))]),
        ("blocks.0.attn1.to_q", 1408, 1408, "hunyuandit", "native",
         [("blocks.0.attn1.Wqkv", (0, 1408), None)]),
        ("lora_unet_blocks_21_skip_linear", 1408, 2816, "hunyuandit", "diffusers",
         [("blocks.21.skip_linear", None, None)]),
        # AuraFlow and Pony V7.
        ("transformer.joint_transformer_blocks.0.attn.add_q_proj", 3072, 3072, "auraflow", "native",
         [("double_layers.0.attn.w1q", None, None)]),
        ("diffusion_model.double_layers.0.mlpX.c_proj", 3072, 8192, "auraflow", "diffusers",
         [("joint_transformer_blocks.0.ff.out_projection", None, None)]),
        ("single_layers.31.attn.w1o", 3072, 3072, "auraflow", "diffusers",
         [("single_transformer_blocks.31.attn.to_out.0", None, None)]),
        # Lumina 2: k and v are narrower than q.
        ("lora_unet_layers_25_attention_qkv", 3840, 2304, "lumina2", "diffusers",
         [("layers.25.attn.to_q", None, (0, 2304)), ("layers.25.attn.to_k", None, (2304, 3072)),
          ("layers.25.attn.to_v", None, (3072, 3840))]),
        ("context_refiner.1.feed_forward.linear_2", 2304, 9216, "lumina2", "native",
         [("context_refiner.1.feed_forward.w2", None, None)]),
        # Z-Image under diffusers' names with a native prefix, as ai-toolkit writes it.
        ("diffusion_model.layers.29.attention.to_v", 3840, 3840, "z-image", "native",
         [("layers.29.attention.qkv", (7680, 11520), None)]),
        ("lora_unet_layers_0_adaLN_modulation_0", 15360, 256, "z-image", "diffusers",
         [("layers.0.adaLN_modulation.0", None, None)]),
        ("lora_unet_layers_0_attention_out", 3840, 3840, "z-image", "diffusers",
         [("layers.0.attention.to_out.0", None, None)]),
        # Sana.
        ("transformer.transformer_blocks.19.attn1.to_q", 2240, 2240, "sana", "native",
         [("blocks.19.attn.qkv", (0, 2240), None)]),
        ("lycoris_transformer_blocks_0_attn2_to_k", 1152, 1152, "sana/0.6b", "native",
         [("blocks.0.cross_attn.kv_linear", (0, 1152), None)]),
        # HiDream has one set of names.
        ("diffusion_model.double_stream_blocks.0.block.ff_i.experts.3.w1", 6912, 2560, "hidream",
         "diffusers", [("double_stream_blocks.0.block.ff_i.experts.3.w1", None, None)]),
        ("lora_unet_single_stream_blocks_31_block_attn1_to_out", 2560, 2560, "hidream",
         "diffusers", [("single_stream_blocks.31.block.attn1.to_out", None, None)]),
        ("transformer.transformer_blocks.27.attn1.to_q", 4096, 4096, "cogview4", "diffusers",
         [("transformer_blocks.27.attn1.to_q", None, None)]),
        ("transformer.transformer_blocks.41.norm1.linear", 18432, 512, "cogvideox", "diffusers",
         [("transformer_blocks.41.norm1.linear", None, None)]),
        ("diffusion_model.adaln_single.linear", 12288, 2048, "ltx", "diffusers",
         [("time_embed.linear", None, None)]),
        ("transformer.proj_in", 4096, 128, "ltx/13b", "native", [("patchify_proj", None, None)]),
        ("diffusion_model.av_ca_a2v_gate_adaln_single.linear", 4096, 4096, "ltx2", "diffusers",
         [("av_cross_attn_video_a2v_gate.linear", None, None)]),
        ("diffusion_model.transformer_blocks.47.audio_to_video_attn.to_q", 2048, 4096, "ltx2/2.3",
         "native", [("transformer_blocks.47.audio_to_video_attn.to_q", None, None)]),
        # Mochi keeps the halves of its gated layers the other way round.
        ("diffusion_model.blocks.0.mlp_x.w1", 16384, 3072, "mochi", "diffusers",
         [("transformer_blocks.0.ff.net.0.proj", (8192, 16384), (0, 8192)),
          ("transformer_blocks.0.ff.net.0.proj", (0, 8192), (8192, 16384))]),
        ("transformer.transformer_blocks.0.attn1.add_v_proj", 3072, 1536, "mochi", "native",
         [("blocks.0.attn.qkv_y", (6144, 9216), None)]),
    ],
)
def test_a_name_of_either_tree_goes_to_the_rows_it_means(key, out, inp, model, tree, expected):
    assert targets_of(key, out, inp, model, tree) == expected


@pytest.mark.parametrize("number", [2, 3])
def test_a_norm_that_the_trees_of_hunyuandit_number_apart_is_not_guessed(number):
    table = family("hunyuandit").tables()["denoiser"]
    assert f"blocks_0_norm{number}" not in table
    assert f"blocks.0.norm{number}" in table.architecture.modules("native")


OUR_FAMILIES = [one for one in FAMILIES if one.id in OURS]


@pytest.mark.parametrize("one", OUR_FAMILIES, ids=lambda one: one.key)
def test_a_layer_without_a_prefix_is_known_for_a_denoisers(one):
    architecture = one.architectures()["denoiser"]
    first = {name.split(".")[0]: name for name, _ in architecture.names()}
    for name in first.values():
        parsed, _ = modules_of(name, 8, 4)
        assert [(found.component, found.name) for found in parsed.modules] == [
            ("denoiser", name.replace(".", "_"))]


def corpus():
    if not CORPUS.is_dir():
        return []
    entries = json.loads(gzip.decompress((CORPUS / "generated.json.gz").read_bytes()))
    return [pytest.param(one, id=one["id"]) for one in entries if one["expected_family"] in OURS]


@pytest.mark.parametrize("entry", corpus())
def test_a_reference_file_fits_an_entry_of_its_family_whole(entry):
    tensors = {key: tuple(one[0] or ()) for key, one in entry["keys"].items()}
    facts = facts_of(parse_file(tensors, entry["metadata"] or {}), tensors)
    fitting = [
        one.key for one in FAMILIES if one.id in OURS
        and all(fits(fact, one.tables()["denoiser"]) for fact in facts)
    ]
    assert facts
    assert {key.split("/")[0] for key in fitting} == {entry["expected_family"]}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        # What OneTrainer, ai-toolkit, musubi-tuner, sd-scripts and SimpleTuner write.
        ("pixart-sigma/lora", "pixart/sigma"), ("pixart", "pixart"), ("sana/lora", "sana"),
        ("pixart_sigma-900m-1024-v0.6/lora", "pixart/sigma-900m"), ("lumina-2/lora", "lumina2"),
        ("sana-sana1.5-4.8b-1024/lora", "sana/1.5-4.8b"), ("lumina2", "lumina2"),
        ("zimage", "z-image"), ("Z-Image/lora", "z-image"), ("z_image-turbo/lora", "z-image"),
        ("hidream-i1/lora", "hidream"), ("hidream_i1", "hidream"), ("HiDream-O1-Image", ""),
        ("auraflow-pony/lora", "auraflow"), ("ltx2", "ltx2"), ("ltxvideo2-2.3-dev", "ltx2/2.3"),
        ("ltxvideo-0.9.5/lora", "ltx"), ("ltx-2b", "ltx/2b"), ("CogVideoX", "cogvideox"),
    ],
)
def test_what_trainers_call_the_base_model_names_the_family_and_its_size(value, expected):
    claim = claimed_family({"modelspec.architecture": value})
    assert f"{claim.family}/{claim.variant}".rstrip("/") == expected
