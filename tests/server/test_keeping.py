"""What is wrong, what is there twice, and hashing, through the API."""

import shutil

import pytest

pytest.importorskip("fastapi")


@pytest.fixture(autouse=True)
def bin_of_ours(own_bin):
    """No test touches the user's."""


def get(client, path):
    answer = client.get(f"/loradex/v1/{path}")
    assert answer.status_code == 200
    return answer.json()


def test_a_finding_says_what_to_do_and_its_button_does_it(client, page, roots):
    (broken,) = get(client, "doctor")["findings"]
    assert (broken["id"], broken["code"], broken["severity"]) == (
        "broken.safetensors", "html-page", "error")
    assert broken["message"]
    assert broken["next_step"]
    (fix,) = broken["fixes"]
    assert page(fix["method"], fix["path"], fix["body"])[1]["done"]
    assert not (roots[0] / "broken.safetensors").exists()
    assert get(client, "doctor")["findings"] == []
    assert page("POST", "undo")[1]["done"]
    assert (roots[0] / "broken.safetensors").read_bytes() == b"<html>"


def test_what_may_be_wanted_has_no_button_that_throws_it_away(client, host, roots):
    (roots[0] / "later.safetensors.part").write_bytes(b"x")
    (roots[0] / "ink.json").write_text("{ broken", encoding="utf-8")
    host.catalog().refresh()
    by_code = {one["code"]: one for one in get(client, "doctor")["findings"]}
    assert by_code["unfinished"]["fixes"] == by_code["broken-sidecar"]["fixes"] == []
    assert by_code["unfinished"]["key"] is None


def test_no_file_is_read_for_the_doctor(client, host, roots, monkeypatch):
    shutil.copy(roots[0] / "ink.safetensors", roots[0] / "copy.safetensors")
    host.catalog().refresh()
    monkeypatch.setattr("loradex.catalog.doctor.hash_file", lambda _: pytest.fail("was read"))
    told = get(client, "doctor")
    assert not told["complete"]
    assert "duplicate" not in {one["code"] for one in told["findings"]}


def test_copies_are_told_as_soon_as_they_are_hashed(client, host, roots, page, key_of):
    shutil.copy(roots[0] / "ink.safetensors", roots[1] / "copy.safetensors")
    host.catalog().refresh()
    (group,) = get(client, "duplicates")["groups"]
    assert group["kind"] == "candidates"
    with host.catalog().hasher as hasher:
        assert hasher.wait_idle(20)
    told = get(client, "duplicates")
    assert told["complete"]
    (group,) = told["groups"]
    assert group["kind"] == "same_file"
    assert set(group["keys"]) == {key_of("ink.safetensors"), key_of("copy.safetensors", 1)}
    assert group["bytes"] > 0
    found = [one for one in get(client, "doctor")["findings"] if one["code"] == "duplicate"]
    assert found[0]["fixes"][0]["label"] == "Move this copy to the trash"


def test_hashing_is_held_and_goes_on(page, host):
    assert page("POST", "hashing", {"paused": True})[1]["paused"]
    assert host.catalog().hasher.paused
    assert not page("POST", "hashing", {"paused": False})[1]["paused"]
    assert page("POST", "hashing", {"paused": 1})[0] == 400


def test_families_have_titles(client):
    families = get(client, "status")["families"]
    assert families["sdxl"] == "SDXL"
