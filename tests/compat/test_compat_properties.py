"""Names and shapes of any kind give an answer: nothing raises but errors of our own."""

from pathlib import Path

from hypothesis import example, given
from hypothesis import strategies as st
from loradex.compat.checkpoint_file import classify_header
from loradex.compat.detect import decide
from loradex.compat.network import read_network
from loradex.compat.verdict import verdict
from loradex.files.header import Header, TensorInfo
from loradex.keys.parse import parse_file

PREFIXES = ("lora_unet_", "lora_te1_", "lora_te2_", "unet.", "transformer.", "transformer_2.",
            "text_encoder.", "diffusion_model.", "model.diffusion_model.", "lycoris_", "",
            "base_model.model.", "first_stage_model.", "conditioner.embedders.1.model.")
MODULES = ("down_blocks_0_attentions_0_proj_in", "down_blocks.0.resnets.0.conv1", "conv_in",
           "double_blocks.0.img_attn.qkv", "double_blocks_0_img_attn_qkv", "blocks.0.self_attn.q",
           "text_model_encoder_layers_0_mlp_fc1", "encoder.block.0.layer.0.SelfAttention.q",
           "motion_modules.0.temporal_transformer.proj_in", "img_in", "x", "layers.0.attention.qkv",
           "patch_embedding", "input_blocks.0.0", "a.b", "a_b")
SUFFIXES = (".lora_up.weight", ".lora_down.weight", ".lora_A.weight", ".lora_B.weight", ".alpha",
            ".hada_w1_a", ".hada_w1_b", ".hada_w2_a", ".hada_w2_b", ".lokr_w1", ".lokr_w2",
            ".diff", ".diff_b", ".weight", ".bias", ".oft_blocks", ".dora_scale", ".ia3_l",
            ".boft_R", ".a1.weight", ".w_norm", ".set_weight", "")
keys = st.builds(lambda *parts: "".join(parts), st.sampled_from(PREFIXES),
                 st.sampled_from(MODULES), st.sampled_from(SUFFIXES)) | st.text(max_size=20)
shapes = st.lists(st.sampled_from([0, 1, 4, 8, 16, 64, 320, 768, 3072]), max_size=5).map(tuple)
files = st.dictionaries(keys, shapes, max_size=12)
words = st.dictionaries(st.sampled_from(["ss_base_model_version", "unet", "modelspec.title"]),
                        st.text(max_size=20), max_size=3)


def header(tensors):
    return Header({name: TensorInfo(name, "F16", shape, 0, 0) for name, shape in tensors.items()},
                  {}, 0, 0)


@given(files, words, files)
@example({"conv_in.diff": (1,)}, {}, {"a.b.weight": (8, 8), "a_b.weight": (8, 8)})
def test_any_names_give_an_answer(network, metadata, model):
    facts = read_network(parse_file(network, metadata), network)
    detection = decide(facts, metadata, file_name="any.safetensors")
    assert detection.confidence in ("high", "medium", "low", "unknown")
    assert bool(detection.candidates) or detection.confidence == "unknown"
    assert decide(facts.light(), metadata, file_name="any.safetensors") == detection
    checkpoint = classify_header(Path("any.safetensors"), header(model))
    found = verdict(facts, detection, checkpoint)
    assert found.reasons
    for one in found.components.values():
        assert one.named + one.missing == one.total
        assert 0 <= one.shape_ok <= one.named
    forced = verdict(facts, detection, checkpoint, force=True)
    assert found.answer != "fits" or forced.answer == "fits"
