"""The tables of a Cosmos-Predict2 transformer and of Anima, which puts an adapter before it."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import Any

from loradex.keys.architecture import Architecture, Builder
from loradex.keys.derivation import Derivation
from loradex.keys.targets import Kind

# Defaults of diffusers' CosmosTransformer3DModel; the last is ours.
_DEFAULTS: Mapping[str, Any] = {
    "in_channels": 16,
    "out_channels": 16,
    "num_attention_heads": 32,
    "attention_head_dim": 128,
    "num_layers": 28,
    "mlp_ratio": 4.0,
    "text_embed_dim": 1024,
    "adaln_lora_dim": 256,
    "patch_size": (1, 2, 2),
    "concat_padding_mask": True,
    "use_crossattn_projection": False,
    "crossattn_proj_in_channels": 1024,
    "encoder_hidden_states_channels": 1024,
    "llm_adapter": None,
}
# Defaults of diffusers' AnimaTextConditioner.
_ADAPTER: Mapping[str, Any] = {
    "source_dim": 1024,
    "target_dim": 1024,
    "model_dim": 1024,
    "num_layers": 6,
    "num_attention_heads": 16,
    "mlp_ratio": 4.0,
    "target_vocab_size": 32128,
    "use_self_attention": True,
    "use_layer_norm": False,
}
_ATTENTION = (("to_q", "q_proj"), ("to_k", "k_proj"), ("to_v", "v_proj"),
              ("to_out.0", "output_proj"))


def cosmos_architecture(config: Mapping[str, Any]) -> Architecture:
    """The table of the transformer that diffusers' CosmosTransformer3DModel builds.

    The native names are those of Cosmos 2. With `llm_adapter`, the configuration of Anima's
    adapter, that is in the table too: its native tree keeps it inside the transformer. The models
    that take images as a second context (Cosmos 2.5 Transfer) are not known here.
    """
    full = {**_DEFAULTS, **config}
    walk = _Walk(full)
    walk.embeddings()
    for index in range(int(full["num_layers"])):
        walk.block(f"transformer_blocks.{index}", f"blocks.{index}")
    walk.final()
    if full["llm_adapter"] is not None:
        _adapter(walk.out, full["llm_adapter"], "llm_adapter.")
    return Architecture(
        id="cosmos", component="denoiser", leaves=tuple(walk.out.leaves),
        features={"width": walk.width, "blocks": int(full["num_layers"])},
    )


class _Walk:
    """Goes through the blocks once and names every weight in both trees; no linear has a bias."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        self.config = config
        self.head = int(config["attention_head_dim"])
        self.width = int(config["num_attention_heads"]) * self.head
        self.patch = prod(int(side) for side in config["patch_size"])
        self.out = Builder()

    def linear(self, ours: str, theirs: str, rows: int, columns: int) -> None:
        self.out.linear(ours, theirs, rows, columns, bias=False)

    def embeddings(self) -> None:
        width, config = self.width, self.config
        channels = int(config["in_channels"]) + bool(config["concat_padding_mask"])
        self.linear("patch_embed.proj", "x_embedder.proj.1", width, channels * self.patch)
        self.linear("time_embed.t_embedder.linear_1", "t_embedder.1.linear_1", width, width)
        self.linear("time_embed.t_embedder.linear_2", "t_embedder.1.linear_2", 3 * width, width)
        self.out.norm("time_embed.norm", "t_embedding_norm", width, bias=False)
        if config["use_crossattn_projection"]:
            self.out.linear("crossattn_proj.0", "crossattn_proj.0",
                            int(config["encoder_hidden_states_channels"]),
                            int(config["crossattn_proj_in_channels"]))

    def block(self, ours: str, theirs: str) -> None:
        text, inner = int(self.config["text_embed_dim"]), int(self.width * self._mlp_ratio)
        for number, name in ((1, "self_attn"), (2, "cross_attn"), (3, "mlp")):
            self._modulation(f"{ours}.norm{number}", f"{theirs}.adaln_modulation_{name}", 3)
        self._attention(f"{ours}.attn1", f"{theirs}.self_attn", self.width)
        self._attention(f"{ours}.attn2", f"{theirs}.cross_attn", text)
        self.linear(f"{ours}.ff.net.0.proj", f"{theirs}.mlp.layer1", inner, self.width)
        self.linear(f"{ours}.ff.net.2", f"{theirs}.mlp.layer2", self.width, inner)

    @property
    def _mlp_ratio(self) -> float:
        return float(self.config["mlp_ratio"])

    def _modulation(self, ours: str, theirs: str, parts: int) -> None:
        """Two linears through a narrow middle: [narrow, width] and [parts * width, narrow]."""
        narrow = int(self.config["adaln_lora_dim"])
        self.linear(f"{ours}.linear_1", f"{theirs}.1", narrow, self.width)
        self.linear(f"{ours}.linear_2", f"{theirs}.2", parts * self.width, narrow)

    def _attention(self, ours: str, theirs: str, context: int) -> None:
        for name, place in _ATTENTION:
            inp = context if name in ("to_k", "to_v") else self.width
            self.linear(f"{ours}.{name}", f"{theirs}.{place}", self.width, inp)
        for one in "qk":
            self.out.norm(f"{ours}.norm_{one}", f"{theirs}.{one}_norm", self.head, bias=False)

    def final(self) -> None:
        self._modulation("norm_out", "final_layer.adaln_modulation", 2)
        self.linear("proj_out", "final_layer.linear",
                    self.patch * int(self.config["out_channels"]), self.width)


def anima_text_conditioner(config: Mapping[str, Any]) -> Architecture:
    """The table of diffusers' AnimaTextConditioner, which the native tree calls `llm_adapter`."""
    out = Builder()
    _adapter(out, config)
    return Architecture(
        id="anima-text-conditioner", component="denoiser", leaves=tuple(out.leaves),
        features={"width": int({**_ADAPTER, **config}["model_dim"])},
    )


def _adapter(out: Builder, config: Mapping[str, Any], level: str = "") -> None:
    """A small transformer over the text; `level` is what its diffusers names begin with."""
    full = {**_ADAPTER, **config}
    width, target = int(full["model_dim"]), int(full["target_dim"])
    native = "llm_adapter."
    out.add(Kind.EMBEDDING, (int(full["target_vocab_size"]), target), f"{level}embed",
            f"{native}embed", bias=False)
    if width != target:
        out.linear(f"{level}in_proj", f"{native}in_proj", width, target)
    for index in range(int(full["num_layers"])):
        _adapter_block(out, full, f"{level}blocks.{index}", f"{native}blocks.{index}")
    out.linear(f"{level}out_proj", f"{native}out_proj", target, width)
    out.norm(f"{level}norm", f"{native}norm", target, bias=False)


def _adapter_block(out: Builder, config: Mapping[str, Any], ours: str, theirs: str) -> None:
    width, layer_norm = int(config["model_dim"]), bool(config["use_layer_norm"])
    attentions = [("cross_attn", int(config["source_dim"]))]
    if config["use_self_attention"]:
        attentions.insert(0, ("self_attn", width))
    head = width // int(config["num_attention_heads"])
    for name, context in attentions:
        out.norm(f"{ours}.norm_{name}", f"{theirs}.norm_{name}", width, bias=layer_norm)
        for one, inp in (("q", width), ("k", context), ("v", context), ("o", width)):
            place = f"{name}.{one}_proj"
            out.linear(f"{ours}.{place}", f"{theirs}.{place}", width, inp, bias=False)
        for one in "qk":
            place = f"{name}.{one}_norm"
            out.norm(f"{ours}.{place}", f"{theirs}.{place}", head, bias=False)
    out.norm(f"{ours}.norm_mlp", f"{theirs}.norm_mlp", width, bias=layer_norm)
    inner = int(width * float(config["mlp_ratio"]))
    out.linear(f"{ours}.mlp.0", f"{theirs}.mlp.0", inner, width)
    out.linear(f"{ours}.mlp.2", f"{theirs}.mlp.2", width, inner)


DERIVATIONS = {
    "CosmosTransformer3DModel": Derivation(
        cosmos_architecture,
        (
            "patch_embed_", "time_embed_", "transformer_blocks_", "crossattn_proj_", "norm_out_",
            "proj_out", "blocks_", "x_embedder_proj_1", "t_embedder_1_", "t_embedding_norm",
            "final_layer_", "llm_adapter_",
        ),
    ),
    "AnimaTextConditioner": Derivation(
        anima_text_conditioner,
        ("blocks_", "embed", "in_proj", "out_proj", "norm", "llm_adapter_"),
    ),
}
