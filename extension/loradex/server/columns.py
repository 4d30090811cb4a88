"""The light rows of a library as columns: small to send, quick to read for a browser."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from loradex.catalog.catalog import Catalog
from loradex.catalog.index.light_rows import LightRow, stamp_of_preview
from loradex.files.sidecar_names import MODEL_SUFFIXES

_NS = 10**9
_FILMS = (".mp4", ".webm")


def columns_of(rows: Sequence[LightRow], catalog: Catalog) -> dict[str, Any]:
    """Column -> its values, one for each row; `{"values", "codes"}` where values repeat.

    `short` and `title` are '' where they are what `file` says without its suffix.
    """
    plain = {name: [value(row) for row in rows] for name, value in _PLAIN.items()}
    roots = {str(root): number for number, root in enumerate(catalog.roots)}
    plain["root"] = [roots[row.root] for row in rows]
    plain["short"] = [
        "" if short == row.name else short
        for short, row in zip(_short_names(rows, catalog), rows, strict=True)
    ]
    coded = {name: _coded(map(value, rows)) for name, value in _CODED.items()}
    lists = {name: _coded_lists(map(value, rows)) for name, value in _LISTS.items()}
    return {**plain, **coded, **lists}


def preview_stamp(row: LightRow) -> int:
    """A number that differs when the picture may have changed; 0 where there is none."""
    said = stamp_of_preview(row)
    return zlib.crc32(said.encode("utf-8", "replace")) | 1 if said else 0


def listed(rows: Iterable[LightRow], catalog: Catalog) -> list[LightRow]:
    """The rows of the catalog's own folders: the index may remember others."""
    roots = {str(root) for root in catalog.roots}
    return [row for row in rows if row.root in roots]


def _short_names(rows: Iterable[LightRow], catalog: Catalog) -> list[str]:
    """The shortest unique names; the index of names is asked only where one name is not enough."""
    return [
        row.name if row.alone and _is_plain(row.name) else _asked_for(row, catalog) for row in rows
    ]


def _is_plain(name: str) -> bool:
    """Whether a prompt's reader takes it as it stands and for nothing else."""
    return name.isascii() and name == name.strip() and not name.lower().endswith(MODEL_SUFFIXES)


def _asked_for(row: LightRow, catalog: Catalog) -> str:
    entry = catalog.store.get(row.key)
    return row.id if entry is None else catalog.names.short_name(entry.file)


def _family(row: LightRow) -> str:
    return str(row.user.get("family") or row.facts.get("family", ""))


def _title(row: LightRow) -> str:
    title: str = row.summary.get("title", "")
    return "" if title == row.name else title


def _tags(row: LightRow) -> list[str]:
    return sorted({*row.summary.get("tags", ()), *row.user.get("tags", ())})


def _fault(row: LightRow) -> str:
    return str((row.facts.get("fault") or {}).get("code", ""))


def _media(row: LightRow) -> str:
    """By the name, since nothing is opened for a list; the file's own route looks at its bytes."""
    preview: str = row.summary.get("preview", "")
    if not preview:
        return ""
    return "video" if preview.lower().endswith(_FILMS) else "image"


_PLAIN: Mapping[str, Callable[[LightRow], Any]] = {
    "key": lambda row: row.key,
    "file": lambda row: row.id.rpartition("/")[2],
    "title": _title,
    "rank": lambda row: row.facts.get("rank"),
    "favourite": lambda row: int(row.user.get("favourite", False)),
    "rating": lambda row: row.user.get("rating"),
    "words": lambda row: row.summary.get("trigger_words", ()),
    "strength": lambda row: row.summary.get("preferred_strength"),
    "size": lambda row: row.size,
    "modified": lambda row: row.mtime_ns // _NS,
    "added": lambda row: row.added_ns // _NS,
    "preview": preview_stamp,
    "notes": lambda row: int(bool(row.user.get("notes") or row.summary.get("notes"))),
    "nsfw": lambda row: row.summary.get("nsfw_level", 0),
}
_CODED: Mapping[str, Callable[[LightRow], str]] = {
    "media": _media,
    "folder": lambda row: row.id.rpartition("/")[0],
    "presence": lambda row: row.presence,
    "family": _family,
    "status": lambda row: row.facts.get("status", ""),
    "fault": _fault,
    "verdict": lambda row: row.verdict,
}
_LISTS: Mapping[str, Callable[[LightRow], Iterable[str]]] = {
    "candidates": lambda row: row.facts.get("candidates", ()),
    "types": lambda row: row.facts.get("types", ()),
    "tags": _tags,
}


def _coded(values: Iterable[str]) -> dict[str, list[Any]]:
    numbers: dict[str, int] = {}
    codes = [numbers.setdefault(value, len(numbers)) for value in values]
    return {"values": list(numbers), "codes": codes}


def _coded_lists(values: Iterable[Iterable[str]]) -> dict[str, list[Any]]:
    numbers: dict[str, int] = {}
    codes = [[numbers.setdefault(one, len(numbers)) for one in each] for each in values]
    return {"values": list(numbers), "codes": codes}
