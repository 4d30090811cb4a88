"""What LyCORIS, PEFT and diffusers themselves write for a small model is read in full."""

import pytest

torch = pytest.importorskip("torch")
peft = pytest.importorskip("peft")
lycoris = pytest.importorskip("lycoris")
pytest.importorskip("diffusers")

from diffusers import UNet2DConditionModel  # noqa: E402
from diffusers.utils import convert_state_dict_to_diffusers  # noqa: E402
from loradex.keys.parse import parse_file  # noqa: E402
from loradex.keys.resolve import Resolver, shapes_fit  # noqa: E402
from loradex.keys.signatures import describe  # noqa: E402
from loradex.keys.unet import unet_architecture  # noqa: E402

pytestmark = [
    pytest.mark.torch, pytest.mark.peers,
    pytest.mark.filterwarnings("ignore"),  # the peers' own
]

TOY = {
    "block_out_channels": (16, 32), "cross_attention_dim": 24, "norm_num_groups": 8,
    "layers_per_block": 1, "attention_head_dim": 2,
    "down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D"),
    "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D"),
}
RESOLVER = Resolver({"unet": unet_architecture(TOY)})
LAYERS = ["to_q", "to_k", "to_v", "to_out.0", "ff.net.0.proj", "ff.net.2"]


def unet():
    torch.manual_seed(0)
    return UNet2DConditionModel(**TOY)


def assert_read(state, network_type, layout, *, dora=False):
    """Every tensor has a role, every module a place that it fits; at least one module."""
    tensors = {key: tuple(value.shape) for key, value in state.items()}
    parsed = parse_file(tensors)
    assert not parsed.unknown
    assert not parsed.not_a_lora
    assert parsed.layout == layout
    assert parsed.modules
    types = set()
    for module in parsed.modules:
        found = describe({role: tensors[key] for role, key in module.parts.items()})
        assert not found.problem
        assert found.dora == dora
        types.add(found.type)
        (target,) = RESOLVER.resolve(module, found.extent)
        assert found.extent is None or shapes_fit(found.extent, target.shape)
    assert types == {network_type}


def lycoris_state(algo, **extra):
    lycoris.LycorisNetwork.apply_preset({
        "target_module": ["Transformer2DModel", "ResnetBlock2D"], "target_name": [],
    })
    network = lycoris.create_lycoris(
        unet(), 1.0, linear_dim=2, linear_alpha=1.0, algo=algo, **extra
    )
    network.apply_to()  # its modules are registered here, so before this it saves nothing
    return network.state_dict()


@pytest.mark.parametrize(
    ("algo", "network_type", "extra"),
    [
        ("locon", "lora", {}),
        ("locon", "lora", {"use_tucker": True}),
        ("loha", "loha", {}),
        ("loha", "loha", {"use_tucker": True}),
        ("lokr", "lokr", {"factor": 4}),
        ("lokr", "lokr", {"factor": 4, "decompose_both": True, "use_tucker": True}),
        ("lokr", "lokr", {"full_matrix": True}),
        ("full", "full", {}),
        ("diag-oft", "oft", {}),
        ("boft", "boft", {}),
        ("glora", "glora", {}),
        ("ia3", "ia3", {}),
    ],
)
def test_what_lycoris_writes(algo, network_type, extra):
    assert_read(lycoris_state(algo, **extra), network_type, "lycoris_flat")


def test_what_lycoris_writes_with_weight_decomposition():
    state = lycoris_state("loha", dora_wd=True)
    assert_read(state, "loha", "lycoris_flat", dora=True)


def peft_state(config):
    model = peft.get_peft_model(unet(), config)
    return peft.get_peft_model_state_dict(model), model.state_dict()


@pytest.mark.parametrize(
    ("config", "network_type", "dora"),
    [
        (peft.LoraConfig(r=2, target_modules=[*LAYERS, "conv1"]), "lora", False),
        (peft.LoraConfig(r=2, target_modules=LAYERS, use_dora=True), "lora", True),
        (peft.LoraConfig(r=2, target_modules=LAYERS, lora_bias=True), "lora", False),
        (peft.LoHaConfig(r=2, target_modules=[*LAYERS, "conv1"]), "loha", False),
        (peft.LoKrConfig(r=2, target_modules=[*LAYERS, "conv1"]), "lokr", False),
        (peft.OFTConfig(oft_block_size=4, target_modules=LAYERS), "peft-oft", False),
        (peft.BOFTConfig(boft_block_size=4, target_modules=LAYERS), "peft-boft", False),
        (peft.IA3Config(target_modules=LAYERS, feedforward_modules=["ff.net.2"]), "ia3", False),
    ],
    ids=["lora", "dora", "lora-bias", "loha", "lokr", "oft", "boft", "ia3"],
)
def test_what_peft_writes_with_and_without_the_adapters_name(config, network_type, dora):
    saved, live = peft_state(config)
    assert_read(saved, network_type, "peft_base_model_diffusers", dora=dora)
    # A plain dump of the wrapped model has the adapter's name in each key, and all base weights.
    adapters = {key: value for key, value in live.items()
                if any(part in key for part in ("lora_", "hada_", "lokr_", "oft_", "ia3_"))
                and "base_layer" not in key}
    modules = [(one.name, sorted(one.parts)) for one in parse_file(
        {key: tuple(value.shape) for key, value in saved.items()}).modules]
    named = [(one.name, sorted(one.parts)) for one in parse_file(
        {key: tuple(value.shape) for key, value in adapters.items()}).modules]
    assert named == modules


def test_what_diffusers_writes_in_its_older_form():
    saved, _ = peft_state(peft.LoraConfig(r=2, target_modules=LAYERS))
    bare = {key.removeprefix("base_model.model."): value for key, value in saved.items()}
    old = {f"unet.{key}": value for key, value in convert_state_dict_to_diffusers(bare).items()}
    assert any(".lora.down." in key or "_lora.down." in key for key in old)
    assert_read(old, "lora", "diffusers_dotted_lora.down")
