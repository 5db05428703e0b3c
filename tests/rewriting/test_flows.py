"""What restorers of films have, and StyleGAN2: warping, flows, modulated convolutions, against upstream's own."""

import pytest
import torch

from mmonnx import fallback
from mmonnx.rewriting.rewrites import rewriting

fallback.ensure()
pytest.importorskip("mmedit.models", reason="mmedit is not installed (requirements/members.txt)")
basicvsr = pytest.importorskip("mmedit.models.backbones.sr_backbones.basicvsr_net")
real_basicvsr = pytest.importorskip("mmedit.models.backbones.sr_backbones.real_basicvsr_net")
stylegan2 = pytest.importorskip("mmedit.models.components.stylegan2.modules")
common = pytest.importorskip("mmedit.models.common")

pytestmark = pytest.mark.once  # mmedit is on the default stack alone


def both(run):
    """What upstream's own function gives, and what its stand-in does."""
    torch.manual_seed(0)
    with torch.no_grad():
        expected = run()
        with rewriting():
            return expected, run()


@pytest.mark.parametrize("size", [(7, 9), (1, 5), (6, 1)])
@pytest.mark.parametrize("padding", ["zeros", "border"])
def test_maps_are_warped_by_a_flow(size, padding):
    x, flow = torch.randn(2, 3, *size), 4 * torch.randn(2, *size, 2)
    expected, actual = both(lambda: common.flow_warp(x, flow, padding_mode=padding))
    assert expected.abs().max() > 0.5 and torch.allclose(expected, actual, atol=1e-5)


@pytest.mark.parametrize("size", [(64, 96), (70, 65)])
def test_the_flow_between_pictures(size):
    model = basicvsr.SPyNet(None).eval()
    first, second = torch.rand(2, 3, *size), torch.rand(2, 3, *size)
    expected, actual = both(lambda: model(first, second))
    assert expected.std() > 1e-3 and torch.allclose(expected, actual, atol=1e-5)


def test_a_film_that_runs_back_and_forth():
    model, frames = basicvsr.BasicVSRNet(8, 1).eval(), torch.rand(1, 2, 3, 64, 64)
    film = torch.cat([frames, frames.flip(1)], 1)
    expected, actual = both(lambda: model(film))
    assert not model.is_mirror_extended  # as the stand-in has it
    assert torch.allclose(expected, actual, atol=1e-5)


class Halving(torch.nn.Module):
    def forward(self, frames):
        return -0.5 * frames


# of frames with a mean of about a half, the first time changes a quarter, and the second an eighth
@pytest.mark.parametrize("cleanings,threshold", [(1, 0.4), (2, 0.2), (3, 0.0)])
@pytest.mark.parametrize("sequential", [False, True])
def test_frames_are_cleaned_until_little_changes(cleanings, threshold, sequential):
    torch.manual_seed(1)
    model = real_basicvsr.RealBasicVSRNet(8, 1, 1, is_sequential_cleaning=sequential).eval()
    model.image_cleaning, model.dynamic_refine_thres = Halving(), threshold
    film, called = torch.rand(1, 2, 3, 64, 64), []
    hook = model.image_cleaning.register_forward_hook(lambda *_: called.append(1))
    with torch.no_grad():
        expected = model(film.clone(), return_lqs=True)
    hook.remove()
    assert len(called) == cleanings * (2 if sequential else 1)
    with torch.no_grad(), rewriting():
        actual = model(film.clone(), return_lqs=True)
    assert all(torch.allclose(one, other, atol=1e-5) for one, other in zip(expected, actual))


@pytest.mark.parametrize("demodulate", [True, False])
@pytest.mark.parametrize("way", ["same", "upsample", "downsample"])
def test_convolutions_whose_weights_are_of_each_image(way, demodulate):
    torch.manual_seed(0)
    more = {} if way == "same" else {way: True}
    model = stylegan2.ModulatedConv2d(6, 4, 3, 5, demodulate=demodulate, **more).eval()
    image, style = torch.randn(3, 6, 8, 8), torch.randn(3, 5)
    expected, actual = both(lambda: model(image, style))
    assert expected.std() > 0.1 and torch.allclose(expected, actual, atol=1e-4)
