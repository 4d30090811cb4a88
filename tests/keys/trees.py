"""State dicts of a derived table, under either tree's names, for what converts one to the other."""

import pytest

torch = pytest.importorskip("torch")


def state_dict(architecture, tree, prefix="", fill=False):
    """Every weight and bias of the table under its tree's names.

    With `fill` each leaf gets its own number in every row, so that a converter that moves rows
    shows where they went.
    """
    found = {}
    modules = architecture.modules(tree)
    for number, leaf in enumerate(architecture.leaves):
        region = leaf.place(tree)
        whole = modules[region.module]
        rows = slice(region.rows.start, region.rows.stop) if region.rows else slice(None)
        key = prefix + region.key
        weight = found.setdefault(key, _empty(whole.weight, fill))
        if fill:
            (weight.T if region.transposed else weight)[rows] = number
        if leaf.bias:
            bias_key = key.removesuffix("weight") + "bias"
            out = whole.weight[1 if region.transposed else 0]
            bias = found.setdefault(bias_key, _empty((out,), fill))
            if fill:
                bias[rows] = number
    return found


def _empty(shape, fill):
    return torch.zeros(shape, dtype=torch.int8) if fill else torch.empty(shape, device="meta")


def assert_same(converted, expected, fill=False):
    assert {key: tuple(one.shape) for key, one in converted.items()} == {
        key: tuple(one.shape) for key, one in expected.items()
    }
    if fill:
        wrong = [key for key, one in converted.items() if not torch.equal(one, expected[key])]
        assert not wrong


def rows_of(architecture, tree):
    """Every weight and bias of a tree as one number a row: that of the leaf that the row is of.

    The converters rename and cut along the rows only, so that the columns can be left out and a
    model of full size fits.
    """
    found = {}
    for number, leaf in enumerate(architecture.leaves, start=1):
        region = leaf.place(tree)
        for key in (region.key, f"{region.module}.bias") if leaf.bias else (region.key,):
            start = region.rows.start if region.rows else 0
            found.setdefault(key, []).append((start, leaf.shape[0], number))
    return {
        key: torch.cat([
            torch.full((count,), number, dtype=torch.int16) for _, count, number in sorted(parts)
        ])
        for key, parts in found.items()
    }
