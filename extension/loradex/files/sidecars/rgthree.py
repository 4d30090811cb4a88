"""`NAME.safetensors.rgthree-info.json` of rgthree-comfy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from loradex.files.picker import Picker
from loradex.files.plain_text import distinct
from loradex.files.sidecars import civitai
from loradex.files.sidecars.reader import Reader, Subject, picker


def read(document: Mapping[str, Any], subject: Subject) -> list[Picker]:
    """The words that the user added go before those of the page; counts of tags are left out."""
    own = picker(document, subject, "manager")
    words = own.objects("trainedWords")
    site = picker(document, subject, "site")
    for pick, mark in ((own, "user"), (site, "civitai")):
        chosen = [one["word"] for one in words if one.get(mark) and _is_text(one)]
        if chosen:
            pick.values["trigger_words"] = distinct(chosen)
    site.line("title", "name")
    site.line("base_model", "baseModel")
    site.hash("sha256", "sha256")
    links = document.get("links")
    for link in links if isinstance(links, list) else ():
        if isinstance(link, str) and link.startswith("https://"):
            site.values.setdefault("source_url", link)
    civitai.read_version(site.inner("raw").inner("civitai"), subject)
    return [own, site]


def _is_text(word: Mapping[str, Any]) -> bool:
    return isinstance(word.get("word"), str)


READER = Reader(".rgthree-info.json", "rgthree-comfy", read, full_name=True)
