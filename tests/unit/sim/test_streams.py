"""Philox against its published vectors, and how draws are cut from its words."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numba import njit

from sim.draws.philox import philox, philox_lanes
from sim.draws.streams import Purpose, below, centred, centred_of, draw_blocks, new_drawn, word_of, words

# Source: Random123 (Salmon et al.), kat_vectors, "philox4x32 10": counter, key, result.
KNOWN_ANSWERS = [
    ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
    ((0xFFFFFFFF,) * 4, (0xFFFFFFFF,) * 2, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
    (
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        (0xA4093822, 0x299F31D0),
        (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
    ),
]


@pytest.mark.parametrize(("counter", "key", "expected"), KNOWN_ANSWERS)
def test_philox_gives_the_published_words(counter, key, expected):
    assert tuple(int(word) for word in philox(*map(np.uint32, counter), *map(np.uint32, key))) == expected


@njit
def in_lanes(c0, c1, c2, c3, k0, k1, out, at):
    philox_lanes(c0, c1, c2, c3, k0, k1, out, at)


eight_words = st.tuples(*[st.integers(0, 2**32 - 1)] * 8)


@given(counters=st.tuples(*[eight_words] * 4), keys=st.tuples(*[eight_words] * 2))
def test_eight_lanes_are_eight_calls(counters, keys):
    out = np.zeros(40, np.uint32)
    in_lanes(*counters, *keys, out, 5)
    for lane in range(8):
        four = philox(*(np.uint32(column[lane]) for column in (*counters, *keys)))
        assert tuple(out[5 + 4 * lane : 9 + 4 * lane]) == four
    assert not out[:5].any() and not out[37:].any()


@pytest.mark.parametrize(("counter", "key", "expected"), KNOWN_ANSWERS)
def test_an_integer_is_the_same_in_all_lanes(counter, key, expected):
    out = np.zeros(32, np.uint32)
    in_lanes(*counter, *key, out, 0)
    assert out.reshape(8, 4).tolist() == [list(expected)] * 8


def test_blocks_are_drawn_in_order_and_read_as_words_or_halves():
    drawn = new_drawn()
    draw_blocks(7, 3, 11, 5, drawn, 1)
    four = words(7, 3, 11, 9, 0)  # the fifth of the blocks
    assert tuple(drawn.words[32 + 16 : 32 + 20]) == four
    assert [int(half) - 0x8000 for half in drawn.halves[64 + 32 : 64 + 40]] == [
        centred_of(four, lane) for lane in range(8)
    ]


def test_a_stream_is_keyed_by_seed_and_purpose_and_counted_by_index_block_and_draw():
    assert words(7, 3, 11, 5, 2) == philox(*map(np.uint32, (11, 5, 0, 2)), np.uint32(7), np.uint32(3))


def test_words_and_centred_draws_are_cut_low_half_first():
    four = tuple(map(np.uint32, (0x0001_0000, 0xFFFF_8000, 0, 0xFFFF_FFFF)))
    assert [word_of(four, lane) for lane in range(4)] == [0x10000, 0xFFFF8000, 0, 0xFFFFFFFF]
    assert [centred_of(four, lane) for lane in range(8)] == [-32768, -32767, 0, 32767, -32768, -32768, 32767, 32767]


def test_centred_takes_the_eighth_of_its_block():
    four = words(1, Purpose.SLOT_ENERGY, 42, 2, 0)
    assert centred(1, Purpose.SLOT_ENERGY, 42, 19) == centred_of(four, 3)


@pytest.mark.parametrize("span", [1, 3, 4096, 1_800_000_000, 2**31, 86_400_000_000])
def test_below_spreads_a_word_over_its_span(span):
    assert below(0, span) == 0
    assert below(2**32 - 1, span) < span
    assert below(2**31, span) == pytest.approx(span / 2, abs=256)


def test_below_an_empty_span_is_zero():
    assert below(2**32 - 1, 0) == 0
