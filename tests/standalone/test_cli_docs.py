"""docs/cli.md shows exactly what --help says, and its examples and fields are the real ones."""

from __future__ import annotations

import argparse
import json
import re
from pathlib import Path

import pytest
from loradex.compat.families import FAMILIES

from standalone.arguments import app_parser, compare_parser, generate_parser
from standalone.cli import main
from standalone.commands import COMMANDS, command
from standalone.commands.organise_command import action_parsers
from standalone.demo import DEMO_LORAS

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
PARSERS: list[argparse.ArgumentParser] = [
    app_parser(), generate_parser(), compare_parser(),
    *(command(name).parser() for name in COMMANDS), *action_parsers().values(),
]
GOLDEN = str(DEMO_LORAS / "golden.safetensors")


@pytest.mark.parametrize("parser", PARSERS, ids=lambda one: one.prog)
def test_the_page_holds_the_help_text(parser: argparse.ArgumentParser) -> None:
    blocks = re.findall(r"```text\n(.*?)```", TEXT, re.DOTALL)
    assert parser.format_help() in blocks


@pytest.mark.parametrize("parser", PARSERS, ids=lambda one: one.prog)
def test_every_option_has_a_help_text(parser: argparse.ArgumentParser) -> None:
    for action in parser._actions:
        assert action.help or action.choices, action.dest


def test_every_command_and_action_has_a_section() -> None:
    sections = re.findall(r"^##+ `(.+)`$", TEXT, re.MULTILINE)
    actions = [f"organise {name}" for name in action_parsers()]
    assert sections == ["generate", "compare", *COMMANDS, *actions]


def fields(name: str) -> set[str]:
    """The fields that a table of the page lists."""
    table = TEXT.split(f"<!-- fields: {name} -->\n")[1].split("\n\n")[0]
    rows = [line.split(" | ")[0] for line in table.splitlines()[2:]]
    return {field for row in rows for field in re.findall(r"`([^`]+)`", row)}


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("list", ["list", GOLDEN, "--checkpoint", "demo"]),
        ("check", ["check", GOLDEN, "--checkpoint", "demo"]),
        ("doctor", ["doctor", GOLDEN]),
        ("hash", ["hash", GOLDEN]),
    ],
)
def test_the_page_explains_the_fields_that_are_printed(
    name: str, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*words, "--json"]) == 0
    assert set(json.loads(capsys.readouterr().out)) == fields(name)


def test_the_page_explains_the_fields_of_inspect(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", GOLDEN, "--json", "--keys"]) == 0
    printed = set(json.loads(capsys.readouterr().out))
    assert printed == (fields("list") | fields("inspect")) - {"verdict"}


def test_the_page_names_every_family() -> None:
    listed = TEXT.split("Families are ")[1].split("\n\n")[0]
    assert set(re.findall(r"`([^`]+)`", listed)) == {one.id for one in FAMILIES}


CONSOLE = [
    (words.removeprefix("$ python -m standalone ").split(), shown)
    for block in re.findall(r"```console\n(.*?)```", TEXT, re.DOTALL)
    for words, *shown in [block.splitlines()]
]


@pytest.mark.parametrize(("words", "shown"), CONSOLE, ids=lambda value: str(value[0]))
def test_the_examples_print_what_they_show(
    words: list[str], shown: list[str], capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path,
) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("LORADEX_HOME", str(tmp_path))  # without what other tests starred
    assert main(words) == 0
    printed = capsys.readouterr().out.replace(f"{ROOT}/", "").splitlines()
    wanted = [line for line in shown if line != "..."]
    assert [line for line in wanted if line not in printed] == []
