"""An ordinary library: LoRAs of several bases with pictures, words, notes and a few bad ones.

The pictures are drawn by the demo model, each by the network whose file it lies beside.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import NamedTuple

from standalone.demo import DEMO_LORAS
from standalone.records import DEMO, GenerationRequest, Settings
from standalone.session import Session
from tests.standalone.libraries import network, write


class Made(NamedTuple):
    """One file of the library and what its picture shows."""

    id: str
    source: str
    """A network of the demo, or the family that a made one is for."""
    words: str
    shows: str
    network: str = ""
    """What draws the picture, where the file itself cannot."""


FILES = (
    Made("materials/gold leaf", "golden", "golden", "blue circle on white"),
    Made("materials/old gold", "golden", "golden", "red ring on black"),
    Made("materials/gilded edges", "golden", "golden", "pink diamond on green"),
    Made("styles/candy stripes", "stripes", "stripes", "red circle on yellow"),
    Made("styles/awning", "stripes", "stripes", "green square on pink"),
    Made("styles/chalk line", "outline", "outline", "red circle on white"),
    Made("styles/wire frame", "outline", "outline", "green triangle on black"),
    Made("styles/soft pastel", "pastel", "pastel", "red circle on blue"),
    Made("styles/powder paint", "pastel", "pastel", "purple heart on green"),
    Made("places/night sky", "night", "night", "yellow circle on white"),
    Made("places/moonlit garden", "night", "night", "white ring on white"),
    Made("places/late in december", "night", "night", "pink heart on white"),
    Made("portraits/Ink wash v2", "sd1", "ink wash, sumi", "black circle on white", "outline"),
    Made("portraits/Charcoal study", "sd1", "charcoal", "black triangle on white", "outline"),
    Made("portraits/Film grain", "sdxl", "film grain", "orange square on black", "stripes"),
    Made("portraits/水墨", "sdxl", "水墨", "cyan circle on white", "pastel"),
    Made("photo/Golden hour XL", "sdxl", "golden hour", "orange circle on purple", "golden"),
    Made("photo/Neon rain XL", "sdxl", "neon", "pink ring on black", "night"),
    Made("photo/Soft focus", "flux1", "", "white heart on pink", "pastel"),
    Made("photo/Studio light", "flux1", "studio light", "yellow diamond on black", "golden"),
)  # fmt: skip


def make_library(root: Path, pictures: Path) -> Path:
    """Writes all files below `root`; pictures that `pictures` keeps are not drawn again."""
    pictures.mkdir(parents=True, exist_ok=True)
    session = Session(Settings(lora_dirs=(DEMO_LORAS,)))
    try:
        for number, made in enumerate(FILES, 1):
            _write(root / f"{made.id}.safetensors", made)
            picture = pictures / f"{number}.png"
            if not picture.exists():
                _draw(session, made, number, picture)
            shutil.copy(picture, root / f"{made.id}.preview.png")
    finally:
        session.close()
    _write_bad(root)
    _write_notes(root)
    return root


def _write(path: Path, made: Made) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if (DEMO_LORAS / f"{made.source}.safetensors").exists():
        shutil.copy(DEMO_LORAS / f"{made.source}.safetensors", path)
    else:
        write(path, network(made.source, rank=8), _metadata(path.stem, made))
    if made.words:
        path.with_suffix(".json").write_text(
            json.dumps({"activation text": made.words, "preferred weight": 0.8}), encoding="utf-8")


def _metadata(name: str, made: Made) -> dict[str, str]:
    tags = {word.strip(): 24 for word in made.words.split(",") if word.strip()}
    return {
        "ss_output_name": name, "ss_network_dim": "8", "ss_network_alpha": "4", "ss_steps": "1600",
        "ss_num_epochs": "10", "ss_resolution": "(512, 512)", "ss_optimizer": "AdamW8bit",
        "ss_tag_frequency": json.dumps({"10_art": {**tags, "paper": 18, "brush": 11, "white": 7}}),
    }


def _draw(session: Session, made: Made, seed: int, picture: Path) -> None:
    by = made.network or made.source
    shape, _, ground = made.shows.partition(" on ")
    prompt = f"a large {shape} on a {ground} background, {by} <lora:{by}:0.8>"
    request = GenerationRequest(prompt=prompt, seed=seed, checkpoint=DEMO)
    session.generate(request, out=picture)


def _write_bad(root: Path) -> None:
    """One download that broke off, one that is a web page, one whose base nobody knows."""
    whole = write(root / "downloads" / "watercolour.safetensors", network("sd1"))
    with whole.open("r+b") as file:
        file.truncate(whole.stat().st_size // 2)
    page = root / "downloads" / "sunset.safetensors"
    page.write_text("<!doctype html><title>Sign in</title><p>Please sign in to download.")
    write(root / "downloads" / "mystery.safetensors", {
        "blocks.0.mix.lora_down.weight": (4, 96), "blocks.0.mix.lora_up.weight": (96, 4)})


def _write_notes(root: Path) -> None:
    path = root / "portraits" / "Ink wash v2.json"
    said = json.loads(path.read_text(encoding="utf-8"))
    said |= {"description": "Brush and ink on rice paper.\nBest with plain backgrounds.",
             "notes": "0.6 for faces, 1 for landscapes"}
    path.write_text(json.dumps(said), encoding="utf-8")
