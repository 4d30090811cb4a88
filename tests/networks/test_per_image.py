"""Other networks for every image of a batch: the same as one by one, and no weight is written."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from hypothesis import given as provided  # noqa: E402
from hypothesis import settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402
from loradex.errors import IncompatibleNetworkError, InputError  # noqa: E402
from loradex.networks.patcher import Patcher, StackEntry  # noqa: E402

from tests.networks.enginekit import (  # noqa: E402
    assert_same_bits,
    lora,
    lora_parts,
    network,
    snapshot,
    toy_model,
)
from tests.networks.stored import store_fp8  # noqa: E402

pytestmark = pytest.mark.torch

NETWORKS = (
    lora("a", "denoiser.proj", "denoiser.conv", "denoiser.to_v", "te.first", seed=1),
    lora("b", "denoiser.proj", "denoiser.to_q", "denoiser.point", seed=20, rank=2),
    network("c", {"denoiser.proj": {"diff": torch.full((16, 24), 0.02), "diff_b": torch.ones(16)},
                  "denoiser.bare": {"diff": torch.ones(16, 16), "diff_b": torch.ones(16)}}),
    network("d", {"denoiser.proj": lora_parts((16, 24), 4, 5)
                  | {"dora_scale": torch.full((16, 1), 0.7)}}),
)
NORM = network("n", {"denoiser.norm": {"w_norm": torch.ones(16), "b_norm": torch.ones(16)}})
STACKS = st.lists(
    st.builds(StackEntry, st.sampled_from(NETWORKS), st.just(1.0),
              st.sampled_from((0.0, 1.0, 0.5, -0.7)), st.sampled_from((None, 2))), max_size=3)


def fp8_model():
    model = toy_model()
    for part in model.components.values():
        store_fp8(part.root)
    return model


def inputs(batch: int, dtype: torch.dtype = torch.float32) -> list[tuple[str, torch.Tensor]]:
    random = torch.Generator().manual_seed(2)
    sizes = {"proj": (3, 24), "bare": (2, 16), "conv": (4, 5, 5), "point": (8, 3, 3),
             "qkv": (3, 12)}
    return [(name, torch.randn(batch, *size, generator=random).to(dtype))
            for name, size in sizes.items()]


def outputs(model, given) -> list[torch.Tensor]:
    unet = model.components["unet"].root
    with torch.no_grad():
        return [getattr(unet, name)(x) for name, x in given]


@pytest.mark.parametrize("make", [toy_model, fp8_model], ids=["fp32", "fp8"])
@provided(st.lists(STACKS, min_size=1, max_size=4), st.integers(1, 2))
@settings(max_examples=30, deadline=None)
def test_a_batch_gives_what_its_images_give_one_by_one(make, stacks, blocks) -> None:
    model, images = make(), len(stacks)
    before = outputs(model, inputs(images * blocks))
    given = inputs(images * blocks)
    patcher = Patcher(model)
    patcher.apply_each(stacks)
    together = outputs(model, given)
    for index, stack in enumerate(stacks):
        alone = make()
        Patcher(alone).apply(stack)
        rows = [(name, x[index::images]) for name, x in given]
        for mine, theirs in zip(together, outputs(alone, rows), strict=True):
            assert torch.allclose(mine[index::images], theirs, rtol=1e-5, atol=2e-5)
    patcher.restore()
    assert all(torch.equal(a, b) for a, b in zip(outputs(model, given), before, strict=True))


def test_no_weight_is_written_and_the_text_encoder_is_the_checkpoints() -> None:
    model = toy_model()
    before = snapshot(model)
    patcher = Patcher(model)
    patcher.apply([StackEntry(NETWORKS[0])])
    reports = patcher.apply_each([[], [StackEntry(NETWORKS[0])]])
    assert_same_bits(snapshot(model), before)
    assert patcher.work.bytes_written == 0
    assert reports[0].applied == ()
    assert list(reports[1].applied[0].components) == ["unet"]


def test_a_stack_for_all_images_takes_the_place_of_one_for_each() -> None:
    model, fresh = toy_model(), toy_model()
    patcher = Patcher(model)
    patcher.apply_each([[StackEntry(NETWORKS[0])], [StackEntry(NETWORKS[3])]])
    patcher.apply([StackEntry(NETWORKS[0], 1.0, 0.4)])
    Patcher(fresh).apply([StackEntry(NETWORKS[0], 1.0, 0.4)])
    assert_same_bits(snapshot(model), snapshot(fresh))
    assert not any(m._forward_hooks for m in model.components["unet"].root.modules())


def test_norms_differ_from_image_to_image() -> None:
    model = toy_model()
    given = torch.randn(4, 3, 16, generator=torch.Generator().manual_seed(1))
    stacks = [[StackEntry(NORM, 1.0, 0.5)], []]
    Patcher(model).apply_each(stacks)
    together = outputs(model, [("norm", given)])[0]
    for index, stack in enumerate(stacks):
        alone = toy_model()
        Patcher(alone).apply(stack)
        (theirs,) = outputs(alone, [("norm", given[index::2])])
        assert torch.allclose(together[index::2], theirs, rtol=1e-5, atol=1e-5)


class OddNorm(torch.nn.Module):
    """A norm of a model's own, with a weight [16]."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(16))
        self.bias = torch.nn.Parameter(torch.ones(16))


def test_a_network_of_layers_that_all_images_share_is_left_out_alone() -> None:
    model = toy_model()
    model.components["unet"].root.norm = OddNorm()
    reports = Patcher(model).apply_each([[StackEntry(NORM)], [StackEntry(NETWORKS[0])]])
    why = reports[0].applied[0].skipped
    assert "changes unet.norm, and a OddNorm is no matrix product" in why
    assert reports[1].applied[0].used
    with pytest.raises(IncompatibleNetworkError, match=r"unet\.norm"):
        Patcher(model).apply_each([[StackEntry(NORM)]], strict=True)


def test_a_batch_that_is_no_multiple_of_the_images_is_an_error_that_names_both() -> None:
    model = toy_model()
    Patcher(model).apply_each([[StackEntry(NETWORKS[0])], [StackEntry(NETWORKS[1])]])
    with pytest.raises(ValueError, match="batch of 3, which is no multiple of the 2 images"):
        outputs(model, inputs(3))


def test_a_compiled_model_is_refused() -> None:
    model = toy_model()
    model.components["unet"].root.compile(backend="eager")
    with pytest.raises(InputError, match="compiled"):
        Patcher(model).apply_each([[StackEntry(NETWORKS[0])]])


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=str)
def test_eight_networks_in_16_bit_are_as_exact_together_as_merged_one_by_one(dtype) -> None:
    model = toy_model(dtype)
    stacks = [[StackEntry(lora(f"n{seed}", "denoiser.proj", "denoiser.conv", seed=seed))]
              for seed in range(8)]
    given = [one for one in inputs(16, dtype) if one[0] in ("proj", "conv")]
    Patcher(model).apply_each(stacks)
    together = outputs(model, given)
    for index, stack in enumerate(stacks):
        rows = [(name, x[index::8]) for name, x in given]
        merged, exact = toy_model(dtype), toy_model(dtype)
        for part in exact.components.values():
            part.root.double()
        for one in (merged, exact):
            Patcher(one).apply(stack)
        wanted = outputs(exact, [(name, x.double()) for name, x in rows])
        for mine, theirs, true in zip(together, outputs(merged, rows), wanted, strict=True):
            error = (mine[index::8].double() - true).norm()
            assert float(error) <= 1.5 * float((theirs.double() - true).norm())
