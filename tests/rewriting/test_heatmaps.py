"""Decoding of heat maps: tensors against mmpose's own numpy, with peaks, noise, nothing, and on the border."""

import numpy as np
import pytest
import torch

pytest.importorskip("poses")

import cv2
from mmpose.core.evaluation import top_down_eval

from mmonnx.rewriting.rewrites import REGISTRY, ExportContext
from mmonnx.rewriting.rewrites.heatmaps import blurred

pytestmark = [
    pytest.mark.once,  # mmpose is on the default stack alone
    pytest.mark.filterwarnings("ignore:.*deprecated"),
]
PATH = "mmpose.core.evaluation.top_down_eval."
SIZE = (40, 31)


def maps(kind, count=3, points=6):
    random = np.random.RandomState(0)
    found = random.randn(count, points, *SIZE).astype(np.float32)
    rows, columns = np.mgrid[: SIZE[0], : SIZE[1]]
    for person in found:
        for number, one in enumerate(person):
            if kind == "smooth":
                one[:] = cv2.GaussianBlur(one, (9, 9), 0)
            elif kind == "peaks":
                x, y = random.uniform(-1, SIZE[1]), random.uniform(-1, SIZE[0])
                one[:] = np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / 8)
            if kind != "noise" and number == 1:
                one[:] = -np.abs(one) - 0.1  # no heat at all
    return found


@pytest.mark.parametrize("kind", ["noise", "smooth", "peaks"])
@pytest.mark.parametrize(
    "how",
    [
        {"post_process": None},
        {"post_process": False},
        {},
        {"post_process": True, "unbiased": True},
        {"post_process": "unbiased", "kernel": 17},
        {"unbiased": True},
        {"post_process": "megvii", "kernel": 5},
        {"use_udp": True},
        {"use_udp": True, "kernel": 3},
        {"use_udp": True, "target_type": "CombinedTarget"},
    ],
    ids=str,
)
def test_key_points_of_heat_maps(kind, how):
    random, heats = np.random.RandomState(1), maps(kind)
    center, scale = (random.rand(3, 2) * 100).astype(np.float32), (random.rand(3, 2) + 0.5).astype(np.float32)
    with np.errstate(all="ignore"):
        expected = top_down_eval.keypoints_from_heatmaps(heats, center, scale, **how)
    tensors = (torch.from_numpy(value) for value in (heats, center, scale))
    places, scores = REGISTRY[PATH + "keypoints_from_heatmaps"].function(ExportContext(), None, *tensors, **how)
    # what is divided by next to nothing on noise moves further than the rest
    np.testing.assert_allclose(places.numpy(), expected[0], atol=0.02 if kind == "noise" else 1e-3)
    np.testing.assert_allclose(scores.numpy(), expected[1], atol=1e-6)


def test_key_points_of_regression():
    random = np.random.RandomState(0)
    shares, center = random.rand(2, 5, 2).astype(np.float32), (random.rand(2, 2) * 100).astype(np.float32)
    scale = (random.rand(2, 2) + 0.5).astype(np.float32)
    expected = top_down_eval.keypoints_from_regression(shares.copy(), center, scale, [48, 64])
    tensors = (torch.from_numpy(value) for value in (shares, center, scale))
    found = REGISTRY[PATH + "keypoints_from_regression"].function(ExportContext(), None, *tensors, [48, 64])
    for ours, theirs in zip(found, expected):
        np.testing.assert_allclose(ours.numpy(), theirs, atol=1e-4)


@pytest.mark.parametrize("size", [(9, 7), (16, 3), (4, 1)])
@pytest.mark.parametrize("kernel", [3, 7, 11, 35])
def test_a_blur_of_maps_that_are_smaller_than_its_kernel(size, kernel):
    found = np.random.RandomState(0).rand(2, 3, *size).astype(np.float32)
    expected = [[cv2.GaussianBlur(one, (kernel, kernel), 0).reshape(size) for one in person] for person in found]
    np.testing.assert_allclose(blurred(torch.from_numpy(found), kernel, reflected=True), expected, atol=1e-6)


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("size", [(14, 14), (13, 9), (7, 10), (3, 3)])
def test_windows_of_hrformer(masked, size):
    from mmpose.models.backbones.hrformer import LocalWindowSelfAttention

    from mmonnx.rewriting import rewriting

    torch.manual_seed(0)
    attention = LocalWindowSelfAttention(16, 4, 7, with_pad_mask=masked).eval()
    x = torch.randn(2, size[0] * size[1], 16)
    with torch.no_grad():
        expected = attention(x, *size)
        with rewriting(module=attention):
            torch.testing.assert_close(attention(x, *size), expected)
