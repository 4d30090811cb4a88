"""Native names of UNets that diffusers converts by other means than a single file of SD."""

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("diffusers")

from diffusers.loaders import single_file_utils as converters  # noqa: E402
from loradex.keys import configs  # noqa: E402
from loradex.keys.motion import motion_architecture  # noqa: E402
from loradex.keys.resolve import NameTable, shapes_fit  # noqa: E402
from loradex.keys.svd import svd_architecture  # noqa: E402
from loradex.keys.unet import unet_architecture  # noqa: E402

from tests.keys.trees import assert_same, state_dict  # noqa: E402

pytestmark = pytest.mark.torch


@pytest.mark.parametrize(
    "config", [configs.ANIMATEDIFF_SD1, configs.ANIMATEDIFF_SDXL], ids=["sd1", "sdxl"]
)
def test_animatediff_names_convert_to_the_names_of_the_motion_adapter(config):
    table = motion_architecture(config)
    native = state_dict(table, "native")
    converted = converters.convert_animatediff_checkpoint_to_diffusers(native)
    assert_same(converted, state_dict(table, "diffusers"))


def test_kolors_is_sdxl_behind_a_projection_of_its_own():
    kolors, sdxl = (
        unet_architecture(one).modules("native") for one in (configs.KOLORS_UNET, configs.SDXL_UNET)
    )
    assert kolors.keys() - sdxl.keys() == {"encoder_hid_proj"}
    assert [name for name in sdxl if kolors[name].weight != sdxl[name].weight] == [
        "label_emb.0.0"]


# The words by which sgm's video UNet and diffusers' differ; there is no converter in the package,
# only a script (scripts/convert_svd_to_diffusers.py) whose rules these are.
SPATIAL = (("in_layers.0", "norm1"), ("in_layers.2", "conv1"), ("out_layers.0", "norm2"),
           ("out_layers.3", "conv2"), ("emb_layers.1", "time_emb_proj"),
           ("skip_connection", "conv_shortcut"))


def in_diffusers_words(native):
    """A native block's inside in diffusers' words: `x.0.time_stack.in_layers.0` and the like."""
    parts = native.split(".")
    inside = ".".join(parts[3 if parts[0] != "middle_block" else 2:])
    if any(old in inside for old, _ in SPATIAL):
        block = "temporal_res_block" if inside.startswith("time_stack.") else "spatial_res_block"
        name = inside.removeprefix("time_stack.")
        for old, new in SPATIAL:
            name = name.replace(old, new)
        return f"{block}.{name}"
    return (inside.replace("time_stack", "temporal_transformer_blocks")
            .replace("time_pos_embed.0", "time_pos_embed.linear_1")
            .replace("time_pos_embed.2", "time_pos_embed.linear_2"))


def test_sgm_names_of_svd_say_the_same_inside_a_block_as_its_diffusers_names():
    table = svd_architecture(configs.SVD_UNET)
    blocks = ("input_blocks", "middle_block", "output_blocks")
    compared = 0
    for leaf in table.leaves:
        native, ours = leaf.native.module, leaf.diffusers.module
        inside = ours.partition("attentions.")[2] or ours.partition("resnets.")[2]
        if not native.startswith(blocks) or not inside:
            continue
        assert in_diffusers_words(native) == inside.partition(".")[2]
        compared += 1
    assert compared > 700


def test_blocks_of_svd_are_counted_as_those_of_sd2():
    """Without what looks at the frames, its names are SD2's, in both trees."""
    def image_only(table):
        return {
            (leaf.native.module, leaf.diffusers.module.replace(".spatial_res_block", ""))
            for leaf in table.leaves
            if not any(word in leaf.diffusers.module for word in ("temporal_", "time_pos_embed"))
            and "add_embedding" not in leaf.diffusers.module
        }

    video, image = svd_architecture(configs.SVD_UNET), unet_architecture(configs.SD2_UNET)
    assert image_only(video) == image_only(image)


def linear(config, tree):
    """The linear weights of the transformers of a UNet: what a LoRA without convolutions trains."""
    return {
        name: found.weight for name, found in unet_architecture(config).modules(tree).items()
        if found.kind.value != "norm" and found.weight[2:] in ((), (1, 1))
        and (".proj_" in name or ".transformer_blocks." in name)
    }


# How many of those a smaller UNet has by name, and how many of these also by shape, as they were
# counted from the published checkpoints (SDXL's under sgm's names, SD1's under diffusers'; those of
# SD1 on KOALA were counted by a translation that has two resnets a level, which KOALA has not).
COUNTED = {
    ("sdxl", "vega"): (722, 170, 170),
    ("sdxl", "koala-1b"): (722, 252, 208),
    ("sd1", "vega"): (192, 84, 40),
}
UNETS = {"sdxl": (configs.SDXL_UNET, "native"), "sd1": (configs.SD1_UNET, "diffusers"),
         "vega": (configs.VEGA_UNET, ""), "koala-1b": (configs.KOALA_1B_UNET, "")}


@pytest.mark.parametrize(("network", "model"), COUNTED)
def test_smaller_unets_share_as_many_layers_as_were_counted(network, model):
    layers = linear(*UNETS[network])
    table = NameTable(unet_architecture(UNETS[model][0]))
    shapes = {name: table.shape(name.replace(".", "_")) for name in layers}
    named = [name for name, shape in shapes.items() if shape]
    fitting = [name for name in named if shapes_fit(layers[name], shapes[name])]
    assert (len(layers), len(named), len(fitting)) == COUNTED[network, model]
