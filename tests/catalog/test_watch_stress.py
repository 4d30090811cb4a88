"""Random operations on real files: afterwards the index is what a fresh look says, stars included.

`LORADEX_SEQUENCES=1000 python -m pytest tests/catalog/test_watch_stress.py` is the long form.
"""

import os
import random
import sys
import time
from pathlib import Path

import pytest
from loradex.catalog.disk.watch import Timing

from tests.catalog.diskkit import Library, Live, wait_until
from tests.catalog.operations_kit import Disk, Judge

SEQUENCES = int(os.environ.get("LORADEX_SEQUENCES", "40"))
LINKS = sys.platform != "win32"


@pytest.fixture
def roots(tmp_path):
    made = tmp_path / "one", tmp_path / "two"
    for path in made:
        path.mkdir()
        (path / ".keep").touch()
    return made


def portions(paths: list[Path], chance: random.Random) -> list[list[Path]]:
    """The paths as events may come: in any order, twice, in any number of batches."""
    paths = [*paths, *chance.sample(paths, len(paths) // 3)]
    chance.shuffle(paths)
    size = chance.choice((1, 2, 3, 100))
    return [paths[start : start + size] for start in range(0, len(paths), size)]


@pytest.mark.timeout(3000)
@pytest.mark.parametrize("block", range(4))
def test_after_any_operations_the_index_is_true_and_every_content_has_its_row(tmp_path, block):
    for number in range(block, SEQUENCES, 4):
        run_sequence(tmp_path / str(number), number)


def run_sequence(folder: Path, number: int) -> None:
    chance = random.Random(number)
    roots = folder / "one", folder / "two"
    for path in roots:
        path.mkdir(parents=True)
        (path / ".keep").touch()
    library, done = Library(*roots), []
    disk, judge = Disk(roots, chance, LINKS), Judge(library, chance)
    try:
        for _ in range(chance.randint(2, 6)):
            done += [disk.do_something() for _ in range(chance.randint(1, 5))] + ["|"]
            told, disk.told = disk.told, []
            if chance.random() < 0.8:
                for portion in portions(told, chance):
                    library.reconcile(*portion) if portion else None
            else:
                library.reconcile()
            judge.check()
            judge.star()
        assert library.reconcile() == [] or library.is_true()
        judge.check()
    except AssertionError as error:
        raise AssertionError(f"sequence {number}: {' '.join(done)}") from error
    finally:
        library.close()


@pytest.mark.timeout(3000)
@pytest.mark.parametrize("mode", ["native", "polling"])
def test_a_watcher_brings_the_index_there_whatever_happens_meanwhile(roots, mode, monkeypatch):
    monkeypatch.setattr("loradex.catalog.disk.settle.REST", 0.1)
    monkeypatch.setattr("loradex.catalog.disk.settle.GATHER", 0.2)
    if mode == "native":
        pytest.importorskip("watchdog")
    polling = "" if mode == "native" else "the user wants it"
    live = Live(*roots, timing=Timing(poll=0.1, check=0.1), polling=polling).start()
    try:
        for number in range(max(4, SEQUENCES // 20)):
            run_live(live, roots, random.Random(number))
    finally:
        live.close()


def run_live(live: Live, roots, chance: random.Random) -> None:
    """Operations while the watcher works; once in a while it is stopped in the middle of them."""
    disk, done = Disk(roots, chance, LINKS), []
    stopped = chance.randrange(20)
    for step in range(10):
        done.append(disk.do_something())
        time.sleep(chance.choice((0, 0, 0.05, 0.3)))
        if step == stopped:
            live.watcher.stop()
        elif step == stopped + 2:
            live.start()
    if stopped < 10:
        live.watcher.stop()
        live.start()
    try:
        wait_until(lambda: is_true(live.library), 8)
    except AssertionError as error:
        raise AssertionError(f"not there after {done}") from error


def is_true(library: Library) -> bool:
    try:
        return library.is_true()
    except AssertionError:
        return False
