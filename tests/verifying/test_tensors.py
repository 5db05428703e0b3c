"""Tensors of a file and of PyTorch's model, and what PyTorch's own noise allows."""

import numpy as np
import pytest

from mmonnx.verifying.tensors import TensorsMatch


@pytest.mark.parametrize(
    "off,errors,ok", [(2e-5, 1.0, True), (4e-5, 1.0, False), (1e-4, 4.0, True), (1.5e-4, 4.0, False)]
)
def test_a_tensor_may_be_as_far_off_as_the_noise_times_its_errors(off, errors, ok):
    expected = np.linspace(-1, 1, 101, dtype=np.float32)
    match = TensorsMatch({"end": expected}, {"end": expected + np.float32(2 * off)})
    assert match.problems
    match.allow({"end": expected + np.float32(2 * 3e-5)}, errors)
    assert bool(match.problems) == (not ok)
