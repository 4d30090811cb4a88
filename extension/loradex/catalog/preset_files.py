"""Files with block weights, read when a prompt names one, and again when one was changed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from loradex.prompts.presets import Presets, joined, read_presets

NAMES = ("lbwpresets.txt", "elempresets.txt")
"""As sd-webui-lora-block-weight calls them: weights by block, and elemental ones."""

_MOST_BYTES = 1 << 20

Stamp = tuple[Path, int, int]


class PresetFiles:
    """The presets of some files over the built-in ones; where two have a name, the later wins."""

    def __init__(self, places: Callable[[], Iterable[Path]]) -> None:
        self._places = places
        self._read: dict[Stamp, Presets] = {}

    def __call__(self) -> Presets:
        stamps = [stamp for path in self._places() if (stamp := _stamp(path)) is not None]
        known = self._read
        self._read = {one: known.get(one) or _presets(one[0]) for one in stamps}
        return joined(self._read.values())


def beside(folders: Sequence[Path]) -> list[Path]:
    """Where preset files of folders are; later folders first, for the first has the last word."""
    return [folder / name for folder in reversed(folders) for name in NAMES]


def _stamp(path: Path) -> Stamp | None:
    try:
        stat = path.stat()
    except OSError:
        return None
    return (path, stat.st_mtime_ns, stat.st_size)


def _presets(path: Path) -> Presets:
    try:
        with path.open("rb") as file:
            text = file.read(_MOST_BYTES).decode("utf-8", "replace")
    except OSError as error:
        return Presets(faults={"": f"{path.name} cannot be read: {error.strerror}"})
    return read_presets(text, path.name)
