"""One network file in memory: its modules as network types, its faults and its identity."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Protocol

from torch import Tensor

from loradex.compat.detect import Detection, detect_network
from loradex.errors import (
    BrokenNetworkError,
    FileError,
    LoradexError,
    NetworkError,
    NetworkNotFoundError,
)
from loradex.files.hashes import FileHashes, hash_file
from loradex.files.header import Header
from loradex.files.pickle_header import read_model_header
from loradex.keys.parse import ParsedFile, parse_file
from loradex.keys.targets import FileModule, Shape
from loradex.networks.base import NetworkModule
from loradex.networks.hints import HintReader
from loradex.networks.tensors import read_tensors
from loradex.networks.types import build_module

Stamp = tuple[str, int, int]
"""What a network is known by: id, size and mtime_ns, so a file that is replaced is another one."""


class File(Protocol):
    """What is asked of a `catalog.names.NetworkFile`; the engine does not know the catalog."""

    @property
    def id(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def path(self) -> Path: ...
    @property
    def size(self) -> int: ...
    @property
    def mtime_ns(self) -> int: ...


@dataclass(frozen=True)
class Fault:
    """A module of the file that cannot be used, and why."""

    name: str
    reason: str


@dataclass(frozen=True, eq=False)
class LoadedModule:
    """A module as the file names it, with the type that computes its delta."""

    file_module: FileModule
    codec: NetworkModule

    @property
    def name(self) -> str:
        """Unique within the file."""
        return f"{self.file_module.component}.{self.file_module.name}"


@dataclass(frozen=True, eq=False)
class Network:
    """One loaded file; immutable, so one object serves any number of stacks and strengths."""

    id: str
    name: str
    path: Path
    size: int
    mtime_ns: int
    modules: tuple[LoadedModule, ...]
    faults: tuple[Fault, ...]
    parsed: ParsedFile
    metadata: Mapping[str, str]
    shapes: Mapping[str, Shape] = field(default_factory=dict)
    nbytes: int = 0
    notes: tuple[str, ...] = ()
    """What a user should know of the whole file: an alpha that was guessed."""
    embeddings: Mapping[str, Mapping[str, Tensor]] = field(default_factory=dict)
    """Bundled textual inversions by name; the text encoder's business, never a weight's."""

    @property
    def stamp(self) -> Stamp:
        return (self.id, self.size, self.mtime_ns)

    @cached_property
    def detection(self) -> Detection:
        """Which base model it was made for."""
        return detect_network(self.parsed, self.shapes, self.metadata)

    @cached_property
    def hashes(self) -> FileHashes:
        """The file's hashes, read when somebody asks for them."""
        return hash_file(self.path)

    @property
    def tensor_sha256(self) -> str:
        """SHA-256 of the bytes behind the header (AutoV3 is its first 12); of a pickle, of all."""
        return self.hashes.tensor_sha256 or self.hashes.sha256


def load_network(file: File) -> Network:
    """Reads a file whole into memory of its own; nothing of it stays open or mapped.

    One bad module does not lose the others: it is listed in `faults`. A file without a usable
    module, or with numbers that are not finite, raises `BrokenNetworkError`.
    """
    header, parsed, tensors = _read(file)
    hints = HintReader(file.name, header.metadata, file.path)
    modules, faults = _build(parsed, tensors, hints)
    _check_usable(file, modules, faults)
    return Network(
        id=file.id, name=file.name, path=file.path, size=file.size, mtime_ns=file.mtime_ns,
        modules=modules, faults=faults, parsed=parsed, metadata=header.metadata,
        shapes=header.shapes,
        nbytes=sum(t.numel() * t.element_size() for t in tensors.values()),
        notes=hints.notes(parsed),
        embeddings=_embeddings(parsed, tensors),
    )


def _read(file: File) -> tuple[Header, ParsedFile, dict[str, Tensor]]:
    """The header decides first: of a checkpoint in the wrong folder no gigabyte is read."""
    try:
        header = read_model_header(file.path)
        parsed = parse_file(header.shapes, header.metadata)
        _check_kind(file, parsed)
        return header, parsed, read_tensors(file.path)
    except (FileNotFoundError, FileError) as error:
        if file.path.exists():
            raise
        raise NetworkNotFoundError(file.name, (), f"{file.path.parent} any more") from error


def _check_kind(file: File, parsed: ParsedFile) -> None:
    if parsed.not_a_lora:
        raise NetworkError(
            file.name, f"the file is {parsed.not_a_lora}", "a LoRA or one of its relatives",
            "Move it to the folder of its kind.", code="not-a-lora",
        )


def _build(
    parsed: ParsedFile, tensors: Mapping[str, Tensor], hints: HintReader
) -> tuple[tuple[LoadedModule, ...], tuple[Fault, ...]]:
    modules: list[LoadedModule] = []
    faults: list[Fault] = []
    for found in parsed.modules:
        parts = {role: tensors[key] for role, key in found.parts.items()}
        try:
            modules.append(LoadedModule(found, build_module(parts, hints.of(found, parts))))
        except LoradexError as error:
            faults.append(Fault(f"{found.component}.{found.name}", error.found))
    return tuple(modules), tuple(faults)


def _check_usable(
    file: File, modules: tuple[LoadedModule, ...], faults: tuple[Fault, ...]
) -> None:
    ruined = [fault for fault in faults if "not finite" in fault.reason]
    if ruined:
        raise BrokenNetworkError(
            file.name, f"{len(ruined)} modules hold NaN or infinity, such as {ruined[0].reason}",
            "finite numbers", "Its training diverged: ask its author for another version.",
            code="non-finite",
        )
    if not modules:
        reason = faults[0].reason if faults else "no tensor name is one of a network"
        raise BrokenNetworkError(
            file.name, f"no module can be used: {reason}", "at least one whole module",
            "Fetch the file again or check that it is a LoRA.",
        )


def _embeddings(
    parsed: ParsedFile, tensors: Mapping[str, Tensor]
) -> dict[str, dict[str, Tensor]]:
    return {
        name: {key.rsplit(".", 1)[-1]: tensors[key] for key in keys}
        for name, keys in parsed.embeddings.items()
    }
