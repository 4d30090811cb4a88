"""What a file's metadata says of its modules beside their tensors: PEFT's alpha, DoRA's axis."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from loradex.keys.parse import ParsedFile
from loradex.keys.targets import FileModule
from loradex.networks.parts import ModuleHints

_PREFIXES = ("unet", "transformer", "text_encoder", "text_encoder_2", "text_encoder_3")
_PREFIX_OF = {
    "denoiser": ("unet", "transformer"),
    "te": ("text_encoder",),
    "te2": ("text_encoder_2",),
    "te3": ("text_encoder_3",),
}


class HintReader:
    """Hints of one file.

    diffusers writes PEFT's configuration as JSON under `lora_adapter_metadata`, its keys led by
    the component (`unet.lora_alpha`); PEFT itself writes it into `adapter_config.json` beside
    `adapter_model.safetensors`; kohya writes LyCORIS' arguments under `ss_network_args`.
    """

    def __init__(
        self, subject: str, metadata: Mapping[str, str], path: Path | None = None
    ) -> None:
        self._subject = subject
        self._peft = _json_object(metadata.get("lora_adapter_metadata", ""))
        if not self._peft and path is not None:
            self._peft = _beside(path)
        arguments = _json_object(metadata.get("ss_network_args", ""))
        self._wd_on_output = _as_bool(arguments.get("wd_on_output", arguments.get("wd_on_out")))

    def of(self, module: FileModule, parts: Mapping[str, Tensor]) -> ModuleHints:
        """The hints of one module; `parts` are its tensors by role."""
        peft = self._settings(module.component)
        down = parts.get("down")
        rank = None if down is None or down.dim() < 2 else int(down.shape[0])
        alpha = _patterned(peft, "alpha_pattern", module.name, peft.get("lora_alpha"))
        return ModuleHints(
            subject=self._subject,
            name=module.name,
            alpha=float(alpha) if isinstance(alpha, (int, float)) else None,
            rank=rank,
            use_rslora=peft.get("use_rslora") is True,
            wd_on_output=self._wd_on_output,
            oft_neumann_terms=_neumann_terms(peft),
        )

    def notes(self, parsed: ParsedFile) -> tuple[str, ...]:
        """PEFT's own files hold no alpha: without its configuration, scale 1 is a guess."""
        guessed = any(
            module.layout.startswith("peft_base_model")
            and "up" in module.parts and "alpha" not in module.parts
            and "lora_alpha" not in self._settings(module.component)
            for module in parsed.modules
        )
        if not guessed:
            return ()
        return ("the file has no alpha and no adapter_config.json lies beside it, "
                "so a scale of 1 is a guess",)

    def _settings(self, component: str) -> dict[str, Any]:
        """PEFT's settings for a component; keys without a component are for all of them."""
        found = {
            key: value for key, value in self._peft.items() if key.split(".")[0] not in _PREFIXES
        }
        for prefix in _PREFIX_OF.get(component, ()):
            start = f"{prefix}."
            found.update(
                (key[len(start):], value)
                for key, value in self._peft.items()
                if key.startswith(start)
            )
        return found


def _patterned(settings: Mapping[str, Any], pattern: str, name: str, default: Any) -> Any:
    """The value for a module: patterns hold the ends of dotted names, ours are flattened."""
    chosen = settings.get(pattern)
    if not isinstance(chosen, dict):
        return default
    for key, value in chosen.items():
        flat = re.sub(r"[.^$\\]", "_", str(key)).strip("_")
        if name == flat or name.endswith(f"_{flat}"):
            return value
    return default


def _neumann_terms(settings: Mapping[str, Any]) -> int | None:
    """Terms of PEFT's Cayley-Neumann series, 0 for the exact map, `None` where it is not said."""
    if settings.get("use_cayley_neumann") is False:
        return 0
    terms = settings.get("num_cayley_neumann_terms")
    return terms if isinstance(terms, int) and not isinstance(terms, bool) else None


def _beside(path: Path) -> dict[str, Any]:
    """PEFT's configuration file of `adapter_model.*`; a folder has at most one such pair."""
    if not path.stem.startswith("adapter_model"):
        return {}
    try:
        return _json_object((path.parent / "adapter_config.json").read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError):
        return {}


def _json_object(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text) if text else {}
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _as_bool(value: Any) -> bool | None:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in ("true", "false"):
        return value.lower() == "true"
    return None
