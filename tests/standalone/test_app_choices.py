"""What the form offers before anything is loaded."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import pytest

from standalone.records import DEMO, Settings
from standalone.session import Session
from standalone.ui import choices

PAIR = ("lora_unet_x.lora_up.weight", "lora_unet_x.lora_down.weight")


def safetensors(path: Path, *names: str, **metadata: str) -> Path:
    tensors: dict[str, object] = {
        name: {"dtype": "F16", "shape": [1, 1], "data_offsets": [2 * place, 2 * place + 2]}
        for place, name in enumerate(names)
    }
    tensors["__metadata__"] = {key.replace("__", "."): value for key, value in metadata.items()}
    header = json.dumps(tensors).encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(struct.pack("<Q", len(header)) + header + bytes(2 * len(names)))
    return path


def test_networks_have_the_shortest_name_that_is_theirs_alone(tmp_path: Path) -> None:
    for name in ("ink", "a/gold", "b/gold", "Zebra"):
        safetensors(tmp_path / f"{name}.safetensors", *PAIR)
    session = Session(Settings(lora_dirs=(tmp_path,)))
    assert choices.network_choices(session, DEMO) == ["a/gold", "b/gold", "ink", "Zebra"]
    assert choices.starting_prompts(session, DEMO)[-1].startswith("<lora:a/gold:1> a ")
    assert choices.starting_prompts(session, "other") == []


def test_a_network_says_what_it_is_or_what_is_wrong_with_it(tmp_path: Path) -> None:
    said = {"modelspec__title": "Neon lines", "modelspec__trigger_phrase": "neon"}
    safetensors(tmp_path / "neon.safetensors", *PAIR, **said)
    safetensors(tmp_path / "plain.safetensors", *PAIR)
    (tmp_path / "a broken one.safetensors").write_bytes(b"")
    (tmp_path / "page.safetensors").write_text("<!DOCTYPE html><html>not found</html>")
    (tmp_path / "old.pt").write_bytes(b"\x80\x02.")
    session = Session(Settings(lora_dirs=(tmp_path,)))
    told = {n: choices.about_network(session, DEMO, n) for n in ("neon", "plain", "page", "old")}
    assert told["neon"] == "Neon lines · lora, rank 1 · trigger words: neon"
    assert told["plain"] == "plain · lora, rank 1"
    assert told["page"].startswith("page.safetensors: It is a web page")
    assert told["old"].startswith("old.pt: The pickle file is damaged")
    example = choices.starting_prompts(session, DEMO)[-1]
    assert example.startswith("<lora:neon:1> ")
    assert example.endswith(", neon")
    assert "no network of that name" in choices.about_network(session, DEMO, "gone")
    assert "models/Lora" in choices.about_network(session, DEMO, None)


def test_checkpoints_that_are_at_hand_are_offered(tmp_path: Path) -> None:
    safetensors(tmp_path / "sub" / "real.safetensors", "x")
    session = Session(Settings(checkpoint_dirs=(tmp_path,)))
    labels = {value: label for label, value in choices.checkpoint_choices(session)}
    assert labels[str(tmp_path / "sub" / "real.safetensors")] == "real.safetensors"
    assert DEMO in labels


def test_the_size_follows_the_checkpoint(tmp_path: Path) -> None:
    sdxl = safetensors(tmp_path / "a.safetensors", "conditioner.embedders.1.model.ln_final.weight")
    sd15 = safetensors(tmp_path / "b.safetensors", "cond_stage_model.transformer.x")
    broken = tmp_path / "c.safetensors"
    broken.write_bytes(b"<html>")
    folder = tmp_path / "folder"
    for part, config in (("unet", {"sample_size": 96}), ("vae", {"block_out_channels": [1] * 4})):
        (folder / part).mkdir(parents=True)
        (folder / part / "config.json").write_text(json.dumps(config))
    sides = [choices.usual_side(str(path)) for path in (sdxl, sd15, broken, folder, tmp_path)]
    assert sides == [1024, 512, 512, 768, 512]
    assert choices.usual_side("stabilityai/sdxl-turbo") == 1024
    assert choices.usual_side("no/such-model") == 512


@pytest.mark.parametrize("sampler", ["Euler a", "DDIM", "DPM++ 2M"])
def test_schedules_begin_with_automatic(sampler: str) -> None:
    assert choices.schedule_choices(sampler)[0] == "Automatic"
