"""Tables and text: whole words, whole names, never wider than the terminal."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from standalone.commands.tables import Column, fit, print_pairs, print_table
from standalone.commands.texts import clean, columns_of, count, pad, shorten, size_text, wrap
from tests.counting import calls_in

TEXT = st.text(max_size=60)
WIDTHS = st.integers(2, 40)


@given(TEXT, WIDTHS)
def test_wrapped_lines_fit_and_lose_nothing(text: str, width: int) -> None:
    lines = wrap(clean(text), width)
    assert all(columns_of(line) <= width for line in lines)
    assert "".join(lines).replace(" ", "") == clean(text).replace(" ", "")


@given(TEXT, st.integers(1, 40))
def test_shortened_texts_fit(text: str, width: int) -> None:
    assert columns_of(shorten(clean(text), width)) <= width


@given(TEXT)
def test_a_clean_text_is_one_line_that_steers_nothing(text: str) -> None:
    assert clean(text).replace("\u200d", "").isprintable()
    assert len(clean(text)) == len(text)


@given(TEXT, st.integers(0, 100))
def test_padding_fills_up(text: str, width: int) -> None:
    padded = pad(clean(text), width)
    assert columns_of(padded) == max(width, columns_of(clean(text)))


@given(st.lists(st.tuples(st.integers(4, 20), st.integers(0, 80), st.integers(0, 2)), min_size=1,
                max_size=8), st.integers(60, 200))
def test_columns_share_the_room(specs: list[tuple[int, int, int]], room: int) -> None:
    columns = [Column("t", least, drop=drop) for least, _, drop in specs]
    natural = [width for _, width, _ in specs]
    widths = fit(columns, natural, room)
    assert sum(widths.values()) + 2 * (len(widths) - 1) <= room
    assert all(widths[index] <= max(natural[index], 1) for index in widths)
    kept = [index for index, column in enumerate(columns) if not column.drop]
    assert set(kept) <= set(widths), "only columns that may be left out are"
    assert fit(columns, natural, None) == {i: max(n, 1) for i, n in enumerate(natural)}


def test_words_are_broken_behind_separators() -> None:
    assert wrap("corpus/flux1-peft-base_model-stripped", 30) == [
        "corpus/flux1-peft-base_model-", "stripped"]
    assert wrap("It is a web page", 9) == ["It is a", "web page"]
    assert wrap("abcdefghij", 4) == ["abcd", "efgh", "ij"]
    assert wrap("名前名前", 5) == ["名前", "名前"]
    assert wrap("a b", None) == ["a b"]


def test_an_empty_cell_is_a_dash_and_a_long_one_goes_on(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "21")
    columns = (Column("Name", 8), Column("N", 1, right=True), Column("Rest", 6, drop=1))
    print_table(columns, [("styles/ink wash", 12, None), ("b", None, "")])
    assert capsys.readouterr().out == (
        "Name          N  Rest\n"
        "styles/ink   12  -\n"
        "wash\n"
        "b             -  -\n")
    family = ("family", "sd1 or flux1 or sdxl")
    print_pairs([("path", "a/b"), ("none", None), ("empty", ""), family])
    assert capsys.readouterr().out == "  path    a/b\n  family  sd1 or flux1 or sdxl\n"


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.0 KB"), (999_949, "999.9 KB"), (999_950, "1.0 MB"),
     (6_940_000_000, "6.9 GB"), (2_000_000_000_000, "2,000.0 GB")],
)
def test_sizes_read_well(size: int, text: str) -> None:
    assert size_text(size) == text


def test_counts_read_well() -> None:
    assert (count(0, "file"), count(1, "file"), count(5000, "file")) == (
        "0 files", "1 file", "5,000 files")


def test_thousands_of_rows_take_no_more_work_for_each(capsys: pytest.CaptureFixture[str]) -> None:
    columns = [Column(f"column {index}", 8) for index in range(7)]

    def table(count: int) -> None:
        print_table(columns, [
            [f"folder/name {row}", "sd1", "lora", row, "2 MB", "ok", "some words"]
            for row in range(count)])

    few, many = calls_in(lambda: table(100)), calls_in(lambda: table(2000))
    assert many < 21 * few
    assert many < 2000 * 300, "so many calls for a row of seven cells"
    assert len(capsys.readouterr().out.splitlines()) == 101 + 2001
