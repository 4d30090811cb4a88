"""Realistic tensors for every network type, linear and conv, beside the oracle that they go to."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache

import torch
from loradex.networks.types import ModuleHints
from torch import Tensor

from tests.networks import oracle

WEIGHT_STD = 0.03
SMALL, LARGE = 5e-4, 1e-2
"""Standard deviations of a delta: of a usual LoRA, and of one that is overdone."""


@dataclass(frozen=True)
class Case:
    """Tensors by role, the weight's shape, and the fp64 formula."""

    name: str
    parts: dict[str, Tensor]
    weight_shape: tuple[int, ...]
    merged: oracle.Merged
    hints: ModuleHints = field(default_factory=ModuleHints)

    def weight(self, seed: int = 7) -> Tensor:
        made = torch.Generator().manual_seed(seed)
        return torch.randn(self.weight_shape, generator=made) * WEIGHT_STD


class Maker:
    """Random tensors of one case after the other; `tuned` brings the delta to a given size."""

    def __init__(self, seed: int, std: float, dtype: torch.dtype) -> None:
        self.random = torch.Generator().manual_seed(seed)
        self.std, self.dtype = std, dtype

    def __call__(self, *shape: int, std: float = 1.0) -> Tensor:
        return (torch.randn(shape, generator=self.random) * std).to(self.dtype)

    def tuned(
        self, parts: dict[str, Tensor], role: str, delta: Callable[..., Tensor], *shape: int
    ) -> dict[str, Tensor]:
        """The same with one factor scaled, so that the delta has the standard deviation asked."""
        found = float(delta(parts, torch.Size(shape)).std())
        factor = (parts[role].float() * (self.std / found)).to(self.dtype)
        return parts | {role: factor}


def lora_parts(new: Maker, out: int, inp: int, rank: int, kernel: tuple[int, ...] = ()) -> dict:
    ones = (1,) * len(kernel)
    parts = {"up": new(out, rank, *ones), "down": new(rank, inp, *kernel)}
    parts["alpha"] = torch.tensor(rank / 2, dtype=new.dtype)
    return new.tuned(parts, "up", oracle.lora_delta, out, inp, *kernel)


def tucker_parts(new: Maker, out: int, inp: int, rank: int, kernel: tuple[int, ...]) -> dict:
    parts = {
        "up": new(out, rank, 1, 1), "mid": new(rank, rank, *kernel), "down": new(rank, inp, 1, 1),
        "alpha": torch.tensor([1.0]),
    }
    return new.tuned(parts, "up", oracle.lora_delta, out, inp, *kernel)


def loha_parts(new: Maker, out: int, columns: int, rank: int, *shape: int) -> dict:
    parts = {f"hada_w{half}_a": new(out, rank) for half in "12"}
    parts |= {f"hada_w{half}_b": new(rank, columns) for half in "12"}
    parts["alpha"] = torch.tensor(rank / 4)
    return new.tuned(parts, "hada_w1_a", oracle.loha_delta, *(shape or (out, columns)))


def loha_tucker_parts(new: Maker, out: int, inp: int, rank: int, kernel: tuple[int, ...]) -> dict:
    parts = {f"hada_t{half}": new(rank, rank, *kernel) for half in "12"}
    parts |= {f"hada_w{half}_a": new(rank, out) for half in "12"}
    parts |= {f"hada_w{half}_b": new(rank, inp) for half in "12"}
    parts["alpha"] = torch.tensor(1.0)
    return new.tuned(parts, "hada_w2_a", oracle.loha_delta, out, inp, *kernel)


def lokr_parts(
    new: Maker, w1: tuple[int, int], w2: tuple[int, int], rank1: int = 0, rank2: int = 0,
    kernel: tuple[int, ...] = (), *, tucker: bool = False,
) -> dict:
    (a, c), (b, d) = w1, w2
    area = 1
    for side in kernel:
        area *= side
    parts = (
        {"lokr_w1_a": new(a, rank1), "lokr_w1_b": new(rank1, c)} if rank1
        else {"lokr_w1": new(a, c)}
    )
    if tucker:
        parts |= {"lokr_w2_a": new(rank2, b), "lokr_w2_b": new(rank2, d)}
        parts["lokr_t2"] = new(rank2, rank2, *kernel)
    elif rank2:
        parts |= {"lokr_w2_a": new(b, rank2), "lokr_w2_b": new(rank2, d * area)}
    else:
        parts["lokr_w2"] = new(b, d, *kernel)
    parts["alpha"] = torch.tensor(2.0)
    role = "lokr_w1_a" if rank1 else "lokr_w1"
    return new.tuned(parts, role, oracle.lokr_delta, a * b, c * d, *kernel)


def with_magnitude(parts: dict, role: str, weight: Tensor, axis: int, new: Maker) -> dict:
    """The parts with a magnitude of about the weight's own norm, as training leaves it."""
    dims = [dim for dim in range(weight.dim()) if dim != axis]
    norm = torch.linalg.vector_norm(weight, dim=dims, keepdim=True)
    jitter = 1 + 0.02 * torch.randn(norm.shape, generator=new.random)
    return parts | {role: (norm * jitter).to(new.dtype)}


def additive_cases(n: int, std: float, dtype: torch.dtype) -> Iterator[Case]:
    """LoRA, LoHa and LoKr in every form; `n` is the width, a multiple of 64."""
    new, k = Maker(11, std, dtype), (3, 3)
    lora, loha, lokr = (
        oracle.added(delta) for delta in (oracle.lora_delta, oracle.loha_delta, oracle.lokr_delta)
    )
    m = n // 2
    yield Case("lora", lora_parts(new, n, n + 64, 16), (n, n + 64), lora)
    yield Case("lora-conv1x1", lora_parts(new, n, m, 8, (1, 1)), (n, m, 1, 1), lora)
    yield Case("lora-conv1x1-on-linear", lora_parts(new, n, m, 8, (1, 1)), (n, m), lora)
    yield Case("lora-linear-on-conv1x1", lora_parts(new, n, m, 8), (n, m, 1, 1), lora)
    yield Case("lora-conv3x3", lora_parts(new, n, m, 8, k), (n, m, 3, 3), lora)
    yield Case("lora-tucker", tucker_parts(new, n, m, 8, k), (n, m, 3, 3), lora)
    no_alpha = {r: t for r, t in lora_parts(new, n, m, 4).items() if r != "alpha"}
    yield Case("lora-no-alpha", no_alpha, (n, m), lora)
    scaled = lora_parts(new, n, m, 4) | {"scale": torch.tensor(0.25)}
    yield Case("lora-scale", scaled, (n, m), lora)
    yield Case("loha", loha_parts(new, n, n, 8), (n, n), loha)
    yield Case("loha-conv3x3", loha_parts(new, n, m * 9, 4, n, m, 3, 3), (n, m, 3, 3), loha)
    yield Case("loha-tucker", loha_tucker_parts(new, n, m, 4, k), (n, m, 3, 3), loha)
    a, b = 16, n // 16
    yield Case("lokr-whole", lokr_parts(new, (a, a), (b, b)), (n, n), lokr)
    yield Case("lokr-w2", lokr_parts(new, (a, 8), (b, n // 8), 0, 2), (n, n), lokr)
    yield Case("lokr-w1", lokr_parts(new, (a, a), (b, b), 4, 0), (n, n), lokr)
    yield Case("lokr-both", lokr_parts(new, (a, a), (b, b), 4, 3), (n, n), lokr)
    yield Case("lokr-conv-whole", lokr_parts(new, (8, 8), (n // 8, n // 8), 0, 0, k), (n, n, 3, 3),
               lokr)
    yield Case("lokr-conv", lokr_parts(new, (8, 8), (n // 8, n // 8), 0, 4, k), (n, n, 3, 3), lokr)
    yield Case("lokr-tucker", lokr_parts(new, (8, 8), (n // 8, n // 8), 4, 4, k, tucker=True),
               (n, n, 3, 3), lokr)


def dora_cases(n: int, std: float, dtype: torch.dtype) -> Iterator[Case]:
    """DoRA on either axis of each inner type, in the writers' shapes."""
    new, m, k = Maker(12, std, dtype), n // 2, (3, 3)
    lora_out = oracle.dora(oracle.lora_delta, on_output=True)
    lora_in = oracle.dora(oracle.lora_delta, on_output=False)

    def case(name: str, parts: dict, shape: tuple[int, ...], merged: oracle.Merged, role: str,
             axis: int, stored: tuple[int, ...] | None = None) -> Case:
        whole = with_magnitude(parts, role, Case("", {}, shape, merged).weight(), axis, new)
        if stored is not None:
            whole[role] = whole[role].reshape(stored)
        return Case(name, whole, shape, merged)

    yield case("dora-out", lora_parts(new, n, n, 8), (n, n), lora_out, "dora_scale", 0)
    yield case("dora-in", lora_parts(new, n, n, 8), (n, n), lora_in, "dora_scale", 1)
    yield case("dora-conv-out", lora_parts(new, n, m, 8, k), (n, m, 3, 3), lora_out,
               "dora_scale", 0)
    yield case("dora-conv-in", lora_parts(new, n, m, 8, k), (n, m, 3, 3), lora_in,
               "dora_scale", 1)
    yield case("dora-peft", lora_parts(new, n, n, 8), (n, n), lora_out, "magnitude_vector", 0,
               (n,))
    yield case("dora-peft-conv", lora_parts(new, n, n, 4, k), (n, n, 3, 3), lora_out,
               "magnitude_vector", 0, (1, n, 1, 1))
    yield case("dora-toolkit", lora_parts(new, n, n, 8), (n, n), lora_out, "magnitude", 0, (n,))
    yield case("dora-1d-in", lora_parts(new, n, m, 8), (n, m), lora_in, "dora_scale", 1, (m,))
    yield case("dora-loha", loha_parts(new, n, n, 4), (n, n),
               oracle.dora(oracle.loha_delta, on_output=True), "dora_scale", 0)
    yield case("dora-loha-conv-in", loha_parts(new, n, m * 9, 4, n, m, 3, 3), (n, m, 3, 3),
               oracle.dora(oracle.loha_delta, on_output=False), "dora_scale", 1)
    yield case("dora-lokr", lokr_parts(new, (8, 8), (n // 8, n // 8), 0, 4), (n, n),
               oracle.dora(oracle.lokr_delta, on_output=False), "dora_scale", 1)


def rotation_cases(n: int, std: float, dtype: torch.dtype) -> Iterator[Case]:
    """OFT and BOFT in all forms; the blocks turn by about std / |W|."""
    new, m = Maker(13, std, dtype), n // 2
    turn = std / WEIGHT_STD / 8
    rescale = 1 + new(n, 1, std=0.02).float()
    yield Case("oft", {"oft_blocks": new(n // 16, 16, 16, std=turn)}, (n, m), oracle.oft)
    # about a tenth of the norm that the blocks have, so the constraint binds: x out matters
    held = {"oft_blocks": new(n // 16, 16, 16, std=turn), "alpha": torch.tensor(turn / 2 / n**0.5)}
    yield Case("oft-constraint", held, (n, m), oracle.oft)
    yield Case("oft-rescale", {"oft_blocks": new(n // 8, 8, 8, std=turn),
                               "rescale": rescale.to(dtype), "alpha": torch.tensor(0.0)},
               (n, m), oracle.oft)
    yield Case("oft-conv", {"oft_blocks": new(n // 8, 8, 8, std=turn),
                            "rescale": rescale.reshape(n, 1, 1, 1)}, (n, 16, 3, 3), oracle.oft)
    diag = torch.eye(8) + new(n // 8, 8, 8, std=turn).float()
    yield Case("oft-old", {"oft_diag": diag.to(dtype)}, (n, m), oracle.oft)
    yield Case("boft", {"oft_blocks": new(3, n // 8, 8, 8, std=turn)}, (n, m), oracle.boft)
    yield Case("boft-conv", {"oft_blocks": new(2, n // 8, 8, 8, std=turn),
                             "rescale": rescale.reshape(n, 1, 1, 1),
                             "alpha": torch.tensor(turn / 2 / n**0.5)}, (n, 16, 3, 3), oracle.boft)
    yield Case("peft-oft", {"oft_r": new(m // 8, 28, std=turn)}, (n, m), oracle.peft_oft())
    yield Case("peft-oft-cayley", {"oft_r": new(m // 8, 28, std=turn)}, (n, m),
               oracle.peft_oft(0), ModuleHints(oft_neumann_terms=0))
    yield Case("peft-oft-shared", {"oft_r": new(1, 28, std=turn)}, (n, m), oracle.peft_oft())
    yield Case("peft-oft-conv", {"oft_r": new(18, 28, std=turn)}, (n, 16, 3, 3), oracle.peft_oft())
    yield Case("peft-oft-onetrainer",
               {"oft_r": new(m // 8, 28, std=turn * 5), "scale": torch.tensor(True)}, (n, m),
               oracle.peft_oft())
    yield Case("peft-boft", {"boft_r": new(1, m // 8, 8, 8, std=turn),
                             "boft_s": (1 + new(n, 1, std=0.02).float()).to(dtype)},
               (n, m), oracle.peft_boft)
    yield Case("peft-boft-butterfly", {"boft_r": new(3, m // 8, 8, 8, std=turn)}, (n, m),
               oracle.peft_boft)
    yield Case("peft-boft-conv", {"boft_r": new(2, 18, 8, 8, std=turn),
                                  "boft_s": 1 + new(1, n, std=0.02).float()},
               (n, 16, 3, 3), oracle.peft_boft)


def other_cases(n: int, std: float, dtype: torch.dtype) -> Iterator[Case]:
    """GLoRA, (IA)^3, full, norm, biases, set and the embedding table."""
    new, m = Maker(14, std, dtype), n // 2
    factor = (std / WEIGHT_STD / m**0.5) ** 0.5
    small = std**0.5 / 2
    alpha = {"alpha": torch.tensor(2.0)}
    yield Case("glora", {"a1": new(m, 4, std=factor), "a2": new(4, m, std=factor),
                         "b1": new(n, 4, std=small), "b2": new(4, m, std=small)} | alpha,
               (n, m), oracle.glora(new=True))
    yield Case("glora-old", {"a1": new(4, m, std=factor), "a2": new(m, 4, std=factor),
                             "b1": new(4, m, std=small), "b2": new(n, 4, std=small)} | alpha,
               (n, m), oracle.glora(new=False))
    a = {"a1": new(16, 4, 1, 1, std=factor), "a2": new(4, 16, 1, 1, std=factor)}
    yield Case("glora-conv", a | {"b1": new(n, 4, 1, 1, std=small),
                                  "b2": new(4, 16, 3, 3, std=small)} | alpha,
               (n, 16, 3, 3), oracle.glora(new=True))
    yield Case("glora-tucker", a | {"b1": new(n, 4, 1, 1, std=small),
                                    "bm": new(4, 4, 3, 3), "b2": new(4, 16, 1, 1, std=small)},
               (n, 16, 3, 3), oracle.glora(new=True))
    gain = std / WEIGHT_STD
    for name, axis in (("out", 0), ("in", 1)):
        flag, width = torch.tensor(axis), (n, m)[axis]
        yield Case(f"ia3-{name}", {"ia3_weight": new(width, std=gain), "on_input": flag},
                   (n, m), oracle.ia3)
        yield Case(f"ia3-conv-{name}", {"ia3_weight": new(1, width, 1, 1, std=gain),
                                        "on_input": flag}, (n, m, 3, 3), oracle.ia3)
        stored = (n, 1) if axis == 0 else (1, m)
        yield Case(f"ia3-peft-{name}", {"ia3_l": 1 + new(*stored, std=gain).float()}, (n, m),
                   oracle.peft_ia3(axis))
        yield Case(f"ia3-peft-conv-{name}",
                   {"ia3_l": 1 + new(1, width, 1, 1, std=gain).float()}, (n, m, 3, 3),
                   oracle.peft_ia3(axis))
    yield Case("full", {"diff": new(n, m, std=std), "diff_b": new(n)}, (n, m), oracle.full)
    yield Case("full-conv", {"diff": new(n, 16, 3, 3, std=std)}, (n, 16, 3, 3), oracle.full)
    yield Case("norm", {"w_norm": new(n, std=std), "b_norm": new(n)}, (n,), oracle.norm)
    yield Case("embedding", {"embedding_a": new(4, n, std=small),
                             "embedding_b": new(m, 4, std=small)} | alpha, (n, m),
               oracle.embedding)
    places = torch.stack([torch.randint(0, n, (40,), generator=new.random),
                          torch.randint(0, m, (40,), generator=new.random)])
    residual = {"bias_indices": places, "bias_values": new(40, std=std),
                "bias_size": torch.tensor([n, m])}
    yield Case("sparse-bias", lora_parts(new, n, m, 4) | residual, (n, m), oracle.sparse_bias)
    yield Case("dense-bias", lora_parts(new, n, m, 4) | {"bias": new(n, m, std=std)}, (n, m),
               oracle.dense_bias)
    yield Case("set", {"set_weight": new(n, m, std=WEIGHT_STD)}, (n, m), oracle.set_weight)


@cache
def all_cases(
    n: int = 64, std: float = SMALL, dtype: torch.dtype = torch.float32
) -> dict[str, Case]:
    """All of them by name; the names do not depend on the size."""
    makers = (additive_cases, dora_cases, rotation_cases, other_cases)
    return {case.name: case for maker in makers for case in maker(n, std, dtype)}
