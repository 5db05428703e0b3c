"""Modules that people could not export, each with its thread: at sizes that the trace has not seen."""

import numpy as np
import pytest
import torch
import torchvision
from torch import nn
from torch.nn import functional

import mmonnx
from mmonnx.runtime.session import Session


class Module(nn.Module):
    """A module that is a function of others."""

    def __init__(self, call, **parts):
        super().__init__()
        self.call = call
        for name, part in parts.items():
            setattr(self, name, part)

    def forward(self, *inputs):
        return self.call(self, *inputs)


@torch.jit.script
def running_sums(rows: torch.Tensor, steps: torch.Tensor) -> torch.Tensor:
    found = torch.zeros_like(rows)
    for row in range(rows.size(0)):
        found[row] = rows[: row + 1].sum(0) * steps[0]
    return found


def grid(self, x):
    across = torch.arange(x.shape[3], dtype=torch.float32).view(1, 1, 1, -1) / x.shape[3]
    return x * across + torch.arange(x.shape[2], dtype=torch.float32).view(1, 1, -1, 1)


def logical(self, x):
    marks = x.clone()
    marks[marks > 0.5] = 1
    marks[marks != 1] = 0
    return marks


def both_ways(self, x):
    there, _ = self.there(x)
    back, _ = self.back(x.flip(1))
    return torch.cat([there, back.flip(1)], -1)


def shifted(self, x):
    frames, channels, height, width = x.size()
    x = x.view(frames // 4, 4, channels, height, width).permute(0, 3, 4, 2, 1)
    x = self.conv(x.contiguous().view(frames // 4 * height * width, channels, 4))
    return (
        x.view(frames // 4, height, width, channels, 4)
        .permute(0, 4, 3, 1, 2)
        .contiguous()
        .view(x.size(0) // (height * width) * 4, channels, height, width)
    )


def suppressed(self, boxes, scores):
    corners = torch.cat([boxes[:, :2], boxes[:, :2] + boxes[:, 2:].abs() + 0.1], 1)
    kept = torchvision.ops.nms(corners, scores, 0.5)
    return corners[kept], scores[kept]


def pooled(self, x, boxes):
    rois = torch.cat(
        [torch.zeros_like(boxes[:, :1]), boxes[:, :2].abs(), boxes[:, :2].abs() + 3 + boxes[:, 2:].abs()], 1
    )
    return torchvision.ops.roi_align(x, rois, (3, 3), 0.5, 2, True)


def attended(self, x, mask):
    return self.attention(x, x, x, attn_mask=mask, need_weights=False)[0]


def decoded(self, tokens, memory):
    return self.decoder(tokens, memory, tgt_mask=upper(tokens.shape[1]))


def upper(size):
    return torch.triu(torch.ones(size, size, dtype=torch.bool), 1)


def layer(**given):
    return nn.TransformerEncoderLayer(16, 4, 32, batch_first=True, **given)


PYTORCH = "https://github.com/pytorch/pytorch/issues/"
# what makes the module, draws the sample and other inputs, and which axes are dynamic
THREADS = {
    PYTORCH + "69605": (
        lambda: Module(lambda self, indices, rows: indices + rows.shape[0]),
        lambda: [(torch.arange(3), torch.randn(4, 2)), (torch.arange(5), torch.randn(7, 2))],
        [[0], [0]],
    ),
    PYTORCH + "26127": (
        lambda: Module(grid),
        lambda: [(torch.randn(1, 2, 6, 8),), (torch.randn(3, 2, 5, 11),)],
        [[0, 2, 3]],
    ),
    PYTORCH + "70110": (
        lambda: nn.Embedding(20, 40),
        lambda: [(torch.zeros(2, dtype=torch.int32),), (torch.arange(5, dtype=torch.int32),)],
        [[0]],
    ),
    PYTORCH + "126607": (
        lambda: Module(lambda self, x: x.view(x.size(1), -1).softmax(0)),
        lambda: [(torch.randn(6, 4, 2),), (torch.randn(9, 5, 2),)],
        [[0, 1]],
    ),
    PYTORCH + "120075": (
        lambda: Module(attended, attention=nn.MultiheadAttention(16, 4)),
        lambda: [(torch.randn(6, 1, 16), upper(6)), (torch.randn(9, 1, 16), upper(9))],
        [{0: "length"}, {0: "length", 1: "length"}],
    ),
    PYTORCH + "117209": (layer, lambda: [(torch.randn(2, 6, 16),), (torch.randn(3, 9, 16),)], [[0, 1]]),
    PYTORCH + "143107": (
        lambda: nn.TransformerEncoder(layer(dropout=0.0), 2),
        lambda: [(torch.randn(2, 6, 16),), (torch.randn(1, 11, 16),)],
        [[0, 1]],
    ),
    PYTORCH + "153955": (
        lambda: Module(
            decoded, decoder=nn.TransformerDecoder(nn.TransformerDecoderLayer(16, 4, 32, batch_first=True), 2)
        ),
        lambda: [(torch.randn(1, 5, 16), torch.randn(1, 7, 16)), (torch.randn(2, 3, 16), torch.randn(2, 9, 16))],
        [{0: "batch", 1: "tokens"}, {0: "batch", 1: "memory"}],
    ),
    "https://github.com/microsoft/onnxruntime/issues/19270": (
        lambda: nn.GRU(20, 20),
        lambda: [(torch.randn(10, 1, 20), torch.randn(1, 1, 20)), (torch.randn(7, 3, 20), torch.randn(1, 3, 20))],
        [{0: "length", 1: "batch"}, {1: "batch"}],
    ),
    "https://github.com/triton-inference-server/server/issues/808": (
        lambda: Module(lambda self, x: self.gru(x)[0], gru=nn.GRU(5, 6, 2, bidirectional=True, batch_first=True)),
        lambda: [(torch.randn(1, 4, 5),), (torch.randn(3, 9, 5),)],
        [[0, 1]],
    ),
    PYTORCH + "191855": (
        lambda: Module(both_ways, there=nn.LSTM(5, 6, batch_first=True), back=nn.LSTM(5, 6, batch_first=True)),
        lambda: [(torch.randn(1, 4, 5),), (torch.randn(2, 9, 5),)],
        [[0, 1]],
    ),
    PYTORCH + "34352": (
        lambda: nn.PixelShuffle(2),
        lambda: [(torch.randn(2, 4, 4, 4),), (torch.randn(1, 4, 5, 7),)],
        [[0, 2, 3]],
    ),
    PYTORCH + "51181": (
        lambda: nn.PixelUnshuffle(2),
        lambda: [(torch.randn(1, 3, 4, 6),), (torch.randn(2, 3, 8, 10),)],
        [[0, 2, 3]],
    ),
    PYTORCH + "69889": (
        lambda: Module(lambda self, x: x.unfold(2, 3, 1).unfold(3, 3, 1).amax((-1, -2))),
        lambda: [(torch.randn(1, 2, 8, 6),), (torch.randn(2, 2, 11, 9),)],
        [[0, 2, 3]],
    ),
    PYTORCH + "49001": (
        lambda: Module(shifted, conv=nn.Conv1d(8, 8, 3, padding=1, groups=8, bias=False)),
        lambda: [(torch.randn(4, 8, 5, 6),), (torch.randn(12, 8, 7, 4),)],
        [[0, 2, 3]],
    ),
    PYTORCH + "24817": (
        lambda: Module(pooled),
        lambda: [(torch.randn(1, 2, 16, 20), torch.randn(3, 4)), (torch.randn(1, 2, 12, 24), torch.randn(5, 4))],
        [[2, 3], [0]],
    ),
    PYTORCH + "48444": (
        lambda: Module(suppressed),
        lambda: [(torch.randn(12, 4), torch.rand(12)), (torch.randn(40, 4), torch.rand(40))],
        [{0: "boxes"}, {0: "boxes"}],
    ),
    "https://github.com/microsoft/onnxruntime/issues/3143": (
        lambda: nn.Sequential(nn.utils.weight_norm(nn.Conv1d(8, 10, 6)), nn.ReLU()),
        lambda: [(torch.randn(1, 8, 32),), (torch.randn(3, 8, 50),)],
        [[0, 2]],
    ),
    PYTORCH + "128501": (
        lambda: nn.InstanceNorm1d(7, track_running_stats=True),
        lambda: [(torch.randn(3, 7, 11),), (torch.randn(5, 7, 11),)],
        [[0]],
    ),
    PYTORCH + "128501, maps": (
        lambda: nn.Sequential(nn.Conv2d(3, 6, 3), nn.InstanceNorm2d(6, affine=True, track_running_stats=True)),
        lambda: [(torch.randn(1, 3, 9, 8),), (torch.randn(2, 3, 12, 17),)],
        [[0, 2, 3]],
    ),
    PYTORCH + "32282, of any size": (
        lambda: Module(lambda self, x: functional.layer_norm(x, x.shape[2:], eps=1e-3)),
        lambda: [(torch.randn(4, 3, 6, 8),), (torch.randn(7, 3, 9, 5),)],
        [[0, 2, 3]],
    ),
    "https://github.com/open-mmlab/mmdeploy/issues/902": (
        lambda: nn.Sequential(nn.Conv2d(3, 6, 3), nn.InstanceNorm2d(6, affine=True)),
        lambda: [(torch.randn(1, 3, 9, 8),), (torch.randn(2, 3, 12, 17),)],
        [[0, 2, 3]],
    ),
    PYTORCH + "32282": (
        lambda: Module(lambda self, x: functional.layer_norm(x, x.size()[1:])),
        lambda: [(torch.randn(4, 3, 6, 8),), (torch.randn(7, 3, 6, 8),)],
        [[0]],
    ),
    PYTORCH + "34054": (lambda: Module(logical), lambda: [(torch.rand(4, 6),), (torch.rand(9, 5),)], [[0, 1]]),
    PYTORCH + "29647": (
        lambda: Module(lambda self, rows, steps: running_sums(rows, steps)),
        lambda: [(torch.randn(4, 3), torch.ones(1)), (torch.randn(4, 3), torch.full((1,), 2.0))],
        [[], []],
    ),
}


@pytest.mark.parametrize("opset", [None, 17])
@pytest.mark.parametrize("thread", list(THREADS))
def test_it_answers_as_pytorch_at_another_size(thread, opset, tmp_path):
    torch.manual_seed(0)
    make, draw, axes = THREADS[thread]
    sample, other = draw()
    module, path = make().eval(), str(tmp_path / "x.onnx")
    names = [f"input_{number}" for number in range(len(sample))]
    dynamic = dict(zip(names, axes))
    done = mmonnx.export(module, sample, path, input_names=names, dynamic_axes=dynamic, opset=opset, verify=True)
    assert done.ok
    found = list(Session(path).run({name: value.numpy() for name, value in zip(names, other)}).values())
    with torch.no_grad():
        expected = module(*other)
    expected = [expected] if isinstance(expected, torch.Tensor) else expected
    assert len(found) == len(expected)
    for one, wanted in zip(found, expected):
        assert one.shape == tuple(wanted.shape) and one.size
        np.testing.assert_allclose(one, wanted.numpy(), atol=1e-5)
