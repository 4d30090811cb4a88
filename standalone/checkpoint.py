"""Finds what a checkpoint name means and loads it: the demo, a folder, a hub id or one file."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loradex.errors import FileError, InputError, LoradexError

from standalone.demo import DEMO_CHECKPOINT
from standalone.device import pick_dtype, vae_dtype
from standalone.model import LoadedModel, TextEncoder
from standalone.placing import Offload, placed
from standalone.records import DEMO

if TYPE_CHECKING:
    import torch

log = logging.getLogger(__name__)

SINGLE_FILES = (".safetensors", ".ckpt", ".pth", ".pt", ".bin")
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")
_PIPELINES = ("StableDiffusionPipeline", "StableDiffusionXLPipeline")


def locate_checkpoint(checkpoint: str) -> Path | None:
    """The local file or folder that `checkpoint` means; None means a hub id.

    Raises:
        FileError: it is neither at hand nor the form of a hub id.
    """
    name = checkpoint.strip()
    if name == DEMO:
        return _present(DEMO_CHECKPOINT, "the bundled demo model", "Install Loradex again.")
    path = Path(name).expanduser()
    if path.exists():
        return path
    looks_local = path.suffix.lower() in SINGLE_FILES or path.is_absolute() or name[:1] in ".~"
    if not looks_local and _HUB_ID.fullmatch(name):
        return None
    raise FileError(
        f"checkpoint {checkpoint}", "no such file or folder",
        "'demo', a diffusers folder, a hub id or a checkpoint file", "Check the path.",
        code="missing",
    )


def _present(path: Path, what: str, step: str) -> Path:
    if not path.exists():
        raise FileError(f"checkpoint {path}", f"{what} is not there", "", step, code="missing")
    return path


def silence_libraries() -> None:
    """Keep the loaders' progress bars and advice off the terminal; faults come as exceptions."""
    # Says what it would be faster with when diffusers imports it, on processors with bf16 units.
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)
    import diffusers
    import transformers

    for library in (diffusers, transformers):
        library.utils.logging.set_verbosity_error()
        library.utils.logging.disable_progress_bar()


def load_checkpoint(
    checkpoint: str, device: torch.device, dtype: str | None = None, offload: Offload = "auto"
) -> LoadedModel:
    """Load `checkpoint` for `device`; one clear `LoradexError` where that is not possible."""
    silence_libraries()
    path = locate_checkpoint(checkpoint) or fetch_hub_folder(checkpoint.strip())
    if path.is_dir():
        return placed(load_folder(path, checkpoint, device, dtype), offload)
    from standalone.single_file import load_single_file

    return placed(load_single_file(path, checkpoint, device, dtype), offload)


def fetch_hub_folder(repo: str) -> Path:
    """The local copy of a hub repository: from the cache where it is complete, else fetched."""
    from huggingface_hub import snapshot_download

    weights = ["diffusion_pytorch_model", "model"]
    patterns = ["model_index.json", "*/config.json", "scheduler/*.json", "tokenizer*/*"]
    for part in ("unet", "vae", "text_encoder", "text_encoder_2"):
        patterns += [f"{part}/{stem}{end}" for stem in weights
                     for end in (".safetensors", ".safetensors.index.json", "-0*.safetensors")]
    try:
        return Path(snapshot_download(repo, allow_patterns=patterns))
    except (OSError, ValueError, RuntimeError) as error:
        # Offline, a wrong name and a closed repository all end here, with long texts.
        raise FileError(
            f"checkpoint {repo}", f"cannot be fetched from the hub ({type(error).__name__})",
            "a local path, or a hub id that can be reached",
            "Check the name and the connection, or download it and give its folder.",
            code="hub",
        ) from error


def load_folder(
    folder: Path, checkpoint: str, device: torch.device, dtype: str | None = None
) -> LoadedModel:
    """Read a folder in diffusers' layout into main memory; the network is never asked."""
    index = _read_json(folder / "model_index.json")
    _check_pipeline(folder, index)
    stored = _stored_dtype(folder)
    number = pick_dtype(dtype, device, stored)
    try:
        unet, vae, encoders = _load_parts(folder, index, number)
        scheduler = _read_json(folder / "scheduler" / "scheduler_config.json")
    except LoradexError:
        raise
    except _FOREIGN as error:
        raise FileError(
            f"checkpoint {folder}", _first_line(error), "a complete diffusers folder",
            "Download or convert it again.", code="checkpoint",
        ) from error
    return LoadedModel(
        checkpoint, _folder_name(folder, checkpoint), family_of(unet, encoders), unet, vae,
        encoders, scheduler, device, number,
        zero_empty_negative=bool(index.get("force_zeros_for_empty_prompt", False)),
    )


# What diffusers, transformers, safetensors and pickle raise for broken parts.
_FOREIGN = (OSError, ValueError, RuntimeError, KeyError, TypeError, AttributeError, ImportError)


def _first_line(error: BaseException) -> str:
    text = str(error).strip().splitlines()
    return (text[0] if text else type(error).__name__).rstrip(".")[:200]


def _read_json(path: Path) -> dict[str, Any]:
    try:
        loaded = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise FileError(
            f"checkpoint {path.parent}", f"{path.name} is missing",
            "a folder in diffusers' layout", "Give the folder that holds model_index.json.",
            code="missing",
        ) from None
    except (OSError, ValueError) as error:
        raise FileError(
            f"checkpoint {path}", f"cannot be read ({_first_line(error)})", "JSON",
            "Download the folder again.", code="checkpoint",
        ) from error
    if not isinstance(loaded, dict):
        raise FileError(
            f"checkpoint {path}", f"holds a {type(loaded).__name__}", "a JSON object",
            "Download the folder again.", code="checkpoint",
        )
    return loaded


def _check_pipeline(folder: Path, index: Mapping[str, Any]) -> None:
    name = index.get("_class_name", "")
    if name not in _PIPELINES:
        raise InputError(
            f"checkpoint {folder}", f"a {name or 'nameless pipeline'}",
            f"one of {', '.join(_PIPELINES)}",
            "Choose a text-to-image checkpoint of SD 1.x, SD 2.x or SDXL.",
        )


def _stored_dtype(folder: Path) -> str:
    """The number format of the UNet's largest tensor, or "" where it is unknown.

    Raises:
        FileError: a weight file of any part is broken; the loaders would not say which.
    """
    from loradex.files.header import read_header

    formats = {}
    for path in sorted(folder.glob("*/*.safetensors")):
        try:
            infos = read_header(path).tensors.values()
        except FileError as error:
            raise FileError(f"checkpoint {path}", error.found, error.expected, error.next_step,
                            error.code) from error
        largest = max(infos, key=lambda info: info.size_bytes, default=None)
        formats[path.parent.name] = largest.dtype if largest else ""
    return formats.get("unet", "")


def _load_parts(
    folder: Path, index: Mapping[str, Any], dtype: torch.dtype
) -> tuple[Any, Any, tuple[TextEncoder, ...]]:
    """UNet, VAE and text encoders, in this order so that the largest fault shows first."""
    from diffusers import AutoencoderKL, UNet2DConditionModel
    from transformers import CLIPTextModel, CLIPTextModelWithProjection

    unet = UNet2DConditionModel.from_pretrained(
        folder, torch_dtype=dtype, **_where(folder, "unet"))
    vae = AutoencoderKL.from_pretrained(folder, torch_dtype=vae_dtype(), **_where(folder, "vae"))
    classes = {"CLIPTextModel": CLIPTextModel,
               "CLIPTextModelWithProjection": CLIPTextModelWithProjection}
    encoders = []
    for suffix in ("", "_2"):
        _, name = index.get(f"text_encoder{suffix}") or (None, None)
        if name not in classes:
            continue
        model = classes[name].from_pretrained(folder, **_where(folder, f"text_encoder{suffix}"))
        # The option for the format is called differently in transformers 4 and 5.
        model = model.to(dtype).requires_grad_(False).eval()
        encoders.append(TextEncoder(model, _folder_tokenizer(folder, suffix, model)))
    if not encoders:
        raise FileError(
            f"checkpoint {folder}", "has no CLIP text encoder", "text_encoder",
            "Download the whole folder.", code="checkpoint",
        )
    return unet.requires_grad_(False).eval(), vae.requires_grad_(False).eval(), tuple(encoders)


def _where(folder: Path, part: str) -> dict[str, Any]:
    """How to load one part: from this folder alone, in fp16 files where there are no others."""
    _read_json(folder / part / "config.json")
    weights = [path.name for path in (folder / part).glob("*.safetensors")]
    only_half = weights and all(".fp16" in name for name in weights)
    return {"subfolder": part, "local_files_only": True, "variant": "fp16" if only_half else None}


def _folder_tokenizer(folder: Path, suffix: str, model: Any) -> Any:
    """The folder's own tokenizer; CLIP's, which is part of the project, where it has none."""
    from transformers import CLIPTokenizer

    from standalone.tokenizer import END, clip_tokenizer

    place = folder / f"tokenizer{suffix}"
    if not any((place / name).exists() for name in ("tokenizer.json", "vocab.json")):
        return clip_tokenizer("!" if _is_open_clip(model) else END)
    try:
        return CLIPTokenizer.from_pretrained(place, local_files_only=True)
    except Exception as error:  # the tokenizers package raises nothing narrower
        raise FileError(
            f"checkpoint {place}", _first_line(error), "the files of a CLIP tokenizer",
            "Remove this folder to use CLIP's own vocabulary.", code="checkpoint",
        ) from error


def _folder_name(folder: Path, checkpoint: str) -> str:
    return DEMO if folder == DEMO_CHECKPOINT else Path(checkpoint).name or folder.name


def family_of(unet: Any, encoders: tuple[TextEncoder, ...]) -> str:
    """`sdxl` has the added time and text embedding; `sd2` is fed by open_clip's wider encoder."""
    if unet.config.addition_embed_type == "text_time":
        return "sdxl"
    return "sd2" if _is_open_clip(encoders[0].model) else "sd1"


def _is_open_clip(model: Any) -> bool:
    """open_clip's encoders (SD 2, the second of SDXL) use gelu, OpenAI's quick_gelu."""
    return bool(model.config.hidden_act == "gelu")


def list_checkpoints(folders: tuple[Path, ...]) -> tuple[str, ...]:
    """Checkpoint files and diffusers folders directly in `folders` and one level below."""
    entries = [entry for folder in folders if folder.is_dir()
               for entry in sorted([*folder.glob("*"), *folder.glob("*/*")])]
    return tuple(str(entry) for entry in entries if _is_checkpoint(entry))


def _is_checkpoint(path: Path) -> bool:
    if (path / "model_index.json").is_file():
        return True
    # Inside a diffusers folder lie parts of checkpoints, which are none themselves.
    if any((path.parent / name).exists() for name in ("model_index.json", "config.json")):
        return False
    return path.suffix.lower() in (".safetensors", ".ckpt") and path.is_file()
