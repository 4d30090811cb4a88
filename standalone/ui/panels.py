"""The HTML that shows a run: where it is, what went wrong, what was applied.

Everything that comes from a user or a file is escaped: Gradio does not clean HTML.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from loradex.errors import LoradexError
from loradex.networks.report import Applied, RunReport

from standalone.records import GeneratedImage, GenerationResult
from standalone.ui.runs import Seen

if TYPE_CHECKING:
    from PIL.Image import Image

IDLE = (
    '<div class="ldx-stage ldx-idle"><p>The picture appears here.</p>'
    "<p>Write a prompt, add a LoRA if you like, and press Generate.</p></div>"
)
STOPPED = '<div class="ldx-stage ldx-idle" role="status"><p>Stopped.</p></div>'
LABELS = {"unet": "UNet", "transformer": "Transformer", "te": "Text encoder",
          "te2": "Text encoder 2", "te3": "Text encoder 3"}


def running(seen: Seen | None) -> str:
    """The stage while a run goes on: the picture so far and the bar beneath it."""
    if seen is None:
        return _stage("", "Starting", 0.0)
    progress = seen.progress
    picture = ""
    if seen.preview is not None:
        picture = f'<img alt="The picture so far" src="{_data_url(seen.preview)}">'
    if not progress.step:
        return _stage(picture, progress.message or "Starting", 0.0)
    done = (progress.image - 1) * progress.steps + progress.step
    text = f"Step {progress.step} of {progress.steps}"
    if progress.images > 1:
        text = f"Picture {progress.image} of {progress.images}, {text.lower()}"
    return _stage(picture, text, done / (progress.images * progress.steps))


def _stage(picture: str, text: str, share: float) -> str:
    known = share > 0
    value = f' value="{share:.3f}"' if known else ""
    return (
        f'<div class="ldx-stage"><div class="ldx-picture">{picture}</div>'
        f'<progress max="1"{value} aria-label="Progress"></progress>'
        f'<p role="status">{escape(text)}</p></div>'
    )


def _data_url(image: Image) -> str:
    """A preview inside the page itself: nothing is left on the disk."""
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=80)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()


def pictures(result: GenerationResult) -> list[tuple[str, str]]:
    """Paths and captions: what each picture of a comparison has, and the sheet behind them."""
    labels = result.labels or [""] * len(result.images)
    shown = [(str(one.path.absolute()), label)
             for one, label in zip(result.images, labels, strict=True)]
    return [*shown, *([(str(result.sheet.absolute()), "all")] if result.sheet else [])]


def fault(error: LoradexError) -> str:
    """One error: what it is about, what was found, what to do."""
    expected = f"<p>Expected: {escape(error.expected)}.</p>" if error.expected else ""
    step = f'<p class="ldx-step">{escape(error.next_step)}</p>' if error.next_step else ""
    return (
        f'<div class="ldx-stage ldx-fault" role="alert"><p><b>{escape(error.subject)}</b>: '
        f"{escape(error.found)}.</p>{expected}{step}</div>"
    )


def unexpected(error: Exception) -> str:
    """A fault of ours: its kind is told here, the traceback is in the terminal."""
    return (
        '<div class="ldx-stage ldx-fault" role="alert"><p><b>Loradex made a mistake</b>: '
        f"{escape(type(error).__name__)}. The terminal shows where.</p>"
        '<p class="ldx-step">Please report it with these lines.</p></div>'
    )


def summary(result: GenerationResult) -> str:
    """The applied report and the messages of a finished run."""
    rows = _report(result.report) if result.report.applied else (
        '<p class="ldx-none">No LoRA was used.</p>'
    )
    notes = [*result.report.notes, *result.messages]
    listed = "".join(f"<li>{escape(note)}</li>" for note in notes)
    told = f'<ul class="ldx-notes">{listed}</ul>' if notes else ""
    return f'<div class="ldx-report">{rows}{told}</div>'


def _report(report: RunReport) -> str:
    components = list(dict.fromkeys(c for one in report.applied for c in one.components))
    heads = "".join(f"<th>{escape(LABELS.get(c, c))}</th>" for c in components)
    rows = "".join(_row(one, components) for one in report.applied)
    return (
        f'<table><thead><tr><th>LoRA</th><th>Strength</th>{heads}<th>Time</th></tr></thead>'
        f"<tbody>{rows}</tbody></table>"
    )


def _row(one: Applied, components: Sequence[str]) -> str:
    said = "".join(f"<br><small>{escape(option)}</small>" for option in one.told_options)
    name = f"<td><b>{escape(one.name)}</b>{said}</td><td>{_strength(one)}</td>"
    width = len(components) + 1
    if one.skipped:
        reason = f'<td colspan="{width}">{escape(one.skipped)}</td>'
        return f'<tr class="ldx-skipped">{name}{reason}</tr>'
    if not one.components:
        return f'<tr>{name}<td colspan="{width}">off</td></tr>'
    cells = "".join(f"<td>{_count(one, c)}</td>" for c in components)
    notes = "".join(
        f'<tr class="ldx-note"><td colspan="{width + 2}">{escape(note)}</td></tr>'
        for note in one.notes
    )
    return f"<tr>{name}{cells}<td>{one.seconds:.2f} s</td></tr>{notes}"


def _count(one: Applied, component: str) -> str:
    count = one.components.get(component)
    return escape(str(count)) if count is not None else "–"


def _strength(one: Applied) -> str:
    if one.te_strength == one.unet_strength:
        return f"{one.unet_strength:g}"
    return f"{one.te_strength:g} / {one.unet_strength:g}"


def saved(image: GeneratedImage, seconds: float) -> str:
    """Where one picture is, its seed, and how long the run took."""
    place = escape(str(_short(image.path)))
    return (
        f'<p class="ldx-saved">Saved as <code>{place}</code> · seed {image.seed} · '
        f"{seconds:.1f} s</p>"
    )


def _short(path: Path) -> Path:
    """The path as seen from the working directory, where it lies below it."""
    whole = path.absolute()
    return whole.relative_to(Path.cwd()) if whole.is_relative_to(Path.cwd()) else whole
