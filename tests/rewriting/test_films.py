"""What moves along the time in models of films, against upstream's own modules and against plain loops."""

import pytest
import torch

from mmonnx.fallback.tin_shift import tin_shift_backward, tin_shift_forward
from mmonnx.rewriting.rewrites import ExportContext, rewriting


def shifted(input, shift):
    """Group by group and frame by frame."""
    expected, size = torch.zeros_like(input), input.shape[2] // shift.shape[1]
    for film in range(len(input)):
        for group in range(shift.shape[1]):
            channels = slice(group * size, (group + 1) * size)
            for frame in range(input.shape[1]):
                place = frame + int(shift[film, group])
                if 0 <= place < input.shape[1]:
                    expected[film, place, channels] = input[film, frame, channels]
    return expected


def test_groups_of_channels_move_by_whole_frames():
    input, shift = (
        torch.randn(3, 5, 8, 6),
        torch.tensor([[0, 1, -2, 4], [5, -5, 3, -1], [-9, 9, 2, 0]], dtype=torch.int32),
    )
    output = torch.empty_like(input)
    tin_shift_forward(input, shift, output)
    torch.testing.assert_close(output, shifted(input, shift))


def test_their_gradient_moves_back():
    input, shift = torch.randn(2, 5, 4, 3, requires_grad=True), torch.tensor([[1, -3], [0, 4]], dtype=torch.int32)
    grad, found = torch.randn(2, 5, 4, 3), torch.empty(2, 5, 4, 3)
    shifted(input, shift).backward(grad)
    tin_shift_backward(grad, shift, found)
    torch.testing.assert_close(found, input.grad)


def same(module, *input):
    with torch.no_grad():
        expected = module(*input)
        with rewriting(ExportContext()):
            found = module(*input)
    assert expected.std() > 1e-3
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)


@pytest.mark.once
@pytest.mark.parametrize("bias", [-3.0, 0.5, 3.0])
def test_interlacing_is_upstreams(bias):
    pytest.importorskip("recognizers")
    from mmaction.models.backbones.resnet_tin import TemporalInterlace

    torch.manual_seed(0)
    module = TemporalInterlace(32, num_segments=5, shift_div=2).eval()
    torch.nn.init.constant_(module.offset_net.fc2.bias, bias)  # by how many frames it moves them
    same(module, torch.randn(10, 32, 3, 4))


@pytest.mark.once
@pytest.mark.parametrize("options", [{}, {"adaptive_kernel_size": 5, "adaptive_convolution_padding": 2}])
def test_adaptive_aggregation_is_upstreams(options):
    pytest.importorskip("recognizers")
    from mmaction.models.common.tam import TAM

    torch.manual_seed(0)
    same(TAM(8, 6, **options).eval(), torch.randn(12, 8, 3, 5))


@pytest.mark.once
@pytest.mark.parametrize("shape,options", [((6, 8, 3, 4), {"num_segs": 3}), ((2, 8, 3, 3, 4), {"fcn_test": True})])
def test_the_head_of_tpn_is_upstreams(shape, options):
    pytest.importorskip("recognizers")
    from mmaction.models.heads.tpn_head import TPNHead

    torch.manual_seed(0)
    module, input = TPNHead(num_classes=5, in_channels=8, spatial_type="avg").eval(), torch.randn(shape)
    with torch.no_grad():
        with rewriting(ExportContext()):
            found = module(input, **options)
        torch.testing.assert_close(found, module(input, **options), atol=1e-5, rtol=1e-4)
