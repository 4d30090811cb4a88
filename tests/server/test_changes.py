"""Notes and files changed through the API: exactly, bounded, and taken back byte for byte."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from loradex.catalog.catalog import Catalog

from tests.catalog.netkit import lora_tensors, write_lora
from tests.server.kit import tree

pytest.importorskip("fastapi")

INK = "networks/ink.safetensors"


@pytest.fixture(autouse=True)
def bin_of_ours(own_bin):
    """No test touches the user's."""


class TestNotes:
    def test_what_the_user_says_is_in_the_answer_and_in_the_files(self, page, roots):
        status, told = page("PATCH", INK, {
            "favourite": True, "rating": 9, "notes": "soft", "tags": ["ink", "paper"],
            "trigger_words": ["ink wash, sumi", "night"], "preferred_strength": 0.7,
            "description": "Brush.\n<b>Bold</b>",
        })
        assert status == 200
        row = told["network"]
        assert (row["favourite"], row["rating"], row["notes"]) == (True, 9, "soft")
        assert len(told["operations"]) == 2
        assert told["operation"] == told["operations"][-1]
        said = json.loads((roots[0] / "ink.json").read_text(encoding="utf-8"))
        assert said["preferred weight"] == 0.7
        assert "ink wash, sumi" in said["activation text"]
        for operation in told["operations"]:
            assert page("POST", "undo", {"operation": operation})[1]["done"]
        assert not (roots[0] / "ink.json").exists()

    def test_what_other_tools_wrote_stays(self, page, roots):
        text = '{\n    "x": [1, 2],\n    "activation text": "old"\n}'
        (roots[0] / "ink.json").write_text(text, encoding="utf-8")
        assert page("PATCH", INK, {"trigger_words": ["new"]})[0] == 200
        assert (roots[0] / "ink.json").read_text(encoding="utf-8") == text.replace("old", "new")

    def test_what_is_so_already_is_no_operation(self, page):
        assert page("PATCH", INK, {"favourite": False, "description": ""})[1]["operations"] == []

    def test_a_damaged_sidecar_is_left_alone_and_nothing_else_is_changed(self, page, roots, client):
        (roots[0] / "ink.json").write_text("{ broken", encoding="utf-8")
        status, problem = page("PATCH", INK, {"rating": 3, "description": "x"})
        assert status == 422
        assert problem["code"] == "broken-sidecar"
        assert (roots[0] / "ink.json").read_text(encoding="utf-8") == "{ broken"
        assert client.get(f"/loradex/v1/{INK}").json()["rating"] is None

    @pytest.mark.parametrize("body", [
        {"rating": 11}, {"rating": 2.5}, {"rating": True}, {"favourite": 1}, {"tags": "ink"},
        {"tags": [1]}, {"notes": 5}, {"trigger_words": {"a": 1}}, {"trigger_words": [3]},
        {"preferred_strength": "strong"}, {"preferred_strength": [1]}, {"family": "../x"},
        {"notes": "x" * 100_001}, {"tags": ["t"] * 501}, {"unknown": 1}, {"path": "/etc/passwd"},
    ])  # fmt: skip
    def test_impossible_values_are_refused_and_change_nothing(self, page, roots, body):
        before = tree(roots[0])
        status, problem = page("PATCH", INK, body)
        assert status in (400, 413, 422)
        assert problem["message"]
        assert tree(roots[0]) == before

    def test_a_file_that_is_not_there_is_not_found(self, page):
        assert page("PATCH", "networks/none.safetensors", {"rating": 1})[0] == 404


class TestOperations:
    def test_files_move_with_what_belongs_to_them_and_come_back(self, page, roots, key_of, host):
        (roots[0] / "ink.txt").write_text("words", encoding="utf-8")
        before, told = tree(roots[0]), []
        host.catalog().subscribe(told.append)
        status, done = page("POST", "operations", {
            "action": "move", "keys": [key_of("ink.safetensors")], "folder": "new/place"})
        assert (status, done["done"], done["title"]) == (200, True, "Moved ink to new/place")
        assert {"new/place/ink.safetensors", "new/place/ink.txt"} <= set(tree(roots[0]))
        assert [change.kind for change in told] == ["moved"]
        back = page("POST", "undo", {"operation": done["id"]})[1]
        assert back["done"]
        assert tree(roots[0]) == before

    def test_a_rename_and_the_trash_say_what_they_did(self, page, roots, key_of, client):
        key = key_of("ink.safetensors")
        assert page("POST", "operations", {"action": "rename", "keys": [key], "name": "wash"})[1][
            "title"] == "Renamed ink to wash"
        assert page("POST", "operations", {"action": "trash", "keys": [key]})[1][
            "title"] == "Moved wash to the trash"
        assert not (roots[0] / "wash.safetensors").exists()
        undone = page("POST", "undo")
        assert undone[1].get("done"), undone
        assert (roots[0] / "wash.safetensors").exists()
        listed = client.get("/loradex/v1/operations", params={"limit": 2}).json()["operations"]
        assert [one["kind"] for one in listed] == ["undo", "trash"]
        assert [one["can_undo"] for one in listed] == [True, False]

    def test_many_are_tagged_at_once(self, page, key_of, client):
        keys = [key_of("ink.safetensors"), key_of("art/wash.safetensors")]
        body = {"action": "edit", "keys": keys, "add_tags": ["night"]}
        done = page("POST", "operations", body)[1]
        assert (done["count"], done["title"]) == (2, "Changed tags of 2 files")
        found = client.get("/loradex/v1/networks", params={"tag": "night"}).json()
        assert {one["key"] for one in found["networks"]} == set(keys)

    @pytest.mark.parametrize("folder", [
        "../out", "a/../../out", "/etc", "C:\\x", "c:x", "\\\\server\\share", "a\0b", "con", "x.",
        "a/nul.txt/b", "x" * 300,
    ])  # fmt: skip
    def test_no_folder_leads_out_of_the_library(self, page, roots, key_of, folder, tmp_path):
        before = tree(tmp_path)
        for body in (
            {"action": "move", "keys": [key_of("ink.safetensors")], "folder": folder},
            {"action": "rename", "keys": [key_of("ink.safetensors")], "name": folder},
        ):
            assert page("POST", "operations", body)[0] == 400
        assert page("POST", "folders", {"folder": folder})[0] == 400
        assert tree(tmp_path) == before

    @pytest.mark.parametrize("body", [
        {}, {"action": "burn", "keys": [1]}, {"action": "trash", "keys": []},
        {"action": "trash", "keys": ["1"]}, {"action": "trash", "keys": [True]},
        {"action": "trash", "keys": [999_999]}, {"action": "rename", "keys": [1, 2], "name": "x"},
        {"action": "move", "keys": [1], "folder": 3}, {"action": "move", "keys": [1], "root": 9},
        {"action": "move", "keys": [1], "root": -1}, {"action": "edit", "keys": [1], "rating": 99},
    ])  # fmt: skip
    def test_impossible_requests_are_refused_and_change_nothing(self, page, roots, body):
        before = tree(roots[0])
        assert page("POST", "operations", body)[0] == 400
        assert tree(roots[0]) == before


class TestFolders:
    def test_a_folder_is_made_once_and_listed_although_it_is_empty(self, page, client):
        for _ in range(2):
            assert page("POST", "folders", {"folder": "new/one", "root": 1}) == (
                200, {"root": 1, "folder": "new/one"})
        listed = client.get("/loradex/v1/folders").json()["folders"]
        assert {"root": 1, "folder": "new/one"} in listed
        assert {"root": 0, "folder": "art"} in listed


@pytest.mark.parametrize(("method", "path", "body"), [
    ("PATCH", INK, {"rating": 1}), ("POST", "operations", {"action": "trash", "keys": [1]}),
    ("POST", "undo", {}), ("POST", "folders", {"folder": "x"}),
    ("POST", "hashing", {"paused": True}),
])  # fmt: skip
def test_nothing_changes_without_the_token_or_where_the_host_is_locked(
    page, host, roots, method, path, body
):
    before = tree(roots[0])
    for token in ("", "wrong"):
        status, problem = page(method, path, body, headers={"X-Loradex-Token": token})
        assert (status, problem["code"]) == (403, "token")
    host.lock = "others can reach this server and there is no login"
    status, problem = page(method, path, body)
    assert (status, problem["code"]) == (403, "locked")
    assert host.lock in problem["message"]
    assert tree(roots[0]) == before


STEPS = st.lists(st.tuples(st.sampled_from(["move", "rename", "tag", "words"]), st.integers(0, 3),
                           st.sampled_from(["a", "b", "c/d", "é"])), max_size=8)  # fmt: skip


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=20,
          deadline=None)
@given(STEPS)
def test_any_changes_undone_give_the_library_back(tmp_path_factory, steps):
    from fastapi import FastAPI
    from fastapi.testclient import TestClient
    from loradex.server.api import make_router

    from tests.server.conftest import FakeHost

    root = tmp_path_factory.mktemp("library")
    for number in range(4):
        write_lora(root / f"one{number}.safetensors", lora_tensors("sd1", rank=2 + number))
        (root / f"one{number}.txt").write_text("mine", encoding="utf-8")
    before = tree(root)
    with Catalog((root,)) as catalog:
        catalog.refresh()
        keys = [entry.key for entry in catalog.page(_all()).entries]
        app = FastAPI()
        app.include_router(make_router(FakeHost(catalog)))
        client = TestClient(app, base_url="http://127.0.0.1")
        token = client.get("/loradex/v1/status").json()["token"]
        client.headers.update({"X-Loradex": "1", "X-Loradex-Token": token})
        done = [one for step in steps for one in _do(client, catalog, keys, *step)]
        for operation in reversed(done):
            told = client.post("/loradex/v1/undo", json={"operation": operation})
            assert told.json()["done"], told.json()
    assert tree(root) == before


def _all():
    from loradex.catalog.records import Query

    return Query()


def _do(client, catalog, keys, what, number, word):
    """One change; the ids to undo, none where it was refused."""
    key = keys[number]
    if what == "words":
        id_ = catalog.store.get(key).file.id
        told = client.patch(f"/loradex/v1/networks/{id_}", json={"trigger_words": [word]}).json()
        return told.get("operations", [])
    body = {"move": {"folder": word}, "rename": {"name": word.replace("/", " ")},
            "tag": {"add_tags": [word]}}[what]  # fmt: skip
    action = "edit" if what == "tag" else what
    told = client.post("/loradex/v1/operations", json={"action": action, "keys": [key], **body})
    return [told.json()["id"]] if told.status_code == 200 and told.json()["can_undo"] else []
