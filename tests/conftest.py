"""What every test runs under: fixed hypothesis examples in CI and no way out to a network."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

# Toys are so small that handing their work to threads costs more than the work, and ten times as
# much where the cores are busy. Read by torch when it is imported, here and in programs started.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# Importing readline sets it, as workers of pytest-xdist do, where no terminal has a width.
os.environ.pop("COLUMNS", None)

ROOT = Path(__file__).resolve().parent.parent

settings.register_profile(
    "ci", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("local", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("ci" if os.environ.get("CI") else "local")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What may run side by side: the tests of one file stay together, and so do all browsers'."""
    for item in items:
        browser = item.path.is_relative_to(ROOT / "tests" / "browser")
        item.add_marker(pytest.mark.xdist_group("browser" if browser else str(item.path)))


@pytest.fixture(scope="session", autouse=True)
def only_loopback() -> Iterator[None]:
    """Connections that leave this machine fail: nothing here may need a network."""
    connect, connect_ex = socket.socket.connect, socket.socket.connect_ex

    def guarded(original: Any) -> Any:
        def call(self: socket.socket, address: Any) -> Any:
            host = address[0] if isinstance(address, tuple) else ""
            if host and host != "localhost" and host != "::1" and not host.startswith("127."):
                pytest.fail(f"a test tried to reach {address}")
            return original(self, address)

        return call

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", guarded(connect))
        patch.setattr(socket.socket, "connect_ex", guarded(connect_ex))
        yield


@pytest.fixture(scope="session", autouse=True)
def own_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The index of each set of folders goes where this run's files go, not to the user's own."""
    home = tmp_path_factory.mktemp("loradex-home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LORADEX_HOME", str(home))
        yield home


@pytest.fixture(scope="session")
def root() -> Path:
    """The checkout."""
    return ROOT


@pytest.fixture
def own_bin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A bin of this test's own; Send2Trash looks for the user's when it is imported."""
    monkeypatch.setenv("HOME", str(tmp_path / "user"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "user" / "data"))
    (tmp_path / "user" / "data").mkdir(parents=True)

    for name in _loaded("send2trash"):
        monkeypatch.delitem(sys.modules, name)
    yield tmp_path / "user" / "data" / "Trash"
    for name in _loaded("send2trash"):
        del sys.modules[name]


def _loaded(package: str) -> list[str]:
    return [name for name in sys.modules if name.partition(".")[0] == package]
