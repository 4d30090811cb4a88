"""Where the checkpoint's own values wait changes no bit, and no card has to hold a weight twice."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from hypothesis import HealthCheck, given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402
from loradex.errors import PatchError  # noqa: E402
from loradex.networks import residency  # noqa: E402
from loradex.networks.patcher import Patcher, StackEntry  # noqa: E402
from loradex.networks.residency import HostMemory, Residency, free_bytes  # noqa: E402
from loradex.networks.slots import Slot  # noqa: E402
from torch import nn  # noqa: E402

from tests.networks.enginekit import (  # noqa: E402
    assert_same_bits,
    lora,
    parameter,
    snapshot,
    toy_model,
)
from tests.networks.test_restore import (  # noqa: E402
    NETWORKS,
    STACKS,
    FailingMerger,
)

pytestmark = pytest.mark.torch

BESIDE, TEXT = lora("a", "denoiser.proj", "denoiser.conv"), lora("b", "te.first")
STACK = [StackEntry(BESIDE)]
PROJ, CONV = 16 * 24 * 4, 8 * 4 * 9 * 4


class Card:
    """A device on which so many bytes are free; what patchers do here is all that changes that."""

    def __init__(self, free: int) -> None:
        self.free = free

    def __call__(self, _: torch.device) -> int:
        return self.free


def beside(room: int) -> Residency:
    """A card with room for so many bytes beside what pictures need."""
    return Residency("auto", Card(residency.RESERVE_BYTES + room))


def addresses(model) -> dict[str, int]:
    return {name: one.data_ptr() for part in model.components.values()
            for name, one in part.root.named_parameters()}


EVENTS = st.sampled_from(("nothing", "release_base", "release_spare", "move", "cast", "format",
                          "to host", "to device", "as there is room", "full", "empty"))
WRITES = st.tuples(STACKS, st.none() | st.integers(0, 8), EVENTS)


def happens(event: str, patcher: Patcher, card: Card) -> None:
    """Something that changes where values are, or how they are stored, and not what they are."""
    roots = [part.root for part in patcher.model.components.values()]
    if event in ("release_base", "release_spare"):
        patcher.release_spare() if event == "release_spare" else patcher.release_base(700)
    elif event in ("move", "format", "cast"):
        for root in roots:
            for one in root.parameters():
                form = torch.channels_last if one.dim() == 4 else torch.contiguous_format
                one.data = {
                    "move": one.data.clone(), "cast": one.data.double().to(one.dtype),
                    "format": one.data.contiguous(memory_format=form),
                }[event]
    elif event in ("full", "empty"):
        card.free = 0 if event == "full" else residency.RESERVE_BYTES + 2000
    elif event != "nothing":
        named = {"to host": "host", "to device": "device", "as there is room": "auto"}
        patcher.residency.keep = named[event]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16], ids=str)
def test_any_history_of_places_gives_the_bits_of_a_fresh_apply(
    dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    merger = FailingMerger(monkeypatch)

    @settings(
        max_examples=300 if dtype == torch.float32 else 60, deadline=None, database=None,
        suppress_health_check=[HealthCheck.too_slow], derandomize=True,
    )
    @given(st.lists(WRITES, min_size=1, max_size=6), st.sampled_from(("auto", "host", "device")))
    def run(history, keep) -> None:
        model, card = toy_model(dtype), Card(residency.RESERVE_BYTES + 1600)
        checkpoint, last = snapshot(model), []
        patcher = Patcher(model, Residency(keep, card))
        for stack, failing, event in history:
            merger.left, last = failing, stack
            try:
                patcher.apply(stack)
            except PatchError:
                assert_same_bits(snapshot(model), checkpoint)
                last = []
            merger.left = None
            happens(event, patcher, card)
        patcher.apply(last)
        fresh = toy_model(dtype)
        for name in ("unet.conv.weight", "unet.point.weight"):  # its format is the model's choice
            one = parameter(fresh, name)
            if one.stride() != parameter(model, name).stride():
                one.data = one.data.contiguous(memory_format=torch.channels_last)
        Patcher(fresh).apply(last)
        assert_same_bits(snapshot(model), snapshot(fresh))
        patcher.restore()
        assert_same_bits(snapshot(model), checkpoint)

    run()


def test_with_room_a_base_stays_beside_and_removal_moves_no_byte() -> None:
    model = toy_model()
    before = addresses(model)
    patcher = Patcher(model, beside(PROJ + CONV))
    patcher.apply(STACK)
    assert patcher.buffer_bytes() == (PROJ + CONV, 0, 0)
    patcher.restore()
    assert addresses(model) == before


def test_without_room_a_weight_is_written_where_it_is_and_its_base_waits_in_main_memory() -> None:
    model = toy_model()
    before, bits = addresses(model), snapshot(model)
    patcher = Patcher(model, beside(0))
    patcher.apply(STACK)
    assert addresses(model) == before
    assert patcher.buffer_bytes() == (0, 0, PROJ + CONV)
    assert patcher.work.bytes_allocated == 0
    patcher.restore()
    assert patcher.buffer_bytes() == (0, 0, 0)
    assert addresses(model) == before
    assert_same_bits(snapshot(model), bits)


def test_the_room_that_there_is_is_used_weight_by_weight() -> None:
    patcher = Patcher(toy_model(), beside(CONV + 10))
    patcher.apply(STACK)
    assert patcher.buffer_bytes() == (CONV, 0, PROJ)


def test_a_nearly_full_card_is_relieved_before_the_next_picture() -> None:
    card = Card(residency.RESERVE_BYTES + PROJ + CONV)
    model = toy_model()
    patcher = Patcher(model, Residency("auto", card))
    patcher.apply(STACK)
    on = snapshot(model)
    card.free = residency.LEAST_FREE_BYTES - 1
    patcher.apply(STACK)
    assert patcher.buffer_bytes() == (0, 0, PROJ + CONV)
    assert patcher.work.slots_rebuilt == 0
    assert_same_bits(snapshot(model), on)


def test_a_nearly_full_card_gets_its_spare_buffers_back_first() -> None:
    card = Card(residency.RESERVE_BYTES + PROJ + CONV)
    patcher = Patcher(toy_model(), Residency("auto", card))
    patcher.apply(STACK)
    patcher.apply([StackEntry(lora("c", "denoiser.conv"))])
    assert patcher.buffer_bytes() == (CONV, PROJ, 0)
    card.free = 0
    patcher.apply([])
    assert patcher.buffer_bytes() == (0, 0, 0)


def test_a_base_comes_back_at_the_next_write_when_there_is_room_again() -> None:
    card = Card(0)
    model = toy_model()
    patcher = Patcher(model, Residency("auto", card))
    patcher.apply(STACK)
    assert patcher.buffer_bytes() == (0, 0, PROJ + CONV)
    card.free = residency.RESERVE_BYTES + PROJ + CONV
    patcher.apply([StackEntry(BESIDE, 0.5, 0.5)])
    assert patcher.buffer_bytes() == (PROJ + CONV, 0, 0)


def test_a_buffer_that_is_refused_is_done_without(monkeypatch: pytest.MonkeyPatch) -> None:
    # another program took the memory that was free a moment ago
    def refuse(_: Slot) -> None:
        raise torch.cuda.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(Slot, "new_buffer", refuse)
    model, fresh = toy_model(), toy_model()
    patcher = Patcher(model)
    patcher.apply(STACK)
    assert patcher.buffer_bytes() == (0, 0, PROJ + CONV)
    Patcher(fresh, Residency("host")).apply(STACK)
    assert_same_bits(snapshot(model), snapshot(fresh))


def test_a_user_who_wants_the_card_is_told_when_it_is_full(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: Slot) -> None:
        raise torch.cuda.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(Slot, "new_buffer", refuse)
    model = toy_model()
    before = snapshot(model)
    with pytest.raises(PatchError, match="CUDA out of memory"):
        Patcher(model, Residency("device")).apply(STACK)
    assert_same_bits(snapshot(model), before)


def test_a_weight_whose_memory_another_parameter_has_too_is_never_written_over() -> None:
    model = toy_model()
    unet = model.components["unet"].root
    unet.twin = nn.Linear(24, 16)
    unet.twin.weight.data = unet.proj.weight.data
    base = unet.twin.weight.detach().clone()
    patcher = Patcher(model, beside(0))
    patcher.apply(STACK)
    assert torch.equal(unet.twin.weight, base)
    assert not torch.equal(unet.proj.weight, base)
    assert patcher.buffer_bytes() == (PROJ, 0, CONV)


def test_a_weight_that_is_a_part_of_a_larger_tensor_is_left_in_place() -> None:
    model = toy_model()
    unet = model.components["unet"].root
    whole = torch.randn(32, 24)
    unet.proj.weight.data = whole[:16]
    kept = whole.clone()
    Patcher(model, beside(0)).apply(STACK)
    assert torch.equal(whole, kept)


def test_a_model_that_was_moved_keeps_its_networks_without_new_work() -> None:
    # --medvram moves the denoiser out and back for every picture
    model = toy_model()
    patcher = Patcher(model)
    patcher.apply([StackEntry(BESIDE), StackEntry(TEXT)])
    on = snapshot(model)
    for part in model.components.values():
        for one in part.root.parameters():
            one.data = one.data.clone()
    patcher.apply([StackEntry(BESIDE), StackEntry(TEXT)])
    assert (patcher.work.slots_rebuilt, patcher.work.bytes_written) == (0, 0)
    assert_same_bits(snapshot(model), on)
    patcher.restore()
    assert_same_bits(snapshot(model), snapshot(toy_model()))


def test_numbers_that_another_kind_of_device_made_are_made_anew() -> None:
    model = toy_model()
    patcher = Patcher(model)
    patcher.apply(STACK)
    for slot in patcher._slots.values():
        slot.made_on = "cuda"
    weight = parameter(model, "unet.proj.weight")
    weight.data = weight.data.clone()
    patcher.apply(STACK)
    assert patcher.work.slots_rebuilt == 1


def test_main_memory_is_given_out_in_chunks_and_goes_back_with_the_last_tensor() -> None:
    memory = HostMemory()
    made = [memory.like(torch.empty(shape, device="meta", dtype=torch.float16))
            for shape in ((3, 5), (7,), (2, 3, 4))]
    assert [tuple(one.shape) for one in made] == [(3, 5), (7,), (2, 3, 4)]
    assert len({one.untyped_storage().data_ptr() for one in made}) == 1
    for number, one in enumerate(made):
        one.fill_(number)
    assert [float(one.float().mean()) for one in made] == [0.0, 1.0, 2.0]
    last = torch.empty(2, 4, 3, 3, device="meta").to(memory_format=torch.channels_last)
    assert memory.like(last).stride() == last.stride()
    large = torch.empty(residency.CHUNK_BYTES // 2 + 8, dtype=torch.uint8, device="meta")
    assert memory.like(large).untyped_storage().nbytes() == large.numel()


def test_a_device_that_tells_nothing_of_its_memory_has_no_room() -> None:
    assert free_bytes(torch.device("cpu")) is None
    assert free_bytes(torch.device("mps")) is None
    assert free_bytes(torch.device("privateuseone")) == 0


def test_networks_come_off_a_model_that_left_the_device_by_flipping_back() -> None:
    patcher = Patcher(toy_model(), Residency("host"))
    patcher.apply([StackEntry(network, 0.5, 0.5) for network in NETWORKS])
    patcher.apply([StackEntry(NETWORKS[0])])
    patcher.restore()
    assert_same_bits(snapshot(patcher.model), snapshot(toy_model()))
