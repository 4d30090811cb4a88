"""What must not change the family of a network: a matrix of mutations over all known headers."""

import gzip
import json
import random
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest
from loradex.compat.detect import decide
from loradex.compat.network import read_network
from loradex.keys.parse import parse_file

HEADERS = Path(__file__).parents[1] / "data" / "headers"
CORPUS = Path(__file__).parents[3] / "shared" / "corpus"
# Written by hand, with factors that make up no weight of their family.
MADE_UP = {"flux1-bfl-lokr-synthetic", "anima_lora_lokr", "anima_lora_kohya"}


@dataclass(frozen=True)
class Header:
    id: str
    family: str
    tensors: dict
    metadata: dict


@cache
def headers():
    found = []
    for path in sorted(HEADERS.glob("*.json.gz")):
        record = json.loads(gzip.decompress(path.read_bytes()))
        tensors = {key: tuple(shape) for key, shape in record["tensors"].items()}
        if not path.name.startswith("not-"):
            found.append(Header(path.name.split(".json")[0], record["family"], tensors, {}))
    for path in sorted(CORPUS.glob("*.json.gz")):
        for entry in json.loads(gzip.decompress(path.read_bytes())):
            if entry["is_lora"] and entry["id"] not in MADE_UP:
                tensors = {key: tuple(one[0] or ()) for key, one in entry["keys"].items()}
                family = entry["expected_family"].replace("flux1-dev", "flux1")
                found.append(Header(entry["id"], family, tensors, entry["metadata"] or {}))
    return found


def decided(tensors, metadata):
    return decide(read_network(parse_file(tensors, metadata), tensors), metadata)


@cache
def networks():
    """What names and shapes say of every header (numbered files need their class list)."""
    return {one.id: read_network(parse_file(one.tensors, indexed(one.metadata)), one.tensors)
            for one in headers()}


@cache
def answers():
    return {name: decide(network) for name, network in networks().items()}


@cache
def lost(name):
    """(header, the answer for what is left of it) of every header that has something left."""
    less = [(one, LESS[name](one)) for one in headers()]
    return [(one, decided(left, indexed(one.metadata))) for one, left in less if left]


def indexed(metadata):
    return {key: value for key, value in metadata.items() if key in ("unet", "text_encoder")}


def keys_of(one, keep):
    """The tensors of the modules that `keep` says yes to."""
    modules = networks()[one.id].parsed.modules
    chosen = {key for module in modules if keep(module) for key in module.parts.values()}
    return {key: shape for key, shape in one.tensors.items() if key in chosen}


def shuffled(one):
    keys = list(one.tensors)
    random.Random(one.id).shuffle(keys)
    return {key: one.tensors[key] for key in keys}


def with_adapter_name(one):
    renamed = {}
    for key, shape in one.tensors.items():
        for factor in ("lora_A", "lora_B", "boft_R", "boft_s", "hada_w1_a", "lokr_w1"):
            key = key.replace(f".{factor}.weight", f".{factor}.my_adapter.weight")
        renamed[key] = shape
    return renamed


def half_of_the_modules(one):
    generator = random.Random(one.id)
    return keys_of(one, lambda _: generator.random() < 0.5)


def block_of(module):
    digits = [part for part in module.name.split("_") if part.isdecimal()]
    return digits[0] if digits else ""


def half_of_the_blocks(one):
    blocks = sorted({block_of(module) for module in networks()[one.id].parsed.modules})
    kept = set(random.Random(one.id).sample(blocks, (len(blocks) + 1) // 2))
    return keys_of(one, lambda module: block_of(module) in kept)


def first_half_of_the_blocks(one):
    blocks = sorted({block_of(module) for module in networks()[one.id].parsed.modules},
                    key=lambda number: int(number or -1))
    kept = set(blocks[: (len(blocks) + 1) // 2])
    return keys_of(one, lambda module: block_of(module) in kept)


def without_text_encoders(one):
    return keys_of(one, lambda module: not module.component.startswith("te"))


SAME = {"another order of the keys": shuffled, "an adapter's name": with_adapter_name}
LESS = {
    "half of the modules": half_of_the_modules,
    "half of the blocks": half_of_the_blocks,
    "the first half of the blocks": first_half_of_the_blocks,
    "no text encoder": without_text_encoders,
}


@pytest.mark.parametrize("name", SAME)
def test_names_that_mean_the_same_give_the_same_answer(name):
    failures = []
    for one in headers():
        found = decided(SAME[name](one), indexed(one.metadata))
        if found != answers()[one.id]:
            failures.append(f"{one.id}: {found} instead of {answers()[one.id]}")
    assert not failures, "\n".join(failures)


@pytest.mark.parametrize("name", LESS)
def test_a_file_that_lost_something_is_of_no_other_family(name):
    failures = []
    for one, found in lost(name):
        wrong = found.family not in ("", one.family) and found.confidence == "high"
        if one.family not in found.candidates or wrong:
            failures.append(f"{one.id} ({one.family}): {found.candidates} {found.confidence}")
    assert not failures, "\n".join(failures)


@pytest.mark.parametrize("name", LESS)
def test_a_sure_answer_survives_a_loss_or_becomes_a_choice(name):
    failures = []
    for one, found in lost(name):
        before = answers()[one.id]
        if before.confidence != "high":
            continue
        alone = len(found.candidates) == 1
        if before.family not in found.candidates or len(found.candidates) > 4 or (
            alone and found.variant not in (before.variant, "")
        ):
            failures.append(f"{one.id}: {found.candidates} instead of {before.candidates}")
    assert not failures, "\n".join(failures)


LIES = (
    {"ss_base_model_version": "sd_v1", "modelspec.architecture": "stable-diffusion-v1/lora"},
    {"ss_base_model_version": "sdxl_base_v1-0"},
    {"ss_base_model_version": "flux1", "modelspec.architecture": "flux-1-dev/lora"},
    {"ss_base_model_version": "wan2.1"},
    {"ss_v2": "True", "ss_base_model_version": "sd_v2"},
    {"ss_new_sd_model_hash":
     "67ab2fd8ec439a89b3fedb15cc65f54336af163c7eb5e4f2acc98f090a29b0b3"},
)
LIARS = ("sd1", "sdxl", "flux1", "wan", "sd2", "sdxl")


@pytest.mark.parametrize("number", range(len(LIES)))
def test_lying_metadata_changes_no_answer_of_the_shapes_and_is_told(number):
    failures = []
    for one in headers():
        before = answers()[one.id]
        if len(before.candidates) != 1 or before.candidates[0] == LIARS[number]:
            continue
        found = decide(networks()[one.id], LIES[number])
        told = any("against the shapes" in line for line in found.evidence)
        if found.candidates != before.candidates or not told:
            failures.append(f"{one.id}: {found}")
    assert not failures, "\n".join(failures)


@pytest.mark.parametrize("number", range(len(LIES)))
def test_metadata_never_adds_a_family_that_the_shapes_rule_out(number):
    failures = []
    for one in headers():
        before = answers()[one.id]
        found = decide(networks()[one.id], LIES[number])
        if not set(found.candidates) <= set(before.candidates):
            failures.append(f"{one.id}: {found.candidates} from {before.candidates}")
    assert not failures, "\n".join(failures)


@pytest.mark.parametrize("size", [1, 3, 8, 20, 60])
def test_excerpts_of_any_size_keep_the_family_among_the_candidates(size):
    failures = []
    for one in headers():
        modules = [module for module in networks()[one.id].parsed.modules
                   if not module.component.startswith("te")]
        generator = random.Random(f"{one.id} {size}")
        chosen = generator.sample(modules, min(size, len(modules)))
        keys = [key for module in chosen for key in module.parts.values()]
        if not keys:
            continue
        found = decided({key: one.tensors[key] for key in keys}, indexed(one.metadata))
        wrong = found.family not in ("", one.family) and found.confidence == "high"
        if one.family not in found.candidates or wrong:
            failures.append(f"{one.id} ({one.family}): {found.candidates} {found.confidence}")
    assert not failures, "\n".join(failures)
