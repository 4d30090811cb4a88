"""The engine on small but real diffusers and transformers models, and beside diffusers itself."""

from __future__ import annotations

from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
diffusers = pytest.importorskip("diffusers")
transformers = pytest.importorskip("transformers")

from loradex.catalog.disk.scan import scan_networks  # noqa: E402
from loradex.networks.model import BoundModel, bind_diffusers  # noqa: E402
from loradex.networks.network import load_network  # noqa: E402
from loradex.networks.patcher import Patcher, StackEntry  # noqa: E402
from loradex.networks.report import Count  # noqa: E402
from safetensors.torch import save_file  # noqa: E402

from tests.networks.enginekit import assert_same_bits, lora_parts, snapshot  # noqa: E402

pytestmark = pytest.mark.torch

ROLES = {"up": "lora_up.weight", "down": "lora_down.weight", "alpha": "alpha"}


def tiny_unet():
    torch.manual_seed(0)
    return diffusers.UNet2DConditionModel(
        sample_size=8, block_out_channels=(32, 64), layers_per_block=1, cross_attention_dim=32,
        attention_head_dim=4, norm_num_groups=8,
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
    ).eval()


def tiny_text(projection: bool = False):
    torch.manual_seed(1)
    config = transformers.CLIPTextConfig(
        vocab_size=99, hidden_size=32, intermediate_size=48, num_hidden_layers=2,
        num_attention_heads=4, max_position_embeddings=77, projection_dim=24,
    )
    kind = transformers.CLIPTextModelWithProjection if projection else transformers.CLIPTextModel
    return kind(config).eval()


@pytest.fixture(scope="module")
def model() -> BoundModel:
    return bind_diffusers(tiny_unet(), [tiny_text()], "the tiny model")


def linear_weights(model: BoundModel, component: str) -> dict[str, tuple[int, ...]]:
    """Real module name -> shape of every linear and convolution weight."""
    return {
        name: tuple(module.weight.shape)
        for name, module in model.components[component].root.named_modules()
        if isinstance(module, (torch.nn.Linear, torch.nn.Conv2d))
    }


def write_kohya(path: Path, model: BoundModel, scale: float = 0.05) -> Path:
    tensors = {}
    for component, prefix in (("unet", "lora_unet"), ("te", "lora_te")):
        for index, (name, shape) in enumerate(linear_weights(model, component).items()):
            if component == "te" and not name.startswith("text_model."):
                name = f"text_model.{name}"
            flat = f"{prefix}_{name.replace('.', '_')}"
            for role, tensor in lora_parts(shape, 2, index, scale).items():
                tensors[f"{flat}.{ROLES[role]}"] = tensor
    save_file(tensors, path)
    return path


def test_a_kohya_file_for_every_layer_matches_every_layer(
    model: BoundModel, tmp_path: Path
) -> None:
    write_kohya(tmp_path / "all.safetensors", model)
    before = snapshot(model)
    patcher = Patcher(model)
    network = load_network(scan_networks([tmp_path])[0])
    report = patcher.apply([StackEntry(network, 0.5, 0.5)], strict=True)
    expected = {name: len(linear_weights(model, name)) for name in ("unet", "te")}
    assert report.applied[0].components == {n: Count(c, c) for n, c in expected.items()}
    changed = [name for name, value in snapshot(model).items()
               if not torch.equal(value, before[name])]
    assert len(changed) == sum(expected.values())
    patcher.restore()
    assert_same_bits(snapshot(model), before)


def test_every_name_of_the_tables_is_a_real_parameter(model: BoundModel) -> None:
    # transformers 5 dropped the `text_model.` level of CLIPTextModel, the names keep it
    for projection in (False, True):
        bound = bind_diffusers(tiny_unet(), [tiny_text(projection)])
        for name, part in bound.components.items():
            for path, shape in part.architecture.modules("diffusers").items():
                place = bound._place((name, path, shape.parameter))
                assert place is not None, path
                assert tuple(place.parameter.shape) == shape.weight


def test_a_second_text_encoder_is_te2() -> None:
    bound = bind_diffusers(tiny_unet(), [tiny_text(), tiny_text(True)])
    assert list(bound.components) == ["unet", "te", "te2"]


def test_the_unet_computes_what_diffusers_computes_with_the_fused_network(
    tmp_path: Path,
) -> None:
    pytest.importorskip("peft")
    ours, theirs = tiny_unet(), tiny_unet()
    path = write_kohya(tmp_path / "all.safetensors", bind_diffusers(ours, [tiny_text()]))
    model = bind_diffusers(ours)
    network = load_network(scan_networks([tmp_path])[0])
    Patcher(model).apply([StackEntry(network, 0.0, 0.8)])
    state = {}
    modules = {name.replace(".", "_"): name for name in linear_weights(model, "unet")}
    from safetensors.torch import load_file

    for key, tensor in load_file(path).items():
        flat, _, role = key.partition(".")
        if not flat.startswith("lora_unet_") or role == "alpha":
            continue
        name = modules[flat.removeprefix("lora_unet_")]
        # alpha is half the rank in this file, and diffusers' own form has no alpha
        value = tensor * 0.5 if role.startswith("lora_up") else tensor
        state[f"{name}.{'lora_B' if role.startswith('lora_up') else 'lora_A'}.weight"] = value
    theirs.load_lora_adapter(state, prefix=None, adapter_name="a")
    theirs.fuse_lora(lora_scale=0.8)
    inputs = (torch.randn(1, 4, 8, 8), torch.tensor([7]), torch.randn(1, 5, 32))
    with torch.no_grad():
        found, expected = ours(*inputs).sample, theirs(*inputs).sample
    error = (found - expected).square().mean()
    assert 10 * torch.log10(expected.abs().max() ** 2 / error) > 60


def test_a_peft_wrapped_model_is_patched_below_the_wrapper(tmp_path: Path) -> None:
    peft = pytest.importorskip("peft")
    unet = tiny_unet()
    write_kohya(tmp_path / "all.safetensors", bind_diffusers(unet, [tiny_text()]))
    network = load_network(scan_networks([tmp_path])[0])
    model = bind_diffusers(unet)
    patcher = Patcher(model)
    patcher.apply([StackEntry(network)])
    unet.add_adapter(peft.LoraConfig(r=2, target_modules=["to_q", "to_v"]), "other")
    report = patcher.apply([StackEntry(network)])
    assert not report.notes
    assert patcher.work.slots_rebuilt == 0
    again = Patcher(bind_diffusers(unet))
    patcher.restore()
    assert again.apply([StackEntry(network)]).applied[0].components["unet"].matched == len(
        [name for name in linear_weights(model, "unet") if "lora_" not in name]
    )


def test_a_joined_layer_of_a_flux_file_goes_into_the_three_layers_of_diffusers(
    tmp_path: Path,
) -> None:
    torch.manual_seed(2)
    flux = diffusers.FluxTransformer2DModel(
        in_channels=4, num_layers=1, num_single_layers=1, attention_head_dim=8,
        num_attention_heads=2, joint_attention_dim=8, pooled_projection_dim=8,
        axes_dims_rope=(2, 2, 4),
    )
    model = bind_diffusers(flux)
    parts = lora_parts((48, 16), 2, 3)
    key = "lora_unet_double_blocks_0_img_attn_qkv"
    save_file({f"{key}.{ROLES[role]}": part for role, part in parts.items()},
              tmp_path / "qkv.safetensors")
    before = snapshot(model)
    patcher = Patcher(model)
    report = patcher.apply([StackEntry(load_network(scan_networks([tmp_path])[0]))], strict=True)
    assert report.applied[0].components == {"transformer": Count(1, 1)}
    delta = parts["alpha"] / 2 * parts["up"] @ parts["down"]
    base = {slot.place.key[1]: slot.base for slot in patcher._slots.values()}
    attention = flux.transformer_blocks[0].attn
    for index, name in enumerate(("to_q", "to_k", "to_v")):
        change = getattr(attention, name).weight - base[f"transformer_blocks.0.attn.{name}"]
        assert torch.allclose(change, delta[16 * index : 16 * (index + 1)], atol=1e-6)
    patcher.restore()
    assert_same_bits(snapshot(model), before)
