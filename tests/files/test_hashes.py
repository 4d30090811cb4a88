"""Hashes are those of the bytes, in one pass, whatever the header claims."""

import hashlib
import json
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from loradex.errors import CancelledError, FileError
from loradex.files import hashes
from loradex.files.hashes import hash_file


def frame(header, data):
    raw = json.dumps(header).encode()
    return struct.pack("<Q", len(raw)) + raw + data


def sha256(content):
    return hashlib.sha256(content).hexdigest()


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch):
    monkeypatch.setattr(hashes, "_CHUNK_BYTES", 16)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("hashes")


@given(st.dictionaries(st.text(max_size=9), st.text(max_size=40)), st.binary(max_size=99))
def test_both_hashes_are_those_of_the_bytes_wherever_the_chunks_end(folder, metadata, data):
    content = frame({"__metadata__": metadata}, data)
    path = folder / "x.safetensors"
    path.write_bytes(content)
    found = hash_file(path)
    assert (found.sha256, found.tensor_sha256) == (sha256(content), sha256(data))
    assert found.size == len(content)
    assert found.autov2 == sha256(content)[:10]
    assert found.autov3 == found.lora_hash == sha256(data)[:12]


@given(st.binary(max_size=99))
def test_any_bytes_have_a_file_hash(folder, content):
    path = folder / "x.bin"
    path.write_bytes(content)
    assert hash_file(path).sha256 == sha256(content)


@pytest.mark.parametrize(
    "content",
    [b"", b"\x80\x02x", b"PK\x03\x04" + bytes(50), struct.pack("<Q", 99) + b"{", bytes(9)],
)
def test_a_file_without_a_header_is_known_by_its_file_hash(tmp_path, content):
    path = tmp_path / "x.pt"
    path.write_bytes(content)
    found = hash_file(path)
    assert found.tensor_sha256 == found.autov3 == ""
    assert found.lora_hash == sha256(content)[:12]


def test_a_false_claim_in_the_metadata_changes_nothing(tmp_path):
    path = tmp_path / "x.safetensors"
    path.write_bytes(frame({"__metadata__": {"sshs_model_hash": sha256(b"")}}, b"1234"))
    assert hash_file(path).tensor_sha256 == sha256(b"1234")


def test_hashing_can_be_stopped(tmp_path):
    path = tmp_path / "x.pt"
    path.write_bytes(bytes(1000))
    asked = iter([False, False, True])
    with pytest.raises(CancelledError, match="hashing was stopped"):
        hash_file(path, lambda: next(asked))


def test_a_file_that_grows_meanwhile_has_no_hash(tmp_path):
    path = tmp_path / "x.pt"
    path.write_bytes(bytes(100))

    def write_more():
        with path.open("ab") as file:
            file.write(b"more")
        return False

    writes = iter([write_more])
    with pytest.raises(FileError) as caught:
        hash_file(path, lambda: next(writes, lambda: False)())
    assert caught.value.code == "changed"


@pytest.mark.parametrize("kind", ["missing", "folder"])
def test_a_path_that_cannot_be_read_is_a_file_error(tmp_path, kind):
    path = tmp_path / "x.pt" if kind == "missing" else tmp_path
    with pytest.raises(FileError) as caught:
        hash_file(path)
    assert caught.value.code == "unreadable"
