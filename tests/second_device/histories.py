"""Random lives of a model on two devices, as a process of its own: is every bit as it should be?

`python -m tests.second_device.histories FOLDER [COUNT]` ends with 0 where everything held. The
device is the process's: torch takes one of its kind, and for good.
"""

from __future__ import annotations

import random
import sys
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from loradex.errors import PatchError
from loradex.networks import residency
from loradex.networks.model import BoundModel
from loradex.networks.patcher import Patcher, StackEntry
from loradex.networks.residency import BaseMemory, Residency
from torch import Tensor

from tests.networks.enginekit import assert_same_bits, bits, call, toy_model
from tests.networks.stored import store_fp8
from tests.networks.test_restore import NETWORKS
from tests.second_device.device import SecondDevice, build

DTYPES = (torch.float32, torch.float16, torch.bfloat16)
KEEPS: tuple[BaseMemory, ...] = ("auto", "auto", "host", "device")
STRENGTHS = (0.0, 1.0, 0.5, -0.7)
BESIDE = NETWORKS[:2]
INPUTS = {"proj": (3, 24), "conv": (4, 5, 5), "point": (8, 3, 3), "qkv": (3, 12)}
SCALE = {"RESERVE_BYTES": 4000, "LEAST_FREE_BYTES": 1500}
"""The toy weighs about 10 KB."""


def bits_of(model: BoundModel) -> Mapping[str, Tensor]:
    return {
        f"{name}.{key}": bits(value.cpu())
        for name, part in model.components.items()
        for key, value in part.root.named_parameters()
    }


def move(model: BoundModel, device: str) -> None:
    for part in model.components.values():
        part.root.to(device)


def held_beside(patcher: Patcher) -> int:
    """Bytes of what a patcher may hold beside a model: bases, spares, factors and samples."""
    slots = patcher._slots.values()
    samples = {id(one): one._numbers for slot in slots if (one := slot._samples) is not None}
    tensors = [*samples.values(), *(one for slot in slots if (one := slot.held) is not None)]
    factors = sum(edit.factor_bytes for plan in patcher._plans.values() for edit in plan.edits)
    return sum(one.nbytes for one in tensors) + factors


@dataclass
class Life:
    """One model: networks come and go, it moves, and memory is short at times."""

    second: SecondDevice
    chance: random.Random
    seen: Counter[str] = field(default_factory=Counter)

    def run(self) -> None:
        self.dtype = self.chance.choice(DTYPES)
        self.before = self.second.allocated
        self.sent_over = self.chance.random() < 0.5
        self.model = self._toy()
        self.checkpoint = bits_of(self.model)
        self.device = ""
        self._move()
        self.patcher = Patcher(self.model, Residency(self.chance.choice(KEEPS)))
        for _ in range(self.chance.randint(1, 7)):
            self._apply()
            self._happen()
        self.patcher.restore()
        assert_same_bits(bits_of(self.model), self.checkpoint)

    def _toy(self) -> BoundModel:
        """Of every second life the host has the parts in main memory until they compute."""
        model = toy_model(self.dtype)
        return replace(model, computes_on="second") if self.sent_over else model

    def _move(self) -> None:
        self._to(self.chance.choice(["cpu", "second"]))

    def _to(self, device: str) -> None:
        self.device = device
        move(self.model, device)

    def _leave(self) -> None:
        """What a host takes off the card is gone from there, whatever networks are on."""
        self._move()
        if self.device == "cpu":
            extra = self.second.allocated - self.before
            assert extra <= held_beside(self.patcher), "weights stayed on the card"

    def _stack(self) -> list[StackEntry]:
        chance = self.chance
        return [
            StackEntry(chance.choice(NETWORKS), chance.choice(STRENGTHS), chance.choice(STRENGTHS),
                       chance.choice((None, None, 2)))
            for _ in range(chance.randrange(4))
        ]

    def _apply(self) -> None:
        stack = self._stack()
        self.second.told_free = self.chance.choice([0, 2000, 6000, 100_000])
        self.second.bound(self.chance.choice([None, None, 0, 1000, 3000, 9000]))
        try:
            self.patcher.apply(stack)
        except PatchError as error:
            if "out of memory" not in str(error):
                raise
            self.seen["out of memory"] += 1
            stack = []
        if self.sent_over and self.device == "cpu":
            stack = self._arrive(stack)
        self.second.bound(None)
        assert_same_bits(bits_of(self.model), self._as_fresh(stack))
        self.seen["applied"] += 1
        self.seen["base in main memory"] += self.patcher.buffer_bytes()[2] > 0

    def _arrive(self, stack: list[StackEntry]) -> list[StackEntry]:
        """The host sends the parts over and computes; what is on afterwards."""
        waiting = self.patcher.work.slots_waiting
        self.seen["waited"] += waiting > 0
        if not self.patcher.work.bytes_written and waiting == len(self.patcher._slots):
            assert_same_bits(bits_of(self.model), self.checkpoint)
        self.second.bound(None)
        self._to("second")
        self.second.bound(self.chance.choice([None, None, 0, 1000, 3000, 9000]))
        try:
            call(self.model)
        except PatchError as error:
            if "out of memory" not in str(error):
                raise
            self.seen["out of memory on arrival"] += 1
            return []
        return stack

    def _as_fresh(self, stack: list[StackEntry]) -> Mapping[str, Tensor]:
        fresh = toy_model(self.dtype)
        move(fresh, self.device)
        Patcher(fresh, Residency("device")).apply(stack)
        return bits_of(fresh)

    def _happen(self) -> None:
        event = self.chance.choice(["nothing", "move", "move", "base", "spare", "restore"])
        self.seen[event] += 1
        if event == "move":
            self._leave()
        elif event == "base":
            self.patcher.release_base(1000)
        elif event == "spare":
            self.patcher.release_spare()
        elif event == "restore":
            self.patcher.restore()
            assert_same_bits(bits_of(self.model), self.checkpoint)


def outputs(model: BoundModel) -> list[Tensor]:
    """What the layers of the denoiser give for fixed inputs, two pictures of each."""
    unet = model.components["unet"].root
    device = next(unet.parameters()).device
    random_ = torch.Generator().manual_seed(2)
    with torch.no_grad():
        return [unet.get_submodule(name)(torch.randn(2, *size, generator=random_).to(device)).cpu()
                for name, size in INPUTS.items()]


def fp8_model() -> BoundModel:
    model = toy_model()
    for part in model.components.values():
        store_fp8(part.root)
    return model


def beside(chance: random.Random) -> None:
    """fp8 weights, which keep their networks beside them: the same numbers on both devices."""
    model, plain = fp8_model(), fp8_model()
    before = outputs(plain)
    mine, theirs = Patcher(model), Patcher(plain)
    for _ in range(chance.randint(1, 5)):
        move(model, chance.choice(["cpu", "second"]))
        stacks = [[StackEntry(chance.choice(BESIDE), 1.0, chance.choice(STRENGTHS))
                   for _ in range(chance.randrange(3))] for _ in range(2)]
        each = chance.random() < 0.5
        for patcher in (mine, theirs):
            if each:
                patcher.apply_each(stacks)
            else:
                patcher.apply(stacks[0])
        move(model, chance.choice(["cpu", "second"]))
        for found, wanted in zip(outputs(model), outputs(plain), strict=True):
            assert torch.allclose(found, wanted, rtol=1e-5, atol=1e-5)
    mine.restore()
    for found, wanted in zip(outputs(model), before, strict=True):
        assert torch.equal(found, wanted)


def main() -> None:
    torch.set_num_threads(1)
    for name, value in SCALE.items():
        setattr(residency, name, value)
    second = SecondDevice(build(Path(sys.argv[1])))
    seen: Counter[str] = Counter()
    before = second.allocated
    for seed in range(int(sys.argv[2]) if len(sys.argv) > 2 else 1000):
        try:
            Life(second, random.Random(seed), seen).run()
            if seed % 4 == 0:
                beside(random.Random(seed))
        except AssertionError as error:
            raise AssertionError(f"in the life {seed}") from error
    assert second.allocated == before, "memory of the second device was not given back"
    print(dict(seen))


if __name__ == "__main__":
    main()
