"""Set Loradex up: called plainly by a WebUI at its start, or with `run` or `test` by a person.

python install.py                    inside a WebUI: installs only what is missing
python install.py run [options]      makes .venv, installs what is pinned, starts the standalone
python install.py test [options]     the same, and passes every check that CI runs

Only the standard library is used, and torch is never imported here.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path

OLDEST, NEWEST = (3, 10), (3, 13)
HERE = Path(__file__).resolve().parent
VENV = HERE / ".venv"
STAMP = VENV / "loradex-install.json"
CONSTRAINTS = HERE / "constraints.txt"
EXTRAS = {"run": ("standalone",), "test": ("standalone", "test", "peers", "browser")}
WEBUI_NEEDS = {"watchdog": "watchdog>=4.0", "send2trash": "send2trash>=1.8"}
CHECKS: tuple[tuple[str, ...], ...] = (
    ("ruff", "check", "."),
    ("mypy",),
    ("pytest", "-n", "logical", "--maxprocesses", "4", "--dist", "loadgroup",
     "--cov", "--cov-report=term:skip-covered"),
)


class SetupError(Exception):
    """Something that the person at the keyboard has to do first, in one line."""


# ---- inside a WebUI ------------------------------------------------------------------------


def install_for_webui() -> None:
    """Install what the extension uses and the WebUI lacks; never stop the WebUI's start."""
    for module, requirement in WEBUI_NEEDS.items():
        if importlib.util.find_spec(module) is not None:
            continue
        try:
            _install_into_webui(requirement)
        except (RuntimeError, OSError, subprocess.CalledProcessError) as problem:
            print(f"Loradex: {requirement} could not be installed ({problem}).")
            print(f"Loradex works without live updates until: pip install '{requirement}'")


def _install_into_webui(requirement: str) -> None:
    if importlib.util.find_spec("launch") is None:
        print(f"Loradex: no WebUI around; installing {requirement} into {sys.executable}")
        print("Loradex: to start without a WebUI: python install.py run")
        subprocess.run([sys.executable, "-m", "pip", "install", requirement], check=True)
        return
    from launch import run_pip  # the WebUI's own, which honours --skip-install

    run_pip(f'install "{requirement}"', f"{requirement} for Loradex")


# ---- the standalone's own environment ------------------------------------------------------


def venv_python() -> Path:
    """Where the environment's interpreter lies on this system."""
    return VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def version_of(python: str | Path) -> tuple[int, int] | None:
    """The version of an interpreter, or None where it does not start."""
    code = "import sys; print(*sys.version_info[:2])"
    try:
        done = subprocess.run(
            [str(python), "-c", code], capture_output=True, text=True, timeout=60, check=True
        )
        major, minor = done.stdout.split()
    except (OSError, ValueError, subprocess.SubprocessError):
        return None
    return int(major), int(minor)


def check_python(python: str) -> None:
    """Refuse a Python that the pinned packages do not support."""
    version = version_of(python)
    allowed = f"{_dotted(OLDEST)} to {_dotted(NEWEST)}"
    if version is None:
        raise SetupError(f"{python} does not start; expected a Python {allowed}.")
    if not OLDEST <= version <= NEWEST:
        raise SetupError(
            f"{python} is Python {_dotted(version)}; expected {allowed}. "
            "Name another one: python install.py run --python PATH"
        )


def _dotted(version: tuple[int, int]) -> str:
    return f"{version[0]}.{version[1]}"


def make_venv(python: str) -> None:
    """Create .venv anew; whatever lay there is removed."""
    print(f"Creating {VENV}")
    probe = "import importlib.util as u, sys; sys.exit(u.find_spec('ensurepip') is None)"
    if subprocess.run([python, "-c", probe], check=False).returncode:
        name = "python" + _dotted(version_of(python) or OLDEST)
        raise SetupError(f"{python} has no venv. On Debian and Ubuntu: apt install {name}-venv")
    if VENV.is_symlink() or VENV.is_file():
        VENV.unlink()
    done = subprocess.run(
        [python, "-m", "venv", "--clear", str(VENV)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SetupError(f"{VENV} could not be created: {(done.stdout + done.stderr).strip()}")


def fingerprint() -> str:
    """What an installation depends on: requirements, pins and the place of this checkout."""
    digest = hashlib.sha256(str(HERE).encode())
    for path in (HERE / "pyproject.toml", CONSTRAINTS):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def read_stamp() -> dict[str, object]:
    """What the last finished installation wrote, or nothing."""
    try:
        stamp = json.loads(STAMP.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return stamp if isinstance(stamp, dict) else {}


def usable(version: tuple[int, int] | None, stamp: dict[str, object]) -> bool:
    """Whether the .venv that lies there can be installed into, whoever made it."""
    if version is None or not OLDEST <= version <= NEWEST:
        return False
    if stamp.get("place", str(HERE)) != str(HERE):
        return False  # the folder was moved; the environment's scripts name the old one
    has_pip = [str(venv_python()), "-m", "pip", "--version"]
    return subprocess.run(has_pip, capture_output=True, check=False).returncode == 0


def prepare(command: str, python: str, torch_index: str) -> None:
    """Make .venv hold what `command` needs; does nothing where it already does."""
    wanted = set(EXTRAS[command])
    stamp = read_stamp()
    extras = stamp.get("extras")
    have = set(extras) if isinstance(extras, list) else set()
    same_index = not torch_index or torch_index == stamp.get("torch_index")
    version = version_of(venv_python())
    if stamp.get("fingerprint") == fingerprint() and wanted <= have and same_index and version:
        return
    if not usable(version, stamp) or (python and version_of(python) != version):
        python = python or _base_python()
        check_python(python)
        make_venv(python)
        stamp, have = {}, set()
    STAMP.unlink(missing_ok=True)  # an interrupted installation is done again
    install(sorted(wanted | have), torch_index, replace_torch=bool(stamp) and not same_index)
    index = torch_index or stamp.get("torch_index") or ""
    record = {
        "fingerprint": fingerprint(), "place": str(HERE),
        "extras": sorted(wanted | have), "torch_index": index,
    }
    STAMP.write_text(json.dumps(record), encoding="utf-8")


def install(extras: Sequence[str], torch_index: str, replace_torch: bool) -> None:
    """Install torch alone first, from its own index where one is named, then all the rest."""
    torch = next(
        line for line in CONSTRAINTS.read_text(encoding="utf-8").splitlines()
        if line.startswith("torch==")
    )
    if not torch_index and os.name == "nt" and shutil.which("nvidia-smi"):
        print("A CUDA build of torch: --torch-index-url https://download.pytorch.org/whl/cu130")
    if replace_torch:
        pip("Removing the other torch", "uninstall", "--yes", "torch")
    source = ["--index-url", torch_index] if torch_index else []
    pip(f"Installing {torch} (this can take a while)", "install", torch, *source)
    project = f"{HERE}[{','.join(extras)}]"
    rest = ["-c", str(CONSTRAINTS), "-e", project]
    pip(f"Installing Loradex with {', '.join(extras)}", "install", *rest)


def pip(title: str, *args: str) -> None:
    """Run pip in .venv; its output is one moving line, and is shown in full when it fails."""
    command = [str(venv_python()), "-m", "pip", "--disable-pip-version-check", "--no-input", *args]
    last: deque[str] = deque(maxlen=40)
    start = time.monotonic()
    print(title, end=" ", flush=True)
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
    ) as process:
        for line in process.stdout or ():
            last.append(line.rstrip())
            _show_moving(title, line)
    _show_moving(title, "")
    if process.returncode:
        print("\n" + "\n".join(last))
        raise SetupError("pip failed (its last lines are above). Check the network and try again.")
    print(f"{time.monotonic() - start:.0f} s")


def _show_moving(title: str, line: str) -> None:
    if sys.stdout.isatty():
        width = shutil.get_terminal_size().columns - len(title) - 3
        print(f"\r\x1b[K{title} {line.strip()[: max(width, 0)]}", end="", flush=True)


# ---- commands ------------------------------------------------------------------------------


def run_standalone(args: Sequence[str]) -> int:
    """Start the app (or the sub-command that the arguments name)."""
    return subprocess.call([str(venv_python()), "-m", "standalone", *args])


def run_tests(args: Sequence[str]) -> int:
    """All checks; with arguments only pytest, which gets them."""
    for check in (("pytest", *args),) if args else CHECKS:
        print(f"--- {' '.join(check)}", flush=True)
        status = subprocess.call([str(venv_python()), "-m", *check], cwd=HERE)
        if status:
            return status
    return 0


def parse(argv: Sequence[str]) -> tuple[argparse.Namespace, list[str]]:
    """Our own options, and what goes on to the standalone or to pytest."""
    parser = argparse.ArgumentParser(
        prog="install.py", allow_abbrev=False, formatter_class=argparse.RawDescriptionHelpFormatter,
        description=__doc__, epilog="Everything else is passed on; see `run -- --help`.",
    )
    parser.add_argument("command", choices=sorted(EXTRAS))
    parser.add_argument("--python", default="", help="make .venv with this Python")
    parser.add_argument(
        "--torch-index-url", default=os.environ.get("TORCH_INDEX_URL", ""),
        help="where pip takes torch from (also: TORCH_INDEX_URL)",
    )
    known, rest = parser.parse_known_args(argv)
    return known, [word for place, word in enumerate(rest) if (place, word) != (0, "--")]


def _base_python() -> str:
    """The running Python, or what its environment was made of: .venv may be the running one."""
    base: str = getattr(sys, "_base_executable", sys.executable)
    return base or sys.executable


def main(argv: Sequence[str]) -> int:
    """Do what the arguments say; without any, what a WebUI expects."""
    if not argv:
        install_for_webui()
        return 0
    options, rest = parse(argv)
    try:
        prepare(options.command, options.python, options.torch_index_url)
        return run_standalone(rest) if options.command == "run" else run_tests(rest)
    except SetupError as problem:
        print(f"install.py: {problem}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
