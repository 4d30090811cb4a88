"""Networks on models that others keep elsewhere: accelerate's and diffusers' own offloading."""

from __future__ import annotations

from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
diffusers = pytest.importorskip("diffusers")
accelerate = pytest.importorskip("accelerate")

from loradex.catalog.disk.scan import scan_networks  # noqa: E402
from loradex.networks.model import BoundModel, bind_diffusers  # noqa: E402
from loradex.networks.network import Network, load_network  # noqa: E402
from loradex.networks.patcher import Patcher, StackEntry  # noqa: E402

from tests.networks.test_bind_diffusers import (  # noqa: E402
    linear_weights,
    tiny_text,
    tiny_unet,
    write_kohya,
)

pytestmark = pytest.mark.torch
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Network:
    folder: Path = tmp_path_factory.mktemp("lora")
    write_kohya(folder / "all.safetensors", bind_diffusers(tiny_unet(), [tiny_text()]), 0.2)
    return load_network(scan_networks([folder])[0])


def answer(unet) -> torch.Tensor:
    random = torch.Generator().manual_seed(4)
    latents = torch.randn(2, 4, 8, 8, generator=random)
    context = torch.randn(2, 77, 32, generator=random)
    with torch.no_grad():
        return unet(latents, 500, encoder_hidden_states=context, return_dict=False)[0]


def sequential(unet):
    accelerate.cpu_offload(unet, execution_device=CPU)
    assert next(unet.parameters()).is_meta
    return unet


def whole_model(unet):
    unet, _ = accelerate.cpu_offload_with_hook(unet, execution_device=CPU)
    return unet


def by_leaf(unet):
    from diffusers.hooks import apply_group_offloading

    apply_group_offloading(
        unet, onload_device=CPU, offload_device=CPU, offload_type="leaf_level")
    return unet


def by_block(unet):
    from diffusers.hooks import apply_group_offloading

    apply_group_offloading(unet, onload_device=CPU, offload_device=CPU,
                           offload_type="block_level", num_blocks_per_group=1)
    return unet


OFFLOADS = (sequential, whole_model, by_leaf, by_block)


@pytest.mark.parametrize("offload", OFFLOADS, ids=lambda one: one.__name__)
@pytest.mark.parametrize("first", ["network", "offload"])
def test_an_offloaded_model_gives_what_the_plain_one_gives(network, offload, first) -> None:
    plain = tiny_unet()
    base = answer(plain)
    Patcher(bind_diffusers(plain)).apply([StackEntry(network, 1.0, 0.7)])
    wanted = answer(plain)
    unet = tiny_unet()
    if first == "offload":
        unet = offload(unet)
    patcher = Patcher(bind_diffusers(unet))
    report = patcher.apply([StackEntry(network, 1.0, 0.7)])
    assert report.applied[0].components["unet"].matched == len(linear_weights(
        bind_diffusers(plain), "unet"))
    if first == "network":
        patcher.restore()
        unet = offload(unet)
        patcher.apply([StackEntry(network, 1.0, 0.7)])
    for _ in range(2):  # the second time, the first call's moves have happened
        assert float((answer(unet) - wanted).norm() / (wanted - base).norm()) < 1e-5
    patcher.apply([StackEntry(network, 1.0, -0.2)])
    answer(unet)
    patcher.restore()
    assert torch.equal(answer(unet), base)


def test_layerwise_casting_keeps_the_whole_network(network) -> None:
    from diffusers.hooks import apply_layerwise_casting

    unet = tiny_unet()
    apply_layerwise_casting(unet, storage_dtype=torch.float8_e4m3fn, compute_dtype=torch.float32,
                            skip_modules_classes=(torch.nn.GroupNorm, torch.nn.LayerNorm))
    base = answer(unet)
    patcher = Patcher(bind_diffusers(unet))
    report = patcher.apply([StackEntry(network, 1.0, 0.7)])
    count = report.applied[0].components["unet"]
    assert count.matched == count.total == count.branch
    found = answer(unet)
    dense = tiny_unet()
    for name, module in dense.named_modules():
        if isinstance(module, (torch.nn.Linear, torch.nn.Conv2d)):
            kept = unet.get_submodule(name)
            for own, other in zip(module.parameters(), kept.parameters(), strict=True):
                own.data = other.data.float()
    Patcher(BoundModel(bind_diffusers(dense).components)).apply([StackEntry(network, 1.0, 0.7)])
    assert float((found - answer(dense)).norm() / (found - base).norm()) < 1e-5
    patcher.restore()
    assert torch.equal(answer(unet), base)
