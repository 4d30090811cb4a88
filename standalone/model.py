"""A loaded checkpoint: the parts of a Stable Diffusion model and the facts about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch


@dataclass
class TextEncoder:
    """One CLIP text encoder with the tokenizer that belongs to it."""

    model: Any
    tokenizer: Any

    @property
    def trunk(self) -> Any:
        """The transformer with its final norm: transformers 5 dropped one level of it."""
        return getattr(self.model, "text_model", self.model)

    @property
    def layers(self) -> int:
        return int(self.model.config.num_hidden_layers)


@dataclass
class LoadedModel:
    """Everything that a run needs of one checkpoint.

    `checkpoint` is what the user wrote, `name` what the infotext says. `family` is `sd1`, `sd2`
    or `sdxl`, decided by the text encoders that feed the UNet. `device` is where it computes.
    """

    checkpoint: str
    name: str
    family: str
    unet: Any
    vae: Any
    text_encoders: tuple[TextEncoder, ...]
    scheduler: Mapping[str, Any]
    device: torch.device
    dtype: torch.dtype
    notes: tuple[str, ...] = field(default=())
    take_turns: bool = False
    """Whether text encoders, UNet and VAE are on the device one after another (`placing.py`)."""
    zero_empty_negative: bool = False
    """SDXL base as a diffusers folder may say so (`force_zeros_for_empty_prompt`)."""

    @property
    def vae_factor(self) -> int:
        """Pixels per latent."""
        return int(2 ** (len(self.vae.config.block_out_channels) - 1))

    @property
    def default_side(self) -> int:
        """The width and height that the checkpoint was trained at."""
        side = self.unet.config.sample_size
        return int(side if isinstance(side, int) else side[0]) * self.vae_factor

    @property
    def title(self) -> str:
        """What the checkpoint is, in words for messages."""
        titles = {"sd1": "SD 1.x", "sd2": "SD 2.x", "sdxl": "SDXL"}
        width = self.unet.config.cross_attention_dim
        return f"{titles[self.family]} (cross-attention width {width})"
