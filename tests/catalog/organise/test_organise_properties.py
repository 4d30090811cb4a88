"""Any sequence of operations, undone one by one, gives back every path and every byte."""

import os

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from loradex.errors import InputError

STEMS = ("ink", "Ink", "ink.wash", "pen")
SUFFIXES = (".safetensors", ".pt")
BESIDE = (".json", ".civitai.info", ".preview.png", "_0.jpg", ".safetensors.json", ".txt", ".psd")
FOLDERS = ("", "a", "a/b", "Ä c")

names = st.builds(
    lambda folder, stem, suffix: f"{folder}/{stem}{suffix}".lstrip("/"),
    st.sampled_from(FOLDERS), st.sampled_from(STEMS), st.sampled_from(SUFFIXES + BESIDE),
)  # fmt: skip
keys = st.lists(st.integers(1, 6), min_size=1, max_size=3)
operations = st.one_of(
    st.tuples(st.just("move"), keys, st.sampled_from(FOLDERS), st.sampled_from((None, 0, 1))),
    st.tuples(st.just("rename"), st.integers(1, 6), st.sampled_from(STEMS)),
    st.tuples(st.just("trash"), keys),
    st.tuples(st.just("edit"), keys, st.sampled_from((
        {"favourite": True}, {"rating": 4}, {"notes": "x"}, {"add_tags": ["a"]},
        {"remove_tags": ["a"], "rating": None},
    ))),
    st.tuples(st.just("undo")), st.tuples(st.just("redo")),
)  # fmt: skip


@pytest.fixture
def fresh(tmp_path_factory, make_library, monkeypatch):
    """A library for each example, below the private bin's home."""
    monkeypatch.setattr(os, "fsync", lambda handle: None)
    return lambda: make_library(tmp_path_factory.mktemp("any"), "Lora", "More")


def run(library, operation):
    """Whether it was done; what is refused must have changed nothing."""
    name, *args = operation
    organiser = library.organiser
    before = library.tree()
    try:
        if name == "move":
            root = None if args[2] is None else library.roots[args[2]]
            done = organiser.move(args[0], args[1], root)
        elif name == "edit":
            done = organiser.edit(args[0], **args[1])
        else:
            done = getattr(organiser, name)(*args)
    except InputError:
        assert library.tree() == before
        return
    assert done.done
    assert not done.problems


def state(library):
    entries = [library.store.get(key) for key in range(1, 30)]
    return library.tree(), {
        each.key: (each.file.path, each.presence, each.user) for each in entries if each
    }


# Each example makes its own library; only the bin is shared, as a user's is.
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sets(names, min_size=1, max_size=14), st.lists(operations, max_size=8))
def test_all_of_it_undone(fresh, files, sequence):
    library = fresh()
    library.write(*sorted(files))
    library.scan()
    before = state(library)
    for operation in sequence:
        run(library, operation)
        assert library.true()
    while any(op.done and not op.undone_by and op.kind != "undo" for op in library.journal_ops()):
        library.organiser.undo()
    assert state(library) == before
    assert library.true()
