"""Whether a WebUI and the standalone draw the same pixels: python -m tests.real_webui.same_pixels.

`--webui` is a WebUI's folder, which is started for the run, or the address of one that runs with
`--api` and already has the checkpoint and the LoRAs. The WebUI needs `--no-half` for equal pixels.
"""

from __future__ import annotations

import argparse
import base64
import json
import math
import sys
import tempfile
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from loradex.prompts.tags import extract_tags

from standalone.records import GenerationRequest, Settings
from standalone.samplers import resolve_sampler
from standalone.session import Session
from tests.real_webui.host import DataFolder, RunningWebUI, installation_at
from tests.real_webui.picture import Picture

LEAST_DB = 35.0
SAMPLERS = ("Euler", "Euler a", "DPM++ 2M Karras")
PROMPT = "a (red:1.3) circle, ((old)) [paper] <lora:ink:0.8> on a table <lora:glow:0.6:0.4>"
NEGATIVE = "blurry, (low quality:1.4)"
_ANSWER_S = 3600.0
_HEAD = ("| sampler | schedule | steps | size | PSNR | largest difference | without the LoRAs |\n"
         "|---|---|---|---|---|---|---|")


def options(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.real_webui.same_pixels", description=__doc__.splitlines()[0])
    parser.add_argument("--webui", required=True, help="a folder or an address")
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--lora-dir", type=Path, help="random LoRAs named ink and glow without it")
    parser.add_argument("--builtin", action="store_true",
                        help="start the WebUI without Loradex, so that its own LoRA code runs")
    parser.add_argument("--sampler", action="append", metavar="NAME", help="may be repeated")
    parser.add_argument("--prompt", default=PROMPT)
    parser.add_argument("--negative-prompt", default=NEGATIVE)
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--seed", type=int, default=5)
    return parser.parse_args(arguments)


@contextmanager
def address_of(given: argparse.Namespace, folder: Path) -> Iterator[str]:
    """The running WebUI's address, or that of one which is started for as long as it is needed."""
    if given.webui.startswith(("http://", "https://")):
        yield given.webui.rstrip("/")
        return
    data = DataFolder(folder)
    data.prepare(ours=not given.builtin)
    checkpoint = given.checkpoint.resolve()
    places = ("--ckpt-dir", str(checkpoint.parent), "--lora-dir", str(given.lora_dir.resolve()))
    with RunningWebUI(installation_at(Path(given.webui)), data, checkpoint, places) as host:
        yield host.address


def theirs(address: str, given: argparse.Namespace, sampler: str, prompt: str) -> Picture:
    """The WebUI's picture, with the noise of its "CPU" source and otherwise its own settings."""
    known, schedule = resolve_sampler(sampler)
    body = {
        "prompt": prompt, "negative_prompt": given.negative_prompt, "seed": given.seed,
        "steps": given.steps, "width": given.size, "height": given.size, "cfg_scale": 7.0,
        "sampler_name": known.name, "scheduler": schedule,
        "override_settings": {"randn_source": "CPU"},
    }
    request = urllib.request.Request(
        f"{address}/sdapi/v1/txt2img", json.dumps(body).encode(),
        {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=_ANSWER_S) as answer:
        told: dict[str, Any] = json.load(answer)
    return Picture.decode(told["images"][0], json.loads(told["info"]))


def ours(session: Session, given: argparse.Namespace, sampler: str, out: Path) -> Picture:
    """The standalone's picture, read back from the file that it wrote."""
    known, schedule = resolve_sampler(sampler)
    result = session.generate(GenerationRequest(
        given.prompt, given.negative_prompt, str(given.checkpoint), known.name, schedule,
        given.steps, 7.0, given.size, given.size, given.seed, strict=True), out=out)
    told = {"infotexts": [result.images[0].infotext]}
    return Picture.decode(base64.b64encode(out.read_bytes()).decode(), told)


def psnr(one: Picture, other: Picture) -> float:
    """How near two pictures of one size are, in dB; infinite where they are equal."""
    squares = sum((a - b) ** 2 for a, b in zip(one.pixels, other.pixels, strict=True))
    return 10 * math.log10(255**2 * len(one.pixels) / squares) if squares else math.inf


def compare(given: argparse.Namespace, address: str, folder: Path) -> bool:
    """Print one row a sampler; whether all of them are near enough."""
    near = True
    session = Session(Settings("cpu", "fp32", (given.lora_dir,), folder, home=folder / "home"))
    print(_HEAD, flush=True)
    for sampler in given.sampler or SAMPLERS:
        webui = theirs(address, given, sampler, given.prompt)
        plain = theirs(address, given, sampler, extract_tags(given.prompt)[0])
        standalone = ours(session, given, sampler, folder / "standalone.png")
        found = psnr(webui, standalone)
        near = near and found >= LEAST_DB
        known, schedule = resolve_sampler(sampler)
        print(f"| {known.name} | {schedule} | {given.steps} | {given.size} | {found:.1f} dB "
              f"| {webui.levels(standalone)} of 255 | {psnr(webui, plain):.1f} dB |", flush=True)
    session.close()
    return near


def random_loras(checkpoint: Path, folder: Path) -> Path:
    """Two networks on every module that a usual LoRA covers, under the names of `PROMPT`."""
    from tests.real_webui.networks import network_tensors, write_network

    for seed, name in enumerate(("ink", "glow")):
        write_network(folder / f"{name}.safetensors", network_tensors(checkpoint, seed=seed))
    return folder


def main(arguments: Sequence[str] | None = None) -> int:
    given = options(arguments)
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        given.lora_dir = given.lora_dir or random_loras(given.checkpoint, folder / "loras")
        with address_of(given, folder / "data") as address:
            return 0 if compare(given, address, folder) else 1


if __name__ == "__main__":
    sys.exit(main())
