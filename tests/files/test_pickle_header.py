"""Pickles are read without torch, and nothing that they name is ever imported or called."""

import contextlib
import io
import os
import pickle
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st
from loradex.errors import FileError, LoradexError, UnsafeFileError
from loradex.files.pickle_header import read_model_header, read_pickle_header


class Evil:
    def __reduce__(self):
        return os.system, ("touch evil-was-here",)


def torch_global(name):
    """The opcode that names something of torch's."""
    module, _, attribute = name.rpartition(".")
    return f"c{module}\n{attribute}\n".encode()


def tensor(key, shape, storage="torch.HalfStorage"):
    """The opcodes of one dictionary item: a name and a tensor."""
    numbers = b"".join(b"K" + bytes([size]) for size in shape)
    text = key.encode()
    return (
        b"X" + len(text).to_bytes(4, "little") + text
        + torch_global("torch._utils._rebuild_tensor_v2")
        + b"((" + b"X\x07\x00\x00\x00storage" + torch_global(storage)
        + b"X\x01\x00\x00\x000X\x03\x00\x00\x00cpuK\x10tQK\x00(" + numbers + b"t(K\x01t\x89N"
        + b"tR"
    )


def zipped(path, content):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", content)
    return path


def state(*items):
    return b"\x80\x02}(" + b"".join(items) + b"u."


def test_names_types_and_shapes_are_read(tmp_path):
    path = zipped(tmp_path / "a.pt", state(tensor("x.alpha", ()), tensor("x.up", (4, 8))))
    header = read_pickle_header(path)
    assert header.shapes == {"x.alpha": (), "x.up": (4, 8)}
    assert {one.dtype for one in header.tensors.values()} == {"F16"}
    assert header == read_model_header(path)


@pytest.mark.parametrize("write", [zipped, lambda path, content: path.write_bytes(content)])
def test_a_pickle_that_wants_to_run_something_is_named_and_not_run(
    tmp_path, monkeypatch, write
):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "bad.pt"
    write(path, pickle.dumps({"a": Evil()}, 2))
    with pytest.raises(UnsafeFileError, match=r"asks to run '(posix|nt).system'"):
        read_pickle_header(path)
    assert not (tmp_path / "evil-was-here").exists()


def test_a_pickle_that_calls_what_it_was_given_gets_nothing(tmp_path):
    # getattr(Stand-in, "x")("y") and a state for it: all of it lands in stand-ins.
    name = b"X\x01\x00\x00\x00x"
    content = b"\x80\x02cbuiltins\ngetattr\n(cos\npath\n" + name + b"tR(" + name + b"tR}b."
    with pytest.raises(UnsafeFileError):
        read_pickle_header(zipped(tmp_path / "a.pt", content))


def test_a_bomb_is_not_unpacked(tmp_path):
    path = tmp_path / "bomb.pt"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", bytes(65 << 20))
    with pytest.raises(FileError, match="more than"):
        read_pickle_header(path)


def test_a_dictionary_that_holds_itself_ends(tmp_path):
    content = b"\x80\x02}q\x00(X\x04\x00\x00\x00selfh\x00" + tensor("w", (2,)) + b"u."
    assert read_pickle_header(zipped(tmp_path / "a.pt", content)).shapes == {"w": (2,)}


@given(st.binary(max_size=300), st.booleans())
def test_no_bytes_raise_anything_but_our_errors(tmp_path_factory, content, in_zip):
    path = tmp_path_factory.getbasetemp() / "any.pt"
    if in_zip:
        zipped(path, b"\x80\x02" + content)
    else:
        path.write_bytes(b"\x80\x02" + content)
    with pytest.raises(LoradexError):
        read_pickle_header(path)


@given(st.data())
def test_no_damage_raises_anything_but_our_errors(tmp_path_factory, data):
    buffer = io.BytesIO()
    zipped(buffer, state(tensor("x.alpha", ()), tensor("x.up", (4, 8), "torch.FloatStorage")))
    content = bytearray(buffer.getvalue())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.getbasetemp() / "damaged.pt"
    path.write_bytes(content)
    with contextlib.suppress(LoradexError):
        read_pickle_header(path)
