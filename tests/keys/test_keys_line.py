"""One file of each common writer goes from its keys to the modules of an SD 1.5 model."""

import pytest
from loradex.keys.clip import clip_architecture
from loradex.keys.parse import parse_file
from loradex.keys.resolve import Resolver
from loradex.keys.signatures import describe
from loradex.keys.unet import unet_architecture

UNET = unet_architecture({"cross_attention_dim": 768})
CLIP = clip_architecture({"hidden_size": 768, "intermediate_size": 3072})
BLOCK = "down_blocks.0.attentions.0.transformer_blocks.0"


@pytest.fixture(scope="module")
def resolver():
    return Resolver({"unet": UNET, "te": CLIP})


def only(resolver, tensors):
    parsed = parse_file(tensors)
    assert not parsed.unknown
    assert not parsed.not_a_lora
    (module,) = parsed.modules
    description = describe({role: tensors[key] for role, key in module.parts.items()})
    assert not description.problem
    (target,) = resolver.resolve(module, description.shape)
    return target, description


@pytest.mark.parametrize(
    ("down", "up"),
    [
        ("lora_unet_{flat}.lora_down.weight", "lora_unet_{flat}.lora_up.weight"),
        ("unet.{name}.lora_A.weight", "unet.{name}.lora_B.weight"),
        ("unet.{name}.lora.down.weight", "unet.{name}.lora.up.weight"),
        ("base_model.model.{name}.lora_A.default.weight",
         "base_model.model.{name}.lora_B.default.weight"),
        ("unet.base_model.model.{name}.lora_A.weight",
         "unet.base_model.model.{name}.lora_B.weight"),
        ("lycoris_{flat}.lora_down.weight", "lycoris_{flat}.lora_up.weight"),
        ("{name}.lora_A.weight", "{name}.lora_B.weight"),
    ],
)
def test_every_writer_names_the_same_attention_weight(resolver, down, up):
    name = f"{BLOCK}.attn2.to_k"
    flat = name.replace(".", "_")
    down, up = (key.format(name=name, flat=flat) for key in (down, up))
    tensors = {down: (4, 768), up: (320, 4)}
    target, description = only(resolver, tensors)
    assert (target.component, target.module, target.shape) == ("unet", name, (320, 768))
    assert target.rows is None
    assert (description.type, description.rank) == ("lora", 4)


@pytest.mark.parametrize("prefix", ["lora_te_", "lora_te1_", "text_encoder."])
@pytest.mark.parametrize("level", ["text_model_", ""])
def test_text_encoder_modules_keep_the_text_model_level(resolver, prefix, level):
    name = f"{prefix}{level}encoder_layers_3_mlp_fc1"
    tensors = {f"{name}.lora_down.weight": (4, 768), f"{name}.lora_up.weight": (3072, 4)}
    target, _ = only(resolver, tensors)
    assert (target.component, target.module) == ("te", "text_model.encoder.layers.3.mlp.fc1")


def test_a_name_of_another_model_resolves_to_nothing(resolver):
    tensors = {"lora_unet_double_blocks_0_img_attn_qkv.lora_down.weight": (4, 3072),
               "lora_unet_double_blocks_0_img_attn_qkv.lora_up.weight": (9216, 4)}
    (module,) = parse_file(tensors).modules
    assert resolver.resolve(module, (9216, 3072)) == ()
