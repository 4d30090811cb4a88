"""The Generate tab: the form on the left, the picture and what was applied on the right."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from typing import Any

import gradio as gr
from loradex.errors import CancelledError, LoradexError

from standalone.records import DEMO, GenerationResult
from standalone.samplers import SAMPLERS
from standalone.session import Session
from standalone.ui import choices, panels
from standalone.ui.form import (
    change_prompt,
    choose,
    follow_sampler,
    last_seed,
    name_button,
    request_of,
)
from standalone.ui.runs import Run, Runs

log = logging.getLogger(__name__)

QUIET: Mapping[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
"""For events that only rearrange the form."""

Update = dict[Any, Any]


class GenerateTab:
    """Builds its components inside the current `gr.Blocks` and connects them."""

    def __init__(self, session: Session, runs: Runs, checkpoint: str = DEMO) -> None:
        self._session = session
        self._runs = runs
        self._checkpoint = checkpoint
        session.choose(checkpoint)
        # On a narrow page the picture follows the Generate button, above the settings.
        with gr.Row(elem_id="generate-page"):
            with gr.Column(elem_id="what-to-draw"):
                self._build_prompt()
            with gr.Column(elem_id="what-came-out"):
                self._build_result()
            with gr.Column(elem_id="how-to-draw"):
                self._build_networks()
                self._build_settings()
        self._connect_form()
        self._connect_run()

    # ---- components ------------------------------------------------------------------------

    def _build_prompt(self) -> None:
        with gr.Group():
            self.prompt = gr.Textbox(
                label="Prompt", lines=3, max_lines=8, elem_id="prompt", autofocus=True,
                value=choices.DEMO_PROMPTS[0] if self._checkpoint == DEMO else "",
                placeholder="What to draw; <lora:name:0.8> applies a LoRA",
            )
            self.negative = gr.Textbox(
                label="Negative prompt", lines=1, max_lines=4, elem_id="negative-prompt",
                placeholder="What not to draw",
            )
        examples = choices.starting_prompts(self._session, self._checkpoint)
        if examples:
            gr.Examples([[one] for one in examples], [self.prompt], label="Try",
                        api_visibility="private")
        with gr.Row():
            self.generate = gr.Button("Generate", variant="primary", scale=3, elem_id="generate")
            self.cancel = gr.Button("Cancel", variant="stop", interactive=False, scale=1,
                                    min_width=90, elem_id="cancel")

    def _build_networks(self) -> None:
        names = choices.network_choices(self._session, self._checkpoint)
        first = names[0] if names else None
        with gr.Group():
            self.network = gr.Dropdown(
                names, value=first, elem_id="lora", allow_custom_value=True,
                label=choices.picker_label(self._session, self._checkpoint),
                info=choices.about_network(self._session, self._checkpoint, first),
            )
            with gr.Row(equal_height=True):
                self.strength = gr.Slider(-2, 2, 0.8, step=0.05, label="Strength", scale=3,
                                          elem_id="strength", buttons=[])
                self.insert = gr.Button("Insert", scale=1, min_width=100, elem_id="insert",
                                        elem_classes="ldx-inner", interactive=bool(names))

    def _build_settings(self) -> None:
        side = choices.usual_side(self._checkpoint)
        found = choices.checkpoint_choices(self._session)
        if self._checkpoint not in [value for _, value in found]:
            found.append((self._checkpoint, self._checkpoint))
        with gr.Group():
            self.checkpoint = gr.Dropdown(
                found, value=self._checkpoint, label="Checkpoint", allow_custom_value=True,
                elem_id="checkpoint",
                info="Found in models/Stable-diffusion; or type a path or a hub id",
            )
            with gr.Row():
                self.sampler = gr.Dropdown(list(SAMPLERS), value="Euler a", label="Sampler",
                                           elem_id="sampler", min_width=120)
                self.schedule = gr.Dropdown(
                    choices.schedule_choices("Euler a"), value="Automatic", label="Schedule",
                    elem_id="schedule", min_width=120,
                )
            with gr.Row():
                self.steps = gr.Slider(1, 150, 20, step=1, label="Steps", elem_id="steps")
                self.cfg = gr.Slider(1, 30, choices.usual_cfg(self._checkpoint), step=0.5,
                                     label="CFG scale", elem_id="cfg")
            with gr.Row():
                self.width = gr.Slider(64, 2048, side, step=8, label="Width", elem_id="width")
                self.height = gr.Slider(64, 2048, side, step=8, label="Height", elem_id="height")
            self._build_seed()

    def _build_seed(self) -> None:
        with gr.Row(equal_height=True):
            self.seed = gr.Number(-1, label="Seed (-1: random)", precision=0, elem_id="seed",
                                  min_width=130, scale=2)
            self.random = gr.Button("Random", size="sm", min_width=70, scale=1,
                                    elem_id="random-seed", elem_classes="ldx-inner")
            self.reuse = gr.Button("Reuse", size="sm", min_width=70, scale=1,
                                   elem_id="reuse-seed", elem_classes="ldx-inner")
            self.batch = gr.Slider(1, 16, 1, step=1, label="Batch count", scale=3,
                                   elem_id="batch-count", min_width=150)
        with gr.Accordion("Compare LoRAs", open=False):
            self.compared = gr.Textbox(
                label="One picture for each line, and one without", lines=3, elem_id="compare",
                placeholder="ink:0.8\npaper:0.5",
                info="NAME:STRENGTH, or tags; all with one seed and as one batch",
            )
        with gr.Accordion("More", open=False):
            self.clip_skip = gr.Slider(1, 12, 1, step=1, label="CLIP skip", elem_id="clip-skip")
            self.strict = gr.Checkbox(
                False, label="Strict: stop when a LoRA cannot be applied, instead of skipping it",
                elem_id="strict",
            )

    def _build_result(self) -> None:
        self.stage = gr.HTML(panels.IDLE, elem_id="stage")
        self.gallery = gr.Gallery(
            visible=False, show_label=False, preview=True, columns=4, height=520,
            object_fit="contain", buttons=["download", "fullscreen"], elem_id="pictures",
            interactive=False,
        )
        self.saved = gr.HTML(visible=False, elem_id="saved")
        self.report = gr.HTML(visible=False, elem_id="report")
        self.infotext = gr.Textbox(
            visible=False, label="Infotext (also inside the PNG)", lines=4, max_lines=10,
            interactive=False, buttons=["copy"], elem_id="infotext",
        )
        self.result = gr.State(None)
        self.chosen = gr.State(0)

    # ---- events ----------------------------------------------------------------------------

    def _connect_form(self) -> None:
        tag = [self.prompt, self.network, self.strength]
        self.insert.click(change_prompt, tag, [self.prompt, self.insert], **QUIET)
        # Of answers that overtake each other on a busy machine the last one has to stay.
        gr.on([self.prompt.change, self.network.change, self.strength.change],
              name_button, tag, self.insert, trigger_mode="always_last", **QUIET)
        self.network.change(
            self._describe_network, [self.checkpoint, self.network], self.network, **QUIET
        )
        self.network.focus(self._list_networks, self.checkpoint, self.network, **QUIET)
        self.sampler.change(follow_sampler, [self.sampler, self.schedule], self.schedule, **QUIET)
        self.checkpoint.change(
            self._follow_checkpoint, self.checkpoint,
            [self.width, self.height, self.network, self.insert], **QUIET,
        )
        self.random.click(lambda: -1, None, self.seed, **QUIET)
        self.reuse.click(last_seed, [self.result, self.chosen, self.seed], self.seed, **QUIET)

    def _connect_run(self) -> None:
        # In the order of GenerationRequest's fields.
        form = [self.prompt, self.negative, self.checkpoint, self.sampler, self.schedule,
                self.steps, self.cfg, self.width, self.height, self.seed, self.batch,
                self.clip_skip, self.strict, self.compared]
        shown = [self.generate, self.cancel, self.stage, self.gallery, self.saved, self.report,
                 self.infotext, self.result, self.chosen]
        gr.on(
            [self.generate.click, self.prompt.submit, self.negative.submit],
            self._generate, form, shown, show_progress="hidden", concurrency_limit=None,
            trigger_mode="once", api_visibility="private",
        )
        self.cancel.click(self._cancel, None, self.cancel, **QUIET)
        self.gallery.select(
            choose, self.result, [self.chosen, self.saved, self.infotext], **QUIET
        )

    def _list_networks(self, checkpoint: str) -> Any:
        """New files appear without a refresh button: the folder is read when the list opens."""
        return gr.update(choices=choices.network_choices(self._session, checkpoint))

    def _describe_network(self, checkpoint: str, network: str | None) -> Any:
        return gr.update(info=choices.about_network(self._session, checkpoint or DEMO, network))

    def _follow_checkpoint(self, checkpoint: str) -> tuple[Any, ...]:
        self._session.choose(checkpoint or DEMO)
        side = choices.usual_side(checkpoint or DEMO)
        names = choices.network_choices(self._session, checkpoint or DEMO)
        network = gr.update(choices=names, value=names[0] if names else None)
        return side, side, network, gr.update(interactive=bool(names))

    def _cancel(self, request: gr.Request) -> Any:
        self._runs.cancel(_owner(request))
        return gr.update(value="Stopping", interactive=False)

    def leave(self, request: gr.Request) -> None:
        """The browser tab was closed: nobody waits for its picture any more."""
        self._runs.cancel(_owner(request))

    def _generate(self, request: gr.Request, *values: Any) -> Iterator[Update]:
        yield self._begun()
        try:
            wanted = request_of(values)
        except LoradexError as error:
            yield {**self._ready(), self.stage: panels.fault(error)}
            return
        run = self._runs.start(_owner(request), wanted)
        try:
            for seen in run.follow():
                yield {self.stage: panels.running(seen)}
            yield self._ended(run)
        finally:
            self._runs.end(_owner(request), run)

    def _begun(self) -> Update:
        hidden = gr.update(visible=False)
        return {
            self.generate: gr.update(interactive=False),
            self.cancel: gr.update(value="Cancel", interactive=True),
            self.stage: gr.update(value=panels.running(None), visible=True),
            self.gallery: hidden, self.saved: hidden, self.report: hidden, self.infotext: hidden,
        }

    def _ready(self) -> Update:
        return {
            self.generate: gr.update(interactive=True),
            self.cancel: gr.update(value="Cancel", interactive=False),
        }

    def _ended(self, run: Run) -> Update:
        try:
            return {**self._ready(), **self._finished(run.result())}
        except CancelledError:
            return {**self._ready(), self.stage: panels.STOPPED}
        except LoradexError as error:
            return {**self._ready(), self.stage: panels.fault(error)}
        except Exception as error:
            log.exception("generation failed")
            return {**self._ready(), self.stage: panels.unexpected(error)}

    def _finished(self, result: GenerationResult) -> Update:
        first = result.images[0]
        return {
            self.stage: gr.update(visible=False),
            self.gallery: gr.update(
                value=panels.pictures(result), selected_index=0, visible=True,
            ),
            self.saved: gr.update(value=panels.saved(first, result.seconds), visible=True),
            self.report: gr.update(value=panels.summary(result), visible=True),
            self.infotext: gr.update(value=first.infotext, visible=True),
            self.result: result,
            self.chosen: 0,
        }


def _owner(request: gr.Request) -> str:
    """The browser tab that asks."""
    return str(request.session_hash)
