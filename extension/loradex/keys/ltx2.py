"""The table of an LTX-2 transformer, of picture and sound, in diffusers' and Lightricks' names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from loradex.keys.architecture import Architecture, Builder
from loradex.keys.derivation import Derivation
from loradex.keys.dit import MLP_RATIO, feed_forward, same_linear
from loradex.keys.ltx import attention, caption, modulation

# Defaults of diffusers' LTX2VideoTransformer3DModel.
_DEFAULTS: Mapping[str, Any] = {
    "in_channels": 128,
    "out_channels": 128,
    "num_attention_heads": 32,
    "attention_head_dim": 128,
    "cross_attention_dim": 4096,
    "gated_attn": False,
    "cross_attn_mod": False,
    "audio_in_channels": 128,
    "audio_out_channels": 128,
    "audio_num_attention_heads": 32,
    "audio_attention_head_dim": 64,
    "audio_cross_attention_dim": 2048,
    "audio_gated_attn": False,
    "audio_cross_attn_mod": False,
    "num_layers": 48,
    "caption_channels": 3840,
    "attention_bias": True,
    "attention_out_bias": True,
    "use_prompt_embeddings": True,
    "ff_bias": True,
    "audio_ff_bias": True,
    "use_prompt_adaln_single": True,
}
# Between picture and sound: diffusers' name, theirs, the modulations it gives, whose width it has.
_CROSS = (
    ("av_cross_attn_video_scale_shift", "av_ca_video_scale_shift_adaln_single", 4, ""),
    ("av_cross_attn_audio_scale_shift", "av_ca_audio_scale_shift_adaln_single", 4, "audio_"),
    ("av_cross_attn_video_a2v_gate", "av_ca_a2v_gate_adaln_single", 1, ""),
    ("av_cross_attn_audio_v2a_gate", "av_ca_v2a_gate_adaln_single", 1, "audio_"),
)
_STREAMS = ("", "audio_")


def ltx2_architecture(config: Mapping[str, Any]) -> Architecture:
    """The table of the transformer that diffusers' LTX2VideoTransformer3DModel builds.

    LTX-2.3 gates its attentions and modulates the prompt. The connectors between text encoder
    and transformer are a model of their own and not in here.
    """
    walk = _Walk({**_DEFAULTS, **config})
    walk.embeddings()
    for index in range(walk.depth):
        walk.block(f"transformer_blocks.{index}")
    for stream in _STREAMS:
        channels = walk.config[f"{stream}out_channels"] or walk.config[f"{stream}in_channels"]
        same_linear(walk.out, f"{stream}proj_out", int(channels), walk.width[stream])
    return Architecture(
        id="ltx2", component="denoiser", leaves=tuple(walk.out.leaves),
        features={"width": walk.width[""], "audio width": walk.width["audio_"],
                  "blocks": walk.depth},
    )


class _Walk:
    """Goes through the blocks once; the picture's layers have no prefix, the sound's `audio_`."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        self.config = config
        self.width = {
            stream: int(config[f"{stream}num_attention_heads"])
            * int(config[f"{stream}attention_head_dim"])
            for stream in _STREAMS
        }
        self.depth = int(config["num_layers"])
        self.out = Builder()

    def embeddings(self) -> None:
        config, out = self.config, self.out
        prompts = config["use_prompt_adaln_single"] and (
            config["cross_attn_mod"] or config["audio_cross_attn_mod"])
        for stream in _STREAMS:
            width = self.width[stream]
            out.linear(f"{stream}proj_in", f"{stream}patchify_proj", width,
                       int(config[f"{stream}in_channels"]))
            if config["use_prompt_embeddings"]:
                caption(out, f"{stream}caption_projection", int(config["caption_channels"]), width)
            count = 9 if config[f"{stream}cross_attn_mod"] else 6
            modulation(out, f"{stream}time_embed", f"{stream}adaln_single", count, width)
            if prompts:
                modulation(out, f"{stream}prompt_adaln", f"{stream}prompt_adaln_single", 2, width)
        for ours, theirs, count, stream in _CROSS:
            modulation(out, ours, theirs, count, self.width[stream])

    def block(self, block: str) -> None:
        config = self.config
        for stream in _STREAMS:
            width, text = self.width[stream], int(config[f"{stream}cross_attention_dim"])
            self._attention(f"{block}.{stream}attn1", stream, (width, width, width))
            self._attention(f"{block}.{stream}attn2", stream, (width, width, text))
            ff = f"{block}.{stream}ff"
            feed_forward(self.out, ff, (f"{ff}.net.0.proj", f"{ff}.net.2"), MLP_RATIO * width,
                         width, bias=bool(config[f"{stream}ff_bias"]))
        picture, sound = self.width[""], self.width["audio_"]
        self._attention(f"{block}.audio_to_video_attn", "", (sound, picture, sound))
        self._attention(f"{block}.video_to_audio_attn", "audio_", (sound, sound, picture))

    def _attention(self, name: str, stream: str, sizes: tuple[int, int, int]) -> None:
        """An attention whose query is the stream's; between the two it has the sound's heads."""
        config = self.config
        attention(self.out, name, sizes, bias=bool(config["attention_bias"]),
                  out_bias=bool(config["attention_out_bias"]))
        if config[f"{stream}gated_attn"]:
            heads = "audio_" if "_to_" in name else stream
            same_linear(self.out, f"{name}.to_gate_logits",
                        int(config[f"{heads}num_attention_heads"]), sizes[1])


DERIVATIONS = {
    "LTX2VideoTransformer3DModel": Derivation(
        ltx2_architecture,
        (
            "transformer_blocks_", "proj_in", "audio_proj_in", "caption_projection_",
            "audio_caption_projection_", "time_embed_", "audio_time_embed_", "prompt_adaln_",
            "audio_prompt_adaln_", "av_cross_attn_", "proj_out", "audio_proj_out", "patchify_proj",
            "audio_patchify_proj", "adaln_single_", "audio_adaln_single_", "av_ca_",
        ),
    ),
}
