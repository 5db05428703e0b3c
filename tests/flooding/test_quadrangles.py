"""Quadrangles are merged as lanms does it."""

import numpy as np
import pytest

from mmonnx.flooding import merge_quadrangles

pytest.importorskip("pyclipper")


def row(count, seed):
    """Quadrangles along a line, some of which go round the other way, or cross themselves."""
    random = np.random.RandomState(seed)
    x = np.sort(random.rand(count) * 200)
    centres = np.stack([x, 50 + 10 * np.sin(x / 20)], 1)[:, None]
    corners = np.array([[-6, -8], [6, -8], [6, 8], [-6, 8]]) + random.randn(count, 4, 2) * 3
    corners[::5] = corners[::5, ::-1]
    scores = random.rand(count, 1) * 0.9 + 0.1
    return np.hstack([(centres + corners).reshape(count, 8), scores]).astype(np.float32)


def test_nothing_and_one():
    assert merge_quadrangles(np.empty((0, 9), np.float32)).shape == (0,)
    one = row(1, 0)
    np.testing.assert_allclose(merge_quadrangles(one), one, atol=1e-4)


def test_two_that_are_one_are_their_weighted_mean():
    square = np.array([10, 10, 20, 10, 20, 30, 10, 30], np.float32)
    both = np.array([[*square, 0.25], [*(square + 1), 0.75]], np.float32)
    np.testing.assert_allclose(merge_quadrangles(both), [[*(square + 0.75), 1.0]], atol=1e-3)
    assert len(merge_quadrangles(both, 0.9)) == 2


@pytest.mark.parametrize("seed", range(4))
def test_as_lanms_where_it_is_installed(seed):
    lanms = pytest.importorskip("lanms")
    quadrangles = row(400, seed)
    found, expected = merge_quadrangles(quadrangles, 0.3), lanms.merge_quadrangle_n9(quadrangles, 0.3)
    assert found.shape == expected.shape and 5 < len(found) < 300
    np.testing.assert_array_equal(found, expected)
