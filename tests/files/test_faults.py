"""One file of every broken kind is told by its own code, a sentence and a next step."""

import json
import re
import struct
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from loradex.errors import FileError, HeaderError, IncompleteFileError, LoradexError
from loradex.files.faults import FAULTS, Fault, FaultText, explain
from loradex.files.header import MAX_HEADER_BYTES, parse_header, read_header
from loradex.files.unfinished import (
    UNFINISHED_SUFFIXES,
    finished_name,
    is_unfinished,
    why_unfinished,
)

SOURCES = Path(__file__).resolve().parents[2] / "extension" / "loradex"


def frame(header, data=b""):
    raw = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(raw)) + raw + data


def entry(dtype="F32", shape=(1,), offsets=(0, 4)):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets)}


def two(first, second):
    return frame({"a": entry(offsets=first), "b": entry(offsets=second)}, bytes(12))


BROKEN = {
    "empty": b"",
    "too-short": b"\1\2\3",
    "zeros": bytes(4096),
    "empty-header": bytes(8) + b"\1" + bytes(600),
    "header-too-long": struct.pack("<Q", MAX_HEADER_BYTES + 1) + b"\xff" * 99,
    "header-cut": struct.pack("<Q", 5000) + b'{"a": {"dtype": "F16"',
    "not-utf8": frame(b'{"\xff\xfe": 1}'),
    "not-json": frame(b"{'a': 1}"),
    "wrong-json": frame([1, 2]),
    "duplicate-key": frame(b'{"a": 1, "a": 2}'),
    "metadata-not-text": frame({"__metadata__": {"ss_epoch": 3}}),
    "unknown-dtype": frame({"a": entry("F128")}, bytes(4)),
    "size-mismatch": frame({"a": entry(shape=(3,))}, bytes(4)),
    "overlap": two((0, 4), (2, 6)),
    "gap": two((0, 4), (8, 12)),
    "truncated": frame({"a": entry()}, b"\1"),
    "trailing-bytes": frame({"a": entry()}, bytes(9)),
    "html-page": b"<!DOCTYPE html><html><title>Log in</title></html>",
    "lfs-pointer": b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n",
    "json-page": b'{"error":"Unauthorized","message":"log in"}',
    "text-page": b"Access denied",
    "pickle": b"PK\x03\x04\0\0\x08\x08\0\0" + bytes(20) + b"archive/data.pklFB",
    "archive": b"PK\x03\x04" + bytes(26) + b"ink.safetensors",
    "gguf": b"GGUF\3\0\0\0" + bytes(16),
    "picture": b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR",
    "document": b"%PDF-1.7\n" + bytes(9) + b"\xe2\xe3",
}


@pytest.mark.parametrize("code", BROKEN)
def test_every_broken_kind_has_its_own_code_sentence_and_next_step(tmp_path, code):
    path = tmp_path / "ink.safetensors"
    path.write_bytes(BROKEN[code])
    with pytest.raises(HeaderError) as caught:
        read_header(path)
    told = explain(caught.value)
    assert told.code == code
    assert told.severity == FAULTS[code].severity
    assert told.next_step.endswith(".")
    assert told.message.endswith(".")
    assert told.message[0].isupper() or not told.message[0].isalpha()
    assert "ink.safetensors" not in told.message, "a stored message outlives a rename"
    assert "\n" not in told.message + told.next_step


def test_there_are_more_than_fifteen_kinds_and_no_two_read_alike():
    texts = set()
    for content in BROKEN.values():
        with pytest.raises(HeaderError) as caught:
            parse_header(content, len(content), "x")
        texts.add(explain(caught.value).message)
    assert len(texts) == len(BROKEN) > 15


def test_every_code_that_the_readers_raise_is_on_the_list():
    raised = set()
    for path in [*SOURCES.glob("files/*.py"), *SOURCES.glob("files/sidecars/*.py")]:
        text = path.read_text(encoding="utf-8")
        raised |= set(re.findall(r'\b(?:Fault|Foreign|FaultText)\(\s*"([a-z0-9-]+)"', text))
    assert len(raised) > 20
    assert raised <= set(FAULTS)


def test_every_kind_on_the_list_has_a_meaning_and_a_next_step():
    for code, kind in FAULTS.items():
        assert code == kind.code
        assert kind.meaning.endswith(".")
        assert kind.next_step.endswith(".")
        assert kind.severity in ("error", "warning")


class TestSurplus:
    def test_the_words_say_that_the_tensors_are_whole_and_where_to_cut(self):
        content = frame({"a": entry()}, bytes(9))
        with pytest.raises(HeaderError) as caught:
            parse_header(content, len(content), "x")
        told = explain(caught.value)
        assert told.severity == "error"
        assert "all tensors are whole" in str(caught.value)
        assert f"Cut it to {len(content) - 5} bytes" in told.next_step

    def test_what_such_a_file_holds_can_be_read_all_the_same(self):
        content = frame({"a": entry()}, bytes(9))
        header = parse_header(content, len(content), "x", surplus=True)
        assert list(header.tensors) == ["a"]
        with pytest.raises(IncompleteFileError):
            parse_header(content[:-6], len(content) - 6, "x", surplus=True)

    def test_the_cut_that_is_advised_gives_a_good_file(self, tmp_path):
        path = tmp_path / "x.safetensors"
        path.write_bytes(frame({"a": entry()}, bytes(9)))
        with pytest.raises(HeaderError) as caught:
            read_header(path)
        length = int(re.search(r"to ([\d,]+) bytes", caught.value.next_step)[1].replace(",", ""))
        path.write_bytes(path.read_bytes()[:length])
        assert read_header(path).tensors


class TestExplain:
    def test_it_is_three_texts_that_a_record_can_take(self):
        code, message, next_step = explain(FileError("x", "is gone", "a file", "Look.", "gone"))
        assert (code, message, next_step) == ("gone", "Is gone; expected a file.", "Look.")

    def test_a_step_is_taken_from_the_list_where_the_error_has_none(self):
        told = explain(FileError("x", "cannot be read (locked)", code="unreadable"))
        assert told.next_step == FAULTS["unreadable"].next_step

    def test_an_unknown_code_is_an_error_without_a_step(self):
        assert explain(LoradexError("x", "y")) == ("error", "Y.", "")
        assert explain(LoradexError("x", "y")).severity == "error"
        assert Fault("other", "y").next_step == ""


class TestUnfinished:
    @pytest.mark.parametrize("suffix", UNFINISHED_SUFFIXES)
    def test_every_suffix_of_browsers_and_downloaders(self, suffix):
        for name in (f"ink.safetensors{suffix}", f"ink.safetensors{suffix.upper()}"):
            assert is_unfinished(name)
            assert finished_name(name) == "ink.safetensors"
            assert why_unfinished(name).code == "unfinished"

    @pytest.mark.parametrize(
        "name", ["Unconfirmed 123456.crdownload", "Nicht bestätigt 9.crdownload"]
    )
    def test_a_browser_that_has_no_name_yet(self, name):
        assert is_unfinished(name)
        assert finished_name(name) == ""

    @pytest.mark.parametrize(
        "name",
        ["ink.safetensors", "part.safetensors", "ink.part.safetensors", ".part", "tmp", "",
         "download.pt", "ink.tmpx"],
    )  # fmt: skip
    def test_other_names_are_finished(self, name):
        assert not is_unfinished(name)
        assert finished_name(name) == ""
        assert why_unfinished(name) is None

    def test_numbered_parts_are_unfinished(self):
        assert finished_name("ink.safetensors.part3") == "ink.safetensors"

    def test_a_control_file_beside_it_says_that_the_download_runs(self):
        told = why_unfinished("a.safetensors", names={"a.safetensors", "a.safetensors.aria2"})
        assert "'a.safetensors.aria2' beside it" in told.message

    def test_a_cut_file_that_grows_is_on_its_way_and_one_that_rests_is_broken(self):
        cut = IncompleteFileError("x", "cut")
        assert why_unfinished("x", cut, size=9, earlier_size=5).code == "unfinished"
        assert why_unfinished("x", cut, size=9, earlier_size=9) is None
        assert why_unfinished("x", cut, size=9) is None
        gap = HeaderError("x", "no", code="gap")
        assert why_unfinished("x", gap, size=9, earlier_size=5) is None

    @given(st.text(max_size=30))
    def test_any_name_is_answered(self, name):
        assert is_unfinished(name) or finished_name(name) == ""
        assert name.startswith(finished_name(name))


def test_a_fault_text_unpacks_and_keeps_its_severity():
    assert FaultText("zero-up", "a", "b").severity == "warning"


def test_nothing_heavy_is_imported_to_tell_a_fault():
    code = "import sys, loradex.files.header; print('torch' in sys.modules, 'numpy' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=SOURCES.parent, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["False", "False"]
