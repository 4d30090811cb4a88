"""The demo's picture on a second device, as a process of its own: all parts there, or in turns.

`python -m tests.second_device.pictures FOLDER` ends with 0 where every picture is the CPU's.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import torch

from standalone import engine
from standalone.records import GenerationRequest, GenerationResult, Settings
from standalone.session import Session
from tests.second_device.device import SecondDevice, build

REQUEST = GenerationRequest("a red circle <lora:golden:0@0,1@1> <lora:night:0.5>", steps=4, seed=7)
STEADY = replace(REQUEST, prompt="a red circle <lora:golden:1>")
COMPARED = GenerationRequest("a red circle", steps=2, seed=3)


def drawn(
    folder: Path, device: str, *requests: GenerationRequest, **settings: str
) -> GenerationResult:
    session = Session(Settings(device, "fp32", output_dir=folder, **settings))
    try:
        for request in requests or (COMPARED, REQUEST):
            result = session.generate(request)
        return result
    finally:
        session.close()


def difference(one: GenerationResult, other: GenerationResult) -> int:
    """The largest of any channel of any pixel, of 255."""
    pairs = zip(one.images[0].image.tobytes(), other.images[0].image.tobytes(), strict=True)
    return max(abs(first - second) for first, second in pairs)


def main() -> None:
    torch.set_num_threads(1)
    folder = Path(sys.argv[1])
    second = SecondDevice(build(folder))
    engine.pick_device = torch.device
    wanted = drawn(folder, "cpu")
    assert wanted.report.applied[0].components
    peaks = {}
    for offload in ("off", "on"):
        for memory in ("device", "host"):
            second.peak()
            found = drawn(folder, "second", offload=offload, base_memory=memory)
            assert difference(found, wanted) <= 1, (offload, memory)
            peaks[offload, memory] = second.peak()
    assert peaks["on", "device"] < peaks["off", "device"], peaks
    assert peaks["off", "host"] < peaks["off", "device"], peaks
    for memory in ("host", "auto"):  # what waited keeps its base where it came from
        second.peak()
        drawn(folder, "second", STEADY, offload="on", base_memory=memory)
        peaks["steady", memory] = second.peak()
    assert peaks["steady", "auto"] == peaks["steady", "host"], peaks
    print(peaks)


if __name__ == "__main__":
    main()
