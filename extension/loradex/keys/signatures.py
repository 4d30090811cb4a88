"""The list of network types: which tensors each has, and what their shapes say of the delta."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from loradex.keys import factors
from loradex.keys.factors import ANY, Found, Parts
from loradex.keys.targets import Shape


@dataclass(frozen=True)
class Description:
    """What a module's tensors are.

    `shape` is the shape of the weight delta: [out, in] or [out, in, kh, kw], [channels] for a
    norm, None where the tensors have no weight delta or do not tell its shape; `extent` is the
    same with -1 for each dimension that they do not tell. `problem` is empty or says why the
    module cannot be used.
    """

    type: str
    shape: Shape | None
    rank: int | None
    dora: bool
    problem: str
    variant: str = ""
    extent: Shape | None = None


@dataclass(frozen=True)
class Signature:
    """One network type: the roles that mark it, those it cannot do without, and its reader."""

    type: str
    marks: frozenset[str]
    read: Callable[[Parts], Found]
    needs: frozenset[str] = frozenset()
    takes_dora: bool = False
    dimensions: int | None = None
    """Of the first mark, where two types share its name."""

    def admits(self, parts: Parts) -> bool:
        found = self.marks & parts.keys()
        if not found or self.dimensions is None:
            return bool(found)
        return any(len(parts[name]) == self.dimensions for name in found)


_MAGNITUDES = frozenset({"dora_scale", "magnitude_vector", "magnitude"})


def describe(parts: Mapping[str, Shape]) -> Description:
    """The type of a module from its tensors' shapes by role."""
    dora = bool(_MAGNITUDES & parts.keys())
    for signature in SIGNATURES:
        if signature.admits(parts):
            return _described(signature, parts, dora=dora)
    kind = ", ".join(sorted(parts)) or "nothing"
    return Description("", None, None, dora, f"no network type has only {kind}")


def _described(signature: Signature, parts: Parts, *, dora: bool) -> Description:
    missing = sorted(signature.needs - parts.keys())
    if missing:
        there = ", ".join(sorted(signature.marks & parts.keys()))
        problem = f"{there} without {', '.join(missing)}"
        return Description(signature.type, None, None, dora, problem)
    try:
        found = signature.read(parts)
    except (IndexError, ValueError):
        listed = ", ".join(f"{role} {list(parts[role])}" for role in sorted(parts))
        found = Found(problem=f"impossible shapes: {listed}")
    problem = found.problem
    if dora and not problem and not signature.takes_dora:
        problem = f"a DoRA magnitude on {signature.type}"
    known = bool(found.extent) and ANY not in found.extent
    return Description(
        signature.type, found.extent if known else None, found.rank, dora, problem,
        found.variant, found.extent or None,
    )


def _signature(
    name: str, marks: str, read: Callable[[Parts], Found], needs: str = "", *,
    dora: bool = False, dimensions: int | None = None,
) -> Signature:
    return Signature(
        name, frozenset(marks.split()), read, frozenset(needs.split()), dora, dimensions
    )


SIGNATURES: tuple[Signature, ...] = (
    _signature(
        "loha", "hada_w1_a hada_w1_b hada_w2_a hada_w2_b hada_t1 hada_t2", factors.read_loha,
        "hada_w1_a hada_w1_b hada_w2_a hada_w2_b", dora=True,
    ),
    _signature(
        "lokr", "lokr_w1 lokr_w1_a lokr_w1_b lokr_w2 lokr_w2_a lokr_w2_b lokr_t1 lokr_t2",
        factors.read_lokr, dora=True,
    ),
    _signature("glora", "a1 a2 b1 b2", factors.read_glora, "a1 a2 b1 b2"),
    _signature("lora", "up down mid", factors.read_lora, "up down", dora=True),
    _signature("boft", "oft_blocks", factors.read_boft, dimensions=4),
    _signature("oft", "oft_blocks oft_diag", factors.read_oft),
    _signature("peft-oft", "oft_r", factors.read_peft_oft),
    _signature("peft-boft", "boft_r boft_s", factors.read_peft_boft, "boft_r"),
    _signature("ia3", "ia3_l ia3_weight on_input", factors.read_ia3),
    _signature("full", "diff", factors.read_full),
    _signature("norm", "w_norm b_norm", factors.read_norm),
    _signature("set", "set_weight", factors.read_set),
    _signature(
        "embedding", "embedding_a embedding_b", factors.read_embedding, "embedding_a embedding_b"
    ),
    _signature(
        "sparse-bias", "bias_indices bias_values bias_size", factors.read_bias,
        "bias_indices bias_values bias_size",
    ),
    _signature("bias", "diff_b bias up_bias", factors.read_bias),
)
"""All network types; the first whose marks a module carries is the module's type."""

TYPES: tuple[str, ...] = tuple(signature.type for signature in SIGNATURES)
