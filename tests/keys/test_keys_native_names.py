"""Native names are compared with diffusers' own converters, run on the table's state dict."""

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("diffusers")

from diffusers.loaders import single_file_utils as converters  # noqa: E402
from loradex.keys import configs  # noqa: E402
from loradex.keys.clip import clip_architecture  # noqa: E402
from loradex.keys.flux import flux_architecture  # noqa: E402
from loradex.keys.sd3 import sd3_architecture  # noqa: E402
from loradex.keys.unet import unet_architecture  # noqa: E402

from tests.keys.trees import assert_same, state_dict  # noqa: E402

pytestmark = pytest.mark.torch

TOY_SD3 = {
    "num_layers": 3, "attention_head_dim": 8, "num_attention_heads": 3, "joint_attention_dim": 40,
    "caption_projection_dim": 24, "pooled_projection_dim": 20,
}
TOY_CLIP = {"hidden_size": 24, "intermediate_size": 40, "num_hidden_layers": 2,
            "projection_dim": 24, "vocab_size": 30}


@pytest.mark.parametrize(
    "config",
    [configs.SD1_UNET, configs.SD2_UNET, configs.SDXL_UNET, configs.SDXL_REFINER_UNET,
     configs.SSD_1B_UNET, configs.VEGA_UNET, configs.KOALA_1B_UNET, configs.KOALA_700M_UNET],
    ids=["sd1", "sd2", "sdxl", "refiner", "ssd-1b", "vega", "koala-1b", "koala-700m"],
)
def test_ldm_names_of_a_unet_convert_to_its_diffusers_names(config):
    table = unet_architecture(config)
    native = state_dict(table, "native", "model.diffusion_model.")
    converted = converters.convert_ldm_unet_checkpoint(native, {"layers_per_block": 2, **config})
    assert_same(converted, state_dict(table, "diffusers"))


def test_bfl_rows_of_flux_convert_to_the_diffusers_weights_they_belong_to():
    # The converter has Flux' width built in, so one block of the real width is used.
    table = flux_architecture({"num_layers": 1, "num_single_layers": 1, "guidance_embeds": True,
                               "joint_attention_dim": 8, "pooled_projection_dim": 8})
    native = state_dict(table, "native", fill=True)
    converted = converters.convert_flux_transformer_checkpoint_to_diffusers(native)
    assert_same(converted, state_dict(table, "diffusers", fill=True), fill=True)


@pytest.mark.parametrize(
    "extra", [{}, {"dual_attention_layers": (0, 1), "qk_norm": "rms_norm"}], ids=["sd3", "sd3.5"]
)
def test_mmdit_rows_of_sd3_convert_to_the_diffusers_weights_they_belong_to(extra):
    table = sd3_architecture({**TOY_SD3, **extra})
    native = state_dict(table, "native", fill=True)
    native["pos_embed"] = torch.zeros(1)
    converted = converters.convert_sd3_transformer_checkpoint_to_diffusers(native)
    converted.pop("pos_embed.pos_embed")
    expected = state_dict(table, "diffusers", fill=True)
    assert_same(converted, expected, fill=True)


def test_open_clip_rows_convert_to_the_transformers_weights_they_belong_to():
    table = clip_architecture(TOY_CLIP, with_projection=True, native="open_clip")
    prefix = "conditioner.embedders.1.model."
    native = state_dict(table, "native", prefix, fill=True)
    converted = converters.convert_open_clip_checkpoint(None, native, prefix)
    assert_same(converted, state_dict(table, "diffusers", fill=True), fill=True)
