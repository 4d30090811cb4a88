"""The manager on real files: names, replaced and deleted files, and the report of a run."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from loradex.errors import (  # noqa: E402
    AmbiguousNameError,
    IncompatibleNetworkError,
    InputError,
    NetworkNotFoundError,
)
from loradex.manager import LoraManager  # noqa: E402
from loradex.prompts.tags import LoraTag  # noqa: E402
from safetensors.torch import save_file  # noqa: E402

from tests.networks.enginekit import (  # noqa: E402
    SHAPES,
    assert_same_bits,
    lora_parts,
    parameter,
    snapshot,
    toy_model,
)

pytestmark = pytest.mark.torch

PREFIXES = {"denoiser": "lora_unet", "te": "lora_te"}
SUFFIXES = {"up": "lora_up.weight", "down": "lora_down.weight", "alpha": "alpha"}


def write_lora(path: Path, *names: str, seed: int = 0, wrong: bool = False) -> Path:
    """A kohya file for these modules of the toy; `wrong`: for a model of other widths."""
    tensors = {}
    for index, name in enumerate(names):
        component, _, module = name.partition(".")
        shape = (SHAPES[name][0], SHAPES[name][1] + wrong, *SHAPES[name][2:])
        for role, tensor in lora_parts(shape, 4, seed + index).items():
            tensors[f"{PREFIXES[component]}_{module}.{SUFFIXES[role]}"] = tensor
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(tensors, path)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_lora(tmp_path / "one.safetensors", "denoiser.proj", "te.first")
    write_lora(tmp_path / "two.safetensors", "denoiser.proj", "denoiser.conv", seed=7)
    write_lora(tmp_path / "other.safetensors", "denoiser.proj", "te.first", wrong=True)
    (tmp_path / "page.safetensors").write_bytes(b"<!DOCTYPE html><html></html>")
    return tmp_path


def bound(folder: Path) -> tuple[LoraManager, dict[str, torch.Tensor]]:
    manager, model = LoraManager([folder]), toy_model()
    manager.bind(model)
    return manager, {"model": model, "bits": snapshot(model)}


def test_a_run_reports_each_network_with_its_counts(folder: Path) -> None:
    manager, start = bound(folder)
    report = manager.use([LoraTag("one", 0.5, 0.8), LoraTag("two")])
    first, second = report.lines()
    assert first.startswith("one  unet 1/1  te 1/1  ")
    assert second.startswith("two  unet 2/2  ")
    assert report.as_dict()["applied"][0]["components"]["te"] == {"matched": 1, "total": 1}
    manager.restore()
    assert_same_bits(snapshot(start["model"]), start["bits"])


def test_a_network_that_fails_is_skipped_alone_and_named(folder: Path) -> None:
    manager, _ = bound(folder)
    report = manager.use([LoraTag("nix"), LoraTag("other"), LoraTag("page"), LoraTag("one")])
    assert [row.name for row in report.applied] == ["nix", "other", "page", "one"]
    assert [bool(row.skipped) for row in report.applied] == [True, True, True, False]
    assert "no network of that name" in report.applied[0].skipped
    assert "[16, 24]" in report.applied[1].skipped or "toy" in report.applied[1].skipped
    assert report.applied[3].components["unet"].matched == 1


@pytest.mark.parametrize(
    ("name", "error"), [("nix", NetworkNotFoundError), ("other", IncompatibleNetworkError)]
)
def test_strict_raises_and_leaves_the_checkpoint(
    folder: Path, name: str, error: type[Exception]
) -> None:
    manager, start = bound(folder)
    manager.use([LoraTag("one")])
    with pytest.raises(error):
        manager.use([LoraTag("one"), LoraTag(name)], strict=True)
    assert_same_bits(snapshot(start["model"]), start["bits"])


def test_a_file_that_is_replaced_in_place_is_read_again(folder: Path) -> None:
    manager, start = bound(folder)
    manager.use([LoraTag("one")])
    before = snapshot(start["model"])
    path = write_lora(folder / "one.safetensors", "denoiser.proj", "te.first", seed=50)
    os.utime(path, ns=(1, 1))
    manager.use([LoraTag("one")])
    fresh = toy_model()
    other = LoraManager([folder])
    other.bind(fresh)
    other.use([LoraTag("one")])
    found = snapshot(start["model"])
    assert_same_bits(found, snapshot(fresh))
    assert not torch.equal(found["unet.proj.weight"], before["unet.proj.weight"])


def test_a_deleted_file_is_not_found_and_no_longer_applied(folder: Path) -> None:
    manager, start = bound(folder)
    manager.use([LoraTag("one")])
    (folder / "one.safetensors").unlink()
    report = manager.use([LoraTag("one")])
    assert "no network of that name" in report.applied[0].skipped
    assert_same_bits(snapshot(start["model"]), start["bits"])
    with pytest.raises(NetworkNotFoundError):
        manager.use([LoraTag("one")], strict=True)


def test_a_file_that_is_added_later_is_found(folder: Path) -> None:
    manager, _ = bound(folder)
    manager.use([LoraTag("one")])
    write_lora(folder / "sub" / "new.safetensors", "te.second")
    assert manager.use([LoraTag("new")]).applied[0].components["te"].matched == 1


def test_two_files_of_one_name_are_ambiguous_and_both_are_offered(folder: Path) -> None:
    for place in ("a", "b"):
        write_lora(folder / place / "twin.safetensors", "te.first")
    manager, _ = bound(folder)
    with pytest.raises(AmbiguousNameError, match=r"'a/twin'.*'b/twin'"):
        manager.use([LoraTag("twin")], strict=True)
    assert manager.use([LoraTag("b/twin")]).applied[0].skipped == ""


def test_a_tag_given_twice_adds_up_in_one_row(folder: Path) -> None:
    manager, start = bound(folder)
    report = manager.use([LoraTag("one", 0.25, 0.25), LoraTag("two"), LoraTag("one", 0.5, 0.5)])
    assert [row.name for row in report.applied] == ["one", "two"]
    assert report.applied[0].unet_strength == 0.75
    found = snapshot(start["model"])
    manager.use([LoraTag("two"), LoraTag("one", 0.75, 0.75)])
    assert_same_bits(snapshot(start["model"]), found)


def test_binding_another_model_gives_the_first_its_weights_back(folder: Path) -> None:
    manager, start = bound(folder)
    manager.use([LoraTag("one")])
    manager.bind(toy_model(seed=3))
    assert_same_bits(snapshot(start["model"]), start["bits"])


def test_without_a_model_there_is_a_clear_error(folder: Path) -> None:
    with pytest.raises(InputError, match="no model is loaded"):
        LoraManager([folder]).use([])


def test_a_network_is_known_by_the_hash_of_its_tensors_alone(folder: Path) -> None:
    manager, _ = bound(folder)
    tensors = {f"lora_te_first.{SUFFIXES[k]}": v for k, v in lora_parts((10, 10)).items()}
    for name, tag in (("x", "a"), ("y", "b")):
        save_file(tensors, folder / f"{name}.safetensors", {"ss_tag": tag})
    hashes = {manager.load(manager.resolve(name)).tensor_sha256 for name in ("x", "y")}
    assert len(hashes) == 1
    assert manager.load(manager.resolve("one")).tensor_sha256 not in hashes


def test_weights_stay_patched_where_the_same_tags_come_again(folder: Path) -> None:
    manager, start = bound(folder)
    manager.use([LoraTag("one")])
    address = parameter(start["model"], "unet.proj.weight").data_ptr()
    manager.use([LoraTag("one")])
    assert parameter(start["model"], "unet.proj.weight").data_ptr() == address
