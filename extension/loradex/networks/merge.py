"""The arithmetic: live = round_once(base + sum of strength * delta), with bounded scratch memory.

Everything is summed in fp32 (fp64 for fp64 weights). Additive networks with factors become one
product per parameter, however many they are.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

import torch
from torch import Tensor

from loradex.networks.base import Factors, NetworkModule
from loradex.networks.products import joined_factors, local_rows
from loradex.networks.recipe import Step

SCRATCH_BYTES = 4 << 20
"""On a CPU: two blocks of this size stay in the last-level cache."""
GPU_SCRATCH_BYTES = 64 << 20
AUTOCAST_DEVICES = frozenset(("cpu", "cuda", "xpu"))
"""Where torch 2.1 knows autocast; naming another device would raise there."""
REDUCED_SUMS = (
    "allow_fp16_reduced_precision_reduction", "allow_bf16_reduced_precision_reduction",
    "allow_fp16_accumulation",
)
"""torch's switches for sums in 16 bit; the last came with 2.7."""
FP16_OVERFLOW = 65520.0
"""From here on round-to-nearest gives infinity."""

FACTORED = (torch.float32, torch.float16, torch.bfloat16)
"""Weights that products are added to; fp64 takes the general way."""


@dataclass
class Work:
    """What an apply did; tests hold it against what it had to do."""

    slots_rebuilt: int = 0
    slots_restored: int = 0
    slots_waiting: int = 0
    branches_set: int = 0
    bytes_written: int = 0
    gemms: int = 0
    bytes_allocated: int = 0


@dataclass
class Merger:
    """Writes parameters; keeps one block of scratch per device for the length of an apply."""

    work: Work
    _scratch: dict[torch.device, Tensor] = field(default_factory=dict, repr=False)
    _peaks: dict[torch.device, Tensor] = field(default_factory=dict, repr=False)

    def weight(self, base: Tensor, live: Tensor, steps: Sequence[Step]) -> None:
        """live [out, in, *kernel] = base + the deltas of the steps, each on its rows."""
        if steps[0].edit.transposed:
            base, live = base.t(), live.t()
        for start, stop, chosen in segments(base.shape[0], steps):
            if chosen:
                self._rows(base, live, start, stop, chosen)
            else:
                live[start:stop].copy_(base[start:stop])
        self.work.bytes_written += live.nbytes

    def bias(
        self, base: Tensor | None, live: Tensor, weight: Tensor, steps: Sequence[Step]
    ) -> None:
        """live [out] = base + the bias deltas; a layer without a bias gets them alone."""
        if steps[0].edit.transposed:
            weight = weight.t()
        wide = _wide(live.dtype)
        total = torch.zeros(live.shape, dtype=wide, device=live.device)
        for start, stop, chosen in segments(live.shape[0], steps):
            old = None if base is None else base[start:stop].to(wide)
            for step in chosen:
                codec = _codec_of(step, start, stop, live.shape[0])
                delta = codec.bias_delta(old, weight[start:stop].to(wide))
                if delta is not None:
                    total[start:stop].add_(delta, alpha=step.strength)
        self._round(total if base is None else total.add_(base), live)
        self.work.bytes_written += live.numel() * live.element_size()

    def _rows(
        self, base: Tensor, live: Tensor, start: int, stop: int, steps: Sequence[Step]
    ) -> None:
        views = _matrices(base, live)
        factors = None if views is None else joined_factors(steps, start, stop, base)
        if views is None or factors is None:
            self._general(base, live, start, stop, steps)
            return
        flat, out, last = views
        down = _channels_last(factors.down, base) if last else factors.down
        if stop - start < base.shape[0]:
            flat, out = flat[start:stop], out[start:stop]
        self._product(flat, out, Factors(factors.up, down, factors.scale))

    def _product(self, base: Tensor, live: Tensor, factors: Factors) -> None:
        """live = base + scale * up @ down; through fp32 blocks where the types differ."""
        self.work.gemms += 1
        up, down, scale = factors.up, factors.down, factors.scale
        if base.dtype == up.dtype:
            torch.addmm(base, up, down, alpha=scale, out=live)
            if live.dtype == torch.float16:
                self._watch(live, live.dtype)
            return
        for start, stop, block in self._blocks(base):
            block.copy_(base[start:stop])
            block.addmm_(up[start:stop], down, alpha=scale)
            self._round(block, live[start:stop])

    def _general(
        self, base: Tensor, live: Tensor, start: int, stop: int, steps: Sequence[Step]
    ) -> None:
        """Any type: whole deltas of this segment, each from the pristine weight, then one sum."""
        wide = _wide(base.dtype)
        region, out = base[start:stop], live[start:stop]
        weight = region.to(torch.float32).contiguous()
        total: Tensor | None = None
        for step in steps:
            delta, replaces = _delta(step, start, stop, base.shape[0], weight)
            if replaces:
                region = delta
            elif total is None:
                total = delta.to(wide) * step.strength
            else:
                total.add_(delta, alpha=step.strength)
        self._round(region if total is None else total.add_(region), out)

    def _round(self, exact: Tensor, out: Tensor) -> None:
        """The one rounding."""
        self._watch(exact, out.dtype)
        out.copy_(exact)

    def _watch(self, values: Tensor, dtype: torch.dtype) -> None:
        """fp16 alone has so small a range that a sum can leave it."""
        if dtype == torch.float16 and values.numel():
            low, high = torch.aminmax(values)
            peak = torch.maximum(high.float(), low.float().neg())
            known = self._peaks.get(values.device)
            self._peaks[values.device] = peak if known is None else torch.maximum(known, peak)

    def check_range(self) -> None:
        """Raises if an fp16 weight became infinite; one look per apply, since a GPU has to wait."""
        for peak in self._peaks.values():
            if float(peak) >= FP16_OVERFLOW:
                raise OverflowError(f"a weight reached {float(peak):.0f}, above fp16's 65504")

    def _blocks(self, base: Tensor) -> Iterator[tuple[int, int, Tensor]]:
        """Row ranges of a matrix, each with scratch of its shape."""
        rows, columns = base.shape
        limit = GPU_SCRATCH_BYTES if base.is_cuda else SCRATCH_BYTES
        height = min(rows, max(1, limit // (4 * columns)))
        wide = _wide(base.dtype)
        scratch = self._scratch.get(base.device)
        if scratch is None or scratch.numel() < height * columns or scratch.dtype != wide:
            size = max(limit // 4, height * columns)
            scratch = torch.empty(size, dtype=wide, device=base.device)
            self._scratch[base.device] = scratch
        for start in range(0, rows, height):
            stop = min(rows, start + height)
            yield start, stop, scratch[: (stop - start) * columns].view(stop - start, columns)


@contextmanager
def exact_math(device_types: Sequence[str], *, inference: bool = False) -> Iterator[None]:
    """fp32 products in full fp32, whatever a host has switched on, and put back afterwards.

    Hosts call the engine inside autocast and inference mode and with TF32 on. `inference` is for
    weights that are inference tensors; all others are made and written outside of that mode.
    """
    precision = torch.get_float32_matmul_precision()
    with ExitStack() as stack:
        stack.enter_context(torch.inference_mode(inference))
        stack.enter_context(torch.no_grad())
        for kind in set(device_types) & AUTOCAST_DEVICES:
            stack.enter_context(torch.autocast(kind, enabled=False))
        if precision != "highest":
            torch.set_float32_matmul_precision("highest")
            stack.callback(torch.set_float32_matmul_precision, precision)
        if "cuda" in device_types:
            _sum_in_fp32(stack)
        yield


def _sum_in_fp32(stack: ExitStack) -> None:
    """16-bit products of CUDA keep their partial sums in fp32 until the stack is closed."""
    switches = torch.backends.cuda.matmul
    for name in REDUCED_SUMS:
        was = getattr(switches, name, False)
        if was:
            setattr(switches, name, False)
            stack.callback(setattr, switches, name, was)


def segments(out: int, steps: Sequence[Step]) -> Sequence[tuple[int, int, Sequence[Step]]]:
    """Row ranges that together are all rows, each with the steps that write it."""
    for step in steps:
        if step.edit.rows is not None:
            return list(_segments(out, steps))
    return ((0, out, steps),)


def _segments(out: int, steps: Sequence[Step]) -> Iterator[tuple[int, int, list[Step]]]:
    cuts = {0, out}
    for step in steps:
        rows = step.edit.rows
        cuts.update(() if rows is None else (rows.start, rows.stop))
    edges = sorted(cuts)
    for start, stop in itertools.pairwise(edges):
        yield start, stop, [step for step in steps if _covers(step, start, stop)]


def delta_of(weight: Tensor, steps: Sequence[Step]) -> Tensor:
    """The sum of strength * delta of all steps on `weight` [out, in, *kernel] in fp32."""
    total = torch.zeros_like(weight)
    for start, stop, chosen in segments(weight.shape[0], steps):
        region = weight[start:stop].contiguous()
        for step in chosen:
            delta, replaces = _delta(step, start, stop, weight.shape[0], region)
            total[start:stop].add_(delta - region if replaces else delta, alpha=step.strength)
    return total


def _covers(step: Step, start: int, stop: int) -> bool:
    rows = step.edit.rows
    return rows is None or (rows.start <= start and stop <= rows.stop)


def _codec_of(step: Step, start: int, stop: int, out: int) -> NetworkModule:
    """The step's codec, cut to a segment of the parameter's `out` rows where that is a part."""
    first, last = local_rows(step, start, stop)
    rows = step.edit.rows
    whole = out if rows is None else rows.count
    return step.edit.codec if (first, last) == (0, whole) else step.edit.codec.rows(first, last)


def _matrices(base: Tensor, live: Tensor) -> tuple[Tensor, Tensor, bool] | None:
    """Both as [out, in * kernel] without a copy, and whether the kernel comes before `in`."""
    if base.dtype not in FACTORED or base.dim() < 2 or live.stride() != base.stride():
        return None
    if base.is_contiguous():
        if base.dim() == 2:
            return base, live, False
        return base.view(base.shape[0], -1), live.view(base.shape[0], -1), False
    order = (0, *range(2, base.dim()), 1)
    if base.dim() > 2 and base.permute(order).is_contiguous():
        rows = base.shape[0]
        return base.permute(order).view(rows, -1), live.permute(order).view(rows, -1), True
    return None


def _channels_last(down: Tensor, base: Tensor) -> Tensor:
    """down [R, in * kernel] with its columns in the order of a channels-last weight."""
    spread = down.view(down.shape[0], *base.shape[1:])
    return spread.permute(0, *range(2, base.dim()), 1).reshape(down.shape[0], -1)


def _delta(
    step: Step, start: int, stop: int, out: int, weight: Tensor
) -> tuple[Tensor, bool]:
    """The delta of a step on a segment, and whether it is the new weight itself."""
    codec, columns = _codec_of(step, start, stop, out), step.edit.columns
    if codec.replaces:  # from a weight of zeros the delta is the replacement, to the last bit
        return codec.delta(torch.zeros_like(weight), step.dyn_dim), True
    if columns is None:
        return codec.delta(weight, step.dyn_dim), False
    delta = torch.zeros_like(weight)
    delta[:, :columns] = codec.delta(weight[:, :columns].contiguous(), step.dyn_dim)
    return delta, False


def _wide(dtype: torch.dtype) -> torch.dtype:
    return torch.float64 if dtype == torch.float64 else torch.float32
