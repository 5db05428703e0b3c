"""Running maxima and minima against torch's own, and corner pooling against them."""

import pytest
import torch
from bodies import close, every_opset, export, randn, run, run_body

from mmonnx import fallback
from mmonnx.rewriting.rewrites import rewriting
from mmonnx.rewriting.symbolics.cumulative import CORNERS
from mmonnx.support.errors import ExportError

SHAPES = [(5,), (1,), (2, 3, 4), (3, 1, 17), (2, 3, 8, 9), (1, 2, 16, 33), (2, 0, 3)]


@every_opset
@pytest.mark.parametrize("name", ["cummax", "cummin"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_body(opset, name, shape):
    input = (randn(*shape) * 2).round()  # ties
    for dim in range(-1, len(shape)):
        expected = getattr(torch, name)(input, dim)
        values, places = run_body(name, opset, [input], dim=dim)
        close(values, expected[0], 0)
        close(places, expected[1], 0)


@every_opset
@pytest.mark.parametrize("mode", list(CORNERS))
@pytest.mark.parametrize("size", [(8, 9), (1, 1), (5, 17), (32, 2)])
def test_corner_pool(opset, mode, size):
    input = randn(2, 3, *size)
    dim, reverse = {"top": (2, True), "bottom": (2, False), "left": (3, True), "right": (3, False)}[mode]
    expected = torch.stack(
        [
            input.narrow(dim, *((start, input.shape[dim] - start) if reverse else (0, start + 1))).amax(dim)
            for start in range(input.shape[dim])
        ],
        dim,
    )
    close(run_body("MMCVCornerPool", opset, [input], mode=CORNERS[mode])[0], expected, 0)
    close(run_body("MMCVCornerPool", opset, [input[:0]], mode=CORNERS[mode])[0], expected[:0], 0)


class Pooled(torch.nn.Module):
    def __init__(self):
        super().__init__()
        from mmcv.ops import CornerPool

        self.pools = torch.nn.ModuleList(CornerPool(mode) for mode in CORNERS)

    def forward(self, image):
        pooled = sum(pool(image) for pool in self.pools)
        greatest, places = torch.cummax(image, dim=3)
        return pooled, greatest + image.cummin(2).values, places + image.cummin(-1)[1]


@every_opset
def test_module_at_other_sizes(opset):
    fallback.ensure()
    module = Pooled()
    model = export(module, [randn(1, 2, 5, 6)], opset)
    for shape in ((1, 2, 5, 6), (2, 3, 12, 3)):
        image = randn(*shape, seed=4)
        for found, expected in zip(run(model, [image]), module(image)):
            close(found, expected)


def test_what_is_refused():
    with rewriting(), pytest.raises(ExportError, match=r"cummax has an input of torch.int64; expected float32"):
        torch.cummax(torch.arange(3), 0)
    with rewriting(), pytest.raises(ExportError, match=r"cummin has a scalar input"):
        torch.tensor(1.0).cummin(0)
