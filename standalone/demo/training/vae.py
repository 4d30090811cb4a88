"""Makes the toy autoencoder: 128 x 128 pictures to 16 x 16 latents of four channels.

The encoder is set by hand: the latent is the mean colour of a block of 8 x 8 pixels and one
diagonal gradient. An autoencoder of this kind that starts from random weights stays at grey
pictures for hundreds of steps; this one starts with the right colours, needs only its decoder
trained, and gives the denoiser latents that mean something from the first step on.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from diffusers import AutoencoderKL
from torch import nn
from torch.nn import functional

from standalone.demo.training.shapes import Array, random_texture

BATCH = 8
PICTURES = 2000
EDGE_WEIGHT = 1.0
LATENT_NOISE = 0.015
GRADIENT_GAIN = 6.0
STEADY = 4.0
SCALING = 1.8


def new_vae() -> AutoencoderKL:
    """An autoencoder of Stable Diffusion's kind that starts as block mean and nearest pixel."""
    vae = AutoencoderKL(
        in_channels=3,
        out_channels=3,
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        block_out_channels=(12, 24, 32, 64),
        layers_per_block=1,
        latent_channels=4,
        norm_num_groups=1,
        sample_size=128,
        scaling_factor=SCALING,
    )
    with torch.no_grad():
        _silence_residuals(vae)
        _set_encoder(vae.encoder)
        _set_decoder(vae.decoder)
        _set_bottleneck(vae)
    return vae


def _silence_residuals(vae: Any) -> None:
    """Every residual branch starts at zero, so that the network starts as a linear map."""
    for name, module in vae.named_modules():
        if name.endswith(("conv2", "to_out.0")):
            nn.init.zeros_(module.weight)
            nn.init.zeros_(module.bias)


def _carry(conv: Any, channels: int) -> None:
    """The first channels pass unchanged; the others of a decoder keep a little of their own."""
    conv.weight[:channels] = 0
    conv.bias[:channels] = 0
    middle = conv.kernel_size[0] // 2
    for i in range(channels):
        conv.weight[i, i, middle, middle] = 1


def _mirror(conv: Any, channels: int) -> None:
    """Copies, negatives and a steady ground: silu(x) - silu(-x) = x survives norm and silu."""
    conv.weight[:] = 0
    conv.bias[:] = 0
    middle = conv.kernel_size[0] // 2
    for i in range(channels):
        conv.weight[i, i, middle, middle] = 1
        conv.weight[i + channels, i, middle, middle] = -1
    rest = conv.out_channels - 2 * channels
    conv.bias[2 * channels : 2 * channels + rest // 2] = STEADY
    conv.bias[2 * channels + rest // 2 :] = -STEADY


def _unmirror(norm: Any, conv: Any, channels: int) -> None:
    """The other end of `_mirror`: scales the norm back and takes the difference."""
    width = conv.in_channels
    typical = 0.4  # mean square of a colour in -1..1 over the training pictures
    power = (2 * channels * typical + (width - 2 * channels) * STEADY**2) / width
    norm.weight.fill_(math.sqrt(power))
    conv.weight[:] = 0
    conv.bias[:] = 0
    for i in range(channels):
        conv.weight[i, i, 1, 1] = 1
        conv.weight[i, i + channels, 1, 1] = -1


def _halve(conv: Any) -> None:
    """Means of 2 x 2 pixels; the padding of diffusers is right and below, so taps 0 and 1."""
    conv.weight[:] = 0
    conv.bias[:] = 0
    for i in range(3):
        conv.weight[i, i, :2, :2] = 0.25


def _set_encoder(encoder: Any) -> None:
    encoder.conv_in.weight[:] = 0
    encoder.conv_in.bias[:] = 0
    _carry(encoder.conv_in, 3)
    for block in list(encoder.down_blocks)[:3]:
        _halve(block.downsamplers[0].conv)
    last = encoder.down_blocks[2].downsamplers[0].conv
    last.weight[3, :3, 0, 0] = GRADIENT_GAIN / 6
    last.weight[3, :3, 1, 1] = -GRADIENT_GAIN / 6
    for block in list(encoder.down_blocks)[1:3]:
        _carry(block.resnets[0].conv_shortcut, 3)
    _mirror(encoder.down_blocks[3].resnets[0].conv_shortcut, 4)
    _unmirror(encoder.conv_norm_out, encoder.conv_out, 4)


def _set_decoder(decoder: Any) -> None:
    _carry(decoder.conv_in, 4)
    for block in list(decoder.up_blocks)[:3]:
        _carry(block.upsamplers[0].conv, 4)
    for block in list(decoder.up_blocks)[1:3]:
        _carry(block.resnets[0].conv_shortcut, 4)
    _mirror(decoder.up_blocks[3].resnets[0].conv_shortcut, 3)
    _unmirror(decoder.conv_norm_out, decoder.conv_out, 3)


def _set_bottleneck(vae: Any) -> None:
    for conv, bias in ((vae.quant_conv, -8.0), (vae.post_quant_conv, 0.0)):
        conv.weight[:] = 0
        conv.bias[:] = 0
        _carry(conv, 4)
        conv.bias[4:] = bias


def to_tensor(pictures: list[Array]) -> torch.Tensor:
    """[n, 3, 128, 128] in -1..1 from pictures [128, 128, 3] in 0..1."""
    return torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).contiguous() * 2 - 1


def block_latents(pictures: torch.Tensor) -> torch.Tensor:
    """What the hand-set encoder gives for [n, 3, 128, 128], within 0.2 % and much faster."""
    colour = functional.avg_pool2d(pictures, 8)
    quarter = functional.avg_pool2d(pictures, 4).sum(dim=1, keepdim=True)
    gradient = (quarter[:, :, ::2, ::2] - quarter[:, :, 1::2, 1::2]) * (GRADIENT_GAIN / 6)
    return torch.cat([colour, gradient], dim=1)


def _edges(picture: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    return picture.diff(dim=2), picture.diff(dim=3)


def _loss(vae: AutoencoderKL, latents: torch.Tensor, batch: torch.Tensor) -> torch.Tensor:
    noisy = latents + LATENT_NOISE * torch.randn_like(latents)
    with torch.autocast("cpu", torch.bfloat16):
        decoded = vae.decode(noisy).sample
    decoded = decoded.float()
    loss = functional.l1_loss(decoded, batch)
    for ours, theirs in zip(_edges(decoded), _edges(batch), strict=True):
        loss = loss + EDGE_WEIGHT * functional.l1_loss(ours, theirs)
    return loss


def cosine(step: int, steps: int, warmup: int = 30) -> float:
    """Learning-rate factor: a short rise, then half a cosine down to 2 %."""
    if step < warmup:
        return (step + 1) / warmup
    return 0.02 + 0.49 * (1 + math.cos(math.pi * (step - warmup) / max(1, steps - warmup)))


# Seed, steps and learning rate; the later ones make the edges crisp.
STAGES: tuple[tuple[int, int, float], ...] = ((1, 360, 2e-4), (8, 800, 4e-4), (9, 800, 4e-4))


def train_vae(shrink: int = 1, log: Callable[[str], None] = print) -> AutoencoderKL:
    """An autoencoder with a trained decoder, in evaluation mode; `shrink` divides the steps."""
    torch.manual_seed(STAGES[0][0])
    vae = new_vae()
    for index, (seed, steps, rate) in enumerate(STAGES):
        if index:
            torch.manual_seed(seed)
        train_decoder(vae, seed, steps // shrink, rate, log)
    return vae.eval()


def train_decoder(
    vae: AutoencoderKL, seed: int, steps: int, rate: float, log: Callable[[str], None] = print
) -> None:
    """Trains the decoder in place on 2,000 pictures of that seed."""
    rng = random.Random(seed)  # noqa: S311 - pictures, not secrets
    pictures = torch.cat([to_tensor([random_texture(rng)]).half() for _ in range(PICTURES)])
    latents = torch.cat([block_latents(part.float()) for part in torch.split(pictures, 64)])
    weights = [*vae.decoder.parameters(), *vae.post_quant_conv.parameters()]
    optimizer = torch.optim.AdamW(weights, rate, betas=(0.9, 0.98), weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: cosine(step, steps))
    total = 0.0
    for step in range(steps):
        picks = torch.tensor([rng.randrange(PICTURES) for _ in range(BATCH)])
        loss = _loss(vae, latents[picks], pictures[picks].float())
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        nn.utils.clip_grad_norm_(weights, 1.0)
        optimizer.step()
        schedule.step()
        total += loss.item()
        if step % 20 == 19:
            log(f"vae {step + 1}/{steps} loss {total / 20:.4f}")
            total = 0.0
