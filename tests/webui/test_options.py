"""What users know of the built-in and go on using: options, hashes, pasting, embeddings, names."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

for needed in ("torch", "fastapi", "httpx"):
    pytest.importorskip(needed)

import torch  # noqa: E402
from loradex.files.hashes import hash_file  # noqa: E402
from safetensors.torch import load_file, save_file  # noqa: E402

from tests.webui.fakehost import FakeWebUI, write_lora  # noqa: E402
from tests.webui.installed import session, webui_with_loradex  # noqa: E402

pytestmark = pytest.mark.torch


def with_embedding(path: Path, name: str = "thing", width: int = 16) -> Path:
    """A network that brings a textual inversion of two vectors."""
    tensors = load_file(write_lora(path, seed=3))
    save_file({**tensors, f"bundle_emb.{name}.emb": torch.full((2, width), 0.7)}, path)
    return path


@pytest.fixture
def webui(tmp_path: Path) -> Iterator[FakeWebUI]:
    made = webui_with_loradex(tmp_path)
    write_lora(made.lora_dir / "a.safetensors", metadata={"ss_output_name": "first name"})
    write_lora(made.lora_dir / "b.safetensors", seed=1)
    with_embedding(made.lora_dir / "bundle.safetensors")
    with_embedding(made.lora_dir / "wide.safetensors", "other", 24)
    with made:
        yield made


def table(webui: FakeWebUI) -> dict:
    found: dict = webui.module("sd_hijack").model_hijack.embedding_db.word_embeddings
    return found


def test_hashes_are_those_of_the_tensors_as_the_builtin_writes_them(webui: FakeWebUI) -> None:
    expected = hash_file(webui.lora_dir / "a.safetensors").lora_hash[:12]
    made = webui.txt2img("cat <lora:a:1>")
    assert f'Lora hashes: "a: {expected}"' in made.infotext
    webui.set("loradex_engine", False)
    assert f'Lora hashes: "a: {expected}"' in webui.txt2img("cat <lora:a:1>").infotext


def test_hashes_stay_out_where_the_option_is_off(webui: FakeWebUI) -> None:
    webui.set("lora_add_hashes_to_infotext", False)
    made = webui.txt2img("cat <lora:a:1>")
    assert "Lora hashes" not in made.infotext
    assert "Loradex: a 293/293" in made.infotext


def test_the_hash_of_a_replaced_file_is_the_new_ones(webui: FakeWebUI) -> None:
    webui.txt2img("cat <lora:a:1>")
    file = write_lora(webui.lora_dir / "a.safetensors", seed=9, rank=3)
    expected = hash_file(file).lora_hash[:12]
    assert expected in webui.txt2img("cat <lora:a:1>").infotext


def test_a_pasted_infotext_with_another_name_finds_the_file_by_its_hash(webui: FakeWebUI) -> None:
    webui.disable("Lora")  # whose own callback would do it first
    session(webui).opened_catalog().refresh()
    digits = webui.txt2img("cat <lora:a:1>").infotext.partition('"a: ')[2][:12]
    wait_for_hashes(webui)
    text = (f'cat <lora:their name:0.5><lora:b:1>\nSteps: 2, Sampler: Euler, CFG scale: 7.0, '
            f'Lora hashes: "their name: {digits}, unknown: 000000000000"')
    answer = webui.api().post("/sdapi/v1/png-info", json={"info": text}).json()
    assert answer["parameters"]["Prompt"] == "cat <lora:a:0.5><lora:b:1>"


def wait_for_hashes(webui: FakeWebUI) -> None:
    """The index hashes in the background."""
    import time

    catalog = session(webui).opened_catalog()
    deadline = time.monotonic() + 20
    while not catalog.entry("a").tensor_sha256 and time.monotonic() < deadline:
        time.sleep(0.02)


def test_the_network_of_the_setting_is_added_to_each_prompt(webui: FakeWebUI) -> None:
    base = webui.txt2img("cat").picture
    expected = webui.txt2img("cat <lora:b:0.7>").picture
    webui.set("extra_networks_default_multiplier", 0.7)
    webui.set("sd_lora", "b")
    webui.txt2img("bird")
    added = webui.txt2img("cat ", n_iter=2)
    assert added.picture == expected
    assert all("<lora:b:0.7>" in text for text in added.infotexts)
    named = webui.txt2img("cat <lora:b:0.2>")
    assert named.infotext.count("<lora:b") == 1
    webui.set("sd_lora", "None")
    assert webui.txt2img("cat").picture == base


def test_the_added_network_is_there_in_the_hires_pass_too(webui: FakeWebUI) -> None:
    expected = webui.txt2img("cat <lora:b:1.0>", enable_hr=True).picture
    webui.set("sd_lora", "b")
    webui.txt2img("bird")
    made = webui.txt2img("cat ", enable_hr=True)
    assert made.picture == expected
    assert made.infotext.count("<lora:b") == 1


def test_a_file_answers_to_the_name_that_its_maker_gave_it(webui: FakeWebUI) -> None:
    by_file = webui.txt2img("cat <lora:a:1>").picture
    by_alias = webui.txt2img("cat <lora:first name:1>")
    assert by_alias.picture == by_file
    assert "first name 293/293" in by_alias.infotext


def test_a_bundled_embedding_is_lent_while_its_network_is_on(webui: FakeWebUI) -> None:
    without = webui.txt2img("a thing").picture
    assert "thing" not in table(webui)
    made = webui.txt2img("a thing <lora:bundle:1>")
    assert "thing" in table(webui)
    assert webui.txt2img("a thing <lora:bundle:1>").picture == made.picture
    assert made.picture != webui.txt2img("a other <lora:bundle:1>").picture
    assert webui.txt2img("a thing").picture == without
    assert "thing" not in table(webui)
    assert webui.module("sd_hijack").model_hijack.embedding_db.ids_lookup == {}


def test_the_users_own_embedding_of_that_name_is_used_and_kept(webui: FakeWebUI) -> None:
    inversion = webui.module("textual_inversion.textual_inversion")
    own = inversion.create_embedding_from_data({"emb": torch.ones(2, 16)}, "thing")
    database = webui.module("sd_hijack").model_hijack.embedding_db
    database.register_embedding(own, webui.sd_model)
    made = webui.txt2img("a thing <lora:bundle:1>")
    assert "your own embedding 'thing'" in made.comments
    assert table(webui)["thing"] is own
    webui.txt2img("a thing")
    session(webui).stop()
    assert table(webui)["thing"] is own


def test_an_embedding_of_another_width_is_not_lent(webui: FakeWebUI) -> None:
    made = webui.txt2img("a other <lora:wide:1>")
    assert "other" not in table(webui)
    assert "of width 24" in made.comments


@pytest.mark.parametrize("end", ["stop", "engine off", "checkpoint"])
def test_lent_embeddings_are_taken_back_at_each_end(tmp_path: Path, end: str) -> None:
    webui = webui_with_loradex(tmp_path, checkpoints={"x": ("sd1", 1), "y": ("sd2", 2)})
    with_embedding(webui.lora_dir / "bundle.safetensors")
    with webui:
        webui.txt2img("a thing <lora:bundle:1>")
        assert "thing" in table(webui)
        if end == "stop":
            session(webui).stop()
        elif end == "engine off":
            webui.set("loradex_engine", False)
        else:
            webui.switch_checkpoint("y")
            webui.txt2img("a thing")
        assert "thing" not in table(webui)


def test_the_builtins_own_lists_go_on_working(webui: FakeWebUI) -> None:
    names = [one["name"] for one in webui.api().get("/sdapi/v1/loras").json()]
    assert {"a", "b", "bundle"} <= set(names)
    write_lora(webui.lora_dir / "new.safetensors")
    assert webui.api().post("/sdapi/v1/refresh-loras").status_code == 200
    names = [one["name"] for one in webui.api().get("/sdapi/v1/loras").json()]
    assert "new" in names
    assert "new 293/293" in webui.txt2img("cat <lora:new:1>").infotext
