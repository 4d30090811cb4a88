"""The deep check finds what values can have and stays silent over sound files of every type."""

import json
import math
import random
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from loradex.errors import CancelledError, FileError, HeaderError
from loradex.files.deep import deep_check
from loradex.files.factor_names import modules_of
from loradex.files.faults import FAULTS
from loradex.files.tensor_values import TensorValues, number_type

from tests.counting import calls_in

CODES = {"F16": ("e", 2), "F32": ("f", 4), "F64": ("d", 8)}
FLOATS = ["F16", "BF16", "F32", "F64"]


def pack(dtype, numbers):
    if dtype == "BF16":
        return b"".join(struct.pack("<f", number)[2:] for number in numbers)
    return struct.pack(f"<{len(numbers)}{CODES[dtype][0]}", *numbers)


def write(path, tensors, dtype="F16", extra=b""):
    """`tensors`: name -> numbers, or (shape, numbers)."""
    header, data = {}, b""
    for name, value in tensors.items():
        shape, numbers = value if isinstance(value, tuple) else ((len(value),), value)
        raw = numbers if isinstance(numbers, bytes) else pack(dtype, numbers)
        offsets = [len(data), len(data) + len(raw)]
        header[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": offsets}
        data += raw
    raw = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(raw)) + raw + data + extra)
    return path


def noise(count, size=0.02, seed=0):
    rng = random.Random(seed)
    return [rng.gauss(0, size) for _ in range(count)]


def network(modules=3, alpha=4.0, up=0.02):
    """A LoRA of rank 4 on layers of 16 x 16."""
    tensors = {}
    for i in range(modules):
        tensors[f"lora_unet_{i}.alpha"] = ((), [alpha])
        tensors[f"lora_unet_{i}.lora_down.weight"] = ((4, 16), noise(64, 0.1, i))
        tensors[f"lora_unet_{i}.lora_up.weight"] = ((16, 4), noise(64, up, i + 99))
    return tensors


def codes(path):
    return {finding.code: finding for finding in deep_check(path)}


@pytest.mark.parametrize("dtype", FLOATS)
class TestFindings:
    def test_a_sound_network_has_nothing_to_tell(self, tmp_path, dtype):
        assert deep_check(write(tmp_path / "a.safetensors", network(), dtype)) == ()

    @pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
    def test_one_bad_number_is_found_and_named(self, tmp_path, dtype, bad):
        tensors = network()
        tensors["lora_unet_1.lora_up.weight"][1][17] = bad
        found = codes(write(tmp_path / "a.safetensors", tensors, dtype))
        assert set(found) == {"not-finite"}
        assert found["not-finite"].tensors == 1
        assert found["not-finite"].example == "lora_unet_1.lora_up.weight"
        assert found["not-finite"].message.startswith("1 of 9 tensors hold NaN")

    def test_up_matrices_of_zeros_and_minus_zeros(self, tmp_path, dtype):
        tensors = network()
        tensors["lora_unet_0.lora_up.weight"] = ((16, 4), [0.0, -0.0] * 32)
        found = codes(write(tmp_path / "a.safetensors", tensors, dtype))
        assert found["zero-up"].message == "1 of 3 modules have a matrix of zeros."
        assert found["zero-up"].severity == "warning"

    def test_a_network_that_was_never_trained_has_no_effect(self, tmp_path, dtype):
        found = codes(write(tmp_path / "a.safetensors", network(up=0.0), dtype))
        assert set(found) == {"no-effect"}
        assert found["no-effect"].severity == "error"

    @pytest.mark.parametrize(
        ("alpha", "code"),
        [(0.0, "zero-alpha"), (math.nan, "alpha-not-finite"), (404.0, "absurd-alpha"),
         (-404.0, "absurd-alpha")],
    )  # fmt: skip
    def test_alphas_that_make_no_sense(self, tmp_path, dtype, alpha, code):
        found = codes(write(tmp_path / "a.safetensors", network(alpha=alpha), dtype))
        assert set(found) == {code}
        assert found[code].tensors == 3
        assert found[code].example.endswith(".alpha")

    @pytest.mark.parametrize("alpha", [400.0, 0.001, -4.0])
    def test_alphas_that_are_only_unusual(self, tmp_path, dtype, alpha):
        assert deep_check(write(tmp_path / "a.safetensors", network(alpha=alpha), dtype)) == ()

    def test_a_change_far_beyond_any_weight(self, tmp_path, dtype):
        found = codes(write(tmp_path / "a.safetensors", network(up=60.0), dtype))
        assert set(found) == {"absurd-norm"}
        assert "3 of 3 modules" in found["absurd-norm"].message


@pytest.mark.parametrize("dtype", ["BF16", "F32", "F64"])
def test_a_value_that_fp16_cannot_hold(tmp_path, dtype):
    tensors = network()
    tensors["lora_unet_2.lora_down.weight"][1][3] = 2.0**18
    found = codes(write(tmp_path / "a.safetensors", tensors, dtype))
    assert found["fp16-overflow"].example == "lora_unet_2.lora_down.weight"


def test_a_value_that_overflows_only_once_it_is_scaled(tmp_path):
    tensors = network(alpha=200.0)
    tensors["lora_unet_2.lora_up.weight"][1][3] = 2000.0
    found = codes(write(tmp_path / "a.safetensors", tensors))
    assert found["fp16-overflow"].example == "lora_unet_2.lora_up.weight"


def test_a_download_that_reserved_its_space_and_stopped(tmp_path):
    tensors = network(6)
    for name in list(tensors)[7:]:
        shape, numbers = tensors[name]
        tensors[name] = (shape, [0.0] * len(numbers))
    found = codes(write(tmp_path / "a.safetensors", tensors))
    assert found["zero-tail"].tensors == 11
    assert found["zero-tail"].severity == "error"
    assert deep_check(tmp_path / "a.safetensors")[0].severity == "error", "the worst first"


def test_frozen_parts_at_the_end_are_no_hole(tmp_path):
    tensors = network(6)
    ups = {n: v for n, v in tensors.items() if "up" in n}
    rest = {n: v for n, v in tensors.items() if "up" not in n}
    for name in list(ups)[2:]:
        ups[name] = ((16, 4), [0.0] * 64)
    assert set(codes(write(tmp_path / "a.safetensors", rest | ups))) == {"zero-up"}


@pytest.mark.parametrize(
    "names",
    [
        ("m.lora_A.weight", "m.lora_B.weight"), ("m.lora_A.default.weight",
        "m.lora_B.default.weight"), ("m.lora_A", "m.lora_B"), ("m.lora.down.weight",
        "m.lora.up.weight"), ("m_lora.down.weight", "m_lora.up.weight"),
        ("m.lora_linear_layer.down.weight", "m.lora_linear_layer.up.weight"),
        ("m.qkv_lora1.down.weight", "m.qkv_lora1.up.weight"), ("unet:3:down", "unet:3:up"),
        ("m.hada_w1_b", "m.hada_w2_a"), ("m.lokr_w1", "m.lokr_w2"),
    ],
)  # fmt: skip
def test_the_factors_of_every_naming_are_paired(tmp_path, names):
    down, up = names
    (module,) = modules_of({down: (4, 16), up: (16, 4)})
    assert set(module.factors) == {down, up}
    tensors = {down: ((4, 16), noise(64)), up: ((16, 4), [0.0] * 64)}
    assert "no-effect" in codes(write(tmp_path / "a.safetensors", tensors))


def test_whole_differences_biases_and_norms_are_no_modules():
    shapes = dict.fromkeys(["a.diff", "a.diff_b", "a.bias", "a.w_norm", "a.alpha", "x"], (4,))
    assert modules_of(shapes) == ()


def test_alpha_of_a_full_lokr_is_not_measured_by_any_rank(tmp_path):
    tensors = {"m.lokr_w1": ((4, 4), noise(16)), "m.lokr_w2": ((4, 4), noise(16)),
               "m.alpha": ((), [10000.0])}  # fmt: skip
    assert deep_check(write(tmp_path / "a.safetensors", tensors, "F32")) == ()


def test_the_constraint_of_an_oft_may_be_zero(tmp_path):
    tensors = {"m.oft_blocks": ((2, 4, 4), noise(32)), "m.alpha": ((), [0.0])}
    assert deep_check(write(tmp_path / "a.safetensors", tensors)) == ()
    broken = tensors | {"m.alpha": ((), [math.nan])}
    assert set(codes(write(tmp_path / "a.safetensors", broken))) == {"not-finite"}


def test_float8_and_integers_are_read_too(tmp_path):
    sound = {"m.lora_down.weight": ((2, 4), bytes(range(0x20, 0x28))),
             "m.lora_up.weight": ((4, 2), bytes(range(0x20, 0x28)))}  # fmt: skip
    path = tmp_path / "a.safetensors"
    for dtype in ("F8_E4M3", "F8_E5M2", "F8_E4M3FNUZ", "F8_E5M2FNUZ", "I8"):
        assert deep_check(write(path, sound, dtype)) == ()
    broken = sound | {"m.lora_up.weight": ((4, 2), b"\x20\x7f" * 4)}
    assert set(codes(write(path, broken, "F8_E4M3"))) == {"not-finite"}
    assert codes(write(path, broken, "I8")) == {}


class TestTheFile:
    def test_bytes_after_the_end_do_not_hinder_the_check(self, tmp_path):
        assert deep_check(write(tmp_path / "a.safetensors", network(), extra=b"xyz")) == ()

    def test_a_file_that_its_header_already_condemns_is_a_header_error(self, tmp_path):
        path = write(tmp_path / "a.safetensors", network())
        path.write_bytes(path.read_bytes()[:-1])
        with pytest.raises(HeaderError):
            deep_check(path)

    def test_a_missing_file_is_a_file_error(self, tmp_path):
        with pytest.raises(FileError, match="cannot be read"):
            deep_check(tmp_path / "none.safetensors")

    def test_it_can_be_stopped(self, tmp_path):
        with pytest.raises(CancelledError):
            deep_check(write(tmp_path / "a.safetensors", network()), cancelled=lambda: True)

    def test_a_file_that_is_written_meanwhile_is_told_apart(self, tmp_path):
        path = write(tmp_path / "a.safetensors", network())

        def grow():
            with path.open("ab") as file:
                file.write(b"x")
            return False

        with pytest.raises(FileError) as caught:
            deep_check(path, cancelled=grow)
        assert caught.value.code == "changed"

    def test_every_finding_is_on_the_list_and_tells_a_step(self, tmp_path):
        for finding in deep_check(write(tmp_path / "a.safetensors", network(alpha=math.nan, up=0))):
            assert FAULTS[finding.code].next_step == finding.next_step == finding.text.next_step

    def test_an_empty_tensor_and_an_empty_file_are_nothing_special(self, tmp_path):
        tensors = {"v_pred": ((0,), []), **network()}
        assert deep_check(write(tmp_path / "a.safetensors", tensors)) == ()
        assert deep_check(write(tmp_path / "a.safetensors", {})) == ()


def look(dtype, raw, pieces=1):
    kind = number_type(dtype)
    values = TensorValues()
    size = -(-len(raw) // kind.width // pieces) * kind.width or kind.width
    for start in range(0, len(raw), size):
        kind.look(raw[start : start + size], values, len(raw))
    return kind, values


class TestTensorValues:
    @given(
        st.sampled_from(["F16", "BF16", "F32", "F64", "F8_E4M3", "F8_E5M2", "F8_E5M2FNUZ"]),
        st.binary(max_size=256),
        st.integers(1, 4),
    )
    def test_any_bytes_are_judged_as_by_decoding_all_of_them(self, dtype, raw, pieces):
        width = number_type(dtype).width
        raw = raw[: len(raw) // width * width]
        kind, values = look(dtype, raw, pieces)
        numbers = list(kind.decode(raw))
        finite = [abs(number) for number in numbers if math.isfinite(number)]
        assert values.not_finite == (len(finite) < len(numbers))
        assert values.zero == (not any(numbers))
        if not values.not_finite and max(finite, default=0) >= kind.ordinary:
            assert values.largest == max(finite)

    @pytest.mark.parametrize("dtype", FLOATS)
    def test_the_size_of_a_large_tensor_comes_from_a_sample(self, dtype):
        _, values = look(dtype, pack(dtype, noise(40_000, 0.5)), pieces=3)
        assert values.rms == pytest.approx(0.5, rel=0.05)

    @pytest.mark.parametrize("dtype", FLOATS)
    def test_one_huge_number_among_many_is_seen_exactly(self, dtype):
        numbers = noise(40_000)
        numbers[31_337] = -(2.0**15) if dtype == "F16" else -(2.0**30)
        assert look(dtype, pack(dtype, numbers))[1].largest == abs(numbers[31_337])

    @pytest.mark.parametrize("fill", [b"\xff", b"\x7b"], ids=["nan", "huge"])
    def test_a_whole_tensor_of_suspects_costs_no_more_than_a_bounded_look(self, fill):
        def calls(size):
            return calls_in(lambda: look("F16", fill * size, pieces=8))

        assert calls(4 << 20) < 1.1 * calls(1 << 20)
