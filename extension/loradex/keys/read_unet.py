"""Reads the configuration of a Stable Diffusion UNet off its names and shapes, in either tree."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any, NamedTuple

from loradex.keys.derivation import Config
from loradex.keys.targets import Shape, Tree

Shapes = Mapping[str, Shape]


class _Words(NamedTuple):
    """Where one tree keeps what the configuration is read off."""

    conv_in: str
    conv_out: str
    time: str
    condition: str
    sizes: str
    labels: str
    conv: str
    embedding: str


_WORDS: Mapping[Tree, _Words] = {
    "native": _Words(
        "input_blocks.0.0", "out.2", "time_embed.0", "time_embed.cond_proj", "label_emb.0.0",
        "label_emb", "in_layers.2", "emb_layers.1"),
    "diffusers": _Words(
        "conv_in", "conv_out", "time_embedding.linear_1", "time_embedding.cond_proj",
        "add_embedding.linear_1", "class_embedding", "conv1", "time_emb_proj"),
}


class _Block(NamedTuple):
    """Where one resnet of a UNet is, and the attention after it, if it has one."""

    resnet: str
    attention: str


@dataclass(frozen=True)
class _Blocks:
    """All blocks of a UNet: levels on the way down, all in one row on the way up."""

    down: Sequence[Sequence[_Block]]
    up: Sequence[_Block]
    middle: _Block


def read_unet(own: Shapes, tree: Tree) -> Config | None:
    """The configuration of the UNet that has these tensors, or None where they are of no UNet.

    The number of heads shows in no shape: it is one that keeps the inner width at the channels'.
    """
    words = _WORDS[tree]
    ends = (f"{words.conv_in}.weight", f"{words.conv_out}.weight", f"{words.time}.weight")
    if [len(own.get(name, ())) for name in ends] != [4, 4, 2]:
        return None
    blocks = _native_blocks(own) if tree == "native" else _diffusers_blocks(own)
    up = _up_levels(blocks)
    if up is None:
        return None
    first, last = own[ends[0]], own[ends[1]]
    return {
        "in_channels": first[1], "conv_in_kernel": first[2],
        "out_channels": last[0], "conv_out_kernel": last[2],
        "attention_head_dim": 1,
        **_levels(own, words, blocks, up),
        **_middle(own, blocks.middle),
        **_embeddings(own, words, blocks.down[0][0]),
    }


def _native_blocks(own: Shapes) -> _Blocks:
    levels: list[list[_Block]] = [[]]
    for number in count(1):
        name = f"input_blocks.{number}"
        if f"{name}.0.op.weight" in own:
            levels.append([])
        elif f"{name}.0.in_layers.2.weight" in own:
            levels[-1].append(_Block(f"{name}.0", f"{name}.1"))
        else:
            break
    up = [_Block(f"output_blocks.{n}.0", f"output_blocks.{n}.1")
          for n in _numbers(own, "output_blocks.{}.0.in_layers.2.weight")]
    return _Blocks(levels, up, _Block("middle_block.0", "middle_block.1"))


def _diffusers_blocks(own: Shapes) -> _Blocks:
    def side(name: str) -> Iterator[list[_Block]]:
        for level in _numbers(own, f"{name}.{{}}.resnets.0.conv1.weight"):
            at = f"{name}.{level}"
            yield [_Block(f"{at}.resnets.{n}", f"{at}.attentions.{n}")
                   for n in _numbers(own, f"{at}.resnets.{{}}.conv1.weight")]

    up = [block for level in side("up_blocks") for block in level]
    middle = _Block("mid_block.resnets.0", "mid_block.attentions.0")
    return _Blocks(list(side("down_blocks")), up, middle)


def _numbers(own: Shapes, name: str) -> Iterator[int]:
    """0, 1, 2 ... as long as there is a tensor of that number."""
    for number in count():
        if name.format(number) not in own:
            return
        yield number


def _up_levels(blocks: _Blocks) -> Sequence[Sequence[_Block]] | None:
    """The blocks on the way up by level: one more each than on the way down."""
    sizes = [len(level) + 1 for level in reversed(blocks.down)]
    if not sizes or min(sizes) < 2 or sum(sizes) != len(blocks.up):
        return None
    starts = [sum(sizes[:n]) for n in range(len(sizes))]
    return [blocks.up[start:start + size] for start, size in zip(starts, sizes, strict=True)]


def _levels(
    own: Shapes, words: _Words, blocks: _Blocks, up: Sequence[Sequence[_Block]]
) -> dict[str, Any]:
    down, channels = blocks.down, []
    for level in down:
        channels.append(own[f"{level[0].resnet}.{words.conv}.weight"][0])
    both = [[*level, *higher] for level, higher in zip(down, reversed(up), strict=True)]
    contexts = [_context(own, one) for one in both]
    # Levels without attention have no context: they are given that of the others.
    widest = max(*contexts, _context(own, [blocks.middle]))
    return {
        "block_out_channels": tuple(channels),
        "layers_per_block": tuple(len(level) for level in down),
        "down_block_types": tuple(
            "CrossAttnDownBlock2D" if _attends(own, one) else "DownBlock2D" for one in down),
        "up_block_types": tuple(
            "CrossAttnUpBlock2D" if _attends(own, one) else "UpBlock2D" for one in up),
        "transformer_layers_per_block": tuple(_depths(own, one) for one in down),
        "reverse_transformer_layers_per_block": tuple(_depths(own, one) for one in up),
        "cross_attention_dim": tuple(one or widest for one in contexts),
        "only_cross_attention": tuple(
            _is_only_cross(own, one, width) for one, width in zip(both, channels, strict=True)),
        "use_linear_projection": _is_linear(own, [*blocks.up, blocks.middle]),
    }


def _attends(own: Shapes, blocks: Sequence[_Block]) -> bool:
    return any(f"{one.attention}.proj_in.weight" in own for one in blocks)


def _depths(own: Shapes, blocks: Sequence[_Block]) -> tuple[int, ...]:
    name = "{}.transformer_blocks.{{}}.attn1.to_q.weight"
    return tuple(len(list(_numbers(own, name.format(one.attention)))) for one in blocks)


def _inputs(own: Shapes, blocks: Sequence[_Block], attention: str) -> int:
    """How many numbers the keys of the first such attention are made of, 0 without one."""
    names = (f"{one.attention}.transformer_blocks.0.{attention}.to_k.weight" for one in blocks)
    return next((own[name][-1] for name in names if name in own), 0)


def _context(own: Shapes, blocks: Sequence[_Block]) -> int:
    return _inputs(own, blocks, "attn2")


def _is_only_cross(own: Shapes, blocks: Sequence[_Block], width: int) -> bool:
    """Whether the first attention looks at the text too (the x4 upscaler)."""
    return _inputs(own, blocks, "attn1") not in (0, width)


def _is_linear(own: Shapes, blocks: Sequence[_Block]) -> bool:
    shapes = (own.get(f"{one.attention}.proj_in.weight") for one in blocks)
    return any(shape is not None and len(shape) == 2 for shape in shapes)


def _middle(own: Shapes, middle: _Block) -> dict[str, Any]:
    if _attends(own, [middle]):
        return {"mid_block_type": "UNetMidBlock2DCrossAttn",
                "transformer_depth_middle": _depths(own, [middle])[0]}
    there = any(name.startswith(f"{middle.resnet}.") for name in own)
    return {"mid_block_type": "UNetMidBlock2D" if there else None}


def _embeddings(own: Shapes, words: _Words, block: _Block) -> dict[str, Any]:
    """How time, sizes, labels and text come in.

    unCLIP's image embedding has the same native names as SDXL's sizes and is read as those.
    """
    time = own[f"{words.time}.weight"][0]
    found: dict[str, Any] = {"time_embedding_dim": time}
    for name, field in (
        (words.condition, "time_cond_proj_dim"),
        (words.sizes, "projection_class_embeddings_input_dim"),
        ("encoder_hid_proj", "encoder_hid_dim"),
    ):
        if f"{name}.weight" in own:
            found[field] = own[f"{name}.weight"][-1]
    if "projection_class_embeddings_input_dim" in found:
        found["addition_embed_type"] = "text_time"
    if "encoder_hid_dim" in found:
        found["encoder_hid_dim_type"] = "text_proj"
    if f"{words.labels}.weight" in own:
        found["num_class_embeds"] = own[f"{words.labels}.weight"][0]
    width = own[f"{block.resnet}.{words.conv}.weight"][0]
    embedding = own.get(f"{block.resnet}.{words.embedding}.weight", (width, time))
    found["class_embeddings_concat"] = embedding[-1] == 2 * time
    found["resnet_time_scale_shift"] = "scale_shift" if embedding[0] == 2 * width else "default"
    return found
