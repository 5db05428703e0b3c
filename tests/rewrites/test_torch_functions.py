"""The stand-ins for torch's own functions, in ONNX Runtime at opset 11, at sizes that the trace has not seen."""

import numpy as np
import pytest
import torch
from models import exported
from torch import nn
from torch.nn import functional

from mmonnx import compat
from mmonnx.graph.lower import lower
from mmonnx.rewrites import ExportContext
from mmonnx.runtimes.onnxruntime import Session

AXES = {0: "batch", 2: "height", 3: "width"}


class Call(nn.Module):
    """Makes a module of functions of maps, which are its outputs."""

    def __init__(self, functions):
        super().__init__()
        self.functions = functions

    def forward(self, maps):
        return tuple(function(maps) for function in self.functions)


def compare(functions, sizes, axes, atol=0.0):
    """Export at the first size (N, C, H, W); all outputs are torch's at each of the sizes."""
    torch.manual_seed(0)
    module, context = Call(functions), ExportContext(dynamic_size=2 in axes)
    model = exported(module, (torch.randn(*sizes[0]),), context, input_names=["maps"], dynamic_axes={"maps": axes})
    assert model.opset_import[0].version == 11
    session = Session(lower(model))
    for size in sizes:
        maps = torch.randn(*size)
        for found, expected in zip(session.run({"maps": maps.numpy()}).values(), module(maps)):
            assert found.shape == tuple(expected.shape) and expected.numel()
            np.testing.assert_allclose(found, expected.numpy(), atol=atol)


SIZES = [(2, 3, 6, 9), (3, 3, 11, 5), (1, 3, 4, 4)]


def test_triangles():
    functions = [
        lambda maps: torch.triu(maps),
        lambda maps: maps.tril(-1),
        lambda maps: torch.tril(maps > 0, diagonal=2),
        lambda maps: maps.masked_fill(torch.triu(torch.ones_like(maps[0, 0]), 1) > 0, -7.0),
        lambda maps: (maps * 10).long().triu(1),
    ]
    compare(functions, SIZES, AXES)


def test_tiles():
    functions = [
        lambda maps: maps.tile(2, 1, 3, 1),
        lambda maps: torch.tile(maps, (3,)),
        lambda maps: maps.tile((2, 1)),
    ]
    compare(functions, SIZES, AXES)


@pytest.mark.parametrize("align_corners", [True, False])
def test_grids_of_a_spatial_transformer(align_corners):
    theta = torch.tensor([[[1.0, 0.2, 0.1], [-0.1, 0.9, 0.0]]])

    def moved(maps):
        grid = functional.affine_grid(theta.repeat(maps.shape[0], 1, 1), maps.shape, align_corners=align_corners)
        return functional.grid_sample(maps, grid, align_corners=align_corners)

    def fixed(maps):
        size = [maps.shape[0], 1, 1, 5]
        return functional.affine_grid(theta.expand(maps.shape[0], 2, 3), size, align_corners=align_corners)

    compare([moved, fixed], SIZES, AXES, atol=1e-5)


@pytest.mark.parametrize(
    "options", [dict(kernel_size=2, stride=2), dict(kernel_size=3, padding=1), dict(kernel_size=(3, 2), stride=(2, 3))]
)
def test_windows_are_folded(options):
    def there_and_back(maps):
        return functional.fold(functional.unfold(maps, **options), maps.shape[2:], **options)

    def of_one_size(maps):
        windows = functional.unfold(functional.interpolate(maps, (7, 9)), dilation=2, **options)
        return functional.fold(windows, (7, 9), dilation=2, **options)

    compare([there_and_back], SIZES, AXES, atol=1e-5)
    compare([there_and_back, of_one_size], [(2, 3, 6, 9), (1, 3, 6, 9)], {0: "batch"}, atol=1e-5)


@pytest.mark.parametrize("axes", [AXES, {0: "batch"}])
def test_poolings_that_do_not_divide(axes):
    functions = [
        nn.AdaptiveAvgPool2d((4, 5)),
        nn.AdaptiveMaxPool2d((4, 5)),
        nn.AdaptiveMaxPool2d((None, 2)),
        nn.AdaptiveMaxPool2d(3),
        nn.AdaptiveMaxPool2d(1),
    ]
    compare(functions, SIZES if 2 in axes else [SIZES[0], (1, 3, 6, 9)], axes, atol=1e-6)


def test_maxima_go_back_to_where_they_were():
    def there_and_back(maps, given=False, **options):
        maxima, places = functional.max_pool2d(maps, return_indices=True, **options)
        size = maps.size() if given else None
        return functional.max_unpool2d(maxima * 2, places, output_size=size, **options)

    functions = [
        lambda maps: there_and_back(maps, given=True, kernel_size=(2, 3)),
        lambda maps: there_and_back(maps, given=True, kernel_size=3, stride=2, padding=1),
        lambda maps: nn.MaxUnpool2d(3, 3)(*nn.MaxPool2d(3, 3, return_indices=True)(maps), output_size=maps.shape[2:]),
    ]
    compare(functions, SIZES, AXES)
    compare(functions, [SIZES[0], (1, 3, 6, 9)], {0: "batch"})
    compare([lambda maps: there_and_back(maps, kernel_size=2)], [(2, 3, 6, 8), (3, 3, 12, 4)], AXES)


@pytest.mark.skipif(compat.version_tuple(torch.__version__) < (1, 11), reason="torch has no nearest-exact yet")
def test_the_exact_nearest():
    functions = [
        lambda maps: functional.interpolate(maps, (7, 20), mode="nearest-exact"),
        lambda maps: functional.interpolate(maps, 4, mode="nearest-exact"),
        lambda maps: functional.interpolate(maps, scale_factor=1.7, mode="nearest-exact"),
        lambda maps: functional.interpolate(maps, scale_factor=(0.5, 2), mode="nearest-exact"),
        lambda maps: functional.interpolate(maps, maps.shape[2:], mode="nearest-exact"),
        lambda maps: functional.interpolate(maps, None, 1.7, "nearest-exact", None, True),
        lambda maps: functional.interpolate(maps[:, 0], scale_factor=2.6, mode="nearest-exact"),
    ]
    compare(functions, SIZES, AXES)


def test_whole_parts():
    compare([lambda maps: torch.trunc(maps * 3), lambda maps: (maps * -3).trunc()], SIZES, AXES)
