"""Families are told by admission, ties by coverage, and metadata only chooses among the rest."""

import gzip
import json
from collections import defaultdict
from itertools import pairwise
from pathlib import Path

import pytest
from loradex.compat.claims import claimed_family
from loradex.compat.detect import detect_network
from loradex.compat.families import FAMILIES, family
from loradex.compat.model import describe_model
from loradex.keys import configs
from loradex.keys.flux import flux_architecture
from loradex.keys.parse import parse_file
from loradex.keys.resolve import Resolver
from loradex.keys.signatures import describe
from loradex.keys.targets import Rows
from loradex.keys.unet import unet_architecture

HEADERS = sorted((Path(__file__).parents[1] / "data" / "headers").glob("*.json.gz"))
BY_NAME = {path.name.split(".json")[0]: path for path in HEADERS}
NETWORKS = [name for name in BY_NAME if not name.startswith("not-")]


# What names and shapes cannot tell apart; the first is what such files nearly always are.
LOOKALIKES = {
    "sdxl-peft": ("sdxl", "kolors"), "sdxl-slider": ("sdxl", "kolors"),
    "sd2-diffusers": ("sd2", "svd"),
}


def recorded(name):
    record = json.loads(gzip.decompress(BY_NAME[name].read_bytes()))
    return {key: tuple(shape) for key, shape in record["tensors"].items()}, record["family"]


def detect(tensors, metadata=None):
    return detect_network(parse_file(tensors), tensors, metadata or {})


@pytest.mark.parametrize("name", NETWORKS)
def test_a_header_has_exactly_its_family(name):
    tensors, truth = recorded(name)
    found = detect(tensors)
    assert found.candidates == LOOKALIKES.get(name, (truth,))
    assert found.family == truth
    assert found.evidence


@pytest.mark.parametrize("name", NETWORKS)
def test_the_modules_of_a_header_write_disjoint_rows_of_its_model(name):
    """Translation is injective: no two modules of a file share a row of the model."""
    tensors, truth = recorded(name)
    variant = json.loads(gzip.decompress(BY_NAME[name].read_bytes())).get("variant")
    resolver = Resolver(family(f"{truth}/{variant}" if variant else truth).architectures())
    written = defaultdict(list)
    for module in parse_file(tensors).modules:
        extent = describe({role: tensors[key] for role, key in module.parts.items()}).extent
        targets = resolver.resolve(module, extent)
        assert targets
        for target in targets:
            rows = target.rows or Rows(0, target.shape[0])
            written[target.component, target.module].append((rows.start, rows.stop))
    for spans in written.values():
        spans.sort()
        assert all(first[1] <= second[0] for first, second in pairwise(spans))


def test_every_known_family_has_a_header():
    assert {recorded(name)[1] for name in NETWORKS} == {one.id for one in FAMILIES}


def lora(name, out, inp):
    return {f"lora_unet_{name}.lora_down.weight": (4, inp),
            f"lora_unet_{name}.lora_up.weight": (out, 4)}


SHARED = "down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q"


def test_layers_that_two_families_share_leave_both_as_candidates():
    found = detect(lora(SHARED, 320, 320))
    assert found.candidates == ("sd1", "sd2", "svd")
    assert found.confidence == "low"
    assert found.family == ""


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [
        ({"ss_base_model_version": "sd_v1"}, ("sd1",)),
        ({"modelspec.architecture": "stable-diffusion-v2-768-v/lora"}, ("sd2",)),
        ({"ss_v2": "True"}, ("sd2",)),
        ({"ss_base_model_version": "sd_v2", "modelspec.architecture": "stable-diffusion-v1/lora"},
         ("sd2",)),
        ({"ss_sd_model_name": "v1-5-pruned-emaonly.safetensors"}, ("sd1",)),
        ({"ss_base_model_version": "wan2.1"}, ("sd1", "sd2", "svd")),
        ({"ss_v2": "False"}, ("sd1", "sd2", "svd")),
    ],
)
def test_metadata_chooses_between_the_candidates_that_shapes_leave(metadata, expected):
    assert detect(lora(SHARED, 320, 320), metadata).candidates == expected


def test_metadata_never_overrules_the_shapes_and_the_contradiction_is_told():
    tensors, _ = recorded("sdxl-kohya-te")
    found = detect(tensors, {"ss_base_model_version": "sd_v1"})
    assert found.candidates == ("sdxl",)
    assert found.confidence == "high"  # the table of sd1 does not admit it, whatever is said
    assert "ss_base_model_version says 'sd_v1', against the shapes" in found.evidence


def test_a_word_that_is_no_family_here_only_lowers_the_confidence():
    tensors, _ = recorded("flux1-kohya-t5")
    found = detect(tensors, {"modelspec.architecture": "flux9-ultra/lora"})
    assert (found.candidates, found.confidence) == (("flux1",), "medium")
    assert any("no family known here" in line for line in found.evidence)


def test_one_foreign_module_makes_the_family_doubtful_and_is_told():
    tensors, _ = recorded("sd1-locon")
    found = detect({**tensors, **lora("down_blocks_9_extra", 320, 320)})
    assert (found.candidates, found.confidence) == (("sd1",), "low")
    assert any(line.startswith("nearest: SD 1.5 with") for line in found.evidence)


def test_many_foreign_modules_make_the_family_unknown():
    tensors, _ = recorded("sd1-kohya-te")
    foreign = {}
    for index in range(40):
        foreign.update(lora(f"down_blocks_9_extra_{index}", 320, 320))
    found = detect({**tensors, **foreign})
    assert (found.candidates, found.confidence) == ((), "unknown")
    assert any(line.startswith("nearest: SD 1.5 with") for line in found.evidence)


def test_a_file_of_text_encoders_only_is_for_every_family_that_has_them():
    tensors, _ = recorded("sdxl-kohya-te")
    te1 = {key: shape for key, shape in tensors.items() if key.startswith("lora_te1_")}
    te2 = {key: shape for key, shape in tensors.items() if key.startswith("lora_te2_")}
    assert {"sd1", "sdxl", "flux1", "sd3-medium"} <= set(detect(te1).candidates)
    assert "sd1" not in detect(te2).candidates
    assert detect({**te1, **te2}, {"ss_base_model_version": "sdxl_base_v1-0"}).family == "sdxl"


def test_the_number_of_input_channels_does_not_decide():
    tensors = {"lora_unet_conv_in.lora_down.weight": (4, 9, 3, 3),
               "lora_unet_conv_in.lora_up.weight": (320, 4, 1, 1),
               **lora("mid_block_attentions_0_transformer_blocks_0_attn2_to_k", 1280, 768)}
    assert detect(tensors).candidates == ("sd1",)


def test_equal_element_counts_are_no_fit():
    name = "mid_block_attentions_0_transformer_blocks_0_attn2_to_k"
    assert detect(lora(name, 640, 1536)).candidates == ()


def test_nothing_is_unknown():
    assert detect({}).candidates == ()
    assert detect({"emb_params": (4, 768)}).candidates == ()


@pytest.mark.parametrize("one", FAMILIES, ids=lambda one: one.id)
def test_a_loaded_model_of_each_family_is_recognised(one):
    found = describe_model(one.architectures())
    assert found.family == one.id
    assert str(found) == f"{one.title} ({one.feature} {one.feature_value})"


def test_variants_of_a_family_are_recognised_and_toys_are_not():
    inpainting = unet_architecture({**configs.SD1_UNET, "in_channels": 9})
    assert describe_model({"unet": inpainting}).family == "sd1"
    assert describe_model({"transformer": flux_architecture({})}).family == "flux1"
    toy = unet_architecture({**configs.SD1_UNET, "block_out_channels": (32, 64, 64, 64),
                             "cross_attention_dim": 48})
    assert str(describe_model({"unet": toy})) == "another base model (cross-attention width 48)"
    assert describe_model({}).title == "another base model"


def test_a_claim_is_read_by_its_longest_beginning():
    assert claimed_family({"ss_base_model_version": "sdxl_base_v1-0"}).family == "sdxl"
    assert claimed_family({"modelspec.architecture": "flux-1-dev/lora"}).family == "flux1"
    assert claimed_family({"modelspec.architecture": ""}) is None
    assert claimed_family({"modelspec.architecture": "chroma"}).family == "chroma"
    assert claimed_family({"modelspec.architecture": "flux9"}).family == ""


def test_an_id_names_a_family():
    assert family("sdxl").title == "SDXL"
