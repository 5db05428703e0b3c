"""Drawing what a model found on a picture."""

import colorsys
from typing import Any, Callable, Dict, List, Mapping, Sequence, Tuple

import cv2
import numpy as np

from .boxes import corners
from .results import (
    Detections,
    EditedImage,
    KeyInformation,
    LabelMap,
    Panoptic,
    Poses,
    RawOutputs,
    Result,
    Scores,
    Text,
    TextMaps,
    TextRegions,
)

MAX_BOXES = 30
# A picture is enlarged until its longer side has this many pixels, so that a caption on it can be read.
MIN_SIDE = 480

_FONT = cv2.FONT_HERSHEY_SIMPLEX
_RADIUS = 4
"""Of a key point, in pixels, as mmpose draws it."""
_GREEN = (0, 255, 0)
_PAPER, _INK = (255, 255, 255), (30, 30, 30)
Color = Tuple[int, int, int]
Field = Tuple[int, int, int, int]
Skeleton = Sequence[Mapping[str, Sequence[int]]]


def color_of(label: int) -> Color:
    """The colour of a class, BGR: neighbouring labels are far apart in hue, all are dark enough for white text."""
    hue = (0.58 + 0.618034 * label) % 1.0
    red, green, blue = colorsys.hsv_to_rgb(hue, 0.85, 0.85)
    # Equal values of HSV are not equally bright: yellow and green have to be darker for white text than blue.
    darker = min(1.0, 0.38 / (0.30 * red + 0.59 * green + 0.11 * blue))
    return int(blue * darker * 255), int(green * darker * 255), int(red * darker * 255)


def draw_detections(
    canvas: np.ndarray, result: Detections, scale: int, classes: Sequence[str], palette: Sequence[Sequence[int]] = ()
) -> str:
    """Draw masks, then boxes, then labels, the best detections on top.

    Args:
        canvas: BGR uint8, which is drawn on.
        result: in pixels of the picture before it was enlarged.
        scale: how much it was enlarged by.
        classes: class names, may be empty.
        palette: (red, green, blue) of each class; where there is none, ``color_of`` gives it.

    Returns:
        A caption: how many there are, and how many are drawn.
    """
    colors = [_color(int(label), palette) for label in result.labels]
    valid = np.flatnonzero(np.isfinite(result.dets).all(axis=1))
    order = valid[np.argsort(-result.scores[valid], kind="stable")][:MAX_BOXES][::-1]
    outlines = _outlines(result) * scale
    boxes = np.concatenate([outlines.min(1), outlines.max(1)], 1)  # the upright ones around them
    size = max(canvas.shape[:2])
    thickness = max(1, round(size / 450))
    font = float(np.clip(size / 1500, 0.36, 1.2))
    if result.masks is not None:
        for index in order:
            _blend(canvas, result.masks[index], boxes[index], scale, colors[index])
    for index in order:
        _outline(canvas, outlines[index], colors[index], thickness)
    taken: List[Field] = []
    for index in order[::-1]:
        text = f"{class_name(int(result.labels[index]), classes)} {result.scores[index]:.2f}"
        taken.append(_tag(canvas, text, boxes[index], colors[index], font, taken))
    count = len(result.dets)
    more = f" ({len(order)} drawn, +{count - len(order)} more)" if count > len(order) else ""
    return f"{count} detection{'' if count == 1 else 's'}{more}"


def _outlines(result: Detections) -> np.ndarray:
    """(n, 4, 2) float64, the corners of the boxes in turn."""
    boxes = result.boxes.astype(np.float64)
    return corners(boxes) if result.rotated else boxes[:, [0, 1, 2, 1, 2, 3, 0, 3]].reshape(-1, 4, 2)


def _outline(canvas: np.ndarray, outline: np.ndarray, color: Color, thickness: int) -> None:
    points = np.array([[int(round(value)) for value in corner] for corner in outline], np.int32)
    if (outline[0, 1] == outline[1, 1]) and (outline[0, 0] == outline[3, 0]):  # upright ones have sharp corners
        cv2.rectangle(canvas, tuple(map(int, points[0])), tuple(map(int, points[2])), color, thickness, cv2.LINE_AA)
    else:
        cv2.polylines(canvas, [points], True, color, thickness, cv2.LINE_AA)


def _color(label: int, palette: Sequence[Sequence[int]]) -> Color:
    if not 0 <= label < len(palette):
        return color_of(label)
    red, green, blue = (int(value) for value in palette[label])
    return blue, green, red


def viewable(image: np.ndarray) -> np.ndarray:
    """A picture of any number of channels as BGR uint8 (H, W, 3): grey, or its first three channels.

    Other numbers than uint8 are stretched, the least to black and the greatest to white.
    """
    if image.ndim == 2 or image.shape[2] < 3:
        image = np.repeat(image.reshape(*image.shape[:2], -1)[..., :1], 3, axis=2)
    image = image[..., :3]
    if image.dtype != np.uint8:
        image = np.nan_to_num(image.astype(np.float64))
        image = ((image - image.min()) * 255 / max(float(np.ptp(image)), 1e-12)).round().astype(np.uint8)
    return np.ascontiguousarray(image)


def enlarged(image: np.ndarray) -> Tuple[np.ndarray, int]:
    """A copy of a picture as ``viewable``, so large that a caption can be read, and by how much it was enlarged."""
    scale = max(1, int(np.ceil(MIN_SIDE / max(image.shape[:2]))))
    return cv2.resize(viewable(image), None, fx=scale, fy=scale, interpolation=cv2.INTER_NEAREST), scale


def draw_segments(canvas: np.ndarray, result: Panoptic, scale: int) -> str:
    """Tint each segment, with its border; the caption's text. Arguments as of ``draw_detections``."""
    segments = result.segments.repeat(scale, 0).repeat(scale, 1)  # OpenCV resizes no int32
    names = np.unique(segments)
    for name in names.tolist():
        inside = (segments == name).astype(np.uint8)
        canvas[inside > 0] = (0.5 * canvas[inside > 0] + 0.5 * np.array(color_of(name % 1000))).astype(np.uint8)
        contours, _ = cv2.findContours(inside, cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
        cv2.drawContours(canvas, contours, -1, color_of(name % 1000), scale)
    return f"{len(names)} segment{'' if len(names) == 1 else 's'}"


def draw_label_map(canvas: np.ndarray, labels: np.ndarray, palette: Sequence[Sequence[int]] = ()) -> np.ndarray:
    """A picture tinted by the classes of its pixels, half and half, as mmseg's ``show_result`` has it.

    Args:
        canvas: BGR uint8 (H, W, 3).
        labels: (H, W) class indices.
        palette: (red, green, blue) of each class; where there is none, ``color_of`` gives it; of no class it is black.
    """
    count = max(len(palette), int(labels.max(initial=-1)) + 1)
    colors = np.array([_color(label, palette) for label in range(count)] + [(0, 0, 0)], np.uint8)
    tint = colors[np.where((labels >= 0) & (labels < count), labels, count)]
    return (canvas * 0.5 + tint * 0.5).astype(np.uint8)


def draw_poses(
    canvas: np.ndarray,
    result: Poses,
    scale: int,
    palette: Sequence[Sequence[int]] = (),
    skeleton: Skeleton = (),
    score_thr: float = 0.0,
) -> str:
    """Draw boxes, key points and the lines between them, as mmpose's ``show_result`` has them.

    Args:
        canvas: see ``draw_detections``.
        result: in pixels of the picture before it was enlarged.
        scale: how much it was enlarged by.
        palette: (red, green, blue) of each key point; where there is none, ``color_of`` gives it.
        skeleton: see ``runtime.description``.
        score_thr: key points below are left out, and lines to them.

    Returns:
        A caption: how many poses there are.
    """
    for box in () if result.boxes is None else (result.boxes * scale).astype(np.int32).tolist():
        cv2.rectangle(canvas, (box[0], box[1]), (box[2], box[3]), _GREEN, 1)
    height, width = canvas.shape[:2]
    for pose in result.keypoints:
        scores = pose[:, 2]
        # OpenCV takes no place that is far outside of the picture
        with np.errstate(invalid="ignore"):
            places = [(int(x), int(y)) for x, y in np.nan_to_num(pose[:, :2] * scale).clip(-(2**15), 2**15).tolist()]
        for point in np.flatnonzero(scores >= score_thr).tolist():
            cv2.circle(canvas, places[point], _RADIUS, _color(point, palette), -1)
        for line in skeleton:
            one, other = line["link"]
            if max(one, other) >= len(places) or not min(scores[one], scores[other]) >= score_thr:
                continue
            if all(0 < x < width and 0 < y < height for x, y in (places[one], places[other])):
                red, green, blue = (int(value) for value in line["color"])
                cv2.line(canvas, places[one], places[other], (blue, green, red), 1)
    count = len(result.keypoints)
    return f"{count} pose{'' if count == 1 else 's'}"


def draw_regions(canvas: np.ndarray, result: TextRegions, scale: int, score_thr: float = 0.0) -> str:
    """Draw the boundaries of text, as mmocr's ``show_result`` has them; the caption's text.

    Args:
        canvas, scale: see ``draw_detections``.
        result: in pixels of the picture before it was enlarged.
        score_thr: those that have no more than this are left out.
    """
    for boundary, score in zip(result.boundaries, result.scores.tolist()):
        if score > score_thr:
            points = np.nan_to_num(boundary.reshape(-1, 1, 2) * scale).clip(-(2**15), 2**15).astype(np.int32)
            cv2.polylines(canvas, [points], True, _GREEN, scale)
    count = len(result.boundaries)
    return f"{count} text{'' if count == 1 else 's'}"


def draw_key_information(
    canvas: np.ndarray, result: KeyInformation, scale: int, classes: Sequence[str], score_thr: float = 0.0
) -> str:
    """Draw the boxes of texts with their classes, and lines from keys to their values; the caption's text.

    Args:
        canvas, scale, classes: see ``draw_detections``.
        result: with its boxes, in pixels of the picture before it was enlarged.
        score_thr: classes below it are left out.
    """
    boxes = np.zeros((0, 4)) if result.boxes is None else result.boxes.astype(np.float64) * scale
    size = max(canvas.shape[:2])
    taken: List[Field] = []
    thickness, font = max(1, round(size / 900)), float(np.clip(size / 1500, 0.36, 1.2))
    rows = list(zip(boxes, result.labels.tolist(), result.nodes.max(1).tolist()))
    for box, label, _ in rows:
        _outline(canvas, box[[0, 1, 2, 1, 2, 3, 0, 3]].reshape(4, 2), color_of(label), thickness)
    for key, value, _ in result.pairs if len(boxes) else ():
        first, second = ((boxes[place][:2] + boxes[place][2:]) / 2 for place in (key, value))
        ends = [tuple(int(one) for one in np.round(end)) for end in (first, second)]
        cv2.arrowedLine(canvas, ends[0], ends[1], _GREEN, thickness, cv2.LINE_AA, tipLength=0.05)
    for box, label, score in rows:
        if score >= score_thr:
            taken.append(_tag(canvas, f"{class_name(label, classes)} {score:.2f}", box, color_of(label), font, taken))
    count, links = len(result.nodes), len(result.pairs)
    return f"{count} text{'' if count == 1 else 's'}" + (f", {links} linked" if links else "")


def _blend(canvas: np.ndarray, mask: np.ndarray, box: np.ndarray, scale: int, color: Color) -> None:
    """Tint a mask: of the picture's size (before enlargement), or the head's, which covers its box."""
    height, width = canvas.shape[:2]
    x1, y1, x2, y2 = 0, 0, width, height
    if mask.shape != (height // scale, width // scale):
        x1, y1, x2, y2 = (int(round(value)) for value in box)
    if x2 <= x1 or y2 <= y1:
        return
    left, top, right, bottom = max(x1, 0), max(y1, 0), min(x2, width), min(y2, height)
    if right <= left or bottom <= top:
        return
    whole = cv2.resize((mask > 0.5).astype(np.uint8), (x2 - x1, y2 - y1), interpolation=cv2.INTER_NEAREST)
    part = whole[top - y1 : bottom - y1, left - x1 : right - x1].astype(bool)
    region = canvas[top:bottom, left:right]
    region[part] = (region[part] * 0.5 + np.array(color) * 0.5).astype(np.uint8)


def _tag(canvas: np.ndarray, text: str, box: np.ndarray, color: Color, font: float, taken: Sequence[Field]) -> Field:
    """Write a label at a box's corner, inside the picture and off the labels that are there; the field it takes.

    Where every corner is taken it goes to the first one, below what is written there: the better label stays legible.
    """
    height, width = canvas.shape[:2]
    font = fit(text, width - 6, font)
    (text_width, text_height), base = cv2.getTextSize(text, _FONT, font, _stroke(font))
    wide, tall = text_width + 6, text_height + base + 4
    x1, y1, x2, y2 = box[:4]
    fields = []
    for x, y in ((x1, y1 - tall), (x1, y1), (x2 - wide, y1 - tall), (x1, y2), (x1, y2 - tall), (x2 - wide, y2)):
        left, top = int(np.clip(x, 0, max(width - wide, 0))), int(np.clip(y, 0, max(height - tall, 0)))
        fields.append((left, top, left + wide, top + tall))
    free = [field for field in fields if not any(_overlap(field, other) for other in taken)]
    left, top, right, bottom = (free or fields)[0]
    before = canvas[top:bottom, left:right].copy()
    cv2.rectangle(canvas, (left, top), (right - 1, bottom - 1), color, cv2.FILLED)
    write(canvas, text, left + 3, top + text_height + 2, font, _PAPER)
    for other in taken if not free else ():
        x1, y1 = max(left, other[0]), max(top, other[1])
        x2, y2 = min(right, other[2]), min(bottom, other[3])
        if x1 < x2 and y1 < y2:
            canvas[y1:y2, x1:x2] = before[y1 - top : y2 - top, x1 - left : x2 - left]
    return left, top, right, bottom


def _overlap(one: Field, two: Field) -> bool:
    return one[0] < two[2] and two[0] < one[2] and one[1] < two[3] and two[1] < one[3]


def caption(text: str, width: int) -> np.ndarray:
    """A line of text on paper, larger over large pictures; its height goes by the width alone, so that panels align."""
    text = text.encode("ascii", "replace").decode()  # OpenCV's fonts hold no more
    font = 0.6 * float(np.clip(width / 900, 1, 2))
    tall = round(font * 50)
    panel = np.full((tall, width, 3), _PAPER, np.uint8)
    write(panel, text, 8, round(tall * 0.7), fit(text, width - 16, font))
    return panel


def framed(canvas: np.ndarray, text: str) -> np.ndarray:
    """A picture with a caption above it and a white border, to stand beside others."""
    panel = np.vstack([caption(text, canvas.shape[1]), canvas])
    return cv2.copyMakeBorder(panel, 0, 8, 4, 4, cv2.BORDER_CONSTANT, value=(255, 255, 255))


def bars(result: Scores, width: int, classes: Sequence[str]) -> np.ndarray:
    """The five likeliest classes as bars; without any, an empty strip."""
    probs = result.probs
    best = np.argsort(-probs, kind="stable")[:5]
    panel = np.full((26 * len(best) + 8, width, 3), _PAPER, np.uint8)
    labels = [label_of(result, int(index)) for index in best]
    names = [class_name(label, classes) for label in labels]
    font = min((fit(name, width * 0.4, 0.5) for name in names), default=0.5)
    start, end = int(width * 0.42) + 8, width - 70
    for row, (index, label, name) in enumerate(zip(best, labels, names)):
        middle = 26 * row + 17
        write(panel, name, 6, middle + 5, font)
        length = int((end - start) * float(np.clip(np.nan_to_num(probs[index]), 0, 1)))
        cv2.rectangle(panel, (start, middle - 8), (end, middle + 8), (235, 235, 235), cv2.FILLED)
        cv2.rectangle(panel, (start, middle - 8), (start + length, middle + 8), color_of(label), cv2.FILLED)
        write(panel, f"{probs[index]:.4f}", end + 6, middle + 5, 0.45)
    return panel


def label_of(result: Scores, index: int) -> int:
    """The class of one of the scores."""
    return index if result.labels is None else int(result.labels[index])


def class_name(label: int, classes: Sequence[str]) -> str:
    """OpenCV's fonts hold ASCII only."""
    if 0 <= label < len(classes):
        return str(classes[label]).split(",")[0].encode("ascii", "replace").decode()
    return f"class {label}"


def fit(text: str, width: float, font: float) -> float:
    """The font scale at which a text is at most that wide, and at most ``font``."""
    return min(font, font * width / max(cv2.getTextSize(text, _FONT, font, _stroke(font))[0][0], 1))


def write(canvas: np.ndarray, text: str, x: int, y: int, font: float, color: Color = _INK) -> None:
    """Write a text whose base line begins at (x, y), in pixels; ``font`` is OpenCV's scale."""
    cv2.putText(canvas, text, (x, y), _FONT, font, color, _stroke(font), cv2.LINE_AA)


def _stroke(font: float) -> int:
    """The line width that keeps OpenCV's stroke fonts legible at a size."""
    return 2 if font > 0.75 else 1


def draw_result(
    canvas: np.ndarray,
    scale: int,
    result: Result,
    classes: Sequence[str],
    palette: Sequence[Sequence[int]] = (),
    skeleton: Skeleton = (),
) -> Tuple[np.ndarray, str]:
    """Draw a result of any kind on its picture, or below it; the picture, and a note.

    Args:
        canvas: see ``draw_detections``.
        scale: by how much the picture was enlarged.
        result: what was found.
        classes, palette: see ``draw_detections``.
        skeleton: see ``draw_poses``.
    """
    if isinstance(result, Poses):
        return canvas, draw_poses(canvas, result, scale, palette, skeleton)
    return _DRAWERS[type(result)](canvas, scale, result, classes, palette)


def _with_boxes(canvas: np.ndarray, scale: int, result: Any, classes: Any, palette: Any) -> Tuple[np.ndarray, str]:
    return canvas, draw_detections(canvas, result, scale, classes, palette)


def _with_segments(canvas: np.ndarray, scale: int, result: Any, classes: Any, palette: Any) -> Tuple[np.ndarray, str]:
    return canvas, draw_segments(canvas, result, scale)


def _with_labels(canvas: np.ndarray, scale: int, result: Any, classes: Any, palette: Any) -> Tuple[np.ndarray, str]:
    labels = result.labels
    if labels.shape != (canvas.shape[0] // scale, canvas.shape[1] // scale):  # the answer has a size of its own
        rows, columns = (
            np.arange(want // scale) * have // (want // scale) for have, want in zip(labels.shape, canvas.shape)
        )
        labels = labels[rows[:, None], columns]
    count = len(np.unique(labels))
    tinted = draw_label_map(canvas, labels.repeat(scale, 0).repeat(scale, 1), palette)
    return tinted, f"{count} class{'' if count == 1 else 'es'}"


def _with_image(canvas: np.ndarray, scale: int, result: Any, classes: Any, palette: Any) -> Tuple[np.ndarray, str]:
    image = viewable(result.pixels)
    height, width = image.shape[:2]
    size = canvas.shape[1], max(round(height * canvas.shape[1] / width), 1)
    return cv2.resize(image, size, interpolation=cv2.INTER_NEAREST), f"{height}x{width}"


def _with_regions(canvas: np.ndarray, scale: int, result: Any, classes: Any, palette: Any) -> Tuple[np.ndarray, str]:
    return canvas, draw_regions(canvas, result, scale)


def _with_text(canvas: np.ndarray, scale: int, result: Any, classes: Any, palette: Any) -> Tuple[np.ndarray, str]:
    return np.vstack([canvas, caption(result.text, canvas.shape[1])]), f"{len(result.text)} characters"


def _with_bars(canvas: np.ndarray, scale: int, result: Any, classes: Any, palette: Any) -> Tuple[np.ndarray, str]:
    best = label_of(result, int(result.probs.argmax()))
    return np.vstack([canvas, bars(result, canvas.shape[1], classes)]), f"first is {class_name(best, classes)}"


def _with_fields(canvas: np.ndarray, scale: int, result: Any, classes: Any, palette: Any) -> Tuple[np.ndarray, str]:
    if result.boxes is None:
        return _with_listing(canvas, scale, result, classes, palette)
    return canvas, draw_key_information(canvas, result, scale, classes)


def _with_listing(canvas: np.ndarray, scale: int, result: Any, classes: Any, palette: Any) -> Tuple[np.ndarray, str]:
    return np.vstack([canvas, _listing(result, canvas.shape[1])]), f"{len(result.values)} outputs"


def _listing(result: RawOutputs, width: int) -> np.ndarray:
    """Raw outputs cannot be drawn: their names, shapes and ranges."""
    lines: List[str] = []
    for name, values in result.values.items():
        span = f"{values.min():.4g} to {values.max():.4g}" if values.size else "empty"
        lines.append(f"{name} {'x'.join(map(str, values.shape))}: {span}")
    panel = np.full((24 * len(lines) + 8, width, 3), 255, np.uint8)
    for row, line in enumerate(lines):
        write(panel, line, 6, 24 * row + 20, fit(line, width - 12, 0.5))
    return panel


_DRAWERS: Dict[type, Callable[..., Tuple[np.ndarray, str]]] = {
    Detections: _with_boxes,
    EditedImage: _with_image,
    LabelMap: _with_labels,
    Panoptic: _with_segments,
    Scores: _with_bars,
    Text: _with_text,
    TextMaps: _with_listing,
    KeyInformation: _with_fields,
    TextRegions: _with_regions,
    RawOutputs: _with_listing,
}
