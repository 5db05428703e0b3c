"""Run-length encoding as pycocotools writes it."""

import numpy as np
import pytest

from mmonnx.runtime.rle import encode

mask_tools = pytest.importorskip("pycocotools.mask")


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 1.0])
@pytest.mark.parametrize("size", [(1, 1), (7, 5), (60, 200)])
def test_it_is_pycocotools_own(size, share):
    mask = np.random.RandomState(0).rand(*size) < share
    expected = mask_tools.encode(np.asfortranarray(mask.astype(np.uint8)))
    assert encode(mask)["counts"] == expected["counts"].decode()
    assert (mask_tools.decode({**encode(mask), "counts": encode(mask)["counts"].encode()}) == mask).all()
