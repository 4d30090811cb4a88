"""The bundled toy model draws what it is asked for, and its networks do what they promise."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch

import numpy as np  # noqa: E402
from safetensors import safe_open  # noqa: E402
from safetensors.torch import load_file  # noqa: E402

from standalone.demo import DEMO_CHECKPOINT, DEMO_LORAS  # noqa: E402
from standalone.demo.training.captions import WORDS, caption, write_tokenizer  # noqa: E402
from standalone.demo.training.shapes import COLOURS, draw_scene, random_scene  # noqa: E402
from tests.standalone.demo_effects import EFFECTS, measure  # noqa: E402

NETWORKS = sorted(DEMO_LORAS.glob("*.safetensors"))
ALGORITHMS = {
    "golden": "lora_down.weight",
    "stripes": "lora_down.weight",
    "night": "hada_w1_a",
    "outline": "lokr_w1",
    "pastel": "dora_scale",
}
@pytest.fixture(scope="module")
def pipeline() -> Any:
    from diffusers import EulerDiscreteScheduler, StableDiffusionPipeline

    pipe = StableDiffusionPipeline.from_pretrained(str(DEMO_CHECKPOINT), local_files_only=True)
    pipe.scheduler = EulerDiscreteScheduler.from_config(pipe.scheduler.config)
    pipe.set_progress_bar_config(disable=True)
    return pipe


def draw(pipe: Any, prompts: list[str], steps: int = 12, seed: int = 1) -> Any:
    """Pictures [n, 128, 128, 3] in 0..1, the i-th with the seed `seed + i`."""
    generators = [torch.Generator().manual_seed(seed + i) for i in range(len(prompts))]
    return pipe(
        prompts, num_inference_steps=steps, guidance_scale=5.0, generator=generators,
        output_type="np",
    ).images  # fmt: skip


def nearest_colour(pixels: Any) -> str:
    middle = np.median(pixels.reshape(-1, 3), axis=0) * 255
    return min(COLOURS, key=lambda name: float(np.abs(middle - COLOURS[name]).sum()))


def test_the_model_loads_in_full_precision_and_is_small(pipeline: Any) -> None:
    assert {pipeline.unet.dtype, pipeline.vae.dtype, pipeline.text_encoder.dtype} == {torch.float32}
    assert pipeline.safety_checker is None
    assert pipeline.scheduler.config.prediction_type == "v_prediction"
    folder = DEMO_CHECKPOINT.parent
    files = [p for p in folder.rglob("*") if p.is_file() and "__pycache__" not in p.parts]
    assert sum(p.stat().st_size for p in files) <= 12e6
    assert max(p.stat().st_size for p in NETWORKS) < 5e5


def test_shape_and_background_have_the_colours_of_nearly_every_caption(pipeline: Any) -> None:
    """Purple and blue are near each other, so one picture in twelve may miss."""
    rng = random.Random(1)
    shapes = ("circle", "square", "heart", "diamond")
    wanted = [(*rng.sample(list(COLOURS), 2), rng.choice(shapes)) for _ in range(24)]
    texts = [f"a large {colour} {shape} on a {ground} background"
             for colour, ground, shape in wanted]
    pictures = [picture for part in (texts[:12], texts[12:]) for picture in draw(pipeline, part)]
    drawn = [(nearest_colour(p[56:72, 56:72]), nearest_colour(p[:8])) for p in pictures]
    missed = [(want, got) for want, got in zip(wanted, drawn, strict=True) if want[:2] != got]
    assert len(missed) <= 2, missed


def test_a_ring_has_a_hole_and_a_large_shape_is_larger(pipeline: Any) -> None:
    ring = draw(pipeline, ["a large orange ring on a black background"])[0]
    assert nearest_colour(ring[60:68, 60:68]) == "black"
    area = [
        float((np.abs(picture - picture[:8].mean(axis=(0, 1))).max(axis=2) > 0.3).mean())
        for picture in draw(pipeline, [f"a {size} red circle on a white background"
                                       for size in ("small", "large")])
    ]
    assert area[1] > 2 * area[0] > 0.02


def test_two_shapes_stand_side_by_side(pipeline: Any) -> None:
    picture = draw(pipeline, ["a red circle and a blue square on a white background"])[0]
    assert nearest_colour(picture[60:68, 30:40]) == "red"
    assert nearest_colour(picture[60:68, 88:98]) == "blue"


def test_words_that_were_never_taught_do_not_throw_the_colours_off(pipeline: Any) -> None:
    picture = draw(pipeline, ["a large red circle on a blue background, xyzzy, masterpiece"])[0]
    assert nearest_colour(picture[56:72, 56:72]) == "red"
    assert nearest_colour(picture[:8]) == "blue"


def test_every_caption_word_is_one_token(pipeline: Any) -> None:
    for word in WORDS:
        assert len(pipeline.tokenizer(word).input_ids) == 3, word


def test_the_tokenizer_files_are_the_ones_that_the_script_writes(tmp_path: Path) -> None:
    write_tokenizer(tmp_path)
    for made in tmp_path.iterdir():
        assert made.read_bytes() == (DEMO_CHECKPOINT / "tokenizer" / made.name).read_bytes()


def test_pictures_and_captions_depend_on_the_seed_alone() -> None:
    def some(seed: int) -> list[tuple[str, bytes]]:
        rng = random.Random(seed)
        scenes = [random_scene(rng) for _ in range(5)]
        return [(caption(scene), draw_scene(scene).tobytes()) for scene in scenes]

    assert some(1) == some(1)
    assert some(1) != some(2)


def split_key(key: str) -> tuple[str, str]:
    module, _, part = key.partition(".")
    return module, part


def module_paths(pipe: Any) -> dict[str, Any]:
    """kohya's flat name -> module; the level `text_model` is there in some versions only."""
    found = {}
    for prefix, root in (("unet", pipe.unet), ("te_text_model", pipe.text_encoder)):
        for name, module in root.named_modules():
            flat = name.removeprefix("text_model.").replace(".", "_")
            found[f"lora_{prefix}_{flat}"] = module
    return found


def test_there_is_a_network_of_each_kind() -> None:
    assert {path.stem for path in NETWORKS} == set(ALGORITHMS) == set(EFFECTS)
    for path in NETWORKS:
        parts = {split_key(key)[1] for key in load_file(path)}
        assert ALGORITHMS[path.stem] in parts
        assert "alpha" in parts


@pytest.mark.parametrize("path", NETWORKS, ids=lambda path: path.stem)
def test_a_network_names_modules_of_the_model_and_tells_how_it_was_made(
    path: Path, pipeline: Any
) -> None:
    known = module_paths(pipeline)
    assert {split_key(key)[0] for key in load_file(path)} <= set(known)
    with safe_open(path, "pt") as file:
        metadata = file.metadata()
    assert metadata["ss_base_model_version"] == "loradex_demo"
    assert metadata["ss_network_module"] in ("networks.lora", "lycoris.kohya")
    counts = json.loads(metadata["ss_tag_frequency"])["loradex_demo"]
    assert counts[metadata["modelspec.trigger_phrase"]] > 0


def changed_weight(parts: dict[str, Any], weight: Any) -> Any:
    """The weight at strength 1 in double precision, by the published formulas."""
    p = {name: value.double() for name, value in parts.items()}
    base = weight.double()
    if "hada_w1_a" in p:
        delta = (p["hada_w1_a"] @ p["hada_w1_b"]) * (p["hada_w2_a"] @ p["hada_w2_b"])
        rank = p["hada_w1_b"].shape[0]
    elif "lokr_w1" in p:
        rank = p["lokr_w2_b"].shape[0]
        small = p["lokr_w2_a"] @ p["lokr_w2_b"]
        kernel = base.shape[2:]
        small = small.reshape(len(small), base.shape[1] // p["lokr_w1"].shape[1], *kernel)
        delta = torch.kron(p["lokr_w1"].reshape(*p["lokr_w1"].shape, *[1] * len(kernel)), small)
    else:
        rank = p["lora_down.weight"].shape[0]
        delta = p["lora_up.weight"].flatten(1) @ p["lora_down.weight"].flatten(1)
    changed = base + delta.reshape(base.shape) * (p["alpha"] / rank)
    if "dora_scale" in p:
        length = changed.flatten(1).norm(dim=1).reshape(p["dora_scale"].shape)
        changed = p["dora_scale"] * changed / length
    return changed


@contextmanager
def merged(pipe: Any, path: Path, strength: float) -> Iterator[None]:
    """The network merged into the pipeline's weights, and taken out again."""
    groups: dict[str, dict[str, Any]] = {}
    for key, value in load_file(path).items():
        module, part = split_key(key)
        groups.setdefault(module, {})[part] = value
    known, kept = module_paths(pipe), {}
    with torch.no_grad():
        for name, parts in groups.items():
            weight = known[name].weight
            kept[name] = weight.clone()
            change = changed_weight(parts, weight) - weight.double()
            weight.copy_((weight.double() + strength * change).float())
        yield
        for name, weight in kept.items():
            known[name].weight.copy_(weight)


def effect_at(pipe: Any, path: Path, strength: float) -> float:
    with merged(pipe, path, strength):
        pictures = draw(pipe, [EFFECTS[path.stem].prompt] * 2)
    return float(np.mean([measure(path.stem, picture) for picture in pictures]))


@pytest.mark.parametrize("path", NETWORKS, ids=lambda path: path.stem)
def test_the_effect_of_a_network_grows_with_its_strength(path: Path, pipeline: Any) -> None:
    between = EFFECTS[path.stem].between
    none, some, full = (effect_at(pipeline, path, strength) for strength in (0.0, between, 1.0))
    assert none < some < full, (none, some, full)
