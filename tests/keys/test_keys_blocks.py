"""Blocks of real files' modules: the same in both trees, and the lists that users know."""

import gzip
import json
from collections import defaultdict
from pathlib import Path

import pytest
from loradex.compat.families import FAMILIES, family
from loradex.keys.blocks import UNET_LISTS, layout_of, spot_at, spots_of
from loradex.keys.derive import derive
from loradex.keys.parse import parse_file
from loradex.keys.resolve import Resolver
from loradex.keys.signatures import describe

HEADERS = Path(__file__).parents[1] / "data" / "headers"
NAMES = sorted(path.name.split(".json")[0] for path in HEADERS.glob("*.json.gz")
               if not path.name.startswith(("not-", "animatediff-")))
DENOISERS = [(one.id, part) for one in FAMILIES for part in one.parts
             if part.component == "denoiser"]


def blocks_of(name, tree):
    """Module of the file -> its blocks in a model of the file's family."""
    record = json.loads(gzip.decompress((HEADERS / f"{name}.json.gz").read_bytes()))
    tensors = {key: tuple(shape) for key, shape in record["tensors"].items()}
    variant = record.get("variant")
    parts = family(f"{record['family']}/{variant}" if variant else record["family"]).architectures()
    denoiser = next(part for part in parts.values() if part.component == "denoiser")
    layout = layout_of(denoiser)
    resolver = Resolver(parts, dict.fromkeys(parts, tree))
    found = defaultdict(set)
    for module in parse_file(tensors).modules:
        extent = describe({role: tensors[key] for role, key in module.parts.items()}).extent
        for target in resolver.resolve(module, extent):
            spots = spots_of(layout, parts[target.component], tree)[target.module]
            found[f"{module.component}.{module.name}"].add(spot_at(spots, target.rows).block)
    return layout, found


@pytest.mark.parametrize("name", NAMES)
def test_a_module_of_a_file_is_in_one_block_and_the_same_in_both_trees(name):
    layout, native = blocks_of(name, "native")
    _, diffusers = blocks_of(name, "diffusers")
    assert native == diffusers
    assert native
    assert all(len(blocks) == 1 for blocks in native.values())
    assert set().union(*native.values()) <= {"", *layout.names}


@pytest.mark.parametrize(
    ("name", "length"),
    [("sd1-kohya-te", 17), ("sd2-kohya-te", 17), ("sdxl-kohya-te", 12), ("sd1-locon", 26)],
)
def test_the_lists_hold_the_blocks_that_such_files_have(name, length):
    _, found = blocks_of(name, "native")
    blocks = set().union(*found.values()) - {""}
    assert blocks <= set(UNET_LISTS[length])
    assert set(UNET_LISTS[length]) - blocks <= {"BASE"}


@pytest.mark.parametrize(
    ("name", "module", "block"),
    [
        ("sd1-kohya-te", "down_blocks_0_attentions_0_proj_in", "IN01"),
        ("sd1-kohya-te", "up_blocks_3_attentions_2_proj_out", "OUT11"),
        ("sd1-kohya-te", "mid_block_attentions_0_proj_in", "M00"),
        ("sd1-locon", "conv_in", "IN00"),
        ("sd1-locon", "time_embedding_linear_1", ""),
        ("sd1-locon", "down_blocks_0_downsamplers_0_conv", "IN03"),
        ("flux1-kohya-t5", "double_blocks_7_img_attn_qkv", "D07"),
        ("flux1-kohya-t5", "single_blocks_12_linear1", "S12"),
    ],
)
def test_single_modules(name, module, block):
    _, found = blocks_of(name, "diffusers")
    assert found[f"denoiser.{module}"] == {block}


def test_the_encoders_of_flux_have_a_block_each():
    _, found = blocks_of("flux1-kohya-t5", "native")
    by_part = defaultdict(set)
    for name, blocks in found.items():
        by_part[name.partition(".")[0]] |= blocks
    assert by_part.pop("denoiser") <= set(layout_of(derive("FluxTransformer2DModel", {})).names)
    assert set().union(*by_part.values()) <= {"CLIP", "T5"}
    assert {"T5"} in by_part.values()


@pytest.mark.parametrize(("name", "part"), DENOISERS, ids=[name for name, _ in DENOISERS])
def test_every_family_has_lists_without_gaps(name, part):
    table = derive(part.class_name, part.config)
    layout = layout_of(table)
    assert len(set(layout.names)) == len(layout.names)
    for tree in ("native", "diffusers"):
        spots = [spot for found in spots_of(layout, table, tree).values() for spot in found]
        blocks = {spot.block for spot in spots} - {""}
        assert blocks <= set(layout.names)
        if layout.lists is not UNET_LISTS:
            encoders = {"BASE", "CLIP", "T5"}
            assert set(layout.names) - blocks - {"OUT"} <= encoders
            assert len(layout.names) == len(blocks | {"OUT"} & set(layout.names)) + len(
                encoders & set(layout.names))


def test_the_lengths_that_are_documented():
    lengths = {}
    for name, part in DENOISERS:
        lengths.setdefault(name, set()).update(layout_of(
            derive(part.class_name, part.config)).lists)
    assert lengths["flux1"] == lengths["chroma"] == {61}
    assert (lengths["sd3-medium"], lengths["sd3.5-large"]) == ({25}, {39})
    assert lengths["qwen-image"] == {61}
    assert {31, 41} <= lengths["wan"]
    assert lengths["sdxl"] == lengths["sd1"] == {12, 17, 20, 26}
