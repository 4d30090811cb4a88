"""The doctor finds what is there twice without anybody having hashed it before."""

import shutil

from loradex.catalog import doctor
from loradex.catalog.catalog import Catalog
from loradex.catalog.records import Query
from loradex.files.hashes import hash_file

from tests.catalog.netkit import lora_tensors, write_lora


def examined(catalog):
    entries = list(catalog.entries(Query(sort="path", limit=None)))
    return {entry.file.name: [one.code for one in found]
            for entry, found in doctor.examine(entries)}


def test_a_copy_is_told_and_only_what_looks_alike_is_read(tmp_path, monkeypatch):
    ink = write_lora(tmp_path / "ink.safetensors", fill=b"ink")
    shutil.copy(ink, tmp_path / "more ink.safetensors")
    write_lora(tmp_path / "wash.safetensors", lora_tensors(rank=8))
    read = []
    monkeypatch.setattr(doctor, "hash_file", lambda path: read.append(path.name) or hash_file(path))
    with Catalog([tmp_path]) as catalog:
        catalog.refresh()
        found = examined(catalog)
    assert sorted(read) == ["ink.safetensors", "more ink.safetensors"]
    assert sorted(map(tuple, found.values())) == [(), (), ("duplicate",)]
    assert found["wash"] == []


def test_files_that_differ_only_between_the_samples_are_no_duplicates(tmp_path):
    for name, middle in (("a", b"1"), ("b", b"2")):
        path = write_lora(tmp_path / f"{name}.safetensors", metadata={"n": "same"})
        with path.open("r+b") as file:
            file.seek(path.stat().st_size // 2)
            file.write(middle)
    with Catalog([tmp_path]) as catalog:
        catalog.refresh()
        assert examined(catalog) == {"a": [], "b": []}
