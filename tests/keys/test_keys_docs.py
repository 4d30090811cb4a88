"""The page on adding a family is run as it stands."""

from pathlib import Path

from loradex.compat.families import FAMILIES, family
from loradex.keys.derive import DERIVATIONS

PAGE = Path(__file__).parents[2] / "docs" / "adding-a-family.md"


def test_the_worked_example_of_the_page_runs():
    text = PAGE.read_text(encoding="utf-8")
    blocks = [part.split("```")[0] for part in text.split("```python\n")[1:]]
    assert len(blocks) == 4
    scope = {"__name__": "example"}
    for block in blocks:
        exec(compile(block, PAGE.name, "exec", dont_inherit=True), scope)
    known, shown = family("ssd-1b"), scope["ssd_1b"]
    assert (shown.id, shown.title, shown.feature) == (known.id, known.title, known.feature)
    assert shown.parts == known.parts


def test_every_part_of_every_family_has_a_derivation():
    assert {part.class_name for one in FAMILIES for part in one.parts} <= set(DERIVATIONS)
