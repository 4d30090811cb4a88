"""The verdict on a network for a checkpoint: answer, counts, reasons, and what is applied."""

import gzip
import json
from pathlib import Path

import pytest
from loradex.compat.checkpoint import classify_checkpoint
from loradex.compat.checkpoint_facts import CheckpointFacts
from loradex.compat.detect import decide
from loradex.compat.families import family
from loradex.compat.network import part_name, read_network
from loradex.compat.real_tables import generic_table
from loradex.compat.verdict import verdict
from loradex.files.header import read_header
from loradex.keys import configs
from loradex.keys.derive import DERIVATIONS
from loradex.keys.parse import parse_file
from loradex.keys.unet import unet_architecture

HEADERS = Path(__file__).parents[1] / "data" / "headers"
CORPUS = Path(__file__).parents[3] / "shared" / "corpus"
DEMO = Path(__file__).parents[2] / "standalone" / "demo"


def recorded(name):
    record = json.loads(gzip.decompress((HEADERS / f"{name}.json.gz").read_bytes()))
    return {key: tuple(shape) for key, shape in record["tensors"].items()}


def checkpoint(key, *, encoders=True, **changes):
    """The facts of a whole checkpoint of a family."""
    one = family(key)
    te = {part.component: part.table.architecture for part in one.parts[1:]
          if part.class_name in DERIVATIONS}
    components = {part_name(one.parts[0]): one.parts[0].table.architecture,
                  **(te if encoders else {})}
    facts = {"components": components, "assumed": {} if encoders else te, **changes}
    return CheckpointFacts(Path(f"{one.id}.safetensors"), one.id, one.id, one.variant, one.title,
                           "", "high", (), **facts)


def judge(tensors, model, metadata=None, *, force=False, **said):
    network = read_network(parse_file(tensors), tensors)
    return verdict(network, decide(network, metadata or {}, **said), model, force=force)


def counts(found):
    return {name: (one.named, one.shape_ok, one.total) for name, one in found.components.items()}


def applied(found):
    return {name for name, one in found.components.items() if one.applied}


# formats.md C.4, table 2: C and L fit, P partly, X has no effect.
TABLE = {
    ("sd1-kohya-te", "sd1"): "fits",
    ("sd1-kohya-te", "sd2"): "no_effect",
    ("sd1-kohya-te", "sdxl"): "no_effect",
    ("sd1-kohya-te", "sdxl-refiner"): "no_effect",
    ("sd1-kohya-te", "ssd-1b"): "no_effect",
    ("sd1-kohya-te", "flux1"): "no_effect",
    ("sd1-kohya-te", "sd3-medium"): "no_effect",
    ("sd2-kohya-te", "sd1"): "no_effect",
    ("sd2-kohya-te", "sd2"): "fits",
    ("sd2-kohya-te", "sdxl"): "no_effect",
    ("sdxl-kohya-te", "sd1"): "no_effect",
    ("sdxl-kohya-te", "sd2"): "no_effect",
    ("sdxl-kohya-te", "sdxl"): "fits",
    ("sdxl-kohya-te", "sdxl-refiner"): "no_effect",
    ("sdxl-kohya-te", "ssd-1b"): "partly",
    ("sdxl-kohya-te", "vega"): "partly",
    ("sdxl-kohya-te", "koala/1b"): "partly",
    ("sdxl-kohya-te", "kolors"): "partly",
    ("sdxl-kohya-te", "flux1"): "no_effect",
    ("flux1-kohya-t5", "sdxl"): "no_effect",
    ("flux1-kohya-t5", "flux1"): "fits",
    ("flux1-diffusers", "flux1"): "fits",
    ("flux1-diffusers", "hunyuan-video"): "no_effect",
    ("flux1-kohya-t5", "chroma"): "partly",
    ("flux1-kohya-t5", "sd3-medium"): "no_effect",
    ("flux1-kohya-t5", "flux2/klein-4b"): "no_effect",
    ("sd3-medium-diffusers", "sd3-medium"): "fits",
    ("sd3.5-medium-kohya", "sd3.5-medium"): "fits",
    ("sd3.5-medium-kohya", "sd3-medium"): "partly",
    ("sd3.5-medium-kohya", "sd3.5-large"): "no_effect",
    ("sd3.5-large-bare", "sd3.5-medium"): "no_effect",
    ("wan-14b-kohya", "wan/2.1-t2v-14b"): "fits",
    ("wan-14b-kohya", "wan/2.1-i2v-14b"): "fits",
    ("wan-14b-kohya", "wan/2.1-t2v-1.3b"): "no_effect",
    ("wan-i2v-14b-comfy", "wan/2.1-t2v-14b"): "partly",
}


@pytest.mark.parametrize(("name", "key"), TABLE, ids=lambda value: value)
def test_the_answer_is_that_of_the_measured_table(name, key):
    found = judge(recorded(name), checkpoint(key))
    assert found.answer == TABLE[name, key]
    assert found.reasons
    assert all(line.endswith(".") and not line[:1].islower() for line in found.reasons)


def test_a_network_for_sd1_is_refused_on_sdxl_though_layers_match_by_accident():
    found = judge(recorded("sd1-kohya-te"), checkpoint("sdxl"))
    assert counts(found)["clip_l"] == (72, 72, 72)
    assert 0 < counts(found)["unet"][1] < counts(found)["unet"][0]
    assert not applied(found)
    assert found.confidence == "high"
    assert found.reasons[0] == (
        "A network for SD 1.5 (cross-attention width 768); expected SDXL (2048). Load an SD 1.5"
        " checkpoint or remove the tag.")


def test_an_encoder_that_fits_is_refused_with_the_rest_and_says_so():
    found = judge(recorded("sdxl-kohya-te"), checkpoint("sd1"))
    assert counts(found)["clip_l"] == (72, 72, 72)
    assert not applied(found)
    assert "refused with the rest: the network is for SDXL" in found.components["clip_l"].reason


def test_what_names_the_model_lacks_leaves_the_rest_applied():
    found = judge(recorded("sdxl-kohya-te"), checkpoint("ssd-1b"))
    assert applied(found) == {"unet", "clip_l", "clip_g"}
    unet = found.components["unet"]
    assert (unet.named, unet.missing) == (unet.shape_ok, unet.total - unet.named)
    assert unet.missing > 0
    assert any("expect a weaker" in line for line in found.reasons)


def test_a_wrong_shape_in_the_unet_applies_nothing_unless_it_is_forced():
    tensors, model = recorded("sdxl-kohya-te"), checkpoint("koala/1b")
    assert not applied(judge(tensors, model))
    forced = judge(tensors, model, force=True)
    assert forced.answer == "partly"
    assert applied(forced) == {"unet", "clip_l", "clip_g"}
    assert any("forced" in line for line in forced.reasons)


def test_force_never_makes_something_of_nothing():
    found = judge(recorded("flux1-kohya-t5"), checkpoint("sd2"), force=True)
    assert (found.answer, applied(found)) == ("no_effect", set())


def test_a_checkpoint_file_without_encoders_is_no_reason_against_a_network():
    found = judge(recorded("flux1-kohya-t5"), checkpoint("flux1", encoders=False))
    assert found.answer == "fits"
    assert applied(found) == {"transformer", "t5xxl"}
    assert "has no T5" in found.components["t5xxl"].reason


def test_a_lookalike_is_refused_though_every_shape_is_right():
    found = judge(recorded("flux1-diffusers"), checkpoint("hunyuan-video"))
    transformer = found.components["transformer"]
    if transformer.shape_ok == transformer.total:
        assert "only look alike" in found.reasons[0]
    assert (found.answer, applied(found)) == ("no_effect", set())


def test_an_inpainting_model_pads_the_input_of_a_locon():
    base = checkpoint("sd1")
    unet = unet_architecture({**configs.SD1_UNET, "in_channels": 9})
    model = checkpoint("sd1", components={**base.components, "unet": unet})
    found = judge(recorded("sd1-locon"), model)
    assert found.answer == "fits"
    pix2pix = unet_architecture({**configs.SD1_UNET, "in_channels": 8})
    model = checkpoint("sd1", components={**base.components, "unet": pix2pix})
    found = judge(recorded("sd1-locon"), model)
    assert found.answer == "partly"
    assert applied(found) == {"unet"}
    assert any("another number of channels" in line for line in found.reasons)


def test_a_file_that_is_no_lora_has_no_effect_and_is_named():
    found = judge(recorded("not-controlnet"), checkpoint("sd1"))
    assert (found.answer, found.confidence) == ("no_effect", "high")
    assert found.reasons[0].startswith("This is a ControlNet")
    found = judge(recorded("not-unet"), checkpoint("sd1"))
    assert found.reasons[0].startswith("This is an SD 1.5 denoiser checkpoint")


NAME = "lora_unet_down_blocks_0_attentions_0_proj_in"


def test_a_network_whose_every_factor_is_wrong_is_broken():
    found = judge({f"{NAME}.lora_down.weight": (4, 320), f"{NAME}.lora_up.weight": (320, 7)},
                  checkpoint("sd1"))
    assert found.answer == "broken"
    assert "only module cannot be read" in found.reasons[0]


def test_one_broken_module_does_not_break_the_rest():
    tensors = {**recorded("sd1-kohya-te"), f"{NAME}.lora_up.weight": (320, 7)}
    found = judge(tensors, checkpoint("sd1"))
    assert found.answer in ("fits", "partly")
    assert any("cannot be read" in line for line in found.reasons)


def test_a_checkpoint_that_is_none_gives_no_verdict():
    model = CheckpointFacts(Path("vae.safetensors"), "vae", not_a_checkpoint="VAE")
    found = judge(recorded("sd1-kohya-te"), model)
    assert (found.answer, found.confidence) == ("unknown", "unknown")
    assert found.reasons == ("vae is a VAE, not a checkpoint. Choose a checkpoint.",)


def test_a_model_of_nobody_with_other_names_gives_no_verdict():
    table = generic_table({"trunk.0.query.weight": (64, 64)}, "denoiser")
    model = CheckpointFacts(Path("new.safetensors"), "new", confidence="low",
                            components={"transformer": table})
    found = judge(recorded("sd1-kohya-te"), model)
    assert (found.answer, found.confidence) == ("unknown", "unknown")
    assert "nothing can be said" in found.reasons[0]


def test_a_sub_family_of_another_kind_is_told_as_drift():
    model = checkpoint("sdxl")
    object.__setattr__(model, "variant", "illustrious")
    found = judge(recorded("sdxl-kohya-te"), model, file_name="pony_style.safetensors")
    assert found.answer == "fits"
    assert any("Pony" in line and "drift" in line for line in found.reasons)


def test_a_speed_network_is_told_to_want_its_own_settings():
    found = judge(recorded("sdxl-peft"), checkpoint("sdxl"), file_name="lcm-lora-sdxl.safetensors")
    assert found.answer == "fits"
    assert any("'lcm' network" in line for line in found.reasons)


def test_the_users_word_does_not_make_layers_fit():
    found = judge(recorded("sd1-kohya-te"), checkpoint("sdxl"), user_family="sdxl")
    assert found.answer == "no_effect"
    assert not applied(found)


@pytest.mark.parametrize("name", ["golden", "night", "outline", "pastel", "stripes"])
def test_the_demo_networks_fit_the_demo_model_and_no_other(name):
    header = read_header(next(DEMO.rglob(f"{name}.safetensors")))
    model = classify_checkpoint(DEMO / "model")
    assert judge(header.shapes, model, header.metadata).answer == "fits"
    assert judge(header.shapes, checkpoint("sd1"), header.metadata).answer == "no_effect"


def test_a_motion_network_says_what_it_needs():
    name = next(path.name.split(".json")[0] for path in HEADERS.glob("animatediff*"))
    found = judge(recorded(name), checkpoint("sd1"))
    assert found.answer == "no_effect"
    assert "motion module" in found.reasons[0]


needs_corpus = pytest.mark.skipif(
    not CORPUS.is_dir(), reason="the reference sets (../shared/corpus) are not beside the checkout"
)


@needs_corpus
@pytest.mark.parametrize(
    ("network", "key", "answer", "part", "expected"),
    [
        ("sd1-kohya-lora_fa", "sdxl", "no_effect", "unet", (96, 50, 192)),
        ("sdxl-kohya-lora", "ssd-1b", "partly", "unet", (360, 360, 722)),
        ("flux1schnell-kohya-lora", "chroma", "partly", "transformer", (228, 228, 304)),
        ("sd3-medium-kohya-lora", "sd3.5-medium", "partly", "transformer", (237, 224, 237)),
        ("sd3-medium-kohya-lora", "sd3.5-large", "no_effect", "transformer", (237, 0, 237)),
        ("wan-t2v-14B-kohya-lora", "wan/2.1-i2v-14b", "fits", "transformer", (400, 400, 400)),
        ("wan-i2v-14B-kohya-lora", "wan/2.1-t2v-14b", "partly", "transformer", (400, 400, 480)),
        ("flux1dev-diffusers", "hunyuan-video", "no_effect", "transformer", (380, 380, 380)),
        ("qwen-image-kohya-lora", "flux1", "no_effect", "transformer", (152, 152, 840)),
        ("flux2-klein-4b-kohya-lora", "flux1", "no_effect", "transformer", (80, 20, 80)),
    ],
)
def test_measured_counts_give_the_measured_verdict(network, key, answer, part, expected):
    entries = [one for path in CORPUS.glob("*.json.gz")
               for one in json.loads(gzip.decompress(path.read_bytes())) if one["id"] == network]
    if not entries:
        pytest.skip(f"{network} is not among the reference sets")
    tensors = {name: tuple(one[0] or ()) for name, one in entries[0]["keys"].items()}
    found = judge(tensors, checkpoint(key), entries[0]["metadata"])
    assert found.answer == answer
    assert counts(found)[part] == expected
