"""Rows of regions in another order."""

import numpy as np
import pytest

from mmonnx.verifying.matching import Tolerances
from mmonnx.verifying.rows import absent, in_order

EXACT = Tolerances(score=1e-5)


@pytest.fixture()
def rows():
    found = np.random.RandomState(0).randn(40, 6, 3).astype(np.float32)
    found[7] = found[9]  # two regions alike
    return found


def test_rows_that_changed_places_are_put_back(rows):
    order = np.arange(40)
    order[[3, 4, 7, 20]] = [4, 3, 20, 7]
    noise = 1e-6 * np.random.RandomState(1).randn(*rows.shape).astype(np.float32)
    np.testing.assert_allclose(in_order(rows, rows[order] + noise, EXACT), rows, atol=1e-5)


def test_a_row_that_is_another_stays(rows):
    found = rows[::-1].copy()
    found[11, 2, 1] += 0.01
    np.testing.assert_array_equal(in_order(rows, found, EXACT), found)


def test_one_row_twice_is_not_two_rows(rows):
    found = rows.copy()
    found[3] = rows[4]
    np.testing.assert_array_equal(in_order(rows, found, EXACT), found)


@pytest.mark.parametrize("shape", [(0, 4), (40,), (39, 6, 3)])
def test_what_cannot_be_put_in_order_is_given_back(rows, shape):
    found = np.zeros(shape, np.float32)
    assert in_order(rows, found, EXACT) is found


def test_rows_that_are_not_among_others():
    others = np.random.RandomState(0).rand(1000, 5) * 100
    rows = np.concatenate([others[::-1][:7] + 1e-5, others[3:4] + 1.0])
    assert np.array_equal(absent(rows, others, EXACT), rows[7:])
    assert len(absent(rows, others[:0], EXACT)) == 8 and len(absent(rows[:0], others, EXACT)) == 0
