"""Frames: sizes and places are exact, contradictions are told, the photo in its frame is itself."""

import importlib
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import shell
from hypothesis import given, settings
from hypothesis import strategies as st

from editkit.errors import InputError
from editkit.names import ANCHORS
from editkit.photo.geometry.frame import border_coverage, extend_photo, plan_frame
from editkit.photo.io.files import read_photo
from editkit.types import Box, Size

PHOTO = Size(427, 640)


@pytest.mark.parametrize(
    ("sides", "size", "box"),
    [
        ((10, 0, 0, 0), (427, 650), (0, 10, 427, 650)),
        ((0, 10, 0, 0), (427, 650), (0, 0, 427, 640)),
        ((0, 0, 7, 0), (434, 640), (7, 0, 434, 640)),
        ((0, 0, 0, 7), (434, 640), (0, 0, 427, 640)),
        ((1, 2, 3, 4), (434, 643), (3, 1, 430, 641)),
        (("25%", "50%", "100%", "0"), (854, 1120), (427, 160, 854, 800)),
        (("0.1%", 0, 0, 0), (427, 641), (0, 1, 427, 641)),
        ((0, 0, "0.5%", 0), (429, 640), (2, 0, 429, 640)),
        ((0, "200", 0, "12.5%"), (480, 840), (0, 0, 427, 640)),
    ],
)
def test_sides(sides: Any, size: tuple[int, int], box: tuple[int, ...]) -> None:
    frame = plan_frame(PHOTO, sides=sides)
    assert (frame.size, frame.box) == (Size(*size), Box(*box))


def test_a_half_pixel_is_rounded_up() -> None:
    assert plan_frame(Size(5, 5), sides=("10%", "30%", 0, 0)).size == Size(5, 8)
    assert plan_frame(Size(3, 5), aspect="5:2").size == Size(3, 8)


@pytest.mark.parametrize("anchor", ANCHORS)
def test_anchors_say_where_the_photo_stays(anchor: str) -> None:
    frame = plan_frame(PHOTO, size=Size(500, 701), anchor=anchor)
    assert frame.size == (500, 701)
    top, left = 36, 30  # the odd pixels are at the bottom and the right
    top = 0 if "top" in anchor else 73 if "bottom" in anchor else top
    left = 0 if "left" in anchor else 61 if "right" in anchor else left
    assert frame.box == (top, left, top + 427, left + 640)


def test_the_center_is_the_default() -> None:
    for asked in ({"size": Size(500, 701)}, {"aspect": "2:1"}, {"aspect": "1:2"}):
        options: dict[str, Any] = asked
        assert plan_frame(PHOTO, **options) == plan_frame(PHOTO, **options, anchor="center")


@given(
    st.integers(1, 3000),
    st.integers(1, 3000),
    st.integers(1, 400),
    st.integers(1, 400),
    st.sampled_from(ANCHORS),
)
@settings(max_examples=300, deadline=None)
def test_aspects_are_the_nearest_that_hold_the_photo(
    height: int, width: int, across: int, down: int, anchor: str
) -> None:
    photo, wanted = Size(height, width), Fraction(across, down)
    try:
        frame = plan_frame(photo, aspect=f"{across}:{down}", anchor=anchor)
    except InputError as error:
        told = str(error)
        assert "nothing to add" in told or "more than the limit" in told
        return
    size, box = frame.size, frame.box
    assert box.size == photo
    assert 0 <= box.top <= box.bottom <= size.height
    assert 0 <= box.left <= box.right <= size.width
    assert size.height == height or size.width == width
    # The side that grew is within half a pixel of what the other side asks for.
    if size.height == height:
        assert abs(size.width - height * wanted) <= Fraction(1, 2)
    else:
        assert abs(size.height - width / wanted) <= Fraction(1, 2)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({}, "nothing to add"),
        ({"sides": ("0%", 0, 0, 0)}, "nothing to add"),
        ({"sides": ("0.01%", 0, 0, 0)}, "nothing to add"),
        ({"size": PHOTO}, "nothing to add"),
        ({"aspect": "640:427"}, "nothing to add"),
        ({"size": Size(426, 9000)}, "would cut the photo of 640x427"),
        ({"size": Size(20_000, 20_000)}, "400000000 pixels, more than the limit"),
        ({"sides": (999_999_999, 0, 0, 0)}, "more than the limit"),
        ({"aspect": "999999:1"}, "more than the limit"),
        ({"sides": (1, 0, 0, 0), "size": Size(500, 700)}, "left and size contradict"),
        ({"sides": (0, 0, "3%", 0), "aspect": "1:1"}, "top and aspect contradict"),
        ({"size": Size(500, 700), "aspect": "1:1"}, "size and aspect contradict"),
        ({"sides": (0, 5, 0, 0), "anchor": "top"}, "anchor top and right contradict"),
        ({"anchor": "top"}, "nothing to add"),
        ({"size": Size(500, 700), "anchor": "middle"}, "unknown anchor 'middle'"),
        ({"size": Size(500, 0)}, "size is"),
        ({"aspect": "16/9"}, "aspect is '16/9'"),
        ({"aspect": "0:9"}, "aspect is '0:9'"),
        ({"aspect": "-1:9"}, "aspect is"),
        ({"sides": (-1, 0, 0, 0)}, "left is -1"),
        ({"sides": (0, 0, True, 0)}, "top is True"),
        ({"sides": (0, 0, 0, "1.5")}, "bottom is '1.5'"),
        ({"sides": (0, 0, 0, "nan%")}, "bottom is 'nan%'"),
        ({"sides": (0, 0, 0, "9" * 400)}, "bottom is"),
    ],
)
def test_what_cannot_be_is_told(options: dict[str, Any], told: str) -> None:
    with pytest.raises(InputError) as error:
        plan_frame(PHOTO, **options)
    assert told in str(error.value)


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA", "CMYK", "I;16"])
@pytest.mark.parametrize("size", [(1, 1), (3, 50), (20, 30)])
def test_a_photo_in_its_frame_is_itself(mode: str, size: tuple[int, int]) -> None:
    photo = read_photo(shell.noise(*size, mode))
    frame = plan_frame(photo.size, sides=(7, 40, 0, 3))
    made = extend_photo(photo, frame)
    assert made.size == frame.size
    assert made.mode == photo.mode
    assert np.array_equal(made.samples[frame.box.slices], photo.samples)
    border = border_coverage(frame)
    assert border.sum() == frame.size.area - photo.size.area
    assert not border[frame.box.slices].any()
    if mode in ("LA", "RGBA"):
        assert (made.samples[border > 0][:, -1] == 255).all()
    # Mirrored: what lies beside the photo's edge is like it.
    outer, inner = (read_photo(made.image).rgb()[:, column] for column in (6, 7))
    assert np.array_equal(outer, inner)


def test_the_command_knows_every_anchor() -> None:
    command = importlib.import_module("editkit_cli.outpaint").outpaint
    (option,) = [option for option in command.params if option.name == "anchor"]
    assert tuple(getattr(option.type, "choices", ())) == ANCHORS
