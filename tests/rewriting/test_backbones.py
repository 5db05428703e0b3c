"""Each stand-in for parts of transformers and for padding, in eager mode, against the function that it stands for."""

import importlib

import numpy as np
import pytest
import torch
from models import exported

from mmonnx import fallback
from mmonnx.rewriting.lowering import lower
from mmonnx.rewriting.rewrites import ExportContext, rewriting
from mmonnx.runtime.session import Session

fallback.ensure()
importlib.import_module("mmdet.models")
importlib.import_module("mmcls.models")


def traced(*sizes):
    """Sizes as they are while tracing."""
    return tuple(torch.tensor(size) for size in sizes)


def both(function, *arguments):
    """What upstream's function gives, and what its stand-in does."""
    with torch.no_grad():
        expected = function(*arguments)
        with rewriting(ExportContext()):
            return expected, function(*arguments)


def randomized(module):
    generator = torch.Generator().manual_seed(0)
    for parameter in module.parameters():
        parameter.data = torch.randn(parameter.shape, generator=generator) * 0.3
    return module.eval()


@pytest.mark.parametrize("size", [(14, 14), (7, 7), (7, 9), (10, 15), (21, 8)])
@pytest.mark.parametrize("shift", [0, 3])
@pytest.mark.parametrize("codebase,options", [("mmdet", {}), ("mmcls", {}), ("mmcls", {"pad_small_map": True})])
@pytest.mark.parametrize("batch", [1, 2])
def test_shifted_windows(size, shift, codebase, options, batch):
    path = {"mmdet": "mmdet.models.backbones.swin", "mmcls": "mmcls.models.utils.attention"}[codebase]
    module = importlib.import_module(path).ShiftWindowMSA(8, 2, 7, shift, **options)
    module = randomized(module)
    query = torch.randn(batch, size[0] * size[1], 8)
    expected, found = both(module, query, size)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
    with rewriting(ExportContext()), torch.no_grad():
        torch.testing.assert_close(module(query, traced(*size)), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("window", [(7, 7), (4, 6)])
@pytest.mark.parametrize("shift", [(0, 0), (3, 3), (2, 0)])
@pytest.mark.parametrize("name", ["ShiftedWindowAttention", "ShiftedWindowAttentionV2"])
def test_shifted_windows_of_torchvision(window, shift, name):
    swin = importlib.import_module("torchvision.models.swin_transformer")
    if not hasattr(swin, name):
        pytest.skip("torchvision does not have it yet")
    module = randomized(getattr(swin, name)(8, list(window), list(shift), 2))
    axes = {0: "batch", 1: "height", 2: "width"}
    sizes = [(14, 14), (7, 7), (4, 6), (7, 15), (10, 5), (21, 8), (1, 1)]
    for size in sizes[:2]:  # more than one window, and one alone
        given = (torch.randn(1, *size, 8),)
        model = exported(module, given, ExportContext(dynamic_size=True), input_names=["x"], dynamic_axes={"x": axes})
        session = Session(model)
        for other in sizes:
            x = torch.randn(2, *other, 8)
            (found,) = session.run({"x": x.numpy()}).values()
            with torch.no_grad():
                np.testing.assert_allclose(found, module(x).numpy(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("size", [(14, 14), (7, 9), (10, 14), (14, 10)])
def test_windows_of_twins(size):
    from mmcls.models.backbones.twins import LocallyGroupedSelfAttention

    module = randomized(LocallyGroupedSelfAttention(8, 2, qkv_bias=True, window_size=7))
    expected, found = both(module, torch.randn(2, size[0] * size[1], 8), size)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("size", [(4, 4), (3, 9), (4, 5), (13, 13)])
@pytest.mark.parametrize("extra", [0, 1, 2])
def test_position_embeddings(size, extra):
    from mmcls.models.utils import embed

    table = torch.randn(1, 16 + extra, 6)
    expected = embed.resize_pos_embed(table, (4, 4), size, "bicubic", extra)
    with rewriting(ExportContext()):
        found = embed.resize_pos_embed(table, (4, 4), traced(*size), "bicubic", extra)
        plain = embed.resize_pos_embed(table, (4, 4), size, "bicubic", extra)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(plain, expected)


@pytest.mark.parametrize("size", [(8, 8), (7, 9), (5, 16), (17, 30), (1, 1)])
@pytest.mark.parametrize("kernel,stride,dilation", [(3, 2, 1), (4, 4, 1), (5, 3, 2), (2, 4, 1)])
@pytest.mark.parametrize("padding", ["same", "corner"])
def test_adaptive_padding(size, kernel, stride, dilation, padding):
    from mmcv.cnn.bricks.transformer import AdaptivePadding
    from mmdet.models.utils.transformer import AdaptivePadding as Theirs

    x = torch.randn(2, 3, *size)
    for kind in (AdaptivePadding, Theirs):
        expected, found = both(kind(kernel, stride, dilation, padding), x)
        torch.testing.assert_close(found, expected, rtol=0, atol=0)


@pytest.mark.parametrize("size", [(8, 8), (7, 9), (5, 16)])
def test_a_convolution_with_the_padding_of_tensorflow(size):
    from mmcv.cnn.bricks import Conv2dAdaptivePadding

    expected, found = both(Conv2dAdaptivePadding(3, 4, 3, 2), torch.randn(2, 3, *size))
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("q_shape,k_shape", [((8, 8), (4, 4)), ((7, 10), (4, 5)), ((3, 5), (6, 9)), ((10, 7), (3, 7))])
def test_relative_positions_of_mvit(q_shape, k_shape):
    from mmcls.models.backbones import mvit

    q = torch.randn(2, 3, q_shape[0] * q_shape[1], 6)
    attention = torch.randn(2, 3, q_shape[0] * q_shape[1], k_shape[0] * k_shape[1])
    tables = torch.randn(11, 6), torch.randn(15, 6)
    expected = mvit.add_decomposed_rel_pos(attention.clone(), q, q_shape, k_shape, *tables)
    with rewriting(ExportContext()):
        found = mvit.add_decomposed_rel_pos(attention, q, traced(*q_shape), traced(*k_shape), *tables)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    "equation,one,other",
    [
        ("bqc,bchw->bqhw", (2, 3, 4), (2, 4, 5, 6)),
        ("byhwc,hkc->byhwk", (2, 3, 4, 5, 6), (4, 7, 6)),
        ("bqc,nc->bqn", (2, 3, 4), (5, 4)),
        ("ij,jk->ki", (2, 3), (3, 4)),
        ("ab,ab->a", (2, 3), (2, 3)),
        ("abx,ac->bc", (2, 3, 5), (2, 4)),
        ("a,b->ba", (2,), (3,)),
        ("...a,a->...", (2, 3), (3,)),
        ("aab,b->a", (2, 2, 3), (3,)),
    ],
)
def test_einsum(equation, one, other):
    one, other = torch.randn(one), torch.randn(other)
    expected, found = both(lambda: torch.einsum(equation, one, other))
    torch.testing.assert_close(found, expected)
    with rewriting(ExportContext()):
        torch.testing.assert_close(torch.einsum(equation, [one, other]), expected)


@pytest.mark.parametrize("size", [(14, 14), (7, 9), (8, 5), (1, 1), (2, 6), (14, 15)])
@pytest.mark.parametrize("dynamic", [False, True])
def test_filters_in_the_frequency_domain(size, dynamic):
    hornet = pytest.importorskip("mmcls.models.backbones.hornet")
    module, maps = randomized(hornet.GlobalLocalFilter(8, h=14, w=8)), torch.randn(2, 8, *size)
    with torch.no_grad():
        expected = module(maps)
        with rewriting(ExportContext(dynamic_size=dynamic)):
            torch.testing.assert_close(module(maps), expected, rtol=1e-4, atol=1e-4)


def test_filters_in_a_file_at_sizes_that_the_trace_has_not_seen():
    hornet = pytest.importorskip("mmcls.models.backbones.hornet")
    module = randomized(hornet.GlobalLocalFilter(8, h=14, w=8))
    axes = {"x": {0: "batch", 2: "height", 3: "width"}}
    context = ExportContext(dynamic_size=True)
    model = exported(module, (torch.randn(1, 8, 14, 14),), context, input_names=["x"], dynamic_axes=axes)
    session = Session(model)
    for shape in ((1, 8, 14, 14), (2, 8, 10, 7), (3, 8, 5, 16)):
        maps = torch.randn(*shape)
        (found,) = session.run({"x": maps.numpy()}).values()
        np.testing.assert_allclose(found, module(maps).detach().numpy(), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("stride", [1, 2])
def test_deformable_convolution_of_maps_that_are_smaller_than_its_kernel(stride):
    from mmcv.ops import DeformConv2d

    class Layer(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.offset = torch.nn.Conv2d(4, 18, 3, stride, 1)
            self.conv = DeformConv2d(4, 6, 3, stride=stride, padding=1)

        def forward(self, x):
            return self.conv(x, self.offset(x))

    module = randomized(Layer())
    axes = {0: "batch", 2: "height", 3: "width"}
    sizes = [(2, 2), (2, 5), (6, 7), (3, 2), (1, 1)]
    if stride > 1:
        sizes.remove((1, 1))  # upstream pads the offsets by as much as the map, which is too much then
    for size in sizes[:3]:
        given, context = (torch.randn(1, 4, *size),), ExportContext(dynamic_size=True)
        with torch.no_grad():
            model = exported(module, given, context, input_names=["x"], dynamic_axes={"x": axes})
        session = Session(lower(model))
        for other in sizes:
            x = torch.randn(2, 4, *other)
            (found,) = session.run({"x": x.numpy()}).values()
            with torch.no_grad():
                np.testing.assert_allclose(found, module(x).numpy(), rtol=1e-4, atol=1e-4)
