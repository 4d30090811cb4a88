"""After an operation the real index is true: reconciling with the disk finds nothing to do."""

import json
from contextlib import suppress

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from loradex.catalog.disk.reconcile import reconcile
from loradex.catalog.organising.journal import Journal
from loradex.catalog.organising.organise import Organiser
from loradex.catalog.reading.inspect import Inspector
from loradex.errors import InputError

MODELS = ("ink.safetensors", "a/pen.safetensors", "a/ink.safetensors", "a/ink.pt")


def network(name):
    """A real LoRA of one module whose bytes depend on the name."""
    header, data = {"__metadata__": {"ss_output_name": name}}, b""
    for tensor, shape in (("lora_down", [4, 320]), ("lora_up", [320, 4])):
        size = shape[0] * shape[1] * 2
        header[f"lora_unet_down_blocks_0_attentions_0_proj_in.{tensor}.weight"] = {
            "dtype": "F16", "shape": shape, "data_offsets": [len(data), len(data) + size],
        }  # fmt: skip
        data += bytes([len(name)]) * size
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data


@pytest.fixture
def real(make_library):
    """A library whose organiser reads real headers and sidecars."""

    def make(base):
        library = make_library(base, "Lora", "More")
        inspect = Inspector().inspect
        library.organiser = Organiser(library.store, library.roots, Journal(None))
        library.reconcile = lambda: reconcile(library.store, library.roots, inspect)
        for name in MODELS:
            path = library.root / name
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(network(name))
        (library.root / "ink.json").write_text('{"activation text": "ink wash"}')
        (library.root / "a/ink.json").write_text('{"activation text": "pen", "notes": "n"}')
        (library.root / "a/pen.preview.png").write_bytes(b"png")
        library.reconcile()
        return library

    return make


def test_words_and_preview_follow_a_rename(real, tmp_path):
    library = real(tmp_path)
    key = library.key("ink.safetensors")
    library.organiser.rename(key, "brush")
    entry = library.store.get(key)
    assert entry.summary.trigger_words == ("ink wash",)
    assert entry.summary.sources["trigger_words"] == "brush.json"
    assert entry.facts.status == "ok"
    assert library.reconcile() == ()


def test_a_description_shows_at_once(real, tmp_path):
    library = real(tmp_path)
    key = library.key("a/pen.safetensors")
    library.organiser.describe(key, {"activation text": "fine line"})
    assert library.store.get(key).summary.trigger_words == ("fine line",)
    assert library.reconcile() == ()
    library.organiser.undo()
    assert library.store.get(key).summary.trigger_words == ()
    assert library.reconcile() == ()


keys = st.lists(st.integers(1, 4), min_size=1, max_size=4)
operations = st.one_of(
    st.tuples(st.just("move"), keys, st.sampled_from(("", "a", "b"))),
    st.tuples(st.just("rename"), st.integers(1, 4), st.sampled_from(("ink", "pen", "Pen"))),
    st.tuples(st.just("trash"), keys), st.tuples(st.just("undo")), st.tuples(st.just("redo")),
    st.tuples(st.just("describe"), st.integers(1, 4), st.just({"notes": "new"})),
)  # fmt: skip


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(operations, max_size=6))
def test_whatever_was_done_the_watcher_has_nothing_to_do(real, tmp_path_factory, sequence):
    library = real(tmp_path_factory.mktemp("true"))
    for name, *args in sequence:
        with suppress(InputError):
            assert getattr(library.organiser, name)(*args).done
        assert library.reconcile() == ()
