"""What files for AnimateDiff, Chroma, Flux.2 and SVD call their modules, and where these go."""

import pytest
from loradex.keys import configs
from loradex.keys.derive import derive
from loradex.keys.parse import parse_file
from loradex.keys.resolve import NameTable, Resolver

MOTION = "down_blocks.0.motion_modules.1"
MODULES = {
    # AnimateDiff's own MotionLoRA files, the same converted by diffusers' script, trained by PEFT.
    f"{MOTION}.temporal_transformer.transformer_blocks.0.attention_blocks.1.processor.to_q_lora"
    ".down.weight": ("motion", "MotionAdapter", {}),
    f"unet.{MOTION}.transformer_blocks.0.attn2.processor.to_out_lora.up.weight": (
        "motion", "MotionAdapter", {}),
    f"unet.{MOTION}.transformer_blocks.0.attn1.to_k.lora_A.weight": (
        "motion", "MotionAdapter", {}),
    "lora_unet_up_blocks_3_motion_modules_2_proj_in.lora_down.weight": (
        "motion", "MotionAdapter", {}),
    "distilled_guidance_layer.layers.4.in_layer.lora_A.weight": (
        "denoiser", "ChromaTransformer2DModel", {}),
    "lora_unet_distilled_guidance_layer_in_proj.lora_down.weight": (
        "denoiser", "ChromaTransformer2DModel", {}),
    "lora_transformer_single_transformer_blocks_37_proj_mlp.lora_down.weight": (
        "denoiser", "ChromaTransformer2DModel", {}),
    "double_stream_modulation_img.lin.lora_A.weight": (
        "denoiser", "Flux2Transformer2DModel", configs.FLUX2_KLEIN_4B),
    "single_stream_modulation.lin.lora_A.weight": (
        "denoiser", "Flux2Transformer2DModel", configs.FLUX2_KLEIN_4B),
    "time_guidance_embed.timestep_embedder.linear_1.lora_A.weight": (
        "denoiser", "Flux2Transformer2DModel", configs.FLUX2_KLEIN_4B),
    "transformer.single_transformer_blocks.19.attn.to_qkv_mlp_proj.lora_A.weight": (
        "denoiser", "Flux2Transformer2DModel", configs.FLUX2_KLEIN_4B),
    "diffusion_model.input_blocks.1.1.time_stack.0.attn1.to_q.lora_A.weight": (
        "denoiser", "UNetSpatioTemporalConditionModel", {}),
    "unet.mid_block.attentions.0.time_pos_embed.linear_1.lora_A.weight": (
        "denoiser", "UNetSpatioTemporalConditionModel", {}),
    "unet.encoder_hid_proj.lora_A.weight": (
        "denoiser", "UNet2DConditionModel", configs.KOLORS_UNET),
}


@pytest.mark.parametrize("key", MODULES)
def test_a_key_names_a_module_of_its_model(key):
    component, class_name, config = MODULES[key]
    (module,) = parse_file({key: (4, 8)}).modules
    assert module.component == component
    assert module.name in NameTable(derive(class_name, config))


def target_names(resolver, key, rows):
    (module,) = parse_file({key: (4, 3072)}).modules
    return [
        (one.component, one.module, one.delta_rows and (one.delta_rows.start, one.delta_rows.stop))
        for one in resolver.resolve(module, (rows, 3072))
    ]


def test_a_fused_row_block_of_chroma_goes_to_four_modules_of_diffusers():
    resolver = Resolver({"transformer": derive("ChromaTransformer2DModel", {})})
    block = "single_transformer_blocks.3"
    assert target_names(resolver, "lora_unet_single_blocks_3_linear1.lora_down.weight", 21504) == [
        ("transformer", f"{block}.attn.to_q", (0, 3072)),
        ("transformer", f"{block}.attn.to_k", (3072, 6144)),
        ("transformer", f"{block}.attn.to_v", (6144, 9216)),
        ("transformer", f"{block}.proj_mlp", (9216, 21504)),
    ]


def test_a_single_block_of_flux2_stays_fused_and_a_double_block_is_cut():
    table = derive("Flux2Transformer2DModel", configs.FLUX2_KLEIN_4B)
    resolver = Resolver({"transformer": table})
    single = target_names(resolver, "lora_unet_single_blocks_0_linear1.lora_down.weight", 27648)
    assert single == [
        ("transformer", "single_transformer_blocks.0.attn.to_qkv_mlp_proj", None)]
    double = target_names(resolver, "lora_unet_double_blocks_0_txt_attn_qkv.lora_down.weight", 9216)
    assert [name.rsplit(".", 1)[1] for _, name, _ in double] == [
        "add_q_proj", "add_k_proj", "add_v_proj"]


def test_a_motion_network_goes_to_the_motion_modules_and_to_no_unet():
    (module,) = parse_file({next(iter(MODULES)): (4, 320)}).modules
    unet = derive("UNet2DConditionModel", configs.SD1_UNET)
    assert Resolver({"unet": unet}).resolve(module, (320, 320)) == ()
    both = Resolver({"unet": unet, "motion_module": derive("MotionAdapter", {})})
    (target,) = both.resolve(module, (320, 320))
    assert (target.component, target.module) == (
        "motion_module", f"{MOTION}.transformer_blocks.0.attn2.to_q")


def test_the_two_trees_of_flux2_keep_the_halves_of_the_last_modulation_apart():
    table = derive("Flux2Transformer2DModel", configs.FLUX2_DEV)
    halves = [leaf for leaf in table.leaves if leaf.diffusers.module == "norm_out.linear"]
    assert [(one.diffusers.rows.start, one.native.rows.start) for one in halves] == [
        (0, 6144), (6144, 0)]
