"""Boxes in pixels of the picture, as far inside of it as upstream's own heads have them."""

import numpy as np
import pytest

from mmonnx.runtime.boxes import in_picture

BOXES = np.float32([[-2, 5, 70, 58], [1, 2, 3, 4]])


@pytest.mark.parametrize(
    "limits, offset, expected",
    [
        ("image", (0, 0), [0, 5, 60, 50]),
        ("none", (0, 0), [-2, 5, 70, 58]),
        ("origin", (10, 6), [0, 0, 60, 52]),
        ("none", (10, 6), [-12, -1, 60, 52]),
    ],
)
def test_boxes_are_cut_where_upstream_cuts_them(limits, offset, expected):
    found = in_picture(BOXES, limits, (50, 60), np.float32([2, 2, 4, 4]), offset)
    assert found[0].tolist() == [side / scale for side, scale in zip(expected, (2, 2, 4, 4))]
