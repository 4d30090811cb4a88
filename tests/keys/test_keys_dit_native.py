"""Native names of the diffusion transformers are compared with diffusers' own converters."""

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("diffusers")

from diffusers.loaders import single_file_utils as converters  # noqa: E402
from loradex.compat.families import FAMILIES  # noqa: E402
from loradex.keys.derive import derive  # noqa: E402

pytestmark = pytest.mark.torch

SANA_BLOCKS = [f"blocks.{index}.scale_shift_table" for index in range(20)]
# The converter, and the keys of the original that are no module's: native to diffusers (or '').
CONVERTERS = {
    "auraflow": ("convert_auraflow_transformer_checkpoint_to_diffusers", {
        "register_tokens": "register_tokens", "positional_encoding": "pos_embed.pos_embed",
    }),
    "lumina2": ("convert_lumina2_to_diffusers", {"norm_final.weight": ""}),
    "z-image": ("convert_z_image_transformer_checkpoint_to_diffusers", {
        "norm_final.weight": "", "x_pad_token": "x_pad_token",
    }),
    "sana/1.6b": ("convert_sana_transformer_to_diffusers", {
        "pos_embed": "", "y_embedder.y_embedding": "",
        "final_layer.scale_shift_table": "scale_shift_table",
        **{name: f"transformer_{name}" for name in SANA_BLOCKS},
    }),
    "hidream": ("convert_hidream_transformer_to_diffusers", {}),
    "ltx/2b": ("convert_ltx_transformer_checkpoint_to_diffusers", {
        "scale_shift_table": "scale_shift_table",
    }),
    "ltx/13b": ("convert_ltx_transformer_checkpoint_to_diffusers", {}),
    "ltx2/2.0": ("convert_ltx2_transformer_to_diffusers", {
        "audio_scale_shift_table": "audio_scale_shift_table",
    }),
    "mochi": ("convert_mochi_transformer_checkpoint_to_diffusers", {
        "pos_frequencies": "pos_frequencies",
    }),
}
BY_KEY = {one.key: one for one in FAMILIES}


def rows_of(architecture, tree):
    """Every weight and bias of a tree as one number a row: that of the leaf that the row is of.

    The converters rename and cut along the rows only, so that the columns can be left out and a
    model of full size fits.
    """
    found = {}
    for number, leaf in enumerate(architecture.leaves, start=1):
        region = leaf.place(tree)
        for parameter in (region.parameter, "bias") if leaf.bias else (region.parameter,):
            rows = found.setdefault(f"{region.module}.{parameter}", [])
            rows.append((region.rows.start if region.rows else 0, leaf.shape[0], number))
    return {
        key: torch.cat([
            torch.full((count,), number, dtype=torch.int16) for _, count, number in sorted(parts)
        ])
        for key, parts in found.items()
    }


def table_of(key):
    part = BY_KEY[key].parts[0]
    return derive(part.class_name, part.config)


@pytest.mark.parametrize("key", CONVERTERS)
def test_every_row_of_the_native_tree_converts_to_the_diffusers_row_it_belongs_to(key):
    name, others = CONVERTERS[key]
    table = table_of(key)
    marks = {one: torch.zeros(1) for one in others}
    converted = getattr(converters, name)({**rows_of(table, "native"), **marks})
    expected = rows_of(table, "diffusers")
    assert converted.keys() == expected.keys() | {one for one in others.values() if one}
    assert [one for one in expected if not torch.equal(converted[one], expected[one])] == []


@pytest.mark.parametrize("key", ["cogview4", "cogvideox/5b", "hidream"])
def test_a_tree_of_one_set_of_names_is_the_same_twice(key):
    table = table_of(key)
    assert table.modules("native") == table.modules("diffusers")
