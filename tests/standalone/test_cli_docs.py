"""docs/cli.md shows exactly what --help says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from standalone.arguments import app_parser, generate_parser

PAGE = Path(__file__).parents[2] / "docs" / "cli.md"


@pytest.mark.parametrize("parser", [app_parser(), generate_parser()], ids=lambda p: p.prog)
def test_the_page_holds_the_help_text(parser: object) -> None:
    text = parser.format_help()  # type: ignore[attr-defined]
    blocks = re.findall(r"```text\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert text in blocks


def test_every_option_has_a_help_text() -> None:
    for parser in (app_parser(), generate_parser()):
        for action in parser._actions:
            assert action.help, action.dest
