"""Native names of Chroma and Flux.2 against diffusers' converters, and what files make of them."""

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("diffusers")

from diffusers.loaders import single_file_utils as converters  # noqa: E402
from loradex.keys.chroma import chroma_architecture  # noqa: E402
from loradex.keys.flux2 import flux2_architecture  # noqa: E402

from tests.keys.trees import assert_same, state_dict  # noqa: E402

pytestmark = pytest.mark.torch

TOY_FLUX2 = {
    "num_layers": 2, "num_single_layers": 2, "num_attention_heads": 2, "attention_head_dim": 8,
    "in_channels": 12, "joint_attention_dim": 20, "timestep_guidance_channels": 6,
}


def test_native_rows_of_chroma_convert_to_the_diffusers_weights_they_belong_to():
    # The converter has Chroma's width built in, so one block of the real width is used.
    table = chroma_architecture({"num_layers": 1, "num_single_layers": 1, "joint_attention_dim": 8,
                                 "approximator_hidden_dim": 16, "approximator_layers": 2})
    native = state_dict(table, "native", fill=True)
    converted = converters.convert_chroma_transformer_checkpoint_to_diffusers(native)
    assert not native
    assert_same(converted, state_dict(table, "diffusers", fill=True), fill=True)


@pytest.mark.parametrize("guidance", [True, False], ids=["dev", "klein"])
def test_native_rows_of_flux2_convert_to_the_diffusers_weights_they_belong_to(guidance):
    table = flux2_architecture({**TOY_FLUX2, "guidance_embeds": guidance})
    native = state_dict(table, "native", fill=True)
    converted = converters.convert_flux2_transformer_checkpoint_to_diffusers(native)
    assert_same(converted, state_dict(table, "diffusers", fill=True), fill=True)
