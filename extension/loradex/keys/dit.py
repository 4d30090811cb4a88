"""What the walks through diffusion transformers share: embedders, gated layers, cross attention."""

from __future__ import annotations

from loradex.keys.architecture import Builder

TIME_CHANNELS = 256  # of the sinusoidal embedding, fixed in every implementation
MLP_RATIO = 4


def linear_pair(
    out: Builder, ours: str, theirs: tuple[str, str], inp: int, inner: int, width: int = 0
) -> None:
    """`ours.linear_1` [inner, inp] and `ours.linear_2` [width or inner, inner], with biases."""
    out.linear(f"{ours}.linear_1", theirs[0], inner, inp)
    out.linear(f"{ours}.linear_2", theirs[1], width or inner, inner)


def sequence(name: str) -> tuple[str, str]:
    """The native names of a linear pair: two linears with an activation between them."""
    return f"{name}.0", f"{name}.2"


def same_linear(out: Builder, name: str, rows: int, inp: int, *, bias: bool = True) -> None:
    """A linear [rows, inp] that both trees call the same."""
    out.linear(name, name, rows, inp, bias=bias)


def gated(
    out: Builder, ours: str, theirs: str, names: tuple[str, str], inner: int, width: int
) -> None:
    """A gated feed-forward without biases: 1 and 3 are [inner, width], 2 is [width, inner].

    `names` are the layers' names in the two trees without the number (`linear_`, `w`).
    """
    for number in (1, 2, 3):
        shape = (width, inner) if number == 2 else (inner, width)
        out.linear(f"{ours}.{names[0]}{number}", f"{theirs}.{names[1]}{number}", *shape, bias=False)


def rounded_up(value: int, multiple: int) -> int:
    return multiple * -(-value // multiple)


def feed_forward(
    out: Builder, ours: str, theirs: tuple[str, str], inner: int, width: int, *, bias: bool = True
) -> None:
    """diffusers' FeedForward with one activation: `net.0.proj` and `net.2`."""
    out.linear(f"{ours}.net.0.proj", theirs[0], inner, width, bias=bias)
    out.linear(f"{ours}.net.2", theirs[1], width, inner, bias=bias)


def pixart_attention(
    out: Builder, index: int, width: int, context: int, *, bias: bool, cross_bias: bool
) -> None:
    """The self- and cross-attention of one block of PixArt and Sana (`context`: k's and v's in)."""
    ours, theirs = f"transformer_blocks.{index}", f"blocks.{index}"
    query_key_value = [(f"{ours}.attn1.to_{one}", width) for one in "qkv"]
    out.split(query_key_value, f"{theirs}.attn.qkv", width, bias=bias)
    out.linear(f"{ours}.attn1.to_out.0", f"{theirs}.attn.proj", width, width)
    out.linear(f"{ours}.attn2.to_q", f"{theirs}.cross_attn.q_linear", width, width,
               bias=cross_bias)
    key_value = [(f"{ours}.attn2.to_{one}", width) for one in "kv"]
    out.split(key_value, f"{theirs}.cross_attn.kv_linear", context, bias=cross_bias)
    out.linear(f"{ours}.attn2.to_out.0", f"{theirs}.cross_attn.proj", width, width)
