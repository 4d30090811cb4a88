"""A picture of unfinished latents that costs much less than decoding them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from standalone.generate import to_image
from standalone.model import LoadedModel
from standalone.placing import where

if TYPE_CHECKING:
    import torch
    from PIL.Image import Image

SMALL_VAE = 2_000_000
"""Parameters up to which a VAE is simply used: the demo's has a quarter of a million."""


class Previewer:
    """Previews for one loaded model; learns how its latents look when the first one is wanted."""

    def __init__(self, model: LoadedModel) -> None:
        self._model = model
        self._fit: torch.Tensor | None = None
        self._small = sum(p.numel() for p in model.vae.parameters()) <= SMALL_VAE

    def __call__(self, latents: torch.Tensor) -> Image:
        import torch

        with torch.no_grad():
            return self._decode(latents) if self._small else self._project(latents)

    def _decode(self, latents: torch.Tensor) -> Image:
        vae = self._model.vae
        scaled = latents.float() / vae.config.scaling_factor
        scaled = scaled.to(where(vae), vae.dtype)
        return to_image(vae.decode(scaled, return_dict=False)[0].nan_to_num())

    def _project(self, latents: torch.Tensor) -> Image:
        """A linear map of the channels to RGB, enlarged to the picture's size."""
        import torch

        if self._fit is None:
            self._fit = fit_colours(self._model)
        flat = latents[0].float().flatten(1)
        ones = torch.ones(1, flat.shape[1], device=flat.device)
        colours = self._fit.T @ torch.cat([flat, ones])
        small = to_image(colours.nan_to_num().reshape(1, 3, *latents.shape[2:]))
        factor = self._model.vae_factor
        return small.resize((small.width * factor, small.height * factor))


def fit_colours(model: LoadedModel) -> torch.Tensor:
    """The least-squares map [channels + 1, 3] from a VAE's latents to the colours they stand for.

    Measured on the VAE itself by encoding one smooth picture of many colours, so that it holds
    for every checkpoint; about a second on a CPU, once a checkpoint.
    """
    import torch

    factor = model.vae_factor
    side = 24
    generator = torch.Generator("cpu").manual_seed(0)
    colours = torch.rand(1, 3, side // 3, side // 3, generator=generator) * 2 - 1
    colours = torch.nn.functional.interpolate(colours, size=(side, side), mode="bilinear")
    picture = torch.nn.functional.interpolate(colours, scale_factor=factor, mode="bilinear")
    vae = model.vae
    encoded = vae.encode(picture.to(where(vae), vae.dtype)).latent_dist.mode()
    latents = (encoded * vae.config.scaling_factor).float()[0].flatten(1).T.cpu()
    design = torch.cat([latents, torch.ones(latents.shape[0], 1)], dim=1)
    # pinv, not lstsq: a VAE may leave a channel constant, and then the columns are dependent.
    fit: torch.Tensor = torch.linalg.pinv(design) @ colours[0].flatten(1).T
    return fit.to(model.device)
