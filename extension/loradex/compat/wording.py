"""How titles are spoken inside a sentence."""

from __future__ import annotations


def with_article(title: str) -> str:
    """The title with `a` or `an`, as it is spoken."""
    spoken_vowel = title[:1] in "AEIOUaeiou" or title.startswith(("SD", "SS"))
    return f"{'an' if spoken_vowel else 'a'} {title}"
