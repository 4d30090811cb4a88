"""Each demo network: nothing at strength 0, bit for bit, and more of its effect up to 1."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from statistics import mean
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from standalone.session import GenerationRequest, Session, Settings  # noqa: E402
from tests.standalone.demo_effects import EFFECTS, measure  # noqa: E402

pytestmark = pytest.mark.torch


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Session:
    return Session(Settings(device="cpu", output_dir=tmp_path_factory.mktemp("demo")))


def draw(session: Session, prompt: str) -> Any:
    """Four pictures: how far one picture follows a network is partly chance."""
    request = GenerationRequest(
        prompt, sampler="Euler", steps=12, cfg_scale=5.0, seed=1, batch_count=4)
    result = session.generate(request)
    assert not result.messages
    return result


def pixels(result: Any) -> list[bytes]:
    return [image.image.tobytes() for image in result.images]


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The demo's folder is then the only one that is looked through."""
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("name", sorted(EFFECTS))
def test_a_demo_network_does_nothing_at_0_and_more_and_more_up_to_1(
    name: str, session: Session
) -> None:
    network = next(file.name for file in session.networks() if name in file.name)
    prompt, between = EFFECTS[name].prompt, EFFECTS[name].between
    base = pixels(draw(session, prompt))
    drawn = {s: draw(session, f"{prompt}<lora:{network}:{s}>") for s in (0, between, 1)}
    assert pixels(drawn[0]) == base
    sizes = [mean(measure(name, image.image) for image in result.images)
             for result in drawn.values()]
    assert all(less < more for less, more in pairwise(sizes)), sizes
    counts = drawn[1].report.applied[0].components
    assert counts
    assert all(count.matched == count.total > 0 for count in counts.values())
    assert pixels(draw(session, prompt)) == base


def test_all_demo_networks_together_leave_nothing_behind(session: Session) -> None:
    prompt = "a red circle on a blue background"
    base = pixels(draw(session, prompt))
    tags = "".join(f"<lora:{file.name}:0.4>" for file in session.networks())
    with_all = draw(session, prompt + tags)
    assert len(with_all.report.applied) == len(EFFECTS)
    assert pixels(with_all) != base
    assert pixels(draw(session, prompt)) == base
