"""The stand-ins for torch's own functions, in ONNX Runtime at opset 11, at sizes that the trace has not seen."""

import math

import numpy as np
import pytest
import torch
import torchvision
from models import exported
from torch import nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint, checkpoint_sequential

from mmonnx.environment import compat
from mmonnx.rewriting.lowering import lower
from mmonnx.rewriting.rewrites import ExportContext
from mmonnx.runtime.session import Session

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


def test_diagonals():
    functions = [
        lambda maps: torch.diag(maps[0, 0, 0]),
        lambda maps: torch.diag(maps[0, 0, 0], 2),
        lambda maps: torch.diag(maps[0, 0, :, 0], -1),
        # infinities times 0 would be NaN
        lambda maps: torch.diag(torch.full_like(maps[0, 0, 0], float("-inf"))).softmax(0),
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


ANY_SIZE = {
    1: [None, 1, 3, 4, 16],
    2: [(None, 1), (1, None), (None, None), 1, 3, (4, 5), (None, 2), (5, None), (16, 1)],
    3: [(None, 1, 1), (1, None, 2), (2, 3, None), (None, None, 1), 1, 2, (3, 16, 5)],
}
"""Sizes to pool to by the number of axes: some divide those pooled from, some do not, some are larger."""


@pytest.mark.parametrize("kind", ["Avg", "Max"])
@pytest.mark.parametrize("dynamic", [True, False])
@pytest.mark.parametrize("axes", [1, 2, 3])
def test_adaptive_poolings(kind, dynamic, axes):
    make = getattr(nn, f"Adaptive{kind}Pool{axes}d")
    sizes = [(2, 3, 6, 8, 4)[: axes + 2], (3, 3, 11, 5, 9)[: axes + 2], (1, 3, 4, 4, 4)[: axes + 2]]
    names = {0: "batch", **({axis + 2: f"side{axis}" for axis in range(axes)} if dynamic else {})}
    if not dynamic:
        sizes = [sizes[0], (5, *sizes[0][1:])]
    compare([make(size) for size in ANY_SIZE[axes] if size is not None], sizes, names, atol=1e-6)


def test_poolings_of_maps_without_a_batch():
    functions = [
        lambda maps: functional.adaptive_avg_pool2d(maps[0], (None, 1)),
        lambda maps: functional.adaptive_avg_pool2d(maps[0], (3, 4)),
        lambda maps: functional.adaptive_max_pool2d(maps[0], (1, None)),
        lambda maps: functional.adaptive_max_pool2d(maps[0], (3, 4)),
        lambda maps: torch.adaptive_avg_pool1d(maps[0], 2),
    ]
    compare(functions, SIZES, AXES, atol=1e-6)


def test_global_poolings_are_single_nodes():
    functions = [nn.AdaptiveAvgPool2d(1), nn.AdaptiveMaxPool2d((1, 1)), nn.AdaptiveMaxPool2d(1)]
    maps, context = torch.randn(1, 3, 6, 9), ExportContext(dynamic_size=True)
    for function in functions:
        model = exported(Call([function]), (maps,), context, input_names=["maps"], dynamic_axes={"maps": AXES})
        assert len(model.graph.node) == 1 and model.graph.node[0].op_type.startswith("Global")


def test_windows_along_an_axis():
    """As of https://github.com/pytorch/pytorch/issues/57086."""
    functions = [
        lambda maps: maps.unfold(-1, 4, 2),
        lambda maps: maps.unfold(2, 3, 1).unfold(3, 2, 2).sum(-1),
        lambda maps: maps.unfold(1, 2, 1),
        lambda maps: maps[0, 0, 0].unfold(0, 3, 3),
    ]
    compare(functions, SIZES, AXES)


def _put(index, value):
    def put(maps):
        table = torch.zeros(maps.shape[0], maps.shape[3], 2)
        line = maps[:, 0, 0]
        table[index(line)] = value(line)
        return table

    return put


def test_masks_beside_other_indices():
    """As of https://github.com/pytorch/pytorch/issues/159295."""

    def first_column(maps):
        table, line = torch.zeros(maps.shape[3], 2), maps[0, 0, 0]
        table[line > 0, 0] = line[line > 0]
        return table

    functions = [
        first_column,
        _put(lambda line: (slice(None), line[0] > 0, 1), lambda line: line[:, line[0] > 0]),
        _put(lambda line: (0, line[0] > 0), lambda line: 3.0),
        _put(lambda line: line > 0, lambda line: 2.0),
        _put(lambda line: line > 0, lambda line: torch.stack([line, -line], -1)[line > 0]),
        _put(lambda line: (slice(None), line[0] > 9), lambda line: 2.0),
    ]
    compare(functions, SIZES, AXES)


OLD = pytest.mark.skipif(torch.__version__.startswith("1."), reason="its kernels have two rules for twice the length")


@pytest.mark.parametrize(
    "mode, corners",
    [pytest.param("nearest", None, marks=OLD), ("bilinear", False), ("bicubic", False), ("bicubic", True)],
)
def test_resizing_by_factors_that_follow_the_size(mode, corners):
    """As positions of a grid are in https://github.com/facebookresearch/dino/issues/168."""
    grids = [torch.randn(1, 2, side, side) for side in (2, 3, 4)]

    def positions(maps):
        # a tenth more than whole, as in DINO, so that no rounding decides of a row
        factors = [[(length + 0.1) / grid.shape[2] for length in maps.shape[2:]] for grid in grids]
        resized = [
            functional.interpolate(grid, scale_factor=tuple(pair), mode=mode, align_corners=corners)
            for grid, pair in zip(grids, factors)
        ]
        return torch.cat(resized, 1)

    compare([positions], [*SIZES, (1, 3, 4, 8), (1, 3, 3, 6), (1, 3, 2, 1)], AXES, atol=1e-5)


class Weighted(nn.Module):
    """Has a weight for each column, or a matrix of theirs."""

    def __init__(self, *shape):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(*shape))

    def forward(self, maps):
        return functional.linear(maps, self.weight) if self.weight.dim() == 2 else maps * self.weight


def test_layers_with_a_norm_of_their_weights():
    """As of https://github.com/pytorch/pytorch/issues/27723 and https://github.com/pytorch/pytorch/pull/191749."""
    torch.manual_seed(0)
    functions = [
        nn.utils.weight_norm(Weighted(9)),
        nn.utils.weight_norm(Weighted(5, 9), dim=1),
        nn.utils.spectral_norm(Weighted(5, 9)),
        nn.utils.parametrizations.spectral_norm(Weighted(5, 9)),
    ]
    functions = [module.eval().requires_grad_(False) for module in functions]
    functions.append(lambda maps: torch.vdot(maps[0, 0, 0], maps[0, 1, 0]))
    compare(functions, [(2, 3, 6, 9), (1, 3, 4, 9)], {0: "batch", 2: "height"}, atol=1e-5)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("masked, groups", [(True, 1), (False, 1), (True, 3), (False, 3)])
def test_torchvisions_deformable_convolutions(masked, groups, bias):
    """As of https://github.com/pytorch/pytorch/issues/68910."""
    torch.manual_seed(0)
    conv = torchvision.ops.DeformConv2d(3, 6, (3, 2), padding=(1, 0), groups=groups, bias=bias).requires_grad_(False)
    moves, mask = (nn.Conv2d(3, count * groups, (3, 2), padding=(1, 0)).requires_grad_(False) for count in (12, 6))

    def convolve(maps):
        return conv(maps, moves(maps) * 2, mask(maps).sigmoid() if masked else None)

    compare([convolve], SIZES, AXES, atol=1e-5)


class CoordinateAttention(nn.Module):
    """Weights for each row and column, from means of both in one row of places."""

    def __init__(self, pool):
        super().__init__()
        self.rows, self.columns = pool((None, 1)), pool((1, None))
        self.mix = nn.Conv2d(3, 3, 1)

    def forward(self, maps):
        height, width = maps.shape[2:]
        line = self.mix(torch.cat([self.rows(maps), self.columns(maps).permute(0, 1, 3, 2)], 2)).sigmoid()
        rows, columns = torch.split(line, [height, width], dim=2)
        return maps * rows * columns.permute(0, 1, 3, 2)


@pytest.mark.parametrize("pool", [nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d])
def test_coordinate_attention(pool):
    compare([CoordinateAttention(pool).eval().requires_grad_(False)], SIZES, AXES, atol=1e-6)


def test_splits_by_sizes_of_the_input():
    functions = [
        lambda maps: torch.split(torch.cat([maps, maps * 2], 2), [maps.shape[2], maps.shape[2]], 2)[1],
        lambda maps: torch.cat([maps, maps[..., :3]], 3).split([3, maps.size(3)], dim=-1)[1],
        lambda maps: torch.split(maps.flatten(1), [maps.shape[2] * maps.shape[3]] * 3, 1)[2],
    ]
    compare(functions, SIZES, AXES)


def test_windows_of_maps_of_any_size():
    functions = [
        nn.Unfold(3, padding=1),
        nn.Unfold((2, 3), stride=2),
        nn.Unfold(2, dilation=2, padding=(1, 2), stride=(2, 1)),
        lambda maps: functional.unfold(maps, 3, padding=1).view(maps.shape[0], 3, 9, *maps.shape[2:]),
    ]
    compare(functions, SIZES, AXES)


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


def test_angles_of_vectors_of_all_kinds():
    """On the axes and of nothing too: rounded, a tenth of the values are zeros."""

    def angles(maps):
        x, y = ((value * 1.5).round() + 0.0 for value in (maps, maps.flip(1)))  # no zeros with a sign
        return torch.cat([torch.atan2(y, x), y.atan2(x), torch.atan2(y, x[:, :1]), torch.atan2(maps, x)], 1)

    given = torch.randn(2, 3, *SIZES[0], generator=torch.Generator().manual_seed(0))
    nothing = ((given * 1.5).round() == 0) & ((given.flip(1) * 1.5).round() == 0)
    assert nothing.any() and angles(given).max() == torch.tensor(math.pi)  # it is tried, and so is the left
    compare([angles], SIZES, AXES, atol=1e-6)


class Checkpointed(nn.Module):
    """Layers that are computed twice in a training, to save memory; asked so at inference, too."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 3, 1)

    def forward(self, maps):
        once = checkpoint(self.first, maps, use_reentrant=True)
        again = torch.utils.checkpoint.checkpoint(lambda one, scale: self.second(one) * scale, once, 2.0)
        functions = [self.first, nn.ReLU(), self.second]
        rows = [checkpoint_sequential(kind, 2, again) for kind in (functions, nn.Sequential(*functions))]
        return torch.cat(rows, 1)


def test_what_a_training_would_compute_twice():
    """Its weights have to be the module's own: of others the tracer makes no call of Python code."""
    torch.manual_seed(0)
    module, context = Checkpointed(), ExportContext(dynamic_size=True)
    given, names = torch.randn(*SIZES[0]), {"input_names": ["maps"], "dynamic_axes": {"maps": AXES}}
    session = Session(lower(exported(module, (given,), context, **names)))
    for size in SIZES:
        maps = torch.randn(*size)
        (found,) = session.run({"maps": maps.numpy()}).values()
        np.testing.assert_allclose(found, module(maps).detach().numpy(), atol=1e-5)


def same_padding(maps, kernel=3, stride=2):
    """As TensorFlow pads: strides cover the map."""
    pads = []
    for size in maps.shape[2:]:
        extra = (math.ceil(size / stride) - 1) * stride - size + kernel
        pads = [extra // 2, extra - extra // 2, *pads]
    return functional.max_pool2d(functional.pad(maps, pads), kernel, stride)


def test_numbers_that_python_rounds_stay_in_the_trace():
    functions = [
        same_padding,
        lambda maps: maps[:, :, : math.floor(maps.shape[2] / 3 + 1)],
        lambda maps: functional.interpolate(maps, (math.ceil(maps.shape[2] * 0.5), math.floor(maps.size(3) * 1.5))),
        lambda maps: maps * math.ceil(maps.shape[3]) + math.ceil(2.5),
        lambda maps: maps - math.floor(-maps.shape[2] / 4),
    ]
    compare(functions, SIZES, AXES)


def test_numbers_that_python_rounds_are_constants_of_one_size():
    windows = [lambda maps: functional.avg_pool2d(maps, math.ceil(maps.shape[2] / 4), math.ceil(maps.shape[3] / 4))]
    compare(windows, [(2, 3, 6, 9), (1, 3, 6, 9)], {0: "batch"}, atol=1e-6)
