"""Networks that are written when a small card gets the weights: the same pictures, the same words.

The fake WebUI moves weights within main memory, so each layer is written just before its own call.
"""

from __future__ import annotations

from pathlib import Path

import pytest

for needed in ("torch", "fastapi", "httpx"):
    pytest.importorskip(needed)

import torch  # noqa: E402
from loradex.networks import native  # noqa: E402
from loradex.networks.merge import Merger  # noqa: E402

from tests.webui.fakehost import FakeWebUI, Result, write_lora  # noqa: E402
from tests.webui.installed import applied, session, webui_with_loradex  # noqa: E402

pytestmark = pytest.mark.torch

CURVE = "dog <lora:a:0@0,1@0.5>"
PROMPTS = ("cat", "cat <lora:a:1>", "dog <lora:a:1>", CURVE, "dog <lora:a:0.5>", "dog")
HIRES = {"enable_hr": True, "hr_prompt": "dog <lora:a:0.3>"}


def compute_on_a_card(monkeypatch: pytest.MonkeyPatch) -> None:
    """The WebUI computes on a card, as far as the engine is told."""
    bind = native.bind_native
    monkeypatch.setattr(native, "bind_native", lambda *parts: bind(*parts[:3], "cuda"))


@pytest.fixture
def card(monkeypatch: pytest.MonkeyPatch) -> None:
    compute_on_a_card(monkeypatch)


def installed(base: Path, family: str, flag: str, **fields) -> FakeWebUI:
    webui = webui_with_loradex(
        base, checkpoints={"x": (family, 1)}, flags=[flag], **fields)
    write_lora(webui.lora_dir / "a.safetensors", family)
    return webui


def drawn(webui: FakeWebUI) -> list[bytes]:
    found = [webui.txt2img(prompt).picture for prompt in PROMPTS]
    return [*found, webui.txt2img("cat <lora:a:1>", **HIRES).picture]


@pytest.mark.parametrize(("family", "flag"), [
    ("sd1", "lowvram"), ("sd2", "medvram"), ("sdxl", "lowvram")])
def test_weights_that_are_waited_for_give_the_same_pictures(
    tmp_path: Path, family: str, flag: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with installed(tmp_path / "plain", family, flag) as webui:
        expected = drawn(webui)
    compute_on_a_card(monkeypatch)
    with installed(tmp_path / "waiting", family, flag) as webui:
        before = webui.weights()
        assert drawn(webui) == expected
        webui.txt2img("dog")
        after = webui.weights()
        assert all(torch.equal(after[name], before[name]) for name in before)


def work_of(webui: FakeWebUI):
    return session(webui).applier.manager._patcher.work


@pytest.mark.usefixtures("card")
def test_nothing_is_written_while_the_tags_are_read(tmp_path: Path) -> None:
    with installed(tmp_path, "sd1", "medvram") as webui:
        webui.txt2img("cat <lora:a:1>")
        work = work_of(webui)
        assert work.slots_waiting == work.slots_rebuilt > 0


def failing(_: Merger, *rest: object) -> None:
    raise MemoryError("CUDA out of memory")


@pytest.mark.usefixtures("card")
def test_a_card_without_memory_for_them_draws_without_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with installed(tmp_path, "sd1", "medvram") as webui:
        plain = webui.txt2img("cat").picture
        with monkeypatch.context() as broken:
            broken.setattr(Merger, "weight", failing)
            made = webui.txt2img("cat <lora:a:1>")
        assert made.picture == plain
        assert "skipped: applying networks: writing weights failed" in told(made)
        assert "Lora hashes" not in made.infotexts[0]
        assert "CUDA out of memory" in applied(webui)["applied"][0]["skipped"]
        again = webui.txt2img("cat <lora:a:1>")
        assert again.picture != plain
        assert "skipped" not in told(again)


@pytest.mark.usefixtures("card")
def test_a_strict_run_stops_when_they_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with installed(tmp_path, "sd1", "medvram") as webui:
        webui.set("loradex_strict", True)
        plain = webui.txt2img("cat").picture
        with monkeypatch.context() as broken:
            broken.setattr(Merger, "weight", failing)
            with pytest.raises(Exception, match="CUDA out of memory"):
                webui.txt2img("cat <lora:a:1>")
        assert webui.txt2img("cat").picture == plain


def told(made: Result) -> str:
    return made.infotexts[0]
