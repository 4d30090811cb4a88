"""Real torch modules under the names of a derived table: models as the WebUIs hold them."""

from __future__ import annotations

import torch
from loradex.keys.architecture import Architecture, ModuleShape
from loradex.keys.targets import Kind, Tree
from torch import nn

_CONVOLUTIONS = {4: nn.Conv2d, 5: nn.Conv3d}


class Scale(nn.Module):
    """A norm that keeps one vector under a name of its own, as Black Forest Labs' do."""

    def __init__(self, name: str, size: int) -> None:
        super().__init__()
        self.register_parameter(name, nn.Parameter(torch.ones(size)))


class EmbeddingsWithFixes(nn.Module):
    """What AUTOMATIC1111 puts around a token embedding, for textual inversion."""

    def __init__(self, wrapped: nn.Module) -> None:
        super().__init__()
        self.wrapped = wrapped


def build_native(
    architecture: Architecture, tree: Tree = "native", device: str = "cpu"
) -> nn.Module:
    """Every module of the table in nested containers; `device="meta"` takes no memory."""
    root = nn.Module()
    with torch.device(device):
        for name, found in sorted(architecture.modules(tree).items()):
            if not found.parameter:
                parent, _, parameter = name.rpartition(".")
                _at(root, parent).register_parameter(
                    parameter, nn.Parameter(torch.randn(found.weight) * 0.02))
            elif not _has(root, name):
                parent, _, child = name.rpartition(".")
                _at(root, parent).add_module(child, _module(name, found))
    return root.eval()


def wrap_token_embedding(root: nn.Module) -> None:
    """Does to a text encoder what AUTOMATIC1111's textual inversion does to it."""
    for name, module in list(root.named_modules()):
        if name.rpartition(".")[2] == "token_embedding":
            parent, _, child = name.rpartition(".")
            setattr(_at(root, parent), child, EmbeddingsWithFixes(module))


def _at(root: nn.Module, path: str) -> nn.Module:
    """The module at a path; containers on the way are made."""
    here = root
    for name in path.split(".") if path else ():
        if name not in here._modules:
            here.add_module(name, nn.Module())
        here = here.get_submodule(name)
    return here


def _has(root: nn.Module, path: str) -> bool:
    """Whether something is there already: the output of a MultiheadAttention is its own."""
    try:
        return bool(list(root.get_submodule(path).parameters(recurse=False)))
    except AttributeError:
        return False


def _module(name: str, found: ModuleShape) -> nn.Module:
    shape = found.weight
    if found.parameter == "in_proj_weight":
        return nn.MultiheadAttention(shape[1], 1)
    if found.parameter != "weight":
        return Scale(found.parameter, shape[0])
    if found.kind is Kind.EMBEDDING:
        return nn.Embedding(*shape)
    if found.kind is Kind.NORM:
        return _norm(name, shape[0], found.bias)
    if found.kind is Kind.CONV:
        kernel = shape[2:]
        return _CONVOLUTIONS[len(shape)](
            shape[1], shape[0], kernel, padding=tuple(one // 2 for one in kernel),
            bias=found.bias)
    return nn.Linear(shape[1], shape[0], bias=found.bias)


def _norm(name: str, size: int, bias: bool) -> nn.Module:
    """A UNet's blocks have GroupNorms, everything else LayerNorms or RMSNorms."""
    if not bias:
        return Scale("weight", size)
    if name.endswith((".in_layers.0", ".out_layers.0", ".norm", "out.0")):
        return nn.GroupNorm(next(n for n in (32, 8, 4, 2, 1) if size % n == 0), size)
    return nn.LayerNorm(size)
