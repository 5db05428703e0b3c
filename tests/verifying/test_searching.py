"""Inputs that come to the bounds of activations."""

import pytest
import torch
from torch import nn

from mmonnx.environment.surroundings import inference
from mmonnx.loading.task import Task
from mmonnx.runtime.results import Scores
from mmonnx.verifying.outcome import Case
from mmonnx.verifying.searching import bounds_of, to_the_bounds

CASE = Case("photograph", {"input": torch.rand(1, 3, 16, 16) - 0.5}, ())


class Bounded(nn.Module):
    def __init__(self, first, second):
        super().__init__()
        torch.manual_seed(0)
        self.layers = nn.Sequential(nn.Conv2d(3, 8, 3), first, nn.Conv2d(8, 4, 3, stride=2), second)

    def forward(self, input):
        return self.layers(input).mean((2, 3)).softmax(1)


def task_of(module):
    def predict(feeds):
        with inference(module):
            return [Scores(row.numpy()) for row in module(**feeds)]

    return Task("mmcls", "test", module.eval(), CASE.feeds, ["probs"], {}, predict, None, None)


@pytest.mark.parametrize("inplace", [False, True])
@pytest.mark.parametrize("kind, bound", [(nn.ReLU6, 6.0), (nn.Hardswish, 3.0), (nn.Hardsigmoid, 3.0)])
def test_a_picture_is_found_on_which_activations_come_to_their_bounds(kind, bound, inplace):
    module = Bounded(kind(inplace=inplace), nn.Hardtanh(-1, 0.5, inplace=inplace))
    assert bounds_of(module) == {"layers.1": bound, "layers.3": 0.5}
    seen = {}
    for number in (1, 3):
        module.layers[number].register_forward_pre_hook(
            lambda layer, inputs, number=number: seen.update({number: float(inputs[0].detach().max())})
        )
    task, before = task_of(module), CASE.feeds["input"].clone()
    task.predict(CASE.feeds)
    assert seen[1] < bound
    case, reached = to_the_bounds(task, CASE)
    assert reached == 2 and not case.feeds["input"].requires_grad
    task.predict(case.feeds)
    assert seen[1] >= bound and seen[3] >= 0.5
    assert torch.equal(CASE.feeds["input"], before) and not case.feeds["input"].isnan().any()


def test_a_model_that_keeps_gradients_off_itself_is_searched_all_the_same():
    class Off(Bounded):
        @torch.no_grad()
        def forward(self, input):
            return super().forward(input)

    _, reached = to_the_bounds(task_of(Off(nn.ReLU6(), nn.Hardtanh(-1, 0.5))), CASE)
    assert reached == 2


def test_nothing_is_searched_for_without_bounds():
    assert to_the_bounds(task_of(Bounded(nn.ReLU(), nn.SiLU())), CASE) is None


def test_a_model_without_gradients_is_taken_as_it_is():
    module = Bounded(nn.ReLU6(), nn.ReLU6())
    module.layers[0].register_forward_hook(lambda layer, inputs, output: output.detach())
    module.layers[2].register_forward_hook(lambda layer, inputs, output: output.detach())
    case, reached = to_the_bounds(task_of(module), CASE)
    assert reached == 0 and torch.equal(case.feeds["input"], CASE.feeds["input"])


class _NoWayBack(torch.autograd.Function):
    @staticmethod
    def forward(ctx, values):
        return values * 1.0

    @staticmethod
    def backward(ctx, gradient):
        raise RuntimeError("made for inference")


def test_an_operator_without_gradients_ends_the_search():
    module = Bounded(nn.ReLU6(), nn.ReLU6())
    module.layers[0].register_forward_hook(lambda layer, inputs, output: _NoWayBack.apply(output))
    case, reached = to_the_bounds(task_of(module), CASE)
    assert reached == 0 and torch.equal(case.feeds["input"], CASE.feeds["input"])
