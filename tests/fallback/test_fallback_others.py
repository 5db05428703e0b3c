"""Focal losses, CARAFE, masked convolution, deformable attention, PSA masks and corner pooling.

mmcv has no CPU kernels for most of these: they are held against definitions written otherwise.
"""

import itertools

import pytest
import torch
import torch.nn.functional as F
from kernels import both, compiled, needs_compiled, ours, randn

from mmonnx import fallback


def sigmoid_loss(input, target, gamma, alpha):
    """By way of the binary cross entropy."""
    positive = F.one_hot(target.clamp(max=input.shape[1]), input.shape[1] + 1)[:, : input.shape[1]].to(input)
    entropy = F.binary_cross_entropy_with_logits(input, positive, reduction="none")
    share = positive * alpha + (1 - positive) * (1 - alpha)
    return share * (1 - torch.exp(-entropy)) ** gamma * entropy


def softmax_loss(input, target, gamma, alpha):
    entropy = F.cross_entropy(input, target, reduction="none")
    return alpha * (1 - torch.exp(-entropy)) ** gamma * entropy


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("gamma, alpha", [(2.0, 0.25), (1.5, 0.6)])
def test_sigmoid_focal_loss(gamma, alpha, weighted):
    input = (randn(9, 4, seed=0) * 3).double().requires_grad_()
    target = torch.tensor([0, 1, 2, 3, 4, 4, 0, 2, 1])  # 4: the background
    weight = torch.tensor([0.5, 2, 3, 4]).double() if weighted else input.new_empty(0)
    expected = sigmoid_loss(input, target, gamma, alpha)
    if weighted:
        expected = expected * torch.tensor([0.5, 2, 3, 4, 1, 1, 0.5, 3, 2])[:, None]
    output, grad = torch.zeros(9, 4).double(), torch.zeros(9, 4).double()
    ours().sigmoid_focal_loss_forward(input, target, weight, output, gamma=gamma, alpha=alpha)
    ours().sigmoid_focal_loss_backward(input, target, weight, grad, gamma=gamma, alpha=alpha)
    assert torch.allclose(output, expected.detach(), atol=1e-9)
    assert torch.allclose(grad, torch.autograd.grad(expected.sum(), input)[0], atol=1e-9)


def test_focal_losses_stay_finite():
    input, target, empty = torch.tensor([[200.0, -200.0]]), torch.tensor([1]), torch.empty(0)
    for name, start in (("sigmoid", input), ("softmax", input.softmax(1))):
        shape = (1, 2) if name == "sigmoid" else (1,)
        output, grad, buffer = torch.zeros(shape), torch.zeros(1, 2), [torch.zeros(1)] * (name == "softmax")
        getattr(ours(), f"{name}_focal_loss_forward")(start, target, empty, output, gamma=2.0, alpha=0.25)
        getattr(ours(), f"{name}_focal_loss_backward")(start, target, empty, *buffer, grad, gamma=2.0, alpha=0.25)
        assert torch.isfinite(output).all()
        assert torch.isfinite(grad).all()
        assert output.max() > 1


@pytest.mark.parametrize("weighted", [False, True])
def test_softmax_focal_loss(weighted):
    input = randn(7, 4, seed=1).double().requires_grad_()
    target = torch.tensor([0, 1, 2, 3, 3, 0, -1])  # -1: to be ignored
    weight = torch.tensor([0.5, 2, 3, 4]).double() if weighted else input.new_empty(0)
    expected = softmax_loss(input[:6], target[:6], 2.0, 0.25)
    if weighted:
        expected = expected * weight[target[:6]]
    output, buffer, grad = torch.ones(7).double(), torch.zeros(7).double(), torch.ones(7, 4).double()
    softmax = input.detach().softmax(1)
    ours().softmax_focal_loss_forward(softmax, target, weight, output, gamma=2.0, alpha=0.25)
    ours().softmax_focal_loss_backward(softmax, target, weight, buffer, grad, gamma=2.0, alpha=0.25)
    assert torch.allclose(output[:6], expected.detach(), atol=1e-9)
    assert output[6] == 0
    assert torch.allclose(grad, torch.autograd.grad(expected.sum(), input)[0], atol=1e-9)


def reassemble(features, masks, kernel, groups, scale):
    """By unfolding the windows, as opposed to shifting the map."""
    batch, channels, height, width = features.shape
    windows = F.unfold(features, kernel, padding=kernel // 2).view(batch, channels * kernel**2, height, width)
    windows = F.interpolate(windows, scale_factor=scale, mode="nearest")
    windows = windows.view(batch, groups, channels // groups, kernel**2, height * scale, width * scale)
    return (windows * masks.view(batch, groups, 1, kernel**2, height * scale, width * scale)).sum(3).flatten(1, 2)


@pytest.mark.parametrize("naive", [False, True])
@pytest.mark.parametrize("kernel, groups, scale", [(3, 1, 2), (5, 2, 2), (1, 3, 1), (3, 2, 3)])
def test_carafe(kernel, groups, scale, naive):
    features = randn(2, 6, 4, 5, seed=2).double().requires_grad_()
    masks = randn(2, groups * kernel**2, 4 * scale, 5 * scale, seed=3).double().requires_grad_()
    expected = reassemble(features, masks, kernel, groups, scale)
    top = randn(*expected.shape, seed=4).double()
    attributes = dict(kernel_size=kernel, group_size=groups, scale_factor=scale)
    output, grads = torch.zeros_like(expected), [torch.zeros_like(features), torch.zeros_like(masks)]
    if naive:
        ours().carafe_naive_forward(features, masks, output, **attributes)
        ours().carafe_naive_backward(top, features, masks, *grads, **attributes)
    else:
        kept, unused = torch.zeros_like(features), [torch.zeros_like(output), torch.zeros_like(masks)]
        ours().carafe_forward(features, masks, kept, *unused, output, **attributes)
        unused = [torch.zeros_like(top), torch.zeros_like(top), torch.zeros_like(kept), torch.zeros_like(masks)]
        ours().carafe_backward(top, kept, masks, *unused, *grads, **attributes)
    assert torch.allclose(output, expected.detach(), atol=1e-9)
    for one, two in zip(grads, torch.autograd.grad(expected, (features, masks), top)):
        assert torch.allclose(one, two, atol=1e-9)


@pytest.mark.parametrize("share", [0.0, 0.4, 1.0])
@pytest.mark.parametrize("kernel, padding", [((3, 3), (1, 1)), ((1, 3), (0, 1)), ((1, 1), (0, 0))])
def test_masked_convolution_computes_only_what_the_mask_wants(kernel, padding, share):
    image, weight = randn(1, 3, 6, 7, seed=5), randn(4, 3, *kernel, seed=6)
    mask = torch.rand((6, 7), generator=torch.Generator().manual_seed(7)) < share
    rows, columns = mask.nonzero(as_tuple=False).t().contiguous()
    col = torch.full((3 * kernel[0] * kernel[1], len(rows)), 9.0)
    sizes = dict(kernel_h=kernel[0], kernel_w=kernel[1], pad_h=padding[0], pad_w=padding[1])
    ours().masked_im2col_forward(image, rows, columns, col, **sizes)
    output = torch.zeros(1, 4, 6, 7)
    result = weight.flatten(1) @ col
    ours().masked_col2im_forward(result, rows, columns, output, height=6, width=7, channels=4)
    expected = F.conv2d(image, weight, padding=padding) * mask
    assert torch.allclose(output, expected, atol=1e-5)


def test_deformable_attention_is_mmcvs_own_python_form():
    fallback.ensure()
    from mmcv.ops.multi_scale_deform_attn import multi_scale_deformable_attn_pytorch

    shapes = torch.tensor([[5, 7], [3, 4], [1, 2]])
    value = randn(2, 49, 3, 4, seed=8).double().requires_grad_()
    places = (randn(2, 6, 3, 3, 2, 2, seed=9).double() * 0.6 + 0.5).requires_grad_()  # some outside
    weights = randn(2, 6, 3, 3, 2, seed=10).double().requires_grad_()
    expected = multi_scale_deformable_attn_pytorch(value, shapes, places, weights)
    start = torch.tensor([0, 35, 47])
    given = (value, shapes, start, places, weights)
    assert torch.allclose(ours().ms_deform_attn_forward(*given, im2col_step=64), expected.detach(), atol=1e-9)
    grad = randn(*expected.shape, seed=11).double()
    grads = [torch.zeros_like(tensor) for tensor in (value, places, weights)]
    ours().ms_deform_attn_backward(*given, grad, *grads, im2col_step=64)
    for one, two in zip(grads, torch.autograd.grad(expected, (value, places, weights), grad)):
        assert torch.allclose(one, two, atol=1e-9)


def psa(ext, input, psa_type, mask, backward=None):
    batch, _, height, width = input.shape
    sizes = dict(zip(("h_feature", "w_feature", "h_mask", "w_mask"), (height, width, *mask)))
    sizes.update(psa_type=psa_type, num_=batch, half_h_mask=(mask[0] - 1) // 2, half_w_mask=(mask[1] - 1) // 2)
    if backward is not None:
        grad = torch.zeros_like(input)
        ext.psamask_backward(backward, grad, **sizes)
        return grad
    output = input.new_zeros((batch, height * width, height, width))
    ext.psamask_forward(input, output, **sizes)
    return output


@pytest.mark.parametrize("ext", both())
@pytest.mark.parametrize("mask", [(3, 5), (7, 7), (1, 1)])
def test_psa_masks_reach_the_positions_around(ext, mask):
    input = randn(2, mask[0] * mask[1], 3, 4, seed=12)
    collect, distribute = (psa(ext, input, kind, mask) for kind in (0, 1))
    for n, y, x, other_y, other_x in itertools.product(range(2), range(3), range(4), range(3), range(4)):
        i, j = other_y - y + (mask[0] - 1) // 2, other_x - x + (mask[1] - 1) // 2
        known = 0 <= i < mask[0] and 0 <= j < mask[1]
        expected = input[n, i * mask[1] + j, y, x] if known else 0
        assert collect[n, other_y * 4 + other_x, y, x] == expected
        assert distribute[n, y * 4 + x, other_y, other_x] == expected


@pytest.mark.parametrize("psa_type", [0, 1])
def test_psa_gradient_is_the_transpose(psa_type):
    input = randn(2, 15, 3, 4, seed=13)
    output = psa(ours(), input, psa_type, (3, 5))
    grad = randn(*output.shape, seed=14)
    gradient = psa(ours(), input, psa_type, (3, 5), grad)
    assert (output * grad).sum().item() == pytest.approx((input * gradient).sum().item(), abs=1e-4)


@needs_compiled
@pytest.mark.parametrize("psa_type", [0, 1])
@pytest.mark.parametrize("mask", [(3, 5), (7, 7), (2, 4)])
def test_psa_mask_is_the_compiled_one(mask, psa_type):
    input = randn(2, mask[0] * mask[1], 3, 4, seed=15)
    one, two = (psa(ext, input, psa_type, mask) for ext in (ours(), compiled()))
    assert torch.equal(one, two)
    grad = randn(*one.shape, seed=16)
    one, two = (psa(ext, input, psa_type, mask, grad) for ext in (ours(), compiled()))
    assert (one - two).abs().max() <= 1e-5


@pytest.mark.parametrize("name, axis, reverse", [("top", 2, 1), ("bottom", 2, 0), ("left", 3, 1), ("right", 3, 0)])
def test_corner_pooling(name, axis, reverse):
    input = randn(2, 2, 4, 5, seed=17).double().requires_grad_()
    output = getattr(ours(), f"{name}_pool_forward")(input)
    size = input.shape[axis]
    spans = [range(i, size) if reverse else range(i + 1) for i in range(size)]
    expected = torch.stack([input.index_select(axis, torch.tensor(list(span))).amax(axis) for span in spans], axis)
    assert torch.equal(output, expected.detach())
    grad = randn(*output.shape, seed=18).double()
    gradient = getattr(ours(), f"{name}_pool_backward")(input, grad)
    assert torch.allclose(gradient, torch.autograd.grad(expected, input, grad)[0], atol=1e-9)
