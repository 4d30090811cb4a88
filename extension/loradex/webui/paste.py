"""Finds the networks of a pasted infotext by their hashes where their names are others here."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from loradex.errors import NetworkError
from loradex.prompts.infotext import parse_lora_hashes

if TYPE_CHECKING:
    from loradex.catalog.catalog import Catalog

_TAG_NAME = re.compile(r"(<(?:lora|lyco):)([^:>]+)", re.IGNORECASE)


def replace_names(catalog: Catalog | None, params: dict[str, str]) -> None:
    """Names in the prompt become those of the files with the same weights.

    A name that means the right file already stays as it is, and so does one whose hash nobody
    here has.
    """
    hashes = parse_lora_hashes(params.get("Lora hashes", ""))
    if hashes and catalog is not None and "Prompt" in params:
        params["Prompt"] = _TAG_NAME.sub(
            lambda match: match[1] + _local_name(catalog, match[2], hashes), params["Prompt"])


def _local_name(catalog: Catalog, name: str, hashes: dict[str, str]) -> str:
    wanted = hashes.get(name.translate(str.maketrans("", "", ":,")), "")
    same = [entry.file for entry in catalog.store.with_tensor_hash(wanted)]
    if not same:
        return name
    try:
        if catalog.known(name).id in {file.id for file in same}:
            return name
    except NetworkError:
        pass  # no file has that name, or several have
    return catalog.names.short_name(same[0])
