"""Types, ranks and delta shapes are read off the factors; impossible factors get a reason."""

import pytest
from loradex.keys.signatures import SIGNATURES, TYPES, describe


def seen(**parts):
    found = describe(parts)
    assert not found.problem
    return found.type, found.shape, found.rank


def test_lora_in_all_its_forms():
    assert seen(up=(8, 2), down=(2, 6), alpha=()) == ("lora", (8, 6), 2)
    assert seen(up=(8, 2, 1, 1), down=(2, 6, 3, 3)) == ("lora", (8, 6, 3, 3), 2)
    assert seen(up=(8, 2, 1, 1), down=(2, 6, 1, 1), mid=(2, 2, 3, 3)) == ("lora", (8, 6, 3, 3), 2)
    assert seen(up=(8, 2, 1, 1), down=(2, 6)) == ("lora", (8, 6), 2)
    assert describe({"up": (8, 2), "down": (2, 6), "mid": (2, 2, 3, 3)}).variant == "tucker"


def test_hadamard_and_kronecker_products():
    flat = {"hada_w1_a": (8, 2), "hada_w1_b": (2, 54), "hada_w2_a": (8, 2), "hada_w2_b": (2, 54)}
    assert seen(**flat) == ("loha", (8, 54), 2)
    core = {"hada_w1_a": (2, 8), "hada_w1_b": (2, 6), "hada_w2_a": (2, 8), "hada_w2_b": (2, 6),
            "hada_t1": (2, 2, 3, 3), "hada_t2": (2, 2, 3, 3)}
    assert seen(**core) == ("loha", (8, 6, 3, 3), 2)
    assert seen(lokr_w1=(2, 3), lokr_w2=(4, 5)) == ("lokr", (8, 15), None)
    assert seen(lokr_w1=(2, 3), lokr_w2_a=(4, 2), lokr_w2_b=(2, 5)) == ("lokr", (8, 15), 2)
    assert seen(lokr_w1_a=(2, 1), lokr_w1_b=(1, 3), lokr_w2=(4, 5, 3, 3)) == (
        "lokr", (8, 15, 3, 3), 1)
    assert seen(lokr_w1=(2, 3), lokr_w2_a=(2, 4), lokr_w2_b=(2, 5), lokr_t2=(2, 2, 3, 3)) == (
        "lokr", (8, 15, 3, 3), 2)


def test_glora_tells_its_old_form_from_its_new_one():
    new = {"a1": (6, 2), "a2": (2, 6), "b1": (8, 2), "b2": (2, 6)}
    old = {"a1": (2, 6), "a2": (6, 2), "b1": (2, 6), "b2": (8, 2)}
    assert describe(new).variant == "new"
    assert describe(old).variant == "old"
    assert seen(**new) == seen(**old) == ("glora", (8, 6), 2)


def test_a_glora_core_gives_the_kernel():
    cored = {"a1": (6, 2), "a2": (2, 6), "b1": (8, 2, 1, 1), "b2": (2, 6, 1, 1),
             "bm": (2, 2, 3, 3)}
    assert seen(**cored) == ("glora", (8, 6, 3, 3), 2)


def test_rotations_tell_one_side_of_the_weight():
    assert describe({"oft_blocks": (4, 2, 2)}).extent == (8, -1)
    assert describe({"oft_diag": (4, 2, 2)}).variant == "old"
    assert describe({"oft_blocks": (3, 4, 2, 2)}).type == "boft"
    assert describe({"oft_r": (4, 6)}).extent == (-1, 16)
    assert describe({"boft_r": (1, 4, 2, 2), "boft_s": (6, 1)}).extent == (6, 8)
    assert describe({"boft_r": (1, 4, 2, 2), "boft_s": (1, 6)}).extent == (6, 8)
    assert describe({"oft_blocks": (4, 2, 2)}).shape is None


def test_types_without_factors():
    assert seen(diff=(8, 6), diff_b=(8,)) == ("full", (8, 6), None)
    assert seen(w_norm=(8,), b_norm=(8,)) == ("norm", (8,), None)
    assert seen(set_weight=(8,)) == ("set", (8,), None)
    assert seen(ia3_l=(8, 1))[0] == "ia3"
    assert seen(ia3_weight=(8,), on_input=())[0] == "ia3"
    assert seen(ia3_l=(1, 8, 1, 1))[0] == "ia3"
    assert seen(diff_b=(8,)) == ("bias", None, None)
    assert seen(bias_indices=(2, 5), bias_values=(5,), bias_size=(2,))[0] == "sparse-bias"
    assert seen(embedding_a=(2, 100), embedding_b=(8, 2)) == ("embedding", (100, 8), 2)


@pytest.mark.parametrize("magnitude", ["dora_scale", "magnitude_vector", "magnitude"])
def test_dora_comes_on_top_of_a_low_rank_type(magnitude):
    found = describe({"up": (8, 2), "down": (2, 6), magnitude: (8, 1)})
    assert (found.type, found.dora, found.problem) == ("lora", True, "")
    assert describe({"oft_blocks": (4, 2, 2), magnitude: (8, 1)}).problem


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ({"up": (8, 2)}, "up without down"),
        ({"down": (2, 6)}, "down without up"),
        ({"up": (8, 2), "down": (3, 6)}, "rank of up 2 against of down 3"),
        ({"up": (8,), "down": (2, 6)}, "impossible shapes"),
        ({"hada_w1_a": (8, 2)}, "without hada_w1_b"),
        ({"lokr_w1": (2, 2)}, "lokr_w2 is incomplete"),
        ({"a1": (6, 2)}, "without a2"),
        ({"oft_r": (4, 7)}, "no triangle"),
        ({"oft_blocks": (4, 2)}, "impossible shapes"),
        ({"up": (8, 2, 3, 3), "down": (2, 6)}, "up has a kernel"),
        ({"hada_w1_a": (2, 8), "hada_w1_b": (2, 6), "hada_w2_a": (2, 8), "hada_w2_b": (2, 6),
          "hada_t1": (2, 2, 3, 3)}, "without the other"),
        ({"a1": (6, 2), "a2": (3, 6), "b1": (8, 2), "b2": (2, 7)}, "neither form of GLoRA"),
        ({"w_norm": (8,), "b_norm": (9,)}, "w_norm [8], b_norm [9]"),
        ({"on_input": ()}, "on_input without weight"),
        ({"alpha": ()}, "only alpha"),
        ({}, "only nothing"),
    ],
)
def test_incomplete_or_inconsistent_factors_have_a_reason(parts, words):
    assert words in describe(parts).problem


def test_every_type_is_listed_once():
    assert len(TYPES) == len(set(TYPES)) == len(SIGNATURES)
