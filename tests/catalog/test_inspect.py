"""What one look at a file gives: facts, fault, summary; the same structure is worked out once."""

import json
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st
from loradex.catalog.disk.scan import scan_networks
from loradex.catalog.reading.inspect import Inspector
from loradex.catalog.reading.peek import Peeker
from loradex.catalog.reading.sight import Part, Sight
from loradex.files.leading import split_metadata

from tests.catalog.netkit import lora_tensors, raw_header, write_lora


def look(path, inspector=None):
    (file,) = [one for one in scan_networks([path.parent]) if one.path == path]
    return (inspector or Inspector()).inspect(file)


def test_a_network_is_told_with_family_type_rank_and_parts(tmp_path):
    facts = look(write_lora(tmp_path / "ink.safetensors")).facts
    assert (facts.status, facts.kind, facts.family, facts.rank) == ("ok", "lora", "sd1", 4)
    assert facts.types == {"lora": 128}
    assert facts.components == {"unet": 128}
    assert facts.layouts == {"kohya_flat_diffusers": 384}
    assert facts.fault is None
    assert facts.evidence


def test_metadata_and_sidecars_reach_the_summary_with_their_source(tmp_path):
    path = write_lora(tmp_path / "ink.safetensors", metadata={"modelspec.title": "Ink"})
    (tmp_path / "ink.json").write_text('{"activation text": "inked", "preferred weight": 0.7}')
    (tmp_path / "ink.preview.png").write_bytes(b"png")
    summary = look(path).summary
    assert (summary.title, summary.sources["title"]) == ("Ink", "metadata")
    assert (summary.trigger_words, summary.sources["trigger_words"]) == (("inked",), "ink.json")
    assert summary.preferred_strength == 0.7
    assert summary.preview == "ink.preview.png"


def test_files_that_share_names_and_shapes_are_worked_out_once(tmp_path):
    inspector = Inspector()
    for index in range(6):
        # titles of many lengths: writers fill the header up with as many spaces as it needs
        title = {"modelspec.title": "x" * index}
        write_lora(tmp_path / f"{index}.safetensors", metadata=title)
    for file in scan_networks([tmp_path]):
        assert inspector.inspect(file).facts.family == "sd1"
    assert inspector.structures.worked_out == 1


def test_another_rank_or_another_length_is_another_structure(tmp_path):
    inspector = Inspector()
    for rank in (4, 8):
        path = write_lora(tmp_path / f"{rank}.safetensors", lora_tensors(rank=rank), {"a": "b"})
        assert look(path, inspector).facts.rank == rank
    cut = tmp_path / "4.safetensors"
    with cut.open("r+b") as file:
        file.truncate(cut.stat().st_size - 1)
    assert look(cut, inspector).facts.fault.code == "truncated"
    assert inspector.structures.worked_out == 2


def test_the_kept_structures_are_bounded(tmp_path):
    inspector = Inspector()
    inspector.structures._kept = 2
    inspector.structures._sight = Sight(kept_bytes=0)
    for rank in (1, 2, 3, 1):
        path = write_lora(tmp_path / "n.safetensors", lora_tensors(rank=rank, count=2), {"a": ""})
        look(path, inspector)
    assert inspector.structures.worked_out == 4
    assert len(inspector.structures._known) == 2


def test_metadata_decides_what_shapes_leave_open_also_for_a_known_structure(tmp_path):
    shared = [(name, shape) for name, shape in lora_tensors() if "_attn1_" in name]
    inspector = Inspector()
    versions = {"one": "sd_v1", "two": "sd_v2"}
    for name, version in versions.items():
        write_lora(tmp_path / f"{name}.safetensors", shared, {"ss_base_model_version": version})
    found = {f.name: inspector.inspect(f).facts for f in scan_networks([tmp_path])}
    assert found["one"].family == "sd1"
    assert "sd2" in (found["two"].family, *found["two"].candidates)
    assert inspector.structures.worked_out == 1


def test_the_oldest_layout_is_never_shared_since_its_metadata_names_the_modules(tmp_path):
    tensors = [("unet:0:up", (320, 4)), ("unet:0:down", (4, 320))]
    inspector = Inspector()
    for name in ("a", "b"):
        classes = json.dumps(["CrossAttention"])
        path = write_lora(tmp_path / f"{name}.safetensors", tensors, {"unet": classes})
        look(path, inspector)
    assert inspector.structures.worked_out == 2


@pytest.mark.parametrize("first", [True, False])
def test_metadata_is_found_wherever_it_stands(tmp_path, first):
    metadata = {"modelspec.title": "Tusche 墨", "zzz": "}{\"]"}
    path = write_lora(tmp_path / "a.safetensors", metadata=metadata, first=first)
    found = look(path)
    assert found.summary.title == "Tusche 墨"
    assert found.facts.family == "sd1"


def test_the_fingerprint_follows_content_and_not_the_name(tmp_path):
    one = write_lora(tmp_path / "a" / "ink.safetensors", metadata={"a": "b"}, fill=b"x")
    two = write_lora(tmp_path / "b" / "other.safetensors", metadata={"a": "b"}, fill=b"x")
    three = write_lora(tmp_path / "c" / "ink.safetensors", metadata={"a": "c"}, fill=b"x")
    four = write_lora(tmp_path / "d" / "ink.safetensors", metadata={"a": "b"}, fill=b"y")
    prints = [look(path).facts.fingerprint for path in (one, two, three, four)]
    first, second, third, fourth = prints
    assert first == second
    assert len({first, third, fourth}) == 3


def test_bytes_after_the_last_tensor_are_told_and_the_file_is_still_known(tmp_path):
    path = write_lora(tmp_path / "a.safetensors")
    with path.open("ab") as file:
        file.write(b"more")
    facts = look(path).facts
    assert facts.fault.code == "trailing-bytes"
    assert facts.family == "sd1"


def test_a_file_beside_a_downloaders_control_file_is_unfinished(tmp_path):
    path = tmp_path / "a.safetensors"
    path.write_bytes(bytes(1000))
    (file,) = scan_networks([tmp_path])
    facts = Inspector().inspect(file, {"a.safetensors", "a.safetensors.aria2"}).facts
    assert (facts.status, facts.fault.code) == ("unfinished", "unfinished")


@pytest.mark.parametrize(("content", "code"), [
    (b"", "empty"),
    (b"<!DOCTYPE html><html>", "html-page"),
    (b"\x02\0\0\0\0\0\0\0{}", "not-a-lora"),
    (b"PK\x03\x04" + bytes(60), "damaged"),
])
def test_a_broken_file_has_its_fault_and_still_its_sidecars(tmp_path, content, code):
    path = tmp_path / "a.safetensors"
    path.write_bytes(content)
    (tmp_path / "a.json").write_text('{"notes": "mine"}')
    found = look(path)
    assert found.facts.fault.code == code
    assert found.facts.fault.next_step
    assert found.summary.notes == "mine"


def test_a_file_that_vanishes_is_told_and_not_raised(tmp_path):
    path = write_lora(tmp_path / "a.safetensors")
    (file,) = scan_networks([tmp_path])
    path.unlink()
    facts = Inspector().inspect(file).facts
    assert (facts.status, facts.fault.code, facts.fingerprint) == ("broken", "unreadable", "")


def test_many_threads_get_what_one_thread_gets(tmp_path):
    for index in range(40):
        write_lora(tmp_path / f"{index}.safetensors", lora_tensors(rank=1 + index % 5, count=3),
                   {"modelspec.title": str(index), "pad": "x" * 3000 * (index % 7)})
    files = scan_networks([tmp_path])
    alone = {file.id: Inspector().inspect(file) for file in files}
    inspector, found = Inspector(), {}

    def work(part):
        for file in part:
            found[file.id] = inspector.inspect(file)

    threads = [threading.Thread(target=work, args=(files[start::4],)) for start in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == alone
    assert inspector.structures.worked_out == 5
    assert not inspector.structures._turns


@given(st.dictionaries(st.text(max_size=8), st.text(max_size=40), max_size=5), st.booleans())
def test_metadata_is_split_off_as_the_strict_reader_reads_it(metadata, ascii_only):
    text = json.dumps({"__metadata__": metadata, "rest": 1}, separators=(",", ":"),
                      ensure_ascii=ascii_only)
    try:
        raw = text.encode()
    except UnicodeEncodeError:
        return
    found = split_metadata(memoryview(raw + b"   "))
    assert found.metadata == metadata
    assert bytes((raw + b"   ")[found.start : found.stop]) == b',"rest":1}'


def test_metadata_longer_than_one_look_is_read_in_full():
    metadata = {"ss_tag_frequency": "é" * 100_000}
    raw, _ = raw_header([("a", (1,))], metadata)
    assert split_metadata(memoryview(raw)).metadata == metadata


def test_a_header_longer_than_the_buffer_grows_it(tmp_path):
    peeker = Peeker()
    for size in (10, 200_000, 50):
        path = write_lora(tmp_path / "a.safetensors", metadata={"a": "x" * size})
        seen = peeker.peek(path)
        assert bytes(seen.head) == path.read_bytes()[: len(seen.head)]
        assert len(seen.head) == 8 + int.from_bytes(seen.head[:8], "little")


def test_bytes_that_were_seen_are_recognised_and_no_others():
    sight = Sight(kept_bytes=100)
    buffer = bytearray(b"head" + b"a" * 50 + b"tail")
    part = Part(buffer, 4, 54, 7)
    assert sight.recognise(part) is None
    sight.remember(part, "seen")
    assert sight.recognise(part) == "seen"
    assert sight.recognise(Part(buffer, 4, 53, 7)) is None
    assert sight.recognise(Part(buffer, 4, 54, 8)) is None
    buffer[4] = 0
    assert sight.recognise(Part(buffer, 4, 54, 7)) is None
    sight.remember(Part(buffer, 4, 54, 8), "second")
    sight.remember(Part(buffer, 0, 58, 9), "third")
    assert sight._held <= 100
    assert sight.recognise(Part(buffer, 0, 58, 9)) == "third"
