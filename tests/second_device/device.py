"""Builds a device of its own for torch, and makes it known to this process by a name."""

from __future__ import annotations

import shutil
import subprocess
import types
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

SOURCE = Path(__file__).with_name("second_device.cpp")
COMPILER = shutil.which("c++")


def build(folder: Path) -> Path:
    """The library, compiled in ten seconds with the headers that torch comes with."""
    import torch
    from torch.utils import cpp_extension

    assert COMPILER is not None
    library = folder / "second_device.so"
    if library.exists():
        return library
    abi = int(torch.compiled_with_cxx11_abi())
    places = [f"-I{place}" for place in cpp_extension.include_paths()]
    libraries = [f"-L{place}" for place in cpp_extension.library_paths()]
    subprocess.run(
        [COMPILER, "-std=c++20", "-O1", "-w", "-shared", "-fPIC", f"-D_GLIBCXX_USE_CXX11_ABI={abi}",
         *places, str(SOURCE), "-o", str(library), *libraries, "-lc10", "-ltorch_cpu"],
        check=True,
    )
    return library


class SecondDevice(types.ModuleType):
    """What torch and the engine ask of a kind of device; its memory is counted for real."""

    def __init__(self, library: Path, name: str = "second") -> None:
        import torch

        super().__init__(name)
        torch.ops.load_library(str(library))
        torch.utils.rename_privateuse1_backend(name)
        torch._register_device_module(name, self)
        self._ops = torch.ops.second_device
        self.told_free: int | None = None
        """What it says is free; else what is."""
        self.total = 1 << 40

    @property
    def allocated(self) -> int:
        return int(self._ops.allocated())

    def peak(self) -> int:
        """The most bytes that were in use at once since the last question."""
        return int(self._ops.peak())

    def bound(self, more: int | None) -> None:
        """From now on so many bytes more can be had, or as many as anybody wants."""
        self._ops.bound(0 if more is None else self.allocated + more)

    def mem_get_info(self, _: object = None) -> tuple[int, int]:
        free = self.total - self.allocated if self.told_free is None else self.told_free
        return free, self.total

    def memory_reserved(self, _: object = None) -> int:
        return 0

    def memory_allocated(self, _: object = None) -> int:
        return 0

    def is_available(self) -> bool:
        return True

    def device_count(self) -> int:
        return 1

    def current_device(self) -> int:
        return 0

    def set_device(self, _: int) -> None:
        """There is one."""

    def device(self, _: object) -> AbstractContextManager[None]:
        return nullcontext()

    def empty_cache(self) -> None:
        """It keeps no memory that is not used."""

    def memory_stats(self, _: object = None) -> dict[str, int]:
        return {"active.all.current": 0}

    def manual_seed_all(self, seed: int) -> None:
        """It draws no numbers."""

    def _is_in_bad_fork(self) -> bool:
        return False
