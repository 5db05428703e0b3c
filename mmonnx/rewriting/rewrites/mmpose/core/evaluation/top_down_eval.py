"""Stand-ins for ``mmpose/core/evaluation/top_down_eval.py``, which upstream runs in numpy and OpenCV."""

from typing import Any, Tuple

import torch

from ....context import ExportContext
from ....heatmaps import Neighbours, best_places, blurred, scaled
from ....registry import rewrite

_QUARTER = 0.25
_LEAST_HEAT = 1e-10
_UDP_HEATS = 0.001, 50.0
_EPS = float(torch.finfo(torch.float32).eps)


@rewrite("mmpose.core.evaluation.top_down_eval.keypoints_from_heatmaps")
def keypoints_from_heatmaps(
    context: ExportContext,
    original: Any,
    heatmaps: torch.Tensor,
    center: torch.Tensor,
    scale: torch.Tensor,
    unbiased: bool = False,
    post_process: Any = "default",
    kernel: int = 11,
    valid_radius_factor: float = 0.0546875,
    use_udp: bool = False,
    target_type: str = "GaussianHeatmap",
) -> Tuple[torch.Tensor, torch.Tensor]:
    """Key points (N, K, 2) in pixels and their scores (N, K, 1) of heat maps (N, K, H, W), decoded as upstream does.

    Args:
        center: (2,) or (N, 2) the middle of what the maps show, in pixels.
        scale: its width and height, by 200.
        unbiased, post_process, kernel, valid_radius_factor, use_udp, target_type: see upstream's.
    """
    size = heatmaps.shape[3], heatmaps.shape[2]
    how = _refinement(post_process, unbiased)
    if use_udp:
        decode = _from_offsets if target_type.lower() == "combinedtarget" else _udp
        places, scores = decode(heatmaps, kernel, valid_radius_factor)
    else:
        maps = _modulated(heatmaps, kernel) if how == "megvii" else heatmaps
        places, scores = best_places(maps)
        if how == "unbiased":
            places = _taylor(_modulated(maps, kernel).clamp(min=_LEAST_HEAT).log(), places)
        elif how is not None:
            places = _towards_the_second(maps, places, 0.5 if how == "megvii" else 0.0)
    if how == "megvii":
        scores = scores / 255.0 + 0.5
    return scaled(places, scale, center, size, use_udp), scores


@rewrite("mmpose.core.evaluation.top_down_eval.keypoints_from_regression")
def keypoints_from_regression(
    context: ExportContext,
    original: Any,
    regression_preds: torch.Tensor,
    center: torch.Tensor,
    scale: torch.Tensor,
    img_size: Any,
) -> Tuple[torch.Tensor, torch.Tensor]:
    """Key points (N, K, 2) in pixels of shares (N, K, 2) of the picture, and scores (N, K, 1) of 1; see above."""
    size = torch.stack([torch.as_tensor(side, device=center.device) for side in img_size]).to(regression_preds)
    return scaled(regression_preds * size, scale, center, img_size, False), torch.ones_like(regression_preds[..., :1])


def _refinement(post_process: Any, unbiased: bool) -> Any:
    """What upstream makes of its old and new names of how places are refined."""
    if post_process in (True, "default"):
        return "unbiased" if unbiased else "default"
    return post_process or None


def _modulated(maps: torch.Tensor, kernel: int) -> torch.Tensor:
    """Blurred maps whose greatest values are what they were."""
    found = blurred(maps, kernel)
    return found * (maps.amax((2, 3), keepdim=True) / found.amax((2, 3), keepdim=True))


def _towards_the_second(maps: torch.Tensor, places: torch.Tensor, more: float) -> torch.Tensor:
    """Places moved a quarter towards the better ones of their neighbours, and by ``more``."""
    # upstream leaves out one place more at the upper and left borders than at the others
    width, height = maps.shape[3], maps.shape[2]
    x, y = places.unbind(2)
    inside = (x > 1) & (x < width - 1) & (y > 1) & (y < height - 1)
    near = Neighbours(maps, places, 1)
    slopes = torch.stack([near.at(1, 0) - near.at(-1, 0), near.at(0, 1) - near.at(0, -1)], 2)
    return torch.where(inside.unsqueeze(2), places + (slopes.sign() * _QUARTER + more), places)


def _taylor(maps: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
    """Places moved to the top of the parabola through their neighbours (DARK)."""
    near = Neighbours(maps, places, 2)
    middle = near.at(0, 0)
    dx, dy = 0.5 * (near.at(1, 0) - near.at(-1, 0)), 0.5 * (near.at(0, 1) - near.at(0, -1))
    dxx = 0.25 * (near.at(2, 0) - 2 * middle + near.at(-2, 0))
    dyy = 0.25 * (near.at(0, 2) - 2 * middle + near.at(0, -2))
    dxy = 0.25 * (near.at(1, 1) - near.at(1, -1) - near.at(-1, 1) + near.at(-1, -1))
    step, solvable = _top(dx, dy, dxx, dyy, dxy)
    return torch.where((near.inside & solvable).unsqueeze(2), places + step, places)


def _top(
    dx: torch.Tensor, dy: torch.Tensor, dxx: torch.Tensor, dyy: torch.Tensor, dxy: torch.Tensor
) -> Tuple[torch.Tensor, torch.Tensor]:
    """How far the top of a parabola is, (N, K, 2), and whether there is one, by its derivatives (N, K)."""
    determinant = dxx * dyy - dxy * dxy
    solvable = determinant != 0
    by = torch.where(solvable, determinant, torch.ones_like(determinant))
    return torch.stack([(dxy * dy - dyy * dx) / by, (dxy * dx - dxx * dy) / by], 2), solvable


def _udp(heatmaps: torch.Tensor, kernel: int, factor: float) -> Tuple[torch.Tensor, torch.Tensor]:
    """Key points moved to the top of the parabola through their direct neighbours, on the border too."""
    places, scores = best_places(heatmaps)
    maps = blurred(heatmaps, kernel, reflected=True).clamp(*_UDP_HEATS).log()
    padded = torch.nn.functional.pad(maps, [1] * 4, mode="replicate")
    width, area = padded.shape[3], padded.shape[2] * padded.shape[3]
    flat = padded.reshape(-1)
    x, y = places.long().unbind(2)
    first = torch.arange(places.shape[0] * places.shape[1], device=places.device) * area
    index = (x + 1 + (y + 1) * width).reshape(-1) + first

    def at(right: int, down: int) -> torch.Tensor:
        # of a map without heat upstream asks for a place in front of it, which may be in front of all
        place = index + (down * width + right)
        place = torch.where(place < 0, place + flat.shape[0], place)
        return flat[place].reshape(x.shape)

    middle, right, left, below, above = at(0, 0), at(1, 0), at(-1, 0), at(0, 1), at(0, -1)
    dxx, dyy = right - 2 * middle + left, below - 2 * middle + above
    dxy = 0.5 * (at(1, 1) - right - below + middle + middle - left - above + at(-1, -1))
    step, _ = _top(0.5 * (right - left), 0.5 * (below - above), dxx + _EPS, dyy + _EPS, dxy)
    return places + step, scores


def _from_offsets(heatmaps: torch.Tensor, kernel: int, factor: float) -> Tuple[torch.Tensor, torch.Tensor]:
    """Key points of triples of maps: heat, and how far away the point is to the right and below."""
    heat = blurred(heatmaps[:, ::3], 2 * kernel + 1, reflected=True)
    offsets = [blurred(heatmaps[:, start::3], kernel, reflected=True).reshape(-1) for start in (1, 2)]
    places, scores = best_places(heat)
    height, width = heat.shape[2:]
    radius = factor * height
    first = torch.arange(places.shape[0] * places.shape[1], device=places.device) * (height * width)
    x, y = places.long().unbind(2)
    index = (x + y * width).reshape(-1) + first
    index = torch.where(index < 0, index + offsets[0].shape[0], index)
    moved = torch.stack([(one * radius)[index].reshape(x.shape) for one in offsets], 2)
    return places + moved, scores
