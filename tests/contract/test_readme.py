"""The README's terminal sessions really run and really print what they show.

A block marked `console` holds lines starting with `$ `, which are run in the checkout, and the
output beneath each. Numbers, run times and the path of the checkout may differ, and `...` stands
for any lines. A block after `<!-- not run: reason -->` is only shown.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

README = Path(__file__).resolve().parents[2] / "README.md"
BLOCK = re.compile(
    r"(?P<skip><!-- *not run:[^>]*-->\s*)?^```console\n(?P<body>.*?)^```", re.M | re.S
)
ELLIPSIS = "..."


class Command(NamedTuple):
    """One line that a reader types and what they are told to expect."""

    line: str
    output: tuple[str, ...]


def sessions() -> list[tuple[Command, ...]]:
    if not README.is_file():
        return []
    found = []
    for block in BLOCK.finditer(README.read_text(encoding="utf-8")):
        if not block["skip"]:
            found.append(tuple(commands(block["body"])))
    return found


def commands(body: str) -> list[Command]:
    found: list[Command] = []
    for line in body.splitlines():
        if line.startswith("$ "):
            found.append(Command(line[2:], ()))
        elif found and line.strip():
            found[-1] = Command(found[-1].line, (*found[-1].output, line))
    return found


def loosely(line: str) -> str:
    """A line without what differs from run to run: numbers, spacing and hashes."""
    line = re.sub(r"\b[0-9a-f]{8,64}\b", "HASH", line)
    return re.sub(r"\s+", " ", re.sub(r"-?\d+(\.\d+)?", "N", line)).strip()


def in_order(shown: tuple[str, ...], printed: str) -> str:
    """The first shown line that is not printed (in order), or nothing."""
    lines = iter(loosely(line) for line in re.split(r"[\r\n]+", printed))
    for line in shown:
        if line.strip() != ELLIPSIS and not any(loosely(line) == got for got in lines):
            return line
    return ""


@pytest.mark.torch
@pytest.mark.timeout(300)
@pytest.mark.parametrize("session", sessions(), ids=lambda s: s[0].line if s else "empty")
def test_the_readme_shows_what_happens(session: tuple[Command, ...], root: Path) -> None:
    pytest.importorskip("torch")
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    env = {**os.environ, "PATH": path, "COLUMNS": "120"}
    for command in session:
        done = subprocess.run(
            command.line, shell=True, cwd=root, env=env, text=True, timeout=240,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )
        missing = in_order(command.output, done.stdout.replace(f"{root}{os.sep}", ""))
        assert not missing, f"$ {command.line}\nnot printed: {missing}\n--- printed:\n{done.stdout}"


def test_the_two_commands_are_told() -> None:
    if not README.is_file():
        pytest.skip("no README yet")
    text = README.read_text(encoding="utf-8")
    assert "python install.py run" in text
    assert "python install.py test" in text


def test_links_lead_to_files() -> None:
    for page in [README, *(README.parent / "docs").glob("*.md")]:
        if page.is_file():
            for target in re.findall(r"\]\(([^)#\s]+)", page.read_text(encoding="utf-8")):
                if "://" not in target:
                    assert (page.parent / target).exists(), f"{page.name}: {target}"
