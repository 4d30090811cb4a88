"""What the numbers of one tensor are like, from its bytes as they stream by, without numpy.

A Python loop costs 50 to 100 ns per number, a 150 MB network has 75 million of them. So the top
byte of every number (sign and exponent) is sliced out and filtered by `bytes.translate`, 2 ns per
number; only numbers of which that byte says that they are huge or no numbers are decoded, besides
a sample for the size of the rest.
"""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from types import MappingProxyType

_SAMPLE = 4096
"""Numbers per tensor that the size is taken from: an error of about 1 %."""
_MOST_DECODED = 4096
"""Huge numbers per chunk that are looked at one by one."""


@dataclass
class TensorValues:
    """What was seen of one tensor."""

    not_finite: bool = False
    zero: bool = True
    largest: float = 0.0
    """Exact above `NumberType.ordinary`; below, the largest of the sample."""
    _squares: float = 0.0
    _count: int = 0

    @property
    def rms(self) -> float:
        """The root mean square, from the sample; 0 for an empty tensor."""
        return math.sqrt(self._squares / self._count) if self._count else 0.0

    def add_sample(self, numbers: Iterable[float]) -> None:
        finite = [number for number in numbers if math.isfinite(number)]
        self._squares += math.fsum(number * number for number in finite)
        self._count += len(finite)
        self.largest = max(self.largest, max(map(abs, finite), default=0.0))


@dataclass(frozen=True)
class NumberType:
    """How one floating point type lies in bytes."""

    width: int
    decode: Callable[[bytes], Sequence[float]]
    suspects: frozenset[int]
    """Top bytes of numbers from `ordinary` on, of infinities and of what is no number."""
    endless: frozenset[int]
    """Those of them that infinities and what is no number have."""
    ordinary: float
    """Numbers below this are not decoded one by one."""
    _dull: bytes = field(init=False, repr=False)
    _suspect: re.Pattern[bytes] = field(init=False, repr=False)
    _endless: re.Pattern[bytes] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        dull = bytes(byte for byte in range(256) if byte not in self.suspects)
        object.__setattr__(self, "_dull", dull)
        object.__setattr__(self, "_suspect", _one_of(self.suspects))
        object.__setattr__(self, "_endless", _one_of(self.endless))

    def look(self, chunk: bytes, values: TensorValues, total: int) -> None:
        """Adds a chunk of whole numbers to what is known of a tensor of `total` bytes."""
        if values.zero:
            values.zero = self._all_zero(chunk)
        wanted = max(1, _SAMPLE * len(chunk) // max(total, 1))
        step = max(1, len(chunk) // self.width // wanted)
        values.add_sample(self.decode(self._every(chunk, step)))
        top = chunk[self.width - 1 :: self.width]
        if top.translate(None, self._dull):
            self._look_closely(chunk, top, values)

    def _look_closely(self, chunk: bytes, top: bytes, values: TensorValues) -> None:
        for pattern in (self._endless, self._suspect):
            for match in islice(pattern.finditer(top), _MOST_DECODED):
                at = match.start() * self.width
                number = self.decode(chunk[at : at + self.width])[0]
                if not math.isfinite(number):
                    values.not_finite = True
                    break
                values.largest = max(values.largest, abs(number))

    def _every(self, chunk: bytes, step: int) -> bytes:
        """Every `step`-th number of a chunk."""
        if step == 1:
            return chunk
        count = -(-len(chunk) // (self.width * step))
        picked = bytearray(count * self.width)
        for byte in range(self.width):
            picked[byte :: self.width] = chunk[byte :: self.width * step]
        return bytes(picked)

    def _all_zero(self, chunk: bytes) -> bool:
        """True for nothing but 0 and -0."""
        if chunk.translate(None, b"\0\x80"):
            return False
        return not any(self.decode(chunk))


def number_type(dtype: str) -> NumberType | None:
    """The type of a safetensors dtype, or None for whole numbers and packed types."""
    return _TYPES.get(dtype)


def _one_of(top_bytes: frozenset[int]) -> re.Pattern[bytes]:
    return re.compile(b"[" + b"".join(b"\\x%02x" % byte for byte in sorted(top_bytes)) + b"]")


def _tops(first: int) -> frozenset[int]:
    """Top bytes from `first` on, of both signs."""
    return frozenset(byte for byte in range(256) if byte & 0x7F >= first)


def _unpacker(code: str, width: int) -> Callable[[bytes], Sequence[float]]:
    def decode(raw: bytes) -> Sequence[float]:
        return struct.unpack(f"<{len(raw) // width}{code}", raw)

    return decode


def _bfloat16(raw: bytes) -> Sequence[float]:
    """BF16 is the upper half of an F32."""
    wide = bytearray(len(raw) * 2)
    wide[2::4], wide[3::4] = raw[::2], raw[1::2]
    return struct.unpack(f"<{len(raw) // 2}f", wide)


def _float8(exponent_bits: int, bias: int, special: Mapping[int, float]) -> NumberType:
    """An 8-bit type as a table of its 256 numbers (OCP's Formats for Deep Learning, 2023)."""
    mantissa_bits = 7 - exponent_bits
    table = []
    for byte in range(256):
        exponent = (byte & 0x7F) >> mantissa_bits
        fraction = (byte & ((1 << mantissa_bits) - 1)) / (1 << mantissa_bits)
        size = fraction * 2.0 ** (1 - bias)
        if exponent:
            size = (1 + fraction) * 2.0 ** (exponent - bias)
        table.append(special.get(byte, -size if byte & 0x80 else size))
    numbers = tuple(table)

    def decode(raw: bytes) -> Sequence[float]:
        return [numbers[byte] for byte in raw]

    endless = frozenset(byte for byte, number in special.items() if not math.isfinite(number))
    return NumberType(1, decode, endless, endless, math.inf)


_NAN, _INF = math.nan, math.inf
_FNUZ = {0x80: _NAN}
_E5M2 = {0x7C: _INF, 0xFC: -_INF} | {s | m: _NAN for s in (0, 0x80) for m in (0x7D, 0x7E, 0x7F)}

_TYPES: Mapping[str, NumberType] = MappingProxyType({
    "F16": NumberType(2, _unpacker("e", 2), _tops(0x5C), _tops(0x7C), 256.0),
    "BF16": NumberType(2, _bfloat16, _tops(0x43), _tops(0x7F), 128.0),
    "F32": NumberType(4, _unpacker("f", 4), _tops(0x43), _tops(0x7F), 128.0),
    "F64": NumberType(8, _unpacker("d", 8), _tops(0x41), _tops(0x7F), 2.0**17),
    "F8_E4M3": _float8(4, 7, {0x7F: _NAN, 0xFF: _NAN}),
    "F8_E5M2": _float8(5, 15, _E5M2),
    "F8_E4M3FNUZ": _float8(4, 8, _FNUZ),
    "F8_E5M2FNUZ": _float8(5, 16, _FNUZ),
})  # fmt: skip
