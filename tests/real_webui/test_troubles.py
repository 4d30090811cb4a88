"""Files and tags that went wrong in the built-in: a correct picture and a message each time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

torch = pytest.importorskip("torch")

from tests.real_webui.host import HostError  # noqa: E402
from tests.real_webui.models import SD1, SDXL  # noqa: E402
from tests.real_webui.networks import write_network  # noqa: E402

if TYPE_CHECKING:
    from tests.real_webui.host import RunningWebUI
    from tests.real_webui.picture import Picture
    from tests.real_webui.shelf import Shelf

pytestmark = [pytest.mark.torch, pytest.mark.timeout(600)]


def assert_left_out(host: RunningWebUI, tag: str, *words: str) -> Picture:
    """The base's own picture, the reason in the infotext and in the API, and no hash."""
    base = host.draw("a cat")
    picture = host.draw(f"a cat {tag}")
    assert picture.same(base)
    assert "skipped" in picture.report
    for word in words:
        assert word.lower() in picture.report.lower(), picture.report
    assert "Lora hashes" not in picture.parameters
    assert "Loradex: " in picture.infotext
    rows = host.applied()["applied"]
    assert [bool(row["skipped"]) for row in rows] == [True]
    return picture


# -- files that are not what they should be


def test_a_truncated_file(host: RunningWebUI, shelf: Shelf) -> None:
    whole = shelf.path(shelf.usual(SD1)).read_bytes()
    shelf.put_bytes("truncated", whole[: len(whole) // 2])
    assert_left_out(host, "<lora:truncated:1>", "truncated")


def test_a_truncated_header(host: RunningWebUI, shelf: Shelf) -> None:
    shelf.put_bytes("cut-header", shelf.path(shelf.usual(SD1)).read_bytes()[:500])
    assert_left_out(host, "<lora:cut-header:1>")


@pytest.mark.parametrize(("name", "content"), [
    ("garbage", b"\xff" * 5000), ("empty", b""), ("page", b"<!DOCTYPE html><html></html>" * 50),
])
def test_no_network_at_all(host: RunningWebUI, shelf: Shelf, name: str, content: bytes) -> None:
    shelf.put_bytes(name, content)
    assert_left_out(host, f"<lora:{name}:1>")


def test_half_of_a_pair(host: RunningWebUI, shelf: Shelf) -> None:
    tensors = shelf.tensors(SD1, seed=1)
    shelf.put("half", {k: v for k, v in tensors.items() if not k.endswith("lora_up.weight")})
    assert_left_out(host, "<lora:half:1>")


def test_a_file_without_any_network_key(host: RunningWebUI, shelf: Shelf) -> None:
    shelf.put("no-lora", {"some.weight": torch.ones(4, 4), "other.bias": torch.ones(4)})
    assert_left_out(host, "<lora:no-lora:1>")


def test_nan_in_a_file(host: RunningWebUI, shelf: Shelf) -> None:
    tensors = shelf.tensors(SD1, seed=1)
    next(t for k, t in tensors.items() if k.endswith("lora_up.weight")).view(-1)[0] = torch.nan
    shelf.put("nan", tensors)
    assert_left_out(host, "<lora:nan:1>", "nan")


def test_the_same_number_of_numbers_in_another_shape(host: RunningWebUI, shelf: Shelf) -> None:
    """A delta of [64, 32] has as many numbers as a weight of [32, 64]."""
    module = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn2_to_k"
    tensors = shelf.tensors(SD1, seed=1, only=f"{module}$", std=0.3)
    down, up = (tensors[f"{module}.lora_{part}.weight"] for part in ("down", "up"))
    assert down.shape[1] != up.shape[0]
    turned = {f"{module}.lora_down.weight": up.T.contiguous(),
              f"{module}.lora_up.weight": down.T.contiguous()}
    shelf.put("turned", tensors | turned)
    assert_left_out(host, "<lora:turned:1>")


# -- networks for other models


def test_an_sdxl_network_on_sd1(host: RunningWebUI, shelf: Shelf) -> None:
    host.load_checkpoint(SDXL)
    name = shelf.usual(SDXL)
    host.load_checkpoint(SD1)
    assert_left_out(host, f"<lora:{name}:1>")


def test_a_network_of_a_real_sdxl_size(host: RunningWebUI, shelf: Shelf) -> None:
    stem = "lora_unet_input_blocks_4_1_transformer_blocks_0_attn2_to_k"
    shelf.put("real-sdxl", {f"{stem}.lora_down.weight": torch.randn(4, 2048),
                            f"{stem}.lora_up.weight": torch.randn(640, 4),
                            f"{stem}.alpha": torch.tensor(4.0)})
    assert_left_out(host, "<lora:real-sdxl:1>", "SDXL")


def test_a_network_of_another_size(host: RunningWebUI, shelf: Shelf) -> None:
    """Its text encoder part alone would fit."""
    tensors = shelf.tensors(SD1, seed=1)
    for name, tensor in tensors.items():
        if name.startswith("lora_unet") and name.endswith("lora_down.weight"):
            tensors[name] = torch.cat([tensor, tensor], 1)
    shelf.put("wide", tensors)
    assert_left_out(host, "<lora:wide:1>")


# -- names


def test_a_name_that_no_file_has(host: RunningWebUI) -> None:
    assert_left_out(host, "<lora:no such network:1>", "no such network")


def test_an_empty_name(host: RunningWebUI) -> None:
    base = host.draw("a cat")
    picture = host.draw("a cat <lora::1>")
    assert picture.same(base)


def test_the_wrong_case(host: RunningWebUI, shelf: Shelf) -> None:
    name = shelf.usual(SD1)
    right = host.draw(f"a cat <lora:{name}:1>")
    assert host.draw(f"a cat <lora:{name.upper()}:1>").same(right)


def test_one_name_in_two_folders(host: RunningWebUI, shelf: Shelf) -> None:
    one, two = shelf.tensors(SD1, seed=11), shelf.tensors(SD1, seed=12)
    shelf.put("first/twin", one)
    shelf.put("second/twin", two)
    shelf.put("alone-one", one)
    shelf.put("alone-two", two)
    assert_left_out(host, "<lora:twin:1>", "first/twin", "second/twin")
    for folder, alone in (("first", "alone-one"), ("second", "alone-two")):
        ours = host.draw(f"a cat <lora:{folder}/twin:1>")
        assert ours.same(host.draw(f"a cat <lora:{alone}:1>"))
        assert not ours.near(host.draw("a cat"))


@pytest.mark.parametrize("weight", ["abc", "1:x", "te=", "nan", "inf"])
def test_a_strength_that_is_no_number(host: RunningWebUI, shelf: Shelf, weight: str) -> None:
    assert_left_out(host, f"<lora:{shelf.usual(SD1)}:{weight}>")


def test_the_same_network_twice_adds(host: RunningWebUI, shelf: Shelf) -> None:
    name = shelf.usual(SD1)
    twice = host.draw(f"a cat <lora:{name}:1><lora:{name}:0.5>")
    once = host.draw(f"a cat <lora:{name}:1.5>")
    assert twice.near(once)
    assert not twice.near(host.draw(f"a cat <lora:{name}:1>"))


# -- files that change under the WebUI's feet


def test_a_file_that_is_replaced_while_in_use(host: RunningWebUI, shelf: Shelf) -> None:
    one, two = shelf.tensors(SD1, seed=21), shelf.tensors(SD1, seed=22)
    shelf.put("changing", one)
    shelf.put("changed", two)
    prompt = "a cat <lora:changing:1>"
    before = host.draw(prompt)
    shelf.replace("changing", two)
    after = host.draw(prompt)
    assert not after.near(before)
    assert after.same(host.draw("a cat <lora:changed:1>"))
    assert after.parameters["Lora hashes"] != before.parameters["Lora hashes"]


def test_a_file_that_is_deleted_while_in_use(host: RunningWebUI, shelf: Shelf) -> None:
    path = shelf.put("deleted", shelf.tensors(SD1, seed=23))
    host.draw("a cat <lora:deleted:1>")
    path.unlink()
    assert_left_out(host, "<lora:deleted:1>", "deleted")


def test_a_new_file_without_a_refresh(host: RunningWebUI, shelf: Shelf) -> None:
    tensors = shelf.tensors(SD1, seed=24)
    write_network(shelf.path("fresh"), tensors)
    picture = host.draw("a cat <lora:fresh:1>")
    shelf.put("fresh-too", tensors)
    assert picture.same(host.draw("a cat <lora:fresh-too:1>"))


# -- what is left


def test_one_bad_network_takes_no_other_with_it(host: RunningWebUI, shelf: Shelf) -> None:
    name = shelf.usual(SD1)
    shelf.put_bytes("rubbish", b"\x00" * 100)
    alone = host.draw(f"a cat <lora:{name}:1>")
    picture = host.draw(f"a cat <lora:rubbish:1> <lora:{name}:1> <lora:missing:1>")
    # The rest of the prompt is the same text, but for the blanks between the tags.
    assert picture.near(alone)
    assert f"{name} 264/264" in picture.report
    assert "rubbish" in picture.report
    assert "missing" in picture.report


def test_the_report_of_the_api(host: RunningWebUI, shelf: Shelf) -> None:
    name = shelf.usual(SD1)
    picture = host.draw(f"a cat <lora:{name}:0.5:0.25> <lora:missing:1>")
    good, bad = host.applied()["applied"]
    assert (good["name"], good["te_strength"], good["unet_strength"]) == (name, 0.5, 0.25)
    assert good["components"] == {
        "unet": {"matched": 192, "total": 192}, "te": {"matched": 72, "total": 72}}
    assert good["seconds"] >= 0
    assert "missing" in bad["skipped"]
    assert picture.info["extra_generation_params"]["Loradex"] == picture.report
    assert f"Loradex: {name}" in host.log()


def test_strict_stops_with_the_reason(host: RunningWebUI, shelf: Shelf) -> None:
    name = shelf.usual(SD1)
    base = host.draw("a cat")
    with host.setting(loradex_strict=True):
        for tag in ("<lora:missing:1>", f"<lora:{name}:abc>"):
            with pytest.raises(HostError) as stopped:
                host.draw(f"a cat {tag}")
            assert stopped.value.code == 500
            assert name in stopped.value.text or "missing" in stopped.value.text
        assert host.draw(f"a cat <lora:{name}:1>").report == f"{name} 264/264"
        assert host.draw("a cat").same(base)


def test_forced_is_applied_in_part(host: RunningWebUI, shelf: Shelf) -> None:
    tensors = shelf.tensors(SD1, seed=1)
    extra = {f"lora_unet_no_such_module.lora_{part}.weight": torch.ones(4, 4)
             for part in ("up", "down")}
    shelf.put("with-excess", tensors | extra)
    picture = host.draw("a cat <lora:with-excess:1>")
    assert not picture.near(host.draw("a cat"))
    assert "264/265" in picture.report
