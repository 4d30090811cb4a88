"""Ascend's package for torch, as far as AUTOMATIC1111 asks for it; the device is the tests' own."""

import importlib.util
import os
from pathlib import Path

_DEVICE = Path(__file__).resolve().parents[2] / "second_device" / "device.py"


def _make():
    found = importlib.util.spec_from_file_location("loradex_second_device", _DEVICE)
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module.SecondDevice(module.build(Path(os.environ["LORADEX_PROBE_CARD"])), "npu")


npu = _make()
