"""Checkpoints are told by headers or configurations, with the table of what is really there."""

import json
import struct
from pathlib import Path

import pytest
from loradex.compat.checkpoint import classify_checkpoint
from loradex.compat.checkpoint_file import classify_header
from loradex.compat.families import FAMILIES, family
from loradex.compat.prediction import NORM_BIAS, of_file
from loradex.errors import FileError
from loradex.files.header import Header, TensorInfo
from loradex.keys import configs
from loradex.keys.clip import clip_architecture
from loradex.keys.derive import derive
from loradex.keys.unet import unet_architecture

DEMO = Path(__file__).parents[2] / "standalone" / "demo" / "model"
SD1_ENCODER = "cond_stage_model.transformer."
LDM = "model.diffusion_model."


def tensors_of(architecture, tree, prefix=""):
    """Every tensor of a table as a checkpoint holds it."""
    found = {}
    for name, module in architecture.modules(tree).items():
        found[prefix + (f"{name}.{module.parameter}" if module.parameter else name)] = module.weight
        if module.bias:
            found[f"{prefix}{name}.bias"] = module.weight[:1]
    return found


def table(key, component="denoiser"):
    return family(key).architectures()[component]


def header(shapes, metadata=None):
    tensors = {name: TensorInfo(name, "F16", shape, 0, 0) for name, shape in shapes.items()}
    return Header(tensors, metadata or {}, 0, 0)


def classify(shapes, metadata=None, name="model.safetensors"):
    return classify_header(Path(name), header(shapes, metadata))


def sd1(**changed):
    return {
        **tensors_of(table("sd1"), "native", LDM),
        **tensors_of(table("sd1", "te"), "native", SD1_ENCODER),
        "first_stage_model.decoder.conv_in.weight": (512, 4, 3, 3),
        **changed,
    }


def sdxl(**changed):
    return {
        **tensors_of(table("sdxl"), "native", LDM),
        **tensors_of(table("sdxl", "te"), "native", "conditioner.embedders.0.transformer."),
        **tensors_of(table("sdxl", "te2"), "native", "conditioner.embedders.1.model."),
        **changed,
    }


@pytest.mark.parametrize("one", [one for one in FAMILIES if one.main == "denoiser"],
                         ids=lambda one: one.key)
@pytest.mark.parametrize("tree", ["native", "diffusers"])
def test_the_denoiser_of_every_family_is_recognised_in_both_trees(one, tree):
    found = classify(tensors_of(one.parts[0].table.architecture, tree))
    assert found.family == one.id
    assert found.confidence in ("high", "medium")
    assert found.variant == one.variant or one.id in ("sd2", "koala")
    (name, architecture), *_ = found.components.items()
    assert name in ("unet", "transformer")
    assert architecture is one.parts[0].table.architecture or len(architecture.leaves) == len(
        one.parts[0].table.architecture.leaves
    )


def test_a_whole_sd1_checkpoint_has_its_unet_and_its_encoder():
    found = classify(sd1())
    assert (found.family, found.title, found.confidence) == ("sd1", "SD 1.5", "high")
    assert set(found.components) == {"unet", "te"}
    assert found.components["unet"] is table("sd1")
    assert not found.assumed
    assert found.prediction_type == "epsilon"


def test_a_whole_sdxl_checkpoint_has_both_encoders():
    found = classify(sdxl())
    assert found.family == "sdxl"
    assert set(found.components) == {"unet", "te", "te2"}


def test_a_unet_without_encoders_is_given_the_usual_ones_of_its_family():
    found = classify(tensors_of(table("sdxl"), "native"))
    assert set(found.components) == {"unet"}
    assert set(found.assumed) == {"te", "te2"}
    assert any("no text encoder" in line for line in found.evidence)


@pytest.mark.parametrize(
    ("key", "channels", "variant"),
    [("sd1", 9, "inpainting"), ("sd1", 8, "instruct-pix2pix"), ("sd2", 5, "depth"),
     ("sdxl", 9, "inpainting")],
)
def test_the_input_channels_tell_the_edition(key, channels, variant):
    shapes = tensors_of(table(key), "native", LDM)
    shapes[LDM + "input_blocks.0.0.weight"] = (320, channels, 3, 3)
    found = classify(shapes)
    assert (found.family, found.variant) == (key, variant)
    leaf = next(one for one in found.components["unet"].leaves
                if one.diffusers.module == "conv_in")
    assert leaf.shape == (320, channels, 3, 3)


@pytest.mark.parametrize(("channels", "variant"), [(64, ""), (128, "control"), (384, "fill")])
def test_flux_editions_are_told_by_their_input(channels, variant):
    shapes = tensors_of(table("flux1"), "native")
    shapes["img_in.weight"] = (3072, channels)
    found = classify(shapes)
    assert (found.family, found.variant) == ("flux1", variant)
    assert found.prediction_type == "flow"


def test_flux_without_guidance_is_schnell_and_its_table_has_none():
    shapes = {name: shape for name, shape in tensors_of(table("flux1"), "native").items()
              if not name.startswith("guidance_in")}
    found = classify(shapes)
    assert (found.family, found.variant) == ("flux1", "schnell")
    names = [leaf.native.module for leaf in found.components["transformer"].leaves]
    assert not any(name.startswith("guidance_in") for name in names)


@pytest.mark.parametrize(
    ("extra", "metadata", "kind"),
    [
        ({}, {}, "epsilon"),
        ({"v_pred": (0,)}, {}, "v_prediction"),
        ({"v_pred": (0,), "ztsnr": (0,)}, {}, "v_prediction"),
        ({"edm_mean": (4,), "edm_std": (4,)}, {}, "edm"),
        ({"edm_vpred.sigma_max": ()}, {}, "edm"),
        ({}, {"modelspec.prediction_type": "v"}, "v_prediction"),
        ({}, {"modelspec.prediction_type": "epsilon"}, "epsilon"),
    ],
)
def test_marks_and_metadata_tell_what_an_sdxl_model_predicts(extra, metadata, kind):
    assert classify(sdxl(**extra), metadata).prediction_type == kind


def test_a_yaml_beside_the_file_goes_before_every_other_sign(tmp_path):
    path = tmp_path / "model.safetensors"
    (tmp_path / "model.yaml").write_text("model:\n  params:\n    parameterization: \"v\"\n")
    assert of_file(path, "sd1", header(sd1())).type == "v_prediction"


SPREAD = [0.2 if index % 2 else -0.2 for index in range(320)]
NARROW = [0.02 if index % 2 else -0.02 for index in range(320)]


def packed(values, dtype):
    if dtype == "BF16":
        return b"".join(struct.pack("<f", one)[2:] for one in values)
    return struct.pack(f"<320{'e' if dtype == 'F16' else 'f'}", *values)


@pytest.mark.parametrize("dtype", ["F32", "F16", "BF16"])
@pytest.mark.parametrize(("values", "kind"), [(SPREAD, "v_prediction"), (NARROW, "epsilon")])
def test_the_two_trainings_of_sd2_are_told_by_one_bias(tmp_path, dtype, values, kind):
    data = packed(values, dtype)
    text = json.dumps({NORM_BIAS: {
        "dtype": dtype, "shape": [320], "data_offsets": [0, len(data)]}}).encode()
    path = tmp_path / "v2.safetensors"
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)
    info = TensorInfo(NORM_BIAS, dtype, (320,), 0, len(data))
    found = of_file(path, "sd2", Header({NORM_BIAS: info}, {}, 8 + len(text), 0))
    assert found.type == kind


def test_a_file_name_hints_at_a_sub_family():
    found = classify(sdxl(), name="ponyDiffusionV6XL.safetensors")
    assert (found.family, found.variant, found.title) == ("sdxl", "pony", "SDXL (Pony)")


def test_a_model_packed_into_4_bit_is_told_by_its_names():
    shapes = {}
    for name, shape in tensors_of(table("flux1"), "native", LDM).items():
        if len(shape) == 2 and "_in." not in name:
            shapes[name] = (shape[0] * shape[1] // 2, 1)
            shapes[f"{name}.absmax"] = (shape[0] * shape[1] // 64,)
            shapes[f"{name}.quant_map"] = (16,)
            shapes[f"{name}.quant_state.bitsandbytes__nf4"] = (83,)
        else:
            shapes[name] = shape
    found = classify(shapes)
    assert (found.family, found.confidence) == ("flux1", "medium")
    assert found.components["transformer"] is table("flux1")
    assert any("packed" in line for line in found.evidence)


def test_a_lora_is_no_checkpoint():
    name = "lora_unet_down_blocks_0_attentions_0_proj_in"
    found = classify({f"{name}.lora_down.weight": (4, 320, 1, 1),
                      f"{name}.lora_up.weight": (320, 4, 1, 1)})
    assert found.not_a_checkpoint == "LoRA"
    assert not found.components


@pytest.mark.parametrize(
    ("shapes", "kind"),
    [
        ({"encoder.down_blocks.0.resnets.0.conv1.weight": (128, 128, 3, 3)}, "VAE"),
        ({"text_model.encoder.layers.0.self_attn.q_proj.weight": (768, 768)}, "text encoder"),
        ({"control_model.zero_convs.0.0.weight": (320, 320, 1, 1)}, "ControlNet"),
        ({}, "empty file"),
    ],
)
def test_another_kind_of_file_is_named(shapes, kind):
    assert classify(shapes).not_a_checkpoint == kind


def test_a_model_of_no_known_family_is_described_by_its_own_names():
    found = classify({"model.diffusion_model.trunk.0.query.weight": (64, 64),
                      "model.diffusion_model.trunk.0.query.bias": (64,),
                      "model.diffusion_model.trunk.0.norm.weight": (64,)})
    assert (found.family, found.confidence) == ("", "low")
    modules = found.components["transformer"].modules("diffusers")
    assert modules["trunk.0.query"].weight == (64, 64)
    assert modules["trunk.0.query"].bias


def test_the_text_encoders_beside_an_unknown_unet_are_judged_by_their_own_sizes():
    unet = unet_architecture({"block_out_channels": (32, 64, 64, 64), "cross_attention_dim": 48})
    first = clip_architecture({"hidden_size": 48, "intermediate_size": 96, "num_hidden_layers": 3})
    found = classify({
        **tensors_of(unet, "native", LDM), **tensors_of(first, "native", SD1_ENCODER)})
    assert found.family == ""
    assert set(found.components) == {"unet", "te"}
    layer = "text_model.encoder.layers.2.mlp.fc1"
    assert found.components["te"].modules("diffusers")[layer].weight == (96, 48)


def test_the_demo_model_is_a_folder_with_real_tables():
    found = classify_checkpoint(DEMO)
    assert found.title
    assert set(found.components) == {"unet", "te"}
    assert found.prediction_type == "v_prediction"
    assert found.components["unet"].features["cross-attention width"] == 64


def folder(path, unet, scheduler=None):
    (path / "unet").mkdir(parents=True)
    (path / "text_encoder").mkdir()
    (path / "scheduler").mkdir()
    (path / "model_index.json").write_text(json.dumps({
        "_class_name": "StableDiffusionPipeline",
        "unet": ["diffusers", "UNet2DConditionModel"],
        "text_encoder": ["transformers", "CLIPTextModel"], "safety_checker": [None, None],
    }))
    (path / "unet" / "config.json").write_text(json.dumps(unet))
    (path / "text_encoder" / "config.json").write_text(json.dumps(configs.CLIP_L))
    (path / "scheduler" / "scheduler_config.json").write_text(json.dumps(scheduler or {}))
    return path


def test_a_folder_is_told_by_its_configurations(tmp_path):
    path = folder(tmp_path / "sd15", dict(configs.SD1_UNET), {"prediction_type": "epsilon"})
    found = classify_checkpoint(path)
    assert (found.family, found.name, found.prediction_type) == ("sd1", "sd15", "epsilon")
    assert set(found.components) == {"unet", "te"}


def test_a_folder_of_unknown_sizes_has_its_own_table(tmp_path):
    toy = {"block_out_channels": (32, 64), "cross_attention_dim": 48,
           "down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D"),
           "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D")}
    found = classify_checkpoint(folder(tmp_path / "toy", toy))
    assert (found.family, found.confidence) == ("", "medium")
    assert found.title == "another base model (cross-attention width 48)"
    assert found.prediction_type == ""
    assert found.components["unet"].features["cross-attention width"] == 48


def test_a_folder_of_an_inpainting_model_is_that_edition(tmp_path):
    path = folder(tmp_path / "inpaint", {**configs.SD1_UNET, "in_channels": 9})
    found = classify_checkpoint(path)
    assert (found.family, found.variant) == ("sd1", "inpainting")


def test_a_denoiser_alone_in_its_folder_is_enough(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps(
        {"_class_name": "FluxTransformer2DModel", **configs.FLUX1_DEV}))
    found = classify_checkpoint(tmp_path)
    assert found.family == "flux1"
    assert set(found.components) == {"transformer"}
    assert set(found.assumed) == {"te", "te2"}


@pytest.mark.parametrize("text", ["{", "[]", "\x00", '{"unet": 3}'])
def test_a_broken_index_is_an_error_with_a_next_step(tmp_path, text):
    (tmp_path / "model_index.json").write_text(text)
    with pytest.raises(FileError) as caught:
        classify_checkpoint(tmp_path)
    assert caught.value.next_step


def test_a_configuration_that_cannot_be_followed_falls_back_to_the_weights_names(tmp_path):
    path = folder(tmp_path / "odd", {**configs.SD1_UNET, "down_block_types": ["Nothing"]})
    text = json.dumps({"trunk.weight": {
        "dtype": "U8", "shape": [2, 2], "data_offsets": [0, 4]}}).encode()
    (path / "unet" / "model.safetensors").write_bytes(
        len(text).to_bytes(8, "little") + text + bytes(4))
    found = classify_checkpoint(path)
    assert "trunk" in found.components["unet"].modules("diffusers")
    assert any("cannot be followed" in line for line in found.evidence)


def test_nothing_at_a_path_is_an_error(tmp_path):
    with pytest.raises(FileError, match="there is no such file"):
        classify_checkpoint(tmp_path / "gone.safetensors")


def test_an_empty_folder_is_an_error(tmp_path):
    with pytest.raises(FileError, match=r"model_index\.json"):
        classify_checkpoint(tmp_path)


def test_a_table_of_the_file_matches_the_one_of_its_class():
    assert table("sd1").leaves == derive("UNet2DConditionModel", configs.SD1_UNET).leaves


def test_a_file_on_the_disk_is_read_by_its_header(tmp_path):
    text = json.dumps({"decoder.conv_in.weight": {
        "dtype": "U8", "shape": [2, 2], "data_offsets": [0, 4]}}).encode()
    path = tmp_path / "VAE.SAFETENSORS"
    path.write_bytes(len(text).to_bytes(8, "little") + text + bytes(4))
    assert classify_checkpoint(path).not_a_checkpoint == "VAE"


def test_a_damaged_file_is_an_error_in_words(tmp_path):
    path = tmp_path / "model.ckpt"
    path.write_bytes(b"\x80\x02nothing that is a pickle")
    with pytest.raises(FileError) as caught:
        classify_checkpoint(path)
    assert caught.value.next_step


@pytest.mark.parametrize(
    ("scheduler", "kind"),
    [({"_class_name": "FlowMatchEulerDiscreteScheduler"}, "flow"),
     ({"_class_name": "UniPCMultistepScheduler", "use_flow_sigmas": True,
       "prediction_type": "flow_prediction"}, "flow"),
     ({"prediction_type": "flow_prediction"}, "flow"),
     ({"prediction_type": "v_prediction"}, "v_prediction"), ({"prediction_type": 3}, "epsilon")],
)
def test_a_scheduler_tells_what_is_predicted(tmp_path, scheduler, kind):
    path = folder(tmp_path / "sd15", dict(configs.SD1_UNET), scheduler)
    assert classify_checkpoint(path).prediction_type == kind


def test_a_file_that_lacks_one_encoder_is_given_the_usual_one():
    shapes = {name: shape for name, shape in sdxl().items() if "embedders.1" not in name}
    found = classify(shapes)
    assert (set(found.components), set(found.assumed)) == ({"unet", "te"}, {"te2"})
