"""The WebUI's fp8 storage: the whole network beside the layers, and the base back bit for bit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

torch = pytest.importorskip("torch")

from safetensors.torch import load_file, save_file  # noqa: E402
from torch import Tensor  # noqa: E402

from tests.networks.stored import effective_strength  # noqa: E402
from tests.real_webui.models import SD1  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.real_webui.host import RunningWebUI
    from tests.real_webui.models import Models
    from tests.real_webui.picture import Picture
    from tests.real_webui.shelf import Shelf

pytestmark = [pytest.mark.torch, pytest.mark.timeout(600)]

ROUNDED = f"rounded-{SD1}"


@pytest.fixture
def fp8(host: RunningWebUI, models: Models) -> Iterator[RunningWebUI]:
    """SD 1 in fp8; the same values lie in `ROUNDED` as ordinary fp32."""
    _write_rounded(models)
    host.post("/sdapi/v1/refresh-checkpoints")
    with host.setting(fp8_storage="Enable"):
        yield host


def test_a_network_has_the_effect_that_it_has_on_the_same_weights_in_fp32(
    fp8: RunningWebUI, shelf: Shelf
) -> None:
    prompt = f"a cat <lora:{shelf.usual(SD1, seed=9)}:1>"
    base, ours = fp8.draw("a cat"), fp8.draw(prompt)
    assert "skipped" not in ours.report
    counts = fp8.applied()["applied"][0]["components"]
    assert all(one["branch"] == one["matched"] == one["total"] for one in counts.values())
    again = fp8.draw("a cat")
    fp8.set(fp8_storage="Disable")
    fp8.load_checkpoint(ROUNDED)
    wanted = _change(fp8.draw("a cat"), fp8.draw(prompt))
    assert again.same(base)
    assert 0.9 < effective_strength(_change(base, ours), wanted) < 1.1


@pytest.mark.parametrize("kind", ["locon", "loha", "lokr", "dora", "full", "norm"])
def test_every_kind_of_network_is_applied_whole_and_taken_off(
    fp8: RunningWebUI, shelf: Shelf, kind: str
) -> None:
    base = fp8.draw("a cat")
    changed = fp8.draw(f"a cat <lora:{shelf.usual(SD1, kind, seed=9)}:1>")
    assert "skipped" not in changed.report
    assert not changed.near(base)
    assert fp8.draw("a cat").same(base)


def _change(base: Picture, other: Picture) -> Tensor:
    """The difference of two pictures' pixels."""
    one, two = (torch.frombuffer(bytearray(p.pixels), dtype=torch.uint8) for p in (base, other))
    return two.double() - one.double()


def _write_rounded(models: Models) -> None:
    """A checkpoint with the values that fp8 storage leaves in linear layers and convolutions."""
    path = models.folder / ROUNDED
    if path.exists():
        return
    state = load_file(models.folder / SD1)
    layers = {
        name.rpartition(".")[0] for name, tensor in state.items()
        if tensor.dim() in (2, 4) and not name.startswith("first_stage_model.")
        and "embed" not in name.rpartition(".")[0].rpartition(".")[2]
    }
    for name, tensor in state.items():
        if name.rpartition(".")[0] in layers:
            state[name] = tensor.to(torch.float8_e4m3fn).to(tensor.dtype)
    save_file(state, path, {"format": "pt"})
    config = (models.folder / SD1).with_suffix(".yaml").read_text()
    path.with_suffix(".yaml").write_text(config)
