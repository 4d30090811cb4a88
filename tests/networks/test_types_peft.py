"""The same tensors merged by PEFT: its merged weights are the measure where they are right.

Disagreements, none of which a file can show: PEFT scales LoKr with two whole halves by alpha / r
(LyCORIS forces 1), and its OFT turns one way with the Neumann series and the other way without.
"""

from __future__ import annotations

from typing import Any

import pytest

torch = pytest.importorskip("torch")

from loradex.keys.suffixes import split_key  # noqa: E402
from loradex.networks.types import ModuleHints, build_module  # noqa: E402
from torch import Tensor, nn  # noqa: E402

pytestmark = [
    pytest.mark.torch, pytest.mark.peers,
    pytest.mark.filterwarnings("ignore"),  # theirs and their dependencies', not ours
]


@pytest.fixture(scope="module")
def peft() -> Any:
    return pytest.importorskip("peft")


class Model(nn.Module):
    """One layer of each kind that a UNet has."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(48, 64)
        self.square = nn.Linear(64, 64)
        self.conv = nn.Conv2d(16, 64, 3)
        self.point = nn.Conv2d(16, 64, 1)

    def forward(self, x: Tensor) -> Tensor:
        return x


LAYERS = ("linear", "square", "conv", "point")
LINEAR = ("linear", "square")
KINDS: dict[str, tuple[str, dict[str, Any], tuple[str, ...], ModuleHints]] = {
    "lora": ("LoraConfig", {"r": 4, "lora_alpha": 6}, LAYERS, ModuleHints(alpha=6.0)),
    "rslora": ("LoraConfig", {"r": 4, "lora_alpha": 6, "use_rslora": True}, LAYERS,
               ModuleHints(alpha=6.0, use_rslora=True)),
    "dora": ("LoraConfig", {"r": 4, "lora_alpha": 6, "use_dora": True}, LAYERS,
             ModuleHints(alpha=6.0)),
    "lora-bias": ("LoraConfig", {"r": 4, "lora_alpha": 6, "lora_bias": True}, LAYERS,
                  ModuleHints(alpha=6.0)),
    "loha": ("LoHaConfig", {"r": 4, "alpha": 6}, LAYERS, ModuleHints(alpha=6.0)),
    "loha-tucker": ("LoHaConfig", {"r": 4, "alpha": 6, "use_effective_conv2d": True}, LAYERS,
                    ModuleHints(alpha=6.0)),
    "lokr": ("LoKrConfig", {"r": 2, "alpha": 6}, LAYERS, ModuleHints(alpha=6.0)),
    "lokr-both": ("LoKrConfig", {"r": 2, "alpha": 6, "decompose_both": True}, LAYERS,
                  ModuleHints(alpha=6.0)),
    "lokr-tucker": ("LoKrConfig", {"r": 2, "alpha": 6, "use_effective_conv2d": True}, LAYERS,
                    ModuleHints(alpha=6.0)),
    "lokr-whole": ("LoKrConfig", {"r": 32, "alpha": 6}, LAYERS, ModuleHints(alpha=6.0, rank=32)),
    "ia3": ("IA3Config", {"feedforward_modules": ["linear"]}, ("linear", "square", "conv"),
            ModuleHints()),
    "ia3-conv-in": ("IA3Config", {"feedforward_modules": ["conv"]}, ("conv", "square"),
                    ModuleHints()),
    "oft": ("OFTConfig", {"oft_block_size": 8}, LAYERS, ModuleHints()),
    "oft-cayley": ("OFTConfig", {"oft_block_size": 8, "use_cayley_neumann": False}, LAYERS,
                   ModuleHints(oft_neumann_terms=0)),
    "oft-shared": ("OFTConfig", {"oft_block_size": 8, "block_share": True}, LINEAR,
                   ModuleHints()),
    "oft-more-terms": ("OFTConfig", {"oft_block_size": 8, "num_cayley_neumann_terms": 7}, LINEAR,
                       ModuleHints(oft_neumann_terms=7)),
    "boft": ("BOFTConfig", {"boft_block_size": 8}, LAYERS, ModuleHints()),
}


def trained(peft: Any, kind: str) -> tuple[Any, Model]:
    """A wrapped model with every parameter moved off its start, and the model before."""
    name, settings, layers, _ = KINDS[kind]
    torch.manual_seed(9)
    before = Model()
    model = Model()
    model.load_state_dict(before.state_dict())
    if name == "BOFTConfig":
        settings = settings | {"boft_n_butterfly_factor": 1}
    wrapped = peft.get_peft_model(model, getattr(peft, name)(target_modules=layers, **settings))
    with torch.no_grad():
        for parameter in wrapped.parameters():
            if parameter.requires_grad:
                parameter.add_(torch.randn_like(parameter) * 0.05)
    return wrapped, before


def modules_of(peft: Any, wrapped: Any) -> dict[str, dict[str, Tensor]]:
    found: dict[str, dict[str, Tensor]] = {}
    for key, tensor in peft.get_peft_model_state_dict(wrapped).items():
        split = split_key(key)
        assert split is not None
        stem, role = split
        found.setdefault(stem.rpartition(".")[2], {})[role] = tensor.clone()
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_the_merged_weight_is_pefts(peft: Any, kind: str) -> None:
    wrapped, before = trained(peft, kind)
    modules = modules_of(peft, wrapped)
    assert set(modules) == set(KINDS[kind][2])
    merged = wrapped.merge_and_unload()
    for name, parts in modules.items():
        codec = build_module(parts, KINDS[kind][3])
        assert codec.notes == ()
        base, want = getattr(before, name), getattr(merged, name)
        delta = codec.delta(base.weight.detach())
        change = want.weight.detach() - base.weight.detach()
        # theirs is rounded into the weight, so a small change keeps fewer digits
        slack = 1e-6 * change.norm() + 1e-7 * base.weight.norm()
        assert float((delta - change).norm()) < float(slack)
        bias = codec.bias_delta(base.bias.detach(), base.weight.detach())
        got = base.bias.detach() if bias is None else base.bias.detach() + bias
        torch.testing.assert_close(got, want.bias.detach())


def test_a_butterfly_of_several_stages_is_pefts(peft: Any) -> None:
    """Without its CUDA kernel PEFT falls back to one stage, so its own permutations are asked."""
    from peft.tuners.boft.layer import BOFTLayer

    torch.manual_seed(4)
    rotations, scale = torch.randn(3, 8, 8, 8) * 0.1, 1 + torch.randn(32, 1) * 0.02
    weight = torch.randn(32, 64) * 0.03
    layer = BOFTLayer.__new__(BOFTLayer)
    blocks = BOFTLayer.cayley_batch(layer, rotations.reshape(-1, 8, 8)).reshape(3, 8, 8, 8)
    total = torch.eye(64)
    for stage in range(3):
        order = BOFTLayer.block_butterfly_perm(layer, 64, 8 // 2**stage, 4, 2)
        move = BOFTLayer.perm2mat(layer, order)
        total = move @ torch.block_diag(*blocks[stage]) @ move.T @ total
    want = (total @ weight.T).T * scale - weight
    got = build_module({"boft_r": rotations, "boft_s": scale}).delta(weight)
    assert float((got - want).norm() / want.norm()) < 1e-5


def test_an_embedding_table(peft: Any) -> None:
    torch.manual_seed(2)
    model = nn.Sequential()
    model.add_module("tokens", nn.Embedding(40, 16))
    before = model.tokens.weight.detach().clone()
    config = peft.LoraConfig(target_modules=["tokens"], r=4, lora_alpha=6)
    wrapped = peft.get_peft_model(model, config)
    with torch.no_grad():
        for name, parameter in wrapped.named_parameters():
            if "lora_" in name:
                parameter.normal_(std=0.1)
    parts = modules_of(peft, wrapped)["tokens"]
    parts = {role: tensor for role, tensor in parts.items() if role.startswith("embedding")}
    want = wrapped.merge_and_unload().tokens.weight.detach() - before
    got = build_module(parts, ModuleHints(alpha=6.0)).delta(before)
    assert float((got - want).norm() / want.norm()) < 1e-5
