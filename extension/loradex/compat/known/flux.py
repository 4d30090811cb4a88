"""Black Forest Labs' Flux.1 and Flux.2, and Chroma."""

from __future__ import annotations

from loradex.compat.family import Edition, Family, Part, denoiser
from loradex.keys import configs
from loradex.keys.configs import Config

_T5 = "T5EncoderModel"


def _flux2(variant: str, title: str, config: Config, *names: str) -> Family:
    """A size of Flux.2; its text encoder is a language model that no network is trained on."""
    claims = ("flux2", "flux-2", "flux.2", "flux_2", *names)
    model = denoiser("Flux2Transformer2DModel", config)
    return Family("flux2", title, (model,), "width", claims, variant=variant)


FAMILIES: tuple[Family, ...] = (
    Family(  # the table is that of dev and Kontext
        "flux1", "Flux.1",
        (
            denoiser("FluxTransformer2DModel", configs.FLUX1_DEV),
            Part("te", "CLIPTextModel", configs.CLIP_L),
            Part("te2", _T5, configs.T5_XXL),
        ),
        "width", ("flux1", "flux-1", "flux.1", "flux_kontext"),
        editions=(
            Edition("schnell", lacks=("time_text_embed_guidance_embedder", "guidance_in")),
            Edition("control", inputs=128),  # canny and depth: the map beside the image
            Edition("fill", inputs=384),
        ),
    ),
    Family(
        "chroma", "Chroma",
        (
            denoiser("ChromaTransformer2DModel", configs.CHROMA),
            Part("te", _T5, configs.T5_XXL),
        ),
        "width", ("chroma",),
    ),
    _flux2("dev", "Flux.2 dev", configs.FLUX2_DEV, "flux.2-dev", "flux2-dev", "flux_2_dev"),
    _flux2("klein-9b", "Flux.2 klein 9B", configs.FLUX2_KLEIN_9B, "flux.2-klein-9b",
           "flux2_klein_9b", "flux_2_klein_9b"),
    _flux2("klein-4b", "Flux.2 klein 4B", configs.FLUX2_KLEIN_4B, "flux.2-klein-4b",
           "flux2_klein_4b", "flux_2_klein_4b"),
)
