"""The role table: which part of a network module a tensor is, told by the end of its key."""

from __future__ import annotations

import re

# Tails of at most three dotted segments. The longest tail that is listed wins, so
# `.lora.up.weight` is never read as `.weight`.
_LORA_SIDES = {"up": "up", "down": "down", "mid": "mid"}

ROLES: dict[str, str] = {
    **{f"lora_{side}.weight": role for side, role in _LORA_SIDES.items()},
    **{f"lora.{side}.weight": role for side, role in _LORA_SIDES.items()},
    **{f"lora_linear_layer.{side}.weight": role for side, role in _LORA_SIDES.items()},
    "lora_up.bias": "up_bias",
    "lora_down.bias": "down_bias",
    "lora_A.weight": "down",
    "lora_B.weight": "up",
    "lora_A": "down",
    "lora_B": "up",
    "lora_A.bias": "down_bias",
    "lora_B.bias": "up_bias",
    "lora_embedding_A": "embedding_a",
    "lora_embedding_B": "embedding_b",
    "alpha": "alpha",
    "scale": "scale",
    "dora_scale": "dora_scale",
    "lora_magnitude_vector": "magnitude_vector",
    "lora_magnitude_vector.weight": "magnitude_vector",
    "magnitude": "magnitude",
    **{role: role for role in (
        "hada_w1_a", "hada_w1_b", "hada_w2_a", "hada_w2_b", "hada_t1", "hada_t2",
        "lokr_w1", "lokr_w1_a", "lokr_w1_b", "lokr_w2", "lokr_w2_a", "lokr_w2_b",
        "lokr_t1", "lokr_t2", "oft_blocks", "oft_diag", "rescale", "on_input", "ia3_l",
        "diff", "diff_b", "set_weight", "reshape_weight", "w_norm", "b_norm",
        "bias_indices", "bias_values", "bias_size", "bias",
    )},
    "oft_R": "oft_r",
    "oft_R.weight": "oft_r",
    "oft_R.scaled_oft": "scale",
    "boft_R": "boft_r",
    "boft_s": "boft_s",
    **{f"{factor}.weight": factor for factor in ("a1", "a2", "b1", "b2", "bm")},
    "weight": "ia3_weight",
}
"""Tail of a key to role. `weight` and `bias` are weak: only their neighbours make them a role."""

WEAK_ROLES = frozenset({"ia3_weight", "bias", "alpha", "scale"})
"""Roles whose tails any model file may carry; alone they do not make a file a network."""

ADAPTED = frozenset({
    "lora_A", "lora_B", "lora_embedding_A", "lora_embedding_B", "lora_magnitude_vector",
    "hada_w1_a", "hada_w1_b", "hada_w2_a", "hada_w2_b", "hada_t1", "hada_t2",
    "lokr_w1", "lokr_w1_a", "lokr_w1_b", "lokr_w2", "lokr_w2_a", "lokr_w2_b",
    "lokr_t1", "lokr_t2", "oft_R", "boft_R", "boft_s", "ia3_l",
})
"""PEFT parameters; one more segment after them is the name of the adapter."""

_ENDS = frozenset({"weight", "bias", "scaled_oft"})
_SIDE_TAILS = {"up.weight": "up", "down.weight": "down", "mid.weight": "mid"}
_UNDERSCORE_LORA = re.compile(r"^(.*)_lora(\d?)$", re.DOTALL)


def split_key(key: str) -> tuple[str, str] | None:
    """(stem, role) of a key, or None where the end is no known suffix.

    A stem that was cut at `_lora` plus a digit (XLabs) keeps the digit as `#1`.
    """
    head, _, last = key.rpartition(".")
    if not head:
        return None
    head2, _, middle = head.rpartition(".")
    head3, _, third = head2.rpartition(".")
    if middle in ADAPTED and last not in _ENDS:  # boft_R.default
        return head2, ROLES[middle]
    if third in ADAPTED and last in _ENDS:  # lora_A.default.weight
        tail = f"{third}.{last}"
        return head3, ROLES.get(tail) or ROLES[third]
    return _by_tail(head, head2, head3, (last, middle, third))


def _by_tail(head: str, head2: str, head3: str, ends: tuple[str, str, str]) -> (
    tuple[str, str] | None
):
    last, middle, third = ends
    tail2 = f"{middle}.{last}"
    role = ROLES.get(f"{third}.{tail2}")
    if role is not None:
        return head3, role
    role = ROLES.get(tail2)
    if role is not None:
        return head2, role
    side = _SIDE_TAILS.get(tail2)
    if side is not None:
        found = _UNDERSCORE_LORA.match(head2)
        if found:
            return found[1] + (f"#{found[2]}" if found[2] else ""), side
    role = ROLES.get(last)
    if role is None:
        return None
    # Early ai-toolkit files write `..._to_k_.alpha` (ComfyUI issue 4347).
    return (head[:-1] if role == "alpha" and head.endswith("_") else head), role
