"""What the form offers: checkpoints, networks, sizes and prompts to begin with."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from loradex.catalog.records import Entry
from loradex.errors import LoradexError
from loradex.files.header import read_header

from standalone.demo import DEMO_CHECKPOINT
from standalone.records import DEMO
from standalone.samplers import AUTOMATIC, resolve_sampler
from standalone.session import Session

USUAL_SIDE, SDXL_SIDE = 512, 1024
DEMO_PROMPTS = ("a large red circle on a blue background", "a white ring on a blue background")
DEMO_CFG, USUAL_CFG = 5.0, 7.0
"""A toy is pushed past its colours sooner than a real model."""
MOST_LISTED = 500
"""Gradio copies all choices at every change of the page: a third of a second for 20,000."""


def checkpoint_choices(session: Session) -> list[tuple[str, str]]:
    """(label, value) of every checkpoint that is at hand."""
    return [
        ("Demo (draws shapes)" if name == DEMO else Path(name).name, name)
        for name in session.checkpoints()
    ]


def network_choices(session: Session, checkpoint: str) -> list[str]:
    """The shortest names of networks that a tag can use with this checkpoint, the first of them."""
    names = session.catalog(checkpoint).names
    short = (names.short_name(file) for file in names.files)
    return sorted(short, key=str.casefold)[:MOST_LISTED]


def picker_label(session: Session, checkpoint: str) -> str:
    """What the list of networks is called; says so where it is not all of them."""
    count = len(session.catalog(checkpoint).names.files)
    if count <= MOST_LISTED:
        return "LoRA (type to search)"
    return f"LoRA (the first {MOST_LISTED} of {count:,}; the tab LoRAs has them all)"


def about_network(session: Session, checkpoint: str, name: str | None) -> str:
    """What is known of a network in one line; the fault where it cannot be used."""
    if not name:
        return "None found: put files into models/Lora."
    try:
        entry = session.catalog(checkpoint).entry(name)
    except LoradexError as error:
        return str(error)
    return " · ".join(_facts(entry, name))


def _facts(entry: Entry, name: str) -> Iterator[str]:
    facts, summary = entry.facts, entry.summary
    if facts.fault:
        yield f"{entry.file.path.name}: {facts.fault.message} {facts.fault.next_step}"
        return
    yield summary.title or name
    family = entry.family or " or ".join(facts.candidates)
    kind = f"{family} {next(iter(facts.types), '')}".strip()
    yield f"{kind}, rank {facts.rank}" if facts.rank else kind
    if summary.preferred_strength:
        yield f"strength {summary.preferred_strength:g}"
    if summary.trigger_words:
        yield f"trigger words: {', '.join(summary.trigger_words)}"


def schedule_choices(sampler: str) -> list[str]:
    """The schedules that a sampler can follow."""
    return [AUTOMATIC, *resolve_sampler(sampler)[0].schedules]


def starting_prompts(session: Session, checkpoint: str) -> list[str]:
    """Prompts to click: the demo's captions, the last one with a network and its trigger word."""
    if checkpoint != DEMO:
        return []
    for name in network_choices(session, checkpoint):
        entry = session.catalog(checkpoint).entry(name)
        if entry.facts.fault:
            continue  # the picker tells it
        words = ", ".join((DEMO_PROMPTS[-1], *entry.summary.trigger_words))
        # The tag in front: Gradio cuts long examples.
        return [*DEMO_PROMPTS, f"<lora:{name}:1> {words}"]
    return list(DEMO_PROMPTS)


def usual_cfg(checkpoint: str) -> float:
    """The CFG scale to begin with."""
    return DEMO_CFG if checkpoint == DEMO else USUAL_CFG


def usual_side(checkpoint: str) -> int:
    """The side in pixels that a checkpoint draws best, as far as its files tell at a glance."""
    path = DEMO_CHECKPOINT if checkpoint == DEMO else Path(checkpoint).expanduser()
    if path.is_dir():
        return _side_of_folder(path)
    if path.suffix.lower() == ".safetensors" and path.is_file():
        return _side_of_file(path)
    return SDXL_SIDE if "xl" in path.name.lower() else USUAL_SIDE


def _side_of_folder(folder: Path) -> int:
    """Latent size times the VAE's reduction, both from the configurations."""
    try:
        unet = json.loads((folder / "unet" / "config.json").read_text(encoding="utf-8"))
        vae = json.loads((folder / "vae" / "config.json").read_text(encoding="utf-8"))
        reduction: int = 2 ** (len(vae["block_out_channels"]) - 1)
        return int(unet["sample_size"]) * reduction
    except (OSError, ValueError, KeyError, TypeError):
        return USUAL_SIDE


def _side_of_file(path: Path) -> int:
    """SDXL's second text encoder gives it away; reading the header costs milliseconds."""
    try:
        names = read_header(path).tensors
    except LoradexError:
        return USUAL_SIDE  # loading it will name the fault
    return SDXL_SIDE if any(n.startswith("conditioner.embedders.1.") for n in names) else USUAL_SIDE
