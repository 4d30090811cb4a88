"""Files sent to the library: whole and checked, or not there at all."""

import asyncio
import shutil
from types import SimpleNamespace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from loradex.catalog.organising import install
from loradex.server import uploads

from tests.catalog.netkit import lora_tensors, write_lora
from tests.server.kit import tree

pytest.importorskip("fastapi")


@pytest.fixture
def lora(tmp_path):
    made = write_lora(tmp_path / "sent" / "new.safetensors", lora_tensors("sd1", rank=3))
    return made.read_bytes()


@pytest.fixture
def send(client):
    """send(content, name, folder=...) -> status and JSON."""
    token = client.get("/loradex/v1/status").json()["token"]

    def put(content, name="new.safetensors", headers=(), **params):
        answer = client.put(
            "/loradex/v1/uploads", content=content, params={"name": name, **params},
            headers={"X-Loradex": "1", "X-Loradex-Token": token, **dict(headers)})
        return answer.status_code, answer.json()

    return put


def test_a_sent_file_is_in_the_library_at_once(send, lora, roots, client):
    status, told = send(lora, folder="art/new", root=1)
    assert status == 201
    assert (roots[1] / "art" / "new" / "new.safetensors").read_bytes() == lora
    assert told["network"]["id"] == "art/new/new.safetensors"
    assert told["network"]["root"] == 1
    assert told["duplicate_of"] == []
    assert client.get("/loradex/v1/networks/art/new/new.safetensors").json()["family"] == "sd1"
    assert not list(roots[1].rglob("*.part"))


def test_a_double_is_told_and_kept(send, roots, lora):
    same = (roots[0] / "ink.safetensors").read_bytes()
    assert send(same)[1]["duplicate_of"] == ["ink.safetensors"]
    assert (roots[0] / "new.safetensors").read_bytes() == same


def test_nothing_is_replaced_also_where_the_name_is_taken_meanwhile(
    send, lora, roots, monkeypatch
):
    before = tree(roots[0])
    status, problem = send(lora, name="ink.safetensors")
    assert (status, problem["code"]) == (409, "exists")
    give_name = install.Installation._give_name

    def late(self):
        self.path.write_bytes(b"another")
        give_name(self)

    monkeypatch.setattr(install.Installation, "_give_name", late)
    assert send(lora)[0] == 409
    assert tree(roots[0]) == {**before, "new.safetensors": b"another"}


def test_a_drive_without_hard_links_takes_files_too(send, lora, roots, monkeypatch):
    def refuse(*_):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(install.Path, "hardlink_to", refuse)
    assert send(lora)[0] == 201
    assert send(lora)[0] == 409
    assert (roots[0] / "new.safetensors").read_bytes() == lora


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
@given(st.data())
def test_a_file_that_is_cut_or_longer_is_never_put_in_place(send, lora, roots, data):
    cut = data.draw(st.integers(0, len(lora) - 1))
    body = lora[:cut] + (b"" if data.draw(st.booleans()) else bytes(len(lora) - cut + 5))
    before = tree(roots[0])
    status, problem = send(body)
    assert status in (400, 413, 422), problem
    assert problem["message"]
    assert tree(roots[0]) == before


@pytest.mark.parametrize(("content", "code"), [
    (b"<!doctype html><title>Sign in</title>", "html-page"), (b"PK\x03\x04" + bytes(50), "archive"),
    (b"\x80\x02}q\x00.", None), (b"\x89PNG\r\n\x1a\n" + bytes(40), "picture"), (b"", "too-large"),
    (b'{"error": "no"}', "json-page"), (b"\xff" * 8 + bytes(100), None),
])  # fmt: skip
def test_what_is_no_network_is_refused_in_the_words_of_the_list(send, roots, content, code):
    before = tree(roots[0])
    status, problem = send(content)
    assert status in (413, 422)
    assert code in (None, problem["code"])
    assert problem["next_step"] or not content
    assert tree(roots[0]) == before


def test_a_checkpoint_is_refused_by_its_header_before_the_rest_is_read(roots, tmp_path):
    names = [f"model.diffusion_model.input_blocks.{n}.0.weight" for n in range(8)]
    tensors = [(name, (320, 320)) for name in names]
    tensors += [(f"first_stage_model.decoder.{n}.weight", (8, 8)) for n in range(4)]
    content = write_lora(tmp_path / "big.safetensors", tensors).read_bytes()
    one = install.Installation(install.Places(roots), roots[0], "", "big.safetensors", len(content))
    with pytest.raises(install.FileError) as refused:
        one.write(content[:5000])
    assert refused.value.code == "not-a-lora"
    assert not one.path.exists()
    one.close()
    assert not list(roots[0].glob(".*"))


@pytest.mark.parametrize("params", [
    {"name": name} for name in (
        "", "x", "x.pt", "x.ckpt", ".safetensors", "../x.safetensors", "a/x.safetensors",
        "a\\x.safetensors", "C:x.safetensors", "nul.safetensors", "x\0.safetensors",
        "x.safetensors ", "x" * 300 + ".safetensors", "x.safetensors.exe", "<x>.safetensors")
] + [{"name": "x.safetensors", "folder": folder} for folder in (
        "..", "../..", "/tmp", "a/../../b", "C:\\x", "\\\\host\\share", "con")
] + [{"name": "x.safetensors", "root": root} for root in ("9", "-1", "x")]
  + [{"name": "x.safetensors", "path": "/etc"}])  # fmt: skip
def test_no_name_leads_elsewhere(send, lora, tmp_path, params):
    before = tree(tmp_path)
    assert send(lora, **params)[0] == 400
    assert tree(tmp_path) == before


def test_a_link_that_leads_out_of_the_library_is_not_followed(send, lora, roots, tmp_path):
    (tmp_path / "outside").mkdir()
    (roots[0] / "out").symlink_to(tmp_path / "outside", target_is_directory=True)
    assert send(lora, folder="out")[0] == 400
    assert not list((tmp_path / "outside").iterdir())


def test_size_and_room_are_checked_before_a_byte_is_read(send, lora, roots, monkeypatch):
    before = tree(roots[0])
    huge = {"content-length": str(install.MOST_BYTES + 1)}
    assert send(lora, headers=huge)[0] == 413
    assert send(iter([lora]))[0] == 400, "no length"
    full = SimpleNamespace(free=install.SPARE_BYTES + len(lora) - 1)
    monkeypatch.setattr(install.shutil, "disk_usage", lambda _: full)
    status, problem = send(lora)
    assert (status, problem["code"]) == (507, "no-space")
    assert tree(roots[0]) == before


def test_a_disk_that_fills_up_leaves_nothing(send, lora, roots, monkeypatch):
    write = install.Installation.write

    def full(self, piece):
        write(self, piece)
        raise install.FileError(self.name, "the drive is full", code="no-space")

    before = tree(roots[0])
    monkeypatch.setattr(install.Installation, "write", full)
    assert send(lora)[0] == 507
    assert tree(roots[0]) == before


def test_memory_holds_a_piece_and_never_the_file():
    async def pieces():
        for _ in range(100):
            yield bytes(1 << 20)

    sizes = []
    one = SimpleNamespace(name="x", write=lambda piece: sizes.append(len(piece)))
    asyncio.run(uploads.take_in(one, SimpleNamespace(stream=pieces)))
    assert sum(sizes) == 100 << 20
    assert max(sizes) == uploads.PIECE_BYTES


def test_without_token_or_on_a_locked_host_nothing_is_taken(send, lora, roots, host):
    before = tree(roots[0])
    assert send(lora, headers={"X-Loradex-Token": "x"})[1]["code"] == "token"
    host.lock = "others can reach this server"
    assert send(lora)[1]["code"] == "locked"
    assert tree(roots[0]) == before
    shutil.rmtree(roots[0])
    host.lock = ""
    assert send(lora)[0] == 400, "the folder is offline"
