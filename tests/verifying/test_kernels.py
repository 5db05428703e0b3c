"""Which maps are large enough for a kernel: compared with what each of its taps does."""

from itertools import product

import pytest
import torch
from torch import nn

from mmonnx.verifying.kernels import Kernels


def meets_all(size, stride, padding, dilation, side):
    """Whether each tap of a kernel, alone, gives something but zeros on a map of so many cells in a row."""
    layer = nn.Conv2d(1, 1, size, stride, padding, dilation, bias=False)
    rows = torch.ones(1, 1, side, side)
    for tap in range(size):
        with torch.no_grad():
            layer.weight.zero_()
            layer.weight[..., tap, :] = 1
            try:
                if not layer(rows).any():
                    return False
            except RuntimeError:  # the kernel is greater than the map
                return False
    return True


@pytest.mark.parametrize(
    "size, stride, padding, dilation", [*product([1, 2, 3, 5], [1, 2, 3], [0, 1, 2, 4], [1, 2, 6])]
)
def test_a_map_is_large_enough_where_every_tap_meets_a_cell(size, stride, padding, dilation):
    layer = nn.Conv2d(1, 1, size, stride, padding, dilation)
    for side in range(1, 26):
        kernels, fits = Kernels(layer), meets_all(size, stride, padding, dilation, side)
        try:
            with kernels.watched():
                layer(torch.ones(1, 1, side, side))
        except RuntimeError:
            continue
        assert kernels.count == ((int(fits), 1) if size > 1 else (0, 0)), side
        if size > 1:
            assert meets_all(size, stride, padding, dilation, side * kernels.times)


def test_poolings_other_spellings_and_several_maps():
    model = nn.Sequential(
        nn.MaxPool2d(13, 1, padding=6), nn.Conv2d(1, 1, (1, 5), padding="same"), nn.AvgPool2d(2), nn.Flatten()
    )
    kernels = Kernels(model)
    with kernels.watched():
        model(torch.rand(1, 1, 4, 6))
    assert kernels.count == (2, 3) and kernels.times == 2
    with kernels.watched():
        model(torch.rand(1, 1, 8, 12))
        model(torch.rand(1, 1, 4, 6))
    assert kernels.count == (3, 3) and kernels.times == 1
    model(torch.rand(1, 1, 2, 2))
    assert kernels.count == (3, 3)


def test_what_has_no_kernel_or_adds_its_taps_up_everywhere_is_left_out():
    kernels = Kernels(nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU(), nn.ConvTranspose2d(4, 2, 4, 2), nn.BatchNorm2d(2)))
    assert kernels.count == (0, 0) and kernels.times == 1
