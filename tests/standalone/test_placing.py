"""Parts of a checkpoint that take turns on the device draw what they draw side by side."""

from __future__ import annotations

from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("diffusers")

from loradex.networks import residency  # noqa: E402

from standalone.checkpoint import load_checkpoint  # noqa: E402
from standalone.generate import decode_latents  # noqa: E402
from standalone.model import LoadedModel  # noqa: E402
from standalone.placing import LEAST_WORKING_BYTES, placed  # noqa: E402
from standalone.records import DEMO, GenerationRequest, Settings  # noqa: E402
from standalone.session import Session  # noqa: E402

pytestmark = pytest.mark.torch

CPU = torch.device("cpu")
REQUEST = GenerationRequest("a red circle <lora:golden:1>", steps=3, seed=7)


@pytest.fixture(scope="module")
def model() -> LoadedModel:
    return load_checkpoint(DEMO, CPU)


def weights(model: LoadedModel) -> int:
    parts = [model.unet, model.vae, *(one.model for one in model.text_encoders)]
    return sum(p.numel() * p.element_size() for part in parts for p in part.parameters())


def test_a_card_with_room_for_all_parts_keeps_them(
    model: LoadedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = weights(model) + LEAST_WORKING_BYTES
    monkeypatch.setattr(residency, "free_bytes", lambda _: room)
    assert not placed(model, "auto").take_turns
    assert placed(model, "on").take_turns


def test_a_card_that_is_short_has_them_take_turns_and_it_is_said(
    model: LoadedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = weights(model) + LEAST_WORKING_BYTES - 1
    monkeypatch.setattr(residency, "free_bytes", lambda _: room)
    found = placed(model, "auto")
    assert found.take_turns
    assert "take turns" in found.notes[-1]
    assert "--offload off" in found.notes[-1]
    assert not placed(model, "off").take_turns


def test_the_cpu_never_has_them_take_turns(model: LoadedModel) -> None:
    assert not placed(model, "auto").take_turns


def test_the_picture_is_the_same(tmp_path: Path) -> None:
    pictures = []
    for offload in ("on", "off"):
        session = Session(Settings("cpu", output_dir=tmp_path / offload, offload=offload))
        pictures.append(session.generate(REQUEST).images[0].image.tobytes())
        session.close()
    assert pictures[0] == pictures[1]


def test_a_picture_that_has_no_room_whole_is_decoded_in_tiles(
    monkeypatch: pytest.MonkeyPatch
) -> None:
    model = load_checkpoint(DEMO, CPU)
    latents = torch.randn(1, model.vae.config.latent_channels, 24, 24)
    whole = decode_latents(model, latents)
    monkeypatch.setattr("standalone.generate.TILE", 32)
    decode, asked = model.vae.decoder.forward, []

    def forward(sample: torch.Tensor) -> torch.Tensor:
        asked.append(sample.shape[-1])
        if sample.shape[-1] > 8:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory")
        return decode(sample)

    monkeypatch.setattr(model.vae.decoder, "forward", forward)
    tiled = decode_latents(model, latents)
    assert tiled.size == whole.size
    assert len(asked) > 2
    assert model.take_turns
    assert "decoded in tiles of 32 pixels" in model.notes[-1]


def test_a_tile_without_room_is_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    model = load_checkpoint(DEMO, CPU)

    def refuse(_: torch.Tensor) -> None:
        raise torch.cuda.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(model.vae.decoder, "forward", refuse)
    latents = torch.randn(1, model.vae.config.latent_channels, 8, 8)
    for _ in range(2):
        with pytest.raises(torch.cuda.OutOfMemoryError):
            decode_latents(model, latents)
    assert len(model.notes) == 1
