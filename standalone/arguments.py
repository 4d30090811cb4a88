"""What the command line understands; importing and parsing needs the standard library only."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

import loradex
from loradex.errors import InputError

from standalone.commands import COMMANDS
from standalone.comparison import read_variants
from standalone.records import DEMO, GenerationRequest, Settings
from standalone.samplers import AUTOMATIC

PROGRAM = "python -m standalone"
DEFAULT_PORT = 7861
"""One above the WebUI's, so that both can run."""

_ALL = {
    "(none)": "start the app in the browser",
    "generate": "make pictures from a prompt and write them as PNG",
    "compare": "make one picture for each of several LoRAs, as one batch",
    **COMMANDS,
}
_COMMANDS = (
    "commands:\n" + "".join(f"  {name:12}{about}\n" for name, about in _ALL.items())
    + f"\n'{PROGRAM} COMMAND --help' describes a command.\n"
)
_APP_USAGE = f"{PROGRAM} [options]\n       {PROGRAM} COMMAND ... [options]"
_COMPARE_USAGE = f"{PROGRAM} compare PROMPT --lora NAME[:STRENGTH] ... [options]"
_GENERATE_USAGE = f"{PROGRAM} generate PROMPT [options]"
EXIT_CODES = """\
exit codes:
  0  done    2  bad input, told in one line    130  stopped    1  a fault of Loradex
"""


class Parser(argparse.ArgumentParser):
    """Faults become an `InputError`, which every surface shows in one line."""

    def error(self, message: str) -> NoReturn:
        raise InputError("arguments", message, "", f"'{self.prog} --help' lists them.")


class Formatter(argparse.RawDescriptionHelpFormatter):
    """The same 80 columns on every terminal, so that docs/cli.md can be compared."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=28, width=80)


def app_parser() -> Parser:
    parser = Parser(
        PROGRAM, usage=_APP_USAGE, formatter_class=Formatter, allow_abbrev=False,
        description="Stable Diffusion with exact LoRAs, without a WebUI.", epilog=_COMMANDS,
    )
    parser.add_argument("--version", action="version", version=f"Loradex {loradex.__version__}")
    parser.add_argument("--host", default="127.0.0.1", metavar="ADDRESS",
                        help="address to listen on (default: 127.0.0.1, this machine only)")
    parser.add_argument("--port", type=int, default=DEFAULT_PORT, metavar="N",
                        help=f"port to listen on (default: {DEFAULT_PORT}, or the next free one)")
    parser.add_argument("--no-browser", action="store_true", help="do not open the browser")
    _add_common(parser)
    return parser


def generate_parser() -> Parser:
    parser = Parser(
        f"{PROGRAM} generate", usage=_GENERATE_USAGE, formatter_class=Formatter,
        allow_abbrev=False, epilog=EXIT_CODES,
        description="Make pictures from a prompt and write them as PNG with their infotext.",
    )
    parser.add_argument("prompt", metavar="PROMPT",
                        help="what to draw; <lora:NAME:STRENGTH> applies a LoRA")
    _add_picture(parser)
    _add_common(parser)
    _add_behaviour(parser)
    return parser


def compare_parser() -> Parser:
    parser = Parser(
        f"{PROGRAM} compare", usage=_COMPARE_USAGE, formatter_class=Formatter,
        allow_abbrev=False, epilog=EXIT_CODES,
        description="Make one picture for each LoRA, with the same prompt and seed and as one "
                    "batch, and a sheet of all.",
    )
    parser.add_argument("prompt", metavar="PROMPT",
                        help="what to draw; its own <lora:...> tags are in every picture")
    parser.add_argument("--lora", action="append", default=[], metavar="NAME[:STRENGTH]",
                        help="a LoRA of one picture, or all its tags "
                             "('<lora:a:1> <lora:b:0.5>'); given once for each picture")
    parser.add_argument("--no-baseline", action="store_true",
                        help="leave out the picture without any of them")
    parser.add_argument("--at-once", type=int, default=0, metavar="N",
                        help="pictures that go through the model together, fewer where memory "
                             "is short (default: all)")
    _add_picture(parser, count=False)
    _add_common(parser)
    _add_behaviour(parser, "write the sheet to exactly this file, and the pictures beside it as "
                           "FILE-1.png ...; files of these names are replaced")
    return parser


def _add_picture(parser: Parser, *, count: bool = True) -> None:
    """The options that decide how the picture looks."""
    add = parser.add_argument
    add("--negative-prompt", default="", metavar="TEXT", help="what not to draw")
    add("--sampler", default="Euler a", metavar="NAME",
        help="the WebUI's name of a sampler (default: Euler a)")
    add("--schedule", default=AUTOMATIC, metavar="NAME",
        help="schedule type (default: Automatic, the sampler's own)")
    add("--steps", type=int, default=20, metavar="N", help="sampling steps (default: 20)")
    add("--cfg-scale", type=float, default=7.0, metavar="X",
        help="how closely to follow the prompt (default: 7; 1 switches it off)")
    add("--width", type=int, metavar="PIXELS", help="a multiple of 8 (default: the checkpoint's)")
    add("--height", type=int, metavar="PIXELS", help="a multiple of 8 (default: the checkpoint's)")
    add("--seed", type=int, default=-1, metavar="N", help="-1 for a random one (default)")
    if count:
        add("--batch-count", type=int, default=1, metavar="N",
            help="pictures to make, with the seeds N, N+1 ... (default: 1)")
    add("--clip-skip", type=int, default=1, metavar="N",
        help="use the N-th last layer of the text encoder (default: 1, the last)")


def _add_common(parser: Parser) -> None:
    """The options that the app and the commands share."""
    add = parser.add_argument
    add("--checkpoint", default=DEMO, metavar="WHAT",
        help="'demo', a diffusers folder, a hub id, or a .safetensors, .ckpt or .pth file "
             "(default: demo)")
    add("--lora-dir", type=Path, action="append", default=[], metavar="FOLDER",
        help="where LoRAs are looked for; may be repeated (default: models/Lora, and the "
             "demo's own with the demo)")
    add("--presets", type=Path, metavar="FILE",
        help="block weights by name for lbw= and lbwe=, over the lbwpresets.txt and "
             "elempresets.txt in the LoRA folders")
    add("--lora-cache-mb", type=int, default=Settings.lora_cache_mb, metavar="N",
        help="MB of memory for LoRA files that were used lately; those of the prompt are "
             f"always kept, and 0 keeps no others (default: {Settings.lora_cache_mb})")
    add("--base-memory", choices=("auto", "device", "host"), metavar="PLACE",
        default=Settings.base_memory,
        help="where the checkpoint's own weights stay while LoRAs are on: device (switching is "
             "fastest), host (main memory; the card holds no weight twice) or auto (as there "
             "is room; the default)")
    add("--offload", choices=("auto", "on", "off"), metavar="WHEN", default=Settings.offload,
        help="on: text encoders, UNet and VAE take turns on the device, the others wait in main "
             "memory; off: all stay there; auto: where not all have room (the default)")
    add("--output-dir", type=Path, default=Settings.output_dir, metavar="FOLDER",
        help="where pictures go as 00001-SEED.png (default: outputs)")
    add("--device", metavar="NAME", help="cuda, cuda:N, mps or cpu (default: the best there is)")
    add("--dtype", metavar="NAME",
        help="fp32, fp16 or bf16 (default: fp32 on the CPU, else fp16, or bf16 for a "
             "checkpoint stored in bf16)")


_OUT = "write exactly this file, replacing it; several pictures become FILE-1.png ..."


def _add_behaviour(parser: Parser, out: str = _OUT) -> None:
    """The options that decide what is told, and how."""
    add = parser.add_argument
    add("--out", type=Path, metavar="FILE.png", help=out)
    add("--strict", action="store_true", help="stop if a LoRA cannot be applied, do not skip it")
    add("--json", action="store_true", help="print one JSON object, and nothing else, on stdout")
    add("--quiet", action="store_true", help="no progress bar; print only the written paths")


def settings_of(arguments: argparse.Namespace) -> Settings:
    return Settings(arguments.device, arguments.dtype, tuple(arguments.lora_dir),
                    arguments.output_dir, presets=arguments.presets,
                    lora_cache_mb=arguments.lora_cache_mb, base_memory=arguments.base_memory,
                    offload=arguments.offload)


def request_of(arguments: argparse.Namespace) -> GenerationRequest:
    return GenerationRequest(
        arguments.prompt, arguments.negative_prompt, arguments.checkpoint, arguments.sampler,
        arguments.schedule, arguments.steps, arguments.cfg_scale, arguments.width,
        arguments.height, arguments.seed, getattr(arguments, "batch_count", 1),
        arguments.clip_skip, arguments.strict,
    )


def comparison_of(arguments: argparse.Namespace) -> GenerationRequest:
    """The request of `compare`.

    Raises:
        LoradexError: there is nothing to compare, or a LoRA cannot be read.
    """
    variants = read_variants(arguments.lora, baseline=not arguments.no_baseline)
    return replace(request_of(arguments), compare=variants, at_once=arguments.at_once)


def parse(argv: Sequence[str]) -> tuple[str, argparse.Namespace]:
    """The command and its arguments; the command is "" for the app.

    A command is always the first word: options in front of it would belong to the app.
    """
    if argv[:1] == ["generate"]:
        return "generate", generate_parser().parse_args(argv[1:])
    if argv[:1] == ["compare"]:
        return "compare", compare_parser().parse_args(argv[1:])
    return "", app_parser().parse_args(argv)
