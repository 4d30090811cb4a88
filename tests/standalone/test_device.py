"""Which device and number format a run gets, and what is refused."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from loradex.errors import InputError  # noqa: E402

from standalone.device import pick_device, pick_dtype, vae_dtype  # noqa: E402

pytestmark = pytest.mark.torch

CPU, CUDA, MPS = (torch.device(name) for name in ("cpu", "cuda", "mps"))


@pytest.mark.parametrize("name", ["gpu", "cuda:", "cuda:x", "cpu:1", "cuda:-1", "meta"])
def test_names_that_are_no_device_are_refused(name: str) -> None:
    with pytest.raises(InputError, match="expected one of cpu, cuda, mps or cuda:N"):
        pick_device(name)


def test_a_gpu_that_is_not_there_is_refused() -> None:
    count = torch.cuda.device_count()
    with pytest.raises(InputError, match="torch finds no such device"):
        pick_device(f"cuda:{count}")


def test_the_best_device_is_taken_where_none_is_named() -> None:
    kind = pick_device(None).type
    assert kind == pick_device("").type
    if torch.cuda.is_available():
        assert kind == "cuda"
    assert pick_device(" CPU ") == CPU


def test_the_cpu_computes_in_fp32_and_gpus_in_fp16() -> None:
    assert pick_dtype(None, CPU, "BF16") is torch.float32
    assert pick_dtype(None, CUDA, "F16") is torch.float16
    assert pick_dtype(None, CUDA, "F32") is torch.float16
    assert pick_dtype(None, MPS, "BF16") is torch.float16


def test_the_user_decides_the_format_where_one_is_named() -> None:
    assert pick_dtype("bf16", CPU) is torch.bfloat16
    assert pick_dtype("fp32", CUDA) is torch.float32
    with pytest.raises(InputError, match="expected one of fp32, fp16, bf16"):
        pick_dtype("fp8", CPU)


def test_the_vae_runs_in_fp32_whatever_the_rest_does() -> None:
    assert vae_dtype() is torch.float32
