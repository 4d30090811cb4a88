"""What a checkpoint's denoiser predicts: noise, velocity or flow; by its marks and its family."""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import NamedTuple

from loradex.compat.families import families_of
from loradex.files.header import Header

NORM_BIAS = "model.diffusion_model.output_blocks.11.1.transformer_blocks.0.norm1.bias"
_V_SPREAD = 0.09
"""SD 2's two trainings differ here: the v models' biases spread wider (the rule that ComfyUI uses,
comfy/supported_models.py, SD20.model_type)."""
_PARAMETERIZATION = re.compile(r"^\s*parameterization:\s*[\"']?(\w+)", re.MULTILINE)

# As the published models' scheduler_config.json say; all later transformers learn a flow.
_NOISE = frozenset({"pixart"})
_VELOCITY = frozenset({"svd", "hunyuandit", "cogvideox", "loradex-demo"})


class Prediction(NamedTuple):
    """The prediction type ('' for unknown) and what says so."""

    type: str
    reason: str


def of_file(path: Path, family: str, header: Header) -> Prediction:
    """The prediction type of a single file.

    In order of trust: a `.yaml` beside the file (as in the WebUI), marker tensors, the metadata,
    for SD 2 the spread of one bias, which no header tells, and the family.
    """
    return (_from_yaml(path) or _from_markers(header.tensors) or _from_metadata(header.metadata)
            or _from_spread(path, family, header) or of_family(family))


def _from_yaml(path: Path) -> Prediction | None:
    beside = path.with_suffix(".yaml")
    try:
        text = beside.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    match = _PARAMETERIZATION.search(text)
    kind = {"v": "v_prediction", "eps": "epsilon"}.get(match[1] if match else "", "")
    return Prediction(kind, f"{beside.name} says so") if kind else None


def _from_markers(names: Collection[str]) -> Prediction | None:
    """The tensors without elements that NoobAI's v models and the EDM models carry."""
    if any(name.startswith("edm_") for name in names):
        return Prediction("edm", "it has edm_* marker tensors")
    if "v_pred" in names:
        zero = " and zero terminal SNR" if "ztsnr" in names else ""
        return Prediction("v_prediction", f"it has the marker tensor v_pred{zero}")
    return None


def _from_metadata(metadata: Mapping[str, str]) -> Prediction | None:
    named = metadata.get("modelspec.prediction_type", "").lower()
    reason = f"modelspec.prediction_type says '{named}'"
    if named.startswith("v"):
        return Prediction("v_prediction", reason)
    # sd-scripts writes 'epsilon' by default, so it adds nothing to the family's own.
    return None


def _from_spread(path: Path, family: str, header: Header) -> Prediction | None:
    if family != "sd2" or NORM_BIAS not in header.tensors:
        return None
    values = read_floats(path, header, NORM_BIAS)
    if not values:
        return None
    mean = sum(values) / len(values)
    spread = math.sqrt(sum((one - mean) ** 2 for one in values) / len(values))
    kind = "v_prediction" if spread > _V_SPREAD else "epsilon"
    return Prediction(kind, f"one of its biases spreads by {spread:.2f}, as in models that predict"
                            f" {'v' if kind == 'v_prediction' else 'noise'}")


_SIZES = {"F32": 4, "F16": 2, "BF16": 2}


def read_floats(path: Path, header: Header, name: str) -> tuple[float, ...]:
    """The numbers of one small tensor, read from its place in the file; () where it cannot be."""
    info = header.tensors[name]
    size = _SIZES.get(info.dtype, 0)
    if not size or header.data_start <= 0:
        return ()
    try:
        with path.open("rb") as file:
            file.seek(header.data_start + info.start)
            raw = file.read(info.stop - info.start)
    except OSError:
        return ()
    count = len(raw) // size
    if info.dtype == "BF16":  # the upper half of a float32
        raw = b"".join(b"\0\0" + raw[2 * i: 2 * i + 2] for i in range(count))
    return struct.unpack(f"<{count}{'e' if info.dtype == 'F16' else 'f'}", raw)


def of_scheduler(config: Mapping[str, object]) -> Prediction | None:
    """What a diffusers folder's scheduler says."""
    name = str(config.get("_class_name", ""))
    if "FlowMatch" in name or config.get("use_flow_sigmas"):
        return Prediction("flow", f"its scheduler is a {name}")
    kind = config.get("prediction_type")
    if not isinstance(kind, str):
        return None
    kind = {"flow_prediction": "flow"}.get(kind, kind)
    return Prediction(kind, f"its scheduler's prediction_type is '{kind}'")


def of_family(family: str) -> Prediction:
    """What models of a family predict unless they say otherwise."""
    entries = families_of(family)
    if not entries:
        return Prediction("", "")
    if family in _VELOCITY:
        return Prediction("v_prediction", "all models of its family do")
    if family in _NOISE or entries[0].parts[0].class_name.startswith("UNet"):
        return Prediction("epsilon", "nothing says otherwise")
    return Prediction("flow", "all models of its family do")
