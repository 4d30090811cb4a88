"""Which device and which number format a run uses."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from loradex.errors import InputError

if TYPE_CHECKING:
    import torch

DEVICES = ("cpu", "cuda", "mps")
_NAME = re.compile(r"cpu|mps|(?P<kind>cuda)(:(?P<index>\d{1,3}))?")


def pick_device(wanted: str | None) -> torch.device:
    """CUDA where there is one, else MPS, else the CPU; or exactly what was asked for."""
    import torch

    name = (wanted or "").strip().lower()
    if not name:
        return torch.device(_best_device())
    match = _NAME.fullmatch(name)
    if match is None:
        raise InputError(
            "--device", f"'{wanted}'", f"one of {', '.join(DEVICES)} or cuda:N",
            "Leave it out to use the best device.",
        )
    _check_present(match["kind"] or name, match["index"] or "")
    return torch.device(name)


def _best_device() -> str:
    import torch

    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def _check_present(kind: str, index: str) -> None:
    """Refuse a device that this machine or this build of torch does not have."""
    import torch

    if kind == "mps" and not torch.backends.mps.is_available():
        raise _absent("mps", "an Apple GPU that torch can use")
    if kind != "cuda":
        return
    if not torch.cuda.is_available():
        raise _absent("cuda", "an NVIDIA or AMD GPU and a build of torch for it")
    if index and int(index) >= torch.cuda.device_count():
        raise _absent(f"cuda:{index}", f"a number below {torch.cuda.device_count()}")


def _absent(name: str, expected: str) -> InputError:
    return InputError(
        f"--device {name}", "torch finds no such device on this machine", expected,
        "Leave --device out, or use --device cpu.",
    )


def pick_dtype(wanted: str | None, device: torch.device, stored: str = "") -> torch.dtype:
    """The number format of the UNet and the text encoders on `device`.

    fp32 on the CPU (half precision is emulated there: slower and less exact). On a GPU fp16; bf16
    where the checkpoint itself is stored in bf16 (`stored`) and the GPU computes in it, because
    such weights and activations may exceed fp16's 65,504.
    """
    import torch

    formats = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}
    if wanted:
        if wanted not in formats:
            raise InputError(
                "--dtype", f"'{wanted}'", f"one of {', '.join(formats)}",
                "Leave it out to use the best format for the device.",
            )
        return formats[wanted]
    if device.type == "cpu":
        return torch.float32
    if stored == "BF16" and device.type == "cuda" and torch.cuda.is_bf16_supported():
        return torch.bfloat16
    return torch.float16


def vae_dtype() -> torch.dtype:
    """The VAE always runs in fp32: SDXL's overflows in fp16, and bf16 shows bands in the picture.

    It costs 170 MB of memory more.
    """
    import torch

    return torch.float32
