"""One module's delta on one parameter: where it goes, which rows, and whether it fits there."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from loradex.keys.targets import Rows, Shape, Target
from loradex.networks.base import Factors, NetworkModule
from loradex.networks.model import Place
from loradex.networks.network import Stamp
from loradex.networks.storage import readable_bias, shape_of, unmergeable, values_of

_MOST_FACTORS = 2
"""How many cuts (`dyn`), devices or types of one edit are kept: most are copies of their own."""

Key = tuple[Stamp, str, str, tuple[int, int], str]
"""Network, its module, the model's module, rows, and what of it is written; keys sort."""


@dataclass(frozen=True, eq=False)
class Edit:
    """One module's delta on one parameter.

    `rows` are the parameter's rows that are written (`None`: all); `codec` is cut to exactly
    these rows. `columns` is the number of input channels that the delta has where the weight has
    more; `transposed` tells that the parameter is stored as [in, out].
    """

    key: Key
    """What this edit is, whatever its strength: equal keys give equal deltas."""
    place: Place
    weight: Place
    codec: NetworkModule
    rows: Rows | None = None
    is_bias: bool = False
    transposed: bool = False
    columns: int | None = None
    beside: bool = False
    """The parameter is left alone, and the delta computed beside its layer."""
    _factors: dict[tuple[int | None, torch.device, torch.dtype], Factors | None] = field(
        default_factory=dict, repr=False
    )
    _kept: list[int] = field(default_factory=lambda: [0], repr=False)
    """Bytes of the factors: summed over thousands of edits after each run, so never made anew."""

    _seen: tuple[torch.dtype, torch.Size] | None = None
    """The weight as it was when its fit was decided."""

    @property
    def is_current(self) -> bool:
        """Whether the model still has there what the edit was made for."""
        weight = self.weight.parameter
        if weight is None or not self.place.in_model:
            return False
        return self._seen is None or (weight.dtype, weight.shape) == self._seen

    @property
    def stamp(self) -> Stamp:
        return self.key[0]

    @property
    def component(self) -> str:
        return self.place.component

    def factors(
        self, dyn_dim: int | None, device: torch.device, dtype: torch.dtype
    ) -> Factors | None:
        """The codec's factors there, made once; a 16-bit `dtype` has those of its files only."""
        known = (dyn_dim, device, dtype)
        if known not in self._factors:
            while len(self._factors) >= _MOST_FACTORS:
                del self._factors[next(iter(self._factors))]
            self._factors[known] = self._made(dyn_dim, device, dtype)
            self._kept[0] = sum(_own_bytes(one) for one in self._factors.values())
        return self._factors[known]

    def _made(
        self, dyn_dim: int | None, device: torch.device, dtype: torch.dtype
    ) -> Factors | None:
        if self.columns or self.transposed:
            return None
        if dtype == torch.float32:
            pair = self.codec.factors(dyn_dim)
            return None if pair is None else Factors(pair[0].to(device), pair[1].to(device))
        stored = self.codec.stored_factors(dyn_dim)
        if stored is None or not stored.up.dtype == stored.down.dtype == dtype:
            return None
        return Factors(stored.up.to(device), stored.down.to(device), stored.scale)

    @property
    def factor_bytes(self) -> int:
        """Bytes of the factors that are kept."""
        return self._kept[0]


def _own_bytes(factors: Factors | None) -> int:
    """What is kept beside the file's own tensors, which are counted with the network."""
    if factors is None:
        return 0
    borrowed = factors.up.dtype != torch.float32 and factors.up.device.type == "cpu"
    return 0 if borrowed else factors.nbytes


class MisfitError(Exception):
    """A delta has another shape than the weight it is for."""

    def __init__(self, delta: Shape, weight: Shape) -> None:
        super().__init__(delta, weight)
        self.delta, self.weight = delta, weight


def edits_of(
    codec: NetworkModule, target: Target, weight: Place, bias: Place | None,
    source: tuple[Stamp, str],
) -> list[Edit]:
    """The edits of one target; `MisfitError` where the delta has another shape than the weight."""
    region = _region(weight, target)
    order = (*source, target.module, _span(target.rows))
    found: list[Edit] = []
    parameter = weight.parameter
    seen = None if parameter is None else (parameter.dtype, parameter.shape)
    beside = parameter is not None and bool(unmergeable(parameter))
    if codec.writes_weight:
        columns = None
        if not codec.fits(region):
            columns = _inpainting(codec, region, target)
            if columns is None:
                raise MisfitError(codec.shape, region)
        found.append(
            Edit((*order, "weight"), weight, weight, codec, target.rows,
                 transposed=target.transposed, columns=columns, beside=beside, _seen=seen)
        )
    if codec.writes_bias and _changes_bias(codec, target, weight, bias):
        assert bias is not None
        old = bias.parameter
        beside = beside or (old is not None and bool(unmergeable(old)))
        found.append(
            Edit((*order, "bias"), bias, weight, codec, target.rows, is_bias=True,
                 transposed=target.transposed, beside=beside, _seen=seen)
        )
    return found


def weight_for_bias(place: Place, codec: NetworkModule, like: Tensor) -> Tensor:
    """The weight [out, in, *kernel] beside a bias whose change is asked for.

    Only types that depend on it read it: for the others one column of zeros stands for it, which
    needs no memory and no way to unpack a weight.
    """
    parameter = place.parameter
    assert parameter is not None
    values: Tensor | None = None
    if codec.weight_dependent:
        plain = not unmergeable(parameter)
        values = parameter.data if plain else values_of(place.module, parameter)
    return like.new_zeros(shape_of(parameter)[0], 1) if values is None else values


def _changes_bias(
    codec: NetworkModule, target: Target, weight: Place, bias: Place | None
) -> bool:
    """Whether there is a change of the bias, and of which length: only the codec can tell."""
    current = None if bias is None else bias.parameter
    old = None if current is None else _cut(readable_bias(current), target.rows)
    delta = codec.bias_delta(old, _weight_rows(weight, codec, target))
    if delta is None:
        return False
    length = _region(weight, target)[0]
    if bias is None or tuple(delta.shape) != (length,):
        raise MisfitError(tuple(delta.shape), () if bias is None else (length,))
    if current is not None and current.data.is_meta and not bool(delta.isfinite().all()):
        raise codec.hints.broken(
            "it changes the bias by the model's own, which is not in memory", "a bias in memory",
            "Load the checkpoint without offloading it.")
    return True


def _region(place: Place, target: Target) -> Shape:
    """The shape of what is written, as [out, in, *kernel], read off the real parameter."""
    parameter = place.parameter
    assert parameter is not None
    shape = shape_of(parameter)
    if target.transposed:
        shape = shape[::-1]
    if target.rows is None:
        return shape
    if target.rows.stop > shape[0]:
        raise MisfitError(target.shape, shape)
    return (target.rows.count, *shape[1:])


def _inpainting(codec: NetworkModule, region: Shape, target: Target) -> int | None:
    """The delta's 4 input channels where the model's first convolution has 9, else `None`.

    An inpainting UNet is a base UNet with 5 more channels (mask and masked image) behind its 4
    latents, so a delta without them says nothing about them: they keep the base's weights.
    """
    known = target.module.endswith(("conv_in", "input_blocks.0.0"))
    shape = codec.shape
    fits = len(shape) == 4 and shape == (region[0], 4, *region[2:]) and region[1] == 9
    return 4 if known and fits and not codec.weight_dependent else None


def _weight_rows(place: Place, codec: NetworkModule, target: Target) -> Tensor:
    found = weight_for_bias(place, codec, torch.zeros(())).detach().float()
    return _cut(found.t() if target.transposed else found, target.rows)


def _cut(tensor: Tensor, rows: Rows | None) -> Tensor:
    return tensor if rows is None else tensor[rows.start : rows.stop]


def _span(rows: Rows | None) -> tuple[int, int]:
    return (-1, -1) if rows is None else (rows.start, rows.stop)
