"""How fast the catalog lists, searches and follows thousands of files, beside plain floors.

    python -m benchmarks.catalog               5,000 and 20,000 files, a few minutes
    python -m benchmarks.catalog --files 500   a quick look
    python -m benchmarks.catalog --json        the same numbers for programs

The files have real headers and real sizes (200 MB on the average) and are sparse, so that they
need a quarter of a MB each on the disk. Every measurement runs in a process of its own; the file
system's cache is warm, as it is for whoever starts a WebUI twice a day.
"""

from __future__ import annotations

import argparse
import json
import os
import queue
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from loradex.catalog.catalog import Catalog
from loradex.catalog.records import Change, Query

from benchmarks.library import write_library, write_network
from benchmarks.memory import peak_bytes

SMALL, LARGE = 5_000, 20_000
_ROUNDS = 200
_NEW_FILES = 10
_REPEATS = 3
_PATIENCE_S = 30.0

Numbers = dict[str, float]


def timed(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


# -- floors: what the same folders cost without a catalog


def list_floor(root: Path, _: Path) -> Numbers:
    """os.scandir and stat of everything: no list of files can cost less."""

    def walk(folder: str) -> int:
        count = 0
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.is_dir():
                    count += walk(entry.path)
                else:
                    entry.stat()
                    count += 1
        return count

    return {"seconds": min(timed(lambda: walk(os.fspath(root))) for _ in range(_REPEATS))}


def read_floor(root: Path, _: Path) -> Numbers:
    """Every header read and parsed by json.loads, one after the other, nothing kept."""

    def read() -> None:
        for path in sorted(root.rglob("*.safetensors")):
            with path.open("rb", buffering=0) as file:
                if hasattr(os, "posix_fadvise"):  # else the holes behind the header fill the cache
                    os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_RANDOM)
                json.loads(file.read(int.from_bytes(file.read(8), "little")))

    return {"seconds": timed(read)}


# -- the catalog


def cold(root: Path, home: Path) -> Numbers:
    """Nothing is known: until every file is listed with its facts."""
    first: list[float] = []
    started = time.perf_counter()
    with Catalog([root], home) as catalog:
        catalog.refresh(on_progress=lambda *_: first.append(time.perf_counter() - started))
        seconds = time.perf_counter() - started
        structures = catalog.inspector.structures.worked_out
    return {"seconds": seconds, "first_seconds": first[0] if first else seconds,
            "structures": structures, "peak_mb": peak_bytes() / 1e6}


def warm(root: Path, home: Path) -> Numbers:
    """Everything was known: until the first page is there, and until it is true."""
    started = time.perf_counter()
    with Catalog([root], home) as catalog:
        catalog.page(Query())
        usable = time.perf_counter() - started
        catalog.refresh()
        return {"usable_seconds": usable, "true_seconds": time.perf_counter() - started,
                "peak_mb": peak_bytes() / 1e6}


def unchanged(root: Path, home: Path) -> Numbers:
    """A look at folders in which nothing changed."""
    with Catalog([root], home) as catalog:
        return {"seconds": min(timed(catalog.refresh) for _ in range(_REPEATS)),
                "peak_mb": peak_bytes() / 1e6}


def ask(root: Path, home: Path) -> Numbers:
    """Pages and searches as a person makes them: milliseconds at the median and the 95th."""
    chance = random.Random(7)
    with Catalog([root], home) as catalog:
        total = catalog.page(Query(limit=1)).total
        pages = [timed(lambda: catalog.page(_page(chance, total))) for _ in range(_ROUNDS)]
        searches = [timed(lambda: catalog.page(_search(chance, total))) for _ in range(_ROUNDS)]
        return {**_percentiles("page", pages), **_percentiles("search", searches),
                "peak_mb": peak_bytes() / 1e6}


def _page(chance: random.Random, total: int) -> Query:
    return Query(
        families=chance.choice([(), (), ("sdxl",), ("sd1", "flux1")]),
        sort=chance.choice(["name", "path", "added", "modified", "size", "family"]),
        descending=chance.random() < 0.5, offset=chance.randrange(total), limit=100,
    )


def _search(chance: random.Random, total: int) -> Query:
    number = chance.randrange(total)
    words = chance.choice([f"{number:05}", f"network {number // 100:03}", f"subject{number}",
                           f"{number % 100:02}", "net", f"older {number // 100:03} {number % 10}"])
    return Query(text=words, sort="relevance", limit=100)


def _percentiles(name: str, seconds: Sequence[float]) -> Numbers:
    ordered = sorted(seconds)
    return {f"{name}_p50_ms": statistics.median(ordered) * 1e3,
            f"{name}_p95_ms": ordered[int(len(ordered) * 0.95)] * 1e3}


def new_file(root: Path, home: Path) -> Numbers:
    """A file is copied in; seconds from its last byte until it is listed with its facts."""
    chance = random.Random(3)
    seen: queue.SimpleQueue[tuple[str, float]] = queue.SimpleQueue()

    def note(change: Change) -> None:
        if change.kind == "added":
            seen.put((change.id, time.perf_counter()))

    waits = []
    with Catalog([root], home) as catalog:
        catalog.refresh()
        catalog.subscribe(note)
        catalog.start(hashing=False)
        time.sleep(2)
        for index in range(_NEW_FILES):
            path = root / f"new {index}.safetensors"
            write_network(path, index, chance)
            written = time.perf_counter()
            name, when = seen.get(timeout=_PATIENCE_S)
            assert name == path.name
            waits.append(when - written)
    for index in range(_NEW_FILES):
        (root / f"new {index}.safetensors").unlink()
    return {"p50_seconds": statistics.median(waits), "worst_seconds": max(waits)}


# -- running them

MEASURES: dict[str, Callable[[Path, Path], Numbers]] = {
    "floor: scandir and stat": list_floor, "floor: json of every header": read_floor,
    "cold": cold, "warm": warm, "unchanged": unchanged, "ask": ask, "new file": new_file,
}


def measure(name: str, root: Path, home: Path) -> Numbers:
    """One measurement in a process of its own, so that none warms or fattens another."""
    command = [sys.executable, "-m", "benchmarks.catalog", "--measure", name, root, home]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{name}: {done.stderr}")
    found: Numbers = json.loads(done.stdout.splitlines()[-1])
    return found


def run(count: int, folder: Path) -> dict[str, Any]:
    """Everything on a library of `count` files."""
    root, home = folder / f"library {count}", folder / f"home {count}"
    total = write_library(root, count)
    results: dict[str, Any] = {"files": count, "library_gb": total / 1e9}
    measure("floor: scandir and stat", root, home)  # warms the file system's cache
    for name in MEASURES:
        results[name] = measure(name, root, home)
    read, listing = (results[name]["seconds"] for name in list(MEASURES)[1::-1])
    results["ratios"] = {
        "cold / json of every header": results["cold"]["seconds"] / read,
        "unchanged / scandir and stat": results["unchanged"]["seconds"] / listing,
    }
    shutil.rmtree(root)
    return results


def show(results: dict[str, Any]) -> Iterable[str]:
    yield f"{results['files']:,} files, {results['library_gb']:,.0f} GB by their headers"
    for name, numbers in results.items():
        if isinstance(numbers, dict):
            shown = "  ".join(f"{key} {value:,.3f}" for key, value in numbers.items())
            yield f"  {name:30} {shown}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--files", type=int, action="append", help="files; repeatable")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument("--folder", type=Path, help="where to put the library (default: temporary)")
    parser.add_argument("--measure", nargs=3, metavar=("NAME", "ROOT", "HOME"),
                        help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        name, root, home = options.measure
        print(json.dumps(MEASURES[name](Path(root), Path(home))))
        return
    results = []
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        for count in options.files or (SMALL, LARGE):
            results.append(run(count, Path(folder)))
            if not options.json:
                print("\n".join(show(results[-1])), flush=True)
    if options.json:
        print(json.dumps(results, indent=2))


if __name__ == "__main__":
    main()
