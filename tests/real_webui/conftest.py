"""One real WebUI for the whole suite, with narrow checkpoints that its own classes made."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from tests.real_webui.host import (
    WEBUI,
    DataFolder,
    Installation,
    RunningWebUI,
    find_installation,
)
from tests.real_webui.models import SD1, Models, make_models, start

if TYPE_CHECKING:
    from tests.real_webui.shelf import Shelf



@pytest.fixture(scope="session")
def installation() -> Installation:
    found = find_installation()
    if found is None:
        pytest.skip(f"set {WEBUI} to the folder of a WebUI to test in it")
    return found


@pytest.fixture(scope="session")
def models(installation: Installation, tmp_path_factory: pytest.TempPathFactory) -> Models:
    return make_models(installation, tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="session")
def shared_host(
    installation: Installation, models: Models, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningWebUI]:
    data = DataFolder(tmp_path_factory.mktemp("data of the webui"))
    data.prepare()
    with start(installation, models, data) as host:
        yield host
        assert not host.own_tracebacks()


@pytest.fixture
def host(shared_host: RunningWebUI) -> RunningWebUI:
    """The WebUI with SD 1 loaded and Loradex on, whatever the last test did."""
    shared_host.set(loradex_engine=True, loradex_strict=False, sd_lora="None")
    shared_host.load_checkpoint(SD1)
    return shared_host


@pytest.fixture
def shelf(host: RunningWebUI, models: Models) -> Shelf:
    from tests.real_webui.shelf import Shelf

    return Shelf(host, models.folder)
