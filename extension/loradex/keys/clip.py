"""The table of a CLIP text encoder: transformers' names, and open_clip's for OpenCLIP models."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from loradex.keys.architecture import Architecture, Builder, Region
from loradex.keys.derivation import Derivation
from loradex.keys.targets import Kind, Rows

# transformers >= 5.6 dropped the `text_model.` level of CLIPTextModel (not of
# CLIPTextModelWithProjection); module names here always carry it.
LEVEL = "text_model."

# Defaults of transformers' CLIPTextConfig.
_DEFAULTS: Mapping[str, Any] = {
    "vocab_size": 49408,
    "hidden_size": 512,
    "intermediate_size": 2048,
    "projection_dim": 512,
    "num_hidden_layers": 12,
    "max_position_embeddings": 77,
    "hidden_act": "quick_gelu",
}


def clip_architecture(
    config: Mapping[str, Any],
    with_projection: bool | None = None,
    native: Literal["hf", "open_clip"] | None = None,
) -> Architecture:
    """The table of a CLIP text encoder.

    `with_projection` and `native` are told from the configuration where they are not given: from
    its `architectures`, and from the activation, which is `gelu` in all OpenCLIP encoders.
    """
    full = {**_DEFAULTS, **{k: v for k, v in config.items() if v is not None}}
    if with_projection is None:
        with_projection = "CLIPTextModelWithProjection" in (full.get("architectures") or ())
    if native is None:
        native = "open_clip" if full["hidden_act"] == "gelu" else "hf"
    out = Builder()
    width = int(full["hidden_size"])
    _embeddings(out, full, open_clip=native == "open_clip")
    for index in range(int(full["num_hidden_layers"])):
        if native == "open_clip":
            _open_clip_layer(out, index, width, int(full["intermediate_size"]))
        else:
            _hf_layer(out, index, width, int(full["intermediate_size"]))
    final = LEVEL + "final_layer_norm"
    out.norm(final, "ln_final" if native == "open_clip" else final, width)
    if with_projection:
        place = Region("text_projection", None, "", transposed=True)
        out.linear("text_projection", place if native == "open_clip" else "text_projection",
                   int(full["projection_dim"]), width, bias=False)
    return Architecture(
        id="clip", component="te", leaves=tuple(out.leaves), optional_prefix=LEVEL,
        features={"width": width, "layers": int(full["num_hidden_layers"])},
    )


def _embeddings(out: Builder, config: Mapping[str, Any], *, open_clip: bool) -> None:
    width = int(config["hidden_size"])
    token, position = (LEVEL + f"embeddings.{name}_embedding" for name in ("token", "position"))
    native_position = Region("positional_embedding", None, "") if open_clip else Region(position)
    out.add(Kind.EMBEDDING, (int(config["vocab_size"]), width), token,
            "token_embedding" if open_clip else token, bias=False)
    out.add(Kind.EMBEDDING, (int(config["max_position_embeddings"]), width), position,
            native_position, bias=False)


# The order of registration in transformers (k, v, q, out): numbered files count in it.
_ATTENTION = ("k_proj", "v_proj", "q_proj")
_IN_PROJ = {"q_proj": 0, "k_proj": 1, "v_proj": 2}


def _hf_layer(out: Builder, index: int, width: int, inner: int) -> None:
    layer = f"{LEVEL}encoder.layers.{index}"
    for name in (*_ATTENTION, "out_proj"):
        module = f"{layer}.self_attn.{name}"
        out.linear(module, module, width, width)
    for norm in ("layer_norm1", "layer_norm2"):
        out.norm(f"{layer}.{norm}", f"{layer}.{norm}", width)
    out.linear(f"{layer}.mlp.fc1", f"{layer}.mlp.fc1", inner, width)
    out.linear(f"{layer}.mlp.fc2", f"{layer}.mlp.fc2", width, inner)


def _open_clip_layer(out: Builder, index: int, width: int, inner: int) -> None:
    ours, theirs = f"{LEVEL}encoder.layers.{index}", f"transformer.resblocks.{index}"
    for name in _ATTENTION:
        start = _IN_PROJ[name] * width
        rows = Region(f"{theirs}.attn", Rows(start, start + width), "in_proj_weight")
        out.linear(f"{ours}.self_attn.{name}", rows, width, width)
    out.linear(f"{ours}.self_attn.out_proj", f"{theirs}.attn.out_proj", width, width)
    out.norm(f"{ours}.layer_norm1", f"{theirs}.ln_1", width)
    out.norm(f"{ours}.layer_norm2", f"{theirs}.ln_2", width)
    out.linear(f"{ours}.mlp.fc1", f"{theirs}.mlp.c_fc", inner, width)
    out.linear(f"{ours}.mlp.fc2", f"{theirs}.mlp.c_proj", width, inner)


_OPENINGS = (
    "text_model_", "encoder_", "embeddings_", "final_layer_norm", "text_projection", "transformer_",
    "ln_final", "token_embedding", "positional_embedding",
)

DERIVATIONS = {
    "CLIPTextModel": Derivation(
        lambda config: clip_architecture(config, with_projection=False), _OPENINGS
    ),
    "CLIPTextModelWithProjection": Derivation(
        lambda config: clip_architecture(config, with_projection=True), _OPENINGS
    ),
}
