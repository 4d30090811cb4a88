"""The derived tables are compared, weight by weight, with the models that diffusers builds."""

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("diffusers")

from diffusers import (  # noqa: E402
    ChromaTransformer2DModel,
    Flux2Transformer2DModel,
    FluxTransformer2DModel,
    MotionAdapter,
    SD3Transformer2DModel,
    UNet2DConditionModel,
    UNetSpatioTemporalConditionModel,
)
from loradex.compat.known import demo  # noqa: E402
from loradex.keys import configs  # noqa: E402
from loradex.keys.derive import derive  # noqa: E402
from transformers import (  # noqa: E402
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    T5Config,
    T5EncoderModel,
)

pytestmark = pytest.mark.torch

CLASSES = {
    "UNet2DConditionModel": UNet2DConditionModel,
    "FluxTransformer2DModel": FluxTransformer2DModel,
    "SD3Transformer2DModel": SD3Transformer2DModel,
    "UNetSpatioTemporalConditionModel": UNetSpatioTemporalConditionModel,
    "MotionAdapter": MotionAdapter,
    "ChromaTransformer2DModel": ChromaTransformer2DModel,
    "Flux2Transformer2DModel": Flux2Transformer2DModel,
}
ENCODERS = {
    "CLIPTextModel": (CLIPTextConfig, CLIPTextModel),
    "CLIPTextModelWithProjection": (CLIPTextConfig, CLIPTextModelWithProjection),
    "T5EncoderModel": (T5Config, T5EncoderModel),
}
TOY_UNET = {
    "block_out_channels": (64, 128),
    "down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D"),
    "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D"),
    "cross_attention_dim": 48,
    "attention_head_dim": 4,
}
DENOISERS = {
    "sd1": ("UNet2DConditionModel", configs.SD1_UNET),
    "sd1-inpainting": ("UNet2DConditionModel", {**configs.SD1_UNET, "in_channels": 9}),
    "sd2": ("UNet2DConditionModel", configs.SD2_UNET),
    "sdxl": ("UNet2DConditionModel", configs.SDXL_UNET),
    "sdxl-refiner": ("UNet2DConditionModel", configs.SDXL_REFINER_UNET),
    "ssd-1b": ("UNet2DConditionModel", configs.SSD_1B_UNET),
    "vega": ("UNet2DConditionModel", configs.VEGA_UNET),
    "koala-1b": ("UNet2DConditionModel", configs.KOALA_1B_UNET),
    "koala-700m": ("UNet2DConditionModel", configs.KOALA_700M_UNET),
    "kolors": ("UNet2DConditionModel", configs.KOLORS_UNET),
    "loradex-demo": ("UNet2DConditionModel", demo.UNET),
    "toy": ("UNet2DConditionModel", TOY_UNET),
    "toy-one-layer": ("UNet2DConditionModel", {**TOY_UNET, "layers_per_block": 1}),
    "toy-no-middle": ("UNet2DConditionModel", {**TOY_UNET, "mid_block_type": None}),
    "toy-uneven": ("UNet2DConditionModel", {
        **TOY_UNET, "layers_per_block": (1, 2), "cross_attention_dim": (48, 40),
        "transformer_layers_per_block": (2, 1),
    }),
    "toy-only-cross": ("UNet2DConditionModel", {
        **TOY_UNET, "only_cross_attention": (True, False), "num_class_embeds": 10,
    }),
    "toy-lcm": ("UNet2DConditionModel", {**TOY_UNET, "time_cond_proj_dim": 20}),
    "toy-kolors": ("UNet2DConditionModel", {
        **TOY_UNET, "encoder_hid_dim": 40, "encoder_hid_dim_type": "text_proj",
    }),
    "toy-unclip": ("UNet2DConditionModel", {
        **TOY_UNET, "class_embed_type": "projection", "projection_class_embeddings_input_dim": 56,
    }),
    "toy-scale-shift": ("UNet2DConditionModel", {
        **TOY_UNET, "resnet_time_scale_shift": "scale_shift", "class_embed_type": "timestep",
    }),
    "flux1-dev": ("FluxTransformer2DModel", configs.FLUX1_DEV),
    "flux1-schnell": ("FluxTransformer2DModel", {}),
    "flux1-fill": ("FluxTransformer2DModel", {
        **configs.FLUX1_DEV, "in_channels": 384, "out_channels": 64,
    }),
    "chroma": ("ChromaTransformer2DModel", configs.CHROMA),
    "flux2-dev": ("Flux2Transformer2DModel", configs.FLUX2_DEV),
    "flux2-klein-4b": ("Flux2Transformer2DModel", configs.FLUX2_KLEIN_4B),
    "flux2-klein-9b": ("Flux2Transformer2DModel", configs.FLUX2_KLEIN_9B),
    "svd": ("UNetSpatioTemporalConditionModel", configs.SVD_UNET),
    "svd-toy": ("UNetSpatioTemporalConditionModel", {
        "block_out_channels": (32, 64),
        "down_block_types": ("CrossAttnDownBlockSpatioTemporal", "DownBlockSpatioTemporal"),
        "up_block_types": ("UpBlockSpatioTemporal", "CrossAttnUpBlockSpatioTemporal"),
        "num_attention_heads": (2, 4), "cross_attention_dim": 40, "layers_per_block": 1,
    }),
    "animatediff-sd1": ("MotionAdapter", configs.ANIMATEDIFF_SD1),
    "animatediff-sdxl": ("MotionAdapter", configs.ANIMATEDIFF_SDXL),
    "motion-uneven": ("MotionAdapter", {
        "block_out_channels": (32, 64), "motion_layers_per_block": (1, 2),
        "motion_transformer_layers_per_block": (2, 1), "motion_mid_block_layers_per_block": 2,
        "motion_transformer_layers_per_mid_block": (1, 2), "conv_in_channels": 9,
    }),
    "sd3-medium": ("SD3Transformer2DModel", configs.SD3_MEDIUM),
    "sd3.5-medium": ("SD3Transformer2DModel", configs.SD35_MEDIUM),
    "sd3.5-large": ("SD3Transformer2DModel", configs.SD35_LARGE),
}
TEXT = {
    "clip-l": ("CLIPTextModel", configs.CLIP_L),
    "clip-l-projected": ("CLIPTextModelWithProjection", configs.CLIP_L),
    "clip-h": ("CLIPTextModel", configs.CLIP_H),
    "clip-g": ("CLIPTextModelWithProjection", configs.CLIP_G),
    "t5-xxl": ("T5EncoderModel", configs.T5_XXL),
    "t5-plain": ("T5EncoderModel", {"d_model": 16, "d_kv": 4, "d_ff": 24, "num_layers": 2}),
}
# transformers shows T5's tied input embedding under a second name.
TIED = {"encoder.embed_tokens"}


def real_modules(model):
    """Module name -> (weight shape, whether it has a bias) of all weights of a model."""
    return {
        name: (tuple(module.weight.shape), getattr(module, "bias", None) is not None)
        for name, module in model.named_modules()
        if isinstance(getattr(module, "weight", None), torch.nn.Parameter) and name not in TIED
    }


def derived_modules(architecture):
    return {
        name: (found.weight, found.bias)
        for name, found in architecture.modules("diffusers").items()
    }


# diffusers' own Chroma uses a name that diffusers deprecates.
@pytest.mark.filterwarnings("ignore:.FluxPosEmbed. is deprecated:FutureWarning")
@pytest.mark.parametrize("name", DENOISERS)
def test_every_weight_of_a_denoiser_is_in_the_table_and_nothing_else(name):
    class_name, config = DENOISERS[name]
    with torch.device("meta"):
        model = CLASSES[class_name](**config)
    assert derived_modules(derive(class_name, config)) == real_modules(model)
    assert derived_modules(derive(class_name, dict(model.config))) == real_modules(model)


@pytest.mark.parametrize("name", TEXT)
def test_every_weight_of_a_text_encoder_is_in_the_table_and_nothing_else(name):
    class_name, config = TEXT[name]
    config_class, model_class = ENCODERS[class_name]
    # The heads change no shape, but must divide the width.
    heads = {"num_attention_heads": 8} if config_class is CLIPTextConfig else {}
    with torch.device("meta"):
        model = model_class(config_class(**config, **heads))
    table = derived_modules(derive(class_name, config))
    real = real_modules(model)
    if not any(name.startswith("text_model.") for name in real):
        table = {name.removeprefix("text_model."): found for name, found in table.items()}
    assert table == real
    saved = derive(class_name, model.config.to_dict())
    assert set(derived_modules(saved)) == set(derived_modules(derive(class_name, config)))


@pytest.mark.parametrize("name", ["sd1", "sdxl", "toy-uneven"])
def test_the_order_is_that_of_the_model_so_that_numbered_files_can_be_read(name):
    class_name, config = DENOISERS[name]
    with torch.device("meta"):
        model = CLASSES[class_name](**config)
    blocks = ("down_blocks", "up_blocks", "mid_block")
    real = [one for one in real_modules(model) if one.startswith(blocks) and "norm" not in one]
    table = derive(class_name, config).modules("diffusers")
    assert [one for one in table if one.startswith(blocks) and "norm" not in one] == real
