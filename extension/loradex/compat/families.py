"""The base families that are known: their parts, their names and how metadata calls them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from loradex.keys import configs
from loradex.keys.architecture import Architecture
from loradex.keys.configs import Config
from loradex.keys.derive import derive
from loradex.keys.resolve import NameTable, table_of


@dataclass(frozen=True)
class Part:
    """One part of a family: its component, the class that builds it and its configuration."""

    component: str
    class_name: str
    config: Config


@dataclass(frozen=True)
class Family:
    """A base family: what its models are made of and what people call it.

    `feature` names the number of its denoiser that messages quote. `claims` are beginnings of
    the values that trainers write into metadata for it. `lookalikes` are models whose networks
    name and shape cannot tell from its own.
    """

    id: str
    title: str
    parts: tuple[Part, ...]
    feature: str
    claims: tuple[str, ...] = ()
    lookalikes: tuple[str, ...] = ()

    def architectures(self) -> Mapping[str, Architecture]:
        """Component -> table; `denoiser` is among them."""
        return {name: table.architecture for name, table in self.tables().items()}

    @property
    def feature_value(self) -> int:
        return self.tables()["denoiser"].architecture.features[self.feature]

    def tables(self) -> Mapping[str, NameTable]:
        return _tables(self.id)


def _denoiser(class_name: str, config: Config) -> Part:
    return Part("denoiser", class_name, config)


_CLIP, _CLIP_PROJECTED = "CLIPTextModel", "CLIPTextModelWithProjection"
_UNET = "UNet2DConditionModel"
_SD3_ENCODERS = (
    Part("te", _CLIP_PROJECTED, configs.CLIP_L),
    Part("te2", _CLIP_PROJECTED, configs.CLIP_G),
    Part("te3", "T5EncoderModel", configs.T5_XXL),
)
_SDXL_ENCODERS = (Part("te", _CLIP, configs.CLIP_L), Part("te2", _CLIP_PROJECTED, configs.CLIP_G))
_CONTEXT = "cross-attention width"

FAMILIES: tuple[Family, ...] = (
    Family(
        "sd1", "SD 1.5",
        (_denoiser(_UNET, configs.SD1_UNET), Part("te", _CLIP, configs.CLIP_L)),
        _CONTEXT, ("sd_v1", "sd_1", "stable-diffusion-v1"),
    ),
    Family(
        "sd2", "SD 2",
        (_denoiser(_UNET, configs.SD2_UNET), Part("te", _CLIP, configs.CLIP_H)),
        _CONTEXT, ("sd_v2", "sd_2", "stable-diffusion-v2"),
    ),
    Family(
        "sdxl", "SDXL", (_denoiser(_UNET, configs.SDXL_UNET), *_SDXL_ENCODERS),
        _CONTEXT, ("sdxl_base", "sdxl_", "stable-diffusion-xl-v1-base"), ("Kolors",),
    ),
    Family(
        "sdxl-refiner", "SDXL refiner",
        (_denoiser(_UNET, configs.SDXL_REFINER_UNET), _SDXL_ENCODERS[1]),
        _CONTEXT, ("stable-diffusion-xl-v1-refiner",),
    ),
    Family(
        "ssd-1b", "SSD-1B", (_denoiser(_UNET, configs.SSD_1B_UNET), *_SDXL_ENCODERS),
        _CONTEXT, ("ssd",),
    ),
    Family(
        "flux1", "Flux.1",
        (
            _denoiser("FluxTransformer2DModel", configs.FLUX1_DEV),
            Part("te", _CLIP, configs.CLIP_L),
            Part("te2", "T5EncoderModel", configs.T5_XXL),
        ),
        "width", ("flux1", "flux-1", "flux.1"), ("Chroma",),
    ),
    Family(
        "sd3-medium", "SD 3 Medium",
        (_denoiser("SD3Transformer2DModel", configs.SD3_MEDIUM), *_SD3_ENCODERS),
        "width", ("sd3_m", "stable-diffusion-3-medium", "stable-diffusion-v3-medium"),
    ),
    Family(
        "sd3.5-medium", "SD 3.5 Medium",
        (_denoiser("SD3Transformer2DModel", configs.SD35_MEDIUM), *_SD3_ENCODERS),
        "width", ("sd3.5_m", "sd3.5-m", "stable-diffusion-3.5-medium",
                  "stable-diffusion-v3.5-medium"),
    ),
    Family(
        "sd3.5-large", "SD 3.5 Large",
        (_denoiser("SD3Transformer2DModel", configs.SD35_LARGE), *_SD3_ENCODERS),
        "width", ("sd3.5_l", "sd3.5-l", "stable-diffusion-3.5-large",
                  "stable-diffusion-v3.5-large"),
    ),
)
"""All known families; adding one is an entry here (docs/adding-a-family.md)."""

_BY_ID: Mapping[str, Family] = {family.id: family for family in FAMILIES}


def family(family_id: str) -> Family:
    """The family of that id."""
    return _BY_ID[family_id]


@cache
def _tables(family_id: str) -> Mapping[str, NameTable]:
    """Derived on first use: all families together take a good tenth of a second."""
    return {
        part.component: table_of(derive(part.class_name, part.config))
        for part in _BY_ID[family_id].parts
    }
