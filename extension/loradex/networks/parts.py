"""The tensors of one trained module by role, taken one by one and checked as they are taken."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from loradex.errors import BrokenNetworkError

Shape = tuple[int, ...]

DAMAGED = "The file is damaged or was cut by a tool: fetch it again or ask its author."


@dataclass(frozen=True)
class ModuleHints:
    """What is known of a module beside its tensors; every field may be left out.

    `subject` (a file name) and `name` (a module's name) go into messages.
    `alpha`, `rank` and `use_rslora` come from a PEFT configuration (`lora_adapter_metadata`,
    `adapter_config.json`) and count only where the file stores no `.alpha` itself.
    `weight_shape` is the shape of the weight that the module will be applied to.
    `wd_on_output` tells the axis of a 1-D `dora_scale` on a square weight.
    `oft_neumann_terms` is PEFT's `num_cayley_neumann_terms`; 0 means the exact Cayley map.
    """

    subject: str = "network"
    name: str = "module"
    alpha: float | None = None
    rank: int | None = None
    use_rslora: bool = False
    weight_shape: Shape | None = None
    wd_on_output: bool | None = None
    oft_neumann_terms: int | None = None

    def broken(
        self, found: str, expected: str = "", next_step: str = DAMAGED
    ) -> BrokenNetworkError:
        """The error that names this file and module."""
        return BrokenNetworkError(self.subject, f"{self.name}: {found}", expected, next_step)


class Parts:
    """A module's tensors; whatever is taken is checked to be finite, the rest is left over."""

    def __init__(self, tensors: Mapping[str, Tensor], hints: ModuleHints) -> None:
        self.tensors = {role: tensor.detach() for role, tensor in tensors.items()}
        self.hints = hints
        self.notes: list[str] = []
        self._taken: set[str] = set()

    def __contains__(self, role: str) -> bool:
        return role in self.tensors

    def note(self, text: str) -> None:
        """Something that a reader of the report should know."""
        self.notes.append(text)

    @property
    def leftover(self) -> tuple[str, ...]:
        """Roles that no type asked for, in the file's order."""
        return tuple(role for role in self.tensors if role not in self._taken)

    def optional(self, role: str) -> Tensor | None:
        """The tensor of a role, or `None`; not finite raises."""
        tensor = self.tensors.get(role)
        if tensor is None:
            return None
        self._taken.add(role)
        if not is_finite(tensor):
            raise self.hints.broken(f"'{role}' has values that are not finite", "finite numbers")
        return tensor

    def take(self, role: str) -> Tensor:
        """The tensor of a role that must be there."""
        tensor = self.optional(role)
        if tensor is None:
            have = ", ".join(self.tensors) or "nothing"
            raise self.hints.broken(f"'{role}' is missing beside {have}", f"'{role}' as well")
        return tensor

    def of_rank(self, role: str, *dims: int) -> Tensor:
        """The tensor of a role that must have one of the given numbers of dimensions."""
        tensor = self.take(role)
        if tensor.dim() not in dims:
            allowed = " or ".join(str(n) for n in dims)
            raise self.hints.broken(
                f"'{role}' has the shape {show(tensor.shape)}", f"{allowed} dimensions"
            )
        return tensor

    def pointwise(self, role: str) -> Tensor:
        """A factor without a kernel, [a, b] or [a, b, 1, 1], as [a, b]."""
        tensor = self.of_rank(role, 2, 3, 4, 5)
        if any(n != 1 for n in tensor.shape[2:]):
            raise self.hints.broken(
                f"'{role}' has the shape {show(tensor.shape)}", "a kernel of 1 in this factor"
            )
        return tensor.reshape(tensor.shape[0], tensor.shape[1])

    def vector(self, role: str, length: int) -> Tensor | None:
        """The tensor of a role as [length], or `None` where there is none."""
        tensor = self.optional(role)
        if tensor is None:
            return None
        if tensor.numel() != length:
            raise self.hints.broken(f"'{role}' is {show(tensor.shape)}", f"{length} values")
        return tensor.reshape(length)

    def scalar(self, role: str) -> float | None:
        """The number in a 0-d or one-element tensor of any dtype."""
        tensor = self.optional(role)
        if tensor is None:
            return None
        if tensor.numel() != 1:
            raise self.hints.broken(f"'{role}' has the shape {show(tensor.shape)}", "one number")
        return float(tensor.to(torch.float32))

    def scale(self, rank: int) -> float:
        """alpha / rank; `.scale` overrides it, and 1 where nothing tells an alpha."""
        if rank < 1:
            raise self.hints.broken("a factor of rank 0", "a rank of 1 or more")
        override = self.scalar("scale")
        stored = self.scalar("alpha")
        if override is not None:
            return override
        if stored is not None:
            # rs-LoRA files of LyCORIS store alpha * r / sqrt(r), so alpha / r is right for them too
            return self._with_note(stored / rank)
        if self.hints.alpha is None:
            return 1.0
        return self.hints.alpha / (math.sqrt(rank) if self.hints.use_rslora else rank)

    def _with_note(self, scale: float) -> float:
        if scale == 0:
            self.note("alpha is 0, so this module has no effect")
        return scale


def is_finite(tensor: Tensor) -> bool:
    """Whether every element is finite, in one pass: a sum keeps any inf or nan."""
    if not (tensor.is_floating_point() or tensor.is_complex()) or tensor.numel() == 0:
        return True
    wide = tensor if tensor.element_size() >= 2 else tensor.to(torch.float32)
    total = wide.sum(dtype=torch.float32 if wide.element_size() < 8 else None)
    if math.isfinite(float(total)):
        return True
    return bool(torch.isfinite(wide).all())  # huge but finite values can overflow the sum


def show(shape: Shape | torch.Size) -> str:
    """A shape as people write it: [320, 768]."""
    return "[" + ", ".join(str(n) for n in shape) + "]"
