"""Curves and schedules: exact at their points, straight in between, and no work while constant."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from loradex.prompts.curves import Curve, Moment, read_strength, strength_at, written
from loradex.prompts.schedule import Bound, Schedule, read_bound

VALUES = st.floats(-4, 4)
PLACES = st.floats(0, 1) | st.integers(0, 60).map(float)
CURVES = st.lists(st.tuples(PLACES, VALUES), min_size=2, max_size=6).map(
    lambda points: read_strength(",".join(f"{value!r}@{place!r}" for place, value in points))
)
MOMENTS = st.integers(1, 60).flatmap(
    lambda steps: st.builds(Moment, st.integers(0, steps - 1), st.just(steps))
)


def over(text, steps):
    return [strength_at(read_strength(text), Moment(i, steps)) for i in range(steps)]


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("0@0,1@1", [0, 0.25, 0.5, 0.75, 1]),
        ("1@1,0@0", [0, 0.25, 0.5, 0.75, 1]),
        ("0@0,1@0.5", [0, 0.5, 1, 1, 1]),
        ("0@0,1", [0, 0.25, 0.5, 0.75, 1]),
        ("0.25@0.5,1@1", [0.25, 0.25, 0.25, 0.625, 1]),
        ("0@0;1@0.5;0@1", [0, 0.5, 1, 0.5, 0]),
        ("0~0,1~1", [0, 0.25, 0.5, 0.75, 1]),
        ("0@2,1@3", [0, 0, 0, 1, 1]),
        ("0@0,1@4", [0, 0.25, 0.5, 0.75, 1]),
        ("1@0.5,0@0.5", [1, 1, 0, 0, 0]),
        ("0.8", [0.8] * 5),
        ("0.8@0.3", [0.8] * 5),
    ],
)
def test_the_values_over_five_steps(text, values):
    assert over(text, 5) == values


@given(CURVES, MOMENTS)
def test_a_value_lies_between_its_neighbours_and_near_the_straight_line(curve, moment):
    value = strength_at(curve, moment)
    if not isinstance(curve, Curve):
        return
    values = [value for _, value in curve.points]
    assert min(values) <= value <= max(values)
    where = moment.step if curve.in_steps else moment.fraction
    for (left, low), (right, high) in zip(curve.points, curve.points[1:], strict=False):
        if left < where < right:
            line = low + (high - low) * (where - left) / (right - left)
            assert abs(value - line) <= 1 / 128 + 1e-9


@given(CURVES)
def test_at_a_point_the_value_is_the_one_that_was_written(curve):
    if isinstance(curve, Curve) and not curve.in_steps:
        assert strength_at(curve, Moment(0, 2)) == next(
            (v for p, v in reversed(curve.points) if p == 0), curve.points[0][1])
        assert strength_at(curve, Moment(1, 2)) == curve.points[-1][1]


@given(CURVES)
def test_what_is_written_reads_back(curve):
    assert read_strength(written(curve)) == curve


def test_a_slow_curve_has_few_values():
    assert len(set(over("1@0,0.95@1", 200))) <= 6


@pytest.mark.parametrize("text", ["", "x", "nan", "1@x", "@", "1@", "0,1@1", "1@0.5@1", "1@-1",
                                  "inf@0,1@1", "0@0,,1@1"])
def test_what_is_no_strength_is_told(text):
    assert read_strength(text) is None


def test_a_pass_of_one_step_is_its_begin():
    assert over("0@0,1@1", 1) == [0]


@pytest.mark.parametrize(
    ("start", "stop", "on"),
    [("", "10", range(10)), ("10", "", range(10, 20)), ("5", "10", range(5, 10)),
     ("0.5", "", range(10, 20)), ("", "0.5", range(10)), ("0", "", range(20)),
     ("10", "5", ()), ("", "0", ())],
)
def test_a_network_acts_from_start_until_before_stop(start, stop, on):
    schedule = Schedule(start=read_bound(start) if start else None,
                        stop=read_bound(stop) if stop else None)
    found = [i for i in range(20) if schedule.unet_at(Moment(i, 20))]
    assert found == list(on)
    assert schedule.te_at() == 1


def test_hires_has_strengths_of_its_own_or_the_first_passs_again():
    curve = read_strength("0@0,1@1")
    both = Schedule(1.0, curve, 0.25, 0.5)
    assert (both.te_at(hires=True), both.unet_at(Moment(1, 2), hires=True)) == (0.25, 0.5)
    assert Schedule(1.0, curve).unet_at(Moment(1, 2), hires=True) == 1
    assert Schedule(1.0, curve).unet_at(Moment(0, 2), hires=True) == 0


@pytest.mark.parametrize("text", ["x", "-1", "1.5", "nan", "", "٤"])
def test_what_is_no_place_in_a_pass_is_told(text):
    assert read_bound(text) is None


def test_a_whole_number_is_a_step_and_another_a_part():
    assert read_bound("1") == Bound(1, in_steps=True)
    assert read_bound("1.0") == Bound(1, in_steps=False)
