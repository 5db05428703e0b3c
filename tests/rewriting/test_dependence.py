"""What values of a trace depend on, where they are made of one another over and over."""

import torch
from torch import nn

import mmonnx
from mmonnx.rewriting.leaks.dependence import Dependence, union
from mmonnx.runtime.session import Session


def test_a_size_is_kept_once():
    one, other = Dependence(sizes=(3, 4)), Dependence(data=True, sizes=(4, 5))
    assert union([one, other, one]) == Dependence(data=True, sizes=(3, 4, 5))


class Writes(nn.Module):
    """A mask of regions as Swin's, each part of which is written by its own."""

    def forward(self, x):
        mask = x.new_zeros(x.shape)
        for turn in range(40):
            mask[..., : x.shape[-1] // 2] = mask[..., : x.shape[-1] // 2] + turn * x.shape[-1]
        rows, _ = mask.unbind(1)
        return x + rows[:, None]


def test_what_is_written_again_and_again_takes_no_time(tmp_path):
    """Each write doubled what was known of the mask: 2 ** 40 sizes."""
    path, axes = str(tmp_path / "x.onnx"), {"x": {0: "batch", 2: "width"}}
    module = Writes()
    assert mmonnx.export(module, torch.randn(1, 2, 6), path, input_names=["x"], dynamic_axes=axes, verify=True).ok
    x = torch.randn(3, 2, 9)
    (found,) = Session(path).run({"x": x.numpy()}).values()
    torch.testing.assert_close(torch.from_numpy(found), module(x))
