"""Other ways to start the WebUI, and what the extension does before it runs."""

from __future__ import annotations

import base64
import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")

from tests.real_webui.host import (
    DataFolder,
    HostError,
    Installation,
    RunningWebUI,
    clone_extension,
    environment,
)
from tests.real_webui.models import SD1, SDXL, Models, start
from tests.real_webui.networks import network_tensors, write_network
from tests.server.kit import PROGRAM, requests_of

pytestmark = [pytest.mark.torch, pytest.mark.timeout(600)]

PROMPT = "a cat <lora:plain:1>"


@pytest.fixture
def data(tmp_path: Path, models: Models) -> DataFolder:
    made = DataFolder(tmp_path / "data of the webui")
    made.prepare()
    write_network(made.loras / "plain.safetensors", network_tensors(models.folder / SD1, "locon"))
    return made


@contextmanager
def started(
    installation: Installation, models: Models, data: DataFolder, *arguments: str, **told: str
) -> Iterator[RunningWebUI]:
    with start(installation, models, data, *arguments, **told) as host:
        yield host
        assert not host.own_tracebacks()


@pytest.mark.parametrize("argument", ["--medvram", "--lowvram"])
def test_with_little_memory(
    installation: Installation, models: Models, data: DataFolder, argument: str
) -> None:
    if installation.forge:
        pytest.skip("Forge has no such argument")
    with started(installation, models, data, argument) as host:
        base, ours = host.draw("a cat"), host.draw(PROMPT)
        assert re.fullmatch(r"plain (\d+)/\1", ours.report)
        with host.builtin():
            theirs = host.draw(PROMPT)
        assert ours.near(theirs)
        assert not ours.near(base)
        assert host.draw("a cat").same(base)


def test_without_the_built_in(
    installation: Installation, models: Models, data: DataFolder
) -> None:
    data.prepare({"disabled_extensions": ["Lora", "sd_forge_lora"]})
    with started(installation, models, data) as host:
        base, ours = host.draw("a cat"), host.draw(PROMPT)
        assert re.fullmatch(r"plain (\d+)/\1", ours.report)
        assert not ours.near(base)
        host.reload()
        assert host.draw(PROMPT).same(ours)
        assert host.draw("a cat").same(base)
        with host.builtin():
            assert host.draw(PROMPT).same(base)


def test_without_a_page(installation: Installation, models: Models, data: DataFolder) -> None:
    with started(installation, models, data, "--nowebui") as host:
        assert re.fullmatch(r"plain (\d+)/\1", host.draw(PROMPT).report)
        assert host.applied()["applied"]


def test_switched_off_as_an_extension(
    installation: Installation, models: Models, data: DataFolder
) -> None:
    data.prepare({"disabled_extensions": [data.extension.name.lower(), data.extension.name]})
    with started(installation, models, data) as host:
        assert not host.draw(PROMPT).report
        assert host.status("/loradex/v1/applied") == 404


def test_off_by_the_settings_from_the_start(
    installation: Installation, models: Models, data: DataFolder
) -> None:
    data.prepare({"loradex_engine": False})
    with started(installation, models, data) as host:
        theirs = host.draw(PROMPT)
        assert not theirs.report
        host.set(loradex_engine=True)
        ours = host.draw(PROMPT)
        assert ours.report
        assert ours.near(theirs)


def test_a_larger_model_first(
    installation: Installation, models: Models, data: DataFolder
) -> None:
    with started(installation, models, data, checkpoint=SDXL) as host:
        base = host.draw("a cat")
        assert "skipped" in host.draw(PROMPT).report
        assert host.draw("a cat").same(base)


def test_the_routes_ask_for_the_login_of_the_api(
    installation: Installation, models: Models, data: DataFolder
) -> None:
    login = {"Authorization": "Basic " + base64.b64encode(b"somebody:secret").decode()}
    with started(installation, models, data, "--api-auth", "somebody:secret") as host:
        assert open_to_all(host) == []
        assert host.status("/loradex/v1/applied", login) == 200


def test_the_routes_ask_for_the_login_of_the_page(
    installation: Installation, models: Models, data: DataFolder
) -> None:
    with started(installation, models, data, "--gradio-auth", "somebody:secret") as host:
        assert open_to_all(host) == []


def open_to_all(host: RunningWebUI) -> list[str]:
    """The routes of Loradex, whichever there are, that answer anybody."""
    pytest.importorskip("fastapi")
    from loradex.server.api import make_router

    nobody: Any = None
    return [
        f"{method} {path}" for method, path in requests_of(make_router(nobody).routes)
        if host.status(path, PROGRAM, method) != 401
    ]


def test_the_routes_are_in_the_webui_s_own_description(
    installation: Installation, models: Models, data: DataFolder
) -> None:
    with started(installation, models, data) as host:
        assert host.status("/docs") == 200
        shown = host.get("/openapi.json")["paths"]
        assert shown["/loradex/v1/networks"]["get"]["parameters"][0]["name"] == "q"
        host.reload()
        assert "/loradex/v1/engine/release" in host.get("/openapi.json")["paths"]


def test_the_routes_answer_only_this_machine(
    installation: Installation, models: Models, data: DataFolder
) -> None:
    with started(installation, models, data) as host:
        assert host.status("/loradex/v1/applied") == 200
        assert host.status("/loradex/v1/applied", {"Origin": "http://elsewhere.example"}) >= 400
        assert host.status("/loradex/v1/applied", {"Host": "elsewhere.example"}) >= 400


def test_beside_extensions_with_packages_of_common_names(
    installation: Installation, models: Models, data: DataFolder
) -> None:
    for index, name in enumerate(("extension", "lora", "networks", "loradex_helpers")):
        root = data.path / "extensions" / f"{index} {name}"
        (root / name).mkdir(parents=True)
        (root / name / "__init__.py").write_text("core = 'somebody else'\n")
        (root / "scripts").mkdir()
        (root / "scripts" / f"{name}_script.py").write_text(f"import {name}\n")
    with started(installation, models, data) as host:
        assert re.fullmatch(r"plain (\d+)/\1", host.draw(PROMPT).report)


def test_install_needs_nothing_that_is_there(
    installation: Installation, tmp_path: Path
) -> None:
    """As the WebUI runs it at every start: its own Python, its folder, its modules to import."""
    clone = tmp_path / "a clone"
    clone_extension(clone)
    done = subprocess.run(
        [str(installation.python), str(clone / "install.py")], cwd=installation.root,
        env={**environment(), "PYTHONPATH": os.fspath(installation.root)},
        capture_output=True, text=True, check=False,
    )
    assert done.returncode == 0, done.stderr


def test_many_files_do_not_delay_the_start(
    installation: Installation, models: Models, data: DataFolder
) -> None:
    whole = (data.loras / "plain.safetensors").read_bytes()
    for index in range(500):
        (data.loras / f"copy {index}.safetensors").write_bytes(whole[:20_000])
    with started(installation, models, data) as host:
        found = re.findall(r"loradex\.py: ([\d.]+)s", host.log())
        assert sum(map(float, found)) < 0.5
        assert re.fullmatch(r"plain (\d+)/\1", host.draw(PROMPT).report)


def test_strict_from_the_start(
    installation: Installation, models: Models, data: DataFolder
) -> None:
    data.prepare({"loradex_strict": True})
    with started(installation, models, data) as host:
        with pytest.raises(HostError) as stopped:
            host.draw("a cat <lora:missing:1>")
        assert "missing" in stopped.value.text
        assert host.draw(PROMPT).report
