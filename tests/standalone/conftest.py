"""Toy models, made once a run: a diffusers folder and one checkpoint file of each family."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.standalone.libraries import Run, Told, write_library

# diffusers' schedulers hand torch tensors to numpy 2, which warns about torch's own methods.
_NUMPY = (
    "ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning",
    "ignore:__array_wrap__ must accept context:DeprecationWarning",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.filterwarnings(*_NUMPY))


@pytest.fixture(scope="session")
def toy_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from tests.standalone.toy import write_toy_folder

    return write_toy_folder(tmp_path_factory.mktemp("toy") / "toy")


@pytest.fixture(scope="session")
def ldm_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`sd1.safetensors`, `sd2.safetensors` and `sdxl.safetensors`, and a folder of each."""
    from safetensors.torch import save_file

    from tests.standalone.ldm import FAMILIES, make_models, to_native, write_folder

    place = tmp_path_factory.mktemp("ldm")
    for family, sizes in FAMILIES.items():
        models = make_models(family, sizes)
        save_file(to_native(family, models), place / f"{family}.safetensors")
        write_folder(place / family, family, models)
    return place


@pytest.fixture
def tell(capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a command of the catalog in this process and gives what it told."""
    from standalone.cli import main

    def run(*words: object) -> Told:
        code = main([str(word) for word in words])
        return Told(code, *capsys.readouterr())

    return run


@pytest.fixture
def library(tmp_path: Path) -> Path:
    return write_library(tmp_path / "loras")
