"""The header reader: every valid file is read, every fault is a HeaderError with a code."""

import json
import struct

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from loradex.errors import FileError, HeaderError, IncompleteFileError
from loradex.files.header import DTYPE_BITS, MAX_HEADER_BYTES, Header, parse_header, read_header


def frame(header, data=b""):
    raw = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(raw)) + raw + data


def parse(content):
    return parse_header(content, len(content), "x.safetensors")


def fault(content):
    with pytest.raises(HeaderError) as caught:
        parse(content)
    assert str(caught.value).startswith("x.safetensors: ")
    assert "\n" not in str(caught.value)
    return caught.value


def entry(dtype="F32", shape=(1,), offsets=(0, 4)):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets)}


@st.composite
def files(draw):
    """(expected tensors, metadata, bytes of a valid file)."""
    names = draw(st.lists(st.text(max_size=8), unique=True, max_size=6))
    tensors, reached = {}, 0
    for name in names:
        if name == "__metadata__":
            continue
        dtype = draw(st.sampled_from(sorted(DTYPE_BITS)))
        shape = draw(st.lists(st.integers(0, 5), max_size=3).map(tuple))
        if DTYPE_BITS[dtype] < 8:
            shape = (*shape, 4)  # four elements of 4 or 6 bits are whole bytes
        count = 1
        for length in shape:
            count *= length
        stop = reached + count * DTYPE_BITS[dtype] // 8
        tensors[name] = (dtype, shape, reached, stop)
        reached = stop
    metadata = draw(st.none() | st.dictionaries(st.text(max_size=8), st.text(max_size=8)))
    header = {
        n: entry(d, s, (a, b)) for n, (d, s, a, b) in draw(st.permutations(list(tensors.items())))
    }
    if metadata is not None:
        header["__metadata__"] = metadata
    raw = json.dumps(header, ensure_ascii=draw(st.booleans())).encode()
    return tensors, metadata or {}, frame(raw + b" " * draw(st.integers(0, 9)), bytes(reached))


class TestValidFiles:
    @given(files())
    def test_any_valid_file_gives_back_what_was_written(self, case):
        tensors, metadata, content = case
        header = parse(content)
        assert {
            n: (t.dtype, t.shape, t.start, t.stop) for n, t in header.tensors.items()
        } == tensors
        assert header.metadata == metadata
        assert header.file_length == len(content)
        assert all(info.name == name for name, info in header.tensors.items())
        assert header.shapes == {name: shape for name, (_, shape, _, _) in tensors.items()}

    @given(files())
    def test_the_beginning_of_the_file_is_enough(self, case):
        _, _, content = case
        length = len(content)
        start = parse(content).data_start
        assert parse_header(content[:start], length, "x") == parse(content)

    def test_less_than_the_header_is_not_read_as_one(self):
        content = frame({"a": entry()}, bytes(4))
        with pytest.raises(IncompleteFileError, match="cut while it was read"):
            parse_header(content[:20], len(content), "x")

    @settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(files())
    def test_reading_from_disk_equals_parsing(self, tmp_path, case):
        path = tmp_path / "x.safetensors"
        path.write_bytes(case[2])
        assert read_header(path) == parse(case[2])

    def test_a_header_longer_than_the_first_read_is_read_whole(self, tmp_path):
        tensors = {
            f"lora_unet_{i}.alpha": entry(shape=(), offsets=(4 * i, 4 * i + 4)) for i in range(999)
        }
        path = tmp_path / "x.safetensors"
        path.write_bytes(frame(tensors, bytes(999 * 4)))
        header = read_header(path)
        assert len(header.tensors) == 999
        assert header.tensors["lora_unet_7.alpha"].start == 28
        assert header.tensors["lora_unet_7.alpha"].size_bytes == 4

    def test_an_empty_header_is_a_file_without_tensors(self):
        assert parse(frame({})) == Header({}, {}, 10, 10)

    def test_zero_size_tensors_are_legal_anywhere_between_others(self):
        header = parse(
            frame(
                {
                    "v_pred": entry(shape=(0,), offsets=(0, 0)),
                    "w": entry(),
                    "ztsnr": entry(shape=(0, 2**62, 2**62), offsets=(4, 4)),
                },
                bytes(4),
            )
        )
        assert header.tensors["ztsnr"].shape == (0, 2**62, 2**62)

    def test_unknown_fields_of_an_entry_are_left_alone_as_by_the_library(self):
        assert len(parse(frame({"a": entry() | {"later": 1}}, bytes(4))).tensors) == 1

    def test_null_metadata_is_no_metadata(self):
        assert parse(frame({"__metadata__": None})).metadata == {}

    def test_the_file_can_be_replaced_and_deleted_after_reading(self, tmp_path):
        path = tmp_path / "x.safetensors"
        path.write_bytes(frame({"a": entry()}, bytes(4)))
        read_header(path)
        path.rename(tmp_path / "y.safetensors")
        (tmp_path / "y.safetensors").unlink()


FOREIGN = {
    "html-page": [
        b"<!DOCTYPE html><html><head><title>Just a moment...</title>",
        b"\n\n  <html lang='en'>",
        b"\xef\xbb\xbf<!doctype HTML>",
        b"<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>",
    ],
    "lfs-pointer": [b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"],
    "json-page": [b'{"error":"Unauthorized","message":"log in"}', b"[]", b'  {"detail": "no"}'],
    "text-page": [
        b"Access denied",
        b"Invalid username or password.",
        "Zugriff verweigert für ü".encode(),
    ],
    "pickle": [
        b"PK\x03\x04\x00\x00\x08\x08\x00\x00" + bytes(20) + b"archive/data.pklFB",
        b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.",
        b"\x80\x04\x95\x05\x00\x00\x00\x00\x00\x00\x00}\x94.",
    ],
    "archive": [
        b"PK\x03\x04" + bytes(26) + b"lora.safetensors",
        b"7z\xbc\xaf\x27\x1c\0\4",
        b"Rar!\x1a\7\1\0",
        b"\x1f\x8b\x08\0\0\0\0\0",
    ],
    "picture": [
        b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR",
        b"\xff\xd8\xff\xe0\0\x10JFIF\0",
        b"RIFF\x10\0\0\0WEBPVP8 ",
    ],
    "gguf": [b"GGUF\3\0\0\0" + bytes(16)],
    "zeros": [bytes(8), bytes(1000), bytes(3)],
    "empty": [b""],
    "too-short": [b"\1\2\3", b"\x08\0\0\0\0\0\0"],
    "header-too-long": [
        b"\xff" * 8,
        b"\xff" * 100,
        struct.pack("<Q", MAX_HEADER_BYTES + 1) + bytes(9),
    ],
    "header-cut": [struct.pack("<Q", 100) + b'{"a":', struct.pack("<Q", MAX_HEADER_BYTES) + b"{"],
}


class TestWhatItReallyIs:
    @pytest.mark.parametrize(
        ("code", "content"), [(c, b) for c, all_ in FOREIGN.items() for b in all_]
    )
    def test_a_file_that_is_no_safetensors_is_named(self, tmp_path, code, content):
        path = tmp_path / "x.safetensors"
        path.write_bytes(content)
        with pytest.raises(HeaderError) as caught:
            read_header(path)
        assert caught.value.code == code == fault(content).code
        assert caught.value.next_step
        assert isinstance(caught.value, IncompleteFileError) == (code == "header-cut")

    def test_a_long_web_page_is_named_from_its_beginning_alone(self, tmp_path):
        path = tmp_path / "x.safetensors"
        path.write_bytes(b"<!DOCTYPE html>" + b"<p>login</p>" * 10_000)
        with pytest.raises(HeaderError, match=r"web page.*login or a licence"):
            read_header(path)

    def test_a_text_cut_inside_a_character_is_still_a_text(self):
        assert fault(("x" + "ü" * 400).encode()).code == "text-page"

    def test_the_answer_of_a_site_is_quoted_on_one_line(self):
        assert '{"error": "no access"}' in str(fault(b'{"error":\n  "no access"}'))

    @pytest.mark.parametrize("kind", ["missing", "folder"])
    def test_a_path_that_cannot_be_read_is_a_file_error(self, tmp_path, kind):
        path = tmp_path / "x.safetensors"
        if kind == "folder":
            path.mkdir()
        with pytest.raises(FileError, match="cannot be read") as caught:
            read_header(path)
        assert caught.value.code == "unreadable"


class TestJson:
    def test_bytes_that_are_no_utf8(self):
        assert fault(frame(b'{"\xff\xfe": 1}')).code == "not-utf8"

    @pytest.mark.parametrize(
        "raw",
        [
            b"{", b"not json", b"{}x", b"{}\0\0", b"{'a': 1}", b'{"a": NaN}', b'{"a": Infinity}',
            b'{"a": -Infinity}', b"[" * 100_000, b'{"a":' * 100_000, b"\xef\xbb\xbf{}",
            b'{"a": ' + b"9" * 5000 + b"}", b'{"a": 01}', b'{"a": "\n"}', b"{},{}", b"",
        ],
    )  # fmt: skip
    def test_text_that_is_no_json(self, raw):
        assert fault(frame(raw, b"data") if raw else frame(b" ")).code == "not-json"

    @pytest.mark.parametrize("raw", [b"[]", b"1", b'"text"', b"null", b"true", b"1e999"])
    def test_json_that_is_no_object(self, raw):
        assert fault(frame(raw)).code == "wrong-json"

    @pytest.mark.parametrize(
        "raw",
        [
            b'{"a": 1, "a": 2}',
            b'{"__metadata__": {"x": "1", "x": "2"}}',
            b'{"a": {"dtype": "F32", "dtype": "F16", "shape": [0], "data_offsets": [0, 0]}}',
            b'{"a": 1, "\\u0061": 2}',
        ],
    )
    def test_a_name_that_stands_twice(self, raw):
        assert fault(frame(raw)).code == "duplicate-key"

    @pytest.mark.parametrize("value", [1, "x", [], None, True, 1.5])
    def test_an_entry_that_is_no_object(self, value):
        assert fault(frame({"a": value})).code == "wrong-json"

    @pytest.mark.parametrize(
        "value", [{"a": 1}, {"a": None}, {"a": ["x"]}, {"a": {"b": "c"}}, {"a": True}]
    )
    def test_metadata_that_is_no_text(self, value):
        error = fault(frame({"__metadata__": value}))
        assert error.code == "metadata-not-text"
        assert "'a'" in error.found

    @pytest.mark.parametrize("value", [1, "x", ["x"], False])
    def test_metadata_that_is_no_object(self, value):
        assert fault(frame({"__metadata__": value})).code == "wrong-json"

    @pytest.mark.parametrize(
        "header",
        [
            b'{"\\ud800": {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}}',
            b'{"__metadata__": {"\\udfff": "x"}}',
            b'{"__metadata__": {"x": "\\ud800"}}',
            b'{"a": {"dtype": "\\ud800", "shape": [0], "data_offsets": [0, 0]}}',
        ],
    )
    def test_half_a_surrogate_pair_never_reaches_a_message(self, header):
        str(fault(frame(header))).encode("utf-8")


class TestEntries:
    @pytest.mark.parametrize("dtype", [None, 32, ["F32"], {}])
    def test_a_dtype_that_is_no_text(self, dtype):
        assert fault(frame({"a": entry(dtype)}, bytes(4))).code == "wrong-json"

    @pytest.mark.parametrize("dtype", ["", "f32", "F128", "torch.float32", "F32 "])
    def test_a_dtype_that_the_format_does_not_have(self, dtype):
        error = fault(frame({"a": entry(dtype)}, bytes(4)))
        assert error.code == "unknown-dtype"
        assert "'a'" in error.found

    @pytest.mark.parametrize(
        "shape",
        ["x", None, 1, [-1], [1.0], [True], ["1"], [None], [[1]], [{}], {"0": 1}, [2**63], [1e999],
         [[[[[]]]]]],
    )  # fmt: skip
    def test_a_shape_that_is_no_list_of_lengths(self, shape):
        assert fault(frame({"a": entry() | {"shape": shape}}, bytes(4))).code in (
            "wrong-json",
            "not-json",
        )

    @pytest.mark.parametrize(
        "offsets",
        [
            None,
            [],
            [0],
            [0, 4, 4],
            [0.0, 4],
            [False, 4],
            [-4, 0],
            [4, 0],
            "04",
            [0, "4"],
            [0, 2**64],
        ],
    )
    def test_offsets_that_are_no_range(self, offsets):
        assert (
            fault(frame({"a": entry() | {"data_offsets": offsets}}, bytes(4))).code == "wrong-json"
        )

    @pytest.mark.parametrize("missing", ["dtype", "shape", "data_offsets"])
    def test_a_field_that_is_missing(self, missing):
        fields = entry()
        del fields[missing]
        assert fault(frame({"a": fields}, bytes(4))).code == "wrong-json"

    @pytest.mark.parametrize(
        ("dtype", "shape", "size"),
        [
            ("F32", (2,), 4), ("F16", (1,), 4), ("F32", (), 8), ("F32", (0,), 4), ("F32", (1,), 0),
            ("F4", (3,), 2), ("F6_E2M3", (1,), 1), ("F32", (2**62, 2**62), 4), ("C64", (1,), 4),
            ("U8", (2**40,) * 40, 4),
        ],
    )  # fmt: skip
    def test_a_size_that_disagrees_with_shape_and_dtype(self, dtype, shape, size):
        assert (
            fault(frame({"a": entry(dtype, shape, (0, size))}, bytes(size))).code == "size-mismatch"
        )

    def test_a_shape_of_a_million_dimensions_costs_no_time(self):
        shape = [2**62] * 1_000_000
        assert fault(frame({"a": entry(shape=shape)}, bytes(4))).code == "size-mismatch"


class TestLayout:
    @pytest.mark.parametrize(
        ("code", "first", "second"),
        [
            ("overlap", (0, 4), (0, 4)),
            ("overlap", (0, 4), (2, 6)),
            ("gap", (0, 4), (8, 12)),
            ("gap", (4, 8), (8, 12)),
        ],
    )
    def test_tensors_that_do_not_lie_side_by_side(self, code, first, second):
        header = {"a": entry(offsets=first), "b": entry(offsets=second)}
        assert fault(frame(header, bytes(12))).code == code

    def test_an_empty_tensor_inside_another(self):
        header = {"a": entry(), "b": entry(shape=(0,), offsets=(2, 2))}
        assert fault(frame(header, bytes(4))).code == "overlap"

    @pytest.mark.parametrize("there", [0, 1, 3])
    def test_data_that_is_cut_is_an_incomplete_file(self, there):
        error = fault(frame({"a": entry()}, bytes(there)))
        assert isinstance(error, IncompleteFileError)
        assert error.code == "truncated"
        assert f"{there} bytes" in error.found

    def test_bytes_after_the_end(self):
        error = fault(frame({"a": entry()}, bytes(5)))
        assert error.code == "trailing-bytes"
        assert not isinstance(error, IncompleteFileError)

    def test_bytes_without_any_tensor(self):
        assert fault(frame({}, b"x")).code == "trailing-bytes"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner),
    max_leaves=12,
)
ENTRIES = st.fixed_dictionaries(
    {},
    optional={
        "dtype": st.sampled_from(["F32", "F16", "F4", "BOOL", "x"]) | JSON,
        "shape": st.lists(st.integers(-1, 4), max_size=3) | JSON,
        "data_offsets": st.lists(st.integers(-1, 20), min_size=2, max_size=2) | JSON,
    },
)


def header_or_error(content):
    try:
        assert isinstance(parse(content), Header)
    except HeaderError as error:
        told = error
    else:
        return
    assert told.code != "header"
    str(told).encode("utf-8")
    json.dumps(told.as_dict())


class TestNothingElseEscapes:
    @given(
        JSON | st.dictionaries(st.text(max_size=4) | st.just("__metadata__"), ENTRIES | JSON),
        st.binary(max_size=20),
    )
    def test_any_json_in_a_valid_frame_is_a_header_or_a_header_error(self, document, data):
        header_or_error(frame(document, data))

    @given(st.binary(max_size=200))
    @example(b"\x80")
    def test_any_bytes_in_a_valid_frame(self, raw):
        header_or_error(frame(raw))

    @given(st.binary(max_size=600))
    def test_any_bytes_at_all(self, content):
        header_or_error(content)

    @given(files(), st.data())
    def test_a_valid_file_with_changed_bytes(self, case, data):
        content = bytearray(case[2])
        for _ in range(data.draw(st.integers(1, 4))):
            content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
        header_or_error(bytes(content))

    @given(files(), st.data())
    def test_a_valid_file_that_is_cut_is_never_read_as_whole(self, case, data):
        content = case[2]
        cut = content[: data.draw(st.integers(0, len(content) - 1))]
        assert fault(cut).code
