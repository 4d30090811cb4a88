"""Which table a model's own tensors get: a family's own, one of their sizes, or their names."""

import pytest
from loradex.compat.families import FAMILIES, family
from loradex.compat.live_tables import derived_table, live_table
from loradex.compat.model import describe_model
from loradex.keys import configs
from loradex.keys.clip import clip_architecture
from loradex.keys.from_shapes import TREES, UNKNOWN
from loradex.keys.unet import unet_architecture

from tests.compat.test_compat_checkpoint import classify
from tests.keys.table_shapes import both, shapes_of

NARROW = {"block_out_channels": (32, 64), "cross_attention_dim": 48, "layers_per_block": 1,
          "down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D"),
          "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D")}


@pytest.mark.parametrize("key", [one.key for one in FAMILIES if one.main == "denoiser"])
def test_a_known_model_gets_the_table_of_its_family(key):
    table = family(key).parts[0].table.architecture
    for tree in TREES:
        found = live_table(shapes_of(table, tree), "denoiser")
        assert found is not None
        assert found[0] is table
        # Where both trees have the same names, either is right.
        assert {leaf.place(tree) for leaf in table.leaves} == {
            leaf.place(found[1]) for leaf in table.leaves}


@pytest.mark.parametrize("key", ["sd1", "sd2", "sdxl"])
def test_the_encoders_of_stable_diffusion_are_known(key):
    for part in family(key).parts[1:]:
        found = live_table(shapes_of(part.table.architecture, "native"), "te")
        assert found is not None
        assert both(found[0]) == both(part.table.architecture)


def test_an_inpainting_model_is_its_family_with_its_own_input():
    own = shapes_of(unet_architecture({**configs.SDXL_UNET, "in_channels": 9}), "native")
    found = live_table(own, "denoiser")
    assert found is not None
    assert describe_model({"unet": found[0]}).family == "sdxl"
    assert (320, 9, 3, 3) in {leaf.shape for leaf in found[0].leaves}


def test_one_more_transformer_than_the_family_has_is_not_left_out():
    config = {**configs.SDXL_UNET, "transformer_depth_middle": 11}
    found = live_table(shapes_of(unet_architecture(config), "native"), "denoiser")
    assert found is not None
    assert both(found[0]) == both(unet_architecture(config))


def test_a_narrow_model_gets_a_table_of_its_own_sizes_once():
    own = shapes_of(unet_architecture(NARROW), "native")
    found, again = live_table(own, "denoiser"), live_table(dict(own), "denoiser")
    assert found is not None
    assert found[1] == "native"
    assert both(found[0]) == both(unet_architecture(NARROW))
    assert again is not None
    assert again[0] is found[0]


def test_open_clip_with_the_layer_that_sd2_does_not_use():
    table = clip_architecture({**configs.CLIP_H, "num_hidden_layers": 24}, True)
    found = live_table({**shapes_of(table, "native"), "logit_scale": ()}, "te")
    assert found is not None
    assert both(found[0]) == both(table)


def test_an_encoder_of_transformers_5_gets_the_names_with_their_level():
    table = clip_architecture({"hidden_size": 32, "num_hidden_layers": 2}, False, "hf")
    own = {name.removeprefix("text_model."): shape
           for name, shape in shapes_of(table, "diffusers").items()}
    found = live_table(own, "te")
    assert found is not None
    assert {leaf.place(found[1]).key for leaf in found[0].leaves} == {
        leaf.diffusers.key for leaf in table.leaves}


def test_packed_weights_of_a_known_model_have_its_table():
    table = family("sd1").parts[0].table.architecture
    own = {name: (UNKNOWN, UNKNOWN) if len(shape) == 2 else shape
           for name, shape in shapes_of(table, "native").items()}
    found = live_table(own, "denoiser")
    assert found is not None
    assert found[0] is table


def test_what_nobody_knows_has_its_own_names_and_nothing_has_none():
    found = live_table({"trunk.0.query.weight": (64, 64)}, "denoiser")
    assert found is not None
    assert (found[0].id, found[1]) == ("generic-denoiser", "native")
    assert live_table({}, "te") is None
    assert live_table({"scale": ()}, "denoiser") is None


def test_a_model_without_its_norms_is_derived_without_them():
    own = {name: shape for name, shape in shapes_of(unet_architecture(NARROW), "native").items()
           if ".norm3" not in name}
    found = derived_table(own, "denoiser")
    assert found is not None
    assert not [leaf for leaf in found[0].leaves if "norm3" in leaf.native.module]


def test_a_file_of_unknown_size_is_judged_by_the_names_of_both_trees():
    own = shapes_of(unet_architecture(NARROW), "native")
    found = classify({f"model.diffusion_model.{name}": shape for name, shape in own.items()})
    assert (found.family, found.confidence) == ("", "medium")
    assert found.title == "another base model (cross-attention width 48)"
    assert both(found.components["unet"]) == both(unet_architecture(NARROW))
