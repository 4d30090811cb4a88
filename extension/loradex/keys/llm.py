"""The tables of language models that serve as text encoders: Qwen2, Qwen3, Gemma-2, Llama."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from types import MappingProxyType
from typing import Any, NamedTuple

from loradex.keys.architecture import Architecture, Builder
from loradex.keys.derivation import Derivation
from loradex.keys.targets import Kind

# Defaults of the configurations of transformers; the class says what differs.
_DEFAULTS: Mapping[str, Any] = {
    "vocab_size": 151936,
    "hidden_size": 4096,
    "intermediate_size": 22016,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 32,
    "head_dim": None,
    "attention_bias": False,
    "mlp_bias": False,
}
_GEMMA_NORMS = ("pre_feedforward_layernorm", "post_feedforward_layernorm")


class _Make(NamedTuple):
    """What sets one class apart: its defaults, its norms, and where its attention has biases."""

    defaults: Mapping[str, Any] = MappingProxyType({})
    more_norms: tuple[str, ...] = ()
    head_norms: bool = False
    input_bias: bool = False


_MAKES: Mapping[str, _Make] = {
    "Qwen2Model": _Make(input_bias=True),
    "Qwen3Model": _Make({"head_dim": 128}, head_norms=True),
    "Gemma2Model": _Make(
        {"vocab_size": 256000, "hidden_size": 2304, "intermediate_size": 9216,
         "num_hidden_layers": 26, "num_attention_heads": 8, "num_key_value_heads": 4,
         "head_dim": 256},
        more_norms=_GEMMA_NORMS,
    ),
    "LlamaModel": _Make({"vocab_size": 32000, "intermediate_size": 11008}),
}


def llm_architecture(make: _Make, config: Mapping[str, Any]) -> Architecture:
    """The table of a decoder of transformers, without the head over the vocabulary.

    Files are written with and without the level `model.` that it has under such a head: the
    native tree has it.
    """
    full = {**_DEFAULTS, **make.defaults, **{k: v for k, v in config.items() if v is not None}}
    out, width = Builder(), int(full["hidden_size"])
    out.add(Kind.EMBEDDING, (int(full["vocab_size"]), width), "embed_tokens",
            "model.embed_tokens", bias=False)
    for index in range(int(full["num_hidden_layers"])):
        _layer(out, make, full, f"layers.{index}")
    out.norm("norm", "model.norm", width, bias=False)
    return Architecture(
        id="llm", component="te", leaves=tuple(out.leaves),
        features={"width": width, "layers": int(full["num_hidden_layers"])},
    )


def _layer(out: Builder, make: _Make, config: Mapping[str, Any], name: str) -> None:
    width, inner = int(config["hidden_size"]), int(config["intermediate_size"])
    heads = int(config["num_attention_heads"])
    head = int(config["head_dim"] or width // heads)
    rows = {"q": heads * head, "k": int(config["num_key_value_heads"]) * head}
    bias = bool(config["attention_bias"])
    for one in "qkv":
        _linear(out, f"{name}.self_attn.{one}_proj", rows.get(one, rows["k"]), width,
                bias=bias or make.input_bias)
    _linear(out, f"{name}.self_attn.o_proj", width, rows["q"], bias=bias)
    norms = ["input_layernorm", "post_attention_layernorm", *make.more_norms]
    sizes = dict.fromkeys(norms, width)
    if make.head_norms:
        sizes.update({"self_attn.q_norm": head, "self_attn.k_norm": head})
    for norm, size in sizes.items():
        out.norm(f"{name}.{norm}", f"model.{name}.{norm}", size, bias=False)
    for one in ("gate", "up"):
        _linear(out, f"{name}.mlp.{one}_proj", inner, width, bias=bool(config["mlp_bias"]))
    _linear(out, f"{name}.mlp.down_proj", width, inner, bias=bool(config["mlp_bias"]))


def _linear(out: Builder, name: str, rows: int, columns: int, *, bias: bool) -> None:
    out.linear(name, f"model.{name}", rows, columns, bias=bias)


DERIVATIONS = {
    name: Derivation(partial(llm_architecture, make), ("layers_", "embed_tokens", "norm", "model_"))
    for name, make in _MAKES.items()
}
