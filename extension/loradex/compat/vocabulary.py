"""What people and trainers call base models: Civitai's list, file names, hashes of known files."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple


class Base(NamedTuple):
    """A base model: the family's id and, where the words say so, the variant."""

    family: str
    variant: str = ""


_CIVITAI: Mapping[str, Base] = {
    "sd 1.4": Base("sd1"), "sd 1.5": Base("sd1"), "sd 1.5 lcm": Base("sd1", "lcm"),
    "sd 1.5 hyper": Base("sd1", "hyper"),
    "sd 2.0": Base("sd2", "512"), "sd 2.0 768": Base("sd2", "768-v"),
    "sd 2.1": Base("sd2"), "sd 2.1 768": Base("sd2", "768-v"),
    "sd 2.1 unclip": Base("sd2", "unclip"),
    "sdxl 0.9": Base("sdxl"), "sdxl 1.0": Base("sdxl"), "sdxl 1.0 lcm": Base("sdxl", "lcm"),
    "sdxl lightning": Base("sdxl", "lightning"), "sdxl hyper": Base("sdxl", "hyper"),
    "sdxl turbo": Base("sdxl", "turbo"), "sdxl distilled": Base("sdxl", "distilled"),
    "pony": Base("sdxl", "pony"), "illustrious": Base("sdxl", "illustrious"),
    "noobai": Base("sdxl", "noobai"), "pony v7": Base("auraflow", "pony-v7"),
    "playground v2": Base("sdxl", "playground"), "stable cascade": Base("stable-cascade"),
    "sd 3": Base("sd3-medium"), "sd 3.5": Base("sd3.5-large"),
    "sd 3.5 medium": Base("sd3.5-medium"), "sd 3.5 large": Base("sd3.5-large"),
    "sd 3.5 large turbo": Base("sd3.5-large", "turbo"),
    "flux.1 s": Base("flux1", "schnell"), "flux.1 d": Base("flux1", "dev"),
    "flux.1 krea": Base("flux1", "krea"), "flux.1 kontext": Base("flux1", "kontext"),
    "flux.1 fill": Base("flux1", "fill"),
    "flux.2 d": Base("flux2", "dev"),
    "flux.2 klein 9b": Base("flux2", "klein-9b"),
    "flux.2 klein 9b-base": Base("flux2", "klein-9b"),
    "flux.2 klein 4b": Base("flux2", "klein-4b"),
    "flux.2 klein 4b-base": Base("flux2", "klein-4b"),
    "chroma": Base("chroma"), "auraflow": Base("auraflow"), "kolors": Base("kolors"),
    "pixart a": Base("pixart", "alpha"), "pixart α": Base("pixart", "alpha"),
    "pixart e": Base("pixart", "sigma"), "pixart σ": Base("pixart", "sigma"),
    "hunyuan 1": Base("hunyuandit"),
    "hunyuan video": Base("hunyuan-video"), "lumina": Base("lumina2"),
    "hidream": Base("hidream"), "qwen": Base("qwen-image"), "qwen 2": Base("qwen-image"),
    "zimageturbo": Base("z-image", "turbo"), "zimagebase": Base("z-image", "base"),
    "anima": Base("anima"), "krea 2": Base("krea2"), "mochi": Base("mochi"),
    "cogvideox": Base("cogvideox"), "ltxv": Base("ltx"), "ltxv2": Base("ltx2", "2.0"),
    "ltxv 2.3": Base("ltx2", "2.3"), "svd": Base("svd"), "svd xt": Base("svd"),
    "wan video": Base("wan"), "wan video 1.3b t2v": Base("wan", "2.1-t2v-1.3b"),
    "wan video 14b t2v": Base("wan", "2.1-t2v-14b"),
    "wan video 14b i2v 480p": Base("wan", "2.1-i2v-14b"),
    "wan video 14b i2v 720p": Base("wan", "2.1-i2v-14b"),
    "wan video 2.2 ti2v-5b": Base("wan", "2.2-ti2v-5b"),
    "wan video 2.2 i2v-a14b": Base("wan", "2.2-i2v-a14b"),
    "wan video 2.2 t2v-a14b": Base("wan", "2.2-t2v-a14b"),
    "wan video 2.5 t2v": Base("wan"), "wan video 2.5 i2v": Base("wan"),
}
"""Civitai's `baseModel` (its list of marketing names, not of architectures)."""


def civitai_base(value: str) -> Base | None:
    """What Civitai's word for a base model means here, or None."""
    return _CIVITAI.get(" ".join(value.lower().split()))


_EDITIONS: tuple[tuple[str, str], ...] = (
    ("sd_v2_v", "768-v"), ("stable-diffusion-v2-768-v", "768-v"),
    ("stable-diffusion-v2-512", "512"), ("flux-1-schnell", "schnell"),
    ("flux.1-schnell", "schnell"), ("flux-1-dev", "dev"), ("flux.1-dev", "dev"),
    ("flux.1-kontext", "kontext"), ("flux_kontext", "kontext"), ("flux.1-fill", "fill"),
)


def edition_of_word(value: str) -> str:
    """The edition that a trainer's word for a base model speaks of, or ''."""
    text = value.lower()
    return next((edition for word, edition in _EDITIONS if text.startswith(word)), "")


_NAMES: tuple[tuple[re.Pattern[str], Base], ...] = tuple(
    (re.compile(pattern), base) for pattern, base in (
        # Sub-families first: their names often carry the family's own name too.
        (r"noob", Base("sdxl", "noobai")),
        (r"illustrious|(?<![a-z])ilxl(?![a-z])", Base("sdxl", "illustrious")),
        (r"pony(?:diffusion)?[-_ .]?v?7", Base("auraflow", "pony-v7")),
        (r"pony", Base("sdxl", "pony")),
        (r"ssd[-_ ]?1b", Base("ssd-1b")),
        (r"(?:xl|xl[-_ ]v?1[-_ .]0)?[-_ ]?refiner", Base("sdxl-refiner")),
        (r"flux[-_ .]?2.*klein.*9b", Base("flux2", "klein-9b")),
        (r"flux[-_ .]?2.*klein.*4b", Base("flux2", "klein-4b")),
        (r"flux[-_ .]?2", Base("flux2")),
        (r"flux.*schnell", Base("flux1", "schnell")),
        (r"flux.*kontext", Base("flux1", "kontext")),
        (r"flux", Base("flux1")),
        (r"chroma(?![a-z])", Base("chroma")),
        (r"sd[-_ ]?3\.5[-_ ]?m", Base("sd3.5-medium")),
        (r"sd[-_ ]?3\.5[-_ ]?l", Base("sd3.5-large")),
        (r"sd[-_ ]?3[-_ ]?m", Base("sd3-medium")),
        (r"qwen[-_ ]?image", Base("qwen-image")), (r"z[-_ ]?image", Base("z-image")),
        (r"kolors", Base("kolors")), (r"framepack", Base("framepack")),
        (r"hunyuan[-_ ]?video", Base("hunyuan-video")), (r"(?<![a-z])wan[-_ ]?2", Base("wan")),
        (r"sd[-_ ]?xl|(?<![a-z])xl(?![a-z])", Base("sdxl")),
        (r"768[-_]?v|v2-1_768", Base("sd2", "768-v")),
        (r"(?<![a-z0-9])v2-[01]|sd[-_ ]?v?2(?:[-_. ]?[01])?(?![0-9])", Base("sd2")),
        (r"(?<![a-z0-9])v1-[45]|sd[-_ ]?v?1[-_. ]?[45]|(?<![a-z])sd15(?![0-9])|animefull|nai-",
         Base("sd1")),
    )
)


def base_of_name(name: str) -> Base | None:
    """What the name of a file, or of a checkpoint, hints at; the weakest of all words."""
    text = name.lower()
    return next((base for pattern, base in _NAMES if pattern.search(text)), None)


_SPEED = re.compile(
    r"(?<![a-z])(lcm|turbo|lightning|hyper|dmd2?|pcm|tcd|schnell)(?:[-_ ]?(?:lora|sd|\d)|(?![a-z]))"
)


def speed_of_name(name: str) -> str:
    """The distillation that a name speaks of (`lcm`, `lightning` ...), or ''."""
    found = _SPEED.search(name.lower())
    return found[1] if found else ""


_HASHES: Mapping[str, tuple[str, Base]] = {
    # SHA-256 of the files as their publishers give them (Hugging Face's LFS pointers, Civitai).
    "6ce0161689b3853acaa03779ec93eafe75a02f4ced659bee03f50797806fa2fa": (
        "v1-5-pruned-emaonly.safetensors", Base("sd1")),
    "31e35c80fc4829d14f90153f4c74cd59c90b779f6afe05a74cd6120b893f7e5b": (
        "sd_xl_base_1.0.safetensors", Base("sdxl")),
    "67ab2fd8ec439a89b3fedb15cc65f54336af163c7eb5e4f2acc98f090a29b0b3": (
        "ponyDiffusionV6XL_v6StartWithThisOne.safetensors", Base("sdxl", "pony")),
    "6681e8e4b134c81f16533acedb0d406d7e5e366e1624b4105178c64d00b05d51": (
        "NoobAI-XL-v1.1.safetensors", Base("sdxl", "noobai")),
    "c2a1a3eaa13d4c107dc7e00c3fe830cab427aa026362740ea094745b3422a331": (
        "Illustrious-XL-v2.0.safetensors", Base("sdxl", "illustrious")),
}
"""Hash of a known base to its file name and what it is; only those with a certain source."""


def known_base(value: str) -> tuple[str, Base] | None:
    """The known file of that SHA-256 (64 digits: the short hashes of old tools collide)."""
    return _HASHES.get(value.strip().lower().removeprefix("0x"))
