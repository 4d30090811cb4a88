"""Says whether a name can exist on every system, so that a library stays portable."""

from __future__ import annotations

import re
import unicodedata

from loradex.errors import InputError

MAX_BYTES = 255
"""Of one name: ext4, APFS and exFAT count at most 255 bytes or UTF-16 units."""

# Windows opens a device for these names, whatever suffix follows (learn.microsoft.com,
# "Naming Files, Paths, and Namespaces").
_DEVICE = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|com[0-9¹²³]|lpt[0-9¹²³])\Z", re.IGNORECASE)
_FORBIDDEN = frozenset('<>:"|?*')


def check_name(name: str, subject: str = "") -> str:
    """`name` itself, where it can be one file or folder of a library.

    Raises:
        InputError: what is wrong with it, in words.
    """
    check_safe(name, subject)
    if problem := _not_portable(name):
        raise _refused(name, problem, subject)
    return name


def check_safe(name: str, subject: str = "") -> None:
    """Refuses what could leave a folder or would be hidden from the lists, on any system."""
    if problem := _unsafe(name):
        raise _refused(name, problem, subject)


def fold(name: str) -> str:
    """Equal for names that a system without case or with another Unicode form takes for one."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def _unsafe(name: str) -> str:
    if not name.strip():
        return "it is empty"
    if name in (".", ".."):
        return "it means another folder"
    if "/" in name or "\\" in name:
        return "it holds a folder separator"
    if "\0" in name:
        return "it holds a NUL character"
    if name.startswith("."):
        return "a leading dot hides it from the list"
    return ""


def _not_portable(name: str) -> str:
    if bad := next((char for char in name if char in _FORBIDDEN or ord(char) < 32), ""):
        return f"Windows allows no {bad!r} in a name"
    if name[-1] in " .":
        return "Windows drops a dot or a space at the end"
    if _DEVICE.match(name.split(".")[0].rstrip(" ")):
        return "Windows keeps it for a device"
    try:
        length = len(name.encode())
    except UnicodeEncodeError:
        return "it holds characters that are no text"
    if length > MAX_BYTES:
        return f"it has {length} bytes and a name may have {MAX_BYTES}"
    return ""


def _refused(name: str, problem: str, subject: str) -> InputError:
    shown = name if len(name) <= 60 else f"{name[:57]}..."
    return InputError(subject or repr(shown), f"the name {shown!r} cannot be used: {problem}", "",
                      "Choose another name.")  # fmt: skip
