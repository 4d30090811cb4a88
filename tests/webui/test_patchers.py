"""Hosts that keep models in patchers: their own patches come off before ours are looked at."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

torch = pytest.importorskip("torch")

from loradex.networks.model import Place  # noqa: E402
from loradex.networks.ownership import Owner  # noqa: E402
from loradex.networks.recipe import Recipe  # noqa: E402
from loradex.networks.slots import Slot  # noqa: E402
from loradex.webui.builtin import BuiltIn  # noqa: E402
from loradex.webui.hosts.forge import Forge  # noqa: E402
from loradex.webui.hosts.patchers import _device_type  # noqa: E402
from loradex.webui.hosts.reforge import ReForge  # noqa: E402

pytestmark = pytest.mark.torch


class Patcher:
    """What the adapters ask of a patcher, and what they make it do."""

    offload_device = torch.device("cpu")

    def __init__(self, **backup: torch.Tensor) -> None:
        self.backup = backup
        self.done: list[object] = []

    def unpatch_model(self, device: torch.device) -> None:
        self.done.append(device)

    def refresh_loras(self) -> None:
        self.done.append("refreshed")


def loaded(unet: Patcher, clip: Patcher) -> SimpleNamespace:
    parts = SimpleNamespace(unet=unet, clip=SimpleNamespace(patcher=clip))
    return SimpleNamespace(forge_objects_original=parts, forge_objects=None)


def test_forge_is_asked_for_the_patchers_as_they_were_loaded() -> None:
    unet, clip = Patcher(), Patcher()
    Forge().settle(loaded(unet, clip))
    assert unet.done == clip.done == ["refreshed"]


def test_reforge_takes_off_what_it_backed_up_and_moves_nothing_else() -> None:
    unet, clip = Patcher(weight=torch.ones(1)), Patcher()
    ReForge().settle(loaded(unet, clip))
    assert unet.done == [torch.device("cpu")]
    assert clip.done == []


def test_a_model_without_patchers_is_left_alone() -> None:
    for host in (Forge(), ReForge()):
        host.settle(SimpleNamespace())


def test_forge_says_which_checkpoint_the_first_picture_will_load(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    data = SimpleNamespace(forge_loading_parameters={})
    modules = ModuleType("modules")
    modules.sd_models = SimpleNamespace(model_data=data)
    monkeypatch.setitem(sys.modules, "modules", modules)
    assert Forge().chosen_checkpoint() is None
    data.forge_loading_parameters = {"checkpoint_info": SimpleNamespace(filename="/m/a.ckpt")}
    assert Forge().chosen_checkpoint() == Path("/m/a.ckpt")


def test_a_patcher_tells_where_its_model_is_sent_to_compute() -> None:
    assert _device_type(SimpleNamespace(load_device=torch.device("cuda:0"))) == "cuda"
    assert _device_type(SimpleNamespace()) == ""


def written_slot() -> tuple[torch.nn.Linear, Slot, torch.Tensor]:
    holder = torch.nn.Module()
    holder.layer = torch.nn.Linear(3, 2)
    base = holder.layer.weight.detach().clone()
    place = Place(("unet", "layer", "weight"), holder.layer, holder, "layer", "weight")
    slot = Slot.first_touch(place)
    slot.spare = slot.new_buffer().fill_(7.0)
    slot.point_at_live(Recipe(place, (), ()))
    return holder.layer, slot, base


def test_another_parameter_around_our_memory_is_ours_and_restores_the_base() -> None:
    layer, slot, base = written_slot()
    layer.weight = torch.nn.Parameter(layer.weight.data, requires_grad=False)
    assert slot.owner() is Owner.OURS
    slot.restore()
    assert torch.equal(layer.weight, base)


def test_a_parameter_that_was_written_in_place_is_not_ours() -> None:
    layer, slot, _ = written_slot()
    with torch.no_grad():
        layer.weight.add_(1.0)
    assert slot.owner() is Owner.REPLACED


def test_a_builtin_that_counts_on_a_strength_for_each_network_is_cleared(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    networks = ModuleType("networks")
    networks.loaded_networks = ["on"]  # type: ignore[attr-defined]

    def load_networks(names, te=None, unet=None, dyn=None):  # type: ignore[no-untyped-def]
        networks.loaded_networks = [one for one, _, _ in zip(names, te, unet, strict=True)]

    networks.load_networks = load_networks  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "networks", networks)
    BuiltIn().clear(None)
    assert networks.loaded_networks == []
