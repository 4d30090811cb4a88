"""The command line: `python -m standalone`, `generate` and the commands of the catalog."""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import logging
import os
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from loradex.errors import CancelledError, InputError, LoradexError

from standalone.arguments import comparison_of, parse, request_of, settings_of
from standalone.commands import COMMANDS, command
from standalone.records import GenerationRequest, GenerationResult, Progress

log = logging.getLogger(__name__)

OK, FAULT, BAD_INPUT, STOPPED = 0, 1, 2, 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; the exit code says how it went."""
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        if words[:1] and words[0] in COMMANDS:
            return _run_command(words[0], words[1:])
        name, arguments = parse(words)
        if not name:
            return _start_app(arguments)
        request = request_of(arguments) if name == "generate" else comparison_of(arguments)
        return _generate(arguments, request)
    except SystemExit as stop:  # --help and --version
        return int(stop.code or 0)
    except (CancelledError, KeyboardInterrupt):
        print("Stopped.", file=sys.stderr)
        return STOPPED
    except BrokenPipeError:  # whoever read it has seen enough: `list | head`
        _discard_output()
        return OK
    except LoradexError as error:
        return _refuse(error, "--json" in words)
    except ModuleNotFoundError as error:
        return _refuse(_missing_package(error), "--json" in words)
    except Exception:
        # The last frame: whatever arrives here is a fault of ours and is shown in full.
        logging.basicConfig(format="%(message)s")
        log.exception("error: a fault of Loradex; please report it with the lines below")
        return FAULT


def _run_command(name: str, words: Sequence[str]) -> int:
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # names may hold what the terminal cannot show
            stream.reconfigure(errors="backslashreplace")
    module = command(name)
    code: int = module.run(module.parser().parse_args(words))
    sys.stdout.flush()
    return code


def _discard_output() -> None:
    """Python writes what is left at its end, which would fail again, and say so."""
    with contextlib.suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


def _refuse(error: LoradexError, as_json: bool) -> int:
    """One line on stderr; with --json the same as an object on stdout."""
    if as_json:
        print(json.dumps({"error": error.as_dict()}, ensure_ascii=False))
    print("error: " + " ".join(str(error).split()), file=sys.stderr)
    return BAD_INPUT


def _missing_package(error: ModuleNotFoundError) -> LoradexError:
    name = error.name or "a package"
    if name.partition(".")[0] in ("loradex", "standalone"):
        raise error
    return InputError(f"package {name}", "not installed", "", "Run 'python install.py run'.")


def _start_app(arguments: argparse.Namespace) -> int:
    from standalone.app import launch

    launch(
        settings_of(arguments), checkpoint=arguments.checkpoint, host=arguments.host,
        port=arguments.port, open_browser=not arguments.no_browser,
    )
    return OK


def _generate(arguments: argparse.Namespace, request: GenerationRequest) -> int:
    from standalone.session import Session

    session = Session(settings_of(arguments))
    silent = arguments.quiet
    try:
        with _Bar(silent) as bar:
            result = session.generate(request, bar.update, threading.Event(), arguments.out)
    finally:
        session.close()
    if arguments.json:
        print(json.dumps(as_json_object(result), ensure_ascii=False))
    else:
        _print_result(result, silent)
    return OK


def _print_result(result: GenerationResult, silent: bool) -> None:
    shown: list[str] = []
    if not silent:
        shown = result.report.remarks()  # the report's lines say them too
        for line in result.report.lines():
            print(line)
    for message in result.messages:
        if message not in shown:
            print(f"note: {message}", file=sys.stderr)
    for image in result.images:
        print(image.path)
    if result.sheet is not None:
        print(result.sheet)


def as_json_object(result: GenerationResult) -> dict[str, Any]:
    """The result as plain data."""
    images = [
        {"path": str(Path(image.path).resolve()), "seed": image.seed, "infotext": image.infotext}
        for image in result.images
    ]
    report = result.report.as_dict()
    sheet = {} if result.sheet is None else {"sheet": str(result.sheet.resolve())}
    return {
        "images": images, **sheet, "applied": report["applied"], "notes": report["notes"],
        "messages": list(result.messages), "seconds": round(result.seconds, 3),
    }


class _Bar:
    """A tqdm bar on stderr that appears with the first step, so that a refusal stays one line."""

    def __init__(self, silent: bool) -> None:
        self._silent = silent
        self._bar: Any = None

    def __enter__(self) -> _Bar:
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.close()

    def update(self, progress: Progress) -> None:
        if self._silent:
            return
        if self._bar is None and (progress.step or sys.stderr.isatty()):
            from tqdm import tqdm

            self._bar = tqdm(total=progress.images * progress.steps, file=sys.stderr, unit="step")
        if self._bar is None:
            return
        if progress.message:
            self._bar.set_description(progress.message)
            return
        done = (progress.image - 1) * progress.steps + progress.step
        self._bar.set_description(f"Picture {progress.image} of {progress.images}", refresh=False)
        self._bar.update(done - self._bar.n)
