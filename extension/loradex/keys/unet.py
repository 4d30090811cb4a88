"""The table of a Stable Diffusion UNet (SD1, SD2, SDXL and kin), derived from its configuration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from loradex.errors import InputError
from loradex.keys.architecture import Architecture, Builder
from loradex.keys.derivation import Derivation
from loradex.keys.targets import Kind

_DOWN = {"CrossAttnDownBlock2D": True, "DownBlock2D": False}
_UP = {"CrossAttnUpBlock2D": True, "UpBlock2D": False}
_MID = {"UNetMidBlock2DCrossAttn": True, "UNetMidBlock2D": False, None: None}

# Defaults of diffusers' UNet2DConditionModel, for the fields that a saved configuration omits.
_DEFAULTS: Mapping[str, Any] = {
    "in_channels": 4,
    "out_channels": 4,
    "down_block_types": ("CrossAttnDownBlock2D",) * 3 + ("DownBlock2D",),
    "mid_block_type": "UNetMidBlock2DCrossAttn",
    "up_block_types": ("UpBlock2D",) + ("CrossAttnUpBlock2D",) * 3,
    "block_out_channels": (320, 640, 1280, 1280),
    "layers_per_block": 2,
    "cross_attention_dim": 1280,
    "attention_head_dim": 8,
    "transformer_layers_per_block": 1,
    "only_cross_attention": False,
    "conv_in_kernel": 3,
    "conv_out_kernel": 3,
}


def unet_architecture(config: Mapping[str, Any]) -> Architecture:
    """The table of the UNet that diffusers' UNet2DConditionModel builds from `config`."""
    return UNetWalk(config).run()


@dataclass(frozen=True)
class Level:
    """One resolution of the UNet."""

    channels: int
    resnets: int
    heads: int
    context: int
    depth: Sequence[int]
    only_cross: bool

    @property
    def inner(self) -> int:
        return self.channels // self.heads * self.heads


class UNetWalk:
    """Goes through the blocks once and names every weight in both trees.

    The walk is the same for every UNet; what a resnet and an attention are made of may differ.
    """

    id = "unet"
    down_types: Mapping[Any, bool | None] = _DOWN
    up_types: Mapping[Any, bool | None] = _UP

    def __init__(self, config: Mapping[str, Any]) -> None:
        self.config = {**_DEFAULTS, **config}
        self.out = Builder()
        self.channels: tuple[int, ...] = tuple(self.config["block_out_channels"])
        self.time = self.config.get("time_embedding_dim") or self.channels[0] * 4
        self.embed = self.time * (2 if self.config.get("class_embeddings_concat") else 1)
        self.linear_projection = bool(self.config.get("use_linear_projection"))
        self.skips: list[int] = []
        self.level = [self._level(i) for i in range(len(self.channels))]

    def run(self) -> Architecture:
        self.out.conv("conv_in", "input_blocks.0.0", self.channels[0],
                      self.config["in_channels"], self.config["conv_in_kernel"])
        self._embeddings()
        self._down()
        self._up()
        self._mid()
        self.out.norm("conv_norm_out", "out.0", self.channels[0])
        self.out.conv("conv_out", "out.2", self.config["out_channels"], self.channels[0],
                      self.config["conv_out_kernel"])
        context = max(level.context for level in self.level)
        return Architecture(
            id=self.id, component="denoiser", leaves=tuple(self.out.leaves),
            features={"cross-attention width": context, "channels": self.channels[0]},
        )

    def _level(self, index: int) -> Level:
        depth = self._per_level("transformer_layers_per_block", index)
        resnets = self._per_level("layers_per_block", index)
        return Level(
            channels=self.channels[index],
            resnets=resnets,
            heads=self._per_level("attention_head_dim", index) or self.channels[index],
            context=self._per_level("cross_attention_dim", index),
            depth=(depth,) * resnets if isinstance(depth, int) else tuple(depth),
            only_cross=bool(self._per_level("only_cross_attention", index)),
        )

    def _per_level(self, field: str, index: int) -> Any:
        value = self.config[field]
        return value[index] if isinstance(value, list | tuple) else value

    def _embeddings(self) -> None:
        out, time, base = self.out, self.time, self.channels[0]
        self._mlp("time_embedding", "time_embed", base)
        if self.config.get("time_cond_proj_dim"):
            out.linear("time_embedding.cond_proj", "time_embed.cond_proj", base,
                       self.config["time_cond_proj_dim"], bias=False)
        kind = self.config.get("class_embed_type")
        projected = self.config.get("projection_class_embeddings_input_dim") or 0
        if kind == "timestep":
            self._mlp("class_embedding", "label_emb.0", base)
        elif kind == "projection":
            self._mlp("class_embedding", "label_emb.0", projected)
        elif kind is None and self.config.get("num_class_embeds"):
            out.add(Kind.EMBEDDING, (self.config["num_class_embeds"], time),
                    "class_embedding", "label_emb", bias=False)
        if self.config.get("addition_embed_type") == "text_time":
            self._mlp("add_embedding", "label_emb.0", projected)
        if self.config.get("encoder_hid_dim_type") == "text_proj":
            out.linear("encoder_hid_proj", "encoder_hid_proj", self.level[0].context,
                       self.config["encoder_hid_dim"])

    def _mlp(self, diffusers: str, native: str, inp: int) -> None:
        self.out.linear(f"{diffusers}.linear_1", f"{native}.0", self.time, inp)
        self.out.linear(f"{diffusers}.linear_2", f"{native}.2", self.time, self.time)

    def _down(self) -> None:
        self.skips.append(self.channels[0])
        count, inp = 1, self.channels[0]
        for index, level in enumerate(self.level):
            attends = self._attends("down_block_types", index, self.down_types)
            ours = f"down_blocks.{index}"
            for i in range(level.resnets if attends else 0):
                self._attention(f"{ours}.attentions.{i}", f"input_blocks.{count + i}.1", level,
                                level.depth[i])
            for i in range(level.resnets):
                self._resnet(f"{ours}.resnets.{i}", f"input_blocks.{count}.0", inp,
                             level.channels)
                inp = level.channels
                self.skips.append(inp)
                count += 1
            if index < len(self.level) - 1:
                self.out.conv(f"down_blocks.{index}.downsamplers.0.conv",
                              f"input_blocks.{count}.0.op", inp, inp)
                self.skips.append(inp)
                count += 1

    def _mid(self) -> None:
        attends = self._known("mid_block_type", self.config["mid_block_type"], _MID)
        if attends is None:
            return
        level = replace(self.level[-1], only_cross=False)
        if attends:
            # sgm's name for it; in diffusers the middle is as deep as the last level.
            depth = self.config.get("transformer_depth_middle", level.depth[0])
            self._attention("mid_block.attentions.0", "middle_block.1", level, depth)
        for i, native in enumerate((0, 2) if attends else (0,)):
            self._resnet(f"mid_block.resnets.{i}", f"middle_block.{native}",
                         level.channels, level.channels)

    def _up(self) -> None:
        given = self.config.get("reverse_transformer_layers_per_block")
        count, inp, last = 0, self.channels[-1], len(self.level) - 1
        for block, level in enumerate(reversed(self.level)):
            attends = self._attends("up_block_types", block, self.up_types)
            depth = _up_depth(level, given[block] if given else None)
            ours, resnets = f"up_blocks.{block}", level.resnets + 1
            for i in range(resnets if attends else 0):
                self._attention(f"{ours}.attentions.{i}", f"output_blocks.{count + i}.1", level,
                                depth[i])
            for i in range(resnets):
                self._resnet(f"{ours}.resnets.{i}", f"output_blocks.{count}.0",
                             inp + self.skips.pop(), level.channels)
                inp = level.channels
                count += 1
            if block < last:
                self.out.conv(f"up_blocks.{block}.upsamplers.0.conv",
                              f"output_blocks.{count - 1}.{2 if attends else 1}.conv", inp, inp)

    def _attends(self, field: str, index: int, known: Mapping[Any, bool | None]) -> bool:
        return bool(self._known(field, self.config[field][index], known))

    def _known(self, field: str, name: Any, known: Mapping[Any, bool | None]) -> bool | None:
        if name not in known:
            listed = ", ".join(str(one) for one in known)
            raise InputError("the UNet's configuration", f"{field} '{name}'", listed)
        return known[name]

    def _resnet(self, ours: str, theirs: str, inp: int, out: int) -> None:
        scale_shift = self.config.get("resnet_time_scale_shift") == "scale_shift"
        self.out.norm(f"{ours}.norm1", f"{theirs}.in_layers.0", inp)
        self.out.conv(f"{ours}.conv1", f"{theirs}.in_layers.2", out, inp)
        self.out.linear(f"{ours}.time_emb_proj", f"{theirs}.emb_layers.1",
                        out * (2 if scale_shift else 1), self.embed)
        self.out.norm(f"{ours}.norm2", f"{theirs}.out_layers.0", out)
        self.out.conv(f"{ours}.conv2", f"{theirs}.out_layers.3", out, out)
        if inp != out:
            self.out.conv(f"{ours}.conv_shortcut", f"{theirs}.skip_connection", out, inp, 1)

    def _attention(self, ours: str, theirs: str, level: Level, depth: int) -> None:
        inner, channels = level.inner, level.channels
        self.out.norm(f"{ours}.norm", f"{theirs}.norm", channels)
        self._projection(f"{ours}.proj_in", f"{theirs}.proj_in", inner, channels)
        for i in range(depth):
            block = f".transformer_blocks.{i}"
            self._transformer(ours + block, theirs + block, level)
        self._projection(f"{ours}.proj_out", f"{theirs}.proj_out", channels, inner)

    def _projection(self, ours: str, theirs: str, out: int, inp: int) -> None:
        if self.linear_projection:
            self.out.linear(ours, theirs, out, inp)
        else:
            self.out.conv(ours, theirs, out, inp, 1)

    def _transformer(self, ours: str, theirs: str, level: Level) -> None:
        inner = level.inner
        contexts = {"attn1": level.context if level.only_cross else inner, "attn2": level.context}
        for norm in ("norm1", "norm2", "norm3"):
            self.out.norm(f"{ours}.{norm}", f"{theirs}.{norm}", inner)
        for attention, context in contexts.items():
            for name, inp in (("to_q", inner), ("to_k", context), ("to_v", context)):
                self.out.linear(f"{ours}.{attention}.{name}", f"{theirs}.{attention}.{name}",
                                inner, inp, bias=False)
            self.out.linear(f"{ours}.{attention}.to_out.0", f"{theirs}.{attention}.to_out.0",
                            inner, inner)
        self._feed_forward(f"{ours}.ff", f"{theirs}.ff", inner)

    def _feed_forward(self, ours: str, theirs: str, width: int) -> None:
        self.out.linear(f"{ours}.net.0.proj", f"{theirs}.net.0.proj", width * 8, width)
        self.out.linear(f"{ours}.net.2", f"{theirs}.net.2", width, width * 4)


def _up_depth(level: Level, given: Any) -> Sequence[int]:
    if given is None:
        if len(set(level.depth)) > 1:
            return tuple(level.depth)
        given = level.depth[0]
    return (given,) * (level.resnets + 1) if isinstance(given, int) else tuple(given)


DERIVATIONS = {
    "UNet2DConditionModel": Derivation(
        unet_architecture,
        (
            "down_blocks_", "mid_block_", "up_blocks_", "conv_in", "conv_out", "conv_norm_out",
            "time_embedding_", "add_embedding_", "encoder_hid_proj", "input_blocks_",
            "middle_block_", "output_blocks_", "out_", "time_embed_", "label_emb_",
        ),
    ),
}
