"""Each writer's keys give one component, one flattened name and the name of the layout."""

import pytest
from loradex.keys.parse import parse_file


def read(key, shape=(4, 4), metadata=None):
    (module,) = parse_file({key: shape}, metadata or {}).modules
    return module.component, module.name, module.layout


Q = "down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q"


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        (f"lora_unet_{Q}.lora_up.weight", ("denoiser", Q, "kohya_flat_diffusers")),
        ("lora_unet_input_blocks_4_1_proj_in.lora_up.weight",
         ("denoiser", "input_blocks_4_1_proj_in", "kohya_flat_sgm")),
        ("lora_unet_time_embed_0.diff", ("denoiser", "time_embed_0", "kohya_flat_sgm")),
        ("lora_unet_time_embedding_linear_1.diff",
         ("denoiser", "time_embedding_linear_1", "kohya_flat_diffusers")),
        ("lora_unet_out_2.diff", ("denoiser", "out_2", "kohya_flat_sgm")),
        ("lora_unet__blocks_0_ffn_0.lora_up.weight",
         ("denoiser", "blocks_0_ffn_0", "kohya_flat_native")),
        ("lora_unet_double_blocks_0_img_attn_qkv.alpha_", None),
        ("oft_unet_input_blocks_1_0_in_layers_2.oft_blocks",
         ("denoiser", "input_blocks_1_0_in_layers_2", "kohya_flat_sgm_oft_prefix")),
        ("lora_te_text_model_encoder_layers_0_mlp_fc1.lora_up.weight",
         ("te", "text_model_encoder_layers_0_mlp_fc1", "kohya_flat_te")),
        ("lora_te3_encoder_block_0_layer_0_SelfAttention_q.lora_up.weight",
         ("te3", "encoder_block_0_layer_0_SelfAttention_q", "kohya_flat_te")),
        ("lora_transformer_transformer_blocks_0_attn_to_q.lora_up.weight",
         ("denoiser", "transformer_blocks_0_attn_to_q", "onetrainer_flat")),
        (f"lora_prior_unet_{Q}.lora_up.weight", ("denoiser", Q, "onetrainer_flat")),
        (f"lycoris_{Q}.lokr_w1", ("denoiser", Q, "lycoris_flat")),
        ("lycoris_text_model_encoder_layers_0_mlp_fc1.lokr_w1",
         ("te", "text_model_encoder_layers_0_mlp_fc1", "lycoris_flat")),
        ("unet.mid_block.attentions.0.proj_in.lora.up.weight",
         ("denoiser", "mid_block_attentions_0_proj_in", "diffusers_dotted_lora.down")),
        ("unet.mid_block.attentions.0.proj_in.lora_B.weight",
         ("denoiser", "mid_block_attentions_0_proj_in", "diffusers_peft_unet")),
        ("transformer.x_embedder.lora_B.weight",
         ("denoiser", "x_embedder", "diffusers_peft_transformer")),
        ("text_encoder_2.text_model.encoder.layers.1.mlp.fc1.lora_B.weight",
         ("te2", "text_model_encoder_layers_1_mlp_fc1", "diffusers_peft_text_encoder")),
        ("text_encoder.text_model.encoder.layers.1.mlp.fc1.lora_linear_layer.up.weight",
         ("te", "text_model_encoder_layers_1_mlp_fc1", "diffusers_dotted_lora.down")),
        ("mid_block.attentions.0.transformer_blocks.0.attn1.processor.to_out_lora.up.weight",
         ("denoiser", "mid_block_attentions_0_transformer_blocks_0_attn1_to_out_0",
          "diffusers_old_processor")),
        ("unet.mid_block.attentions.0.transformer_blocks.0.attn1.processor.to_k_lora.alpha_", None),
        ("text_encoder.text_model.encoder.layers.1.self_attn.to_out_lora.up.weight",
         ("te", "text_model_encoder_layers_1_self_attn_out_proj", "diffusers_old_processor")),
        ("base_model.model.conv_in.lora_B.weight",
         ("denoiser", "conv_in", "peft_base_model_diffusers")),
        ("base_model.model.double_blocks.0.img_attn.qkv.lora_B.weight",
         ("denoiser", "double_blocks_0_img_attn_qkv", "peft_base_model_native")),
        ("base_model.model.text_model.encoder.layers.0.mlp.fc1.lora_B.weight",
         ("te", "text_model_encoder_layers_0_mlp_fc1", "peft_base_model_text_encoder")),
        ("transformer.base_model.model.proj_out.lora_B.weight",
         ("denoiser", "proj_out", "peft_base_model_diffusers")),
        ("model.diffusion_model.input_blocks.1.1.proj_in.lora_B.weight",
         ("denoiser", "input_blocks_1_1_proj_in", "bfl_dotted_diffusion_model")),
        ("text_encoders.clip_g.transformer.text_model.encoder.layers.0.mlp.fc1.lora_B.weight",
         ("te2", "text_model_encoder_layers_0_mlp_fc1", "comfy_text_encoders")),
        ("conditioner.embedders.1.model.transformer.resblocks.0.mlp.c_fc.diff",
         ("te2", "transformer_resblocks_0_mlp_c_fc", "ldm_text_encoder")),
        ("double_blocks.0.processor.proj_lora2.up.weight",
         ("denoiser", "double_blocks_0_txt_attn_proj", "xlabs_processor")),
        ("diffusion_model.single_blocks.7.processor.qkv_lora.up.weight",
         ("denoiser", "single_blocks_7_linear1_qkv", "xlabs_processor")),
        ("down_blocks.0.motion_modules.0.temporal_transformer.transformer_blocks.0."
         "attention_blocks.0.processor.to_q_lora.up.weight",
         ("motion", "down_blocks_0_motion_modules_0_temporal_transformer_transformer_blocks_0_"
          "attention_blocks_0_to_q", "animatediff_motion_lora")),
        ("joint_blocks.0.x_block.attn.qkv.lora_B.weight",
         ("denoiser", "joint_blocks_0_x_block_attn_qkv", "native_bare")),
        ("some.thing.lora_B.weight", ("", "some_thing", "unknown")),
    ],
)
def test_a_key_of_each_writer(key, expected):
    if expected is None:
        assert parse_file({key: (4, 4)}).unknown == (key,)
    else:
        assert read(key) == expected


def test_a_file_that_mixes_layouts_has_one_module():
    """SimpleTuner's Flux files carry kohya alphas beside diffusers factors (ComfyUI 4347)."""
    tensors = {
        "transformer.single_transformer_blocks.0.attn.to_q.lora_A.weight": (4, 3072),
        "transformer.single_transformer_blocks.0.attn.to_q.lora_B.weight": (3072, 4),
        "lora_transformer_single_transformer_blocks_0_attn_to_q.alpha": (),
    }
    parsed = parse_file(tensors)
    (module,) = parsed.modules
    assert set(module.parts) == {"up", "down", "alpha"}
    assert parsed.layouts == {"diffusers_peft_transformer": 2, "onetrainer_flat": 1}
    assert parsed.layout == "diffusers_peft_transformer"


def test_an_alpha_of_an_old_processor_joins_its_factors():
    stem = "unet.mid_block.attentions.0.transformer_blocks.0.attn1.processor.to_k_lora"
    tensors = {f"{stem}.up.weight": (4, 2), f"{stem}.down.weight": (2, 4), f"{stem}.alpha": ()}
    (module,) = parse_file(tensors).modules
    assert set(module.parts) == {"up", "down", "alpha"}


def test_a_face_id_adapter_is_named_though_it_carries_lora_factors():
    tensors = {"image_proj.proj.0.weight": (4, 4), "ip_adapter.0.to_q_lora.down.weight": (2, 4),
               "ip_adapter.0.to_q_lora.up.weight": (4, 2)}
    assert parse_file(tensors).not_a_lora == "IP-Adapter"


def test_bundled_embeddings_are_kept_apart():
    tensors = {"bundle_emb.cat.clip_l": (2, 768), "bundle_emb.cat.clip_g": (2, 1280),
               "lora_unet_conv_in.lora_up.weight": (320, 4, 1, 1),
               "lora_unet_conv_in.lora_down.weight": (4, 4, 3, 3)}
    parsed = parse_file(tensors)
    assert parsed.embeddings == {"cat": ("bundle_emb.cat.clip_g", "bundle_emb.cat.clip_l")}
    assert len(parsed.modules) == 1
    assert not parsed.unknown


def test_an_embedding_under_its_token_is_told_by_the_metadata():
    tensors = {"<cat>": (768,), "unet:0:up": (4, 4), "unet:0:down": (4, 4)}
    assert parse_file(tensors, {"<cat>": "<embed>"}).embeddings == {"<cat>": ("<cat>",)}
    assert parse_file(tensors).unknown == ("<cat>",)


def test_a_checkpoint_whose_norms_end_in_scale_is_no_network():
    tensors = {"double_blocks.0.img_attn.norm.key_norm.scale": (128,),
               "double_blocks.0.img_attn.qkv.weight": (9216, 3072)}
    parsed = parse_file(tensors)
    assert parsed.not_a_lora == "denoiser checkpoint"
    assert not parsed.modules


def test_numbered_files_keep_their_class_list():
    metadata = {"unet": '["GEGLU", "Attention"]'}
    assert read("unet:12:up", metadata=metadata) == (
        "denoiser", "@Attention,GEGLU:12", "cloneofsimo_indexed")
    assert read("text_encoder:3:down")[1] == "@CLIPAttention:3"
    assert read("unet:12:up", metadata={"unet": "{broken"})[1].endswith("GEGLU:12")


def test_a_second_adapter_in_one_file_is_listed_as_not_understood():
    tensors = {f"unet.conv_in.lora_A.{name}.weight": (4, 4) for name in ("first", "second")}
    parsed = parse_file(tensors)
    assert parsed.unknown == ("unet.conv_in.lora_A.second.weight",)


@pytest.mark.parametrize(
    ("keys", "what"),
    [
        (["lllite_unet_input_blocks_4_1.down.0.weight"], "ControlNet-LLLite"),
        (["lora_controlnet", "input_blocks.1.0.in_layers.2.up"], "Control-LoRA"),
        (["image_proj.proj.weight", "ip_adapter.1.to_k_ip.weight"], "IP-Adapter"),
        (["control_model.input_blocks.0.0.weight"], "ControlNet"),
        (["emb_params"], "textual inversion embedding"),
        (["clip_l", "clip_g"], "textual inversion embedding"),
        (["model.diffusion_model.out.2.weight", "first_stage_model.x"], "checkpoint"),
        (["encoder.conv_in.weight", "decoder.conv_out.weight"], "VAE"),
        (["768.0.linear.0.weight"], "hypernetwork"),
        (["a.b"], "unknown kind of file"),
        ([], "empty file"),
    ],
)
def test_a_file_that_is_no_lora_is_named(keys, what):
    parsed = parse_file(dict.fromkeys(keys, (4, 4)))
    assert parsed.not_a_lora == what
    assert parsed.modules == ()
