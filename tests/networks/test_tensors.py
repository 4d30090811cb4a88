"""Tensors of both formats are read exactly, own their memory, and nothing unsafe is opened."""

import io
import json
import os
import pickle
import shutil
import struct
import zipfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch")

from loradex.errors import BrokenNetworkError, FileError, HeaderError, UnsafeFileError  # noqa: E402
from loradex.files.header import read_header  # noqa: E402
from loradex.files.pickle_header import read_model_header, read_pickle_header  # noqa: E402
from loradex.networks import pickles, tensors  # noqa: E402
from loradex.networks.tensors import read_tensors  # noqa: E402

pytestmark = [
    pytest.mark.torch,
    # torch says so on the console before it refuses such a file
    pytest.mark.filterwarnings("ignore:Detected pickle protocol:UserWarning"),
]

DTYPES = [
    torch.bool, torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64, torch.float16,
    torch.bfloat16, torch.float32, torch.float64, torch.complex64, torch.float8_e4m3fn,
    torch.float8_e5m2,
]  # fmt: skip
OLD_DTYPES = DTYPES[:-2]  # torch cannot read back 8-bit floats from its old format


def accepted(save):
    """The types that a library can write; older ones lack complex and 8-bit floats."""
    found = []
    for dtype in DTYPES:
        try:
            save({"a": torch.zeros(1).to(dtype)})
        except KeyError:
            continue
        found.append(dtype)
    return found


ZIP_DTYPES = accepted(lambda content: torch.save(content, io.BytesIO()))
LIBRARY_DTYPES = accepted(pytest.importorskip("safetensors.torch").save)

SHARED = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


def tensor(shape, dtype, seed=0):
    generator = torch.Generator().manual_seed(seed)
    random = torch.randint(0, 100, shape, generator=generator).to(torch.float32)
    return random.to(dtype)


def raw(value):
    """The bytes of a tensor; comparisons of these also hold for NaN and 8-bit floats."""
    return bytes(value.contiguous().reshape(-1).view(torch.uint8).tolist())


def write(path, entries, extra=None):
    """A safetensors file with tensors in the given order, whatever their alignment."""
    header, data = {"__metadata__": extra or {}}, b""
    for name, (dtype, shape, content) in entries.items():
        offsets = [len(data), len(data) + len(content)]
        header[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": offsets}
        data += content
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)
    return path


@pytest.fixture
def path(tmp_path):
    return tmp_path / "net.safetensors"


def open_handles():
    return {str(link.readlink()) for link in Path("/proc/self/fd").iterdir() if link.is_symlink()}


class TestSafetensors:
    @SHARED
    @given(
        st.dictionaries(
            st.text(min_size=1, max_size=6),
            st.tuples(st.sampled_from(LIBRARY_DTYPES), st.lists(st.integers(0, 4), max_size=3)),
            min_size=1,  # safetensors 0.4 writes broken JSON for none
            max_size=6,
        ),
        st.data(),
    )
    def test_what_the_library_writes_is_read_back_bit_for_bit(self, path, wanted, data):
        save_file = pytest.importorskip("safetensors.torch").save_file
        written = {n: tensor(s, d, i) for i, (n, (d, s)) in enumerate(wanted.items())}
        save_file(written, path, metadata={"ss_network_dim": "4"})
        read = read_tensors(path)
        assert read.keys() == written.keys()
        for name, value in written.items():
            assert (read[name].dtype, read[name].shape) == (value.dtype, value.shape)
            assert raw(read[name]) == raw(value)
        some = data.draw(st.sets(st.sampled_from(sorted(written))))
        part = read_tensors(path, some)
        assert part.keys() == some
        assert all(raw(part[name]) == raw(written[name]) for name in some)

    def test_the_header_equals_what_the_library_reads(self, path):
        library = pytest.importorskip("safetensors")
        save_file = pytest.importorskip("safetensors.torch").save_file
        save_file(
            {f"t{i}": tensor((2, i), d) for i, d in enumerate(LIBRARY_DTYPES)},
            path,
            metadata={"a": "ü"},
        )
        header = read_model_header(path)
        with library.safe_open(path, framework="pt") as file:
            assert set(file.keys()) == set(header.tensors)
            assert file.metadata() == header.metadata
            for name, info in header.tensors.items():
                part = file.get_slice(name)
                assert (part.get_dtype(), tuple(part.get_shape())) == (info.dtype, info.shape)

    @pytest.mark.parametrize("before", range(9))
    @pytest.mark.parametrize("dtype", ["F16", "F32", "I64", "F64", "C64"])
    def test_any_offset_in_the_file_is_read_right(self, path, before, dtype):
        values = tensor((3,), getattr(torch, tensors._TORCH_NAMES[dtype]), 5)
        write(path, {"a": ("U8", (before,), b"x" * before), "b": (dtype, (3,), raw(values))})
        for names in (None, {"b"}):
            read = read_tensors(path, names)["b"]
            assert torch.equal(read, values)
            assert read.data_ptr() % read.element_size() == 0

    def test_scalars_and_empty_tensors(self, path):
        write(
            path,
            {
                "alpha": ("F16", (), struct.pack("<e", 4)),
                "v_pred": ("F32", (0,), b""),
                "e": ("I8", (0, 3), b""),
            },
        )
        read = read_tensors(path)
        assert read["alpha"].item() == 4
        assert read["alpha"].shape == ()
        assert read["v_pred"].shape == (0,)
        assert read["e"].shape == (0, 3)
        assert read_tensors(path, ["v_pred"])["v_pred"].numel() == 0

    def test_a_file_without_tensors_is_read_as_none(self, path):
        assert read_tensors(write(path, {})) == {}

    def test_the_order_of_the_header_is_kept(self, path):
        write(path, {name: ("U8", (1,), name.encode()) for name in "zay"})
        assert list(read_tensors(path)) == ["z", "a", "y"]
        assert list(read_tensors(path, ["y", "z"])) == ["z", "y"]

    def test_neighbours_share_one_buffer_and_others_are_not_held_in_memory(self, path):
        write(path, {name: ("U8", (100,), bytes(100)) for name in "abcde"})
        whole = read_tensors(path)
        assert len({value.untyped_storage().data_ptr() for value in whole.values()}) == 1
        part = read_tensors(path, {"a", "b", "e"})
        assert part["a"].untyped_storage().nbytes() == 200
        assert part["e"].untyped_storage().nbytes() == 100

    def test_the_file_may_change_and_go_afterwards(self, path):
        values = tensor((100,), torch.float32)
        write(path, {"a": ("F32", (100,), raw(values))})
        read = read_tensors(path)["a"]
        with path.open("r+b") as file:
            file.write(b"\xff" * path.stat().st_size)
        path.unlink()
        assert torch.equal(read, values)

    @pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="needs /proc")
    def test_no_handle_stays_open(self, path):
        write(path, {"a": ("U8", (1,), b"x")})
        read = read_tensors(path)
        with pytest.raises(FileError):
            read_tensors(path, ["b"])
        assert str(path) not in open_handles()
        assert str(path) not in Path("/proc/self/maps").read_text()
        assert read

    def test_tensors_can_be_written_to_without_touching_each_other(self, path):
        write(path, {"a": ("U8", (2,), b"aa"), "b": ("U8", (2,), b"bb")})
        read = read_tensors(path)
        read["a"].zero_()
        assert raw(read["b"]) == b"bb"


class TestSafetensorsFaults:
    @SHARED
    @given(st.data())
    def test_any_damage_is_read_or_told(self, path, data):
        write(
            path,
            {"a": ("F16", (2, 3), bytes(12)), "b": ("F32", (), bytes(4)), "c": ("I8", (0,), b"")},
        )
        damaged = bytearray(path.read_bytes())
        for _ in range(data.draw(st.integers(1, 3))):
            at = data.draw(st.integers(0, len(damaged) - 1))
            damaged[at] = data.draw(st.integers(0, 255) | st.sampled_from(b'0123456789"'))
        path.write_bytes(damaged)
        for reader in (read_model_header, read_tensors):
            try:
                reader(path)
            except (FileError, BrokenNetworkError) as error:
                told = str(error)
            else:
                continue
            assert "\n" not in told

    def test_a_missing_name_is_named(self, path):
        write(path, {"a": ("U8", (1,), b"x")})
        with pytest.raises(FileError, match="it has no tensor 'b'") as caught:
            read_tensors(path, ["b", "c", "a"])
        assert caught.value.code == "no-tensor"

    @pytest.mark.parametrize("dtype", ["F4", "F6_E2M3", "F6_E3M2"])
    def test_a_type_that_torch_has_not_is_told_and_the_others_can_be_read(self, path, dtype):
        write(path, {"a": (dtype, (8,), bytes(4 if dtype == "F4" else 6)), "b": ("U8", (1,), b"x")})
        assert read_header(path).tensors["a"].dtype == dtype
        with pytest.raises(BrokenNetworkError, match=rf"'a' has the type {dtype}.*torch"):
            read_tensors(path)
        assert raw(read_tensors(path, ["b"])["b"]) == b"x"

    def test_an_empty_tensor_of_an_impossible_shape_is_told(self, path):
        write(path, {"a": ("U8", (0, 2**62, 2**62), b"")})
        with pytest.raises(BrokenNetworkError, match="impossible shape"):
            read_tensors(path)

    def test_a_type_of_a_newer_torch_is_told(self, path, monkeypatch):
        write(path, {"a": ("F8_E4M3", (1,), b"x")})
        monkeypatch.delattr(torch, "float8_e4m3fn")
        with pytest.raises(BrokenNetworkError, match="Update torch"):
            read_tensors(path)

    @pytest.mark.parametrize("content", [b"", b"<html>", b"x" * 99, struct.pack("<Q", 9) + b"{}"])
    def test_a_malformed_file_is_the_header_readers_error(self, path, content):
        path.write_bytes(content)
        with pytest.raises(HeaderError):
            read_tensors(path)
        with pytest.raises(HeaderError):
            read_model_header(path)

    @pytest.mark.parametrize("reader", [read_tensors, read_model_header, read_pickle_header])
    def test_a_missing_file_is_a_file_error(self, path, reader):
        with pytest.raises(FileError, match="cannot be read") as caught:
            reader(path)
        assert caught.value.code == "unreadable"

    def test_a_file_that_is_written_to_meanwhile_is_refused(self, path, monkeypatch):
        write(path, {"a": ("U8", (4,), b"aaaa")})
        real = tensors._read_run

        def read_then_write(*args):
            buffer = real(*args)
            with path.open("ab") as file:
                file.write(b"more")
            return buffer

        monkeypatch.setattr(tensors, "_read_run", read_then_write)
        with pytest.raises(FileError) as caught:
            read_tensors(path)
        assert caught.value.code == "changed"

    def test_a_file_that_is_cut_meanwhile_is_refused(self, path, monkeypatch):
        write(path, {"a": ("U8", (40_000,), bytes(40_000))})
        real = tensors.parse_header

        def parse_then_cut(*args):
            header = real(*args)
            os.truncate(path, 20_000)
            return header

        monkeypatch.setattr(tensors, "parse_header", parse_then_cut)
        with pytest.raises(FileError) as caught:
            read_tensors(path)
        assert caught.value.code == "changed"


def save(path, content, new_format=True):
    torch.save(content, path, _use_new_zipfile_serialization=new_format)
    return path


FORMATS = pytest.mark.parametrize("new_format", [True, False], ids=["zip", "old"])


class TestPickles:
    @FORMATS
    def test_names_types_and_shapes_without_the_data(self, path, new_format):
        kinds = ZIP_DTYPES if new_format else OLD_DTYPES
        save(path, {f"t{i}": tensor((2, i), d) for i, d in enumerate(kinds)}, new_format)
        header = read_pickle_header(path)
        assert header == read_model_header(path)
        assert header.shapes == {f"t{i}": (2, i) for i in range(len(kinds))}
        assert header.tensors["t6"].dtype == "F16"
        assert len(kinds) < 13 or header.tensors["t11"].dtype == "F8_E4M3"
        assert header.tensors["t5"].size_bytes == 80
        assert header.file_length == path.stat().st_size

    @FORMATS
    def test_tensors_are_read_bit_for_bit_and_own_their_memory(self, path, new_format):
        kinds = ZIP_DTYPES if new_format else OLD_DTYPES
        written = {f"t{i}": tensor((2, 3), d, i) for i, d in enumerate(kinds)}
        save(path, written, new_format)
        read = read_tensors(path)
        path.unlink()
        assert {n: raw(v) for n, v in read.items()} == {n: raw(v) for n, v in written.items()}
        assert all(value.is_contiguous() for value in read.values())

    @FORMATS
    def test_only_the_wanted_tensors(self, path, new_format):
        save(path, {"a": torch.ones(2), "b": torch.zeros(2)}, new_format)
        assert list(read_tensors(path, ["b"])) == ["b"]
        with pytest.raises(FileError, match="it has no tensor 'c'"):
            read_tensors(path, ["c"])

    @FORMATS
    def test_a_checkpoint_with_its_state_nested(self, path, new_format):
        content = {
            "state_dict": {"model.w": torch.ones(2)},
            "global_step": 110000,
            "opt": torch.ones(9),
        }
        save(path, content, new_format)
        header = read_pickle_header(path)
        assert header.shapes == {"model.w": (2,)}
        assert header.metadata == {"global_step": "110000"}

    def test_dictionaries_in_dictionaries_are_joined_with_dots(self, path):
        save(
            path,
            {"string_to_param": {"*": torch.ones(2, 768)}, "name": "ink", "step": 500, "x": None},
        )
        header = read_pickle_header(path)
        assert header.shapes == {"string_to_param.*": (2, 768)}
        assert header.metadata == {"name": "ink", "step": "500"}

    def test_parameters_come_as_plain_tensors(self, path):
        save(path, {"w": torch.nn.Parameter(torch.ones(2))})
        assert not read_tensors(path)["w"].requires_grad

    def test_a_transposed_tensor_is_read_as_it_was(self, path):
        value = tensor((3, 4), torch.float32)
        save(path, {"w": value.T})
        read = read_tensors(path)["w"]
        assert torch.equal(read, value.T)
        assert read.is_contiguous()

    @pytest.mark.parametrize("name", ["x.safetensors", "x.pt", "x.ckpt", "x.bin", "x"])
    def test_the_content_tells_the_format_and_not_the_suffix(self, tmp_path, name):
        save(tmp_path / name, {"a": torch.ones(2)})
        assert read_model_header(tmp_path / name).shapes == {"a": (2,)}
        write(tmp_path / name, {"b": ("U8", (1,), b"x")})
        assert read_model_header(tmp_path / name).shapes == {"b": (1,)}

    def test_a_header_of_a_large_file_reads_little_of_it(self, path):
        save(path, {"w": torch.zeros(2_000_000)})
        path.write_bytes(path.read_bytes())
        assert read_pickle_header(path).tensors["w"].size_bytes == 8_000_000


class _Runs:
    """Asks the unpickler to call something, as a malicious file does."""

    def __init__(self, function, *arguments):
        self.what = (function, arguments)

    def __reduce__(self):
        return self.what


def _unsafe(folder):
    marker = folder / "ran"
    return marker, [
        ("system", _Runs(os.system, f"touch {marker}")),
        ("eval", _Runs(eval, f"open({str(marker)!r}, 'w')")),
        ("exec", _Runs(exec, f"open({str(marker)!r}, 'w')")),
        ("rmtree", _Runs(shutil.rmtree, str(folder / "x"))),
        ("loads", _Runs(pickle.loads, b"")),
    ]


class TestUnsafePickles:
    @FORMATS
    @pytest.mark.parametrize("protocol", [2, 4])
    @pytest.mark.parametrize("case", range(5))
    def test_a_pickle_that_wants_to_run_something_is_refused_by_name(
        self, tmp_path, new_format, protocol, case
    ):
        marker, cases = _unsafe(tmp_path)
        name, payload = cases[case]
        path = tmp_path / "x.ckpt"
        content = {"state_dict": {"w": torch.ones(2)}, "extra": payload}
        torch.save(
            content, path, pickle_protocol=protocol, _use_new_zipfile_serialization=new_format
        )
        for reader in (read_pickle_header, read_tensors, read_model_header):
            with pytest.raises(UnsafeFileError) as caught:
                reader(path)
            assert f".{name}'" in caught.value.found
            assert caught.value.next_step
            assert "\n" not in str(caught.value)
        assert not marker.exists()

    @pytest.mark.parametrize("protocol", [2, 3, 4, 5])
    def test_a_bare_pickle_that_wants_to_run_something(self, tmp_path, protocol):
        marker, cases = _unsafe(tmp_path)
        path = tmp_path / "x.bin"
        path.write_bytes(pickle.dumps(cases[0][1], protocol))
        with pytest.raises(UnsafeFileError, match="system"):
            read_tensors(path)
        assert not marker.exists()

    def test_whole_modules_are_no_tensors(self, path):
        save(path, torch.nn.Linear(2, 2))
        with pytest.raises(UnsafeFileError, match=r"torch\.nn\.modules\.linear\.Linear"):
            read_tensors(path)

    def test_a_torchscript_program_is_refused(self, path):
        with zipfile.ZipFile(path, "w") as archive:
            for name in ("x/data.pkl", "x/constants.pkl", "x/code/__torch__.py"):
                archive.writestr(name, b"\x80\x02.")
        with pytest.raises(UnsafeFileError, match="TorchScript"):
            read_model_header(path)

    def test_names_are_listed_without_running_anything(self, tmp_path):
        marker, cases = _unsafe(tmp_path)
        path = save(tmp_path / "x.pt", [payload for _, payload in cases])
        listed = {name.rpartition(".")[2] for name in pickles.wanted_globals(path)}
        assert listed >= {"system", "eval", "exec", "rmtree", "loads"}
        assert not marker.exists()
        path.write_bytes(path.read_bytes()[:200])
        assert pickles.wanted_globals(path) == ()
        assert pickles.wanted_globals(tmp_path / "missing") == ()


@pytest.fixture(scope="module")
def whole():
    """The bytes of one small file in either format; written once, for the bytes vary."""
    written = {}
    for new_format in (True, False):
        buffer = io.BytesIO()
        content = {"a": torch.ones(3), "b": {"c": torch.zeros(2, dtype=torch.float16)}}
        torch.save(content, buffer, _use_new_zipfile_serialization=new_format)
        written[new_format] = buffer.getvalue()
    return written


class TestDamagedPickles:
    @pytest.mark.parametrize(
        ("content", "found"),
        [
            (b"PK\x03\x04" + bytes(100), "zip directory"),
            (b"PK\x05\x06" + bytes(18), "without PyTorch's data.pkl"),
            (b"\x80\x02", "damaged"),
            (b"\x80\x02.", "damaged"),
            (b"\x80\x04\x95", "damaged"),
            (pickle.dumps({"a": 1}, 2), "damaged"),
        ],
    )
    def test_a_pickle_that_is_none_is_told(self, path, content, found):
        path.write_bytes(content)
        for reader in (read_pickle_header, read_tensors):
            with pytest.raises(FileError) as caught:
                reader(path)
            assert found in caught.value.found
            assert caught.value.next_step

    def test_a_zip_with_a_model_inside_is_no_model(self, path):
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("ink.safetensors", b"x")
        with pytest.raises(FileError, match="Unpack it") as caught:
            read_model_header(path)
        assert caught.value.code == "archive"

    @pytest.mark.parametrize(
        "content", [[torch.ones(2)], {}, {"a": 1}, torch.ones(2), {"x": [torch.ones(1)]}]
    )
    def test_a_pickle_without_named_tensors_is_told(self, path, content):
        save(path, content)
        with pytest.raises(FileError, match="holds no tensors with names"):
            read_tensors(path)

    def test_a_dictionary_that_holds_itself_is_read_once(self, path):
        loop = {"w": torch.ones(2)}
        for index in range(50):
            loop[f"again{index}"] = loop
        many = {"x": loop}
        for _ in range(10):
            many = {"a": many, "b": many}
        save(path, many)
        assert read_pickle_header(path).shapes == {"a." * 10 + "x.w": (2,)}

    def test_dictionaries_nested_beyond_reason_are_told(self, path):
        content = {"w": torch.ones(2)}
        for _ in range(40):
            content = {"a": content}
        save(path, content)
        with pytest.raises(FileError, match="nested more than 16 deep"):
            read_tensors(path)

    def test_a_sparse_tensor_is_told(self, path):
        save(path, {"a": torch.eye(3).to_sparse()})
        with pytest.raises(FileError, match="'a' is a sparse tensor"):
            read_tensors(path)

    def test_a_pickle_that_is_written_to_meanwhile_is_refused(self, path, monkeypatch):
        save(path, {"a": torch.ones(2)})
        real = torch.load

        def load_then_write(*args, **options):
            content = real(*args, **options)
            path.write_bytes(b"other")
            return content

        monkeypatch.setattr(torch, "load", load_then_write)
        with pytest.raises(FileError) as caught:
            read_tensors(path)
        assert caught.value.code == "changed"

    @settings(SHARED, max_examples=200)
    @given(st.data())
    @pytest.mark.parametrize("cut", [True, False], ids=["cut", "changed"])
    @FORMATS
    def test_any_damage_is_read_or_told(self, path, whole, new_format, cut, data):
        damaged = bytearray(whole[new_format])
        if cut:
            del damaged[data.draw(st.integers(0, len(damaged) - 1)) :]
        else:
            for _ in range(data.draw(st.integers(1, 5))):
                at = data.draw(st.integers(0, len(damaged) - 1))
                damaged[at] = data.draw(st.integers(0, 255))
        path.write_bytes(damaged)
        for reader in (read_model_header, read_tensors):
            try:
                reader(path)
            except (FileError, BrokenNetworkError) as error:
                told = str(error)
            else:
                continue
            assert "\n" not in told

    def test_the_advice_to_load_unsafely_is_never_passed_on(self, path):
        path.write_bytes(b"\x80\x02cnothing\nknown\n.")
        with pytest.raises(UnsafeFileError, match=r"nothing\.known"):
            read_tensors(path)
        path.write_bytes(b"\x80\x02\x82\x05.")
        with pytest.raises(FileError, match="torch cannot read it") as caught:
            read_tensors(path)
        assert "weights_only" not in str(caught.value)
