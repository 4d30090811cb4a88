"""What a checkpoint's UNet predicts, and from which noise: the scheduler's configuration."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loradex.errors import FileError

if TYPE_CHECKING:
    import torch

# All three families were trained on this schedule (their own configurations).
NOISE: Mapping[str, Any] = {
    "num_train_timesteps": 1000, "beta_start": 0.00085, "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
}
NORM_BIAS = "model.diffusion_model.output_blocks.11.1.transformer_blocks.0.norm1.bias"
ALPHAS = "alphas_cumprod"
_V_SPREAD = 0.09
"""SD 2's two trainings differ here: the v models' biases spread wider (the rule that ComfyUI uses,
comfy/supported_models.py, SD20.model_type)."""
_PARAMETERIZATION = re.compile(r"^\s*parameterization:\s*[\"']?(\w+)", re.MULTILINE)


def scheduler_config(
    path: Path,
    family: str,
    names: Collection[str],
    metadata: Mapping[str, str],
    spread: Callable[[], float],
) -> dict[str, Any]:
    """Noise schedule and prediction type; `spread` reads the deviation of `NORM_BIAS` when asked.

    In order of trust: a `.yaml` beside the file (as in the WebUI), marker tensors, the metadata,
    and for SD 2 the spread of one bias, which no header tells.
    """
    if any(name.startswith("edm_") for name in names):
        raise FileError(path.name, "an EDM model (Playground or EDM-v)", "the usual noise schedule",
                        "It cannot be run here.", code="checkpoint")
    kind = _from_yaml(path) or _from_markers(names) or _from_metadata(metadata)
    if not kind:
        wide = family == "sd2" and NORM_BIAS in names and spread() > _V_SPREAD
        kind = "v_prediction" if wide else "epsilon"
    config = {**NOISE, "prediction_type": kind}
    return {**config, "rescale_betas_zero_snr": True} if "ztsnr" in names else config


def stored_noise(alphas: torch.Tensor | None) -> dict[str, Any]:
    """The noise schedule as the file's own buffer has it; {} where there is none to go by.

    alphas: [timesteps]. The WebUI loads the buffer over the computed one (its sd_models.py keeps it
    out of every conversion). A checkpoint saved in half precision has rounded values there: every
    Karras schedule then ends at a sigma of 0.0313, not 0.0292. A buffer that is no falling row
    between 0 and 1, such as one that went through bfloat16, is left alone.
    """
    import torch

    if alphas is None or alphas.shape != (NOISE["num_train_timesteps"],):
        return {}
    exact = torch.cat([torch.ones(1), alphas]).double()
    betas = 1 - exact[1:] / exact[:-1]
    usable = bool(torch.isfinite(exact).all()) and bool(((betas > 0) & (betas < 1)).all())
    return {"trained_betas": betas.tolist()} if usable else {}


def _from_yaml(path: Path) -> str:
    beside = path.with_suffix(".yaml")
    if not beside.is_file():
        return ""
    match = _PARAMETERIZATION.search(beside.read_text(encoding="utf-8", errors="replace"))
    return {"v": "v_prediction", "eps": "epsilon"}.get(match[1] if match else "", "")


def _from_markers(names: Collection[str]) -> str:
    return "v_prediction" if "v_pred" in names else ""


def _from_metadata(metadata: Mapping[str, str]) -> str:
    named = metadata.get("modelspec.prediction_type", "").lower()
    if named.startswith("v"):
        return "v_prediction"
    return "epsilon" if named.startswith("eps") else ""
