"""Reads the tensors of a network on demand and tells what a header cannot: NaN, zeros, excess."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, NamedTuple

from loradex.errors import CancelledError
from loradex.files.factor_names import Module, modules_of
from loradex.files.faults import FAULTS, FaultText, Severity
from loradex.files.hashes import changed, stamp
from loradex.files.header import Header, TensorInfo, parse_header, read_head, unreadable
from loradex.files.tensor_values import TensorValues, number_type

_CHUNK_BYTES = 1 << 20
_LARGEST_FP16 = 65504.0
_MOST_ALPHA = 100
"""Times the rank. Trainers offer up to 1 or 2; networks of alpha = rank squared exist."""
_MOST_RMS = 1.0
"""Of a module's change at strength 1. Weights of diffusion models have 0.01 to 0.1."""
_FEWEST_OF_A_HOLE = 3


class Finding(NamedTuple):
    """One thing that the tensors of a file have: how many have it, and one of them by name."""

    code: str
    message: str
    next_step: str
    tensors: int
    example: str

    @property
    def severity(self) -> Severity:
        return FAULTS[self.code].severity

    @property
    def text(self) -> FaultText:
        return FaultText(self.code, self.message, self.next_step)


@dataclass(frozen=True)
class _Values:
    """The values of a file by tensor; alphas are read whole."""

    header: Header
    tensors: Mapping[str, TensorValues]
    alphas: Mapping[str, float]
    modules: tuple[Module, ...]

    def scale(self, module: Module) -> float:
        """alpha / rank; 1 where the file stores no alpha, or none that makes sense."""
        alpha = self.alphas.get(module.alpha, math.nan)
        return alpha / module.rank if module.rank and math.isfinite(alpha) else 1.0


def deep_check(
    path: Path, cancelled: Callable[[], bool] = lambda: False
) -> tuple[Finding, ...]:
    """What is wrong with the values of a network, the worst first; nothing for a sound one.

    Raises:
        FileError: the file cannot be read, or changes while it is read.
        HeaderError: the file has a fault that its header alone tells.
        CancelledError: `cancelled` returned true; it is asked once per MiB.
    """
    try:
        with path.open("rb") as file:
            before = stamp(os.fstat(file.fileno()))
            header = parse_header(*read_head(file), path.name, surplus=True)
            values = _read(file, header, path.name, cancelled)
            after = stamp(os.fstat(file.fileno()))
    except OSError as error:
        raise unreadable(path, error) from error
    if values is None or before != after:
        raise changed(path)
    found = [finding for check in _CHECKS for finding in check(values)]
    return tuple(sorted(found, key=lambda finding: finding.severity))


def _read(
    file: BinaryIO, header: Header, name: str, cancelled: Callable[[], bool]
) -> _Values | None:
    """All values, in the order of the file; None where it ends early."""
    tensors: dict[str, TensorValues] = {}
    alphas: dict[str, float] = {}
    modules = modules_of(header.shapes)
    alpha_names = {module.alpha for module in modules}
    file.seek(header.data_start)
    for info in sorted(header.tensors.values(), key=lambda info: (info.start, info.stop)):
        values = tensors[info.name] = TensorValues()
        left = info.size_bytes
        while left:
            if cancelled():
                raise CancelledError(name, "the check was stopped")
            chunk = file.read(min(left, _CHUNK_BYTES))
            if not chunk:
                return None
            left -= len(chunk)
            _look(info, chunk, values)
            if info.name in alpha_names and info.size_bytes == len(chunk):
                _read_alpha(info, chunk, alphas)
    return _Values(header, tensors, alphas, modules)


def _look(info: TensorInfo, chunk: bytes, values: TensorValues) -> None:
    kind = number_type(info.dtype)
    if kind is not None:
        kind.look(chunk, values, info.size_bytes)
    elif values.zero:
        values.zero = not chunk.strip(b"\0")


def _read_alpha(info: TensorInfo, raw: bytes, alphas: dict[str, float]) -> None:
    kind = number_type(info.dtype)
    if kind is not None and len(raw) == kind.width:
        alphas[info.name] = kind.decode(raw)[0]


def _not_finite(values: _Values) -> Iterator[Finding]:
    bad = [
        name for name, seen in values.tensors.items()
        if seen.not_finite and name not in values.alphas
    ]  # fmt: skip
    yield from _finding("not-finite", "hold NaN or infinite values", bad, len(values.tensors))


def _holes(values: _Values) -> Iterator[Finding]:
    """Zeros up to the end of the file, over tensors that no training leaves at zero."""
    order = sorted(values.header.tensors.values(), key=lambda info: (info.start, info.stop))
    filled = [info for info in order if info.size_bytes]
    tail: list[str] = []
    while filled and values.tensors[filled[-1].name].zero:
        tail.append(filled.pop().name)
    downs = {name for module in values.modules for name in (*module.downs, module.alpha)}
    if filled and len(tail) >= _FEWEST_OF_A_HOLE and downs & set(tail):
        words = "are zero, one after the other up to the end of the file"
        yield from _finding("zero-tail", words, tail[::-1], len(order))


def _dead(values: _Values) -> Iterator[Finding]:
    """A module with a factor of zeros changes nothing."""
    dead = [
        name for module in values.modules
        for name in [_zero_factor(module, values)] if name
    ]  # fmt: skip
    count = len(values.modules)
    if dead and len(dead) == count:
        yield _told("no-effect", f"All {count:,} modules have a matrix of zeros", dead)
    elif dead:
        yield _told("zero-up", f"{len(dead):,} of {count:,} modules have a matrix of zeros", dead)


def _zero_factor(module: Module, values: _Values) -> str:
    return next((name for name in module.factors if values.tensors[name].zero), "")


def _alphas(values: _Values) -> Iterator[Finding]:
    count = len(values.alphas)
    known = values.alphas.items()
    odd = [name for name, alpha in known if not math.isfinite(alpha)]
    yield from _finding("alpha-not-finite", "are NaN or infinite", odd, count, "alphas")
    zero = [name for name, alpha in known if alpha == 0]
    yield from _finding("zero-alpha", "are zero", zero, count, "alphas")
    far = [module for module in values.modules if abs(values.scale(module)) > _MOST_ALPHA]
    if far:
        worst = max(far, key=lambda module: abs(values.scale(module)))
        words = f"are more than {_MOST_ALPHA} times the rank (up to {values.scale(worst):,.4g})"
        yield from _finding("absurd-alpha", words, [worst.alpha] * len(far), count, "alphas")


def _norms(values: _Values) -> Iterator[Finding]:
    """The root mean square of up @ down is about rms(up) * rms(down) * sqrt(rank)."""
    sizes: list[tuple[float, str]] = []
    for module in values.modules:
        size = abs(values.scale(module))
        for name in module.factors:
            size *= values.tensors[name].rms
        sizes.append((size * math.sqrt(module.rank or 1), module.factors[0]))
    absurd = sorted(((size, name) for size, name in sizes if size > _MOST_RMS), reverse=True)
    if absurd:
        message = (f"{len(absurd):,} of {len(values.modules):,} modules change weights by "
                   f"{absurd[0][0]:,.3g} on average, where weights are about 0.03")  # fmt: skip
        yield _told("absurd-norm", message, [name for _, name in absurd])


def _overflows(values: _Values) -> Iterator[Finding]:
    """Values that fp16 cannot hold, as they are or once they are scaled."""
    factor = {
        name: max(1.0, abs(values.scale(module)))
        for module in values.modules for name in module.ups
    }  # fmt: skip
    large = [
        name for name, seen in values.tensors.items()
        if seen.largest * factor.get(name, 1.0) > _LARGEST_FP16 and not seen.not_finite
        and name not in values.alphas
    ]  # fmt: skip
    words = "hold values that are infinite in fp16, some only once they are scaled"
    yield from _finding("fp16-overflow", words, large, len(values.tensors))


def _finding(
    code: str, words: str, names: list[str], total: int, what: str = "tensors"
) -> Iterable[Finding]:
    if names:
        yield _told(code, f"{len(names):,} of {total:,} {what} {words}", names)


def _told(code: str, message: str, names: list[str]) -> Finding:
    return Finding(code, f"{message}.", FAULTS[code].next_step, len(names), names[0])


_CHECKS = (_not_finite, _holes, _dead, _alphas, _norms, _overflows)
