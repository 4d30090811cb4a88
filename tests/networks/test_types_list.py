"""The list of types is one: torch-free signatures, classes and the page that explains both."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import pytest

torch = pytest.importorskip("torch")

from loradex.keys.signatures import TYPES as TYPE_IDS  # noqa: E402
from loradex.keys.signatures import describe  # noqa: E402
from loradex.networks.dora import DoraModule  # noqa: E402
from loradex.networks.types import TYPES, build_module  # noqa: E402

from tests.networks.type_cases import all_cases  # noqa: E402

pytestmark = pytest.mark.torch


def test_every_type_that_is_listed_has_a_class() -> None:
    assert {network.type_name for network in TYPES} == {*TYPE_IDS, "dora"}


@pytest.mark.parametrize("type_id", TYPE_IDS)
def test_every_type_has_a_line_in_the_page(root: Path, type_id: str) -> None:
    page = (root / "docs" / "adding-a-network-type.md").read_text(encoding="utf-8")
    assert f"| `{type_id}` |" in page


@pytest.mark.parametrize("name", sorted(all_cases()))
def test_the_header_alone_tells_what_the_tensors_are(name: str) -> None:
    case = all_cases()[name]
    said = describe({role: tuple(tensor.shape) for role, tensor in case.parts.items()})
    module = build_module(case.parts, case.hints)
    assert said.problem == ""
    assert said.dora == isinstance(module, DoraModule)
    inner = module
    while getattr(inner, "inner", None) is not None:
        inner = inner.inner
    assert said.type == inner.type_name
    if module.shape:
        assert said.shape == module.shape
    elif said.shape is not None:
        assert module.fits(said.shape)


def test_the_worked_example_of_the_page_runs(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The Python blocks of the page, one after the other, in one namespace."""
    page = (root / "docs" / "adding-a-network-type.md").read_text(encoding="utf-8")
    blocks = [part.split("```")[0] for part in page.split("```python\n")[1:]]
    assert len(blocks) >= 3
    example = ModuleType("example")
    monkeypatch.setitem(sys.modules, "example", example)
    for block in blocks:
        code = compile(block, "adding-a-network-type.md", "exec", dont_inherit=True)
        exec(code, example.__dict__)
