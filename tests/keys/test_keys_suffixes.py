"""Suffixes are cut by the longest tail that is listed, whatever follows or precedes it."""

import pytest
from loradex.keys.parse import parse_file
from loradex.keys.suffixes import split_key


@pytest.mark.parametrize(
    ("key", "stem", "role"),
    [
        ("a.b.lora_up.weight", "a.b", "up"),
        ("a.b.lora_mid.weight", "a.b", "mid"),
        ("a.b.lora.down.weight", "a.b", "down"),
        ("a.processor.to_q_lora.up.weight", "a.processor.to_q", "up"),
        ("a.q_proj.lora_linear_layer.up.weight", "a.q_proj", "up"),
        ("double_blocks.0.processor.qkv_lora2.down.weight", "double_blocks.0.processor.qkv#2",
         "down"),
        ("a.lora_A", "a", "down"),
        ("a.lora_B.bias", "a", "up_bias"),
        ("a.lora_A.default.weight", "a", "down"),
        ("a.lora_B.default_0.weight", "a", "up"),
        ("a.lora_B.default.bias", "a", "up_bias"),
        ("a.boft_R.default", "a", "boft_r"),
        ("a.oft_R.default.weight", "a", "oft_r"),
        ("a.lora_magnitude_vector", "a", "magnitude_vector"),
        ("a.lora_magnitude_vector.default.weight", "a", "magnitude_vector"),
        ("a.lora_embedding_A.default", "a", "embedding_a"),
        ("a.hada_w1_a.default", "a", "hada_w1_a"),
        ("a.ia3_l.default", "a", "ia3_l"),
        ("a.lokr_w2_b", "a", "lokr_w2_b"),
        ("a_.alpha", "a", "alpha"),
        ("a.b1.weight", "a", "b1"),
        ("a.weight", "a", "ia3_weight"),
    ],
)
def test_a_key_is_cut_into_module_and_role(key, stem, role):
    assert split_key(key) == (stem, role)


@pytest.mark.parametrize("key", ["", "alpha", "a.b.c", "model.ema", "a.lora_up"])
def test_a_key_without_a_known_end_is_not_cut(key):
    assert split_key(key) is None


def roles(tensors):
    return {module.name: set(module.parts) for module in parse_file(tensors).modules}


def test_weight_is_a_scaling_vector_only_beside_on_input():
    lora = {"x.lora_up.weight": (4, 2), "x.lora_down.weight": (2, 4)}
    assert roles({**lora, "unet.y.weight": (4,), "unet.y.on_input": ()})["y"] == {
        "ia3_weight", "on_input"}
    parsed = parse_file({**lora, "unet.y.weight": (4,)})
    assert parsed.unknown == ("unet.y.weight",)


def test_a_scale_vector_replaces_a_norm_and_a_scale_number_scales():
    tensors = {"double_blocks.0.img_attn.norm.key_norm.scale": (128,),
               "img_in.lora_A.weight": (4, 64), "img_in.lora_B.weight": (3072, 4),
               "img_in.scale": ()}
    assert roles(tensors) == {"double_blocks_0_img_attn_norm_key_norm": {"set_weight"},
                              "img_in": {"down", "up", "scale"}}


def test_a_bias_alone_is_a_network_part_but_not_beside_its_weight():
    lora = {"unet.x.lora_A.weight": (2, 4), "unet.x.lora_B.weight": (4, 2)}
    assert roles({**lora, "unet.y.bias": (4,)})["y"] == {"bias"}
    parsed = parse_file({**lora, "unet.y.bias": (4,), "unet.y.weight": (4, 4)})
    assert parsed.unknown == ("unet.y.bias", "unet.y.weight")


def test_the_trailing_underscore_of_early_files_does_not_split_a_module():
    name = "lora_unet_transformer_blocks_10_attn_to_k"
    tensors = {f"{name}.lora_down.weight": (2, 4), f"{name}.lora_up.weight": (4, 2),
               f"{name}_.alpha": ()}
    assert roles(tensors) == {"transformer_blocks_10_attn_to_k": {"down", "up", "alpha"}}
