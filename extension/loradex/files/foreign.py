"""Names what a file really is when it carries a model's suffix but is none."""

from __future__ import annotations

from dataclasses import dataclass

from loradex.files.faults import FAULTS

SNIFF_BYTES = 512
"""How much of a file's beginning is enough to name it."""


@dataclass(frozen=True)
class Foreign:
    """What a file is in truth, and what a user can do about it."""

    code: str
    what: str

    @property
    def next_step(self) -> str:
        return FAULTS[self.code].next_step


_PICKLE = Foreign("pickle", "a PyTorch pickle file under the wrong name")
_MAGIC: tuple[tuple[bytes, Foreign], ...] = (
    (b"GGUF", Foreign("gguf", "a GGUF file")),
    (b"\x89PNG\r\n", Foreign("picture", "a PNG picture")),
    (b"\xff\xd8\xff", Foreign("picture", "a JPEG picture")),
    (b"GIF8", Foreign("picture", "a GIF picture")),
    (b"RIFF", Foreign("picture", "a picture or a film (RIFF)")),
    (b"%PDF", Foreign("document", "a PDF document")),
    (b"\x1f\x8b", Foreign("archive", "a gzip archive")),
    (b"7z\xbc\xaf\x27\x1c", Foreign("archive", "a 7z archive")),
    (b"Rar!", Foreign("archive", "a RAR archive")),
    (b"BZh", Foreign("archive", "a bzip2 archive")),
    (b"\xfd7zXZ", Foreign("archive", "an xz archive")),
    (b"\x28\xb5\x2f\xfd", Foreign("archive", "a Zstandard archive")),
)
_HTML = (b"<!doctype", b"<html", b"<head", b"<?xml", b"<body", b"<!--")


def recognise(head: bytes) -> Foreign | None:
    """The true kind of a file from its first bytes, or None where nothing is recognised."""
    head = head[:SNIFF_BYTES]
    if head and not head.strip(b"\0"):
        return Foreign("zeros", "nothing but zero bytes (an interrupted download)")
    for magic, foreign in _MAGIC:
        if head.startswith(magic):
            return foreign
    if is_zip(head):
        if b"data.pkl" in head:
            return _PICKLE
        return Foreign("archive", "a zip archive")
    return _PICKLE if is_pickle(head) else _recognise_text(head)


def is_zip(head: bytes) -> bool:
    """True for a zip archive: what torch.save has written since torch 1.6."""
    return head.startswith((b"PK\x03\x04", b"PK\x05\x06"))


def is_pickle(head: bytes) -> bool:
    """True for a bare pickle of protocol 2 to 5: what torch.save wrote before."""
    return len(head) > 1 and head[0] == 0x80 and 2 <= head[1] <= 5


def _recognise_text(head: bytes) -> Foreign | None:
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if text.lower().startswith(_HTML):
        return Foreign("html-page", "a web page (HTML)")
    if text.startswith(b"version https://git-lfs"):
        return Foreign("lfs-pointer", "a git-LFS pointer, not the file that it points to")
    if not _is_readable(head):
        return None
    shown = " ".join(text[:60].decode("utf-8", "replace").split())
    if text.startswith((b"{", b"[")):
        return Foreign("json-page", f"a JSON answer of a site: {shown}")
    return Foreign("text-page", f"a text: {shown}")


def _is_readable(head: bytes) -> bool:
    """True for text; a code point may be cut in two where the sniffed bytes end."""
    if not head or any(byte < 32 and byte not in b"\t\n\r\f\x1b" for byte in head):
        return False
    try:
        head.decode("utf-8")
    except UnicodeDecodeError as error:
        return error.reason == "unexpected end of data"
    return True
