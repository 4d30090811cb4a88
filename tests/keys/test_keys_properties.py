"""Properties of the parser over arbitrary and recorded keys."""

import gzip
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from loradex.keys.layouts import namespace
from loradex.keys.parse import parse_file
from loradex.keys.signatures import describe
from loradex.keys.suffixes import ADAPTED, ROLES, split_key

from tests.counting import calls_in

HEADERS = sorted((Path(__file__).parents[1] / "data" / "headers").glob("*.json.gz"))
SHAPES = st.lists(st.integers(0, 5), max_size=4).map(tuple)
WORDS = st.sampled_from(
    [*ROLES, "lora_unet_", "unet.", "base_model.model.", "text_encoder.", "down_blocks.0.", "unet:",
     "bundle_emb.", "processor.", "double_blocks.1.", "lora_A.default.weight", "12:up", "_lora",
     ".", "_", "transformer."]
)
KEYS = st.one_of(st.text(max_size=40), st.lists(WORDS, max_size=6).map("".join))
FILES = st.dictionaries(KEYS, SHAPES, max_size=30)


def recorded(path):
    record = json.loads(gzip.decompress(path.read_bytes()))
    return {key: tuple(shape) for key, shape in record["tensors"].items()}, record


@given(FILES, st.dictionaries(KEYS, st.text(max_size=20), max_size=5))
def test_any_file_is_parsed_and_every_key_is_accounted_for(tensors, metadata):
    parsed = parse_file(tensors, metadata)
    used = [key for module in parsed.modules for key in module.parts.values()]
    bundled = [key for keys in parsed.embeddings.values() for key in keys]
    assert sorted([*used, *bundled, *parsed.unknown]) == sorted(tensors)
    for module in parsed.modules:
        describe({role: tensors[key] for role, key in module.parts.items()})


@given(FILES, st.randoms())
def test_the_order_of_the_keys_does_not_matter(tensors, random):
    shuffled = list(tensors.items())
    random.shuffle(shuffled)
    assert parse_file(dict(shuffled)) == parse_file(tensors)


@given(st.text(max_size=60))
def test_cutting_a_key_loses_no_character_of_the_module(key):
    cut = split_key(key)
    namespace(key)
    if cut is not None and "#" not in cut[0]:
        assert key.startswith(cut[0])


@pytest.mark.parametrize("path", HEADERS, ids=lambda path: path.name.split(".json")[0])
def test_a_recorded_header_is_read_without_a_loss(path):
    tensors, record = recorded(path)
    parsed = parse_file(tensors)
    if record["family"]:
        assert parsed.layout == record["layout"]
        assert not parsed.unknown
        assert not parsed.not_a_lora
        pairs = [(module.component, module.name) for module in parsed.modules]
        assert len(pairs) == len(set(pairs))  # no two modules fall together
        assert sum(len(module.parts) for module in parsed.modules) == len(tensors)
        for module in parsed.modules:
            shapes = {role: tensors[key] for role, key in module.parts.items()}
            found = describe(shapes)
            assert (found.type, found.problem, found.rank) == ("lora", "", 4)
    else:
        assert parsed.not_a_lora == record["layout"]
        assert not parsed.modules


@pytest.mark.parametrize("name", ["default", "default_0", "style-2", "alpha"])
def test_the_name_of_a_peft_adapter_changes_nothing(name):
    (path,) = [one for one in HEADERS if one.name.startswith("sdxl-peft")]
    tensors, _ = recorded(path)
    renamed = {
        key.replace(".lora_A.", f".lora_A.{name}.").replace(".lora_B.", f".lora_B.{name}."): shape
        for key, shape in tensors.items()
    }
    plain = [(one.component, one.name, set(one.parts)) for one in parse_file(tensors).modules]
    named = [(one.component, one.name, set(one.parts)) for one in parse_file(renamed).modules]
    assert named == plain


@given(st.sampled_from(sorted(ADAPTED)), st.from_regex(r"[A-Za-z0-9_]{1,10}", fullmatch=True))
def test_every_peft_parameter_may_carry_an_adapter_name(parameter, name):
    if name in ("weight", "bias"):
        return
    assert split_key(f"a.b.{parameter}.{name}") == split_key(f"a.b.{parameter}")
    assert split_key(f"a.b.{parameter}.{name}.weight") == split_key(f"a.b.{parameter}")


def test_the_work_to_read_a_file_grows_with_its_keys_and_no_faster():
    (path,) = [one for one in HEADERS if one.name.startswith("sdxl-kohya")]
    tensors, _ = recorded(path)
    more = {f"{key[:10]}{n}_{key[10:]}": shape for n in range(8) for key, shape in tensors.items()}
    assert calls_in(lambda: parse_file(more)) < 8 * 1.2 * calls_in(lambda: parse_file(tensors))
