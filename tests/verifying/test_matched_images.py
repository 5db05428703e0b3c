"""Comparing images that models make: by their greatest difference, and by PyTorch's own noise."""

import numpy as np
import pytest

from mmonnx.runtime import EditedImage
from mmonnx.verifying.matching import match, noise_of
from mmonnx.verifying.matching.images import psnr

IMAGE = np.random.RandomState(0).rand(3, 8, 10).astype(np.float32)


def moved(by, place=(1, 2, 3)):
    values = IMAGE.copy()
    values[place] += by
    return EditedImage(values)


def test_a_rounding_is_the_same_image_and_a_grey_value_is_not():
    assert match(EditedImage(IMAGE), moved(2e-5)).ok
    found = match(EditedImage(IMAGE), moved(1 / 255))
    assert not found.ok and "image: differs by 0.0039, at most" in found.unmatched[0]
    assert found.max_score == pytest.approx(1 / 255, rel=1e-3)


def test_the_ratio_to_noise_is_that_of_its_formula():
    found = match(EditedImage(IMAGE), moved(0.1))
    assert found.psnr == pytest.approx(-10 * np.log10(0.01 / IMAGE.size), abs=0.01)
    assert psnr(EditedImage(IMAGE, -1.0), EditedImage(IMAGE, -1.0)) is None
    wide = psnr(EditedImage(IMAGE, -1.0), EditedImage(moved(0.1).values, -1.0))
    assert wide == pytest.approx(found.psnr + 20 * np.log10(2))  # of -1 to 1, white is twice as far from black


def test_what_pytorch_itself_moves_is_allowed_where_it_is_as_much():
    expected = EditedImage(IMAGE)
    noise = noise_of(expected)
    noise.add(moved(1e-3, (0, 0, 0)))
    found = match(expected, moved(1.5e-3), noise=noise)
    assert found.ok and found.excused == 1 and found.allowed[1] == pytest.approx(2e-3, rel=1e-3)
    assert not match(expected, moved(3e-3), noise=noise).ok


@pytest.mark.parametrize("values", [IMAGE[:, :4], np.full_like(IMAGE, np.nan), IMAGE.astype(np.float64)])
def test_what_is_no_such_image_is_no_match(values):
    assert not match(EditedImage(IMAGE), EditedImage(values)).ok


def test_pixels_are_blue_first():
    values = np.zeros((3, 1, 2), np.float32)
    values[0] = 1  # red where the channels are so
    assert EditedImage(values).pixels[0, 0].tolist() == [0, 0, 255]
    assert EditedImage(values, rgb=False).pixels[0, 0].tolist() == [255, 0, 0]
    assert EditedImage(values - 3, -1.0).pixels.max() == 0 and EditedImage(values[:1]).pixels.shape == (1, 2)
