"""The app as a whole: what it offers, where it listens, and that it keeps to this machine."""

from __future__ import annotations

import socket
from typing import Any

import pytest
from loradex.errors import InputError

from standalone.records import DEMO, GenerationRequest, Settings
from standalone.session import Session

pytestmark = pytest.mark.torch  # Gradio comes with the environment that has torch
gradio = pytest.importorskip("gradio")


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    from standalone.app import build
    from standalone.ui.runs import Runs

    session = Session(Settings(output_dir=tmp_path_factory.mktemp("out")))
    return dict(build(session, Runs(session), DEMO).get_config_file())


def test_every_part_of_the_form_is_there(config: dict[str, Any]) -> None:
    ids = {part["props"].get("elem_id") for part in config["components"]}
    wanted = {
        "prompt", "negative-prompt", "checkpoint", "lora", "strength", "insert", "steps", "sampler",
        "schedule", "cfg", "width", "height", "seed", "random-seed", "reuse-seed", "batch-count",
        "generate", "cancel", "stage", "pictures", "report", "infotext",
    }
    assert wanted <= ids


def test_no_event_is_open_to_other_programs(config: dict[str, Any]) -> None:
    assert {event["api_visibility"] for event in config["dependencies"]} == {"private"}


def test_several_people_may_wait_for_one_generation(config: dict[str, Any]) -> None:
    """The session lets one run at a time and says so; Gradio's own queue would stay silent."""
    from standalone.app import build
    from standalone.ui.runs import Runs

    session = Session()
    app = build(session, Runs(session), DEMO)
    (generate,) = (f for f in app.fns.values() if getattr(f.fn, "__name__", "") == "_generate")
    assert generate.concurrency_limit is None


def test_the_form_becomes_a_request() -> None:
    from standalone.ui.form import request_of

    values = ("a cat", None, " demo ", "Euler", "Karras", 12.0, 5, 128.0, 64, None, 2, 1, True,
              "")
    assert request_of(values) == GenerationRequest(
        "a cat", "", "demo", "Euler", "Karras", 12, 5.0, 128, 64, -1, 2, 1, True
    )


def test_each_line_of_what_is_compared_is_a_picture_beside_the_one_without() -> None:
    from standalone.ui.form import request_of

    values = ("a cat", "", "demo", "Euler", "Karras", 1, 5, 128, 64, 1, 1, 1, False,
              " ink:0.5 \n\n<lora:a:1> <lora:b:1>\n")
    labels = [one.label for one in request_of(values).compare]
    assert labels == ["without", "ink:0.5", "<lora:a:1> <lora:b:1>"]
    with pytest.raises(InputError, match="'a dog' is no LoRA"):
        request_of((*values[:-1], "a dog <lora:a:1>"))


def test_a_number_that_was_deleted_is_asked_for() -> None:
    from standalone.ui.form import request_of

    values = ("a cat", "", "demo", "Euler", "Karras", None, 5, 128, 64, 1, 2, 1, False, "")
    with pytest.raises(InputError, match="steps: empty; expected a number"):
        request_of(values)


def test_a_busy_port_is_passed_over() -> None:
    from standalone.app import free_port

    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        taken = busy.getsockname()[1]
        assert free_port("127.0.0.1", taken) > taken


@pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")  # Gradio's own look at it
def test_a_port_that_is_taken_after_the_look_is_passed_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from standalone import app

    looked = app.free_port
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        taken = busy.getsockname()[1]
        monkeypatch.setattr(app, "free_port", lambda host, first: (
            taken if first == taken else looked(host, first)))
        with gradio.Blocks() as blocks:
            gradio.Markdown("here")
        try:
            _, url = app.listen(blocks, "127.0.0.1", taken, prevent_thread_lock=True, quiet=True,
                                ssr_mode=False)
            assert int(url.rstrip("/").rpartition(":")[2]) > taken
        finally:
            blocks.close(verbose=False)


def test_an_address_of_another_machine_is_refused() -> None:
    from standalone.app import free_port

    with pytest.raises(InputError, match=r"203\.0\.113\.1"):
        free_port("203.0.113.1", 7861)


def test_fonts_and_styles_come_from_this_machine() -> None:
    from standalone.app import SCRIPT, STYLE, theme

    css = theme()._get_theme_css() + "".join(theme()._stylesheets)
    for text in (css, STYLE.read_text(), SCRIPT.read_text()):
        assert "http" not in text.replace("http://www.w3.org", "")


def test_the_form_begins_with_a_prompt_of_the_demo(config: dict[str, Any]) -> None:
    shown = [p for p in config["components"] if p["props"].get("elem_id") == "prompt"]
    assert shown[0]["props"]["value"] == "a large red circle on a blue background"
