"""The engine on models as WebUIs hold them: LDM, sgm, MMDiT, BFL, open_clip, of any size."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from loradex.catalog.disk.scan import scan_networks  # noqa: E402
from loradex.errors import InputError  # noqa: E402
from loradex.keys import configs  # noqa: E402
from loradex.keys.architecture import Architecture, Leaf  # noqa: E402
from loradex.keys.clip import clip_architecture  # noqa: E402
from loradex.keys.flux import flux_architecture  # noqa: E402
from loradex.keys.sd3 import sd3_architecture  # noqa: E402
from loradex.keys.t5 import t5_architecture  # noqa: E402
from loradex.keys.targets import Kind  # noqa: E402
from loradex.keys.unet import unet_architecture  # noqa: E402
from loradex.networks.model import BoundModel  # noqa: E402
from loradex.networks.native import bind_native, shapes_of  # noqa: E402
from loradex.networks.network import Network, load_network  # noqa: E402
from loradex.networks.patcher import Patcher, StackEntry  # noqa: E402
from safetensors.torch import save_file  # noqa: E402
from torch import Tensor, nn  # noqa: E402

from tests.networks.enginekit import assert_same_bits, lora_parts, snapshot  # noqa: E402
from tests.networks.native_trees import build_native, wrap_token_embedding  # noqa: E402

pytestmark = pytest.mark.torch

ROLES = {"up": "lora_up.weight", "down": "lora_down.weight", "alpha": "alpha"}
UNET = unet_architecture({
    "block_out_channels": (32, 64), "cross_attention_dim": 24, "layers_per_block": 1,
    "down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D"), "attention_head_dim": 1,
    "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D"),
})
SGM = unet_architecture({
    **configs.SDXL_UNET, "block_out_channels": (32, 64, 64), "attention_head_dim": 1,
    "transformer_layers_per_block": (1, 1, 2), "cross_attention_dim": 40,
    "projection_class_embeddings_input_dim": 112,
})
SD3 = sd3_architecture({
    "num_layers": 2, "num_attention_heads": 2, "attention_head_dim": 16, "qk_norm": "rms_norm",
    "caption_projection_dim": 32, "dual_attention_layers": (0,), "joint_attention_dim": 40,
})
FLUX = flux_architecture({
    "num_layers": 1, "num_single_layers": 1, "num_attention_heads": 2, "attention_head_dim": 8,
    "joint_attention_dim": 40, "pooled_projection_dim": 24,
})
SMALL = {"vocab_size": 99, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2,
         "projection_dim": 24}
CLIP = clip_architecture({**SMALL, "hidden_size": 24}, False, "hf")
OPEN_CLIP = clip_architecture(SMALL, True, "open_clip")
T5 = t5_architecture({"vocab_size": 99, "d_model": 32, "d_kv": 8, "num_heads": 4, "d_ff": 48,
                      "num_layers": 2, "feed_forward_proj": "gated-gelu"})


def trained(table: Architecture) -> list[Leaf]:
    return [leaf for leaf in table.leaves
            if leaf.kind in (Kind.LINEAR, Kind.CONV) and not leaf.diffusers.rows]


def write(path: Path, names: Iterable[tuple[str, tuple[int, ...]]]) -> Network:
    """A kohya file of these modules, alpha half the rank."""
    tensors = {
        f"{name}.{ROLES[role]}": tensor
        for index, (name, shape) in enumerate(names)
        for role, tensor in lora_parts(shape, 2, index).items()
    }
    save_file(tensors, path)
    return load_network(scan_networks([path.parent])[0])


def deltas(network: Network) -> dict[str, Tensor]:
    """Module's name in the file -> up @ down * alpha / rank."""
    from safetensors.torch import load_file

    found, state = {}, load_file(network.path)
    for key in state:
        name, _, role = key.partition(".")
        if role == "lora_up.weight":
            up, down = state[key].double(), state[f"{name}.lora_down.weight"].double()
            flat = up.flatten(1) @ down.flatten(1) / 2
            found[name] = flat.reshape(up.shape[0], *down.shape[1:])
    return found


def values(model: BoundModel) -> dict[str, Tensor]:
    return {f"{name}.{key}": value.detach().double().clone()
            for name, part in model.components.items()
            for key, value in part.root.named_parameters()}


def check(model: BoundModel, network: Network, expected: dict[str, tuple[Leaf, str]]) -> None:
    """Applies a network, finds its deltas and nothing else in the weights, and takes it out.

    `expected` maps a file's module to the leaf and the component that it is for.
    """
    bits, before, patcher = snapshot(model), values(model), Patcher(model)
    report = patcher.apply([StackEntry(network, 0.5, 0.5)], strict=True)
    assert report.applied[0].share == f"{len(expected)}/{len(expected)}"
    after = values(model)
    for name, delta in deltas(network).items():
        leaf, component = expected[name]
        region = leaf.native
        weight = before[f"{component}.{region.key}"]
        part = weight.T if region.transposed else weight
        rows = slice(region.rows.start, region.rows.stop) if region.rows else slice(None)
        part[rows] += 0.5 * delta.reshape(part[rows].shape)
    for name, value in after.items():
        torch.testing.assert_close(value, before[name], rtol=0, atol=1e-6)
    patcher.restore()
    assert_same_bits(snapshot(model), bits)


def denoiser_names(table: Architecture, tree: str, prefix: str) -> dict[str, Leaf]:
    return {f"{prefix}_{leaf.place(tree).module.replace('.', '_')}": leaf  # type: ignore[arg-type]
            for leaf in trained(table) if tree == "diffusers" or not leaf.native.rows}


@pytest.mark.parametrize("tree", ["diffusers", "native"])
@pytest.mark.parametrize(("table", "name"), [
    (UNET, "unet"), (SGM, "unet"), (SD3, "transformer"), (FLUX, "transformer"),
], ids=["ldm", "sgm", "mmdit", "bfl"])
def test_a_lora_in_either_trees_names_is_added_exactly(
    table: Architecture, name: str, tree: str, tmp_path: Path
) -> None:
    torch.manual_seed(0)
    model = bind_native(build_native(table), {})
    assert model.denoiser == name
    assert model.components[name].tree == "native"
    leaves = denoiser_names(table, tree, "lora_unet")
    network = write(tmp_path / "a.safetensors", [(n, one.shape) for n, one in leaves.items()])
    check(model, network, {n: (one, name) for n, one in leaves.items()})


ENCODERS = {
    "transformers": (CLIP, "te", "lora_te", ""),
    "transformers-te1": (CLIP, "te", "lora_te1", ""),
    "open_clip": (OPEN_CLIP, "te", "lora_te", ""),
    "open_clip-te2": (OPEN_CLIP, "te2", "lora_te2", ""),
    "open_clip-q-v": (OPEN_CLIP, "te", "lora_te", "q_proj v_proj"),
    "open_clip-te2-q-v": (OPEN_CLIP, "te2", "lora_te2", "q_proj v_proj"),
    "t5": (T5, "te3", "lora_te3", ""),
}


@pytest.mark.parametrize("case", ENCODERS)
def test_a_lora_of_a_text_encoder_is_added_exactly(case: str, tmp_path: Path) -> None:
    """Also on open_clip's fused attention, of whose rows a file may have but some."""
    table, component, prefix, only = ENCODERS[case]
    torch.manual_seed(0)
    encoders = {"te": build_native(CLIP)} if component == "te2" else {}
    encoders[component] = build_native(table)
    model = bind_native(build_native(UNET), encoders)
    leaves = {f"{prefix}_{leaf.diffusers.module.replace('.', '_')}": leaf
              for leaf in trained(table)
              if not only or leaf.diffusers.module.endswith(tuple(only.split()))}
    network = write(tmp_path / "a.safetensors", [(n, one.shape) for n, one in leaves.items()])
    check(model, network, {n: (one, component) for n, one in leaves.items()})


@pytest.mark.parametrize("table", [CLIP, OPEN_CLIP], ids=["transformers", "open_clip"])
def test_embeddings_inside_automatic1111s_wrapper_are_found(table: Architecture) -> None:
    plain, wrapped = build_native(table), build_native(table)
    wrap_token_embedding(wrapped)
    assert any(".wrapped." in name for name, _ in wrapped.named_parameters())
    assert shapes_of(wrapped) == shapes_of(plain)
    model = bind_native(build_native(UNET), {"te": wrapped})
    for leaf in table.leaves:
        place = model._place(("te", leaf.native.module, leaf.native.parameter))
        assert place is not None, leaf
        assert place.parameter is not None
        assert place.in_model


def test_a_wrapper_taken_away_leaves_the_place_in_the_model() -> None:
    text = build_native(CLIP)
    wrap_token_embedding(text)
    model = bind_native(build_native(UNET), {"te": text})
    key = ("te", "text_model.embeddings.token_embedding", "weight")
    place = model._place(key)
    embeddings = text.get_submodule("text_model.embeddings")
    embeddings.token_embedding = embeddings.token_embedding.wrapped
    assert place is not None
    assert model._place(key) is place


def test_two_encoders_are_told_apart_by_the_digit_of_the_key(tmp_path: Path) -> None:
    torch.manual_seed(0)
    encoders = {"te": build_native(CLIP), "te2": build_native(OPEN_CLIP)}
    model = bind_native(build_native(SGM), encoders)
    expected = {
        f"lora_te{digit}_{leaf.diffusers.module.replace('.', '_')}": (leaf, component)
        for digit, component, table in ((1, "te", CLIP), (2, "te2", OPEN_CLIP))
        for leaf in trained(table) if leaf.diffusers.module.endswith("q_proj")
    }
    network = write(tmp_path / "a.safetensors",
                    [(name, leaf.shape) for name, (leaf, _) in expected.items()])
    check(model, network, expected)


@pytest.mark.parametrize("config", [
    configs.SD1_UNET, {**configs.SD1_UNET, "in_channels": 9},
    {**configs.SD1_UNET, "in_channels": 8}, configs.SD2_UNET, configs.SDXL_UNET,
    configs.SDXL_REFINER_UNET, configs.SSD_1B_UNET, configs.KOALA_700M_UNET,
], ids=["sd1", "inpainting", "pix2pix", "sd2", "sdxl", "refiner", "ssd-1b", "koala"])
def test_every_place_of_a_full_sized_unet_is_a_parameter(config: configs.Config) -> None:
    table = unet_architecture(config)
    model = bind_native(build_native(table, device="meta"), {})
    assert "another" not in model.title
    for name, found in table.modules("native").items():
        place = model._place(("unet", name, found.parameter))
        assert place is not None, name
        assert place.parameter is not None
        assert tuple(place.parameter.shape) == found.weight


def test_sdxl_is_bound_again_without_deriving_tables_or_reading_data() -> None:
    parts = build_native(unet_architecture(configs.SDXL_UNET), device="meta"), {
        "te": build_native(clip_architecture(configs.CLIP_L, False), device="meta"),
        "te2": build_native(clip_architecture(configs.CLIP_G, True), device="meta"),
    }
    first = bind_native(*parts)
    again = bind_native(*parts)
    assert first.title == "SDXL (cross-attention width 2048)"
    for name, part in again.components.items():  # what is kept for the tables is kept on
        assert part.architecture is first.components[name].architecture


class TestWhatHasNoTable:
    def test_names_that_nobody_knows_are_all_there_is(self, tmp_path: Path) -> None:
        root = nn.Module()
        root.trunk = nn.Linear(6, 4)
        model = bind_native(root, {})
        assert model.denoiser == "transformer"
        assert model.title == "another base model"
        assert "only LoRAs that name its own layers" in model.notes[0]
        network = write(tmp_path / "a.safetensors", [("lora_unet_trunk", (4, 6))])
        Patcher(model).apply([StackEntry(network, 1.0, 1.0)], strict=True)

    def test_a_denoiser_without_weights_is_an_error_that_says_what_it_is(self) -> None:
        with pytest.raises(InputError, match=r"Identity. has no named weights") as caught:
            bind_native(nn.Identity(), {})
        assert caught.value.next_step

    def test_an_encoder_without_weights_is_left_out_with_a_note(self) -> None:
        model = bind_native(build_native(UNET), {"te": nn.Identity()}, "mine")
        assert (list(model.components), model.title) == (["unet"], "mine")
        assert model.notes == ("te: Identity has no named weights and was left out",)


class Packed(nn.Parameter):
    """A parameter as bitsandbytes keeps it: bytes, and the shape beside them."""


def test_packed_weights_are_bound_and_served_beside_their_layers(tmp_path: Path) -> None:
    model = build_native(UNET)
    for module in model.modules():
        if isinstance(module, nn.Linear):
            packed = Packed(torch.zeros(module.weight.numel() // 2, 1, dtype=torch.uint8),
                            requires_grad=False)
            packed.quant_state = type("QuantState", (), {"shape": module.weight.shape})
            module.weight = packed
    bound = bind_native(model, {})
    assert bound.components["unet"].architecture.id == "unet"
    leaves = denoiser_names(UNET, "diffusers", "lora_unet")
    network = write(tmp_path / "a.safetensors", [(n, one.shape) for n, one in leaves.items()])
    report = Patcher(bound).apply([StackEntry(network, 1.0, 1.0)])
    count = report.applied[0].components["unet"]
    assert count.matched == count.total
    assert 0 < count.branch < count.matched  # the convolutions are plain and merged


def test_packed_weights_without_their_shape_do_not_stop_the_binding() -> None:
    model = build_native(UNET)
    for module in model.modules():
        if isinstance(module, nn.Linear):
            module.weight = nn.Parameter(
                torch.zeros(module.weight.numel() // 2, 1, dtype=torch.uint8), requires_grad=False)
    assert bind_native(model, {}).notes


class Gguf(nn.Parameter):
    """A parameter as Forge keeps GGUF: bytes, and the true shape where the bytes' would be."""

    @property
    def shape(self) -> torch.Size:
        return torch.Size((16, 8))


def test_the_shape_that_a_packed_parameter_tells_is_taken() -> None:
    root = nn.Module()
    root.weight = Gguf(torch.zeros(16, 4, dtype=torch.uint8), requires_grad=False)
    assert shapes_of(root) == {"weight": (16, 8)}


def test_modules_of_transformers_and_diffusers_are_bound_in_their_own_tree() -> None:
    """Some WebUIs hold text encoders, or all of a model, as these libraries' own modules."""
    pytest.importorskip("diffusers")
    pytest.importorskip("transformers")
    from tests.networks.test_bind_diffusers import tiny_text, tiny_unet

    model = bind_native(tiny_unet(), {"te": tiny_text(), "te2": tiny_text(projection=True)})
    assert not model.notes
    for name, part in model.components.items():
        assert part.tree == "diffusers"
        for path, found in part.architecture.modules(part.tree).items():
            place = model._place((name, path, found.parameter))
            assert place is not None, path
            assert place.parameter is not None
            assert tuple(place.parameter.shape) == found.weight
