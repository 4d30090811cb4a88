"""Tells what a picture or film is by its first bytes; a name's suffix may lie."""

from __future__ import annotations

SNIFFED_BYTES = 64
"""How much of the beginning is needed."""

SUFFIX_OF = {
    "image/png": ".png", "image/jpeg": ".jpg", "image/webp": ".webp", "image/gif": ".gif",
    "image/avif": ".avif", "video/mp4": ".mp4", "video/webm": ".webm",
}
"""Every kind that is shown; none of them can carry a script, as SVG can."""

_MAGIC = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF8", "image/gif"),
)
_MP4_BRANDS = (b"iso", b"mp4", b"avc1", b"M4V", b"dash", b"MSNV", b"mmp4")
_MATROSKA = b"\x1aE\xdf\xa3"


def media_type(head: bytes) -> str:
    """The media type of what begins so, one of `SUFFIX_OF`, or ''."""
    for magic, found in _MAGIC:
        if head.startswith(magic):
            return found
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "image/webp"
    if head[4:8] == b"ftyp":
        brand = head[8:12]
        if brand in (b"avif", b"avis"):
            return "image/avif"
        return "video/mp4" if brand.startswith(_MP4_BRANDS) else ""
    # Matroska has the same beginning; only the kind of document that follows differs.
    is_webm = head.startswith(_MATROSKA) and b"webm" in head[:SNIFFED_BYTES]
    return "video/webm" if is_webm else ""
