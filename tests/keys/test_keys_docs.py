"""The page on adding a family is run as it stands."""

from pathlib import Path

import pytest
from loradex.compat.families import FAMILIES, family
from loradex.errors import InputError
from loradex.keys.derive import DERIVATIONS, derive

PAGE = Path(__file__).parents[2] / "docs" / "adding-a-family.md"


def test_the_worked_example_of_the_page_runs():
    text = PAGE.read_text(encoding="utf-8")
    blocks = [part.split("```")[0] for part in text.split("```python\n")[1:]]
    assert len(blocks) == 6
    scope = {"__name__": "example"}
    for block in blocks:
        exec(compile(block, PAGE.name, "exec", dont_inherit=True), scope)
    known, shown = family("ssd-1b"), scope["ssd_1b"]
    assert (shown.id, shown.title, shown.feature) == (known.id, known.title, known.feature)
    assert shown.parts == known.parts
    flux1, flux2 = family("flux1"), family("flux2/klein-4b")
    assert scope["flux1"].editions == flux1.editions
    assert scope["flux1"].parts[0] == flux1.parts[0]
    assert (scope["flux2"].key, scope["flux2"].title, scope["flux2"].parts) == (
        flux2.key, flux2.title, flux2.parts)
    assert set(scope["flux2"].claims) <= set(flux2.claims)
    (shown,) = scope["DERIVATIONS"].values()
    names = [name.replace(".", "_") for name, _ in scope["table"].names()]
    assert [name for name in names if not name.startswith(shown.openings)] == []


def test_a_class_without_a_derivation_is_refused_by_name():
    with pytest.raises(InputError, match=r"a NoSuchModel; expected .*CLIPTextModel, "):
        derive("NoSuchModel", {})


def test_a_block_that_no_derivation_knows_is_refused_by_name():
    with pytest.raises(InputError, match="down_block_types 'AttnDownBlock2D'"):
        derive("UNet2DConditionModel", {"down_block_types": ("AttnDownBlock2D",) * 4})


def test_every_part_of_every_family_has_a_derivation():
    assert {part.class_name for one in FAMILIES for part in one.parts} <= set(DERIVATIONS)
