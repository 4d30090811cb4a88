"""Files that are no LoRA are named as what they are; the names are those of real files."""

import gzip
import json
from pathlib import Path

import pytest
from loradex.compat.detect import decide
from loradex.compat.families import family
from loradex.compat.network import read_network
from loradex.keys.parse import parse_file

HEADERS = Path(__file__).parents[1] / "data" / "headers"
LDM = "model.diffusion_model."

KINDS = {
    "ControlNet (SD 1.5, original)": (
        "ControlNet", ("control_model.input_blocks.0.0.weight",
                       "control_model.zero_convs.0.0.weight",
                       "control_model.input_hint_block.0.weight")),
    "ControlNet (diffusers)": (
        "ControlNet", ("conv_in.weight", "controlnet_cond_embedding.conv_in.weight",
                       "controlnet_down_blocks.0.weight",
                       "down_blocks.0.resnets.0.conv1.weight")),
    "ControlNet (Flux)": (
        "ControlNet", ("controlnet_blocks.0.weight", "controlnet_x_embedder.weight",
                       "transformer_blocks.0.attn.to_q.weight")),
    "ControlNet (Z-Image)": (
        "ControlNet", ("control_layers.0.attention.qkv.weight",
                       "control_all_x_embedder.2-1.weight")),
    "T2I-Adapter (original)": (
        "T2I-Adapter", ("body.0.block1.weight", "body.0.block2.weight", "conv_in.weight")),
    "T2I-Adapter (diffusers)": (
        "T2I-Adapter", ("adapter.body.0.resnets.0.block1.weight", "adapter.conv_in.weight")),
    "IP-Adapter": (
        "IP-Adapter", ("image_proj.proj.weight", "ip_adapter.1.to_k_ip.weight")),
    "IP-Adapter (XLabs)": (
        "IP-Adapter", ("double_blocks.0.processor.ip_adapter_double_stream_k_proj.weight",
                       "ip_adapter_proj_model.proj.weight")),
    "IP-Adapter FaceID": (
        "IP-Adapter", ("ip_adapter.0.to_q_lora.down.weight", "ip_adapter.0.to_q_lora.up.weight",
                       "image_proj.proj.0.weight")),
    "PuLID": ("PuLID adapter", ("pulid_ca.0.norm1.weight", "pulid_encoder.latents")),
    "PhotoMaker": (
        "PhotoMaker adapter", ("id_encoder.visual_projection_2.weight",
                               "unet.down_blocks.0.attn1.to_q_lora.down.weight")),
    "LLLite": (
        "ControlNet-LLLite",
        ("lllite_unet_input_blocks_4_1_transformer_blocks_0_attn1_to_q.conditioning1.0.weight",
         "lllite_unet_input_blocks_4_1_transformer_blocks_0_attn1_to_q.down.0.weight")),
    "Control-LoRA": (
        "Control-LoRA", ("lora_controlnet", "input_blocks.1.1.proj_in.up",
                         "input_blocks.1.1.proj_in.down", "input_hint_block.0.weight")),
    "embedding (A1111)": ("textual inversion embedding", ("emb_params",)),
    "embedding (SDXL)": ("textual inversion embedding", ("clip_l", "clip_g")),
    "embedding (pt)": ("textual inversion embedding", ("string_to_param.*", "string_to_token")),
    "embedding (diffusers)": ("textual inversion embedding", ("<cat-toy>",)),
    "hypernetwork": ("hypernetwork", ("768.0.linear.0.weight", "768.1.linear.0.weight")),
    "VAE (original)": (
        "VAE", ("encoder.conv_in.weight", "decoder.up.0.block.0.conv1.weight",
                "quant_conv.weight")),
    "VAE (diffusers)": ("VAE", ("encoder.down_blocks.0.resnets.0.conv1.weight",)),
    "VAE (prefixed)": ("VAE", ("first_stage_model.decoder.conv_in.weight",)),
    "VAE (Wan)": ("VAE", ("encoder.conv1.weight", "decoder.upsamples.0.residual.0.gamma")),
    "text encoder (CLIP)": (
        "text encoder", ("text_model.encoder.layers.0.self_attn.q_proj.weight",)),
    "text encoder (open_clip)": (
        "text encoder", ("transformer.resblocks.0.attn.in_proj_weight", "ln_final.weight")),
    "text encoder (T5)": (
        "text encoder", ("encoder.block.0.layer.0.SelfAttention.q.weight", "shared.weight")),
    "text encoder (Qwen)": (
        "text encoder", ("model.layers.0.self_attn.q_proj.weight", "model.embed_tokens.weight")),
    "image encoder": ("image encoder", ("vision_model.encoder.layers.0.mlp.fc1.weight",)),
    "upscaler (ESRGAN, new)": (
        "upscaler", ("conv_first.weight", "body.0.rdb1.conv1.weight")),
    "upscaler (ESRGAN, old)": ("upscaler", ("model.0.weight", "model.1.sub.0.RDB1.conv1.0.weight")),
    "upscaler (SwinIR)": (
        "upscaler", ("conv_first.weight", "layers.0.residual_group.blocks.0.attn.qkv.weight")),
    "upscaler (compact)": ("upscaler", ("body.0.weight", "body.1.weight")),
    "motion module": (
        "motion module",
        ("down_blocks.0.motion_modules.0.temporal_transformer.proj_in.weight",)),
    "Wan": ("denoiser checkpoint", ("blocks.0.self_attn.q.weight", "head.modulation")),
    "Lumina": ("denoiser checkpoint", ("layers.0.attention.qkv.weight", "x_embedder.weight")),
    "HiDream": (
        "denoiser checkpoint", ("double_stream_blocks.0.block.attn1.to_q.weight",)),
}


@pytest.mark.parametrize("name", KINDS)
def test_a_kind_of_file_is_named(name):
    kind, keys = KINDS[name]
    shapes = dict.fromkeys(keys, (8, 8))
    parsed = parse_file(shapes)
    assert parsed.not_a_lora == kind
    found = decide(read_network(parsed, shapes), file_name="model.safetensors")
    assert (found.candidates, found.confidence) == ((), "unknown")
    assert "not a LoRA" in found.evidence[0]


def recorded(name):
    record = json.loads(gzip.decompress((HEADERS / f"{name}.json.gz").read_bytes()))
    return {key: tuple(shape) for key, shape in record["tensors"].items()}


@pytest.mark.parametrize(
    ("name", "title"),
    [("not-checkpoint", "SD 1.5 checkpoint"), ("not-unet", "SD 1.5 denoiser checkpoint"),
     ("not-text-encoder", "CLIP-L text encoder"), ("not-vae", "VAE")],
)
def test_shapes_tell_which_family_or_encoder_it_is(name, title):
    shapes = recorded(name)
    assert read_network(parse_file(shapes), shapes).foreign == title


@pytest.mark.parametrize("key", ["sdxl", "flux1", "sd3-medium", "flux2/klein-4b", "z-image"])
def test_a_whole_model_in_the_lora_folder_is_named_with_its_family(key):
    one = family(key)
    shapes = {f"{LDM}{name}.{module.parameter}": module.weight for name, module
              in one.parts[0].table.architecture.modules("native").items()}
    network = read_network(parse_file(shapes), shapes)
    assert network.parsed.not_a_lora == "checkpoint"
    assert network.foreign == f"{one.title} checkpoint"


@pytest.mark.parametrize("name", [path.name.split(".json")[0] for path in HEADERS.glob("*.gz")
                                  if not path.name.startswith("not-")])
def test_no_network_is_taken_for_something_else(name):
    assert parse_file(recorded(name)).not_a_lora == ""
