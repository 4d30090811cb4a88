"""Checkpoints of random weights, made by the WebUI's own classes from its own configurations.

Runs in the WebUI's Python, never in the tests': make_checkpoints.py WEBUI OUT ENCODERS KIND...
Writes OUT/KIND.safetensors and OUT/KIND.yaml; ENCODERS gets the narrow text encoders'
configurations and the tokenizer, so that nothing is asked of a hub.
"""

import gzip
import importlib
import json
import sys
import types
from pathlib import Path

# The WebUI hides these before it imports its repositories: they need what nobody installs.
sys.modules["taming.modules.losses.lpips"] = types.SimpleNamespace(LPIPS=None)
sys.modules["sgm.data"] = types.SimpleNamespace(StableDataModuleFromConfig=None)

WIDTH, CONTEXT, BIG_G, VAE = 32, 64, 128, 32
SEEDS = {"narrow-sd1": 0, "narrow-sd1-other": 1, "narrow-inpaint": 2, "narrow-sd2": 3,
         "narrow-sdxl": 4, "full-sd1": 5}


class Maker:
    """`encoders` holds what the configurations name by folder; the names of OpenCLIP's too."""

    def __init__(self, webui, out, encoders):
        self.webui, self.out, self.encoders = Path(webui), Path(out), Path(encoders)
        self.repositories = self.webui / "repositories"
        for repository in ("stable-diffusion-stability-ai", "generative-models"):
            sys.path.insert(0, str(self.repositories / repository))
        sys.path.insert(0, str(self.webui))

    # -- text encoders

    def clip(self, name, width, heads, layers=12):
        """A folder with the configuration of a CLIP and the tokenizer; what it would download."""
        from transformers import CLIPConfig, CLIPTextConfig, CLIPVisionConfig

        folder = self.encoders / name
        text = CLIPTextConfig(
            hidden_size=width, intermediate_size=4 * width, projection_dim=width,
            num_hidden_layers=layers, num_attention_heads=heads)
        whole = CLIPConfig.from_text_vision_configs(text, CLIPVisionConfig(), projection_dim=width)
        whole.save_pretrained(folder)
        self._tokenizer(folder)
        return str(folder)

    @staticmethod
    def _tokenizer(folder):
        """CLIP's vocabulary, from the merges that OpenCLIP brings with it."""
        import open_clip.tokenizer as tokenizer

        end, start = "<|endoftext|>", "<|startoftext|>"
        with gzip.open(tokenizer.default_bpe(), "rt", encoding="utf-8") as file:
            merges = file.read().split("\n")[1:49152 - 256 - 2 + 1]
        chars = list(tokenizer.bytes_to_unicode().values())
        words = [*chars, *(c + "</w>" for c in chars), *("".join(m.split()) for m in merges)]
        special = {"bos_token": start, "eos_token": end, "unk_token": end, "pad_token": end}
        texts = {
            "vocab.json": json.dumps({word: i for i, word in enumerate([*words, start, end])}),
            "merges.txt": "\n".join(["#version: 0.2", *merges, ""]),
            "special_tokens_map.json": json.dumps(special),
            "tokenizer_config.json": json.dumps({
                **special, "model_max_length": 77, "do_lower_case": True,
                "add_prefix_space": False, "errors": "replace",
                "tokenizer_class": "CLIPTokenizer"}),
        }
        for name, text in texts.items():
            (folder / name).write_text(text, encoding="utf-8")

    def open_clip(self, name, width, layers):
        """A text encoder that OpenCLIP makes by name, once it was told of the folder."""
        import open_clip

        folder = self.encoders / "open_clip"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{name}.json").write_text(json.dumps({
            "embed_dim": width,
            "vision_cfg": {"image_size": 32, "layers": 1, "width": 64, "head_width": 32,
                           "patch_size": 16},
            "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": width, "heads": 4,
                         "layers": layers}}))
        open_clip.add_model_config(folder)
        return name

    # -- configurations

    def load(self, path):
        from omegaconf import OmegaConf

        return OmegaConf.load(path)

    def sd1(self, name="v1-inference.yaml", *, narrow=True):
        config = self.load(self.webui / "configs" / name)
        params = config.model.params
        params.unet_config.params.use_checkpoint = False
        if narrow:
            params.unet_config.params.model_channels = WIDTH
            params.unet_config.params.num_heads = 4
            params.unet_config.params.context_dim = CONTEXT
            params.first_stage_config.params.ddconfig.ch = VAE
        encoder = self.clip("narrow-clip", CONTEXT, 4) if narrow else self.clip("clip-l", 768, 12)
        params.cond_stage_config.params = {"version": encoder}
        return config

    def sd2(self):
        config = self.load(self.repositories / "stable-diffusion-stability-ai" / "configs"
                           / "stable-diffusion" / "v2-inference.yaml")
        params = config.model.params
        unet = params.unet_config.params
        unet.model_channels, unet.num_head_channels, unet.context_dim = WIDTH, 16, CONTEXT
        unet.use_fp16 = unet.use_checkpoint = False
        params.cond_stage_config.params.arch = self.open_clip("loradex-narrow-h", CONTEXT, 4)
        params.first_stage_config.params.ddconfig.ch = VAE
        return config

    def sdxl(self):
        config = self.load(self.repositories / "generative-models" / "configs" / "inference"
                           / "sd_xl_base.yaml")
        params = config.model.params
        unet = params.network_config.params
        unet.model_channels, unet.num_head_channels, unet.use_checkpoint = WIDTH, 16, False
        unet.context_dim = CONTEXT + BIG_G
        unet.adm_in_channels = BIG_G + 6 * 256  # the pooled text and six sizes
        clip_l, big_g = params.conditioner_config.params.emb_models[:2]
        clip_l.params.version = self.clip("narrow-clip", CONTEXT, 4)
        big_g.params.arch = self.open_clip("loradex-narrow-g", BIG_G, 4)
        params.first_stage_config.params.ddconfig.ch = VAE
        return config

    def config(self, kind):
        makers = {"narrow-sd1": self.sd1, "narrow-sd1-other": self.sd1, "narrow-sd2": self.sd2,
                  "narrow-inpaint": lambda: self.sd1("v1-inpainting-inference.yaml"),
                  "narrow-sdxl": self.sdxl, "full-sd1": lambda: self.sd1(narrow=False)}
        return makers[kind]()

    # -- weights

    def make(self, kind):
        import open_clip
        import torch
        from omegaconf import OmegaConf
        from safetensors.torch import save_file
        from transformers import CLIPTextModel

        config = self.config(kind)
        create = open_clip.create_model_and_transforms
        open_clip.create_model_and_transforms = lambda *a, pretrained=None, **k: create(
            *a, pretrained=None, **k)
        CLIPTextModel.from_pretrained = classmethod(
            lambda cls, folder: cls(cls.config_class.from_pretrained(folder)))
        torch.manual_seed(SEEDS[kind])
        module, _, name = config.model.target.rpartition(".")
        model = getattr(importlib.import_module(module), name)(
            **OmegaConf.to_container(config.model.params))
        state = {k: v for k, v in model.state_dict().items() if not k.startswith("model_ema")}
        enliven(state)
        dtype = torch.float16 if kind.startswith("full") else torch.float32
        kept = {k: (v.to(dtype) if v.is_floating_point() else v).contiguous().clone()
                for k, v in state.items()}
        self.out.mkdir(parents=True, exist_ok=True)
        save_file(kept, self.out / f"{kind}.safetensors", {"format": "pt"})
        OmegaConf.save(config, self.out / f"{kind}.yaml")
        open_clip.create_model_and_transforms = create


def enliven(state):
    """Layers that start at zero would hide every change behind them.

    The text encoder's last norm gets a bias: with none its output has the mean 0, by which the
    WebUI divides for the attention weights.
    """
    for key, value in state.items():
        if value.is_floating_point() and value.ndim > 1 and not value.any():
            value.normal_(0, 0.02)
        if key.endswith(("final_layer_norm.bias", "ln_final.bias")):
            value.normal_(0.1, 0.05)


if __name__ == "__main__":
    maker = Maker(*sys.argv[1:4])
    for wanted in sys.argv[4:]:
        maker.make(wanted)
