"""PyTorch's pickle files (.ckpt, .pt, .bin, .pth), opened only by torch's weights-only loader."""

from __future__ import annotations

import io
import os
import pickletools
import struct
import warnings
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, BinaryIO

import torch

from loradex.errors import FileError, UnsafeFileError
from loradex.files import foreign
from loradex.files.hashes import changed, stamp
from loradex.files.header import unreadable
from loradex.files.pickle_header import PLAIN_GLOBALS, damaged, unsafe

State = dict[str, torch.Tensor]

# What torch's unpickler raises on bytes that are no pickle of its own; found by feeding it damaged
# files. Not OSError: that is the system's, and told as such.
_DAMAGE = (
    UnpicklingError, RuntimeError, EOFError, LookupError, AttributeError, TypeError, ValueError,
    AssertionError, ArithmeticError, MemoryError, NotImplementedError, struct.error,
    zipfile.BadZipFile,
)  # fmt: skip

_MAX_NESTING = 16


def load_pickle(path: Path, device: str) -> tuple[State, dict[str, str]]:
    """Tensors by name, and the plain values at the top of the file as metadata.

    `device` is "cpu", or "meta" for names, types and shapes only (a few KB are read then).

    Raises:
        UnsafeFileError: the pickle names something that is neither tensor nor container.
        FileError: the file is damaged, is no pickle of tensors, or changes while it is read.
    """
    try:
        with path.open("rb") as file:
            before = stamp(os.fstat(file.fileno()))
            content = _load(path, file, device)
            after = stamp(os.fstat(file.fileno()))
    except OSError as error:
        raise unreadable(path, error) from error
    if before != after:
        raise changed(path)
    if isinstance(content, Mapping) and isinstance(content.get("state_dict"), Mapping):
        state, top = content["state_dict"], content
    else:
        state, top = content, content if isinstance(content, Mapping) else {}
    tensors = dict(_flatten(path, state))
    if not tensors:
        found = "the pickle holds no tensors with names"
        raise FileError(path.name, found, "a dictionary of tensors", code="no-tensors")
    return tensors, {str(k): str(v) for k, v in top.items() if isinstance(v, (str, int, float))}


def _load(path: Path, file: BinaryIO, device: str) -> Any:
    """What torch makes of an open file: newer ones look at the suffix of a path, not inside."""
    if foreign.is_zip(file.read(8)):
        _check_zip(path, file)
    file.seek(0)
    try:
        with warnings.catch_warnings():
            # torch advises on the pickle's protocol; what cannot be read is an error anyway.
            warnings.simplefilter("ignore", UserWarning)
            return torch.load(file, map_location=device, weights_only=True)
    except _DAMAGE as error:
        raise _refusal(path, error) from error


def _check_zip(path: Path, file: BinaryIO) -> None:
    names = [name.rpartition("/")[2] for name in _open_zip(path, file).namelist()]
    if "data.pkl" not in names:
        found = "it is a zip archive without PyTorch's data.pkl"
        raise FileError(path.name, found, "", "Unpack it and use the model inside.", "archive")
    if "constants.pkl" in names:  # older torch would hand it to torch.jit.load, safe or not
        found = "it is a TorchScript program, not a file of weights"
        raise UnsafeFileError(path.name, found, "", "Get the safetensors version of the file.")


def _open_zip(path: Path, file: BinaryIO) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(file)
    except (zipfile.BadZipFile, NotImplementedError, ValueError, LookupError) as error:
        raise damaged(path, "its zip directory cannot be read") from error


def _refusal(path: Path, error: BaseException) -> FileError:
    """Why torch would not load a file: what it wants to run, or where it is damaged."""
    wanted = [name for name in wanted_globals(path) if not PLAIN_GLOBALS.fullmatch(name)]
    if wanted:
        return unsafe(path, wanted)
    # torch's advice on pickles is to load them unsafely, and a KeyError says nothing to a reader
    told = isinstance(error, RuntimeError) and str(error).strip()
    reason = told.splitlines()[0][:120].rstrip(".") if told else "torch cannot read it"
    return damaged(path, reason)


def wanted_globals(path: Path) -> tuple[str, ...]:
    """Everything that a pickle file names to import, read without running a byte of it."""
    found: dict[str, None] = {}
    try:
        with path.open("rb") as file:
            for name in _globals(_pickle_stream(path, file)):
                found[name] = None
    except (OSError, FileError, Warning, *_DAMAGE):
        pass  # a damaged stream names what it names up to the damage
    return tuple(found)


def _pickle_stream(path: Path, file: BinaryIO) -> BinaryIO:
    if not foreign.is_zip(file.read(8)):
        file.seek(0)
        return file
    archive = _open_zip(path, file)
    member = next(name for name in archive.namelist() if name.rpartition("/")[2] == "data.pkl")
    return io.BytesIO(archive.read(member))


def _globals(stream: BinaryIO) -> Iterator[str]:
    """`module.name` of every global, through the pickles that stand one after the other."""
    texts: list[str] = []
    for _ in range(4):  # the old format: magic number, protocol, system, content
        for opcode, value, _ in pickletools.genops(stream):
            if opcode.name in ("GLOBAL", "INST"):
                yield str(value).replace(" ", ".")
            elif opcode.name == "STACK_GLOBAL" and len(texts) > 1:
                yield f"{texts[-2]}.{texts[-1]}"
            elif isinstance(value, str):
                texts.append(value)


def _flatten(path: Path, state: Any) -> Iterator[tuple[str, torch.Tensor]]:
    """Tensors of nested dictionaries, with the keys joined by dots.

    Each dictionary is entered once: a pickle can hold one in itself, or many times over.
    """
    entered: set[int] = set()

    def walk(inner: Any, prefix: str, depth: int) -> Iterator[tuple[str, torch.Tensor]]:
        if not isinstance(inner, Mapping) or id(inner) in entered:
            return
        if depth > _MAX_NESTING:
            raise damaged(path, f"its dictionaries are nested more than {_MAX_NESTING} deep")
        entered.add(id(inner))
        for key, value in inner.items():
            if isinstance(value, torch.Tensor):
                yield f"{prefix}{key}", _plain(path, f"{prefix}{key}", value)
            else:
                yield from walk(value, f"{prefix}{key}.", depth + 1)

    return walk(state, "", 0)


def _plain(path: Path, name: str, value: torch.Tensor) -> torch.Tensor:
    if value.layout is not torch.strided:
        raise FileError(path.name, f"'{name}' is a sparse tensor", "plain tensors", code="sparse")
    return value.detach()
