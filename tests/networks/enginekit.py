"""A small model of real torch layers and networks for it, for the tests of the engine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from loradex.keys.architecture import Architecture, Builder, Region
from loradex.keys.parse import ParsedFile
from loradex.keys.targets import FileModule, Rows
from loradex.networks.model import BoundComponent, BoundModel
from loradex.networks.network import Fault, LoadedModule, Network
from loradex.networks.types import ModuleHints, build_module
from torch import Tensor, nn

Parts = Mapping[str, Tensor]


class Toy(nn.Module):
    """Linear, bias-less linear, 3x3 and 1x1 convolution, norm and a fused projection."""

    def __init__(self) -> None:
        super().__init__()
        self.proj = nn.Linear(24, 16)
        self.bare = nn.Linear(16, 16, bias=False)
        self.conv = nn.Conv2d(4, 8, 3)
        self.point = nn.Conv2d(8, 6, 1)
        self.norm = nn.LayerNorm(16)
        self.qkv = nn.Linear(12, 30)
        self.alone = nn.Linear(7, 5)


class ToyText(nn.Module):
    """The text encoder of the toy: two linear layers."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(10, 10)
        self.second = nn.Linear(10, 14)


def toy_model(dtype: torch.dtype = torch.float32, *, seed: int = 0) -> BoundModel:
    torch.manual_seed(seed)
    denoiser, text = Toy().to(dtype), ToyText().to(dtype)
    return BoundModel(
        {
            "unet": BoundComponent("unet", denoiser, _denoiser(), "native"),
            "te": BoundComponent("te", text, _text(), "native"),
        },
        "the toy",
    )


def _denoiser() -> Architecture:
    out = Builder()
    out.linear("proj", "proj", 16, 24)
    out.linear("bare", "bare", 16, 16, bias=False)
    out.conv("conv", "conv", 8, 4)
    out.conv("point", "point", 6, 8, 1)
    out.norm("norm", "norm", 16)
    for index, name in enumerate(("to_q", "to_k", "to_v")):
        rows = Rows(10 * index, 10 * index + 10)
        out.linear(name, Region("qkv", rows), 10, 12)
    out.linear("alone", "alone", 5, 7)
    return Architecture("toy", "denoiser", tuple(out.leaves))


def _text() -> Architecture:
    out = Builder()
    out.linear("first", "first", 10, 10)
    out.linear("second", "second", 14, 10)
    return Architecture("toy-text", "te", tuple(out.leaves))


SHAPES: Mapping[str, tuple[int, ...]] = {
    "denoiser.proj": (16, 24), "denoiser.bare": (16, 16), "denoiser.conv": (8, 4, 3, 3),
    "denoiser.point": (6, 8, 1, 1), "denoiser.to_q": (10, 12), "denoiser.to_v": (10, 12),
    "denoiser.qkv": (30, 12), "te.first": (10, 10), "te.second": (14, 10),
}


def lora_parts(shape: Sequence[int], rank: int = 4, seed: int = 0, scale: float = 0.1) -> Parts:
    """up and down of a LoRA or LoCon on a weight of this shape."""
    random = torch.Generator().manual_seed(seed)
    kernel = shape[2:]
    up = torch.randn(shape[0], rank, *(1 for _ in kernel), generator=random) * scale
    down = torch.randn(rank, shape[1], *kernel, generator=random) * scale
    return {"up": up, "down": down, "alpha": torch.tensor(rank / 2.0)}


def lora(id_: str, *names: str, rank: int = 4, seed: int = 0) -> Network:
    """A LoRA on these modules of the toy."""
    parts = {name: lora_parts(SHAPES[name], rank, seed + i) for i, name in enumerate(names)}
    return network(id_, parts)


def network(
    id_: str, modules: Mapping[str, Parts], *, mtime_ns: int = 1,
    faults: tuple[Fault, ...] = (), unknown: tuple[str, ...] = (),
    hints: ModuleHints | None = None,
) -> Network:
    """A network of real types from tensors by `component.module` and role."""
    loaded: list[LoadedModule] = []
    for name, parts in modules.items():
        component, _, module = name.partition(".")
        found = FileModule(component, module, "kohya", {role: f"{name}.{role}" for role in parts})
        loaded.append(LoadedModule(found, build_module(parts, hints or ModuleHints(id_, module))))
    parsed = ParsedFile(tuple(one.file_module for one in loaded), {}, unknown)
    return Network(
        id=id_, name=Path(id_).stem, path=Path(id_), size=1, mtime_ns=mtime_ns,
        modules=tuple(loaded), faults=faults, parsed=parsed, metadata={},
        shapes={
            f"{name}.{role}": tuple(tensor.shape)
            for name, parts in modules.items() for role, tensor in parts.items()
        },
    )


def parameter(model: BoundModel, name: str) -> nn.Parameter:
    """`unet.proj.weight`"""
    component, _, path = name.partition(".")
    module, _, attribute = path.rpartition(".")
    found = model.components[component].root.get_submodule(module)
    result: nn.Parameter = getattr(found, attribute)
    return result


def bits(tensor: Tensor) -> Tensor:
    """The tensor's bits, so that -0.0 and 0.0 and two NaNs can be told apart; a copy."""
    width = {2: torch.int16, 4: torch.int32, 8: torch.int64}[tensor.element_size()]
    return tensor.detach().clone().contiguous().view(width)


def snapshot(model: BoundModel) -> dict[str, Tensor]:
    """The bits of every parameter."""
    return {
        f"{name}.{key}": bits(value)
        for name, part in model.components.items()
        for key, value in part.root.named_parameters()
    }


def assert_same_bits(found: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> None:
    assert found.keys() == expected.keys()
    wrong = [name for name in expected if not torch.equal(found[name], expected[name])]
    assert not wrong, f"other bits in {wrong}"


CALLS = {
    "unet": {"proj": (24,), "bare": (16,), "conv": (4, 5, 5), "point": (8, 3, 3), "norm": (16,),
             "qkv": (12,), "alone": (7,)},
    "te": {"first": (10,), "second": (10,)},
}


def call(model: BoundModel, *names: str) -> None:
    """Layers of the toy are called with nothing to compute, all of them or these."""
    for part, layers in CALLS.items():
        for layer, size in layers.items():
            if not names or layer in names:
                module = model.components[part].root.get_submodule(layer)
                weight = next(module.parameters())
                module(torch.zeros(0, *size, dtype=weight.dtype, device=weight.device))
