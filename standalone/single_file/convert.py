"""Builds a diffusers or transformers module out of a checkpoint's tensors."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from loradex.errors import FileError
from loradex.keys.architecture import Leaf, Region

if TYPE_CHECKING:
    import torch

Tensors = dict[str, "torch.Tensor"]


def native_keys(leaves: Iterable[Leaf], prefix: str) -> set[str]:
    """The file's keys that the leaves are made of."""
    keys = set()
    for leaf in leaves:
        keys.add(prefix + leaf.native.key)
        if leaf.bias:
            keys.add(prefix + bias_key(leaf.native))
    return keys


def bias_key(region: Region) -> str:
    """`attn.in_proj_weight` has `attn.in_proj_bias` beside it, everything else `.bias`."""
    parameter = region.parameter.removesuffix("weight") + "bias"
    return f"{region.module}.{parameter}"


def state_dict(
    subject: str, leaves: Iterable[Leaf], prefix: str, tensors: Tensors, dtype: torch.dtype
) -> Tensors:
    """The leaves under their diffusers names, in `dtype`."""
    found: Tensors = {}
    for leaf in leaves:
        weight = _cut(_take(subject, tensors, prefix + leaf.native.key), leaf.native)
        found[leaf.diffusers.key] = _fit(subject, prefix, leaf, weight).to(dtype)
        if leaf.bias:
            bias = _take(subject, tensors, prefix + bias_key(leaf.native))
            rows = leaf.native.rows
            bias = bias[rows.start:rows.stop] if rows else bias
            found[f"{leaf.diffusers.module}.bias"] = bias.to(dtype)
    return found


def _take(subject: str, tensors: Tensors, key: str) -> torch.Tensor:
    if key not in tensors:
        raise FileError(subject, f"lacks {key}", "a whole checkpoint", "Download it again.",
                        code="checkpoint")
    return tensors[key]


def _cut(weight: torch.Tensor, region: Region) -> torch.Tensor:
    if region.transposed:
        weight = weight.T
    return weight[region.rows.start:region.rows.stop] if region.rows else weight


def _fit(subject: str, prefix: str, leaf: Leaf, weight: torch.Tensor) -> torch.Tensor:
    """The weight in the leaf's shape: 1x1 convolutions and linears hold the same numbers."""
    shape, given = leaf.shape, tuple(weight.shape)
    if given == shape:
        return weight.contiguous()
    if given[:2] == shape[:2] and {*given[2:], *shape[2:]} == {1}:
        return weight.reshape(shape).contiguous()
    raise FileError(subject, f"{prefix}{leaf.native.key} has the shape {list(given)}",
                    f"{list(shape)}", "The file is damaged or of a kind that is not known.",
                    code="checkpoint")


def build(make: Callable[[], Any], state: Tensors) -> Any:
    """The module that `make` constructs, with `state` as its very weights: no copy, no random
    numbers first."""
    from accelerate import init_empty_weights

    # Buffers are computed by the constructor and are not in the file, so they are made for real.
    with init_empty_weights(include_buffers=False):
        module = make()
    own = module.state_dict().keys()
    module.load_state_dict({_own_name(key, own): t for key, t in state.items()}, assign=True)
    return module.requires_grad_(False).eval()


def _own_name(key: str, own: Any) -> str:
    """transformers 5 dropped the `text_model.` level of `CLIPTextModel`."""
    return key if key in own else key.removeprefix("text_model.")
