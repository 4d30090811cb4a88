"""install.py: quick when there is nothing to do, whole again after anything that went wrong."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

WATCHDOG = importlib.util.find_spec("watchdog") is not None


class PipLog(list[tuple[str, ...]]):
    """What pip would have been asked to do, and how often until one call fails."""

    fails_at = -1

    def __call__(self, title: str, *args: str) -> None:
        if len(self) == self.fails_at:
            raise KeyboardInterrupt
        self.append(args)


def load(folder: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("loradex_install", folder / "install.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def clone(root: Path, place: Path) -> ModuleType:
    place.mkdir(parents=True)
    for name in ("install.py", "pyproject.toml", "constraints.txt"):
        shutil.copy(root / name, place / name)
    return load(place)


@pytest.fixture
def pip() -> PipLog:
    return PipLog()


@pytest.fixture(scope="module")
def made(root: Path, tmp_path_factory: pytest.TempPathFactory) -> ModuleType:
    """A clone whose .venv was really made, once for all tests."""
    module = clone(root, tmp_path_factory.mktemp("template") / "clone")
    module.make_venv(module._base_python())
    return module


@pytest.fixture
def fresh(
    root: Path, tmp_path: Path, made: ModuleType, pip: PipLog, monkeypatch: pytest.MonkeyPatch
) -> ModuleType:
    """install.py in a new clone whose path has a space; .venv is copied, pip only takes notes."""
    module = clone(root, tmp_path / "my clone")
    monkeypatch.setattr(module, "pip", pip)
    copy = shutil.copytree
    monkeypatch.setattr(
        module, "make_venv", lambda python: copy(made.VENV, module.VENV, symlinks=True)
    )
    return module


@pytest.mark.skipif(not WATCHDOG, reason="watchdog is missing here, so there is something to do")
def test_a_webui_start_says_nothing_and_imports_nothing_heavy(root: Path) -> None:
    code = "import sys, install; install.main([]); print(*sorted(sys.modules))"
    done = subprocess.run([sys.executable, "install.py"], cwd=root, capture_output=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True)
    assert not {"torch", "numpy", "pip", "watchdog", "gradio"} & set(done.stdout.split())


def test_a_webui_start_installs_what_is_missing_through_the_webui(
    root: Path, tmp_path: Path
) -> None:
    webui = "def run_pip(command, desc=None): print('pip', command)"
    (tmp_path / "launch.py").write_text(webui)
    code = (
        "import sys, importlib.util as u; sys.path.insert(0, sys.argv[1]); import install\n"
        "find = u.find_spec; u.find_spec = lambda n: None if n == 'watchdog' else find(n)\n"
        "install.main([])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], cwd=root, capture_output=True, text=True
    )
    assert done.stdout.strip() == 'pip install "watchdog>=4.0"'


def test_a_webui_starts_also_when_pip_fails(
    fresh: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def no_network(requirement: str) -> None:
        raise RuntimeError("no network")

    monkeypatch.setattr(fresh, "WEBUI_NEEDS", {"surely_missing": "surely-missing>=1"})
    monkeypatch.setattr(fresh, "_install_into_webui", no_network)
    assert fresh.main([]) == 0
    assert "no network" in capsys.readouterr().out


def test_the_first_run_installs_torch_alone_and_the_second_nothing(
    fresh: ModuleType, pip: PipLog
) -> None:
    fresh.prepare("run", "", "")
    first, second = pip
    assert first == ("install", "torch==2.13.0")
    assert second[:2] == ("install", "-c")
    assert second[-1].endswith("my clone[standalone]")
    pip.clear()
    fresh.prepare("run", "", "")
    assert pip == []

    fresh.prepare("test", "", "")  # needs more than is there
    assert pip[-1][-1].endswith("[browser,peers,standalone,test]")
    pip.clear()
    fresh.prepare("run", "", "")  # needs less
    assert pip == []

    pins = fresh.HERE / "constraints.txt"
    pins.write_text(pins.read_text() + "# changed\n")
    fresh.prepare("run", "", "")
    assert pip[-1][-1].endswith("[browser,peers,standalone,test]")


def test_an_interrupted_installation_is_done_again(fresh: ModuleType, pip: PipLog) -> None:
    pip.fails_at = 1
    assert fresh.main(["run"]) == 130
    pip.fails_at = -1
    pip.clear()
    fresh.prepare("run", "", "")
    assert len(pip) == 2


def test_a_broken_or_moved_environment_is_made_anew(
    root: Path, pip: PipLog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fresh = clone(root, tmp_path / "clone")
    monkeypatch.setattr(fresh, "pip", pip)
    (fresh.VENV / "bin").mkdir(parents=True)
    (fresh.VENV / "bin" / "python").write_text("not a program")
    (fresh.VENV / "left over").touch()
    fresh.prepare("run", "", "")
    assert fresh.version_of(fresh.venv_python()) == sys.version_info[:2]
    assert not (fresh.VENV / "left over").exists()

    (fresh.VENV / "left over").touch()
    fresh.HERE.rename(tmp_path / "moved")
    moved = load(tmp_path / "moved")
    monkeypatch.setattr(moved, "pip", pip)
    pip.clear()
    moved.prepare("run", "", "")
    assert len(pip) == 2
    assert not (moved.VENV / "left over").exists()


def test_another_torch_index_replaces_torch(fresh: ModuleType, pip: PipLog) -> None:
    fresh.prepare("run", "", "")
    pip.clear()
    fresh.prepare("run", "", "https://example.org/cu130")
    assert [args[0] for args in pip] == ["uninstall", "install", "install"]
    assert pip[1][1:] == ("torch==2.13.0", "--index-url", "https://example.org/cu130")
    pip.clear()
    fresh.prepare("run", "", "")
    assert pip == []


@pytest.mark.parametrize("version", [(3, 9), (3, 14)])
def test_a_python_out_of_range_is_refused_in_one_line(
    fresh: ModuleType,
    version: tuple[int, int],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(
        fresh, "version_of", lambda path: None if fresh.VENV in Path(path).parents else version
    )
    assert fresh.main(["run"]) == 2
    told = capsys.readouterr().err
    assert f"is Python 3.{version[1]}; expected 3.10 to 3.13" in told
    assert len(told.splitlines()) == 1


def test_a_python_that_does_not_start_is_named(
    fresh: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    assert fresh.main(["run", "--python", "no-such-python"]) == 2
    assert "no-such-python does not start" in capsys.readouterr().err


def test_what_is_not_ours_is_passed_on(fresh: ModuleType) -> None:
    words = ["generate", "a <lora:x:1>", "--seed", "-1", "--json"]
    assert fresh.parse(["run", *words])[1] == words
    assert fresh.parse(["run", "--", "--help"])[1] == ["--help"]
    options, rest = fresh.parse(["test", "--python", "python3", "-k", "name"])
    assert (options.python, rest) == ("python3", ["-k", "name"])


def test_pip_is_quiet_until_it_fails(
    made: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    made.pip("Listing", "list")
    assert capsys.readouterr().out.startswith("Listing ")
    with pytest.raises(made.SetupError, match="pip failed"):
        made.pip("Installing", "install", "--no-index", "no-such-package")
    assert "No matching distribution found for no-such-package" in capsys.readouterr().out
