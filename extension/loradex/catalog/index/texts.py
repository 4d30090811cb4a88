"""Names and words as they are sorted and searched: case, width and digits made comparable."""

from __future__ import annotations

import functools
import re
import unicodedata

from loradex.catalog.network_file import NetworkFile
from loradex.catalog.records import Summary, UserData

_DIGITS = re.compile("[0-9]+")
_LONGEST_NUMBER = 99
_MOST_WORDS = 64


def fold(text: str) -> str:
    """Text for comparing: lower case, one form of each letter, always valid UTF-8, no NUL."""
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text).casefold()
        text = unicodedata.normalize("NFKC", text).encode("utf-8", "replace").decode("utf-8")
    return text.lower().replace("\0", " ")


def sort_key(text: str) -> str:
    """A key whose plain order puts `lora2` before `Lora10`: numbers begin with their length."""
    return _DIGITS.sub(_number, fold(text))


def path_key(folder: str, name_key: str) -> str:
    """A key for a whole path: a folder's files stay together, whatever follows its name."""
    return f"{_folder_key(folder)}{name_key}"


@functools.lru_cache(maxsize=1024)
def _folder_key(folder: str) -> str:
    return f"{sort_key(folder)}/".replace("/", "\x01") if folder else ""


def clean(text: str) -> str:
    """Text that SQLite accepts: without halves of surrogate pairs."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


def search_text(file: NetworkFile, summary: Summary, user: UserData) -> str:
    """Everything of a file that is searched, folded, in lines; the first one is the name."""
    parts = [
        file.name.replace("\n", " "), summary.title, file.id.rpartition("/")[0],
        *summary.trigger_words, *summary.tags, *user.tags, summary.notes, user.notes,
    ]
    return fold("\n".join(part for part in parts if part)) + "\n"


def search_words(text: str) -> tuple[str, ...]:
    """The words of a query, folded like what is searched; of a pasted page, the first ones."""
    return tuple(dict.fromkeys(fold(text).split()))[:_MOST_WORDS]


def _number(match: re.Match[str]) -> str:
    digits = match[0].lstrip("0") or "0"
    return f"{min(len(digits), _LONGEST_NUMBER):02}{digits}"
