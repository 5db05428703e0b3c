"""Windows that slide over a picture, against mmseg's own loop over them."""

import types

import numpy as np
import pytest
import torch
from models import exported
from torch import nn

from mmonnx import fallback
from mmonnx.rewriting.rewrites.sliding import slide
from mmonnx.runtime.session import Session

mmseg = pytest.importorskip("mmseg", reason="mmsegmentation is not installed (requirements/members.txt)")
SIZES = [(32, 48), (33, 47), (40, 40), (80, 48), (81, 113), (20, 100), (20, 30), (150, 61)]
WINDOWS = [((32, 48), (20, 30)), ((40, 40), (10, 13)), ((24, 24), (24, 24)), ((37, 29), (11, 28))]


def network():
    """One whose answer for a pixel depends on where it is in its window."""
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 5, 5, padding=2), nn.Tanh(), nn.Conv2d(5, 4, 3, padding=1))


def upstream(net, image, window, stride):
    fallback.ensure()
    from mmseg.models.segmentors import EncoderDecoder

    settings = types.SimpleNamespace(crop_size=window, stride=stride)
    model = types.SimpleNamespace(test_cfg=settings, out_channels=4, encode_decode=lambda crop, meta: net(crop))
    with torch.no_grad():
        return EncoderDecoder.slide_inference(model, image, None, False)


@pytest.mark.parametrize("window,stride", WINDOWS)
@pytest.mark.parametrize("size", SIZES)
def test_it_gives_what_the_loop_gives(size, window, stride):
    net, image = network(), torch.rand(2, 3, *size)
    with torch.no_grad():
        found = slide(image, window, stride, net)
    torch.testing.assert_close(found, upstream(net, image, window, stride), atol=2e-6, rtol=0)


class Sliding(nn.Module):
    def __init__(self, window, stride):
        super().__init__()
        self.net, self.window, self.stride = network(), window, stride

    def forward(self, image):
        return slide(image, self.window, self.stride, self.net)


@pytest.mark.parametrize("window,stride", WINDOWS)
@pytest.mark.parametrize("traced", [(20, 30), (81, 113)])
def test_a_file_traced_at_one_size_slides_over_any(traced, window, stride):
    """Neither the number of windows nor where they begin is of the trace: it may have had a single one."""
    module = Sliding(window, stride).eval()
    axes = {"image": {0: "n", 2: "h", 3: "w"}}
    model = exported(module, torch.rand(1, 3, *traced), input_names=["image"], output_names=["out"], dynamic_axes=axes)
    session = Session(model)
    for size in SIZES:
        image = torch.rand(2, 3, *size)
        (found,) = session.run({"image": image.numpy()}).values()
        np.testing.assert_allclose(found, upstream(module.net, image, window, stride).numpy(), atol=3e-6)
