"""Names, types and shapes in PyTorch's pickle files, read without torch and without running them.

The pickle is replayed with inert stand-ins for everything that it names, so nothing that it asks
for is imported or called. Formats: torch/serialization.py (zip since torch 1.6, before that four
pickles one after the other).
"""

from __future__ import annotations

import io
import pickle
import re
import zipfile
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from loradex.errors import FileError, UnsafeFileError
from loradex.files import foreign
from loradex.files.entries import DTYPE_BITS
from loradex.files.faults import AGAIN
from loradex.files.header import Header, TensorInfo, read_header, unreadable

PLAIN_GLOBALS = re.compile(
    r"torch\._utils\._rebuild_\w+|torch\._tensor\._rebuild_from_type_v2"
    r"|torch(\.storage)?\.\w*Storage|torch\.(Size|Tensor|device|[a-z]+\d+\w*|bool|half|float|long)"
    r"|torch\.nn\.parameter\.\w+|collections\.OrderedDict|_codecs\.encode"
)
"""Names in a pickle of tensors; when torch refuses one that has no others, it is damaged."""

# What the standard library's unpickler raises on bytes that are no pickle.
_DAMAGE = (
    pickle.UnpicklingError, EOFError, LookupError, AttributeError, TypeError, ValueError,
    ArithmeticError, MemoryError, RecursionError, ImportError, NotImplementedError,
    zipfile.BadZipFile, zipfile.LargeZipFile, RuntimeError,
)  # fmt: skip

_MAX_PICKLE_BYTES = 64 << 20
"""The pickles of the largest checkpoints have 1 MB; zip bombs have more."""
_MAX_NESTING = 16
_LEGACY_MAGIC = 0x1950A86A20F9469CFC6C

_STORAGES: Mapping[str, str] = {
    "FloatStorage": "F32", "HalfStorage": "F16", "BFloat16Storage": "BF16", "DoubleStorage": "F64",
    "LongStorage": "I64", "IntStorage": "I32", "ShortStorage": "I16", "CharStorage": "I8",
    "ByteStorage": "U8", "BoolStorage": "BOOL", "UntypedStorage": "U8",
    "ComplexFloatStorage": "C64",
}  # fmt: skip
_DTYPES: Mapping[str, str] = {  # those that have no storage class of their own
    "float8_e4m3fn": "F8_E4M3", "float8_e5m2": "F8_E5M2", "float8_e8m0fnu": "F8_E8M0",
    "float8_e4m3fnuz": "F8_E4M3FNUZ", "float8_e5m2fnuz": "F8_E5M2FNUZ",
    "uint16": "U16", "uint32": "U32", "uint64": "U64",
}  # fmt: skip


class _Inert:
    """Stands for any object that a pickle names: called, filled, given a state."""

    def __new__(cls, *_: object, **__: object) -> _Inert:
        return object.__new__(cls)

    def __init__(self, *_: object, **__: object) -> None:
        pass

    def __setstate__(self, _: object) -> None:
        pass

    def __call__(self, *_: object, **__: object) -> _Inert:
        return _Inert()

    def append(self, _: object) -> None:
        pass

    def extend(self, _: object) -> None:
        pass

    def __setitem__(self, _: object, __: object) -> None:
        pass


class _Tensor:
    """A tensor's type and shape."""

    def __init__(self, dtype: str, shape: tuple[int, ...]) -> None:
        self.dtype = dtype
        self.shape = shape

    def __setstate__(self, _: object) -> None:
        pass


class _Storage:
    """A storage class while its name is all that is known, and the storage itself."""

    def __init__(self, dtype: str) -> None:
        self.dtype = dtype


def is_pickle_file(path: Path) -> bool:
    """True where the content, whatever the suffix, is a zip archive or a bare pickle."""
    try:
        with path.open("rb") as file:
            head = file.read(8)
    except OSError as error:
        raise unreadable(path, error) from error
    return foreign.is_zip(head) or foreign.is_pickle(head)


def read_pickle_header(path: Path) -> Header:
    """The header of a pickle file; the offsets only count the bytes one after the other.

    Raises:
        UnsafeFileError: the pickle names something that is neither tensor nor container.
        FileError: the file is damaged, or is no pickle of tensors.
    """
    try:
        with path.open("rb") as file:
            wanted, content = _replay(path, file)
            length = file.seek(0, io.SEEK_END)
    except OSError as error:
        raise unreadable(path, error) from error
    strange = [name for name in wanted if not PLAIN_GLOBALS.fullmatch(name)]
    if strange:
        raise unsafe(path, strange)
    top = content if isinstance(content, Mapping) else {}
    inner = top.get("state_dict")
    tensors = dict(_flatten(path, inner if isinstance(inner, Mapping) else top))
    if not tensors:
        found = "the pickle holds no tensors with names"
        raise FileError(path.name, found, "a dictionary of tensors", code="no-tensors")
    return _header(tensors, top, length)


def read_model_header(path: Path) -> Header:
    """The header of a model file; its content, not its suffix, tells the format."""
    return read_pickle_header(path) if is_pickle_file(path) else read_header(path)


def unsafe(path: Path, wanted: list[str]) -> UnsafeFileError:
    """The error for a pickle that names more than tensors and containers."""
    listed = ", ".join(f"'{name}'" for name in wanted[:3])
    return UnsafeFileError(
        path.name, f"the pickle asks to run {listed}", "tensors and plain containers",
        "Loradex does not open it: get the safetensors version from a source you trust.",
    )


def damaged(path: Path, reason: str) -> FileError:
    """The error for a pickle that cannot be read to its end."""
    return FileError(path.name, f"the pickle file is damaged: {reason}", "", AGAIN, "damaged")


def _header(tensors: Mapping[str, _Tensor], top: Mapping[Any, Any], length: int) -> Header:
    infos: dict[str, TensorInfo] = {}
    start = 0
    for name, tensor in tensors.items():
        count = DTYPE_BITS[tensor.dtype] // 8
        for size in tensor.shape:
            count *= size
        infos[name] = TensorInfo(name, tensor.dtype, tensor.shape, start, start + count)
        start += count
    plain = {str(k): str(v) for k, v in top.items() if isinstance(v, (str, int, float))}
    return Header(infos, plain, 0, length)


def _replay(path: Path, file: BinaryIO) -> tuple[list[str], Any]:
    """The names that a pickle asks for, and what it builds out of stand-ins."""
    wanted: list[str] = []
    try:
        if foreign.is_zip(file.read(8)):
            return wanted, _load(_zip_member(path, file), wanted)
        file.seek(0)
        magic = _load(file, wanted)
        if magic != _LEGACY_MAGIC and wanted:
            return wanted, {}
        if magic != _LEGACY_MAGIC:
            raise damaged(path, "it is a pickle, but none of PyTorch's")
        _load(file, wanted)  # protocol
        _load(file, wanted)  # the writer's system
        return wanted, _load(file, wanted)
    except _DAMAGE as error:
        if any(not PLAIN_GLOBALS.fullmatch(name) for name in wanted):
            return wanted, {}
        raise damaged(path, "it ends early or is no pickle of tensors") from error


def _zip_member(path: Path, file: BinaryIO) -> BinaryIO:
    try:
        archive = zipfile.ZipFile(file)
    except _DAMAGE as error:
        raise damaged(path, "its zip directory cannot be read") from error
    names = [name for name in archive.namelist() if name.rpartition("/")[2] == "data.pkl"]
    if not names:
        found = "it is a zip archive without PyTorch's data.pkl"
        raise FileError(path.name, found, "", "Unpack it and use the model inside.", "archive")
    if any(name.rpartition("/")[2] == "constants.pkl" for name in archive.namelist()):
        found = "it is a TorchScript program, not a file of weights"
        raise UnsafeFileError(path.name, found, "", "Get the safetensors version of the file.")
    if archive.getinfo(names[0]).file_size > _MAX_PICKLE_BYTES:
        raise damaged(path, f"its data.pkl has more than {_MAX_PICKLE_BYTES:,} bytes")
    return io.BytesIO(archive.read(names[0]))


def _load(stream: BinaryIO, wanted: list[str]) -> Any:
    return _Replay(stream, wanted).load()


class _Replay(pickle.Unpickler):
    """An unpickler that knows tensors by type and shape, and gives a stand-in for all else."""

    def __init__(self, stream: BinaryIO, wanted: list[str]) -> None:
        super().__init__(stream, encoding="latin1")
        self._wanted = wanted

    def find_class(self, module: str, name: str) -> Any:
        self._wanted.append(f"{module}.{name}")
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if module.startswith("torch") and name in _STORAGES:
            return _Storage(_STORAGES[name])
        if module == "torch" and name in _DTYPES:
            return _Storage(_DTYPES[name])
        if module == "torch._utils" and name.startswith("_rebuild_tensor"):
            return _rebuild_tensor
        if module == "torch._utils" and name.startswith("_rebuild_parameter"):
            return lambda tensor, *_: tensor
        if (module, name) == ("torch", "Size"):
            return lambda sizes=(): tuple(sizes)
        return _Inert

    def persistent_load(self, pid: Any) -> Any:
        kind = pid[1] if isinstance(pid, tuple) and len(pid) > 1 else None
        return kind if isinstance(kind, _Storage) else _Storage("U8")


def _rebuild_tensor(storage: Any, _offset: Any = 0, size: Any = (), *rest: object) -> _Tensor:
    if not isinstance(storage, _Storage) or not isinstance(size, tuple):
        raise TypeError("a tensor without storage or size")
    if not all(type(one) is int and 0 <= one < 1 << 48 for one in size):
        raise ValueError("an impossible size")
    named = [one.dtype for one in rest if isinstance(one, _Storage)]  # `_rebuild_tensor_v3`
    return _Tensor(named[0] if named else storage.dtype, size)


def _flatten(path: Path, state: Mapping[Any, Any]) -> Iterator[tuple[str, _Tensor]]:
    """Tensors of nested dictionaries, keys joined by dots; each dictionary is entered once."""
    entered: set[int] = set()

    def walk(inner: Any, prefix: str, depth: int) -> Iterator[tuple[str, _Tensor]]:
        if not isinstance(inner, Mapping) or id(inner) in entered:
            return
        if depth > _MAX_NESTING:
            raise damaged(path, f"its dictionaries are nested more than {_MAX_NESTING} deep")
        entered.add(id(inner))
        for key, value in inner.items():
            if isinstance(value, _Tensor):
                yield f"{prefix}{key}", value
            else:
                yield from walk(value, f"{prefix}{key}.", depth + 1)

    return walk(state, "", 0)
