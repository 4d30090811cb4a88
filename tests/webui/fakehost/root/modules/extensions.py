"""The extensions' folders, in the order in which they are loaded."""

from __future__ import annotations

import configparser
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from modules import errors, paths

extensions: list[Extension] = []
extension_paths: dict[str, Extension] = {}
loaded_extensions: dict[str, Extension] = {}


def _words(text: str) -> list[str]:
    return [one for one in re.split(r"[,\s]+", text) if one]


class ExtensionMetadata:
    """metadata.ini; the name that it gives is read and forgotten."""

    def __init__(self, path: str, canonical_name: str) -> None:
        self.config = configparser.ConfigParser()
        with errors.reported(f"Error reading metadata.ini for extension {canonical_name}."):
            self.config.read(Path(path) / "metadata.ini")
        self.canonical_name = canonical_name.lower().strip()

    def list_callback_order_instructions(self) -> Iterator[tuple[str, list[str], list[str]]]:
        """(callback, those to run it before, those to run it after)"""
        for section in self.config.sections():
            if not section.startswith("callbacks/"):
                continue
            name = section.removeprefix("callbacks/")
            if not name.startswith(self.canonical_name):
                errors.report(f"Callback order section for extension {self.canonical_name} is "
                              f"referencing the wrong extension: {section}")
                continue
            yield (name, _words(self.config.get(section, "Before", fallback="")),
                   _words(self.config.get(section, "After", fallback="")))


class Extension:
    """One folder."""

    def __init__(
        self, name: str, path: str, enabled: bool, is_builtin: bool, metadata: ExtensionMetadata
    ) -> None:
        self.name, self.path, self.enabled = name, path, enabled
        self.is_builtin, self.metadata = is_builtin, metadata
        self.canonical_name = metadata.canonical_name

    def list_files(self, subdir: str, extension: str) -> list[Any]:
        from modules import scripts

        found = sorted(Path(self.path, subdir).glob(f"*{extension}"))
        return [scripts.ScriptFile(self.path, one.name, str(one)) for one in found]


def active() -> list[Extension]:
    return [one for one in extensions if one.enabled]


def list_extensions() -> None:
    """Built-in ones first; in each folder by name."""
    from modules import shared

    for table in (extensions, extension_paths, loaded_extensions):
        table.clear()
    for folder in (paths.extensions_builtin_dir, paths.extensions_dir):
        for path in sorted(one for one in Path(folder).glob("*") if one.is_dir()):
            if path.name == "__pycache__":
                continue
            extension = Extension(
                path.name, str(path), path.name not in shared.opts.disabled_extensions,
                folder == paths.extensions_builtin_dir, ExtensionMetadata(str(path), path.name))
            extensions.append(extension)
            extension_paths[str(path.resolve())] = extension
            loaded_extensions[extension.canonical_name] = extension


def find_extension(filename: str) -> Extension | None:
    parents = Path(filename).resolve().parents
    return next(
        (extension_paths[str(one)] for one in parents if str(one) in extension_paths), None)
