"""The text under a picture, and reading it back."""

from __future__ import annotations

import json
import re
from typing import Any

_PART = re.compile(r'\s*(\w[\w \-/]+):\s*("(?:\\.|[^\\"])+"|[^,]*)(?:,|$)')


def quote(text: Any) -> Any:
    if any(one in str(text) for one in ",\n:"):
        return json.dumps(text, ensure_ascii=False)
    return text


def unquote(text: str) -> Any:
    return json.loads(text) if text.startswith('"') and text.endswith('"') else text


def parse_generation_parameters(x: str) -> dict[str, Any]:
    *lines, last = x.strip().split("\n")
    if len(_PART.findall(last)) < 3:
        lines, last = [*lines, last], ""
    prompt, _, negative = "\n".join(lines).partition("Negative prompt: ")
    found: dict[str, Any] = {"Prompt": prompt.strip(), "Negative prompt": negative.strip()}
    found.update((key, unquote(value)) for key, value in _PART.findall(last))
    return found
