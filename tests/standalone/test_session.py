"""Sessions: the same seed gives the same bits, one run at a time, and cancelling leaves nothing."""

from __future__ import annotations

import shutil
import threading
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from loradex.errors import CancelledError, InputError, PromptError  # noqa: E402
from PIL import Image  # noqa: E402

from standalone.session import GenerationRequest, Progress, Session, Settings  # noqa: E402
from tests.standalone.test_cli import make_lora  # noqa: E402

pytestmark = pytest.mark.torch


@pytest.fixture
def session(tmp_path: Path) -> Session:
    make_lora(tmp_path / "loras" / "style.safetensors")
    return Session(Settings(device="cpu", lora_dirs=(tmp_path / "loras",),
                            output_dir=tmp_path / "out"))


@pytest.fixture
def request_of(toy_folder: Path) -> Any:
    def make(prompt: str = "a cat", **changes: Any) -> GenerationRequest:
        options = {"checkpoint": str(toy_folder), "steps": 2, "seed": 3, "width": 16, "height": 16}
        return GenerationRequest(prompt, **{**options, **changes})

    return make


def pixels(result: Any) -> list[bytes]:
    return [image.image.tobytes() for image in result.images]


def test_one_seed_gives_the_same_bits_alone_and_in_a_batch(
    session: Session, request_of: Any
) -> None:
    batch = session.generate(request_of(batch_count=3))
    assert [image.seed for image in batch.images] == [3, 4, 5]
    assert len(set(pixels(batch))) == 3
    for index, seed in enumerate((3, 4, 5)):
        assert pixels(session.generate(request_of(seed=seed)))[0] == pixels(batch)[index]


def test_a_random_seed_is_told_and_makes_the_picture_again(
    session: Session, request_of: Any
) -> None:
    first = session.generate(request_of(seed=-1))
    seed = first.images[0].seed
    assert 0 <= seed < 2**32
    assert pixels(session.generate(request_of(seed=seed))) == pixels(first)


def test_removing_the_tag_gives_the_picture_without_it_bit_for_bit(
    session: Session, request_of: Any
) -> None:
    before = session.generate(request_of("a cat"))
    with_it = session.generate(request_of("a cat<lora:style:50>"))
    off = session.generate(request_of("a cat<lora:style:0>"))
    after = session.generate(request_of("a cat"))
    assert pixels(before) == pixels(after) == pixels(off)
    assert pixels(before) != pixels(with_it)


def test_the_default_size_is_the_checkpoints(session: Session, request_of: Any) -> None:
    result = session.generate(request_of(width=None, height=None))
    assert result.images[0].image.size == (16, 16)  # 8 latents of 2 pixels


def test_other_sizes_than_square_work(session: Session, request_of: Any) -> None:
    result = session.generate(request_of(width=48, height=24))
    assert result.images[0].image.size == (48, 24)


def test_progress_counts_every_step_and_offers_previews(session: Session, request_of: Any) -> None:
    seen: list[Progress] = []
    sizes = []

    def on_progress(progress: Progress) -> None:
        seen.append(progress)
        if progress.preview:
            sizes.append(progress.preview().size)

    session.generate(request_of(batch_count=2), on_progress)
    assert [(p.image, p.step) for p in seen if p.step] == [(1, 1), (1, 2), (2, 1), (2, 2)]
    assert {(p.images, p.steps) for p in seen} == {(2, 2)}
    assert sizes == [(16, 16)] * 4
    assert "Loading" in seen[0].message


def test_second_order_samplers_end_at_the_last_step(session: Session, request_of: Any) -> None:
    steps = []
    session.generate(request_of(sampler="Heun", steps=4), lambda p: steps.append(p.step))
    assert max(steps) == 4
    assert sorted(steps) == steps


def test_cancelling_in_the_middle_keeps_finished_pictures_and_nothing_half(
    session: Session, request_of: Any, tmp_path: Path
) -> None:
    cancelled = threading.Event()

    def stop_in_second(progress: Progress) -> None:
        if progress.image == 2:
            cancelled.set()

    with pytest.raises(CancelledError):
        session.generate(request_of(batch_count=3), stop_in_second, cancelled)
    files = sorted((tmp_path / "out").iterdir())
    assert [file.name for file in files] == ["00001-3.png"]
    Image.open(files[0]).load()
    session.generate(request_of())


def test_a_second_run_waits_and_says_so(session: Session, request_of: Any) -> None:
    started, go_on = threading.Event(), threading.Event()
    told: list[str] = []
    order: list[str] = []

    def hold(progress: Progress) -> None:
        started.set()
        assert go_on.wait(30)

    def first() -> None:
        session.generate(request_of(), hold)
        order.append("first")

    def listen(progress: Progress) -> None:
        told.append(progress.message)
        go_on.set()

    thread = threading.Thread(target=first)
    thread.start()
    assert started.wait(30)
    session.generate(request_of(), listen)
    order.append("second")
    thread.join(30)
    assert told[0] == "Waiting for the running generation to end"
    assert order == ["first", "second"]


def test_a_waiting_run_can_be_cancelled(session: Session, request_of: Any) -> None:
    cancelled = threading.Event()
    cancelled.set()
    with session._lock, pytest.raises(CancelledError):
        session.generate(request_of(), None, cancelled)


def test_another_checkpoint_replaces_the_one_before(
    session: Session, request_of: Any, ldm_folder: Path
) -> None:
    toy = session.generate(request_of("a cat <lora:style:1>"))
    other = str(ldm_folder / "sd1.safetensors")
    large = session.generate(request_of("a cat", checkpoint=other, width=16, height=16))
    assert "Model: sd1" in large.images[0].infotext
    again = session.generate(request_of("a cat <lora:style:1>"))
    assert pixels(again) == pixels(toy)


def test_a_checkpoint_that_fails_leaves_the_session_usable(
    session: Session, request_of: Any, tmp_path: Path
) -> None:
    broken = tmp_path / "broken.safetensors"
    broken.write_bytes(b"x")
    with pytest.raises(Exception, match=r"broken\.safetensors"):
        session.generate(request_of(checkpoint=str(broken)))
    assert len(session.generate(request_of()).images) == 1


def test_a_folder_that_holds_only_fp16_files_loads(
    session: Session, request_of: Any, toy_folder: Path, tmp_path: Path
) -> None:
    half = tmp_path / "half"
    shutil.copytree(toy_folder, half)
    for path in half.glob("*/*.safetensors"):
        path.rename(path.with_name(f"{path.stem}.fp16.safetensors"))
    given = [session.generate(request_of(checkpoint=str(f))) for f in (toy_folder, half)]
    assert pixels(given[0]) == pixels(given[1])


@pytest.mark.parametrize("family", ["sd1", "sd2", "sdxl"])
def test_a_file_and_the_folder_of_one_model_give_the_same_picture(
    family: str, session: Session, request_of: Any, ldm_folder: Path
) -> None:
    made = [
        session.generate(request_of("a (red:1.3) cat", checkpoint=str(ldm_folder / name)))
        for name in (family, f"{family}.safetensors")
    ]
    assert pixels(made[0]) == pixels(made[1])


def test_the_pictures_equal_those_of_diffusers_own_pipeline(
    session: Session, request_of: Any, toy_folder: Path, tmp_path: Path
) -> None:
    """The whole path from prompt to latents against an independent implementation of it."""
    from diffusers import EulerDiscreteScheduler, StableDiffusionPipeline

    from standalone.checkpoint import load_checkpoint
    from tests.standalone.test_samplers import NOISE

    ours = session.generate(request_of("a cat", negative_prompt="a dog", sampler="Euler", steps=4))
    model = load_checkpoint(str(toy_folder), torch.device("cpu"))
    encoder = model.text_encoders[0]
    pipeline = StableDiffusionPipeline(
        model.vae, encoder.model, encoder.tokenizer, model.unet,
        EulerDiscreteScheduler(steps_offset=1, **NOISE),
        None, None, requires_safety_checker=False)
    pipeline.set_progress_bar_config(disable=True)
    theirs = pipeline(
        "a cat", negative_prompt="a dog", num_inference_steps=4, guidance_scale=7.0, width=16,
        height=16, generator=torch.Generator().manual_seed(3), output_type="pt").images[0]
    mine = torch.frombuffer(bytearray(ours.images[0].image.tobytes()), dtype=torch.uint8)
    mine = mine.reshape(16, 16, 3).permute(2, 0, 1) / 255
    assert (mine - theirs).abs().max() <= 1.01 / 255  # the WebUI cuts the fraction of a colour


def test_a_prompt_that_cannot_be_read_stops_before_the_checkpoint_is_looked_for(
    session: Session
) -> None:
    with pytest.raises(PromptError):
        session.generate(GenerationRequest("a <lora:x:y>", checkpoint="/nowhere"))


def test_a_missing_lora_folder_is_refused(request_of: Any, tmp_path: Path) -> None:
    session = Session(Settings(lora_dirs=(tmp_path / "none",), output_dir=tmp_path))
    with pytest.raises(InputError, match="no such folder"):
        session.generate(request_of())


def test_networks_and_checkpoints_are_listed(
    session: Session, tmp_path: Path, toy_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    models = tmp_path / "models" / "Stable-diffusion"
    (models / "sub").mkdir(parents=True)
    (models / "a.safetensors").touch()
    (models / "sub" / "b.ckpt").touch()
    (models / "notes.txt").touch()
    (models / "folder").symlink_to(toy_folder, target_is_directory=True)
    monkeypatch.chdir(tmp_path)
    assert [network.name for network in session.networks()] == ["style"]
    listed = [Path(name).name for name in session.checkpoints()]
    assert listed == ["demo", "a.safetensors", "folder", "b.ckpt"]


def test_the_preview_of_a_large_vae_shows_the_colours_of_the_picture(ldm_folder: Path) -> None:
    from standalone.checkpoint import load_checkpoint
    from standalone.preview import fit_colours

    model = load_checkpoint(str(ldm_folder / "sd1.safetensors"), torch.device("cpu"))
    fit = fit_colours(model)
    assert fit.shape == (5, 3)
    assert torch.isfinite(fit).all()


def test_what_a_prompt_asks_for_in_vain_is_told(session: Session, request_of: Any) -> None:
    result = session.generate(request_of("a cat<hypernet:x:1><lora:style:1:mask=OUTD>"))
    assert any("<hypernet:x:1>" in message for message in result.messages)
    assert any("mask=OUTD has no effect" in message for message in result.messages)
    assert not session.generate(request_of("a cat<lora:style:1>")).messages


def test_loras_are_held_in_the_memory_that_they_were_given(
    session: Session, request_of: Any
) -> None:
    assert (session.memory().budget_bytes, session.release_memory()) == (2048 << 20, 0)
    session.generate(request_of("a cat <lora:style>"))
    held = session.memory()
    assert (held.networks, held.used, held.device) == (1, 1, "cpu")
    assert 0 < held.network_bytes == held.used_bytes
    session.generate(request_of())
    assert session.release_memory() == held.network_bytes + held.live_bytes
    assert session.memory().networks == 0


def test_a_budget_below_nothing_is_refused() -> None:
    with pytest.raises(InputError, match="LoRA cache"):
        Session(Settings(lora_cache_mb=-1))
