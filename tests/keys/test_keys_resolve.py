"""Modules of a file find their place in either tree, fused and split weights included."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from loradex.keys import configs
from loradex.keys.architecture import Architecture, Builder, Leaf, Region
from loradex.keys.clip import clip_architecture
from loradex.keys.flux import flux_architecture
from loradex.keys.resolve import NameTable, Resolver, shapes_fit
from loradex.keys.sd3 import sd3_architecture
from loradex.keys.t5 import t5_architecture
from loradex.keys.targets import FileModule, Kind, Rows
from loradex.keys.unet import unet_architecture

FLUX = flux_architecture({
    "num_layers": 1, "num_single_layers": 2, "num_attention_heads": 2, "attention_head_dim": 4,
    "joint_attention_dim": 12, "pooled_projection_dim": 10, "in_channels": 16,
})
SD3 = sd3_architecture({
    "num_layers": 2, "num_attention_heads": 2, "attention_head_dim": 4, "joint_attention_dim": 12,
    "caption_projection_dim": 8, "pooled_projection_dim": 10, "dual_attention_layers": (0,),
})
SD1 = unet_architecture(configs.SD1_UNET)
CLIP_L = clip_architecture(configs.CLIP_L)
CLIP_G = clip_architecture(configs.CLIP_G, with_projection=True)
T5 = t5_architecture({"d_model": 16, "d_kv": 4, "d_ff": 24, "num_layers": 1})


def module(name, component="denoiser"):
    return FileModule(component, name, "", {})


def places(resolver, name, shape, component="denoiser"):
    return [
        (one.module, one.shape, one.rows, one.delta_rows)
        for one in resolver.resolve(module(name, component), shape)
    ]


def test_fused_rows_of_a_file_go_to_the_split_weights_of_a_model():
    resolver = Resolver({"transformer": FLUX})
    assert places(resolver, "single_blocks_1_linear1", (56, 8)) == [
        ("single_transformer_blocks.1.attn.to_q", (8, 8), None, Rows(0, 8)),
        ("single_transformer_blocks.1.attn.to_k", (8, 8), None, Rows(8, 16)),
        ("single_transformer_blocks.1.attn.to_v", (8, 8), None, Rows(16, 24)),
        ("single_transformer_blocks.1.proj_mlp", (32, 8), None, Rows(24, 56)),
    ]
    assert places(resolver, "single_blocks_1_linear2", (8, 40)) == [
        ("single_transformer_blocks.1.proj_out", (8, 40), None, None)]


def test_a_split_module_of_a_file_goes_to_rows_of_a_fused_weight():
    resolver = Resolver({"model": FLUX}, {"model": "native"})
    assert places(resolver, "transformer_blocks_0_attn_add_k_proj", (8, 8)) == [
        ("double_blocks.0.txt_attn.qkv", (8, 8), Rows(8, 16), None)]
    assert places(resolver, "double_blocks_0_txt_attn_qkv", (24, 8)) == [
        ("double_blocks.0.txt_attn.qkv", (24, 8), None, None)]
    assert places(resolver, "single_blocks_0_linear1_qkv", (24, 8)) == [
        ("single_blocks.0.linear1", (24, 8), Rows(0, 24), None)]


@pytest.mark.parametrize("table", [FLUX, SD3], ids=["flux", "sd3"])
def test_the_halves_of_the_final_modulation_are_swapped_between_the_trees(table):
    diffusers = Resolver({"transformer": table})
    assert places(diffusers, "final_layer_adaLN_modulation_1", (16, 8)) == [
        ("norm_out.linear", (8, 8), Rows(8, 16), Rows(0, 8)),
        ("norm_out.linear", (8, 8), Rows(0, 8), Rows(8, 16)),
    ]
    assert places(diffusers, "norm_out_linear", (16, 8)) == [
        ("norm_out.linear", (16, 8), None, None)]


def test_the_last_context_modulation_of_sd3_is_swapped_too():
    resolver = Resolver({"transformer": SD3})
    found = places(resolver, "joint_blocks_1_context_block_adaLN_modulation_1", (16, 8))
    assert [one[2] for one in found] == [Rows(8, 16), Rows(0, 8)]
    (whole,) = places(resolver, "joint_blocks_0_context_block_adaLN_modulation_1", (48, 8))
    assert whole[0] == "transformer_blocks.0.norm1_context.linear"


def test_a_norm_has_another_parameter_name_in_the_native_tree():
    name = "transformer_blocks_0_attn_norm_q"
    (target,) = Resolver({"m": FLUX}, {"m": "native"}).resolve(module(name), (4,))
    assert (target.module, target.parameter) == ("double_blocks.0.img_attn.norm.query_norm",
                                                 "scale")


def test_open_clip_takes_rows_of_its_joint_projection():
    table = clip_architecture(configs.CLIP_G, with_projection=True)
    resolver = Resolver({"te2": table}, {"te2": "native"})
    name = "text_model_encoder_layers_0_self_attn_k_proj"
    (target,) = resolver.resolve(module(name, "te2"), (1280, 1280))
    assert (target.module, target.parameter) == ("transformer.resblocks.0.attn", "in_proj_weight")
    assert target.rows == Rows(1280, 2560)
    (projection,) = resolver.resolve(module("text_projection", "te2"), (1280, 1280))
    assert (projection.module, projection.parameter, projection.transposed) == (
        "text_projection", "", True)


FC1 = "text_model_encoder_layers_0_mlp_fc1"


def test_shape_picks_the_text_encoder_where_the_digit_lies():
    resolver = Resolver({"unet": SD1, "te": CLIP_L, "te2": CLIP_G})
    assert resolver.resolve(module(FC1, "te"), (5120, 1280))[0].component == "te2"
    assert resolver.resolve(module(FC1, "te2"), (3072, 768))[0].component == "te"
    assert resolver.resolve(module(FC1, "te2"), None)[0].component == "te2"


def test_onetrainer_calls_t5_the_second_encoder_and_kohya_the_third():
    resolver = Resolver({"transformer": FLUX, "te": CLIP_L, "te2": T5})
    name = "encoder_block_0_layer_0_SelfAttention_q"
    for hint in ("te2", "te3"):
        assert resolver.resolve(module(name, hint), (32, 16))[0].component == "te2"


def test_an_encoder_that_fits_nowhere_is_a_misfit_of_its_own_and_unknown_to_others():
    resolver = Resolver({"unet": SD1, "te": CLIP_L})
    (misfit,) = resolver.resolve(module(FC1, "te"), (4096, 1024))
    assert misfit.shape == (3072, 768)
    assert resolver.resolve(module(FC1, "te2"), (5120, 1280)) == ()


def test_a_module_without_a_component_is_looked_for_everywhere():
    resolver = Resolver({"unet": SD1, "te": CLIP_L})
    assert resolver.resolve(module("conv_in", ""), (320, 4, 3, 3))[0].component == "unet"
    assert resolver.resolve(module(FC1, ""), (3072, 768))[0].component == "te"


def test_a_motion_module_is_no_module_of_the_denoiser():
    resolver = Resolver({"unet": SD1})
    assert resolver.resolve(module("conv_in", "motion"), None) == ()


def test_numbered_modules_follow_the_order_of_injection():
    """Order read off a file of that time: attn1 q k v out, GEGLU, attn2 q k v out."""
    table = NameTable(SD1)
    block = "down_blocks.0.attentions.0.transformer_blocks.0"
    names = [table.find(f"@Attention,CrossAttention,GEGLU:{i}")[0].leaf.diffusers.module
             for i in range(9)]
    assert names == [f"{block}.{layer}" for layer in (
        "attn1.to_q", "attn1.to_k", "attn1.to_v", "attn1.to_out.0", "ff.net.0.proj",
        "attn2.to_q", "attn2.to_k", "attn2.to_v", "attn2.to_out.0")]
    assert "@Attention,CrossAttention,GEGLU:143" in table
    assert "@Attention,CrossAttention,GEGLU:144" not in table


def test_shapes_fit_by_a_squeezed_kernel_or_a_flattened_one_and_never_by_count():
    assert shapes_fit((320, 320), (320, 320, 1, 1))
    assert shapes_fit((320, 320, 1, 1), (320, 320))
    assert shapes_fit((320, 4 * 9), (320, 4, 3, 3))
    assert shapes_fit((-1, 768), (320, 768))
    assert shapes_fit((320, -1), (320, 4, 3, 3))
    assert not shapes_fit((640, 1024), (1280, 512))
    assert not shapes_fit((1024, 640), (640, 1024))
    assert not shapes_fit((4 * 9, 320), (320, 4, 3, 3))
    assert not shapes_fit((320,), (320, 1))
    assert not shapes_fit((), (320,))


@given(st.lists(st.integers(1, 6), min_size=2, max_size=4),
       st.lists(st.integers(1, 6), min_size=2, max_size=4))
def test_a_delta_that_fits_has_the_rows_and_the_size_of_the_weight(delta, weight):
    if shapes_fit(tuple(delta), tuple(weight)):
        assert delta[0] == weight[0]


def test_two_modules_with_one_flattened_name_are_refused_when_the_table_is_built():
    one, two = (Leaf(Kind.LINEAR, (2, 2), True, Region(name), Region(f"n.{name}"))
                for name in ("a.b", "a_b"))
    with pytest.raises(ValueError, match="a_b"):
        NameTable(Architecture("toy", "denoiser", (one, two)))


@pytest.mark.parametrize(
    "table", [FLUX, SD3, SD1, CLIP_L, CLIP_G, T5], ids=["flux", "sd3", "sd1", "l", "g", "t5"]
)
def test_every_name_of_one_tree_covers_the_other_tree_exactly(table):
    """Sent to the other tree, all modules of a tree write every row once and no row twice."""
    for source, goal in (("diffusers", "native"), ("native", "diffusers")):
        resolver = Resolver({"part": table}, {"part": goal})
        written = []
        for name in table.modules(source):
            for target in resolver.resolve(module(name.replace(".", "_"), ""), None):
                rows = target.rows or Rows(0, target.shape[0])
                written += [(target.module, row) for row in range(rows.start, rows.stop)]
        assert len(written) == len(set(written))
        assert len(written) == sum(leaf.shape[0] for leaf in table.leaves)


def test_a_builder_names_both_trees():
    out = Builder()
    out.split([("q", 2), ("k", 3)], "qk", 4)
    arch = Architecture("toy", "denoiser", tuple(out.leaves))
    assert {name: one.weight for name, one in arch.modules("native").items()} == {"qk": (5, 4)}
    assert {name: one.weight for name, one in arch.modules("diffusers").items()} == {
        "q": (2, 4), "k": (3, 4)}
