"""PyTorch's inference without roundings."""

import copy
import threading

import pytest
import torch
from torch import nn

from mmonnx.environment.doubling import layers_in_double, to_double


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.norm = nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8)
        self.last = nn.Linear(8, 4)
        self.scale = nn.Parameter(torch.rand(4))

    def forward(self, x):
        x = nn.functional.interpolate(x, scale_factor=1.7, mode="bilinear", align_corners=False)
        return self.last(torch.relu(self.norm(self.first(x))).mean((2, 3))) * self.scale


@pytest.fixture()
def net():
    torch.manual_seed(0)
    return Net().eval()


def test_it_is_the_model_in_float64(net):
    x = torch.randn(2, 3, 12, 16)
    with torch.no_grad():
        plain, expected = net(x), copy.deepcopy(net).double()(x.double())
        with layers_in_double(net):
            found = net(to_double(x))
        assert found.dtype == torch.float64 and not torch.equal(plain.double(), expected)
        torch.testing.assert_close(found, expected, rtol=1e-14, atol=1e-15)
        torch.testing.assert_close(net(x), plain, rtol=0, atol=0)
    assert {parameter.dtype for parameter in net.parameters()} == {torch.float32}


def test_other_threads_see_nothing_of_it(net):
    x, seen = torch.randn(1, 3, 12, 16), []
    with torch.no_grad(), layers_in_double(net):

        def call():
            with torch.no_grad():
                seen.append(net(x))

        other = threading.Thread(target=call)
        other.start()
        other.join()
    with torch.no_grad():
        torch.testing.assert_close(seen[0], net(x), rtol=0, atol=0)
