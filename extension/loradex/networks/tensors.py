"""Reads tensors of model files into memory of their own: no mapping, no handle stays open."""

from __future__ import annotations

import math
import os
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import BinaryIO

import torch

from loradex.errors import BrokenNetworkError, FileError
from loradex.files.hashes import changed, stamp
from loradex.files.header import (
    TensorInfo,
    parse_header,
    read_head,
    unreadable,
)
from loradex.files.pickle_header import is_pickle_file
from loradex.networks.pickles import load_pickle

_TORCH_NAMES: Mapping[str, str] = MappingProxyType({
    "BOOL": "bool", "U8": "uint8", "I8": "int8", "I16": "int16", "I32": "int32", "I64": "int64",
    "U16": "uint16", "U32": "uint32", "U64": "uint64",
    "F16": "float16", "BF16": "bfloat16", "F32": "float32", "F64": "float64", "C64": "complex64",
    "F8_E4M3": "float8_e4m3fn", "F8_E5M2": "float8_e5m2", "F8_E8M0": "float8_e8m0fnu",
    "F8_E4M3FNUZ": "float8_e4m3fnuz", "F8_E5M2FNUZ": "float8_e5m2fnuz",
})  # fmt: skip
"""torch's names by the format's; older versions of torch lack some of the 8-bit and unsigned ones.

The 4 and 6 bit types are left out: torch has no elements of their size."""


def read_tensors(path: Path, names: Collection[str] | None = None) -> dict[str, torch.Tensor]:
    """The named tensors of a model file, or all of them, on the CPU.

    The tensors own their memory: the file may be replaced or deleted afterwards. Tensors that
    lie side by side in the file share one buffer.

    Raises:
        HeaderError, UnsafeFileError: the file is malformed or wants to run code.
        FileError: it cannot be read, lacks a name, or changes while it is read.
        BrokenNetworkError: a dtype that this version of torch does not have.
    """
    if is_pickle_file(path):
        state, _ = load_pickle(path, "cpu")
        wanted = _wanted(path, state, names)
        return {name: state[name].contiguous() for name in wanted}
    try:
        with path.open("rb") as file:
            return _read(path, file, names)
    except OSError as error:
        raise unreadable(path, error) from error


def _read(path: Path, file: BinaryIO, names: Collection[str] | None) -> dict[str, torch.Tensor]:
    before = os.fstat(file.fileno())
    header = parse_header(*read_head(file), path.name)
    wanted = [header.tensors[name] for name in _wanted(path, header.tensors, names)]
    dtypes = {info.dtype: _torch_dtype(path, info) for info in wanted}
    tensors: dict[str, torch.Tensor] = {}
    for run in _runs(wanted):
        buffer = _read_run(path, file, header.data_start, run)
        for info in run:
            tensors[info.name] = _view(path.name, buffer, run[0].start, info, dtypes[info.dtype])
    if stamp(os.fstat(file.fileno())) != stamp(before):
        raise changed(path)
    return {info.name: tensors[info.name] for info in wanted}


def _wanted(path: Path, there: Iterable[str], names: Collection[str] | None) -> list[str]:
    known = list(there)
    if names is None:
        return known
    missing = set(names).difference(known)
    if missing:
        raise FileError(path.name, f"it has no tensor '{min(missing)}'", code="no-tensor")
    chosen = set(names)
    return [name for name in known if name in chosen]


def _runs(wanted: Iterable[TensorInfo]) -> Iterator[list[TensorInfo]]:
    """Tensors grouped so that those of a group lie side by side in the file."""
    run: list[TensorInfo] = []
    for info in sorted(wanted, key=lambda info: (info.start, info.stop)):
        if run and info.start != run[-1].stop:
            yield run
            run = []
        run.append(info)
    if run:
        yield run


def _read_run(path: Path, file: BinaryIO, data_start: int, run: list[TensorInfo]) -> torch.Tensor:
    """The bytes of a run as `[size]` uint8."""
    size = run[-1].stop - run[0].start
    if size == 0:
        return torch.empty(0, dtype=torch.uint8)
    buffer = bytearray(size)
    view = memoryview(buffer)
    file.seek(data_start + run[0].start)
    done = 0
    while done < size:
        count = file.readinto(view[done:])  # type: ignore[attr-defined]
        if not count:
            raise changed(path)
        done += count
    return torch.frombuffer(buffer, dtype=torch.uint8)


def _empty(subject: str, info: TensorInfo, dtype: torch.dtype) -> torch.Tensor:
    try:
        return torch.empty(info.shape, dtype=dtype)
    except RuntimeError as error:  # [0, 2**62, 2**62] has no elements, but no strides either
        found = f"'{info.name}' has the impossible shape {list(info.shape)}"
        raise BrokenNetworkError(subject, found) from error


def _view(
    subject: str, buffer: torch.Tensor, origin: int, info: TensorInfo, dtype: torch.dtype
) -> torch.Tensor:
    """One tensor of a run, without a copy where its address allows that.

    A view needs an offset that is a multiple of the element size. The format does not promise
    that: files of other writers have odd offsets, as has what follows an odd number of bytes.
    """
    data = buffer[info.start - origin : info.stop - origin]
    if not math.prod(info.shape):
        return _empty(subject, info, dtype)
    size = torch.empty(0, dtype=dtype).element_size()
    if data.storage_offset() % size or data.data_ptr() % size:
        data = data.clone()
    return data.view(dtype).reshape(info.shape)


def _torch_dtype(path: Path, info: TensorInfo) -> torch.dtype:
    dtype = getattr(torch, _TORCH_NAMES.get(info.dtype, ""), None)
    if not isinstance(dtype, torch.dtype):
        raise BrokenNetworkError(
            path.name,
            f"'{info.name}' has the type {info.dtype}, which torch {torch.__version__} cannot read",
            "a type that it knows",
            "Update torch, or convert the file to fp16.",
        )
    return dtype


def _dtype_name(dtype: torch.dtype) -> str:
    """The format's name of a dtype, or torch's own in capitals for those that only pickles have."""
    own = str(dtype).removeprefix("torch.")
    return next((name for name, theirs in _TORCH_NAMES.items() if theirs == own), own.upper())
