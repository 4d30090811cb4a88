"""What a file's metadata says of its modules beside their tensors: PEFT's alpha, DoRA's axis."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from torch import Tensor

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
    the component (`unet.lora_alpha`); kohya writes LyCORIS' arguments under `ss_network_args`.
    """

    def __init__(self, subject: str, metadata: Mapping[str, str]) -> None:
        self._subject = subject
        self._peft = _json_object(metadata.get("lora_adapter_metadata", ""))
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
        )

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
