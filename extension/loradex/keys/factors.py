"""What the factors of each network type say of its delta: shape, rank and faults."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import NamedTuple

from loradex.keys.targets import Shape

Parts = Mapping[str, Shape]
ANY = -1
"""A dimension of a delta that the factors do not tell."""


class Found(NamedTuple):
    """What one signature reads off the shapes of a module's tensors.

    `extent` is [out, in, *kernel] with `ANY` where the factors do not tell; () for none.
    """

    extent: Shape = ()
    rank: int | None = None
    variant: str = ""
    problem: str = ""


def _mismatch(*pairs: tuple[str, int, str, int]) -> str:
    """The first pair of dimensions that should be equal and is not, in words."""
    for name, size, other, size2 in pairs:
        if size != size2:
            return f"{name} {size} against {other} {size2}"
    return ""


def read_lora(parts: Parts) -> Found:
    """up: [out, rank(, 1, 1)]  down: [rank, in(, kh, kw)]  mid: [rank, rank, kh, kw]"""
    up, down, mid = parts["up"], parts["down"], parts.get("mid")
    out, rank = up[0], up[1]
    if any(side != 1 for side in up[2:]):
        return Found(problem=f"up has a kernel {list(up[2:])}")
    if mid is not None:
        problem = _mismatch(("rank of up", rank, "of mid", mid[0]),
                            ("rank of down", down[0], "of mid", mid[1]))
        return Found((out, down[1], *mid[2:]), rank, "tucker", problem)
    problem = _mismatch(("rank of up", rank, "of down", down[0]))
    return Found((out, *down[1:]), rank, "conv" if len(down) > 2 else "linear", problem)


def read_loha(parts: Parts) -> Found:
    """w*_a: [out, rank]  w*_b: [rank, in * kh * kw]; with t*: w*_a [rank, out], w*_b [rank, in]"""
    first, second = ((parts[f"hada_w{i}_a"], parts[f"hada_w{i}_b"]) for i in (1, 2))
    cores = [parts.get(f"hada_t{i}") for i in (1, 2)]
    if (cores[0] is None) != (cores[1] is None):
        return Found(problem="one of hada_t1, hada_t2 without the other")
    if cores[0] is not None and cores[1] is not None:
        problem = _mismatch(("hada_w1_a", first[0][0], "hada_t1", cores[0][0]),
                            ("hada_w2_a", second[0][0], "hada_t2", cores[1][0]),
                            ("hada_w1_b", first[1][0], "hada_t1", cores[0][1]),
                            ("hada_w2_b", second[1][0], "hada_t2", cores[1][1]),
                            ("out of hada_w1_a", first[0][1], "of hada_w2_a", second[0][1]),
                            ("in of hada_w1_b", first[1][1], "of hada_w2_b", second[1][1]))
        return Found((first[0][1], first[1][1], *cores[0][2:]), first[1][0], "tucker", problem)
    problem = _mismatch(("rank of hada_w1_a", first[0][1], "of hada_w1_b", first[1][0]),
                        ("rank of hada_w2_a", second[0][1], "of hada_w2_b", second[1][0]),
                        ("out of hada_w1_a", first[0][0], "of hada_w2_a", second[0][0]),
                        ("in of hada_w1_b", first[1][1], "of hada_w2_b", second[1][1]))
    return Found((first[0][0], first[1][1]), first[1][0], "linear", problem)


class _Factor(NamedTuple):
    shape: Shape
    rank: int | None
    problem: str


def _kron_factor(parts: Parts, index: int) -> _Factor:
    """w: [a, c(, kh, kw)], or w_a: [a, rank] and w_b: [rank, c * ...], or a core t and both."""
    whole = parts.get(f"lokr_w{index}")
    if whole is not None:
        return _Factor(whole, None, "")
    a, b = parts.get(f"lokr_w{index}_a"), parts.get(f"lokr_w{index}_b")
    if a is None or b is None:
        return _Factor((), None, f"lokr_w{index} is incomplete")
    core = parts.get(f"lokr_t{index}")
    if core is not None:
        problem = _mismatch((f"lokr_w{index}_a", a[0], f"lokr_t{index}", core[0]),
                            (f"lokr_w{index}_b", b[0], f"lokr_t{index}", core[1]))
        return _Factor((a[1], b[1], *core[2:]), b[0], problem)
    problem = _mismatch((f"rank of lokr_w{index}_a", a[1], f"of lokr_w{index}_b", b[0]))
    return _Factor((a[0], *b[1:]), b[0], problem)


def read_lokr(parts: Parts) -> Found:
    """The delta is kron(w1, w2): [a * b, c * d, *kernel of w2]."""
    w1, w2 = _kron_factor(parts, 1), _kron_factor(parts, 2)
    problem = w1.problem or w2.problem
    if problem:
        return Found(problem=problem)
    extent = (w1.shape[0] * w2.shape[0], w1.shape[1] * w2.shape[1], *w2.shape[2:])
    tucker = "lokr_t2" in parts or "lokr_t1" in parts
    variant = "tucker" if tucker else "conv" if len(extent) > 2 else "linear"
    return Found(extent, w2.rank if w2.rank is not None else w1.rank, variant)


def read_glora(parts: Parts) -> Found:
    """new: a1 [in, r]  a2 [r, in]  b1 [out, r]  b2 [r, in]

    old: a1 [r, in]  a2 [in, r]  b1 [r, in]  b2 [out, r]
    """
    a1, a2, b1, b2 = (parts[name] for name in ("a1", "a2", "b1", "b2"))
    kernel = next((s[2:] for s in (parts.get("bm", ()), b2, b1) if prod(s[2:]) > 1), ())
    if a1[0] == a2[1] == b2[1] and a1[1] == a2[0] and b1[1] == b2[0]:
        return Found((b1[0], b2[1], *kernel), a2[0], "new")
    if a1[1] == a2[0] == b1[1] and a1[0] == a2[1] and b1[0] == b2[1]:
        return Found((b2[0], b1[1], *kernel), a1[0], "old")
    return Found(problem="the shapes of a1, a2, b1 and b2 fit neither form of GLoRA")


def read_oft(parts: Parts) -> Found:
    """oft_blocks: [blocks, size, size]; the rows rotate, so out = blocks * size."""
    name = "oft_diag" if "oft_diag" in parts else "oft_blocks"
    blocks, size, size2 = parts[name]
    problem = _mismatch(("rows of " + name, size, "columns", size2))
    return Found((blocks * size, ANY), None, "old" if name == "oft_diag" else "", problem)


def read_boft(parts: Parts) -> Found:
    """oft_blocks: [stages, blocks, size, size]; out = blocks * size."""
    _, blocks, size, size2 = parts["oft_blocks"]
    return Found((blocks * size, ANY), None, "", _mismatch(("rows", size, "columns", size2)))


def read_peft_oft(parts: Parts) -> Found:
    """oft_R: [blocks, size * (size - 1) / 2]: the input side rotates, so in = blocks * size."""
    if len(parts["oft_r"]) != 2:
        return Found((ANY, ANY))
    blocks, triangle = parts["oft_r"]
    size = 1
    while size * (size - 1) // 2 < triangle:
        size += 1
    if size * (size - 1) // 2 != triangle:
        return Found(problem=f"oft_R has {triangle} columns, which is no triangle")
    return Found((ANY, ANY if blocks == 1 else blocks * size))


def read_peft_boft(parts: Parts) -> Found:
    """boft_R: [stages, blocks, size, size], in = blocks * size; boft_s: [out, 1] or [1, out]"""
    _, blocks, size, size2 = parts["boft_r"]
    scale = parts.get("boft_s")
    problem = _mismatch(("rows", size, "columns", size2))
    return Found((prod(scale) if scale else ANY, blocks * size), None, "", problem)


def read_ia3(parts: Parts) -> Found:
    """LyCORIS: weight [dim] or [1, dim, 1, 1] with on_input; PEFT: ia3_l [1, in] or [out, 1]"""
    if "ia3_l" in parts:
        vector = parts["ia3_l"]
        if len(vector) == 4:  # convolution: [1, in, 1, 1] or [1, out, 1, 1] (feed-forward or not)
            return Found((ANY, ANY), None, "peft")
        out, inp = vector
        return Found((out, ANY) if inp == 1 and out != 1 else (ANY, inp), None, "peft")
    # on_input is a flag, not a shape: the file's bytes say which side the vector is for.
    problem = "" if "ia3_weight" in parts else "on_input without weight"
    return Found((ANY, ANY), None, "lycoris", problem)


def read_full(parts: Parts) -> Found:
    return Found(parts["diff"], None, _kind_of(parts["diff"]))


def _kind_of(shape: Shape) -> str:
    return {1: "norm", 2: "linear", 4: "conv", 5: "conv"}.get(len(shape), "")


def read_norm(parts: Parts) -> Found:
    weight = parts.get("w_norm", parts.get("b_norm", ()))
    if "w_norm" in parts and "b_norm" in parts and parts["w_norm"] != parts["b_norm"]:
        return Found(problem=f"w_norm {list(parts['w_norm'])}, b_norm {list(parts['b_norm'])}")
    return Found(weight, None, "norm")


def read_set(parts: Parts) -> Found:
    return Found(parts["set_weight"], None, _kind_of(parts["set_weight"]))


def read_embedding(parts: Parts) -> Found:
    """embedding_a: [rank, entries]  embedding_b: [width, rank]; the weight is [entries, width]"""
    a, b = parts["embedding_a"], parts["embedding_b"]
    problem = _mismatch(("rank of embedding_A", a[0], "of embedding_B", b[1]))
    return Found((a[1], b[0]), a[0], "embedding", problem)


def read_bias(_: Parts) -> Found:
    return Found()
