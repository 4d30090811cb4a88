"""A network of another base model is refused in words that name both; the rest is let through."""

import gzip
import json
from pathlib import Path

import pytest
from loradex.compat.counting import compare
from loradex.compat.families import family
from loradex.compat.refusal import incompatibility
from loradex.compat.wording import with_article
from loradex.errors import IncompatibleNetworkError
from loradex.keys import configs
from loradex.keys.clip import clip_architecture
from loradex.keys.parse import parse_file
from loradex.keys.unet import unet_architecture

HEADERS = Path(__file__).parents[1] / "data" / "headers"
SD1 = family("sd1").architectures()
TOY = {
    "unet": unet_architecture({
        "block_out_channels": (32, 64), "cross_attention_dim": 48,
        "down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D"),
        "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D"),
    }),
    "te": clip_architecture({"hidden_size": 48, "intermediate_size": 96, "num_hidden_layers": 2}),
}


def recorded(name):
    record = json.loads(gzip.decompress((HEADERS / f"{name}.json.gz").read_bytes()))
    return {key: tuple(shape) for key, shape in record["tensors"].items()}


def refusal(tensors, model, metadata=None):
    parsed = parse_file(tensors)
    return incompatibility(parsed, tensors, metadata or {}, model, subject="style.safetensors")


@pytest.mark.parametrize(
    ("name", "model", "line"),
    [
        ("sdxl-kohya-te", SD1,
         "style.safetensors: a network for SDXL (cross-attention width 2048); expected SD 1.5"
         " (768). Load an SDXL checkpoint or remove the tag."),
        ("flux1-kohya-t5", SD1,
         "style.safetensors: a network for Flux.1 (width 3072); expected SD 1.5 (cross-attention"
         " width 768). Load a Flux.1 checkpoint or remove the tag."),
        ("sd1-kohya-te", TOY,
         "style.safetensors: a network for SD 1.5 (cross-attention width 768); expected one for"
         " the loaded model (cross-attention width 48). Load an SD 1.5 checkpoint or remove the"
         " tag."),
        ("not-checkpoint", SD1,
         "style.safetensors: this is a checkpoint; expected a LoRA or one of its relatives. Use it"
         " where such files belong, or remove the tag."),
    ],
)
def test_a_refusal_names_what_was_found_and_what_was_expected(name, model, line):
    error = refusal(recorded(name), model)
    assert isinstance(error, IncompatibleNetworkError)
    assert str(error) == line


def test_the_reason_is_a_module_where_the_numbers_are_the_same():
    tensors = {f"transformer.transformer_blocks.0.norm1.linear.lora_{side}.weight": shape
               for side, shape in (("A", (4, 1536)), ("B", (9216, 4)))}
    error = refusal(tensors, family("sd3.5-medium").architectures())
    assert "norm1_linear is [9216, 1536], the model's is [13824, 1536]" in str(error)


TOY_NAME = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn2_to_k"


def toy_lora(inp=48, out=32):
    return {f"{TOY_NAME}.lora_down.weight": (2, inp), f"{TOY_NAME}.lora_up.weight": (out, 2)}


def test_a_network_for_a_toy_fits_the_toy_and_no_other_model():
    assert refusal(toy_lora(), TOY) is None
    error = refusal(toy_lora(), SD1)
    assert error.found == (
        "a network for another base model:"
        " down_blocks_0_attentions_0_transformer_blocks_0_attn2_to_k is [32, 48],"
        " the model's is [320, 768]")
    assert error.expected == "SD 1.5 (cross-attention width 768)"


def test_names_that_the_model_lacks_do_not_make_a_network_incompatible():
    extra = {"lora_unet_some_new_layer.lora_down.weight": (2, 4),
             "lora_unet_some_new_layer.lora_up.weight": (4, 2)}
    assert refusal({**toy_lora(), **extra}, TOY) is None
    (count,) = compare(parse_file({**toy_lora(), **extra}), {**toy_lora(), **extra}, TOY)
    assert (count.modules, count.named, count.missing, count.misfits) == (2, 1, 1, 0)


def test_a_text_encoder_that_fits_does_not_save_a_denoiser_that_does_not():
    tensors = recorded("sdxl-kohya-te")
    counts = {one.component: one for one in compare(parse_file(tensors), tensors, SD1)}
    assert counts["te"].fits == 72  # CLIP-L is the same encoder in both
    assert refusal(tensors, SD1) is not None
    te = {key: shape for key, shape in tensors.items() if key.startswith("lora_te1_")}
    assert refusal(te, SD1) is None


def test_an_inpainting_input_is_a_variant_and_no_misfit():
    tensors = {**recorded("sd1-locon")}
    inpainting = {**SD1, "denoiser": unet_architecture({**configs.SD1_UNET, "in_channels": 9})}
    count = compare(parse_file(tensors), tensors, inpainting)[0]
    assert (count.input_variants, count.misfits, count.fits) == (1, 0, count.modules - 1)
    assert refusal(tensors, inpainting) is None


def test_a_module_that_is_broken_is_no_misfit():
    tensors = {**toy_lora(), "lora_unet_conv_in.lora_up.weight": (7, 7)}
    assert refusal(tensors, TOY) is None


def test_a_network_of_several_possible_families_is_refused_with_all_of_them():
    name = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q"
    tensors = {f"{name}.lora_down.weight": (4, 320), f"{name}.lora_up.weight": (320, 4)}
    line = str(refusal(tensors, TOY))
    assert "a network for SD 1.5 or SD 2 or SVD; expected one for the loaded model" in line


def test_a_model_without_a_denoiser_is_described_without_a_number():
    error = refusal(toy_lora(), {"te": SD1["te"]})
    assert error.expected == "one for the loaded model"


def test_an_empty_file_is_refused():
    assert "this is an empty file" in str(refusal({}, SD1))


@pytest.mark.parametrize(
    ("title", "spoken"),
    [("SDXL", "an SDXL"), ("Flux.1", "a Flux.1"), ("empty file", "an empty file"),
     ("VAE", "a VAE")],
)
def test_titles_are_spoken_with_the_right_article(title, spoken):
    assert with_article(title) == spoken


def test_a_family_that_has_nothing_in_common_is_refused_though_no_shape_is_wrong():
    model = family("hunyuan-video").architectures()
    error = refusal(recorded("flux1-diffusers"), model)
    assert error is not None
    assert "a network for Flux.1" in error.found
    assert refusal(recorded("flux1-diffusers"), family("chroma").architectures()) is None


def test_a_network_of_nobody_with_few_names_of_the_model_is_refused():
    extra = {}
    for index in range(3):
        extra.update({f"lora_unet_new_layer_{index}.lora_down.weight": (2, 4),
                      f"lora_unet_new_layer_{index}.lora_up.weight": (4, 2)})
    error = refusal({**toy_lora(), **extra}, TOY)
    assert error.found == (
        "a network for another base model: 3 of its 4 modules are not in the loaded model")


def test_kin_of_the_model_is_let_through_with_what_it_has():
    assert refusal(recorded("sdxl-kohya-te"), family("ssd-1b").architectures()) is None
    assert refusal(recorded("sdxl-kohya-te"), family("koala/1b").architectures()) is not None
