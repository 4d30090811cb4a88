"""Fuzzes everything that reads files of others; needs atheris (`pip install atheris`).

    python tests/fuzz/fuzz_files.py header --seconds 60
    python tests/fuzz/fuzz_files.py all --seconds 600

Every exception but a LoradexError ends the run with the input that caused it (`crash-...`).
`header` also checks that what is read is sane, `edit` that a change of NAME.json loses nothing.
"""

from __future__ import annotations

import argparse
import json
import re
import struct
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "extension"))

import atheris  # noqa: E402

with atheris.instrument_imports(include=["loradex"]):
    from loradex.errors import LoradexError
    from loradex.files.described import _merge
    from loradex.files.factor_names import modules_of
    from loradex.files.faults import FAULTS, explain
    from loradex.files.header import parse_header
    from loradex.files.json_edit import edit_object
    from loradex.files.metadata import embedded_cover, read_metadata
    from loradex.files.sidecar_names import models_of
    from loradex.files.sidecars import READERS
    from loradex.files.sidecars.reader import SidecarFault, Subject, interpret, parse_object
    from loradex.files.training import guess_trigger_words, read_training, tag_folders
    from loradex.files.unfinished import finished_name


def header(data: bytes) -> None:
    """Any bytes, and any bytes in a valid frame with and without data behind them."""
    framed = struct.pack("<Q", len(data)) + data
    for content in (data, framed, framed + bytes(8)):
        try:
            found = parse_header(content, len(content), "x", surplus=len(data) % 2 == 1)
        except LoradexError as error:
            told = explain(error)
            assert told.code in FAULTS, told.code
            json.dumps(told).encode()
            str(error).encode()
        else:
            modules_of(found.shapes)
            metadata_fields(found.metadata)
            assert all(0 <= t.start <= t.stop <= len(content) for t in found.tensors.values())


def metadata(data: bytes) -> None:
    """Keys and values parted by zero bytes."""
    texts = data.decode("utf-8", "ignore").split("\0")
    metadata_fields(dict(zip(texts[::2], texts[1::2], strict=False)))


def metadata_fields(found: dict[str, str]) -> None:
    fields, _ = read_metadata(found)
    merged, _ = _merge(list(fields), {})
    json.dumps({name: one.value for name, one in merged.items()}).encode()
    read_training(found)
    guess_trigger_words(found)
    tag_folders(found)
    embedded_cover(found)


def sidecar(data: bytes) -> None:
    """The first byte picks the format."""
    reader = READERS[data[0] % len(READERS)] if data else READERS[0]
    found, problems = interpret(data[1:], reader, Subject("ink.json", "ink.safetensors"))
    merged, _ = _merge(found, {})
    json.dumps([[one.value for one in merged.values()], problems], ensure_ascii=False).encode()
    name = data.decode("utf-8", "replace")
    assert all(models_of(name))
    finished_name(name)


def edit(data: bytes) -> None:
    """One member is set, added or removed in any JSON object; all others stay."""
    try:
        document = parse_object(data)
        text = data.decode("utf-8")
    except (SidecarFault, UnicodeDecodeError):
        return
    for value in ("n", None, 0.5):
        after = json.loads(edit_object(text, {"notes": value}))
        assert after.pop("notes", None) == value
        left = {key: one for key, one in document.items() if key != "notes"}
        assert json.dumps(after) == json.dumps(left)


TARGETS: dict[str, Callable[[bytes], None]] = {
    "header": header, "metadata": metadata, "sidecar": sidecar, "edit": edit,
}  # fmt: skip


def seeds(target: str) -> list[bytes]:
    """Real forms to begin with; whole files for the header, and headers without their frame."""
    entry = b'{"__metadata__":{"ss_epoch":"1"},"a.lora_up.weight":' \
            b'{"dtype":"F16","shape":[2,2],"data_offsets":[0,8]}}'
    tags = b'ss_tag_frequency\0{"10_ohwx": {"ohwx": 9, "hat": 1}}\0ss_dataset_dirs\0' \
           b'{"10_ohwx": {"img_count": 9}}\0modelspec.title\0t\0ssmd_rating\x005'
    notes = b'{"description": "", "preferred weight": 0.8, "activation text": "a, b",\n "notes":1}'
    page = b'{"id":1,"modelId":2,"model":{"name":"n","tags":["a"]},"trainedWords":["w"],' \
           b'"files":[{"name":"ink.safetensors","hashes":{"SHA256":"' + b"ab" * 32 + b'"}}]}'
    manager = b'{"model_name":"m","usage_tips":"{\\"strength\\": 0.5}","civitai":' + page + b"}"
    pages = [page, manager, b'{"modelVersions":[' + page + b"]}", notes,
             b'{"TrainedWords":["a"],"Hashes":{"SHA256":""},"trainedWords":[{"word":"w","user":1}]}']
    return {
        "header": [entry, struct.pack("<Q", len(entry)) + entry + bytes(8), b"<html>", b"PK\3\4"],
        "metadata": [tags],
        "sidecar": [bytes([i]) + one for i in range(len(READERS)) for one in pages],
        "edit": pages,
    }[target]  # fmt: skip


def tokens() -> list[str]:
    """Every word in quotes in the readers, for libFuzzer's dictionary."""
    found: set[str] = set()
    for path in (ROOT / "extension/loradex/files").rglob("*.py"):
        found |= set(re.findall(r'"([\w. ]{2,40})"', path.read_text(encoding="utf-8")))
    return sorted(found)


def run(target: str, seconds: int, folder: Path) -> None:
    """Fuzzes one target in this process, which atheris ends itself without leaving any block."""
    for number, seed in enumerate(seeds(target)):
        (folder / f"seed{number}").write_bytes(seed)
    words = folder / "words.dict"
    words.write_text("".join(f'"{token}"\n' for token in tokens()), encoding="utf-8")
    options = [f"-max_total_time={seconds}", "-print_final_stats=1", "-max_len=4096",
               f"-dict={words}", "-timeout=20", "-rss_limit_mb=2048", str(folder)]  # fmt: skip
    atheris.Setup([sys.argv[0], *options], TARGETS[target])
    atheris.Fuzz()


def start(target: str, seconds: int) -> int:
    """Fuzzes one target in a process of its own, with a folder that goes afterwards."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, __file__, target, "--seconds", str(seconds)]
        return subprocess.call([*command, "--corpus", folder])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("target", choices=[*TARGETS, "all"])
    parser.add_argument("--seconds", type=int, default=60, help="for all targets together")
    parser.add_argument("--corpus", type=Path, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.corpus:
        run(chosen.target, chosen.seconds, chosen.corpus)
        return 0
    targets = list(TARGETS) if chosen.target == "all" else [chosen.target]
    return max(start(target, max(1, chosen.seconds // len(targets))) for target in targets)


if __name__ == "__main__":
    sys.exit(main())
