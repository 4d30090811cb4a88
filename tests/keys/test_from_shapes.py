"""Tables from names and shapes alone are those that the configurations give."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from loradex.compat.families import FAMILIES
from loradex.keys import configs
from loradex.keys.clip import clip_architecture
from loradex.keys.derive import derive
from loradex.keys.flux import flux_architecture
from loradex.keys.from_shapes import TREES, UNKNOWN, from_shapes
from loradex.keys.read_text import with_text_level
from loradex.keys.sd3 import sd3_architecture
from loradex.keys.t5 import t5_architecture
from loradex.keys.unet import unet_architecture

from tests.keys.table_shapes import both, shapes_of

READ = ("UNet2DConditionModel", "SD3Transformer2DModel", "FluxTransformer2DModel",
        "CLIPTextModel", "CLIPTextModelWithProjection", "T5EncoderModel")
PARTS = {
    f"{one.key}-{part.component}": part
    for one in FAMILIES for part in one.parts if part.class_name in READ
}


def places(table, tree):
    return {(leaf.place(tree).key, leaf.place(tree).rows, leaf.shape, leaf.kind, leaf.bias)
            for leaf in table.leaves}


def read_again(table, tree):
    found = from_shapes(shapes_of(table, tree), table.component)
    assert found is not None
    return found


@pytest.mark.parametrize("tree", TREES)
@pytest.mark.parametrize("name", PARTS)
def test_every_known_model_is_read_off_its_own_shapes(name, tree):
    expected = derive(PARTS[name].class_name, PARTS[name].config)
    found, told = read_again(expected, tree)
    assert places(found, told) == places(expected, tree)
    assert places(found, "diffusers") == places(expected, "diffusers")
    assert found.features == expected.features
    assert found.aliases.keys() == expected.aliases.keys()
    # A CLIP in transformers' names is given open_clip's beside them, which change nothing.
    if found.id != "clip":
        assert both(found) == both(expected)


@pytest.mark.parametrize("tree", TREES)
@pytest.mark.parametrize("change", [
    {"in_channels": 9}, {"in_channels": 8}, {"out_channels": 8}, {"time_cond_proj_dim": 256},
    {"num_class_embeds": 1000, "only_cross_attention": (True, True, True, False)},
    {"use_linear_projection": True, "resnet_time_scale_shift": "scale_shift"},
    {"mid_block_type": None}, {"mid_block_type": "UNetMidBlock2D"},
    {"transformer_depth_middle": 3},
], ids=str)
def test_variants_of_a_unet_are_read_too(change, tree):
    expected = unet_architecture({**configs.SD1_UNET, **change})
    found, told = read_again(expected, tree)
    assert told == tree
    assert both(found) == both(expected)


@st.composite
def unets(draw):
    """Narrow UNets of two or three levels, each with or without attention."""
    levels = draw(st.integers(2, 3))
    attends = draw(st.lists(st.booleans(), min_size=levels, max_size=levels))
    resnets = draw(st.lists(st.integers(1, 2), min_size=levels, max_size=levels))
    depth = st.integers(1, 2)
    return {
        "block_out_channels": tuple(
            32 * draw(st.integers(1, 3)) for _ in range(levels)),
        "layers_per_block": tuple(resnets),
        "down_block_types": tuple(
            "CrossAttnDownBlock2D" if one else "DownBlock2D" for one in attends),
        "up_block_types": tuple(
            "CrossAttnUpBlock2D" if one else "UpBlock2D" for one in reversed(attends)),
        "transformer_layers_per_block": tuple(
            tuple(draw(depth) for _ in range(count)) for count in resnets),
        "reverse_transformer_layers_per_block": tuple(
            tuple(draw(depth) for _ in range(count + 1)) for count in reversed(resnets)),
        "cross_attention_dim": 8 * draw(st.integers(2, 9)),
        "attention_head_dim": 1,
        "use_linear_projection": draw(st.booleans()),
        "in_channels": draw(st.integers(4, 9)),
        **draw(st.sampled_from([{}, {
            "addition_embed_type": "text_time", "projection_class_embeddings_input_dim": 112}])),
    }


@given(unets(), st.sampled_from(TREES))
@settings(max_examples=60, deadline=None)
def test_unets_of_any_size_are_read(config, tree):
    expected = unet_architecture(config)
    found, told = read_again(expected, tree)
    assert told == tree
    assert both(found) == both(expected)


@given(width=st.integers(2, 9), layers=st.integers(1, 3), inner=st.integers(2, 99),
       projection=st.booleans(), tree=st.sampled_from(TREES))
@settings(max_examples=40, deadline=None)
def test_clips_of_any_size_are_read(width, layers, inner, projection, tree):
    config = {"hidden_size": 8 * width, "num_hidden_layers": layers, "intermediate_size": inner,
              "vocab_size": 99, "projection_dim": 24}
    expected = clip_architecture(config, projection, "open_clip")
    found, told = read_again(expected, tree)
    assert told == tree
    assert both(found) == both(expected)


SMALL = (
    sd3_architecture({"num_layers": 2, "num_attention_heads": 2, "attention_head_dim": 16,
                      "caption_projection_dim": 32, "dual_attention_layers": (0,),
                      "qk_norm": "rms_norm", "joint_attention_dim": 40}),
    sd3_architecture({"num_layers": 1, "num_attention_heads": 1, "attention_head_dim": 24,
                      "caption_projection_dim": 24, "in_channels": 32}),
    flux_architecture({"num_layers": 1, "num_single_layers": 2, "num_attention_heads": 2,
                       "attention_head_dim": 8, "in_channels": 128, "out_channels": 64}),
    flux_architecture({"num_layers": 2, "num_single_layers": 1, "num_attention_heads": 1,
                       "attention_head_dim": 16, "guidance_embeds": True}),
    t5_architecture({"num_layers": 1, "num_heads": 3, "d_kv": 5}),
)


@pytest.mark.parametrize("tree", TREES)
@pytest.mark.parametrize("table", SMALL[:4], ids=["sd3-dual", "sd3", "flux-control", "flux"])
def test_narrow_transformers_are_read(table, tree):
    found, told = read_again(table, tree)
    assert told == tree
    assert both(found) == both(table)


def test_t5_without_its_own_token_table_is_read():
    table = t5_architecture({"d_model": 32, "d_kv": 8, "num_heads": 4, "d_ff": 48,
                             "num_layers": 2, "feed_forward_proj": "gated-gelu"})
    own = shapes_of(table, "native")
    del own["shared.weight"]
    found = from_shapes(own, "te")
    assert found is not None
    assert both(found[0]) == both(table)


def test_names_of_transformers_5_are_given_their_level():
    table = clip_architecture({"vocab_size": 9, "num_hidden_layers": 1}, True, "hf")
    own = shapes_of(table, "diffusers")
    bare = {name.removeprefix("text_model."): shape for name, shape in own.items()}
    assert dict(with_text_level(bare)) == own
    assert dict(with_text_level(own)) == own


class TestWhatIsNotRead:
    own = shapes_of(unet_architecture(configs.SD1_UNET), "native")

    def test_a_weight_of_a_shape_that_does_not_follow(self):
        name = "input_blocks.1.1.transformer_blocks.0.ff.net.2.weight"
        assert from_shapes({**self.own, name: (320, 640)}, "denoiser") is None

    def test_half_a_model(self):
        half = {name: shape for name, shape in self.own.items()
                if not name.startswith("output_blocks.")}
        assert from_shapes(half, "denoiser") is None

    def test_packed_weights_tell_no_sizes(self):
        packed = {name: (UNKNOWN, UNKNOWN) if len(shape) == 2 else shape
                  for name, shape in self.own.items()}
        assert from_shapes(packed, "denoiser") is None

    @given(st.data())
    @settings(max_examples=60, deadline=None)
    def test_no_shapes_are_an_error(self, data):
        """A header may say anything."""
        table = data.draw(st.sampled_from([*SMALL, clip_architecture({}, True, "open_clip")]))
        own = shapes_of(table, data.draw(st.sampled_from(TREES)))
        for name in data.draw(st.lists(st.sampled_from(sorted(own)), max_size=9)):
            own[name] = tuple(data.draw(st.lists(st.integers(-1, 9), max_size=5)))
        from_shapes(own, table.component)

    @pytest.mark.parametrize("role", ["denoiser", "te", "vae"])
    def test_nothing_and_other_models(self, role):
        assert from_shapes({}, role) is None
        assert from_shapes({"trunk.weight": (4, 4)}, role) is None

    def test_a_cut_model_is_read_and_keeps_its_names(self):
        cut = {name: shape for name, shape in self.own.items() if ".9.1.norm" not in name}
        found = from_shapes(cut, "denoiser")
        assert found is not None
        assert found[1] == "native"
