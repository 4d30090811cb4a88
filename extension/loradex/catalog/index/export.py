"""The user's own data as a readable file beside the index, from which a new index takes it."""

from __future__ import annotations

import json
import logging
import os
import secrets
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from loradex.catalog.index.recover import fsync_folder, set_aside
from loradex.catalog.index.user_data import is_whole

log = logging.getLogger(__name__)

_ABOUT = (
    "Favourites, ratings, tags, notes and families that you gave your LoRA files. Loradex writes "
    "this file after each change and reads it when its index has to be built again."
)
_INDENT = 2


class Exported(NamedTuple):
    """What an export says; `whole` is false where some of it was not understood."""

    database: str
    revision: int
    records: tuple[dict[str, Any], ...]
    whole: bool = True


def export_path(database: Path) -> Path:
    """`index.user.json` for `index.db`."""
    return database.with_name(f"{database.stem}.user.json")


def stamp(path: Path) -> str:
    """What differs when somebody else wrote the export; '' where there is none."""
    try:
        stat = path.stat()
    except OSError:
        return ""
    return f"{stat.st_size}:{stat.st_mtime_ns}"


def write(
    path: Path, database: str, revision: int, records: Sequence[Mapping[str, Any]]
) -> None:
    """Replaces the export at once: a crash leaves the old one or the new one, whole.

    Raises:
        OSError: it cannot be written.
    """
    ordered = sorted(records, key=lambda record: (record["root"], record["id"]))
    text = _text({"about": _ABOUT, "database": database, "revision": revision}, ordered)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(text.encode("utf-8", "backslashreplace"))
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise
    fsync_folder(path.parent)


def read(path: Path) -> Exported | None:
    """What an export says, or None where there is none.

    Raises:
        OSError: it cannot be read.
        ValueError: it is no export.
    """
    try:
        raw = json.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        return None
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    if not isinstance(raw, dict) or not isinstance(raw.get("entries"), list):
        raise ValueError("it has no list of entries")  # noqa: TRY004 - of a file, not of a call
    records = [record for record in raw["entries"] if is_whole(record)]
    for record in records:
        record.setdefault("root", "")
    revision = raw.get("revision")
    return Exported(
        str(raw.get("database", "")), revision if isinstance(revision, int) else 0,
        tuple(records), len(records) == len(raw["entries"]),
    )


def put_aside(path: Path, reason: str) -> str:
    """Keeps an export that is not understood under another name, and says so in a sentence."""
    log.warning("The user data in %s is set aside: %s", path, reason)
    target = set_aside(path)
    return (
        f"Some of {path.name} could not be understood ({reason}); it is kept as {target.name}, "
        "and nothing in it was lost."
    )


def _text(head: Mapping[str, Any], records: Sequence[Mapping[str, Any]]) -> str:
    """Like `json.dumps` with an indent, which has no fast path: 5,000 records in a tenth of it."""
    opening = json.dumps(head, indent=_INDENT)[:-2]
    pad = " " * _INDENT
    bodies = [
        f"{pad * 2}{{\n" + ",\n".join(
            f"{pad * 3}{json.dumps(name)}: {json.dumps(value, ensure_ascii=False)}"
            for name, value in record.items()
        ) + f"\n{pad * 2}}}"
        for record in records
    ]
    entries = "[\n" + ",\n".join(bodies) + f"\n{pad}]" if bodies else "[]"
    return f'{opening},\n{pad}"entries": {entries}\n}}\n'
