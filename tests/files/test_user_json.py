"""AUTOMATIC1111's NAME.json is changed without losing a byte of what the change is not about."""

import json
import os
import stat
import sys
import threading

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from loradex.errors import InputError, SidecarError
from loradex.files.json_edit import edit_object
from loradex.files.plain_text import split_words
from loradex.files.user_json import FIELDS, write_user_json

A1111 = '{\n    "description": "",\n    "sd version": "SDXL",\n    "activation text": "ohwx ü"\n}'


@pytest.fixture
def model(tmp_path):
    path = tmp_path / "ink.safetensors"
    path.write_bytes(b"x")
    return path


def sidecar(model):
    return model.with_suffix(".json")


def put(model, content):
    raw = content if isinstance(content, bytes) else content.encode()
    sidecar(model).write_bytes(raw)
    return raw


def names(model):
    return sorted(path.name for path in model.parent.iterdir())


class TestNewFile:
    def test_it_is_written_as_automatic1111_writes_it(self, model):
        assert write_user_json(model, {"trigger_words": ("ohwx ü", "b"), "preferred_strength": 0.8})
        assert sidecar(model).read_text("utf-8") == (
            '{\n    "activation text": "ohwx ü, b",\n    "preferred weight": 0.8\n}'
        )

    @pytest.mark.parametrize("changes", [{}, {"notes": ""}, {"notes": None, "trigger_words": ()}])
    def test_nothing_to_say_makes_no_file(self, model, changes):
        assert not write_user_json(model, changes)
        assert names(model) == ["ink.safetensors"]

    def test_an_empty_file_is_filled(self, model):
        put(model, b"")
        assert write_user_json(model, {"notes": "n"})
        assert json.loads(sidecar(model).read_text()) == {"notes": "n"}

    @pytest.mark.skipif(os.name == "nt", reason="POSIX permissions")
    def test_its_permissions_are_the_usual_ones(self, model):
        write_user_json(model, {"notes": "n"})
        mask = os.umask(0)
        os.umask(mask)
        assert stat.S_IMODE(sidecar(model).stat().st_mode) == 0o666 & ~mask


class TestNothingChanged:
    @pytest.mark.parametrize(
        "content",
        [
            A1111, A1111 + "\n", A1111.replace("\n", "\r\n"), A1111.replace("    ", "\t"),
            "\ufeff" + A1111, json.dumps(json.loads(A1111)), '{"activation text":"ohwx \\u00fc"}',
            '{ "a" : 1.0e0 , "activation text" :\n"ohwx ü" }', '{"activation text": "x", '
            '"activation text": "ohwx ü"}',
        ],
    )  # fmt: skip
    def test_the_same_values_write_nothing(self, model, content):
        raw = put(model, content)
        before = sidecar(model).stat()
        assert not write_user_json(model, {"trigger_words": "ohwx ü"})
        assert not write_user_json(model, {})
        after = sidecar(model).stat()
        assert sidecar(model).read_bytes() == raw
        assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)

    def test_one_and_one_point_zero_are_the_same_strength(self, model):
        raw = put(model, '{"preferred weight": 1, "notes": "a"}')
        assert not write_user_json(model, {"preferred_strength": 1.0})
        assert sidecar(model).read_bytes() == raw
        assert write_user_json(model, {"preferred_strength": 1.0, "notes": "b"})
        assert sidecar(model).read_text() == '{"preferred weight": 1, "notes": "b"}'

    @pytest.mark.parametrize("text", ["one, hat || two", "a, b, ", "(a, b:1.2),c", "a\nb"])
    def test_words_that_were_read_and_are_saved_again_change_nothing(self, model, text):
        raw = put(model, json.dumps({"activation text": text}))
        assert not write_user_json(model, {"trigger_words": split_words(text)})
        assert sidecar(model).read_bytes() == raw

    def test_sets_of_words_stay_parted_where_they_were(self, model):
        put(model, '{"activation text": "one, hat || two"}')
        assert write_user_json(model, {"trigger_words": ("one, hat", "three")})
        assert sidecar(model).read_text() == '{"activation text": "one, hat || three"}'

    @pytest.mark.parametrize(("words", "stored"), [
        (("one, hat", "two"), "one, hat || two"), (("one", "two"), "one, two"),
        (("one, hat",), "one, hat"), (("(a, b:1.2)", "c"), "(a, b:1.2), c"),
    ])  # fmt: skip
    def test_sets_with_commas_inside_come_back_as_sets(self, model, words, stored):
        assert write_user_json(model, {"trigger_words": words})
        assert json.loads(sidecar(model).read_text()) == {"activation text": stored}

    def test_removing_what_is_not_there_writes_nothing(self, model):
        raw = put(model, A1111)
        assert not write_user_json(model, {"notes": None, "negative_words": ""})
        assert sidecar(model).read_bytes() == raw


class TestFormatting:
    @pytest.mark.parametrize(
        ("before", "after"),
        [
            ('{\n    "a": 1\n}\n', '{\n    "a": 1,\n    "notes": "n"\n}\n'),
            ('{\r\n\t"a": 1,\r\n\t"b": [1,2]\r\n}',
             '{\r\n\t"a": 1,\r\n\t"b": [1,2],\r\n\t"notes": "n"\r\n}'),
            ('{"a":1}', '{"a":1,"notes":"n"}'), ('{"a": 1}', '{"a": 1, "notes": "n"}'),
            ("{}", '{\n    "notes": "n"\n}'), ("{ }\n", '{\n    "notes": "n"\n}\n'),
            ('{"a" : {"x":  1.50}  }', '{"a" : {"x":  1.50}, "notes" : "n"  }'),
            ('\n{"a":1,"b":2}', '\n{"a":1,"b":2,"notes":"n"}'),
            ('{"notes": "old", "z": 1e3}', '{"notes": "n", "z": 1e3}'),
            ('{"notes": {"x": [1]}, "z": 1}', '{"notes": "n", "z": 1}'),
        ],
    )  # fmt: skip
    def test_new_keys_follow_the_spelling_of_the_file(self, model, before, after):
        put(model, before)
        assert write_user_json(model, {"notes": "n"})
        assert sidecar(model).read_bytes().decode() == after

    def test_a_mark_at_the_beginning_stays(self, model):
        put(model, "\ufeff" + A1111)
        write_user_json(model, {"notes": "n"})
        assert sidecar(model).read_bytes().startswith(b"\xef\xbb\xbf{")

    @pytest.mark.parametrize(
        ("other", "spelled"), [("\\u00e4", '"\\u00fc"'), ("ä", '"ü"'), ("a", '"ü"')]
    )
    def test_letters_are_escaped_where_the_file_escapes_them(self, model, other, spelled):
        put(model, f'{{"x": "{other}"}}')
        write_user_json(model, {"notes": "ü"})
        assert spelled in sidecar(model).read_text("utf-8")

    @pytest.mark.parametrize(
        ("before", "after"),
        [
            ('{"notes": "n"}', "{}"), ('{"notes": "n", "b": 2}', '{"b": 2}'),
            ('{"a": 1, "notes": "n"}', '{"a": 1}'),
            ('{"a": 1,\n "notes": "n",\n "b": 2}', '{"a": 1,\n "b": 2}'),
            ('{"notes": 1, "a": 1, "notes": 2}', '{"a": 1}'),
        ],
    )
    def test_an_empty_value_that_was_asked_for_removes_its_key(self, model, before, after):
        put(model, before)
        assert write_user_json(model, {"notes": ""})
        assert sidecar(model).read_text() == after


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=8,
)
UNKNOWN = st.dictionaries(st.text(max_size=6) | st.sampled_from(["modelId", "extensions"]), JSON)
WORDS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
CHANGES = st.fixed_dictionaries(
    {},
    optional={
        "notes": WORDS | st.none(), "trigger_words": WORDS | st.none(), "description": WORDS,
        "preferred_strength": st.none() | st.floats(-9, 9) | st.integers(-9, 9),
    },
)  # fmt: skip
LAYOUTS = st.fixed_dictionaries(
    {"indent": st.sampled_from([None, 0, 2, 4, "\t"]), "ensure_ascii": st.booleans(),
     "separators": st.sampled_from([None, (",", ":"), (" , ", " : ")])}
)  # fmt: skip


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(UNKNOWN, CHANGES, LAYOUTS, st.booleans(), st.data())
@example({"a": 1}, {"notes": "n"}, {"indent": 4}, True, None)
def test_no_key_and_no_type_that_is_not_ours_is_ever_lost(
    tmp_path, unknown, changes, layout, windows, data
):
    model = tmp_path / "ink.safetensors"
    unknown = {k: v for k, v in unknown.items() if k != "modelVersions"}
    ours = {"notes": "old", "activation text": "a"} if windows else {}
    items = list((unknown | ours).items())
    document = dict(items if data is None else data.draw(st.permutations(items)))
    try:
        raw = json.dumps(document, **layout).replace("\n", "\r\n" if windows else "\n").encode()
    except UnicodeEncodeError:
        return  # half a surrogate pair, unescaped, is no UTF-8 file
    put(model, raw)
    changed = write_user_json(model, changes)
    after = json.loads(sidecar(model).read_bytes().decode())
    mine = {FIELDS[name] for name in changes}
    left = {k: v for k, v in document.items() if k not in mine}
    assert json.dumps({k: v for k, v in after.items() if k not in mine}) == json.dumps(left)
    for name, value in changes.items():
        assert after.get(FIELDS[name]) == (value if value not in ("", None) else None)
    assert changed == (sidecar(model).read_bytes() != raw)
    assert not write_user_json(model, changes)
    assert names(model) == ["ink.json"]


@given(st.text(max_size=20))
def test_the_editor_changes_what_hypothesis_types_as_json_says(value):
    text = '{"a": [1, {"notes": "inner"}], "notes": "old"}'
    assert json.loads(edit_object(text, {"notes": value}))["notes"] == value
    assert edit_object(edit_object(text, {"b": value}), {"b": None}) == text


class TestLeftAlone:
    @pytest.mark.parametrize(
        ("content", "code"),
        [
            (json.dumps({"id": 1, "name": "x", "modelVersions": []}), "foreign-sidecar"),
            (json.dumps({"trainedWords": [], "baseModel": "SDXL 1.0"}), "foreign-sidecar"),
            ("[1]", "broken-sidecar"), ('"text"', "broken-sidecar"), ("{", "broken-sidecar"),
            ('{"a": 1,}', "broken-sidecar"), (b'{"a": "\xff"}', "broken-sidecar"),
            (bytes(40), "broken-sidecar"), (b"\x89PNG\r\n\x1a\n", "broken-sidecar"),
            (A1111.encode("utf-16"), "broken-sidecar"), ("[" * 100_000, "broken-sidecar"),
            ('{"a": ' + "9" * 5000 + "}", None),
        ],
    )  # fmt: skip
    def test_a_foreign_or_broken_file_keeps_every_byte_and_the_user_is_told(
        self, model, content, code
    ):
        raw = put(model, content)
        if code is None and sys.version_info < (3, 10, 7):
            pytest.skip("long numbers are read there")
        with pytest.raises(SidecarError) as caught:
            write_user_json(model, {"notes": "n"})
        assert caught.value.code == (code or "broken-sidecar")
        assert caught.value.subject == "ink.json"
        assert caught.value.next_step
        assert sidecar(model).read_bytes() == raw
        assert names(model) == ["ink.json", "ink.safetensors"]

    @pytest.mark.parametrize(
        "changes",
        [{"title": "x"}, {"notes": 1}, {"notes": 0}, {"notes": False},
         {"trigger_words": [1]}, {"preferred_strength": "1"},
         {"preferred_strength": float("nan")}, {"preferred_strength": True}, {"notes": "\ud800"}],
    )  # fmt: skip
    def test_a_change_that_makes_no_sense_is_refused_before_anything_is_touched(
        self, model, changes
    ):
        raw = put(model, A1111)
        with pytest.raises(InputError):
            write_user_json(model, changes)
        assert sidecar(model).read_bytes() == raw

    def test_a_folder_of_that_name_is_told(self, model):
        sidecar(model).mkdir()
        with pytest.raises(SidecarError):
            write_user_json(model, {"notes": "n"})
        assert sidecar(model).is_dir()


class TestCrash:
    @pytest.mark.parametrize("call", ["replace", "fsync"])
    @pytest.mark.parametrize("there", [True, False])
    def test_a_failure_in_the_middle_leaves_the_old_file_and_nothing_else(
        self, model, monkeypatch, call, there
    ):
        raw = put(model, A1111) if there else None
        before = names(model)

        def fail(*_):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(os, call, fail)
        with pytest.raises(SidecarError, match="no space left") as caught:
            write_user_json(model, {"notes": "n"})
        assert caught.value.code == "unwritable"
        assert names(model) == before
        assert raw is None or sidecar(model).read_bytes() == raw

    def test_a_folder_that_is_not_there_is_told(self, tmp_path):
        with pytest.raises(SidecarError):
            write_user_json(tmp_path / "none" / "ink.safetensors", {"notes": "n"})

    @pytest.mark.skipif(os.name == "nt", reason="POSIX permissions")
    def test_permissions_are_kept(self, model):
        put(model, A1111)
        sidecar(model).chmod(0o640)
        write_user_json(model, {"notes": "n"})
        assert stat.S_IMODE(sidecar(model).stat().st_mode) == 0o640

    @pytest.mark.skipif(os.name == "nt", reason="links need rights there")
    def test_a_linked_file_is_changed_where_it_lies(self, model, tmp_path):
        real = tmp_path / "elsewhere" / "words.json"
        real.parent.mkdir()
        real.write_text(A1111)
        sidecar(model).symlink_to(real)
        assert write_user_json(model, {"notes": "n"})
        assert sidecar(model).is_symlink()
        assert json.loads(real.read_text())["notes"] == "n"


class TestConcurrentWriters:
    def test_threads_that_write_different_fields_all_arrive(self, model):
        put(model, A1111)
        names_ = [name for name in FIELDS if name != "preferred_strength"]
        barrier = threading.Barrier(len(names_))
        failed = []

        def work(name):
            barrier.wait()
            try:
                for i in range(5):
                    write_user_json(model, {name: f"{name} {i}"})
            except SidecarError as error:
                failed.append(error)

        threads = [threading.Thread(target=work, args=(name,)) for name in names_]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        after = json.loads(sidecar(model).read_text())
        assert not failed
        assert all(after[FIELDS[name]] == f"{name} 4" for name in names_)
        assert names(model) == ["ink.json", "ink.safetensors"]

    def test_a_change_by_another_program_in_the_middle_is_merged(self, model, monkeypatch):
        put(model, A1111)
        fsync, done = os.fsync, []

        def intrude(handle):
            if not done:
                done.append(1)
                put(model, '{"other": 1}')
            return fsync(handle)

        monkeypatch.setattr(os, "fsync", intrude)
        assert write_user_json(model, {"notes": "n"})
        assert json.loads(sidecar(model).read_text()) == {"other": 1, "notes": "n"}

    def test_a_file_that_never_rests_is_given_up_with_a_word(self, model, monkeypatch):
        put(model, "{}")
        fsync, count = os.fsync, iter(range(99))

        def intrude(handle):
            put(model, json.dumps({"n": next(count)}))
            return fsync(handle)

        monkeypatch.setattr(os, "fsync", intrude)
        with pytest.raises(SidecarError, match="keeps changing"):
            write_user_json(model, {"notes": "n"})
        assert names(model) == ["ink.json", "ink.safetensors"]
