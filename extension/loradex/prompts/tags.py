"""Network tags in a prompt: `<lora:name:te:unet:dyn>`, as AUTOMATIC1111 reads them.

Positional: name, te strength (default 1), unet strength (default: the te strength), dyn dim.
Named, in any order: `te=`, `unet=`, `dyn=`; a named value wins over a positional one. Strengths
may be curves; `hr=`, `start=`, `stop=`, `step=`, `lbw=` and `lbwe=` are read by `arguments.py`.
`lyco` is the same as `lora`. Tags of other kinds (`<hypernet:...>`) are taken out of the prompt
too, as AUTOMATIC1111 does, since the text encoder must never read a tag as words;
`foreign_tags` lists them so that a caller can tell.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from loradex.errors import PromptError
from loradex.prompts.arguments import read_arguments
from loradex.prompts.curves import Curve, number, strength_at, written
from loradex.prompts.schedule import Schedule

_TAG = re.compile(r"<(\w+):([^>]+)>")
_OPENED = re.compile(r"<(?:lora|lyco):", re.IGNORECASE)
_KINDS = ("lora", "lyco")


@dataclass(frozen=True)
class LoraTag:
    """One use of a network in a prompt.

    `schedule` is there where the strengths are no two numbers for the whole run; `te_strength`
    and `unet_strength` are then those that the first pass begins with. `lbw` and `lbwe` are names
    of presets or a list of block weights, `lbw_x` the value of `X` in it.
    `unknown` keeps named arguments of other tools, which change nothing here.
    `text` is the tag as it stood in the prompt; it takes no part in comparisons.
    """

    name: str
    te_strength: float = 1.0
    unet_strength: float = 1.0
    dyn_dim: int | None = None
    text: str = field(default="", compare=False)
    unknown: tuple[str, ...] = ()
    schedule: Schedule | None = None
    lbw: str = ""
    lbwe: str = ""
    lbw_x: float | None = None

    @property
    def options(self) -> tuple[str, ...]:
        """What it asks for beside two numbers, in its own words: `unet=0@0,1@1`, `lbw=MIDD`."""
        found: list[str] = []
        if self.schedule is not None:
            both = (("te", self.schedule.te), ("unet", self.schedule.unet))
            found = [f"{key}={one}" for key, one in both if isinstance(one, Curve)]
        return (*found, *_options(self))


def extract_tags(prompt: str) -> tuple[str, tuple[LoraTag, ...]]:
    """The prompt without tags, and its network tags in order, duplicates kept.

    Raises:
        PromptError: a tag has no name, a value that is no number, too many values, or no end.
    """
    tags = tuple(
        _read_tag(match.group(0), match.group(2))
        for match in _TAG.finditer(prompt)
        if match.group(1).lower() in _KINDS
    )
    rest = _TAG.sub("", prompt)
    opened = _OPENED.search(rest)
    if opened:
        shown = rest[opened.start() : opened.start() + 40]
        raise PromptError(shown, "the tag has no name or no end", "<lora:name:strength>")
    return rest, tags


def tag_of_items(items: Sequence[object]) -> LoraTag:
    """The tag whose parts a WebUI has split at the colons already: name, then values.

    Raises:
        PromptError: as `extract_tags` does.
    """
    body = ":".join(str(item) for item in items)
    return _read_tag(f"<lora:{body}>", body)


def foreign_tags(prompt: str) -> tuple[str, ...]:
    """Tags of kinds that Loradex does not handle, as they stand in the prompt."""
    return tuple(
        match.group(0)
        for match in _TAG.finditer(prompt)
        if match.group(1).lower() not in _KINDS
    )


def format_tag(tag: LoraTag) -> str:
    """The shortest tag that reads back as `tag`.

    Raises:
        PromptError: the name holds a character that would end the tag or its name.
    """
    if not tag.name.strip() or tag.name != tag.name.strip() or re.search("[:>]", tag.name):
        raise PromptError(
            f"<lora:{tag.name}>",
            "the name cannot be written in a tag",
            "a name without ':' and '>', and without spaces around it",
            "Rename the file.",
        )
    te, unet = tag.te_strength, tag.unet_strength
    ours, theirs = (te, unet) if tag.schedule is None else (tag.schedule.te, tag.schedule.unet)
    parts = [tag.name, written(ours)]
    if theirs != ours or tag.dyn_dim is not None:
        parts.append(written(theirs))
    if tag.dyn_dim is not None:
        parts.append(str(tag.dyn_dim))
    return f"<lora:{':'.join([*parts, *_options(tag), *tag.unknown])}>"


def _options(tag: LoraTag) -> tuple[str, ...]:
    """The named arguments that have no place of their own."""
    blocks = [f"{key}={text}" for key, text in (("lbw", tag.lbw), ("lbwe", tag.lbwe)) if text]
    filler = [] if tag.lbw_x is None else [f"x={number(tag.lbw_x)}"]
    return (*(() if tag.schedule is None else tag.schedule.options()), *blocks, *filler)


def _read_tag(text: str, body: str) -> LoraTag:
    name, *values = (part.strip() for part in body.split(":"))
    if not name:
        raise PromptError(text, "the tag has no name", "<lora:name:strength>")
    found = read_arguments(text, values)
    schedule = found.schedule
    te, unet = strength_at(schedule.te), strength_at(schedule.unet)
    return LoraTag(
        name, te, unet, found.dyn_dim, text, found.unknown,
        None if schedule.plain else schedule, found.lbw, found.lbwe, found.lbw_x)
