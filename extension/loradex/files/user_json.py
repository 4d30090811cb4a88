"""Writes the user's own words into AUTOMATIC1111's `NAME.json`, and loses nothing that is there."""

from __future__ import annotations

import contextlib
import json
import math
import os
import secrets
import stat
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from loradex.errors import InputError, SidecarError
from loradex.files.json_edit import edit_object, new_object
from loradex.files.plain_text import distinct, split_words
from loradex.files.sidecars.a1111 import is_foreign
from loradex.files.sidecars.reader import SidecarFault, parse_object, read_bytes

FIELDS: Mapping[str, str] = {
    "description": "description",
    "sd_version": "sd version",
    "trigger_words": "activation text",
    "preferred_strength": "preferred weight",
    "negative_words": "negative text",
    "notes": "notes",
}
"""Our fields and AUTOMATIC1111's keys for them (`ui_edit_user_metadata.py`)."""

_BOM = b"\xef\xbb\xbf"
_ATTEMPTS = 5
_WAIT_SECONDS = 0.05

_one_writer = threading.Lock()
"""Two threads that change one file would each keep what they read, and the second would win."""


def write_user_json(model: Path, changes: Mapping[str, Any]) -> bool:
    """Merges changes into the `NAME.json` of a model; False when it says all that already.

    `changes` are fields of `FIELDS`, or AUTOMATIC1111's own keys. An empty value removes its key:
    nothing else ever takes a value away. Everything else in the file stays byte for byte.

    Raises:
        SidecarError: the file is another tool's (`foreign-sidecar`) or damaged
            (`broken-sidecar`) and was left alone, or it cannot be written (`unwritable`).
        InputError: a change is no field of that file, or of the wrong type.
    """
    wanted = {_key(name): _value(name, value) for name, value in changes.items()}
    path = model.with_name(f"{model.stem}.json")
    if path.is_symlink():
        path = Path(os.path.realpath(path))
    with _one_writer:
        for _ in range(_ATTEMPTS):
            before = _read(path)
            after = _merged(path.name, before, wanted)
            if after is None or after == before:
                return False
            if _replace(path, before, after):
                return True
    raise _unwritable(path.name, "another program keeps changing it")


def _key(name: str) -> str:
    if name in FIELDS:
        return FIELDS[name]
    if name in FIELDS.values():
        return name
    known = ", ".join(FIELDS)
    raise InputError(name, "is no field of a model's user data", f"one of {known}")


def _value(name: str, value: Any) -> str | float | tuple[str, ...] | None:
    """The value as it is stored, or None for nothing; words stay apart until the file is read."""
    if _key(name) == "preferred weight":
        return _strength(name, value)
    if not value and not isinstance(value, (bool, int, float)):
        return None
    words = (value,) if isinstance(value, str) else value
    if not isinstance(words, (tuple, list)) or not all(isinstance(one, str) for one in words):
        raise InputError(name, f"{value!r} is no text", "text or a list of texts")
    try:
        "".join(words).encode("utf-8")
    except UnicodeEncodeError:
        raise InputError(name, "holds a broken character", "Unicode text") from None
    return value if isinstance(value, str) else distinct(words) or None


def _stored(wanted: Any, before: Any) -> Any:
    """Words as one text: as it stands there where it says the same, sets parted as they are.

    Several sets with commas inside would come back as single words, so they are parted by `||`.
    """
    if not isinstance(wanted, tuple):
        return wanted
    if isinstance(before, str):
        if split_words(before) == wanted:
            return before
        if "||" in before:
            return " || ".join(wanted)
    joined = ", ".join(wanted)
    return joined if len(wanted) == 1 or split_words(joined) == wanted else " || ".join(wanted)


def _strength(name: str, value: Any) -> float | None:
    if value is None or value == "":
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise InputError(name, f"{value!r} is no strength", "a number")
    return value


def _read(path: Path) -> bytes | None:
    """The bytes of the file, or None where there is none."""
    if not path.exists():
        return None
    try:
        return read_bytes(path)
    except SidecarFault as fault:
        raise _broken(path.name, str(fault)) from None


def _merged(name: str, before: bytes | None, wanted: Mapping[str, Any]) -> bytes | None:
    """The new bytes, or None where there is nothing to write."""
    if before is None or not before.removeprefix(_BOM).strip():
        values = {key: _stored(value, "") for key, value in wanted.items() if value is not None}
        return (before or b"") + new_object(values).encode("utf-8") if values else None
    try:
        document = parse_object(before)
        text = before.removeprefix(_BOM).decode("utf-8")
    except SidecarFault as fault:
        raise _broken(name, str(fault)) from None
    except UnicodeDecodeError:
        raise _broken(name, "is no UTF-8 text") from None
    if is_foreign(document):
        raise SidecarError(
            name, "holds Civitai's data, which another tool keeps under this name",
            "AUTOMATIC1111's user data",
            "Rename that file (for example to .civitai.json) if that tool does not need it.",
            "foreign-sidecar",
        )  # fmt: skip
    wanted = {key: _stored(value, document.get(key)) for key, value in wanted.items()}
    bom = _BOM if before.startswith(_BOM) else b""
    after = bom + edit_object(text, wanted).encode("utf-8")
    _check_kept(name, document, after, wanted)
    return after


def _check_kept(
    name: str, document: Mapping[str, Any], after: bytes, wanted: Mapping[str, Any]
) -> None:
    """Reads the result again before it replaces anything: no other key may differ."""
    now = parse_object(after)
    changed = {key: now.pop(key, None) for key in wanted}
    kept = {key: value for key, value in document.items() if key not in wanted}
    if list(now) != list(kept) or json.dumps(now) != json.dumps(kept) or changed != wanted:
        raise _broken(name, "has a form that cannot be changed safely")


def _replace(path: Path, before: bytes | None, after: bytes) -> bool:
    """Writes beside the file and swaps; False where somebody else changed it meanwhile."""
    if before is not None and not os.access(path, os.W_OK):
        raise _unwritable(path.name, "it is read-only")
    temporary = path.with_name(f".loradex-{secrets.token_hex(8)}.tmp")
    try:
        _write(temporary, after, path)
        if _read(path) != before:
            return False
        _swap(temporary, path)
        return True
    except OSError as error:
        raise _unwritable(path.name, (error.strerror or str(error)).lower()) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()


def _write(temporary: Path, content: bytes, like: Path) -> None:
    """All bytes on the disk, with the permissions of the file that will be replaced."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    with os.fdopen(os.open(temporary, flags, 0o666), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    with contextlib.suppress(FileNotFoundError):
        temporary.chmod(stat.S_IMODE(like.stat().st_mode))


def _swap(temporary: Path, path: Path) -> None:
    """Windows refuses while a virus scanner or an editor has the file open; that passes."""
    for attempt in range(_ATTEMPTS):
        try:
            os.replace(temporary, path)  # noqa: PTH105
            break
        except PermissionError:
            if os.name != "nt" or attempt == _ATTEMPTS - 1:
                raise
            time.sleep(_WAIT_SECONDS)
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    """So that the new name survives a power cut; Windows has no such call."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _broken(name: str, found: str) -> SidecarError:
    return SidecarError(
        name, f"{found}, so it was left as it is", "a JSON object in UTF-8",
        "Repair it in an editor, or move it away.", "broken-sidecar",
    )  # fmt: skip


def _unwritable(name: str, reason: str) -> SidecarError:
    return SidecarError(
        name, f"cannot be written ({reason})", "", "Check the folder's permissions and free space.",
        "unwritable",
    )  # fmt: skip
