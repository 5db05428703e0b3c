"""grid_sample's body against torch's own."""

import itertools

import numpy
import onnxruntime
import pytest
import torch
import torch.nn.functional as F
from bodies import OPSETS, close, every_opset, export, rand, randn, run, run_body, source

from mmonnx import fallback
from mmonnx.environment import compat
from mmonnx.rewriting.rewrites import rewriting
from mmonnx.rewriting.symbolics.grid_sampler import FIRST_GRID_SAMPLE, MODES, PADDINGS
from mmonnx.support.errors import ExportError

GRIDS = list(itertools.product(MODES, PADDINGS, (False, True)))


def make_grid(batch, height, width, seed=0):
    """Free places in and far around the map, its corners and its middle."""
    grid = rand(batch, height, width, 2, seed=seed) * 6 - 3
    grid[:, 0, 0], grid[:, 0, 1], grid[:, -1, -1] = -1, 0, 1
    return grid


@pytest.mark.parametrize("opset", sorted({*OPSETS, 16}))
@pytest.mark.parametrize("mode, padding, align", GRIDS)
def test_body(opset, mode, padding, align):
    if mode == "bicubic" and padding == "reflection" and compat.version_tuple(onnxruntime.__version__) < (1, 20):
        pytest.skip("GridSample of ONNX Runtime 1.19 reads outside of the image now and then")
    attributes = dict(
        interpolation_mode=MODES.index(mode), padding_mode=PADDINGS.index(padding), align_corners=int(align)
    )
    if mode == "bicubic" and opset < 16:
        with pytest.raises(
            ExportError, match=r"grid_sampler has interpolation_mode=2 .* opset 11 .* --opset-version 16"
        ):
            source("grid_sampler", opset, **attributes)
        return
    for batch, height, width in ((2, 7, 9), (1, 1, 4), (0, 3, 3)):
        input, grid = randn(batch, 3, height, width, seed=1), make_grid(batch, 6, 5)
        found = run_body("grid_sampler", opset, [input, grid], **attributes)
        expected = F.grid_sample(input, grid, mode, padding, align) if batch else torch.zeros(0, 3, 6, 5)
        close(found[0], expected)


@pytest.mark.parametrize("opset", [opset for opset in OPSETS if opset < FIRST_GRID_SAMPLE])
@pytest.mark.parametrize("mode, padding, align", [one for one in GRIDS if one[0] != "bicubic"])
def test_places_that_are_no_numbers(opset, mode, padding, align):
    """A flow that is divided by the steps of a map of one cell; ONNX Runtime's own operator makes zeros of these."""
    attributes = dict(
        interpolation_mode=MODES.index(mode), padding_mode=PADDINGS.index(padding), align_corners=int(align)
    )
    for height, width in ((1, 4), (5, 7)):
        input, grid = randn(2, 3, height, width, seed=1), make_grid(2, 6, 5)
        grid[0, 1, :, 1], grid[1, 2, 3, 0], grid[1, 4] = float("nan"), float("nan"), float("nan")
        (found,) = run_body("grid_sampler", opset, [input, grid], **attributes)
        expected = F.grid_sample(input, grid, mode, padding, align)
        assert expected.isnan().any() == ((mode, padding) == ("bilinear", "zeros"))
        assert (expected.isnan().numpy() == numpy.isnan(found)).all()
        close(numpy.nan_to_num(found), expected.nan_to_num())


class Sampled(torch.nn.Module):
    def forward(self, image, grid):
        pooled = F.grid_sample(F.relu(image), grid, padding_mode="border", align_corners=False)
        return pooled + F.grid_sample(image, grid.flip(2), align_corners=True)[:, :1]


@every_opset
def test_module_at_other_sizes(opset):
    module = Sampled()
    model = export(module, [randn(1, 3, 6, 5), make_grid(1, 4, 4)], opset)
    for batch, height, width in ((1, 6, 5), (3, 9, 4)):
        inputs = [randn(batch, 3, height, width, seed=2), make_grid(batch, 2, 7)]
        close(run(model, inputs)[0], module(*inputs))


def test_what_is_refused():
    with rewriting(), pytest.raises(ExportError, match="input of 5 axes"):
        F.grid_sample(randn(1, 2, 3, 3, 3), randn(1, 2, 2, 2, 3))
    with rewriting(), pytest.raises(ExportError, match="padding_mode='wrap'; expected one of zeros, border"):
        F.grid_sample(randn(1, 2, 3, 3), randn(1, 2, 2, 2), padding_mode="wrap")


@every_opset
def test_mmcvs_own_form(opset):
    fallback.ensure()
    from mmcv.ops import point_sample

    class Points(torch.nn.Module):
        def forward(self, image, points):
            return point_sample(image, points, align_corners=False)

    module, points = Points(), rand(1, 5, 2)
    model = export(module, [randn(1, 3, 6, 5), points], opset)
    assert "GatherElements" not in {node.op_type for node in model.graph.node}  # of mmcv's own form for exporters
    inputs = [randn(2, 3, 8, 7), rand(2, 9, 2) * 1.4 - 0.2]
    close(run(model, inputs)[0], module(*inputs))
