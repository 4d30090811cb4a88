"""Loading a network file: what is read, what is told, what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from loradex.catalog.disk.scan import scan_networks  # noqa: E402
from loradex.catalog.network_file import NetworkFile  # noqa: E402
from loradex.errors import (  # noqa: E402
    BrokenNetworkError,
    HeaderError,
    NetworkError,
    NetworkNotFoundError,
)
from loradex.keys.targets import FileModule  # noqa: E402
from loradex.networks.hints import HintReader  # noqa: E402
from loradex.networks.network import load_network  # noqa: E402
from safetensors.torch import save_file  # noqa: E402

pytestmark = pytest.mark.torch

Q = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q"
V = Q.removesuffix("q") + "v"


def pair(name: str, rank: int = 4) -> dict[str, torch.Tensor]:
    return {
        f"{name}.lora_up.weight": torch.randn(320, rank) * 0.1,
        f"{name}.lora_down.weight": torch.randn(rank, 320) * 0.1,
        f"{name}.alpha": torch.tensor(2.0),
    }


def saved(folder: Path, tensors: dict[str, torch.Tensor], name: str = "a.safetensors",
          metadata: dict[str, str] | None = None) -> NetworkFile:
    save_file(tensors, folder / name, metadata)
    return next(file for file in scan_networks([folder]) if file.id == name)


def test_a_network_owns_its_memory_and_the_file_may_go(tmp_path: Path) -> None:
    file = saved(tmp_path, pair(Q))
    network = load_network(file)
    file.path.write_bytes(b"\0" * file.size)
    file.path.unlink()
    up, down = network.modules[0].codec.factors()
    assert float((up @ down).abs().max()) > 0
    assert network.stamp == (file.id, file.size, file.mtime_ns)


def test_one_broken_module_does_not_lose_the_others(tmp_path: Path) -> None:
    tensors = {**pair(Q), f"{V}.lora_up.weight": torch.randn(320, 4)}
    network = load_network(saved(tmp_path, tensors))
    assert len(network.modules) == 1
    assert network.faults[0].name.endswith("attn1_to_v")
    assert "'down' is missing" in network.faults[0].reason


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_numbers_that_are_not_finite_are_refused_by_name(tmp_path: Path, value: float) -> None:
    tensors = {**pair(Q), **pair(V)}
    tensors[f"{V}.lora_up.weight"][3, 1] = value
    with pytest.raises(BrokenNetworkError, match="attn1_to_v: 'up' has values that are not finite"):
        load_network(saved(tmp_path, tensors))


def test_a_file_without_a_usable_module_is_broken(tmp_path: Path) -> None:
    with pytest.raises(BrokenNetworkError, match="no module can be used"):
        load_network(saved(tmp_path, {f"{Q}.lora_up.weight": torch.randn(320, 4)}))


def test_a_checkpoint_is_no_network(tmp_path: Path) -> None:
    tensors = {"model.diffusion_model.input_blocks.0.0.weight": torch.randn(4, 4, 3, 3),
               "first_stage_model.decoder.conv_in.weight": torch.randn(4, 4, 3, 3),
               "cond_stage_model.transformer.text_model.final_layer_norm.weight": torch.ones(8)}
    with pytest.raises(NetworkError):
        load_network(saved(tmp_path, tensors))


def test_of_a_checkpoint_in_the_wrong_folder_only_the_header_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = saved(tmp_path, {
        "model.diffusion_model.input_blocks.0.0.weight": torch.zeros(320, 4, 3, 3),
        "first_stage_model.encoder.conv_in.weight": torch.zeros(128, 3, 3, 3),
    })
    monkeypatch.setattr("loradex.networks.network.read_tensors", lambda _: pytest.fail("read"))
    with pytest.raises(NetworkError, match="checkpoint"):
        load_network(file)


def test_a_cut_file_says_that_it_is_incomplete(tmp_path: Path) -> None:
    file = saved(tmp_path, pair(Q))
    file.path.write_bytes(file.path.read_bytes()[:-10])
    with pytest.raises(HeaderError):
        load_network(file)


def test_a_file_that_has_gone_is_not_found(tmp_path: Path) -> None:
    file = saved(tmp_path, pair(Q))
    file.path.unlink()
    with pytest.raises(NetworkNotFoundError, match="any more"):
        load_network(file)


def test_a_pickle_network_is_read_like_a_safetensors_one(tmp_path: Path) -> None:
    tensors = pair(Q)
    network = load_network(saved(tmp_path, tensors))
    torch.save(tensors, tmp_path / "b.pt")
    pickled = load_network(next(f for f in scan_networks([tmp_path]) if f.id == "b.pt"))
    for one, other in zip(network.modules[0].codec.factors(), pickled.modules[0].codec.factors(),
                          strict=True):
        assert torch.equal(one, other)
    assert len(pickled.tensor_sha256) == 64


def test_peft_metadata_gives_the_alpha_that_the_file_does_not_store(tmp_path: Path) -> None:
    settings = {"unet.lora_alpha": 8, "unet.use_rslora": False, "unet.alpha_pattern": {"to_v": 2}}
    name = "unet.down_blocks.0.attentions.0.transformer_blocks.0.attn1"
    tensors = {}
    for layer in ("to_q", "to_v"):
        tensors[f"{name}.{layer}.lora_A.weight"] = torch.ones(4, 320)
        tensors[f"{name}.{layer}.lora_B.weight"] = torch.ones(320, 4)
    metadata = {"lora_adapter_metadata": json.dumps(settings)}
    network = load_network(saved(tmp_path, tensors, metadata=metadata))
    scales = {one.file_module.name[-4:]: float(one.codec.factors()[0][0, 0]
                                              * one.codec.factors()[1][0, 0])
              for one in network.modules}
    assert scales == {"to_q": 2.0, "to_v": 0.5}


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [('{"wd_on_out": "True"}', True), ('{"wd_on_output": false}', False), ("{}", None),
     ("not json", None), ("[1]", None)],
)
def test_the_axis_of_dora_is_read_from_the_trainers_arguments(
    arguments: str, expected: bool | None
) -> None:
    reader = HintReader("a", {"ss_network_args": arguments})
    module = FileModule("denoiser", "x", "kohya", {})
    assert reader.of(module, {}).wd_on_output is expected


def peft_pair() -> dict[str, torch.Tensor]:
    name = "base_model.model.down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q"
    return {
        f"{name}.lora_A.weight": torch.ones(4, 320),
        f"{name}.lora_B.weight": torch.ones(320, 4),
    }


def test_pefts_configuration_beside_its_file_gives_the_alpha(tmp_path: Path) -> None:
    settings = {"r": 4, "lora_alpha": 8, "use_rslora": False}
    (tmp_path / "adapter_config.json").write_text(json.dumps(settings), encoding="utf-8")
    network = load_network(saved(tmp_path, peft_pair(), "adapter_model.safetensors"))
    up, down = network.modules[0].codec.factors()
    assert float((up @ down)[0, 0]) == 8.0  # rank 4 ones times alpha / rank = 2
    assert not network.notes


@pytest.mark.parametrize("beside", [None, "{", "[]", "null"])
def test_a_scale_that_is_a_guess_is_said_to_be_one(tmp_path: Path, beside: str | None) -> None:
    if beside is not None:
        (tmp_path / "adapter_config.json").write_text(beside, encoding="utf-8")
    network = load_network(saved(tmp_path, peft_pair(), "adapter_model.safetensors"))
    assert float(network.modules[0].codec.delta(torch.zeros(320, 320))[0, 0]) == 4.0
    assert "guess" in network.notes[0]
