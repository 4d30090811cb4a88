"""Which files of a folder belong to which model: exact suffixes of all tools, never a bare prefix.

`ink.json`, `ink.civitai.info` and `ink.preview.png` belong to `ink.safetensors`, while
`ink.wash.json` belongs to `ink.wash.safetensors` and to nothing else.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator, Mapping

MODEL_SUFFIXES = (".safetensors", ".pt", ".ckpt", ".bin")

SIDECAR_SUFFIXES = (
    ".json",  # AUTOMATIC1111 and its forks; Civitai's whole answer by SD.Next
    ".civitai.info",  # Civitai Helper and many others
    ".metadata.json",  # ComfyUI-Lora-Manager
    ".cm-info.json",  # StabilityMatrix
    ".swarm.json",  # SwarmUI
    ".cminfo.json",  # Civicomfy
    ".api_info.json", ".html",  # CivitAI Browser+
    ".txt", ".description.txt",  # AUTOMATIC1111's descriptions, other tools' notes
    ".sha256",  # ComfyUI-Custom-Scripts
    ".yaml", ".yml",  # a model's configuration
)  # fmt: skip

FULL_NAME_SUFFIXES = (
    ".rgthree-info.json",  # rgthree-comfy
    ".json",  # CivitAI Browser+ at times (its #270)
)
"""What tools append to the whole file name: `ink.safetensors.rgthree-info.json`."""

PREVIEW_SUFFIXES = (
    # ComfyUI-Lora-Manager's order; AUTOMATIC1111's names are among them.
    ".webp", ".preview.webp", ".preview.png", ".preview.jpeg", ".preview.jpg", ".preview.mp4",
    ".png", ".jpeg", ".jpg", ".mp4", ".gif", ".webm", ".avif", ".jxl",
    ".preview.gif", ".preview.webm", ".preview.avif", ".preview.jxl",
    ".thumb.jpg", ".thumb.jpeg", ".thumb.png", ".thumb.webp",  # SD.Next, SwarmUI
)  # fmt: skip
"""Best first. Numbered pictures (`ink.example.0.png`, `ink_0.jpg`) come after all of these."""

_MEDIA = frozenset(suffix for suffix in PREVIEW_SUFFIXES if suffix.count(".") == 1)
_STEM_SUFFIXES = frozenset((*SIDECAR_SUFFIXES, *PREVIEW_SUFFIXES))
_NUMBERED = re.compile(r"(?s)(.+?)(?:\.example\.\d{1,3}|_\d{1,2})\Z", re.IGNORECASE)
"""zx's `NAME.example.0.png`, CivitAI Browser+'s `NAME_0.jpg`; without the suffix."""

_PREVIEW_RANK = {suffix: rank for rank, suffix in enumerate(PREVIEW_SUFFIXES)}


def models_of(name: str) -> tuple[str, ...]:
    """What a model is called to which the file `name` may belong, most specific first.

    Each is a model's stem (`ink`) or its full name (`ink.safetensors`); compare without case.
    Nothing for a file that is neither sidecar nor preview, models themselves among them.
    """
    lower = name.lower()
    dot = lower.rfind(".")
    if dot <= 0 or (suffix := lower[dot:]) in MODEL_SUFFIXES:
        return ()
    found = [name[:dot]] if suffix in _STEM_SUFFIXES else []
    before = lower.rfind(".", 1, dot)
    if before > 0:
        longer = lower[before:]
        if longer in _STEM_SUFFIXES or (
            longer in FULL_NAME_SUFFIXES and lower.endswith(MODEL_SUFFIXES, 0, before)
        ):
            found.append(name[:before])
    if suffix in _MEDIA and lower[dot - 1].isdigit() and (match := _NUMBERED.match(name[:dot])):
        found.append(match[1])
    elif lower == "adapter_config.json":  # PEFT's alpha, beside adapter_model.safetensors
        found.append("adapter_model")
    return tuple(found)


def companions(model_name: str, folder_names: Collection[str]) -> tuple[str, ...]:
    """The files of one folder that belong to the model file `model_name`, sorted.

    A file that belongs more specifically to another model of the folder is left out; what
    `ink.safetensors` and `ink.pt` share is listed for both.
    """
    start = _stem(model_name).lower()
    if start == "adapter_model":
        start = "adapter_"
    near = {name for name in folder_names if name.lower().startswith(start)}
    return companions_by_model(near | {model_name}).get(model_name, ())


def companions_by_model(names: Collection[str]) -> Mapping[str, tuple[str, ...]]:
    """The companions of every model of a folder, in one pass over its file names."""
    models = {name: list[str]() for name in names if name.lower().endswith(MODEL_SUFFIXES)}
    called: dict[str, list[str]] = {}
    for model in models:
        called.setdefault(_stem(model).lower(), []).append(model)
        called.setdefault(model.lower(), []).append(model)
    for name in names:
        if name not in models:
            for model in _owners(name, called):
                models[model].append(name)
    return {model: tuple(sorted(found)) for model, found in models.items()}


def previews(model_name: str, companion_names: Collection[str]) -> tuple[str, ...]:
    """The pictures and films among a model's companions, the one to show first."""
    stem = len(_stem(model_name))
    ranked = sorted(
        (_PREVIEW_RANK.get(name[stem:].lower(), len(_PREVIEW_RANK)), len(name), name)
        for name in companion_names
        if name[name.rfind(".") :].lower() in _MEDIA
    )
    return tuple(name for _, _, name in ranked)


def _owners(name: str, called: Mapping[str, list[str]]) -> Iterator[str]:
    """The models of the most specific owner; spelled in the same case where one is."""
    for owner in models_of(name):
        models = called.get(owner.lower())
        if models:
            exact = [model for model in models if owner in (model, _stem(model))]
            yield from exact or models
            return


def _stem(name: str) -> str:
    return os.path.splitext(name)[0]  # noqa: PTH122 - a bare name
