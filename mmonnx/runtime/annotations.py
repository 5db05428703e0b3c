"""The texts of a picture, as annotations of mmocr's datasets have them, as the inputs that a file takes.

An annotation is a dict with ``text`` and ``box``, x1, y1, ..., x4, y4 of its corners in pixels of the picture. What a
file's metadata say of them (``mmonnx.annotations``), a dict that JSON holds:

- ``characters``: what each number from 1 on stands for; None where that is not known;
- ``norm``: what distances are divided by;
- ``links``: ``type``, one of ``LINKS``, and ``threshold``, of files that say which texts are a key and its value; None
  of others.
"""

from typing import Any, Dict, List, Mapping, Sequence, Tuple

import numpy as np

from ..support import InputError

NOTHING = -1
"""What texts are filled up with behind their characters."""
LINKS = ("one-to-one", "one-to-many", "many-to-one", "many-to-many", "none")
"""How many values a key may have, and how many keys a value."""
_KEY, _VALUE = 1, 2
"""The classes of texts that belong together, as upstream has them."""
_CORNERS = 8
Annotation = Mapping[str, Any]
Pair = Tuple[int, int, float]


def check_annotations(about: Mapping[str, Any]) -> None:
    """Raise ValueError, TypeError or KeyError where a value cannot be one that mmonnx wrote."""
    characters, links = about["characters"], about["links"]
    if characters is not None and not all(isinstance(one, str) for one in characters):
        raise ValueError("characters")
    if not float(about["norm"]) > 0:
        raise ValueError("norm")
    if links is not None and (links["type"] not in LINKS or not 0 <= float(links["threshold"]) <= 1):
        raise ValueError("links")


def check_page(page: Sequence[Annotation]) -> None:
    """Refuse what is no list of annotations.

    Raises:
        InputError: it is none, or has no text.
    """
    if not isinstance(page, (list, tuple)) or not page:
        raise InputError("there are no texts on the picture", "one at least, with its box", "leave the picture out")
    for number, one in enumerate(page, 1):
        right = isinstance(one, Mapping) and isinstance(one.get("text"), str) and _is_box(one.get("box"))
        if not right:
            raise InputError(
                f"text {number} of the picture is none", "text, and box of eight numbers", "fix the annotations"
            )


def _is_box(box: Any) -> bool:
    if not isinstance(box, (list, tuple, np.ndarray)) or len(box) < _CORNERS:
        return False
    numbers = [isinstance(one, (int, float, np.number)) and not isinstance(one, bool) for one in box[:_CORNERS]]
    return all(numbers) and bool(np.isfinite(np.asarray(box[:_CORNERS], np.float64)).all())


def boxes_of(page: Sequence[Annotation]) -> np.ndarray:
    """(n, 4) float32, ``(x1, y1, x2, y2)`` around the corners, which are whole pixels."""
    corners = np.array([one["box"][:_CORNERS] for one in page], np.float32).astype(np.int32).reshape(-1, 4, 2)
    return np.concatenate([corners.min(1), corners.max(1)], 1).astype(np.float32)


def numbered(page: Sequence[Annotation], characters: Sequence[str]) -> np.ndarray:
    """(n, L) int64, the numbers of the characters, -1 behind them; what is no known character is left out."""
    numbers = {one: number for number, one in enumerate(characters, 1)}
    rows = [[numbers[one] for one in annotation["text"] if one in numbers] for annotation in page]
    texts = np.full((len(rows), max(map(len, rows))), NOTHING, np.int64)
    for text, row in zip(texts, rows):
        text[: len(row)] = row
    return filled(texts)


def filled(texts: np.ndarray) -> np.ndarray:
    """Texts (n, L) int64 of one character at least, as no file takes a page without any."""
    return texts if texts.shape[1] else np.full((len(texts), 1), NOTHING, np.int64)


def relations_of(boxes: np.ndarray, norm: float, scale: Tuple[float, float] = (1.0, 1.0)) -> np.ndarray:
    """How boxes lie to each other, as mmocr's ``KIEDataset`` says it.

    Args:
        boxes: (n, 4) float32, ``(x1, y1, x2, y2)`` in pixels.
        norm: what distances are divided by.
        scale: how many times as wide and as high the picture becomes, which upstream takes into account afterwards.

    Returns:
        (n, n, 5) float32: of the first box and the second one, how far the second is to the right and down, the
        first one's width by its height, the second's height by the first's, and the second's width by the first's
        height.
    """
    left, top, right, bottom = (boxes[:, column : column + 1] for column in range(4))
    width, height = np.maximum(right - left + 1, 1), np.maximum(bottom - top + 1, 1)
    apart = [(side.T - side) / norm for side in (left, top)]
    own = width / height + np.zeros_like(height.T)
    relations = np.stack([*apart, own, height.T / height, width.T / height], -1).astype(np.float32)
    wide, high = (np.float32(one) for one in scale)
    return relations * np.array([wide, high, wide / high, 1, wide / high], np.float32)


def pairs_of(nodes: np.ndarray, edges: np.ndarray, links: Mapping[str, Any]) -> List[Pair]:
    """Which texts are a key and its value, as mmocr's ``OpensetKIEDataset`` reads it.

    Args:
        nodes: (n, num_classes) probabilities.
        edges: (n * n, 2) probabilities.
        links: see above.

    Returns:
        The place of the key, that of the value, and how likely they belong together; as upstream has them in order.
    """
    labels, both = nodes.argmax(1), edges[:, -1].reshape(len(nodes), len(nodes))
    both, threshold = np.maximum(both, both.T), links["threshold"]
    if links["type"] in ("many-to-many", "none"):
        likely = [(one, other) for one, other in np.argwhere(both > threshold).tolist() if one < other]
        turned = [pair if nodes[pair[0], _KEY] > nodes[pair[0], _VALUE] else pair[::-1] for pair in likely]
        kept = [(one, other) for one, other in turned if labels[one] == _KEY and labels[other] == _VALUE]
        return [(one, other, float(both[one, other])) for one, other in kept]
    left = np.where((both > threshold) & (labels == _KEY)[:, None] & (labels == _VALUE)[None], both, -1)
    found: List[Pair] = []
    while (left > -1).any():
        key, value = np.unravel_index(left.argmax(), left.shape)
        found.append((int(key), int(value), float(both[key, value])))
        left[:, value] = -1 if links["type"] != "many-to-one" else left[:, value]
        left[key] = -1 if links["type"] != "one-to-many" else left[key]
    return found


def inputs_of(
    page: Sequence[Annotation],
    about: Mapping[str, Any],
    scale: Tuple[float, float] = (1.0, 1.0),
    size: Tuple[int, int] = (0, 0),
) -> Dict[str, np.ndarray]:
    """What a file takes of the texts of a picture.

    Args:
        page: the annotations, one at least.
        about: what the file says of them, see above; it holds its characters.
        scale: how many times as wide and as high the picture has become.
        size: (height, width) that it has become, where the file looks at it.

    Returns:
        ``relations`` (n, n, 5) float32, ``texts`` (n, L) int64, and ``boxes`` (n, 4) float32 in the picture as it has
        become.
    """
    boxes, (height, width) = boxes_of(page), size
    inside = np.array([width, height] * 2, np.float32)
    return {
        "relations": relations_of(boxes, float(about["norm"]), scale),
        "texts": numbered(page, about["characters"]),
        "boxes": (boxes * np.array(scale * 2, np.float32)).clip(0, inside),
    }
