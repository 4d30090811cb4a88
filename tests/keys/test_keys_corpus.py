"""The reference sets of names and shapes, where the checkout lies beside them."""

import gzip
import json
from collections import Counter
from pathlib import Path

import pytest
from loradex.keys.parse import parse_file
from loradex.keys.signatures import describe

CORPUS = Path(__file__).parents[3] / "shared" / "corpus"
pytestmark = pytest.mark.skipif(
    not CORPUS.is_dir(), reason="the reference sets (../shared/corpus) are not beside the checkout"
)

# The corpus has two words for kohya's Flux files: the namespace is native in both.
SAME_LAYOUT = {"kohya_flat_bfl": "kohya_flat_native"}


def entries():
    found = []
    for name in ("real", "generated"):
        path = CORPUS / f"{name}.json.gz"
        if path.is_file():
            found += json.loads(gzip.decompress(path.read_bytes()))
    return found


ENTRIES = entries()
NETWORKS = [entry for entry in ENTRIES if entry["is_lora"]]
SHAPED = [entry for entry in NETWORKS if all(one[0] is not None for one in entry["keys"].values())]


def tensors_of(entry):
    return {key: tuple(one[0] or ()) for key, one in entry["keys"].items()}


def named(entries):
    return [pytest.param(entry, id=entry["id"]) for entry in entries]


def descriptions(entry):
    tensors = tensors_of(entry)
    parsed = parse_file(tensors, entry["metadata"] or {})
    return [
        (module, describe({role: tensors[key] for role, key in module.parts.items()}))
        for module in parsed.modules
    ]


@pytest.mark.parametrize("entry", named(NETWORKS))
def test_the_layout_is_told_and_every_key_is_understood(entry):
    parsed = parse_file(tensors_of(entry), entry["metadata"] or {})
    expected = entry["expected_layout"]
    assert parsed.layout == SAME_LAYOUT.get(expected, expected)
    assert not parsed.unknown
    assert not parsed.not_a_lora


@pytest.mark.parametrize("entry", named([one for one in ENTRIES if not one["is_lora"]]))
def test_a_file_that_is_no_lora_is_named(entry):
    parsed = parse_file(tensors_of(entry), entry["metadata"] or {})
    assert parsed.not_a_lora == "IP-Adapter"
    assert not parsed.modules


def expected_types(entry):
    """The corpus' words for algorithms as types; words that a type covers fall together."""
    words = {"lora_tucker": "lora", "lokr_tucker": "lokr", "ia3_peft": "ia3", "set_weight": "set",
             "dora": "", "lora_bias": "", "reshape_in": ""}
    types = {
        "" if word.startswith("dora_") else words.get(word, word)
        for word in entry["expected_algorithm"]
    }
    types.discard("")
    return types or {"lora"}


@pytest.mark.parametrize("entry", named(SHAPED))
def test_the_types_are_told_and_no_module_has_a_problem(entry):
    found = descriptions(entry)
    assert [(module.name, one.problem) for module, one in found if one.problem] == []
    assert {one.type for _, one in found} == expected_types(entry)
    dora = any(word.startswith("dora") for word in entry["expected_algorithm"])
    assert any(one.dora for _, one in found) == dora
    tucker = any(word.endswith("tucker") for word in entry["expected_algorithm"])
    assert any(one.variant == "tucker" for _, one in found) == tucker


COMPONENTS = {
    "unet": "denoiser", "transformer": "denoiser", "text_encoder": "te", "clip_l": "te",
    "clip_h": "te", "clip_g": "te2", "t5xxl": "te3", "motion_module": "motion",
}


@pytest.mark.parametrize("entry", named(NETWORKS))
def test_the_components_are_told(entry):
    found = Counter(module.component for module, _ in descriptions(entry))
    assert set(found) == {COMPONENTS[name] for name in entry["expected_components"]}
