"""What the engine holds in memory: counted, bounded by a budget, and given back."""

from __future__ import annotations

import gc
import subprocess
import sys
import threading
import weakref
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from hypothesis import HealthCheck, given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402
from loradex.errors import NetworkNotFoundError  # noqa: E402
from loradex.manager import LoraManager  # noqa: E402
from loradex.networks.holdings import storage_bytes  # noqa: E402
from loradex.prompts.tags import LoraTag  # noqa: E402

from tests.networks.enginekit import assert_same_bits, snapshot, toy_model  # noqa: E402
from tests.test_manager import write_lora  # noqa: E402

pytestmark = pytest.mark.torch

ROOT = Path(__file__).resolve().parents[1]
NAMES = ("one", "two", "three", "four")
FACTORS = 4 * (16 + 24) * 4
"""up [16, 4] and down [4, 24] of `proj` in fp32."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for seed, name in enumerate(NAMES):
        write_lora(tmp_path / f"{name}.safetensors", "denoiser.proj", "te.first", seed=seed)
    (tmp_path / "page.safetensors").write_bytes(b"<!DOCTYPE html><html></html>")
    return tmp_path


def bound(folder: Path, budget: int = 1 << 30) -> LoraManager:
    manager = LoraManager([folder], cache_bytes=budget)
    manager.bind(toy_model())
    return manager


def use(manager: LoraManager, *names: str) -> None:
    manager.use([LoraTag(name) for name in names])


def size_of_one(folder: Path) -> int:
    manager = bound(folder)
    use(manager, "one")
    return manager.memory().network_bytes


def test_all_that_is_held_is_counted(folder: Path) -> None:
    manager = bound(folder)
    assert manager.memory().network_bytes == 0
    use(manager, "one")
    memory = manager.memory()
    assert (memory.networks, memory.used, memory.device) == (1, 1, "cpu")
    assert memory.factor_bytes == FACTORS + 4 * (10 + 10) * 4
    tensors = storage_bytes(
        tensor for module in manager.load(manager.resolve("one")).modules
        for tensor in (module.codec.up, module.codec.down))
    assert memory.network_bytes == tensors + memory.factor_bytes == memory.used_bytes
    assert (memory.live_bytes, memory.spare_bytes) == (16 * 24 * 4 + 10 * 10 * 4, 0)
    use(manager)
    memory = manager.memory()
    assert (memory.used, memory.live_bytes, memory.spare_bytes) == (0, 0, 16 * 24 * 4 + 400)
    assert memory.network_bytes > memory.used_bytes == 0


def test_the_least_recently_used_goes_first(folder: Path) -> None:
    one = size_of_one(folder)
    manager = bound(folder, 2 * one)
    for name in ("one", "two", "one", "three"):
        use(manager, name)
    kept = {name: manager.load(manager.resolve(name)) for name in ("one", "three")}
    assert manager.memory().networks == 2
    assert manager.load(manager.resolve("one")) is kept["one"]


def test_with_no_budget_only_what_is_in_use_stays_and_its_factors_go_too(folder: Path) -> None:
    manager = bound(folder, 0)
    use(manager, "one", "two")
    gone = weakref.ref(manager.load(manager.resolve("one")))
    factors = weakref.ref(_factors_of(manager))
    memory = manager.memory()
    assert (memory.networks, memory.used, memory.budget_bytes) == (2, 2, 0)
    use(manager, "two")
    assert manager.memory().networks == 1
    gc.disable()  # nothing may wait for the collector
    try:
        use(manager)
        assert (gone(), factors()) == (None, None)
    finally:
        gc.enable()
    memory = manager.memory()
    assert (memory.networks, memory.network_bytes, memory.factor_bytes) == (0, 0, 0)


def _factors_of(manager: LoraManager) -> Any:
    patcher = manager._patcher
    assert patcher is not None
    plan = patcher.plan(manager.load(manager.resolve("one")))
    factors = next(iter(plan.edits[0]._factors.values()))
    assert factors is not None
    return factors.up


def test_a_smaller_budget_counts_at_once(folder: Path) -> None:
    manager = bound(folder)
    use(manager, *NAMES)
    use(manager, "two")
    manager.limit_cache(-1)
    assert (manager.memory().networks, manager.memory().budget_bytes) == (1, 0)


def test_what_is_not_in_use_is_given_back_on_request(folder: Path) -> None:
    manager = bound(folder)
    use(manager, "one", "two", "three")
    use(manager, "two")
    before, bits = manager.memory(), snapshot(manager._patcher.model)  # type: ignore[union-attr]
    freed = manager.release_unused()
    after = manager.memory()
    assert (after.networks, after.spare_bytes) == (1, 0)
    assert freed == before.network_bytes - after.network_bytes + before.spare_bytes > 0
    assert manager.release_unused() == 0
    assert_same_bits(snapshot(manager._patcher.model), bits)  # type: ignore[union-attr]


def test_another_model_begins_without_the_first_one_s_factors(folder: Path) -> None:
    manager = bound(folder)
    use(manager, "one")
    manager.bind(toy_model(seed=3))
    memory = manager.memory()
    assert (memory.networks, memory.used, memory.factor_bytes, memory.live_bytes) == (1, 0, 0, 0)
    manager.close()
    assert manager.memory().networks == 0


def test_a_replaced_file_is_held_once(folder: Path) -> None:
    manager = bound(folder)
    use(manager, "one")
    write_lora(folder / "one.safetensors", "denoiser.conv", seed=9)
    use(manager, "one")
    assert manager.memory().networks == 1


def test_after_a_failure_nothing_is_in_use(folder: Path) -> None:
    manager = bound(folder, 0)
    use(manager, "one")
    with pytest.raises(NetworkNotFoundError):
        manager.use([LoraTag("one"), LoraTag("nix")], strict=True)
    assert manager.memory().networks == 0


def test_many_cuts_of_one_network_are_not_all_kept(folder: Path) -> None:
    manager = bound(folder)
    for rank in (1, 2, 3, 4):
        manager.use([LoraTag("one", dyn_dim=rank)])
    assert manager.memory().factor_bytes <= 2 * (FACTORS + 4 * 20 * 4)


def test_a_question_does_not_wait_for_networks_that_are_put_on(folder: Path) -> None:
    manager = bound(folder)
    use(manager, "one")
    before = manager.memory()
    inside, go_on = threading.Event(), threading.Event()
    resolve = manager.resolve

    def slowly(name: str) -> Any:
        inside.set()
        assert go_on.wait(20)
        return resolve(name)

    manager.resolve = slowly  # type: ignore[method-assign]
    running = threading.Thread(target=use, args=(manager, "one", "two"))
    running.start()
    try:
        assert inside.wait(20)
        assert manager.memory() == before
    finally:
        go_on.set()
        running.join()
    assert manager.memory().networks == 2


@given(
    budget=st.integers(0, 12_000),
    runs=st.lists(st.lists(st.sampled_from([*NAMES, "page", "nix"]), max_size=4), max_size=8),
)
@settings(deadline=None, max_examples=25,
          suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_it_is_never_more_than_the_budget_or_what_is_in_use(
    folder: Path, budget: int, runs: list[list[str]]
) -> None:
    manager = LoraManager([folder], cache_bytes=budget)
    model = toy_model()
    before = snapshot(model)
    manager.bind(model)
    for names in runs:
        use(manager, *names)
        memory = manager.memory()
        assert memory.network_bytes <= max(budget, memory.used_bytes)
        assert memory.used == len(set(names) - {"page", "nix"})
    manager.restore()
    assert_same_bits(snapshot(model), before)


def test_two_hundred_switches_leave_the_process_as_large_as_it_was(tmp_path: Path) -> None:
    """In a process of its own: tests before this one leave memory of every kind behind."""
    if not Path("/proc/self/statm").exists():
        pytest.skip("this system does not tell the size of a process there")
    code = "from tests.switching import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], cwd=ROOT, capture_output=True, text=True,
        timeout=300)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
