"""A layer whose weight is left alone: its networks are computed beside it, on what it is given.

y = layer(x) + sum of strength * up @ (down @ x): two products for any number of networks. For
weights that cannot be merged into (fp8, 4 and 8 bit, GGUF, streamed), and for a batch in which
every image has networks of its own. Nothing of the layer is written: to restore is to unhook.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from loradex.networks.bank import Bank, Term, make_bank, strengths_of, terms_of
from loradex.networks.edits import weight_for_bias
from loradex.networks.merge import delta_of
from loradex.networks.model import Place
from loradex.networks.recipe import Recipe, Step
from loradex.networks.storage import (
    channels_axis,
    is_convolution,
    is_norm,
    readable_bias,
    shape_of,
    values_of,
)

_CONVOLVE = {3: functional.conv1d, 4: functional.conv2d, 5: functional.conv3d}


class Branch:
    """What is computed beside one parameter; `recipes` are one for all images, or one each.

    With several, image i of a batch is row i, i + images ... of what the layer is given: hosts
    stack the negative and the positive prompts of all images one block after another.
    """

    def __init__(self, place: Place) -> None:
        self.place = place
        self.recipes: tuple[Recipe | None, ...] = ()
        self._terms: tuple[Term, ...] = ()
        self._strengths: list[list[float]] = []
        self._bank: Bank | None = None
        self._folded: Tensor | None = None
        self._hook: Any = None

    @property
    def in_place(self) -> bool:
        """Whether the model still has the layer as it was, with our hook on it."""
        if not self.place.in_model or self._hook.id not in self.place.module._forward_hooks:
            return False
        return all(edit.is_current for edit, _ in self._terms)

    @property
    def nbytes(self) -> int:
        """Bytes of the factors on the device."""
        held = () if self._bank is None else (self._bank.up, self._bank.down)
        folded = () if self._folded is None or self._folded in held else (self._folded,)
        return sum(one.numel() * one.element_size() for one in (*held, *folded))

    def show(self, recipes: Sequence[Recipe | None]) -> bool:
        """From the next call on the layer's output is that of these recipes; whether that is new.
        """
        recipes = tuple(recipes)
        if _keys(recipes) == _keys(self.recipes):
            return False
        terms = terms_of(recipes)
        if [(id(edit), dyn) for edit, dyn in terms] != [(id(e), dyn) for e, dyn in self._terms]:
            self._bank = None
        self.recipes, self._terms, self._folded = recipes, terms, None
        self._strengths = strengths_of(recipes, terms)
        if self._hook is None:
            self._hook = self.place.module.register_forward_hook(self._beside, with_kwargs=True)
        return True

    def restore(self) -> None:
        """The layer alone again; nothing of it was changed."""
        if self._hook is not None:
            self._hook.remove()
        self.recipes, self._terms, self._hook = (), (), None
        self._bank = self._folded = None

    def _beside(
        self, module: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any], output: Tensor
    ) -> Tensor:
        given: Tensor = args[0] if args else next(iter(kwargs.values()))
        if self._terms[0][0].is_bias:
            return self._with_bias(module, output)
        given = given.to(device=output.device, dtype=output.dtype)
        bank = self._bank_for(module, output)
        if any(bank.ranks):
            add = self._convolved if is_convolution(module) else self._multiplied
            output = add(module, bank, given, output)
        return output if all(bank.ranks) else self._dense(module, bank, given, output)

    def _bank_for(self, module: nn.Module, output: Tensor) -> Bank:
        """The factors in the dtype and on the device of the output, made when they are needed."""
        bank = self._bank
        if bank is None or (bank.up.device, bank.up.dtype) != (output.device, output.dtype):
            parameter = self.place.parameter
            assert parameter is not None
            # A norm scales; each group of a grouped convolution sees a part of the input only.
            whole = getattr(module, "groups", 1) == 1 and not is_norm(module)
            with torch.inference_mode(False), torch.no_grad():
                bank = make_bank(self._terms, shape_of(parameter), output, factored=whole)
            self._bank, self._folded = bank, None
        return bank

    def _up(self, bank: Bank) -> Tensor:
        """up with the strengths, which are the same for all images."""
        if self._folded is None:
            with torch.inference_mode(False), torch.no_grad():
                self._folded = bank.scaled_up(self._strengths[0])
        return self._folded

    def _multiplied(self, _: nn.Module, bank: Bank, given: Tensor, output: Tensor) -> Tensor:
        """output [..., out] + up @ (down @ given [..., in])."""
        inner = functional.linear(given, bank.down)
        up = bank.up
        if len(self.recipes) == 1:
            up = self._up(bank)
        else:
            inner = self._per_image(bank, inner, -1)
        rows = output.reshape(-1, output.shape[-1])
        total = torch.addmm(rows, inner.reshape(-1, inner.shape[-1]), up.t())
        return total.to(output.dtype).view_as(output)

    def _convolved(
        self, module: Any, bank: Bank, given: Tensor, output: Tensor
    ) -> Tensor:
        """output [images, out, *size] + up applied to given convolved with down."""
        kernel = module.kernel_size
        down = bank.down.view(bank.down.shape[0], -1, *kernel)
        inner = module._conv_forward(given, down, None)
        up = bank.up
        if len(self.recipes) == 1:
            up = self._up(bank)
        else:
            inner = self._per_image(bank, inner, 1)
        pointwise = up.view(*up.shape, *(1 for _ in kernel))
        return (output + _CONVOLVE[given.dim()](inner, pointwise)).to(output.dtype)

    def _per_image(self, bank: Bank, inner: Tensor, axis: int) -> Tensor:
        """inner with the R values of each image times its strengths, R being dimension `axis`."""
        scales = bank.scales(self._strengths)
        repeats = self._repeats(inner.shape[0])
        shape = [1] * inner.dim()
        shape[0], shape[axis] = inner.shape[0], inner.shape[axis]
        return (inner * scales.repeat(repeats, 1).view(shape)).to(inner.dtype)

    def _repeats(self, rows: int) -> int:
        images = len(self.recipes)
        if rows % images:
            raise ValueError(
                f"{'.'.join(self.place.key)} was given a batch of {rows}, which is no multiple "
                f"of the {images} images whose networks differ")
        return rows // images

    def _dense(
        self, module: nn.Module, bank: Bank, given: Tensor, output: Tensor
    ) -> Tensor:
        """Types without factors: the whole delta is made for the call and let go."""
        steps = [() if one is None else bank.left_out(one, self._terms) for one in self.recipes]
        if len(steps) == 1:
            return output + self._of_delta(module, given, steps[0], output)
        self._repeats(output.shape[0])
        total = output.clone()
        images = len(steps)
        for index, own in enumerate(steps):
            if own:
                part = given[index::images]
                total[index::images] += self._of_delta(module, part, own, output)
        return total

    def _of_delta(
        self, module: Any, given: Tensor, steps: Sequence[Step], output: Tensor
    ) -> Tensor:
        """What the whole delta of these steps makes of the input."""
        parameter = self.place.parameter
        assert parameter is not None
        needed = any(step.edit.codec.weight_dependent for step in steps)
        weight = values_of(module, parameter) if needed else None
        if weight is None:
            weight = torch.zeros(shape_of(parameter), device=output.device)
        with torch.no_grad():
            delta = delta_of(weight.to(output.device), steps).to(output.dtype)
        if is_convolution(module):
            found: Tensor = module._conv_forward(given, delta, None)
            return found
        if isinstance(module, nn.GroupNorm):
            return functional.group_norm(given, module.num_groups, delta, None, module.eps)
        if isinstance(module, nn.LayerNorm):
            return functional.layer_norm(given, module.normalized_shape, delta, None, module.eps)
        return functional.linear(given, delta.view(delta.shape[0], -1))

    def _with_bias(self, module: nn.Module, output: Tensor) -> Tensor:
        """output + the changes of the bias [out] along the channels."""
        rows = [self._bias_of(recipe, output) for recipe in self.recipes]
        axis = channels_axis(module, output)
        shape = [1] * output.dim()
        shape[axis] = output.shape[axis]
        if len(rows) == 1:
            return (output + rows[0].view(shape)).to(output.dtype)
        shape[0] = output.shape[0]
        spread = torch.stack(rows).repeat(self._repeats(output.shape[0]), 1)
        return (output + spread.view(shape)).to(output.dtype)

    def _bias_of(self, recipe: Recipe | None, output: Tensor) -> Tensor:
        """The change [out] of the bias, fp32."""
        channels = output.shape[channels_axis(self.place.module, output)]
        total = torch.zeros(channels, device=output.device)
        bias = self.place.parameter
        old = None if bias is None else readable_bias(bias).to(output.device)
        for step in recipe.steps if recipe is not None else ():
            rows = step.edit.rows
            cut = slice(None) if rows is None else slice(rows.start, rows.stop)
            weight = weight_for_bias(step.edit.weight, step.edit.codec, total)[cut]
            delta = step.edit.codec.bias_delta(None if old is None else old[cut], weight)
            if delta is not None:
                total[cut].add_(delta, alpha=step.strength)
        return total


def _keys(recipes: Sequence[Recipe | None]) -> list[object]:
    """Equal keys compute the same."""
    return [None if recipe is None else recipe.key for recipe in recipes]
