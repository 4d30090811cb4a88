"""Families of the reference sets, where the checkout lies beside them."""

import gzip
import json
import random
from pathlib import Path

import pytest
from loradex.compat.counting import compare
from loradex.compat.detect import decide, detect_network
from loradex.compat.families import FAMILIES, families_of, family
from loradex.compat.network import read_network
from loradex.compat.refusal import incompatibility
from loradex.keys.parse import parse_file

CORPUS = Path(__file__).parents[3] / "shared" / "corpus"
pytestmark = pytest.mark.skipif(
    not CORPUS.is_dir(), reason="the reference sets (../shared/corpus) are not beside the checkout"
)
SAME_FAMILY = {"flux1-dev": "flux1"}
# Written by hand: their factors make up no weight of their family (their notes say so).
NOT_OF_ITS_FAMILY = {"flux1-bfl-lokr-synthetic", "anima_lora_lokr"}
# Where names and shapes leave several: which, in the order of the list of families.
AMBIGUOUS = {
    **dict.fromkeys(
        ("flux1-diffusers-lora.down", "flux1-peft-base_model", "flux1-peft-base_model-stripped",
         "flux1dev-diffusers", "chroma-diffusers"), ("flux1", "chroma")),
    **dict.fromkeys(
        ("sdxl-slider-attn1-only", "sdxl-diffusers-old-processor",
         "sdxl-diffusers-save_lora_weights", "sdxl-kohya-oft", "kolors-diffusers"),
        ("sdxl", "kolors")),
    **dict.fromkeys(
        ("sd2-diffusers-save_lora_weights", "sd2-diffusers-old-processor"), ("sd2", "svd")),
    # Its vectors are of the output side, on layers whose outputs SD 1 and SD 2 share.
    "sd1-peft-ia3": ("sd1", "sd2", "svd"),
    **dict.fromkeys(
        ("hunyuanvideo-diffusers", "framepack-kohya-lora"), ("hunyuan-video", "framepack")),
    # Excerpts of two blocks and of three modules.
    "flux1-xlabs-excerpt": ("flux1", "chroma", "hunyuan-video"),
    "qwen_image_lora_diffusers": (
        "flux1", "chroma", "flux2", "hunyuan-video", "framepack", "qwen-image"),
}


def entries():
    found = []
    for name in ("real", "generated"):
        path = CORPUS / f"{name}.json.gz"
        if path.is_file():
            found += json.loads(gzip.decompress(path.read_bytes()))
    return [one for one in found if one["id"] not in NOT_OF_ITS_FAMILY]


def truth(entry):
    return SAME_FAMILY.get(entry["expected_family"], entry["expected_family"])


ENTRIES = entries()
NETWORKS = [entry for entry in ENTRIES if entry["is_lora"]]
BY_ID = {entry["id"]: entry for entry in ENTRIES}


def named(entries):
    return [pytest.param(entry, id=entry["id"]) for entry in entries]


def read(entry):
    tensors = {key: tuple(one[0] or ()) for key, one in entry["keys"].items()}
    metadata = entry["metadata"] or {}
    return parse_file(tensors, metadata), tensors, metadata


def network_of(entry):
    parsed, tensors, metadata = read(entry)
    return read_network(parsed, tensors), metadata


def test_every_family_of_the_reference_sets_is_known():
    assert {truth(entry) for entry in NETWORKS} <= {one.id for one in FAMILIES}


@pytest.mark.parametrize("entry", named(NETWORKS))
def test_the_true_family_is_found_without_any_metadata(entry):
    parsed, tensors, _ = read(entry)
    found = detect_network(parsed, tensors)
    assert found.candidates == AMBIGUOUS.get(entry["id"], (truth(entry),))
    assert truth(entry) in found.candidates


@pytest.mark.parametrize("entry", named(NETWORKS))
def test_no_wrong_answer_is_a_sure_one(entry):
    network, metadata = network_of(entry)
    for found in (decide(network), decide(network, metadata)):
        assert truth(entry) in found.candidates
        assert found.family == truth(entry) or found.confidence != "high"


@pytest.mark.parametrize("entry", named(NETWORKS))
def test_its_parts_are_called_what_they_are(entry):
    network, _ = network_of(entry)
    old_names = {"text_encoder": "clip_l"}  # what the sets call the encoder of numbered files
    expected = {old_names.get(name, name) for name in entry["expected_components"]}
    if truth(entry).startswith("animatediff"):
        expected = {"motion_module"}
    assert set(network.components) == expected


@pytest.mark.parametrize("entry", named([one for one in ENTRIES if not one["is_lora"]]))
def test_what_is_no_lora_is_named_and_has_no_family(entry):
    network, metadata = network_of(entry)
    assert network.parsed.not_a_lora == "IP-Adapter"
    assert decide(network, metadata).candidates == ()


@pytest.mark.parametrize("entry", named(NETWORKS))
def test_three_modules_still_have_the_true_family_among_the_candidates(entry):
    parsed, tensors, metadata = read(entry)
    if "no shapes" in entry["notes"] or (truth(entry) == "anima" and not entry["complete"]):
        pytest.skip("it has no shapes of its family")
    generator = random.Random(entry["id"])
    modules = [one for one in parsed.modules if not one.component.startswith("te")]
    for _ in range(5):
        keys = [key for one in generator.sample(modules, 3) for key in one.parts.values()]
        some = {key: tensors[key] for key in keys}
        assert truth(entry) in detect_network(parse_file(some, metadata), some).candidates


# named and shape-ok of the denoiser's modules as formats.md C.4 measured them. Left out is what
# A1111's own look-up, with which it was measured, gets wrong: SDXL's first upsampler, and the block
# numbers of KOALA under diffusers' names.
MATRIX = {
    ("sd1-kohya-lora_fa", "sd1"): (192, 192),
    ("sd1-kohya-lora_fa", "sd2"): (192, 160),
    ("sd1-kohya-lora_fa", "sdxl"): (96, 50),
    ("sd1-kohya-lora_fa", "sdxl-refiner"): (132, 0),
    ("sd1-kohya-lora_fa", "ssd-1b"): (84, 40),
    ("sd1-kohya-lora_fa", "vega"): (84, 40),
    ("sd1-lycoris-locon", "sd2"): (282, 250),
    ("sd1-lycoris-locon", "sdxl-refiner"): (222, 0),
    ("sd2-kohya-lora_fa", "sd1"): (192, 160),
    ("sd2-kohya-lora_fa", "sdxl"): (96, 50),
    ("sd2-kohya-lora_fa", "sdxl-refiner"): (132, 0),
    ("sdxl-kohya-lora", "sd1"): (96, 50),
    ("sdxl-kohya-lora", "sd2"): (96, 50),
    ("sdxl-kohya-lora", "sdxl"): (722, 722),
    ("sdxl-kohya-lora", "sdxl-refiner"): (236, 0),
    ("sdxl-kohya-lora", "ssd-1b"): (360, 360),
    ("sdxl-kohya-lora", "vega"): (170, 170),
    ("sdxl-kohya-lora", "koala/1b"): (252, 208),
    ("sdxl-diffusers-save_lora_weights", "kolors"): (560, 560),
    ("sd3-medium-kohya-lora", "sd3.5-medium"): (237, 224),
    ("sd3-medium-kohya-lora", "sd3.5-large"): (237, 0),
    ("sd3.5-medium-kohya-lora", "sd3-medium"): (237, 224),
    ("flux1schnell-kohya-lora", "chroma"): (228, 228),
    ("flux1dev-diffusers", "hunyuan-video"): (380, 380),
    ("wan-t2v-14B-kohya-lora", "wan/2.1-i2v-14b"): (400, 400),
    ("wan-i2v-14B-kohya-lora", "wan/2.1-t2v-14b"): (400, 400),
}


@pytest.mark.parametrize(("network", "model"), MATRIX)
def test_the_counts_against_another_model_are_the_measured_ones(network, model):
    if network not in BY_ID:
        pytest.skip(f"{network} is not among the reference sets")
    parsed, tensors, _ = read(BY_ID[network])
    count = compare(parsed, tensors, family(model).architectures())[0]
    assert (count.named, count.fits) == MATRIX[network, model]


@pytest.mark.parametrize("entry", named(NETWORKS))
def test_a_network_is_let_onto_its_own_family(entry):
    parsed, tensors, metadata = read(entry)
    if any(one[0] is None for one in entry["keys"].values()):
        pytest.skip("no shapes were recorded")
    if "written by hand" in entry["notes"]:
        pytest.skip("its shapes are made up")
    models = [one.architectures() for one in families_of(truth(entry))]
    assert any(incompatibility(parsed, tensors, metadata, model) is None for model in models)
