"""The header reader and the safetensors library agree on what is a valid file."""

import json
import struct

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

library = pytest.importorskip("safetensors")

from loradex.errors import HeaderError  # noqa: E402
from loradex.files.header import DTYPE_BITS, parse_header  # noqa: E402

# What the library lets pass and we refuse: the last of two equal names would win there.
STRICTER = {"duplicate-key"}


def frame(raw, data):
    return struct.pack("<Q", len(raw)) + raw + data


def ours(content):
    try:
        header = parse_header(content, len(content), "x")
    except HeaderError as error:
        return None, error.code
    return {
        name: (info.dtype, list(info.shape), content[header.data_start :][info.start : info.stop])
        for name, info in header.tensors.items()
    }, ""


def theirs(content):
    try:
        tensors = library.deserialize(content)
    except library.SafetensorError:
        return None
    return {name: (t["dtype"], list(t["shape"]), bytes(t["data"])) for name, t in tensors}


def agree(content):
    found, code = ours(content)
    assert found == theirs(content) or code in STRICTER, code


def one(dtype, bits):
    """A file with eight elements of one type."""
    entry = {"dtype": dtype, "shape": [8], "data_offsets": [0, bits]}
    return frame(json.dumps({"a": entry}).encode(), bytes(bits))


# Older libraries lack some types.
KNOWN = [dtype for dtype, bits in DTYPE_BITS.items() if theirs(one(dtype, bits))]

NUMBERS = st.integers(-1, 9) | st.sampled_from([0.0, 4.0, True, None, "4", 2**64, 2**70])
NAMES = st.text(max_size=2) | st.sampled_from(["__metadata__", "w"])
ENTRIES = st.fixed_dictionaries(
    {
        "dtype": st.sampled_from([*KNOWN, "F8", "f32", None, 1]),
        "shape": st.lists(NUMBERS, max_size=3) | st.none(),
        "data_offsets": st.lists(NUMBERS, min_size=2, max_size=3) | st.none(),
    },
    optional={"extra": st.integers()},
)
METADATA = st.none() | st.dictionaries(st.text(max_size=2), st.text(max_size=2) | st.integers())


@st.composite
def nearly_valid(draw):
    """Tensors side by side, as in a valid file, with one number changed now and then."""
    header, reached = {}, 0
    for name in draw(st.lists(NAMES, unique=True, max_size=4)):
        dtype = draw(st.sampled_from(KNOWN))
        shape = draw(st.lists(st.integers(0, 4), max_size=2))
        bits = DTYPE_BITS[dtype]
        for length in shape:
            bits *= length
        stop = reached + bits // 8 + draw(st.sampled_from([0, 0, 0, 0, 1, -1]))
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [reached, stop]}
        reached = stop
    if draw(st.booleans()):
        header["__metadata__"] = draw(METADATA)
    data = bytes(max(0, reached + draw(st.sampled_from([0, 0, 0, 1, -1]))))
    return frame(json.dumps(header).encode() + b" " * draw(st.integers(0, 3)), data)


def test_the_library_knows_most_types_and_no_others():
    assert len(KNOWN) >= 13
    assert theirs(one("F128", 128)) is None


@given(nearly_valid())
def test_files_that_are_valid_or_nearly(content):
    agree(content)


@given(st.dictionaries(NAMES, ENTRIES | METADATA, max_size=3), st.integers(0, 12))
def test_headers_of_any_numbers(header, size):
    agree(frame(json.dumps(header).encode(), bytes(size)))


@given(st.binary(max_size=60), st.binary(max_size=4))
@example(b"{}", b"")
@example(b" {}", b"")
@example(b"{}\t\r\n ", b"")
@example(b"{}\0", b"")
@example(b'{"__metadata__": null}', b"")
@example(b'{"__metadata__": {"a": "\\ud800"}}', b"")
@example(b'{"__metadata__": {"a": "\\ud83d\\ude00"}}', b"")
@example(b'{"a": {"dtype": "U8", "shape": [-0], "data_offsets": [0, 0]}}', b"")
@example(b'{"a": {"dtype": "U8", "shape": [1e0], "data_offsets": [0, 1]}}', b"x")
@example(b'{"a": {"dtype": "U8", "shape": [1], "data_offsets": [0, 1], "x": NaN}}', b"x")
@example(b'{"a": {"dtype": "U8", "shape": [1], "data_offsets": [0, 1], "x": [[]]}}', b"x")
@example(b'{"a": {"dtype": "F4", "shape": [3], "data_offsets": [0, 1]}}', b"x")
@example(
    b'{"a": {"dtype": "U8", "shape": [0, 9223372036854775807, 9], "data_offsets": [0, 0]}}', b""
)
@example(
    b'{"a": {"dtype": "U8", "shape": [9223372036854775807, 9, 0], "data_offsets": [0, 0]}}', b""
)
@example(
    b'{"a": {"dtype": "U8", "shape": [4611686018427387904, 2, 0], "data_offsets": [0, 0]}}', b""
)
def test_any_bytes_as_a_header(raw, data):
    agree(frame(raw, data))


@given(nearly_valid(), st.data())
def test_valid_files_with_changed_bytes(content, data):
    changed = bytearray(content)
    changed[data.draw(st.integers(0, len(changed) - 1))] = data.draw(st.integers(0, 255))
    agree(bytes(changed))
