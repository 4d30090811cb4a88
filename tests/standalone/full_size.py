"""Writes a full-size checkpoint of random weights: python -m tests.standalone.full_size sd1 DIR."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors.torch import save_file

from tests.standalone.ldm import FULL, make_models, to_native, write_folder


def write(family: str, folder: Path) -> None:
    """The same weights in fp16 as a diffusers folder, `.safetensors` and, but for SDXL, `.ckpt`."""
    folder.mkdir(parents=True, exist_ok=True)
    # SDXL in fp32 would take 14 GB before it is halved.
    usual = torch.get_default_dtype()
    torch.set_default_dtype(torch.float16 if family == "sdxl" else usual)
    models = make_models(family, FULL[family])
    torch.set_default_dtype(usual)
    for model in models.values():
        model.half()
    write_folder(folder / "folder", family, models)
    native = to_native(family, models)
    save_file(native, folder / "model.safetensors")
    if family != "sdxl":
        torch.save({"state_dict": native, "global_step": 1}, folder / "model.ckpt")


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.standalone.full_size")
    parser.add_argument("family", choices=sorted(FULL))
    parser.add_argument("folder", type=Path)
    options = parser.parse_args(arguments)
    write(options.family, options.folder)


if __name__ == "__main__":
    main()
