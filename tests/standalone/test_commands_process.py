"""The commands as programs: what they load, how they end, what they do to pipes and terminals."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from standalone.commands import COMMANDS
from standalone.demo import DEMO_LORAS
from tests.standalone.libraries import network, write

ROOT = Path(__file__).parents[2]
HEAVY = ("torch", "numpy", "safetensors", "gradio", "diffusers", "transformers", "PIL")
SCRIPT = f"""
import sys
from standalone.cli import main
code = main(sys.argv[1:])
print(code, *[name for name in {HEAVY} if name in sys.modules], file=sys.stderr)
"""
GOLDEN = str(DEMO_LORAS / "golden.safetensors")


def environment(**more: str) -> dict[str, str]:
    paths = os.pathsep.join((str(ROOT), str(ROOT / "extension")))
    return {**os.environ, "PYTHONPATH": paths, "PYTHONIOENCODING": "utf-8", **more}


def python(*words: str, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *words], text=True, encoding="utf-8", capture_output=True, timeout=60,
        env=environment(**more))


@pytest.mark.parametrize(
    "words",
    [
        ["list", "--checkpoint", "demo"],
        ["inspect", GOLDEN, "--keys"],
        ["check", "golden", "--checkpoint", "demo"],
        ["doctor", "--deep"],
        ["watch", "--for", "0.1"],
        ["hash"],
        ["organise", "duplicates"],
        ["organise", "history", "--json"],
    ],
    ids=lambda words: words[0],
)
def test_no_command_loads_torch(words: list[str]) -> None:
    done = python("-c", SCRIPT, *words)
    assert done.stderr.splitlines()[-1] == "0", done.stderr


@pytest.mark.parametrize("command", COMMANDS)
def test_help_loads_little(command: str) -> None:
    """Counted, since time differs: neither heavy packages, nor rich, nor a database."""
    script = (
        "import sys; from standalone.cli import main; main([sys.argv[1], '--help'])\n"
        "heavy = ('torch', 'numpy', 'gradio', 'rich', 'watchdog.observers', 'standalone.app')\n"
        "print(len(sys.modules), *[one for one in heavy if one in sys.modules])"
    )
    done = python("-c", script, command)
    loaded, *heavy = done.stdout.splitlines()[-1].split()
    assert done.stdout.startswith(f"usage: python -m standalone {command} ")
    assert heavy == []
    assert int(loaded) < 400


@pytest.fixture
def many(tmp_path: Path) -> Path:
    source = write(tmp_path / "loras" / "0000.safetensors", network("sd1"))
    for index in range(1, 500):  # more than a pipe holds
        os.link(source, source.with_name(f"{index:04} {'long ' * 40}.safetensors"))
    return source.parent


@pytest.mark.skipif(os.name == "nt", reason="no such pipes")
@pytest.mark.parametrize("options", [[], ["--json"]])
def test_a_reader_that_goes_away_is_no_fault(options: list[str], many: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "standalone", "list", str(many), *options],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment(),
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(30) == 0


@pytest.fixture
def heard_interrupts() -> Iterator[None]:
    """A program that a shell starts in the background ignores Ctrl+C, and so do its children."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.skipif(os.name == "nt", reason="no such signals")
def test_ctrl_c_ends_a_watch_with_one_word(
    tmp_path: Path, heard_interrupts: None
) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "standalone", "watch", "--lora-dir", str(tmp_path), "--json"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment(),
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert json.loads(process.stdout.readline())["event"] == "watching"
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=60)[1] == b"Stopped.\n"
        assert process.returncode == 130


@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
def test_names_that_the_terminal_cannot_show_are_escaped(encoding: str, tmp_path: Path) -> None:
    write(tmp_path / "夜 Ü.safetensors", network("sd1"))
    more = {"PYTHONIOENCODING": encoding, "PYTHONUTF8": "0"}
    for command in ("list", "hash"):
        for options in ([], ["--json"]):
            done = subprocess.run(
                [sys.executable, "-m", "standalone", command, str(tmp_path), *options],
                capture_output=True, timeout=60, env=environment(**more))
            assert (done.returncode, done.stderr) == (0, b"")
            if options:
                assert json.loads(done.stdout.decode(encoding))["id"] == "夜 Ü.safetensors"


@pytest.mark.skipif(sys.platform != "linux", reason="names that are no text exist there only")
def test_a_name_that_is_no_text_is_listed(tmp_path: Path) -> None:
    write(tmp_path / os.fsdecode(b"bad\xff.safetensors"), network("sd1"))
    for command in ("list", "doctor", "inspect", "hash"):
        for options in ([], ["--json"]):
            done = python("-m", "standalone", command, str(tmp_path), *options)
            assert (done.returncode, done.stderr) == (0, ""), (command, done)
            if options:
                path = json.loads(done.stdout)["path"]
                assert path == str(tmp_path / os.fsdecode(b"bad\xff.safetensors"))


def test_colours_only_on_a_terminal_that_has_them(tmp_path: Path) -> None:
    pty = pytest.importorskip("pty")
    write(tmp_path / "ink.safetensors", network("sd1"))
    shown = {}
    for name, more in (("colour", {}), ("none", {"NO_COLOR": "1"})):
        ours, theirs = pty.openpty()
        done = subprocess.run(
            [sys.executable, "-m", "standalone", "list", str(tmp_path)], stdout=theirs,
            stdin=theirs, env=environment(TERM="xterm-256color", COLUMNS="80", **more), timeout=60)
        os.close(theirs)
        shown[name] = os.read(ours, 10000)
        os.close(ours)
        assert done.returncode == 0
    assert b"\x1b[32mok" in shown["colour"]
    assert b"\x1b" not in shown["none"]
