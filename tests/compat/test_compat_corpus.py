"""Families of the reference sets, where the checkout lies beside them."""

import gzip
import json
import random
from pathlib import Path

import pytest
from loradex.compat.counting import compare
from loradex.compat.detect import detect_network
from loradex.compat.families import FAMILIES, family
from loradex.compat.refusal import incompatibility
from loradex.keys.parse import parse_file

CORPUS = Path(__file__).parents[3] / "shared" / "corpus"
pytestmark = pytest.mark.skipif(
    not CORPUS.is_dir(), reason="the reference sets (../shared/corpus) are not beside the checkout"
)
KNOWN = {one.id for one in FAMILIES}
SAME_FAMILY = {"flux1-dev": "flux1"}
# Written by hand: its factors make up no weight of Flux (its notes say so).
NOT_OF_ITS_FAMILY = {"flux1-bfl-lokr-synthetic"}
# Nothing in names or shapes tells these from the family that admits them.
LOOKALIKES = {"chroma-diffusers": "flux1", "kolors-diffusers": "sdxl",
              "qwen_image_lora_diffusers": "flux1"}


def entries():
    found = []
    for name in ("real", "generated"):
        path = CORPUS / f"{name}.json.gz"
        if path.is_file():
            found += json.loads(gzip.decompress(path.read_bytes()))
    return [one for one in found if one["is_lora"] and one["id"] not in NOT_OF_ITS_FAMILY]


def truth(entry):
    return SAME_FAMILY.get(entry["expected_family"], entry["expected_family"])


ENTRIES = entries()
BY_ID = {entry["id"]: entry for entry in ENTRIES}
IN_SCOPE = [entry for entry in ENTRIES if truth(entry) in KNOWN]
OTHERS = [entry for entry in ENTRIES if truth(entry) not in KNOWN]


def named(entries):
    return [pytest.param(entry, id=entry["id"]) for entry in entries]


def read(entry):
    tensors = {key: tuple(one[0] or ()) for key, one in entry["keys"].items()}
    metadata = entry["metadata"] or {}
    return parse_file(tensors, metadata), tensors, metadata


@pytest.mark.parametrize("entry", named(IN_SCOPE))
def test_the_true_family_is_found_without_any_metadata(entry):
    parsed, tensors, _ = read(entry)
    found = detect_network(parsed, tensors)
    assert truth(entry) in found.candidates
    # Its vectors are of the output side, on layers whose outputs SD1 and SD2 share.
    ambiguous = {"sd1-peft-ia3": ("sd1", "sd2")}
    assert found.candidates == ambiguous.get(entry["id"], (truth(entry),))


@pytest.mark.parametrize("entry", named(OTHERS))
def test_a_family_that_is_not_known_is_unknown_except_for_the_lookalikes(entry):
    parsed, tensors, metadata = read(entry)
    found = detect_network(parsed, tensors, metadata)
    expected = LOOKALIKES.get(entry["id"])
    assert found.candidates == ((expected,) if expected else ())


@pytest.mark.parametrize("entry", named(IN_SCOPE))
def test_three_modules_still_have_the_true_family_among_the_candidates(entry):
    parsed, tensors, _ = read(entry)
    generator = random.Random(entry["id"])
    modules = [one for one in parsed.modules if one.component == "denoiser"]
    for _ in range(5):
        keys = [key for one in generator.sample(modules, 3) for key in one.parts.values()]
        some = {key: tensors[key] for key in keys}
        metadata = entry["metadata"] or {}
        assert truth(entry) in detect_network(parse_file(some, metadata), some).candidates


# named and shape-ok of the denoiser's modules as formats.md C.4 measured them.
MATRIX = {
    ("sd1-kohya-lora_fa", "sd1"): (192, 192),
    ("sd1-kohya-lora_fa", "sd2"): (192, 160),
    ("sd1-kohya-lora_fa", "sdxl"): (96, 50),
    ("sd1-kohya-lora_fa", "sdxl-refiner"): (132, 0),
    ("sd1-kohya-lora_fa", "ssd-1b"): (84, 40),
    ("sd2-kohya-lora_fa", "sd1"): (192, 160),
    ("sd2-kohya-lora_fa", "sdxl"): (96, 50),
    ("sdxl-kohya-lora", "sd1"): (96, 50),
    ("sdxl-kohya-lora", "sdxl"): (722, 722),
    ("sdxl-kohya-lora", "sdxl-refiner"): (236, 0),
    ("sdxl-kohya-lora", "ssd-1b"): (360, 360),
    ("sd3-medium-kohya-lora", "sd3.5-medium"): (237, 224),
    ("sd3-medium-kohya-lora", "sd3.5-large"): (237, 0),
}


@pytest.mark.parametrize(("network", "model"), MATRIX)
def test_the_counts_against_another_model_are_the_measured_ones(network, model):
    if network not in BY_ID:
        pytest.skip(f"{network} is not among the reference sets")
    parsed, tensors, _ = read(BY_ID[network])
    count = compare(parsed, tensors, family(model).architectures())[0]
    assert (count.named, count.fits) == MATRIX[network, model]


@pytest.mark.parametrize("entry", named(IN_SCOPE))
def test_a_network_is_let_onto_its_own_family(entry):
    parsed, tensors, metadata = read(entry)
    model = family(truth(entry)).architectures()
    if any(one[0] is None for one in entry["keys"].values()):
        pytest.skip("no shapes were recorded")
    assert incompatibility(parsed, tensors, metadata, model) is None
