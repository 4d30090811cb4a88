"""Random operations on real files, and the identity rules restated to check what came of them.

Run the long form by `LORADEX_SEQUENCES=1000 python -m pytest tests/catalog/test_watch_stress.py`.
"""

from __future__ import annotations

import itertools
import os
import random
import shutil
from collections import defaultdict
from pathlib import Path

from tests.catalog.diskkit import model, write

FOLDERS = ("", "x", "y", "x/deep")
NAMES = ("a.safetensors", "b.safetensors", "c.safetensors", "d.pt")


class Disk:
    """Does one random thing after the other and tells at which paths something happened."""

    def __init__(self, roots, chance: random.Random, links: bool = True) -> None:
        self.roots = roots
        self.chance = chance
        self.told: list[Path] = []
        self._count = itertools.count()
        self._operations = [
            self.write, self.write, self.rewrite_within_a_tick, self.replace, self.rename,
            self.rename, self.swap, self.rotate, self.copy, self.delete, self.recreate,
            self.move_folder, self.delete_folder, self.sidecar, self.download,
        ]
        if links:
            self._operations.append(self.link)

    def do_something(self) -> str:
        operation = self.chance.choice(self._operations)
        operation()
        return operation.__name__

    def files(self):
        found = [path for root in self.roots for path in root.rglob("*")
                 if path.suffix in (".safetensors", ".pt")]
        return sorted(path for path in found if path.is_file())

    def content(self) -> bytes:
        return model(f"content {next(self._count)}")

    def place(self) -> Path:
        root, folder = self.chance.choice(self.roots), self.chance.choice(FOLDERS)
        return root / folder / self.chance.choice(NAMES)

    def tell(self, *paths: Path) -> None:
        self.told += paths

    def some(self, count: int) -> list[Path]:
        files = self.files()
        return self.chance.sample(files, count) if len(files) >= count else []

    def write(self):
        self.tell(write(self.place(), self.content()))

    def rewrite_within_a_tick(self):
        """The same size, the same time: only a read tells."""
        for path in self.some(1):
            stat = path.stat()
            content = path.read_bytes()
            number = f"{next(self._count):05d}".encode()
            path.write_bytes(content[:-5] + number)
            os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
            self.tell(path)

    def replace(self):
        for path in self.some(1):
            write(path.with_name("aside.tmp"), self.content()).replace(path)
            self.tell(path)

    def rename(self):
        for path in self.some(1):
            target = self.place()
            target.parent.mkdir(parents=True, exist_ok=True)
            path.replace(target)
            self.tell(path, target)

    def swap(self):
        for one, other in zip(*[iter(self.some(2))] * 2, strict=True):
            self._turn([one, other])

    def rotate(self):
        self._turn(self.some(3))

    def _turn(self, paths):
        for path in paths:
            path.rename(path.with_name(path.name + ".aside"))
        for path, target in zip(paths, paths[1:] + paths[:1], strict=True):
            path.with_name(path.name + ".aside").rename(target)
        self.tell(*paths)

    def copy(self):
        for path in self.some(1):
            target = self.place()
            if target != path:
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(path, target)
                self.tell(target)

    def delete(self):
        for path in self.some(1):
            path.unlink()
            self.tell(path)

    def recreate(self):
        for path in self.some(1):
            content = path.read_bytes()
            path.unlink()
            target = path if self.chance.random() < 0.5 else self.place()
            self.tell(path, write(target, content))

    def move_folder(self):
        folders = [path for root in self.roots for path in root.iterdir()
                   if path.is_dir() and not path.is_symlink()]
        if folders:
            source = self.chance.choice(sorted(folders))
            target = self.chance.choice(self.roots) / self.chance.choice(("x", "y", "z"))
            if not os.path.lexists(target):
                source.rename(target)
                self.tell(source, target)

    def delete_folder(self):
        folder = self.chance.choice(self.roots) / self.chance.choice(("x", "y", "z"))
        if folder.is_dir() and not folder.is_symlink():
            shutil.rmtree(folder)
            self.tell(folder)

    def sidecar(self):
        for path in self.some(1):
            self.tell(write(path.with_suffix(".json"), f"note {next(self._count)}"))

    def download(self):
        target = self.place()
        part = write(target.with_name(target.name + ".part"), self.content())
        part.replace(target)
        self.tell(part, target)

    def link(self):
        """A folder outside of the roots appears under a link, or another one instead of it."""
        link = self.roots[0] / "link"
        outside = self.roots[0].parent / self.chance.choice(("outside1", "outside2"))
        write(outside / "linked.safetensors", self.content())
        if link.is_symlink():
            link.unlink()
        link.symlink_to(outside)
        self.tell(link, outside / "linked.safetensors")


class Judge:
    """Knows every row by its key, and checks after each batch that the rules were kept."""

    def __init__(self, library, chance: random.Random) -> None:
        self.library = library
        self.chance = chance
        self.rows: dict[int, tuple[tuple[str, str], str, bool]] = {}
        self.stars: dict[int, str] = {}

    def check(self) -> None:
        library = self.library
        assert library.is_true()
        entries = library.entries("present")
        now = {entry.key: (place, entry.facts.fingerprint) for place, entry in entries.items()}
        self._follow(now)
        stars = {entry.key: entry.user.notes for entry in entries.values()}
        assert stars == {key: self.stars.get(key, "") for key in now}
        for key, (place, content, _) in list(self.rows.items()):
            self.rows[key] = place, content, False
        self.rows.update({key: (place, content, True) for key, (place, content) in now.items()})

    def star(self) -> None:
        """The user says something of a file."""
        entries = sorted(self.library.entries("present").values(), key=lambda entry: entry.key)
        if entries:
            key = self.chance.choice(entries).key
            self.stars[key] = f"star {len(self.stars)} {self.chance.random()}"
            self.library.store.set_user(key, notes=self.stars[key])

    def _follow(self, now: dict) -> None:
        kept = {key for key, seen in now.items()
                if key in self.rows and self.rows[key][:2] == seen}
        here = {place for place, _, there in self.rows.values() if there}
        contents = dict(now.values())
        for key, (place, content, there) in self.rows.items():
            if there and contents.get(place) == content:
                assert key in kept, f"{place} was not touched and lost its row"
        files, rows = defaultdict(set), defaultdict(set)
        for key, (_, content) in now.items():
            if key not in kept:
                files[content].add(key)
        for key, (_, content, _) in self.rows.items():
            if key not in kept:
                rows[content].add(key)
        for content, keys in files.items():
            followed = keys & rows[content]
            assert len(followed) == min(len(keys), len(rows[content])), "a content lost its row"
            for key in keys - followed:
                place = now[key][0]
                known = self.rows.get(key)
                assert known is None or (known[0] == place and known[2]), "a row went astray"
                if known is None and place in here:
                    owner = next(k for k, row in self.rows.items() if row[2] and row[0] == place)
                    assert owner in now, f"{place} lost its row though nobody claimed it"
