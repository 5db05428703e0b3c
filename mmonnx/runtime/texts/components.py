"""The components of texts, as DRRG proposes them of its maps: short pieces across a line of text."""

from typing import Any, List, Mapping, NamedTuple, Optional

import cv2
import numpy as np

from ...flooding import merge_quadrangles
from .pixels import filled, sigmoid

Settings = Mapping[str, Any]
_LEAST = 2
"""One component alone is no graph."""
_COVERED = 0.5
"""The part of a region's components that has to be text."""


class Components(NamedTuple):
    """The components of one picture.

    Attributes:
        attributes: (n, 6) float64 x and y of the centre, height, width, and cosine and sine of the direction.
        corners: (n, 9) float64 x and y of four corners, in pixels of the maps, and a score.
    """

    attributes: np.ndarray
    corners: np.ndarray


class _Maps:
    """What the maps (6, h, w) of one picture say of each pixel, (h, w) float32 each.

    Attributes:
        text, middle: probabilities of a text, and of its middle line.
        sin, cos: of the text's direction.
        above, below: how far the text goes from its middle, in pixels.
    """

    def __init__(self, maps: np.ndarray) -> None:
        maps = maps.astype(np.float32)
        self.text, self.middle = sigmoid(maps[0]), sigmoid(maps[1])
        length = np.sqrt(1.0 / (maps[2] ** 2 + maps[3] ** 2 + 1e-8))
        self.sin, self.cos, self.above, self.below = maps[2] * length, maps[3] * length, maps[4], maps[5]


def components_of(maps: np.ndarray, settings: Settings) -> Optional[Components]:
    """The components of one picture.

    Args:
        maps: (6, h, w), logits of texts and of their middles, sine and cosine, and how far texts go up and down.
        settings: of upstream's ``ProposalLocalGraphs``, by its names.

    Returns:
        None where there are less than two, which upstream gives no text for.
    """
    said = _Maps(maps)
    text = said.text > np.float32(settings["text_region_thr"])
    middle = filled((said.middle > np.float32(settings["center_region_thr"])) & text)
    contours, _ = cv2.findContours(middle.astype(np.uint8), cv2.RETR_TREE, cv2.CHAIN_APPROX_SIMPLE)
    found: List[np.ndarray] = []
    for contour in contours:
        region = np.zeros(text.shape)
        cv2.drawContours(region, [contour], -1, (1,), -1)
        if region.sum() > settings["center_region_area_thr"]:
            quadrangles = merge_quadrangles(_proposed(said, region, settings), settings["nms_thr"])
            if len(quadrangles) and _is_covered(quadrangles, text):
                found.append(quadrangles)
    if sum(map(len, found)) < _LEAST:
        return None
    return _described(np.vstack(found), said, settings)


def _proposed(said: _Maps, region: np.ndarray, settings: Settings) -> np.ndarray:
    """(n, 9) a component at each pixel of a region, from its top to its bottom."""
    score = said.text * region
    places = np.argwhere(score > settings["comp_score_thr"])
    places = places[np.argsort(places[:, 0])]  # which leaves pixels of a row in no order of their own: upstream's
    at = tuple(places.T)
    sin, cos = said.sin[at][:, None], said.cos[at][:, None]
    above, below = (side[at][:, None] * settings["comp_shrink_ratio"] for side in (said.above, said.below))
    top = (places + np.hstack([above * sin, above * cos]))[:, ::-1]
    bottom = (places - np.hstack([below * sin, below * cos]))[:, ::-1]
    half = np.clip((above + below) * settings["comp_w_h_ratio"], settings["min_width"], settings["max_width"]) / 2
    aside = np.hstack([-half * sin, half * cos])
    corners = np.hstack([top - aside, top + aside, bottom + aside, bottom - aside]).astype(np.float32)
    return np.hstack([corners, score[at][:, None]])


def _is_covered(quadrangles: np.ndarray, text: np.ndarray) -> bool:
    drawn = np.zeros(text.shape)
    # all at once: where two overlap nothing is drawn
    cv2.drawContours(drawn, list(quadrangles[:, :8].reshape(-1, 4, 2).astype(np.int32)), -1, (1,), -1)
    return bool((drawn * text).sum() >= drawn.sum() * _COVERED)


def _described(quadrangles: np.ndarray, said: _Maps, settings: Settings) -> Components:
    corners = quadrangles[:, :8].reshape(-1, 4, 2)
    centres = corners.mean(1).astype(np.int32)
    height, width = said.text.shape
    x, y = centres.T
    at = np.minimum(y, height - 1), np.minimum(x, width - 1)
    tall = said.above[at] + said.below[at]
    wide = np.clip(tall * settings["comp_w_h_ratio"], settings["min_width"], settings["max_width"])
    attributes = np.stack([x, y, tall, wide, said.cos[at], said.sin[at]], 1).astype(np.float64)
    inside = np.clip(corners, 0, np.array([width - 1, height - 1], np.float32))
    scores = [_mean_inside(said.text, one) for one in inside]
    return Components(attributes, np.hstack([inside.reshape(-1, 8), np.array(scores)[:, None]]))


def _mean_inside(score: np.ndarray, corners: np.ndarray) -> float:
    low, high = corners.min(0).astype(np.int32), corners.max(0).astype(np.int32)
    mask = np.zeros((high - low + 1)[::-1], np.uint8)
    cv2.fillPoly(mask, [(corners - low).astype(np.int32)], (1,))
    return float(cv2.mean(score[low[1] : high[1] + 1, low[0] : high[0] + 1], mask)[0])
