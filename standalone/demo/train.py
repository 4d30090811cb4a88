"""Trains the bundled toy model and its networks: `python -m standalone.demo.train`."""

from __future__ import annotations

import argparse
import multiprocessing
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from standalone.demo.training.captions import write_tokenizer
from standalone.demo.training.denoiser import (
    load_tokenizer,
    new_text_encoder,
    new_unet,
    train_denoiser,
)
from standalone.demo.training.export import load_base, save_model, save_network
from standalone.demo.training.networks import RECIPES, train_network
from standalone.demo.training.vae import new_vae, train_vae

NETWORK_STEPS = 200
WORKERS = 2


def _single_thread() -> None:
    """One thread per process: the sums, and so the weights, are the same on every run."""
    torch.set_num_threads(1)


def _make_vae(folder: Path, shrink: int) -> None:
    torch.save(train_vae(shrink).state_dict(), folder / "vae.pt")


def _make_denoiser(folder: Path, shrink: int) -> None:
    write_tokenizer(folder / "tokenizer")
    unet, text = train_denoiser(load_tokenizer(folder / "tokenizer"), shrink)
    torch.save(unet.state_dict(), folder / "unet.pt")
    torch.save(text.state_dict(), folder / "text.pt")


def _make_network(style: str, model: Path, loras: Path, steps: int) -> None:
    recipe = next(recipe for recipe in RECIPES if recipe.style == style)
    network = train_network(recipe, *load_base(model), steps)
    print(f"wrote {save_network(loras, network, steps)}", flush=True)


def assemble(parts: Path, model: Path) -> None:
    """The diffusers folder from the parts that the two trainings left."""
    tokenizer = load_tokenizer(parts / "tokenizer")
    vae, unet, text = new_vae(), new_unet(), new_text_encoder(len(tokenizer))
    for module, name in ((vae, "vae"), (unet, "unet"), (text, "text")):
        module.load_state_dict(torch.load(parts / f"{name}.pt", weights_only=True))
    save_model(model, vae, unet, text, tokenizer)


def _train_base(model: Path, shrink: int) -> None:
    with TemporaryDirectory() as name, _pool() as pool:
        parts = Path(name)
        jobs = [
            pool.apply_async(_make_denoiser, (parts, shrink)),
            pool.apply_async(_make_vae, (parts, shrink)),
        ]
        for job in jobs:
            job.get()
        assemble(parts, model)


def _train_networks(styles: Sequence[str], model: Path, loras: Path, shrink: int) -> None:
    with _pool() as pool:
        pool.starmap(
            _make_network,
            [(style, model, loras, NETWORK_STEPS // shrink) for style in styles],
            chunksize=1,
        )


def _pool() -> multiprocessing.pool.Pool:
    return multiprocessing.get_context("spawn").Pool(WORKERS, initializer=_single_thread)


def main(arguments: Sequence[str] | None = None) -> None:
    """Trains everything, or with `--only` some networks on the model that is there."""
    styles = [recipe.style for recipe in RECIPES]
    parser = argparse.ArgumentParser(prog="python -m standalone.demo.train", description=__doc__)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent, help="where to write")
    parser.add_argument("--only", nargs="+", choices=styles, help="train only these networks")
    parser.add_argument("--shrink", type=int, default=1, help="divide all steps, for a trial run")
    options = parser.parse_args(arguments)
    start = time.monotonic()
    model, loras = options.out / "model", options.out / "loras"
    if not options.only:
        _train_base(model, options.shrink)
    _train_networks(options.only or styles, model, loras, options.shrink)
    print(f"done in {(time.monotonic() - start) / 60:.1f} minutes", flush=True)


if __name__ == "__main__":
    main()
