"""PyTorch's own inference, rounded otherwise."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from mmonnx.environment.roundings import layers_round_otherwise, resizing_rounds_otherwise

EPS = torch.finfo(torch.float32).eps


class Given(nn.Module):
    """Keeps what each layer gave."""

    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList([nn.Conv2d(3, 4, 3), nn.GroupNorm(2, 4), nn.ReLU()])
        self.pair = nn.LSTM(4, 4)

    def forward(self, value):
        given = []
        for layer in self.layers:
            value = layer(value)
            given.append(value)
        return given, self.pair(value[:, :, 0].permute(2, 0, 1))[0]


def test_each_layer_with_weights_gives_noise_of_so_many_roundings_and_only_inside_the_block():
    module, image = Given().eval(), torch.rand(1, 3, 32, 32) * 100
    with torch.no_grad():
        exact, pair = module(image)
        with layers_round_otherwise(module, torch.Generator().manual_seed(0), 2.0):
            noisy, _ = module(image)
        again, same = module(image)
        noise = noisy[0] - exact[0]
        unit = EPS * exact[0].abs().max()
        assert 2 < float(noise.std() / unit) < 3.6 and 1.5 < float(noise[0, 0].std() / unit) < 2.5
        # the same again for each plane, of which all values go the same way
        assert float(noise.mean((0, 2, 3)).abs().max() / unit) > 0.5
        assert 0 < float((noisy[1] - exact[1]).abs().max()) < 1e-4
        assert torch.equal(noisy[2], noisy[1].relu())  # it has no weights, and adds nothing
        assert all(torch.equal(*both) for both in zip([*exact, pair], [*again, same]))


@pytest.mark.parametrize("layer", [nn.ELU(), nn.ELU(inplace=True), nn.CELU(), nn.SELU()], ids=repr)
def test_an_exponential_without_one_is_off_by_a_rounding_of_one(layer):
    """As ONNX Runtime's Elu, which is off by 3e-8 however small the value is; of what is above zero nothing is."""
    small = torch.linspace(-1e-6, 1e-6, 2000)[None]
    with torch.no_grad():
        exact = layer(small.clone())
        with layers_round_otherwise(layer, torch.Generator().manual_seed(0)):
            off = (layer(small.clone()) - exact).abs()
    assert EPS / 8 < float(off[small < 0].mean()) < EPS and float(off.max()) > EPS / 4
    assert not off[small >= 0].any()


def test_what_gives_no_tensor_or_an_empty_one_stays_as_it_is():
    pair, layer = nn.LSTM(4, 4), nn.Linear(3, 2)
    with torch.no_grad(), layers_round_otherwise(nn.ModuleList([pair, layer]), torch.Generator(), 1e6):
        assert pair(torch.zeros(3, 1, 4))[0].abs().max() < 1
        assert layer(torch.zeros(0, 3)).shape == (0, 2)


def test_what_is_resized_by_no_whole_factor_lies_elsewhere_by_roundings_of_a_place():
    """A row between a cell that is cut away and one that is sure: on which side of 0.5 it is, is a rounding."""
    mask = torch.zeros(1, 1, 32, 48)
    mask[:, :, 25:] = 1
    generator, whole = torch.Generator().manual_seed(0), dict(mode="bilinear", align_corners=False)
    exact = functional.interpolate(mask, (112, 144), **whole)
    with resizing_rounds_otherwise(generator):
        found = functional.interpolate(mask, (112, 144), **whole)
        twice = functional.interpolate(mask, (64, 96), **whole)
        nearest = functional.interpolate(mask.long().to(torch.uint8), (80, 100))
    assert torch.equal(twice, functional.interpolate(mask, (64, 96), **whole)) and nearest.dtype == torch.uint8
    assert 0 < (found - exact).abs().max() < 400 * EPS
    differ = (found > 0.5) != (exact > 0.5)
    assert differ[0, 0, 87].any() and not differ[0, 0, :87].any() and not differ[0, 0, 88:].any()
    assert torch.equal(functional.interpolate(mask, (112, 144), **whole), exact)
