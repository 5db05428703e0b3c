"""Putting scans of digits on photographs: what is random comes from the ``RandomState`` that each function is given."""

from typing import List, NamedTuple, Sequence, Tuple

import numpy as np

#: (height, width) of the composites; the sides of 240 make batches and graphs meet padding.
COMPOSITE_SHAPES = ((320, 320), (240, 320), (320, 240))
EMPTY_SHARE = 0.1


class Scene(NamedTuple):
    """A composite and what lies on it.

    Attributes:
        image: (H, W, 3) uint8, BGR.
        boxes: (n, 4) float32, (x1, y1, x2, y2) in pixels, right and lower edges exclusive.
        turned_boxes: (n, 5) float32, (x, y, w, h, angle) of the digits' own outlines, the longer side first.
        labels: (n,) int64, the digits.
        inks: of each digit the ink in its box, (h, w) float32 from 0 to 1.
    """

    image: np.ndarray
    boxes: np.ndarray
    turned_boxes: np.ndarray
    labels: np.ndarray
    inks: List[np.ndarray]


def background(
    rng: np.random.RandomState, pictures: Sequence[np.ndarray], shape: Tuple[int, int], share: Tuple[float, float]
) -> np.ndarray:
    """A crop of a photograph, resized to ``shape``, perhaps mirrored, with another gain and offset.

    ``share`` bounds the crop's side, as a share of the largest crop of that shape.
    """
    import cv2

    picture = pictures[rng.randint(len(pictures))]
    fit = min(picture.shape[0] / shape[0], picture.shape[1] / shape[1])
    scale = rng.uniform(*share) * fit
    height, width = int(shape[0] * scale), int(shape[1] * scale)
    top = rng.randint(picture.shape[0] - height + 1)
    left = rng.randint(picture.shape[1] - width + 1)
    crop = picture[top : top + height, left : left + width]
    crop = cv2.resize(crop, (shape[1], shape[0]), interpolation=cv2.INTER_AREA if scale > 1 else cv2.INTER_LINEAR)
    if rng.randint(2):
        crop = crop[:, ::-1]
    crop = crop.astype(np.float32) * rng.uniform(0.6, 1.1) + rng.uniform(-20, 20)
    return np.clip(crop, 0, 255).astype(np.uint8)


def render(rng: np.random.RandomState, scan: np.ndarray, size: float) -> np.ndarray:
    """The ink of one scan, (h, w) float32 from 0 to 1, cut to its outline; its longer side is about ``size`` px."""
    import cv2

    side = int(round(size * 1.25))
    glyph = cv2.resize(np.pad(scan, 1), (side, side), interpolation=cv2.INTER_CUBIC)
    turn = cv2.getRotationMatrix2D((side / 2, side / 2), rng.uniform(-12, 12), 1.0)
    turn[0] *= rng.uniform(0.8, 1.0)
    glyph = cv2.warpAffine(glyph, turn, (side, side), flags=cv2.INTER_LINEAR)
    # Eight pixels blown up to ninety are a blur: a steeper slope around the outline gives strokes with a soft edge.
    ink = np.clip((glyph.astype(np.float32) / 255 - 0.4) / 0.5, 0, 1)
    rows, columns = np.where((ink > 0.3).any(1))[0], np.where((ink > 0.3).any(0))[0]
    return ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def paste(rng: np.random.RandomState, image: np.ndarray, ink: np.ndarray, top: int, left: int) -> None:
    """Blend ``ink`` into ``image`` in place, in a colour that stands out from what lies below."""
    patch = image[top : top + ink.shape[0], left : left + ink.shape[1]]
    below = float(patch.mean())
    lighter = below < 110 or (below < 145 and rng.randint(2) == 1)
    level = rng.uniform(below + 100, 255) if lighter else rng.uniform(0, below - 100)
    colour = np.clip(level + rng.uniform(-40, 40, 3), 0, 255)
    alpha = (ink * rng.uniform(0.85, 1.0))[..., None]
    patch[...] = np.rint(patch * (1 - alpha) + colour * alpha).astype(np.uint8)


def compose(
    rng: np.random.RandomState,
    pictures: Sequence[np.ndarray],
    scans: np.ndarray,
    labels: np.ndarray,
    most: int,
    turned: float = 0.0,
) -> Scene:
    """A photograph with up to ``most`` digits that do not overlap, turned by up to so many degrees."""
    height, width = COMPOSITE_SHAPES[rng.randint(len(COMPOSITE_SHAPES))]
    image = background(rng, pictures, (height, width), (0.4, 1.0))
    wanted = 0 if rng.uniform() < EMPTY_SHARE else rng.randint(1, most + 1)
    boxes: List[Tuple[int, int, int, int]] = []
    turned_boxes: List[Tuple[float, ...]] = []
    chosen: List[int] = []
    inks: List[np.ndarray] = []
    for _ in range(wanted):
        index = rng.randint(len(scans))
        ink = render(rng, scans[index], np.exp(rng.uniform(np.log(24), np.log(96))))
        sides, angle = ink.shape, 0.0
        if turned:
            angle = np.deg2rad(rng.uniform(-turned, turned))
            ink = turn(ink, angle)
        # A full picture may have no room left: after twenty tries the digit is left out.
        for _ in range(20):
            top, left = rng.randint(height - ink.shape[0] + 1), rng.randint(width - ink.shape[1] + 1)
            box = (left, top, left + ink.shape[1], top + ink.shape[0])
            if all(box[2] <= x1 or x2 <= box[0] or box[3] <= y1 or y2 <= box[1] for x1, y1, x2, y2 in boxes):
                paste(rng, image, ink, top, left)
                boxes.append(box)
                turned_boxes.append(_turned_box(box, sides, angle))
                chosen.append(index)
                inks.append(ink)
                break
    return Scene(
        image,
        np.array(boxes, np.float32).reshape(-1, 4),
        np.array(turned_boxes, np.float32).reshape(-1, 5),
        labels[chosen].astype(np.int64),
        inks,
    )


def turn(ink: np.ndarray, angle: float) -> np.ndarray:
    """Ink turned clockwise about its middle by so many radians, on as much more paper as it needs."""
    import cv2

    height, width = ink.shape
    cos, sin = np.cos(angle), np.sin(angle)
    size = np.ceil([height * cos + width * abs(sin), width * cos + height * abs(sin)]).astype(int)
    turning = np.array([[cos, -sin], [sin, cos]])
    # Middles of pixels lie half a pixel from their corners.
    move = size[::-1] / 2 - 0.5 - turning @ (np.array([width, height]) / 2 - 0.5)
    return cv2.warpAffine(
        ink, np.hstack([turning, move[:, None]]), (int(size[1]), int(size[0])), flags=cv2.INTER_LINEAR
    )


def hull(ink: np.ndarray) -> np.ndarray:
    """(h, w) bool, what lies within the convex hull of the ink."""
    import cv2

    points = cv2.findNonZero((ink > 0.5).astype(np.uint8))
    return cv2.fillConvexPoly(np.zeros(ink.shape, np.uint8), cv2.convexHull(points), (1,)).astype(bool)


def _turned_box(box: Tuple[int, int, int, int], sides: Tuple[int, ...], angle: float) -> Tuple[float, ...]:
    """(x, y, w, h, angle) of a digit of (height, width) turned in the middle of a box, by its longer side."""
    height, width = sides
    middle = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    if width > height:
        return (*middle, width, height, angle)
    return (*middle, height, width, angle + np.pi / 2)
