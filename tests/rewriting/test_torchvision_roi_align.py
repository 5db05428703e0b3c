"""torchvision's RoIAlign in a plain model: aligned places, thin regions, boxes of each image, at old and new opsets."""

import numpy as np
import pytest
import torch
import torchvision
from torch import nn

import mmonnx
from mmonnx.runtime.session import Session

AXES = {"maps": {2: "height", 3: "width"}, "one": {0: "of_one"}, "two": {0: "of_two"}}


class Pooled(nn.Module):
    def __init__(self, size, scale, ratio, aligned):
        super().__init__()
        self.settings = size, scale, ratio, aligned

    def forward(self, maps, one, two):
        # whatever the numbers: PyTorch takes all memory for one that is wider than less than nothing
        each = [torch.cat([torch.min(x[:, :2], x[:, 2:]), torch.max(x[:, :2], x[:, 2:])], 1) for x in (one, two)]
        return torchvision.ops.roi_align(maps, each, *self.settings)


def boxes(count, seed):
    """Corners of boxes of all sizes, of which some are thinner than a cell and some reach out of the map."""
    rng = np.random.RandomState(seed)
    start, sides = rng.uniform(-6, 50, (count, 2)), rng.uniform(1, 40, (count, 2))
    sides[::3] *= 0.02
    return torch.tensor(np.concatenate([start, start + sides], 1), dtype=torch.float32)


@pytest.mark.parametrize("opset", [11, 16])
@pytest.mark.parametrize("aligned, ratio", [(True, 2), (True, -1), (False, 2)])
def test_it_pools_as_torchvision(tmp_path, opset, aligned, ratio):
    module, path = Pooled((3, 2), 0.5, ratio, aligned).eval(), str(tmp_path / "x.onnx")
    torch.manual_seed(0)
    sample = torch.randn(2, 4, 24, 32), boxes(6, 0), boxes(5, 1)
    mmonnx.export(module, sample, path, input_names=list(AXES), dynamic_axes=AXES, opset=opset, verify=True)
    other = torch.randn(2, 4, 20, 40), boxes(9, 2), boxes(12, 3)
    (found,) = Session(path).run({name: value.numpy() for name, value in zip(AXES, other)}).values()
    np.testing.assert_allclose(found, module(*other).numpy(), atol=1e-5)
