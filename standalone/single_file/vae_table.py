"""The names of a VAE's weights in diffusers and in the original layout, from its configuration."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from loradex.keys.architecture import Builder, Leaf


def vae_leaves(config: Mapping[str, Any]) -> tuple[Leaf, ...]:
    """Every weight of the `AutoencoderKL` that diffusers builds from `config`."""
    out = Builder()
    channels = tuple(config["block_out_channels"])
    latents, resnets = config["latent_channels"], config["layers_per_block"]
    _encoder(out, channels, resnets, config["in_channels"], latents)
    _decoder(out, channels, resnets, config["out_channels"], latents)
    out.conv("quant_conv", "quant_conv", 2 * latents, 2 * latents, 1)
    out.conv("post_quant_conv", "post_quant_conv", latents, latents, 1)
    return tuple(out.leaves)


def _encoder(
    out: Builder, channels: tuple[int, ...], resnets: int, colours: int, latents: int
) -> None:
    out.conv("encoder.conv_in", "encoder.conv_in", channels[0], colours)
    inp = channels[0]
    for level, width in enumerate(channels):
        ours, theirs = f"encoder.down_blocks.{level}", f"encoder.down.{level}"
        for i in range(resnets):
            _resnet(out, f"{ours}.resnets.{i}", f"{theirs}.block.{i}", inp, width)
            inp = width
        if level < len(channels) - 1:
            out.conv(f"{ours}.downsamplers.0.conv", f"{theirs}.downsample.conv", width, width)
    _middle(out, "encoder", channels[-1])
    out.norm("encoder.conv_norm_out", "encoder.norm_out", channels[-1])
    out.conv("encoder.conv_out", "encoder.conv_out", 2 * latents, channels[-1])


def _decoder(
    out: Builder, channels: tuple[int, ...], resnets: int, colours: int, latents: int
) -> None:
    out.conv("decoder.conv_in", "decoder.conv_in", channels[-1], latents)
    _middle(out, "decoder", channels[-1])
    inp, last = channels[-1], len(channels) - 1
    for block, width in enumerate(reversed(channels)):
        # The original counts levels by resolution in both directions, diffusers in order.
        ours, theirs = f"decoder.up_blocks.{block}", f"decoder.up.{last - block}"
        for i in range(resnets + 1):
            _resnet(out, f"{ours}.resnets.{i}", f"{theirs}.block.{i}", inp, width)
            inp = width
        if block < last:
            out.conv(f"{ours}.upsamplers.0.conv", f"{theirs}.upsample.conv", width, width)
    out.norm("decoder.conv_norm_out", "decoder.norm_out", channels[0])
    out.conv("decoder.conv_out", "decoder.conv_out", colours, channels[0])


def _middle(out: Builder, side: str, width: int) -> None:
    ours, theirs = f"{side}.mid_block", f"{side}.mid"
    _resnet(out, f"{ours}.resnets.0", f"{theirs}.block_1", width, width)
    _resnet(out, f"{ours}.resnets.1", f"{theirs}.block_2", width, width)
    attention = f"{ours}.attentions.0"
    out.norm(f"{attention}.group_norm", f"{theirs}.attn_1.norm", width)
    for mine, other in (("to_q", "q"), ("to_k", "k"), ("to_v", "v"), ("to_out.0", "proj_out")):
        # The original stores these as 1x1 convolutions, [width, width, 1, 1].
        out.linear(f"{attention}.{mine}", f"{theirs}.attn_1.{other}", width, width)


def _resnet(out: Builder, ours: str, theirs: str, inp: int, width: int) -> None:
    out.norm(f"{ours}.norm1", f"{theirs}.norm1", inp)
    out.conv(f"{ours}.conv1", f"{theirs}.conv1", width, inp)
    out.norm(f"{ours}.norm2", f"{theirs}.norm2", width)
    out.conv(f"{ours}.conv2", f"{theirs}.conv2", width, width)
    if inp != width:
        out.conv(f"{ours}.conv_shortcut", f"{theirs}.nin_shortcut", width, inp, 1)
