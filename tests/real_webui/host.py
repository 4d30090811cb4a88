"""A real WebUI in a process of its own: started headless on the CPU, spoken to over HTTP."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.real_webui.picture import Picture

ROOT = Path(__file__).resolve().parents[2]
PROBE = Path(__file__).resolve().parent / "probe"
WEBUI, PYTHON = "LORADEX_WEBUI", "LORADEX_WEBUI_PYTHON"
EXTENSION = "Lora dex of the tests"
"""The clone's folder: a space in the path is a user's everyday life."""

_START_S, _STOP_S, _ANSWER_S = 300.0, 20.0, 300.0
_COMMON = ("--skip-prepare-environment", "--skip-torch-cuda-test", "--skip-version-check",
           "--skip-python-version-check", "--no-download-sd-model", "--api",
           "--disable-console-progressbars")
_SETTINGS = {
    "show_progress_type": "Approx cheap",  # the other previews fetch a model of their own
    "samples_save": False, "save_images_add_number": False, "show_warnings": False,
    "auto_launch_browser": "Disable",
}
_STARTED = "Startup time: "
_OWN_LINE = re.compile(r'File ".*[/\\]extension[/\\]loradex[/\\]')
Json = dict[str, Any]


@dataclass(frozen=True)
class Installation:
    """A WebUI as somebody installed it."""

    root: Path
    python: Path

    @property
    def forge(self) -> bool:
        """Forge and reForge manage memory themselves and know other arguments."""
        return any((self.root / name).is_dir() for name in ("backend", "ldm_patched"))

    @property
    def arguments(self) -> tuple[str, ...]:
        own = ("--always-cpu",) if self.forge else (
            "--use-cpu", "all", "--no-half", "--precision", "full")
        return (*_COMMON, *own)

    def run(self, script: Path, *arguments: str) -> str:
        """What a script prints that runs in the WebUI's own Python; it must end well."""
        done = subprocess.run(
            [str(self.python), str(script), str(self.root), *arguments], cwd=self.root,
            capture_output=True, text=True, check=False, env=environment(),
        )
        if done.returncode:
            raise RuntimeError(f"{script.name} failed in {self.root}:\n{done.stderr[-4000:]}")
        return done.stdout


def find_installation() -> Installation | None:
    """The WebUI that the environment names, or None."""
    given = os.environ.get(WEBUI)
    return installation_at(Path(given)) if given else None


def installation_at(root: Path) -> Installation:
    root = root.expanduser().resolve()
    if not (root / "launch.py").is_file():
        raise FileNotFoundError(f"{WEBUI}: no launch.py in {root}")
    # Not resolved: a virtual environment is known by the path of its interpreter.
    candidates = [Path(os.environ[PYTHON]).expanduser().absolute()] if PYTHON in os.environ else [
        root / "venv" / "bin" / "python", root / "venv" / "Scripts" / "python.exe"]
    for python in candidates:
        if python.is_file():
            return Installation(root, python)
    raise FileNotFoundError(f"set {PYTHON}: no Python at {', '.join(map(str, candidates))}")


def environment() -> dict[str, str]:
    """The caller's environment without what would change the WebUI's own start."""
    dropped = {"COMMANDLINE_ARGS", "PYTHONPATH", "LORADEX_HOME", "PYTHONWARNINGS"}
    kept = {name: value for name, value in os.environ.items() if name not in dropped}
    return {"OMP_NUM_THREADS": "2", **kept, "PYTHONUNBUFFERED": "1", "CUDA_VISIBLE_DEVICES": "",
            "GRADIO_ANALYTICS_ENABLED": "False", "SD_WEBUI_RESTARTING": "1",
            "PYTHONWARNINGS": "ignore"}


def clone_extension(target: Path) -> None:
    """The checkout as git would clone it, with the changes that are not committed yet."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )
    for name in filter(None, listed.stdout.split("\0")):
        source = ROOT / name
        if source.is_file() and not name.startswith(("tests/", "docs/")):
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target / name)


@dataclass(frozen=True)
class DataFolder:
    """The WebUI's `--data-dir`: settings, extensions and models that only the tests have."""

    path: Path

    @property
    def loras(self) -> Path:
        return self.path / "models" / "Lora"

    @property
    def checkpoints(self) -> Path:
        return self.path / "models" / "Stable-diffusion"

    @property
    def extension(self) -> Path:
        return self.path / "extensions" / EXTENSION

    def prepare(self, settings: Mapping[str, Any] | None = None, *, ours: bool = True) -> None:
        for folder in (self.loras, self.checkpoints, self.path / "extensions"):
            folder.mkdir(parents=True, exist_ok=True)
        shutil.copytree(PROBE, self.path / "extensions" / "loradex-probe", dirs_exist_ok=True)
        if ours and not self.extension.exists():
            clone_extension(self.extension)
        told = json.dumps({**_SETTINGS, **(settings or {})})
        (self.path / "config.json").write_text(told, encoding="utf-8")


class RunningWebUI:
    """One process of the WebUI; a context manager that always ends it."""

    def __init__(
        self, installation: Installation, data: DataFolder, checkpoint: Path,
        arguments: Sequence[str] = (), variables: Mapping[str, str] | None = None,
    ) -> None:
        self.installation, self.data = installation, data
        self.log_path = data.path / "webui.log"
        self.port = _free_port()
        self.command = [
            str(installation.python), "launch.py", *installation.arguments,
            "--port", str(self.port), "--data-dir", str(data.path),
            "--ckpt", str(checkpoint), *arguments,
        ]
        self.variables = dict(variables or {})
        self.start_seconds = 0.0
        self.patience_s = _START_S

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> RunningWebUI:
        self._log = self.log_path.open("wb")
        started = time.perf_counter()
        self.process = subprocess.Popen(
            self.command, cwd=self.installation.root, stdout=self._log,
            stderr=subprocess.STDOUT, env={**environment(), **self.variables},
        )
        try:
            self._wait_for_start(1)
        except BaseException:
            self.__exit__()
            raise
        self.start_seconds = time.perf_counter() - started
        return self

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        try:
            self.process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(_STOP_S)
        self._log.close()

    # -- HTTP

    def get(self, route: str) -> Any:
        return self._answer(urllib.request.Request(self.address + route))

    def post(self, route: str, body: Mapping[str, Any] | None = None) -> Any:
        told = json.dumps(body or {}).encode()
        return self._answer(urllib.request.Request(
            self.address + route, told, {"Content-Type": "application/json"}))

    def status(
        self, route: str, headers: Mapping[str, str] | None = None, method: str = "GET"
    ) -> int:
        request = urllib.request.Request(
            self.address + route, headers=dict(headers or {}), method=method)
        try:
            with urllib.request.urlopen(request, timeout=_ANSWER_S) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            error.close()
            return error.code

    def _answer(self, request: urllib.request.Request) -> Any:
        try:
            with urllib.request.urlopen(request, timeout=_ANSWER_S) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                text = error.read().decode("utf-8", "replace")
            raise HostError(error.code, text) from None

    # -- what the tests ask

    def draw(self, prompt: str, **options: Any) -> Picture:
        """The first picture of a txt2img: 64 x 64 pixels in 2 steps, if nothing else is said."""
        return self.draw_all(prompt, **options)[0]

    def draw_all(self, prompt: str, **options: Any) -> list[Picture]:
        body = {"prompt": prompt, "steps": 2, "width": 64, "height": 64, "seed": 1,
                "sampler_name": "Euler", **options}
        answer = self.post("/sdapi/v1/txt2img", body)
        told = json.loads(answer["info"])
        return [Picture.decode(data, told, index) for index, data in enumerate(answer["images"])]

    def applied(self) -> Json:
        """Loradex's report of the last generation."""
        found: Json = self.get("/loradex/v1/applied")
        return found

    def set(self, **settings: Any) -> None:
        self.post("/sdapi/v1/options", settings)

    @contextmanager
    def setting(self, **settings: Any) -> Iterator[None]:
        """Other settings for a while."""
        before = self.get("/sdapi/v1/options")
        self.set(**settings)
        try:
            yield
        finally:
            self.set(**{name: before[name] for name in settings})

    def builtin(self) -> Any:
        """With Loradex switched off: the built-in serves the tags."""
        return self.setting(loradex_engine=False)

    def load_checkpoint(self, name: str) -> None:
        self.set(sd_model_checkpoint=name)

    def weights(self) -> Json:
        """Hashes of all parameters of the loaded model, from the probe: {part: sha256}."""
        found: Json = self.get("/loradex-probe/weights")
        return found

    def reload(self) -> None:
        """What the button "Reload UI" does; returns when the new page answers."""
        count = self.log().count(_STARTED)
        self.post("/loradex-probe/reload")
        self._wait_for_start(count + 1)

    def log(self) -> str:
        return self.log_path.read_text(encoding="utf-8", errors="replace")

    def own_tracebacks(self) -> list[str]:
        """Tracebacks through Loradex in the log, but for those by which a strict run stops."""
        found = re.split(r"(?=Traceback \(most recent call last\))", self.log())[1:]
        return [one[:3000] for one in found if _OWN_LINE.search(one) and "_at_gate" not in one]

    def rss_bytes(self) -> int:
        """The memory that the process has now."""
        return int(self.get("/loradex-probe/memory")["rss"])

    def _wait_for_start(self, count: int) -> None:
        """Until it said so often that it started: a request before that ends some WebUIs.

        They add middleware to an app that answers already, which it refuses after a request.
        """
        self._wait(lambda: self.log().count(_STARTED) >= count)
        self._wait(lambda: self.get("/loradex-probe/starts")["starts"] >= count)

    def _wait(self, ready: Callable[[], Any]) -> None:
        until = time.monotonic() + self.patience_s
        while time.monotonic() < until:
            if self.process.poll() is not None:
                raise RuntimeError(f"the WebUI ended:\n{self.log()[-4000:]}")
            try:
                if ready():
                    return
            except (HostError, OSError, ValueError):
                pass
            time.sleep(0.2)
        raise TimeoutError(f"no answer in {self.patience_s:.0f} s:\n{self.log()[-4000:]}")


class HostError(Exception):
    """An answer of the WebUI that is none of 200."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(f"HTTP {code}: {text[:2000]}")
        self.code, self.text = code, text


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])
