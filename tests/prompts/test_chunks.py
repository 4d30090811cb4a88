"""Chunks of 75 tokens: nothing is lost, every chunk is 77 long, breaks and commas decide."""

from hypothesis import given
from hypothesis import strategies as st
from loradex.prompts.chunks import (
    CLIP_L,
    OPEN_CLIP,
    Chunk,
    chunk_prompt,
    pad_chunks,
)

COMMA = CLIP_L.comma
END = CLIP_L.end


def tokenize(text):
    """One token a word: its number, and the comma's own."""
    return [COMMA if word == "," else int(word) for word in text.replace(",", " , ").split()]


def words(count, first=1000):
    return " ".join(str(first + index) for index in range(count))


def inner(chunk, special=CLIP_L):
    """The words of a chunk, without start, end and padding."""
    return chunk.tokens[1 : chunk.tokens.index(special.end)]


def split(text, **options):
    return [list(inner(chunk)) for chunk in chunk_prompt(text, tokenize, **options)]


class TestOneChunk:
    def test_an_empty_prompt_is_one_chunk_of_padding(self):
        assert chunk_prompt("", tokenize) == (Chunk((49406, *[49407] * 76), (1.0,) * 77),)

    def test_the_padding_is_the_encoders_own_after_the_first_end(self):
        (chunk,) = chunk_prompt("7 8", tokenize, OPEN_CLIP)
        assert chunk.tokens == (49406, 7, 8, 49407, *[0] * 73)
        (chunk,) = chunk_prompt("7 8", tokenize, CLIP_L)
        assert chunk.tokens == (49406, 7, 8, *[49407] * 74)

    def test_weights_are_those_of_the_words_and_one_elsewhere(self):
        (chunk,) = chunk_prompt("7 (8 9:1.5) [10]", tokenize)
        assert chunk.multipliers == (1.0, 1.0, 1.5, 1.5, 1 / 1.1, *[1.0] * 72)

    def test_a_full_chunk_has_no_padding(self):
        (chunk,) = chunk_prompt(words(75), tokenize, OPEN_CLIP)
        assert chunk.tokens == (49406, *range(1000, 1075), 49407)


class TestSplitting:
    def test_without_commas_a_chunk_is_75_words(self):
        assert [len(part) for part in split(words(151))] == [75, 75, 1]

    def test_a_phrase_is_not_cut_where_a_comma_is_near(self):
        parts = split(f"{words(60)}, {words(20, 2000)}")
        assert parts == [[*range(1000, 1060), COMMA], [*range(2000, 2020)]]

    def test_a_comma_that_is_20_tokens_back_is_near_and_21_is_far(self):
        near = split(f"{words(55)}, {words(30, 2000)}")
        assert [len(part) for part in near] == [56, 30]
        far = split(f"{words(54)}, {words(30, 2000)}")
        assert [len(part) for part in far] == [75, 10]

    def test_the_last_comma_decides(self):
        assert len(split(f"{words(60)}, {words(5)}, {words(30)}")[0]) == 67

    def test_a_comma_that_does_not_fit_begins_the_next_chunk(self):
        parts = split(f"{words(75)}, {words(3, 2000)}")
        assert parts == [[*range(1000, 1075)], [COMMA, 2000, 2001, 2002]]

    def test_a_comma_in_the_last_place_ends_the_chunk(self):
        assert [len(part) for part in split(f"{words(74)}, {words(3)}")] == [75, 3]

    def test_a_comma_of_an_earlier_chunk_does_not_count(self):
        parts = split(f"{words(70)}, {words(4)}{words(100, 2000)}")
        assert [len(part) for part in parts][1:] == [75, len(parts[2])]

    def test_no_backtrack_at_all(self):
        parts = split(f"{words(74)}, {words(3)}", backtrack=0)
        assert [len(part) for part in parts] == [75, 3]
        parts = split(f"{words(70)}, {words(10)}", backtrack=0)
        assert [len(part) for part in parts] == [75, 6]

    def test_weights_move_with_their_words(self):
        first, second = chunk_prompt(f"{words(60)}, ({words(20, 2000)}:1.5)", tokenize)
        assert set(first.multipliers) == {1.0}
        assert second.multipliers == (1.0, *[1.5] * 20, *[1.0] * 56)


class TestBreak:
    def test_a_break_fills_the_chunk(self):
        assert split("7 BREAK 8") == [[7], [8]]

    def test_a_break_at_the_start_and_at_the_end(self):
        assert split("BREAK 8") == [[], [8]]
        assert split("8 BREAK") == [[8]]
        assert split("8 BREAK BREAK 9") == [[8], [], [9]]

    def test_a_break_inside_brackets(self):
        first, second = chunk_prompt("(7 BREAK 8:1.5)", tokenize)
        assert (first.tokens[1], first.multipliers[1]) == (7, 1.5)
        assert (second.tokens[1], second.multipliers[1]) == (8, 1.5)

    def test_a_break_after_a_full_chunk_makes_no_empty_one(self):
        assert [len(part) for part in split(f"{words(75)} BREAK 7")] == [75, 1]


class TestPad:
    def test_prompts_get_the_same_number_of_chunks(self):
        short = chunk_prompt("7", tokenize, OPEN_CLIP)
        long = chunk_prompt(words(151), tokenize, OPEN_CLIP)
        padded, same = pad_chunks([short, long], OPEN_CLIP)
        assert same == long
        assert padded == (*short, *chunk_prompt("", tokenize, OPEN_CLIP) * 2)

    def test_nothing_to_pad(self):
        assert pad_chunks([]) == ()
        assert pad_chunks([()]) == ((),)


TEXTS = st.lists(
    st.sampled_from(
        ["7", "8 9", ",", "BREAK", "(10:1.3)", "[11]", words(40), words(74), words(20)]
    ),
    max_size=12,
).map(" ".join)


@given(TEXTS, st.integers(0, 80))
def test_no_word_is_lost_and_every_chunk_is_whole(text, backtrack):
    chunks = chunk_prompt(text, tokenize, backtrack=backtrack)
    assert chunks
    for chunk in chunks:
        assert len(chunk.tokens) == len(chunk.multipliers) == 77
        assert chunk.tokens[0] == CLIP_L.start
        assert chunk.tokens[-1] == END
        used = len(inner(chunk))
        assert set(chunk.multipliers[used + 1 :]) == {1.0}
    plain = text.replace("BREAK", "").translate(str.maketrans("()[]", "    ")).replace(":1.3", "")
    assert [token for chunk in chunks for token in inner(chunk)] == tokenize(plain)
