"""How upstream's tools compare, once the plugin has fixed it."""

import numpy as np
import pytest

from mmonnx.integration.plugin.tool import _Comparing

COMPARING = _Comparing("numpy")
ROWS = np.array([[0, 0, 10, 10, 0.9], [5, 5, 20, 20, 0.8], [1, 1, 3, 3, 0.5]], np.float32)


def test_detections_are_compared_in_any_order():
    COMPARING.testing.assert_allclose(ROWS[[1, 0, 2]], ROWS, rtol=1e-3, atol=1e-5, err_msg="they differ")
    COMPARING.testing.assert_allclose(ROWS[:0], ROWS[:0])


@pytest.mark.parametrize("wrong", [ROWS[:2], ROWS[[0, 0, 2]], ROWS + np.float32([0, 0, 0, 0.2, 0]), np.ones((9, 5))])
def test_other_detections_are_refused(wrong):
    with pytest.raises(AssertionError, match="they differ"):
        COMPARING.testing.assert_allclose(wrong, ROWS, rtol=1e-3, err_msg="they differ")


def test_masks_may_differ_at_their_borders():
    masks = np.zeros((2, 40, 40), bool)
    masks[0, :20, :20] = masks[1, 10:, 10:] = True
    near, other = masks.copy(), masks.copy()
    near[0, 0, :3] = False
    other[0, :3] = False
    COMPARING.testing.assert_allclose(list(near), list(masks), err_msg="they differ")
    COMPARING.testing.assert_allclose([], [])
    for wrong in (other, masks[::-1], masks[:1]):
        with pytest.raises(AssertionError, match="they differ"):
            COMPARING.testing.assert_allclose(list(wrong), list(masks), err_msg="they differ")


def test_probabilities_are_compared_by_the_largest():
    probs = np.array([0.7, 0.3, 1e-6], np.float32)
    assert COMPARING.allclose(probs, probs[None] * 1.00005 + 1e-7)
    assert not COMPARING.allclose(probs, probs[None] + 0.01)
    assert not COMPARING.allclose(probs, probs[None, ::-1])


def test_everything_else_is_numpy():
    assert COMPARING.float32 is np.float32 and COMPARING.random is np.random
