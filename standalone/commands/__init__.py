"""The catalog's commands, one file each: `list`, `inspect`, `check`, `doctor` and their kin.

A command is a module with `parser()` and `run(arguments)`; adding one is a file here and a line in
`COMMANDS`. None of them imports torch.
"""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

COMMANDS = {
    "list": "list LoRAs with family, type, fault and trigger words",
    "inspect": "show everything that is known of one LoRA",
    "check": "say whether LoRAs fit a checkpoint, and why",
    "doctor": "find broken, unfinished and duplicate files, with what to do",
    "watch": "tell every change in the folders until it is stopped",
    "hash": "compute the hashes of LoRAs where they are not known yet",
    "organise": "move, rename, throw away, tag and describe, with undo",
}
"""Name and what it does, in the order of the help."""


def command(name: str) -> ModuleType:
    """The module of a command; imported when it is asked for."""
    return import_module(f"standalone.commands.{name}_command")
