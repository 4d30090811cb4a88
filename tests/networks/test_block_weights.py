"""Block weights against dense results by hand, for every family's lists, in both trees."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import cast

import pytest

torch = pytest.importorskip("torch")

from hypothesis import given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402
from loradex.errors import PromptError  # noqa: E402
from loradex.keys.blocks import UNET_LISTS, layout_of  # noqa: E402
from loradex.keys.targets import Tree  # noqa: E402
from loradex.networks.block_weights import block_weights  # noqa: E402
from loradex.networks.model import BoundModel  # noqa: E402
from loradex.networks.network import Network  # noqa: E402
from loradex.networks.patcher import Patcher, StackEntry  # noqa: E402
from loradex.networks.uses import Run, made_use  # noqa: E402
from loradex.prompts.presets import BUILT_IN, Presets, joined, read_presets  # noqa: E402
from loradex.prompts.tags import extract_tags  # noqa: E402

from tests.networks.blockkit import (  # noqa: E402
    block_by_hand,
    denoiser_table,
    hint,
    lora_on,
    model_of,
    weight_of,
)
from tests.networks.enginekit import assert_same_bits, snapshot  # noqa: E402

pytestmark = pytest.mark.torch

LENGTHS = [("sd1", 26), ("sd1", 17), ("sdxl", 12), ("sdxl", 20), ("sdxl", 26), ("flux", 61),
           ("sd3", 25)]


def run(
    model: BoundModel, prompt: str, networks: Mapping[str, Network], presets: Presets = BUILT_IN
) -> Patcher:
    """A model with the tags of a prompt on."""
    patcher = Patcher(model)
    _, tags = extract_tags(prompt)
    uses = [made_use(tag, networks[tag.name], 0.0, presets, patcher) for tag in tags]
    assert not any(row.skipped for row in Run(patcher, uses).begin().applied)
    return patcher


def names_of(family: str, length: int) -> tuple[str, ...]:
    return tuple(layout_of(denoiser_table(family)).lists[length])


def check_dense(
    family: str, model: BoundModel, network: Network, by_block: Mapping[str, float], strength: float
) -> None:
    """Every layer is the base's plus strength * weight of its block * scale * up @ down."""
    fresh = model_of(family, next(iter(model.components.values())).tree)
    deltas = {module.name: module.codec for module in network.modules}
    touched = 0
    for component, part in model.components.items():
        for leaf in part.architecture.leaves:
            codec = deltas.get(f"{hint(component)}.{leaf.diffusers.module.replace('.', '_')}")
            base, live = (weight_of(one, component, leaf) for one in (fresh, model))
            weight = by_block.get(block_by_hand(family, component, leaf), 1.0)
            if codec is None or weight == 0:
                assert torch.equal(base, live), leaf.diffusers.module
                continue
            touched += 1
            delta = codec.delta(base.float()).reshape(base.shape)
            torch.testing.assert_close(live, base + strength * weight * delta)
            assert not torch.equal(live, base)
    assert touched


@pytest.mark.parametrize("tree", ["native", "diffusers"])
@pytest.mark.parametrize(("family", "length"), LENGTHS)
def test_each_block_gets_its_own_weight(family: str, length: int, tree: str) -> None:
    chance = random.Random(length)
    weights = [round(chance.uniform(-1, 2), 2) for _ in range(length)]
    weights[3] = 0.0
    model = model_of(family, cast("Tree", tree))
    network = lora_on(model)
    run(model, f"<lora:all:0.5:lbw={','.join(map(str, weights))}>", {"all": network})
    by_block = {**dict.fromkeys(names_of(family, max(layout_of(
        denoiser_table(family)).lists)), 0.0), **dict(zip(names_of(family, length), weights,
                                                          strict=True))}
    check_dense(family, model, network, by_block, 0.5)


def test_the_lists_are_the_blocks_that_a_lora_and_a_lycoris_have() -> None:
    """17 and 12: those with attention; 26 and 20: all."""
    for family, some, every in (("sd1", 17, 26), ("sdxl", 12, 20)):
        leaves = denoiser_table(family).leaves
        blocks = {block_by_hand(family, "unet", leaf) for leaf in leaves} - {""}
        attend = {block_by_hand(family, "unet", leaf) for leaf in leaves
                  if "attentions" in leaf.diffusers.module}
        assert set(UNET_LISTS[some]) == {"BASE", *attend}
        assert set(UNET_LISTS[every]) == {"BASE", *blocks}
        assert [len(names) for names in UNET_LISTS.values()] == list(UNET_LISTS)


@pytest.mark.parametrize("family", ["sd1", "flux"])
def test_a_network_without_text_encoder_keys_does_not_shift_the_list(family: str) -> None:
    length = max(layout_of(denoiser_table(family)).lists)
    prompt = f"<lora:all:1:lbw={','.join(str(n / 8) for n in range(length))}>"
    whole, part = model_of(family), model_of(family)
    run(whole, prompt, {"all": lora_on(whole)})
    run(part, prompt, {"all": lora_on(part, parts=(part.denoiser,))})
    found, expected = snapshot(part), snapshot(whole)
    denoiser = [name for name in found if name.startswith(part.denoiser)]
    assert_same_bits({name: found[name] for name in denoiser},
                     {name: expected[name] for name in denoiser})


@pytest.mark.parametrize("name", ["ALL", "NONE", "ALL0.5"])
@pytest.mark.parametrize("family", ["flux", "sd3"])
def test_a_list_of_equal_values_means_every_block_of_any_model(family: str, name: str) -> None:
    model, plain = model_of(family), model_of(family)
    network = lora_on(model, parts=(model.denoiser,), every=7)
    run(model, f"<lora:all:1:lbw={name}>", {"all": network})
    weight = {"ALL": 1.0, "NONE": 0.0, "ALL0.5": 0.5}[name]
    blocks = dict.fromkeys(layout_of(denoiser_table(family)).names, weight)
    if weight:
        check_dense(family, model, network, blocks, 1.0)
    elif family == "flux":  # every layer has a block
        assert_same_bits(snapshot(model), snapshot(plain))


@pytest.mark.parametrize(
    ("family", "lbw", "said"),
    [
        ("sd3", "MIDD", "lbw=MIDD has 17 weights; expected 25 for sd3: BASE, B00 ... B23."),
        ("flux", "1,0,1", "lbw=1,0,1 has 3 weights; expected 61 for Flux: CLIP, T5 ... OUT."),
        ("sd1", "1,0,1", "lbw=1,0,1 has 3 weights; expected 12 or 17 or 20 or 26 for a UNet."),
        ("sd1", "MIDI", "no block weights are called 'MIDI'. Did you mean 'MIDD' or 'IND'?"),
    ],
)
def test_a_list_of_another_familys_length_is_refused_with_the_lengths(
    family: str, lbw: str, said: str
) -> None:
    _, (tag,) = extract_tags(f"<lora:all:1:lbw={lbw}>")
    with pytest.raises(PromptError) as caught:
        block_weights(tag, BUILT_IN, model_of(family))
    assert said in str(caught.value)


def test_blocks_that_a_list_has_no_place_for_get_zero_and_are_named() -> None:
    model = model_of("sdxl")
    patcher = Patcher(model)
    _, (tag,) = extract_tags("<lora:all:1:lbw=MIDD>")
    use = made_use(tag, lora_on(model, every=3), 0.0, BUILT_IN, patcher)
    (row,) = Run(patcher, [use]).begin().applied
    assert row.options == ("lbw=MIDD",)
    assert "OUT00" in row.notes[0]
    assert "a list of 17" in row.notes[0]
    assert "lbw=MIDD" in row.line()


def test_elements_win_over_blocks_alike_in_both_trees() -> None:
    presets = joined([read_presets(
        "ON:IN05-OUT05:attn1:0.5,IN01 IN02:to_q:2\nBASE:mlp:0\n", "elempresets.txt")])
    for tree in ("native", "diffusers"):
        model = model_of("sd1", cast("Tree", tree))
        network = lora_on(model)
        run(model, "<lora:all:1:lbw=INS:lbwe=ON>", {"all": network}, presets)
        fresh = model_of("sd1", cast("Tree", tree))
        ones = {"BASE", "IN01", "IN02", "IN04"}
        deltas = {module.name: module.codec for module in network.modules}
        for component, part in model.components.items():
            for leaf in part.architecture.leaves:
                name = leaf.diffusers.module
                codec = deltas.get(f"{hint(component)}.{name.replace('.', '_')}")
                if codec is None:
                    continue
                block = block_by_hand("sd1", component, leaf)
                weight = 1.0 if block in ones or not block else 0.0
                deep = ("M00", *(f"IN{n:02}" for n in range(5, 12)),
                        *(f"OUT{n:02}" for n in range(6)))
                if block in deep and "attn1" in name:
                    weight = 0.5
                if block in ("IN01", "IN02") and "to_q" in name:
                    weight = 2.0
                if block == "BASE" and "mlp" in name:
                    weight = 0.0
                base, live = (weight_of(one, component, leaf) for one in (fresh, model))
                torch.testing.assert_close(
                    live, base + weight * codec.delta(base.float()).reshape(base.shape))


def test_a_range_of_blocks_that_the_model_lacks_is_refused() -> None:
    presets = joined([read_presets("ODD:IN05-S07:attn:1", "f")])
    _, (tag,) = extract_tags("<lora:all:1:lbwe=ODD>")
    with pytest.raises(PromptError, match="no blocks 'IN05-S07'"):
        block_weights(tag, presets, model_of("sd1"))


@settings(max_examples=4, deadline=None)
@given(st.permutations([("MIDD", 0.3), ("OUTD", 0.7), ("INS", -0.45), ("", 0.1)]))
def test_one_network_with_several_weights_is_their_sum_in_any_order(
    order: list[tuple[str, float]]
) -> None:
    model, other = model_of("sd1"), model_of("sd1")
    network = lora_on(model, every=5)
    written = [f"<lora:all:{strength}{f':lbw={name}' if name else ''}>" for name, strength in order]
    run(model, "".join(written), {"all": network})
    run(other, "".join(sorted(written)), {"all": network})
    assert_same_bits(snapshot(model), snapshot(other))
    table = {name: dict(zip(UNET_LISTS[17], BUILT_IN.weights(name, ""), strict=True))
             for name, _ in order if name}
    blocks = {block: sum(
        strength * (1.0 if not name else table[name].get(block, 0.0)) for name, strength in order)
        for block in UNET_LISTS[26]}
    fresh = model_of("sd1")
    deltas = {module.name: module.codec for module in network.modules}
    for leaf in model.components["unet"].architecture.leaves:
        codec = deltas.get(f"denoiser.{leaf.diffusers.module.replace('.', '_')}")
        if codec is not None:
            base = weight_of(fresh, "unet", leaf)
            total = blocks.get(block_by_hand("sd1", "unet", leaf), sum(s for _, s in order))
            torch.testing.assert_close(
                weight_of(model, "unet", leaf),
                base + total * codec.delta(base.float()).reshape(base.shape))


def test_a_network_with_equal_weights_twice_is_not_done_again() -> None:
    model = model_of("sd1")
    network = lora_on(model, every=9)
    patcher = Patcher(model)
    _, (tag,) = extract_tags("<lora:all:1:lbw=MIDD>")
    for expected in (True, False):
        weights = block_weights(tag, BUILT_IN, model)
        patcher.apply([StackEntry(network, blocks=weights)])
        assert bool(patcher.work.slots_rebuilt) is expected
