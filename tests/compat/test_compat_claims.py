"""What is said of a network's base model: by metadata, sidecars, names and the user."""

import gzip
import json
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from loradex.compat.claims import Claim, metadata_claims, name_claim, read_claim
from loradex.compat.detect import decide
from loradex.compat.families import FAMILIES
from loradex.compat.kin import are_kin, likeliest
from loradex.compat.network import read_network
from loradex.compat.vocabulary import civitai_base, known_base, speed_of_name
from loradex.keys.parse import parse_file

HEADERS = Path(__file__).parents[1] / "data" / "headers"
PONY = "67ab2fd8ec439a89b3fedb15cc65f54336af163c7eb5e4f2acc98f090a29b0b3"
SD15 = "6ce0161689b3853acaa03779ec93eafe75a02f4ced659bee03f50797806fa2fa"


@cache
def network(name):
    record = json.loads(gzip.decompress((HEADERS / f"{name}.json.gz").read_bytes()))
    tensors = {key: tuple(shape) for key, shape in record["tensors"].items()}
    return read_network(parse_file(tensors), tensors)


SDXL = "sdxl-kohya-te"
SHARED = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q"


def shared():
    """A file that SD 1, SD 2 and SVD admit."""
    tensors = {f"{SHARED}.lora_down.weight": (4, 320), f"{SHARED}.lora_up.weight": (320, 4)}
    return read_network(parse_file(tensors), tensors)


@pytest.mark.parametrize(
    ("metadata", "name", "variant", "confidence"),
    [
        ({"ss_new_sd_model_hash": PONY}, "", "pony", "medium"),
        ({"ss_sd_model_hash": PONY.upper()}, "", "pony", "medium"),
        ({"ss_sd_model_name": "ponyDiffusionV6XL.safetensors"}, "", "pony", "low"),
        ({"ss_sd_model_name": "C:\\models\\Illustrious-XL-v0.1.safetensors"}, "", "illustrious",
         "low"),
        ({"ss_sd_model_name": "noobaiXLNAIXL_vPred10.safetensors"}, "", "noobai", "low"),
        ({}, "some_style_illustrious.safetensors", "illustrious", "low"),
        ({}, "plain.safetensors", "", "unknown"),
        ({}, "styles/Pony/plain.safetensors", "pony", "low"),
        ({}, "Pony/plain_illustrious.safetensors", "illustrious", "low"),
        ({"ss_new_sd_model_hash": PONY, "ss_sd_model_name": "noobai.safetensors"}, "", "pony",
         "medium"),
    ],
)
def test_a_sub_family_is_a_variant_and_never_a_sure_one(metadata, name, variant, confidence):
    found = decide(network(SDXL), metadata, file_name=name)
    assert (found.family, found.confidence) == ("sdxl", "high")
    assert (found.variant, found.variant_confidence) == (variant, confidence)


def test_a_name_makes_no_sub_family_of_another_family():
    found = decide(network("sd1-kohya-te"), {}, file_name="my_little_pony.safetensors")
    assert (found.candidates, found.variant) == (("sd1",), "")
    assert not any("against" in line for line in found.evidence)


def test_the_sidecars_word_is_heard_after_the_metadata_and_before_the_name():
    sidecar = read_claim("ink.civitai.info", "Illustrious")
    found = decide(network(SDXL), {}, claims=[sidecar], file_name="pony.safetensors")
    assert (found.variant, found.variant_confidence) == ("illustrious", "medium")
    found = decide(network(SDXL), {"ss_new_sd_model_hash": PONY}, claims=[sidecar])
    assert found.variant == "pony"


def test_a_sidecar_chooses_between_families_that_the_shapes_leave():
    found = decide(shared(), {}, claims=[read_claim("x.metadata.json", "SD 2.1 768")])
    assert (found.candidates, found.confidence, found.variant) == (("sd2",), "medium", "768-v")


def test_a_files_name_chooses_with_little_confidence():
    found = decide(shared(), {}, file_name="style_sd15.safetensors")
    assert (found.candidates, found.confidence) == (("sd1",), "low")


def test_the_hash_of_a_known_base_goes_before_a_field():
    found = decide(shared(), {"ss_new_sd_model_hash": SD15, "ss_base_model_version": "sd_v2"})
    assert found.candidates == ("sd1",)


def test_the_users_word_wins_and_a_contradiction_is_told():
    found = decide(shared(), {"ss_base_model_version": "sd_v2"}, user_family="sd1")
    assert (found.candidates, found.confidence) == (("sd1",), "high")
    found = decide(network(SDXL), {}, user_family="flux2/klein-4b")
    assert (found.candidates, found.variant, found.confidence) == (("flux2",), "klein-4b", "low")
    assert "against the shapes, which fit SDXL" in found.evidence[0]
    assert decide(network(SDXL), {}, user_family="Pony").variant == "pony"
    assert decide(network(SDXL), {}, user_family="my own model").candidates == ("my own model",)


@pytest.mark.parametrize(
    ("name", "speed"),
    [
        ("lcm-lora-sdxl.safetensors", "lcm"), ("pytorch_lcm_lora_weights.safetensors", "lcm"),
        ("Hyper-SDXL-8steps-lora.safetensors", "hyper"),
        ("sdxl_lightning_4step_lora.safetensors", "lightning"),
        ("dmd2_sdxl_4step_lora.safetensors", "dmd2"), ("Flux-Turbo-Alpha.safetensors", "turbo"),
        ("hyperrealism.safetensors", ""), ("turbografx.safetensors", ""), ("ink.safetensors", ""),
        ("film_collection.safetensors", ""),
    ],
)
def test_a_name_speaks_of_a_distillation(name, speed):
    assert speed_of_name(name) == speed
    assert decide(network(SDXL), {}, file_name=name).speed == speed


def test_the_size_is_what_the_shapes_leave():
    found = decide(network("flux2-klein-4b-kohya"))
    assert (found.variant, found.variant_confidence) == ("klein-4b", "high")
    lie = decide(network("flux2-klein-4b-kohya"), {"modelspec.architecture": "Flux.2-klein-9b"})
    assert (lie.family, lie.variant) == ("flux2", "klein-4b")


@pytest.mark.parametrize(
    ("field", "value", "family", "variant"),
    [
        ("ss_base_model_version", "sd_v2_v", "sd2", "768-v"),
        ("ss_base_model_version", "sdxl_base_v1-0", "sdxl", ""),
        ("modelspec.architecture", "flux-1-schnell/lora", "flux1", "schnell"),
        ("modelspec.architecture", "Flux.1-dev/lora", "flux1", "dev"),
        ("modelspec.architecture", "Flux.2-klein-4b", "flux2", "klein-4b"),
        ("modelspec.architecture", "stable-diffusion-v2-512/lora", "sd2", "512"),
        ("ss_base_model_version", "wan2.1", "wan", ""),
        ("ss_base_model_version", "hunyuan-image-2.1", "hunyuan-image-2.1", ""),
        ("ss_base_model_version", "krea2", "krea2", ""),
        ("baseModel", "Wan Video 14B i2v 720p", "wan", "2.1-i2v-14b"),
        ("baseModel", "NoobAI", "sdxl", "noobai"),
        ("baseModel", "Pony V7", "auraflow", "pony-v7"),
        ("baseModel", "Other", "", ""),
    ],
)
def test_a_word_is_read(field, value, family, variant):
    claim = read_claim(field, value)
    assert (claim.family, claim.variant) == (family, variant)


def test_every_family_of_civitais_words_is_known_here():
    unknown = {"stable-cascade"}
    words = ["SD 1.5", "SD 2.1 768", "SDXL 1.0", "Pony", "Illustrious", "NoobAI", "SD 3",
             "SD 3.5 Large", "SD 3.5 Medium", "Flux.1 D", "Flux.1 S", "Flux.2 Klein 9B-base",
             "Chroma", "AuraFlow", "Kolors", "PixArt a", "PixArt E", "Hunyuan 1", "Hunyuan Video",
             "Lumina", "HiDream", "Qwen", "ZImageTurbo", "ZImageBase", "Wan Video 2.2 T2V-A14B",
             "Anima", "Krea 2", "SVD XT", "LTXV", "LTXV2", "Mochi", "CogVideoX", "Stable Cascade",
             "Playground v2", "SD 1.5 LCM", "SDXL Lightning", "SD 2.1 Unclip"]
    known = {one.id for one in FAMILIES} | unknown
    assert all(civitai_base(word) for word in words)
    assert {civitai_base(word).family for word in words} <= known


def test_claims_come_in_the_order_of_trust():
    fields = [claim.field for claim in metadata_claims({
        "ss_sd_model_name": "a.safetensors", "ss_v2": "True", "ss_new_sd_model_hash": PONY,
        "modelspec.architecture": "stable-diffusion-v1", "ss_base_model_version": "sd_v1"})]
    assert fields == ["ss_new_sd_model_hash", "ss_base_model_version", "modelspec.architecture",
                      "ss_v2", "ss_sd_model_name"]


def test_a_short_hash_names_nothing():
    assert known_base(PONY[:10]) is None
    assert known_base("0x" + PONY) is not None


def test_rare_lookalikes_do_not_hide_the_likely_family():
    assert likeliest(("sdxl", "kolors")) == "sdxl"
    assert likeliest(("flux1", "chroma")) == "flux1"
    assert likeliest(("kolors",)) == "kolors"
    assert likeliest(("sd1", "sd2")) == ""
    assert likeliest(()) == ""
    assert are_kin("flux1", "chroma")
    assert not are_kin("flux1", "flux2")


words = st.text(max_size=40)


@given(st.dictionaries(st.sampled_from([
    "ss_base_model_version", "modelspec.architecture", "ss_v2", "ss_sd_model_name",
    "ss_new_sd_model_hash", "ss_output_name", "modelspec.title", "software"]), words), words, words)
def test_no_words_ever_add_a_family_or_raise(metadata, name, value):
    claims = [read_claim("sidecar", value), name_claim("folder", name), Claim("x", value, "nobody")]
    found = decide(shared(), metadata, claims=claims, file_name=name)
    assert set(found.candidates) <= {"sd1", "sd2", "svd"}
    assert found.candidates


def test_models_that_no_table_tells_apart_are_named():
    found = decide(network("wan-14b-kohya"))
    assert "Wan 2.2 A14B networks have the same layers" in found.evidence
