"""Editions of a family are models that its one table holds for, but for what they say."""

import pytest
from loradex.compat.families import FAMILIES, family
from loradex.compat.model import describe_model
from loradex.keys import configs
from loradex.keys.derive import derive

EDITIONS = [
    pytest.param(one, edition, id=f"{one.key}-{edition.name}")
    for one in FAMILIES for edition in one.editions
]
FIRST_LAYERS = ("conv_in", "x_embedder", "x_embedder.proj", "pos_embed.proj", "patch_embedding")
# What makes each edition's published model out of the family's, in its configuration.
CHANGES = {
    "sd1-inpainting": {"in_channels": 9}, "sd1-instruct-pix2pix": {"in_channels": 8},
    "sd2-inpainting": {"in_channels": 9}, "sd2-depth": {"in_channels": 5},
    "sdxl-inpainting": {"in_channels": 9}, "sdxl-instruct-pix2pix": {"in_channels": 8},
    "kolors-inpainting": {"in_channels": 9},
    "flux1-schnell": {"guidance_embeds": False},
    "flux1-control": {"in_channels": 128, "out_channels": 64},
    "flux1-fill": {"in_channels": 384, "out_channels": 64},
    "animatediff-sd1-v1 or v3": {"use_motion_mid_block": False},
    "wan/2.1-t2v-14b-2.2-i2v-a14b": {"in_channels": 36},
    "wan/2.1-i2v-14b-2.1-fun-control-14b": {"in_channels": 48},
    "wan/2.1-fun-1.3b-2.1-fun-control-1.3b": {"in_channels": 48},
    "hunyuan-video-i2v": {"in_channels": 33}, "hunyuan-video-skyreels-i2v": {"in_channels": 32},
}


def weights(architecture):
    return {name: found.weight for name, found in architecture.modules("diffusers").items()}


@pytest.mark.parametrize(("one", "edition"), EDITIONS)
def test_an_edition_differs_from_the_table_in_just_what_it_says(one, edition):
    part = one.parts[0]
    changes = CHANGES.get(f"{one.key}-{edition.name}")
    if changes is None:
        pytest.skip("the published configuration of this edition is not stated here")
    usual = weights(derive(part.class_name, part.config))
    other = weights(derive(part.class_name, {**part.config, **changes}))
    missing = usual.keys() - other.keys()
    assert not other.keys() - usual.keys()
    assert {name for name in usual if name.replace(".", "_").startswith(edition.lacks)} == missing
    changed = [name for name in other if other[name] != usual[name]]
    if edition.inputs:
        (first,) = changed
        assert first in FIRST_LAYERS
        assert other[first][1] == edition.inputs != usual[first][1]
    else:
        assert not changed
        assert missing


@pytest.mark.parametrize(("one", "edition"), EDITIONS)
def test_a_loaded_edition_is_called_by_its_family(one, edition):
    changes = CHANGES.get(f"{one.key}-{edition.name}")
    if changes is None:
        pytest.skip("the published configuration of this edition is not stated here")
    part = one.parts[0]
    model = describe_model({"model": derive(part.class_name, {**part.config, **changes})})
    assert (model.family, model.variant) == (one.id, one.variant)


@pytest.mark.parametrize("one", FAMILIES, ids=lambda one: one.key)
def test_editions_of_a_family_are_told_apart(one):
    marks = [(edition.inputs, edition.lacks) for edition in one.editions]
    assert len(set(marks)) == len(marks)
    assert all(inputs or lacks for inputs, lacks in marks)


def test_sizes_of_one_family_have_variants_of_their_own():
    assert len({one.key for one in FAMILIES}) == len(FAMILIES)
    assert family("flux2/klein-4b").parts[0].config == configs.FLUX2_KLEIN_4B
    assert family("koala").variant == "1b"


def test_a_motion_module_is_the_main_part_of_animatediff():
    assert {one.main for one in FAMILIES if one.id.startswith("animatediff")} == {"motion"}
    assert family("animatediff-sd1").feature_value == 4
    assert family("sd1").main == "denoiser"


@pytest.mark.parametrize(("class_name", "config", "called"), [
    ("HunyuanVideoTransformer3DModel", {"in_channels": 33, "guidance_embeds": False},
     "hunyuan-video"),
    ("HunyuanImageTransformer2DModel", {"text_embed_2_dim": 1472}, "hunyuan-image-2.1"),
    ("HunyuanVideo15Transformer3DModel", {}, "hunyuan-video-1.5"),
    ("CosmosTransformer3DModel", {"num_attention_heads": 16}, "anima"),  # its adapter is apart
])
def test_a_model_without_the_layers_that_few_have_is_called_by_its_family(
    class_name, config, called
):
    assert describe_model({"transformer": derive(class_name, config)}).family == called
