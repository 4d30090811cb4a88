"""A small card: the WebUI sends each part over to compute, and LoRAs take no more room there.

The card is a device that the tests give torch (tests/second_device); its memory is counted.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from tests.real_webui.host import DataFolder, Installation, RunningWebUI  # noqa: E402
from tests.real_webui.models import SD1, SDXL, Models, start  # noqa: E402
from tests.real_webui.networks import network_tensors, write_network  # noqa: E402
from tests.real_webui.picture import Picture  # noqa: E402
from tests.second_device.device import COMPILER  # noqa: E402

pytestmark = [
    pytest.mark.torch, pytest.mark.timeout(900),
    pytest.mark.skipif(COMPILER is None, reason="no C++ compiler to build the card with"),
]

CARD = Path(__file__).resolve().parent / "card"
HIRES = {"enable_hr": True, "hr_second_pass_steps": 2, "denoising_strength": 0.6, "hr_scale": 1.5,
         "hr_upscaler": "Latent", "hr_prompt": "a dog <lora:other:1>"}
CASES = {
    "base": ("a cat", {}), "on": ("a cat <lora:one:1>", {}), "same": ("a dog <lora:one:1>", {}),
    "weaker": ("a dog <lora:one:0.5>", {}), "two": ("a dog <lora:other:1> <lora:one:-0.5>", {}),
    "dora": ("a dog <lora:dora:1>", {}), "steps": ("a dog <lora:one:0@0,1@0.5>", {}),
    "hires": ("a dog <lora:one:0.7>", HIRES), "off": ("a cat", {}),
}


@dataclass(frozen=True)
class OnCard(Installation):
    """The same WebUI without the arguments that keep it on the CPU."""

    @property
    def arguments(self) -> tuple[str, ...]:
        own = super().arguments
        first = own.index("--use-cpu")
        return own[:first] + own[first + 2 :]


@dataclass
class Small:
    """A WebUI on the card, and the networks that it has."""

    installation: Installation
    models: Models
    base: Path

    def started(self, checkpoint: str, *arguments: str, card: bool) -> RunningWebUI:
        data = DataFolder(self.base / f"{'card' if card else 'cpu'}{''.join(arguments)}")
        data.prepare({"randn_source": "CPU"})
        for name, kind, seed in (("one", "lora", 0), ("other", "lora", 1), ("dora", "dora", 2)):
            write_network(data.loras / f"{name}.safetensors", network_tensors(
                self.models.folder / checkpoint, kind, seed=seed))
        where = self.installation
        if card:
            where = OnCard(where.root, where.python)
        host = start(where, self.models, data, *arguments, checkpoint=checkpoint)
        if card:
            built = self.base / "built"
            built.mkdir(exist_ok=True)
            host.variables |= {"PYTHONPATH": str(CARD), "LORADEX_PROBE_CARD": str(built)}
        return host


@pytest.fixture
def small(installation: Installation, models: Models, tmp_path: Path) -> Small:
    if installation.forge:
        pytest.skip("Forge decides for itself what it sends over")
    return Small(installation, models, tmp_path)


def drawn(host: RunningWebUI) -> dict[str, Picture]:
    return {name: host.draw(prompt, **options) for name, (prompt, options) in CASES.items()}


@pytest.mark.parametrize(("checkpoint", "argument"), [
    (SD1, "--medvram"), (SDXL, "--medvram"), (SDXL, "--lowvram")])
def test_parts_that_are_sent_over_have_their_networks(
    small: Small, checkpoint: str, argument: str
) -> None:
    with small.started(checkpoint, card=False) as host:
        expected = drawn(host)
    with small.started(checkpoint, argument, card=True) as host:
        found = drawn(host)
        assert host.get("/loradex-probe/card")["denoiser"] == "cpu"
        assert not host.own_tracebacks()
    far = [name for name in CASES if not found[name].near(expected[name])]
    assert not far
    assert len({one.pixels for one in found.values()}) == len(CASES) - 1


def test_a_lora_takes_no_room_for_weights_twice_and_leaves_none_behind(small: Small) -> None:
    with small.started(SDXL, "--medvram", card=True) as host:
        def most(prompt: str) -> tuple[int, int]:
            host.get("/loradex-probe/card")
            host.draw(prompt)
            told = host.get("/loradex-probe/card")
            return told["peak"], told["used"]

        most("a cat")
        peak, used = most("a cat")
        for prompt in ("a cat <lora:one:1>", "a dog <lora:one:1>", "a dog <lora:other:0.5>"):
            with_lora = most(prompt)
            factors = (small.base / "card--medvram/models/Lora/one.safetensors").stat().st_size
            assert with_lora[0] - peak < 3 * factors
            assert with_lora[1] - used < 3 * factors
        assert 9 * factors < peak
