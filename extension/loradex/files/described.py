"""A model described by its metadata and all sidecars, field by field, with who said it.

Who is believed, the first that has a value (a value is never replaced by an empty one):

1. what the user locked in Loradex;
2. the user's hand in AUTOMATIC1111's `NAME.json`;
3. fields that are edited in a manager: ComfyUI-Lora-Manager's own, SwarmUI's, StabilityMatrix'
   title, words added in rgthree-comfy, and what Additional Networks wrote into the file;
4. a text beside the model;
5. ModelSpec inside the file;
6. the page where it was published, as any of the sidecars keeps it;
7. what the trainer wrote by itself;
8. for trigger words alone, and only where nobody else has any: the tags of the training set.

For title, description, trigger words and base model the page goes before ModelSpec: trainers fill
that with names of files and architectures, while a page is corrected after the release. For the
base model even the name of the trainer's checkpoint goes before ModelSpec's architecture.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from loradex.files.metadata import METADATA, read_metadata
from loradex.files.picker import Found
from loradex.files.sidecar_names import companions, previews
from loradex.files.sidecars import READERS
from loradex.files.sidecars.reader import read_sidecar
from loradex.files.training import guess_trigger_words

USER = "user"

_ORDER = ("hand", "manager", "text", "spec", "site", "trainer")
_PAGE_FIRST = ("hand", "manager", "text", "site", "spec", "trainer")
_ORDER_OF: Mapping[str, tuple[str, ...]] = {
    "title": _PAGE_FIRST,
    "description": _PAGE_FIRST,
    "trigger_words": _PAGE_FIRST,
    "base_model": ("hand", "manager", "text", "site", "trainer", "spec"),
}
_MARKUP = ("description_html", "version_notes_html")
"""These go with the text that they are the source of."""


@dataclass(frozen=True)
class Sourced:
    """A value and who says it: a file beside the model, `metadata` or `user`."""

    value: Any
    source: str
    origin: str = ""
    """The kind of source: `lock`, `hand`, `manager`, `text`, `spec`, `site`, `trainer`, `guess`."""


@dataclass(frozen=True)
class Described:
    """Everything that is said of a model beside its tensors.

    Fields: title, alias, description (plain text), description_html, trigger_words (texts),
    negative_words, preferred_strength, te_strength, strength_min, strength_max, strength_range,
    clip_skip, notes, tags (texts), base_model, sd_version (AUTOMATIC1111's menu), version,
    version_notes, author, licence, usage_hint, source_url, nsfw_level (Civitai's bits), model_id,
    version_id, rating (1 to 10), favourite, published (ISO date), session, epoch, and the claims
    sha256, tensor_sha256, autov3. A field that nobody has is not there.
    """

    values: Mapping[str, Sourced] = field(default_factory=dict)
    others: Mapping[str, tuple[Sourced, ...]] = field(default_factory=dict)
    """What less trusted sources say where it differs, the most trusted first."""
    previews: tuple[str, ...] = ()
    """Pictures and films beside the model, the one to show first."""
    problems: tuple[str, ...] = ()
    """Sidecars and values that could not be read, as sentences."""

    def get(self, name: str, default: Any = None) -> Any:
        """The value of a field."""
        found = self.values.get(name)
        return default if found is None else found.value


_NO_LOCKS: Mapping[str, Any] = {}


def describe_model_file(
    path: Path,
    metadata: Mapping[str, str],
    names: Collection[str] | None = None,
    locks: Mapping[str, Any] = _NO_LOCKS,
) -> Described:
    """What metadata and sidecars say of a model; a broken sidecar is a sentence in `problems`.

    `names` are the file names of its folder, or better only those that belong to it (see
    `sidecar_names.companions_by_model`), which keeps a folder of thousands fast; without it the
    folder is listed. `locks` are values that the user fixed.
    """
    beside = companions(path.name, _listed(path.parent) if names is None else names)
    found, problems = read_metadata(metadata)
    noted = [f"{problem}." for problem in problems]
    sidecars: list[Found] = []
    if beside:
        sidecars = _read_sidecars(path, beside, noted)
    values, others = _merge([*sidecars, *found], locks)
    if "trigger_words" not in values:
        words = guess_trigger_words(metadata)
        if words:
            values["trigger_words"] = Sourced(words, METADATA, "guess")
    return Described(values, others, previews(path.name, beside), tuple(noted))


def _listed(folder: Path) -> Collection[str]:
    try:
        return os.listdir(folder)  # noqa: PTH208 - names are wanted
    except OSError:
        return ()


def _read_sidecars(path: Path, beside: Iterable[str], noted: list[str]) -> list[Found]:
    """What the sidecars say, in the order of the list of formats."""
    stem = len(path.stem)
    after_stem = {name[stem:].lower(): name for name in beside}
    after_name = {name[len(path.name) :].lower(): name for name in beside}
    found: list[Found] = []
    for reader in READERS:
        name = (after_name if reader.full_name else after_stem).get(reader.suffix)
        if name is not None:
            said, problems = read_sidecar(path.with_name(name), reader, path.name)
            found += said
            noted += [f"{problem}." for problem in problems]
    return found


def _merge(
    found: list[Found], locks: Mapping[str, Any]
) -> tuple[dict[str, Sourced], dict[str, tuple[Sourced, ...]]]:
    values: dict[str, Sourced] = {}
    others: dict[str, tuple[Sourced, ...]] = {}
    names = dict.fromkeys(name for one in found for name in one.values if name not in _MARKUP)
    for name in [*names, *(name for name in locks if name not in names)]:
        ranked = _ranked(name, found)
        said = [Sourced(one.values[name], one.source, one.origin) for one in ranked]
        if name in locks:
            said.insert(0, Sourced(locks[name], USER, "lock"))
        values[name] = said[0]
        differing = tuple(one for one in said[1:] if one.value != said[0].value)
        if differing:
            others[name] = differing
        markup = f"{name}_html"
        if ranked and name not in locks and markup in ranked[0].values:
            values[markup] = Sourced(ranked[0].values[markup], said[0].source, said[0].origin)
    return values, others


def _ranked(name: str, found: Iterable[Found]) -> list[Found]:
    order = _ORDER_OF.get(name, _ORDER)
    return sorted((one for one in found if name in one.values), key=lambda f: order.index(f.origin))
