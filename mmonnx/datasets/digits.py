"""Handwritten digits on photographs: real scans (scikit-learn) pasted on real pictures (scikit-image, scikit-learn).

Two splits, ``train`` and ``test``, share neither a scan nor a photograph. Sample ``i`` depends on ``(split, seed, i)``
alone, so the first ten of 200 samples are the same as the ten of a set of ten. Only what numpy promises never to change
is drawn from (``RandomState``).
"""

import importlib.util
import json
import os
from functools import lru_cache
from typing import Any, Dict, Iterator, List, NamedTuple, Sequence, Tuple

import numpy as np

from ..environment import compat
from ..support import InputError, command_line

CLASSES = tuple(str(digit) for digit in range(10))
SPLITS = ("train", "test")
#: Every seventh scan is held out. They come writer by writer, each in runs of 0 to 9: so both splits have every writer,
#: and seven, which shares no factor with ten, holds out as many of each digit.
TEST_EVERY = 7
#: (package, folder inside it, file): all of them lie inside the wheels.
PHOTOGRAPHS = {
    "train": (
        ("skimage", "data", "astronaut.png"),
        ("skimage", "data", "coffee.png"),
        ("skimage", "data", "motorcycle_left.png"),
        ("skimage", "data", "hubble_deep_field.jpg"),
        ("skimage", "data", "brick.png"),
        ("skimage", "data", "gravel.png"),
        ("skimage", "data", "coins.png"),
        ("skimage", "data", "moon.png"),
        ("skimage", "data", "ihc.png"),
        ("skimage", "data", "retina.jpg"),
        ("sklearn", "datasets/images", "china.jpg"),
    ),
    "test": (
        ("skimage", "data", "chelsea.png"),
        ("skimage", "data", "rocket.jpg"),
        ("skimage", "data", "camera.png"),
        ("skimage", "data", "grass.png"),
        ("sklearn", "datasets/images", "flower.jpg"),
    ),
}
#: (height, width) of the composites; the sides of 240 make batches and graphs meet padding.
COMPOSITE_SHAPES = ((320, 320), (240, 320), (320, 240))
#: A training picture takes as long with fourteen digits as with eight, and teaches more.
MAX_DIGITS = {"train": 14, "test": 8}
EMPTY_SHARE = 0.1
CROP_SIDE = 64
_PIP_NAMES = {"skimage": "scikit-image", "sklearn": "scikit-learn"}


class DetectionSample(NamedTuple):
    """One composite.

    Attributes:
        image: (H, W, 3) uint8, BGR.
        boxes: (n, 4) float32, (x1, y1, x2, y2) in pixels, right and lower edges exclusive; n is 0 to 14.
        labels: (n,) int64, the digits.
    """

    image: np.ndarray
    boxes: np.ndarray
    labels: np.ndarray


class ClassificationSample(NamedTuple):
    """One crop with a digit in its middle: ``image`` (64, 64, 3) uint8 BGR and its ``label``."""

    image: np.ndarray
    label: int


def digit_scans(split: str) -> Tuple[np.ndarray, np.ndarray]:
    """The scans of one split.

    Args:
        split: "train" or "test".

    Returns:
        (n, 8, 8) uint8, 0 for paper to 255 for ink, and (n,) int64 labels.

    Raises:
        InputError: another split, or scikit-learn is not installed.
    """
    _check_split(split)
    scans, labels = _all_scans()
    held_out = np.arange(len(scans)) % TEST_EVERY == TEST_EVERY - 1
    part = held_out if split == "test" else ~held_out
    return scans[part], labels[part]


def photographs(split: str) -> List[np.ndarray]:
    """The photographs of one split, (H, W, 3) uint8 BGR each.

    Raises:
        InputError: another split, or a package that ships them is not installed.
    """
    _check_split(split)
    return list(_photographs(split))


def detection_samples(split: str, num: int, seed: int = 0) -> Iterator[DetectionSample]:
    """Composites with 0 to 8 digits each (training: 14), of about 24 to 96 px; about one in ten has none.

    Args:
        split: "train" or "test".
        num: how many.
        seed: another seed gives other composites of the same scans and photographs.

    Yields:
        ``num`` samples, made one at a time.

    Raises:
        InputError: another split, or a package is not installed.
    """
    scans, labels = digit_scans(split)
    pictures = photographs(split)
    for index in range(num):
        rng = np.random.RandomState([seed, SPLITS.index(split), 0, index])
        yield _composite(rng, pictures, scans, labels, MAX_DIGITS[split])


def classification_samples(split: str, num: int, seed: int = 0) -> Iterator[ClassificationSample]:
    """Crops of 64x64 px with one digit of 32 to 60 px near the middle; arguments and errors as `detection_samples`."""
    scans, labels = digit_scans(split)
    pictures = photographs(split)
    for index in range(num):
        rng = np.random.RandomState([seed, SPLITS.index(split), 1, index])
        image = _background(rng, pictures, (CROP_SIDE, CROP_SIDE), (0.1, 0.4))
        chosen = rng.randint(len(scans))
        # A turned digit of 60 px can be a pixel or two higher than the crop.
        ink = _render(rng, scans[chosen], rng.uniform(32, 60))[:CROP_SIDE, :CROP_SIDE]
        height, width = ink.shape
        top = (CROP_SIDE - height) // 2 + rng.randint(-3, 4)
        left = (CROP_SIDE - width) // 2 + rng.randint(-3, 4)
        top, left = (int(np.clip(at, 0, CROP_SIDE - side)) for at, side in ((top, height), (left, width)))
        _paste(rng, image, ink, top, left)
        yield ClassificationSample(image, int(labels[chosen]))


def make_detection_set(out_dir: str, split: str = "test", num: int = 200, seed: int = 0) -> str:
    """Write composites as PNG files and their boxes as one COCO file.

    Args:
        out_dir: gets ``<split>/000000.png`` and so on, and ``<split>.json``, which names them without the folder.
        split, num, seed: as `detection_samples`.

    Returns:
        The path of the COCO file.

    Raises:
        InputError: as `detection_samples`, or a file cannot be written.
    """
    images: List[Dict[str, Any]] = []
    annotations: List[Dict[str, Any]] = []
    folder = os.path.join(out_dir, split)
    for index, sample in enumerate(detection_samples(split, num, seed)):
        name = f"{index:06d}.png"
        _write_png(os.path.join(folder, name), sample.image)
        height, width = sample.image.shape[:2]
        images.append({"id": index, "file_name": name, "height": height, "width": width})
        for (x1, y1, x2, y2), label in zip(sample.boxes.tolist(), sample.labels.tolist()):
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": index,
                    "category_id": label,
                    "bbox": [x1, y1, x2 - x1, y2 - y1],
                    "area": (x2 - x1) * (y2 - y1),
                    "iscrowd": 0,
                }
            )
    categories = [{"id": label, "name": name} for label, name in enumerate(CLASSES)]
    path = os.path.join(out_dir, f"{split}.json")
    with open(path, "w") as file:
        json.dump({"images": images, "annotations": annotations, "categories": categories}, file)
    return path


def make_classification_set(out_dir: str, split: str = "test", num: int = 400, seed: int = 0) -> str:
    """Write crops as ``<out_dir>/<split>/<digit>/000000.png``, one folder a class.

    Args:
        out_dir: the folder.
        split, num, seed: as `classification_samples`.

    Returns:
        The path of ``<out_dir>/<split>``.

    Raises:
        InputError: as `classification_samples`, or a file cannot be written.
    """
    folder = os.path.join(out_dir, split)
    for index, sample in enumerate(classification_samples(split, num, seed)):
        _write_png(os.path.join(folder, CLASSES[sample.label], f"{index:06d}.png"), sample.image)
    return folder


def mean_average_precision(
    results: Sequence[Sequence[np.ndarray]], samples: Sequence[DetectionSample], iou_thr: float = 0.5
) -> float:
    """Mean average precision by mmdet's own ``eval_map``.

    Args:
        results: for each image, ten arrays (n, 5) of (x1, y1, x2, y2, score), as an mmdet detector returns them.
        samples: the ground truth, in the same order.
        iou_thr: the overlap from which a detection counts.

    Returns:
        0.0 to 1.0.
    """
    eval_map = compat.upstream("mmdet.core.evaluation.eval_map")
    annotations = [{"bboxes": sample.boxes, "labels": sample.labels} for sample in samples]
    return float(eval_map(list(results), annotations, iou_thr=iou_thr, logger="silent", nproc=1)[0])


def _check_split(split: str) -> None:
    if split not in SPLITS:
        raise InputError(f"split {split!r} is unknown", " or ".join(SPLITS), "give one of them")


def _missing(package: str) -> InputError:
    name = _PIP_NAMES[package]
    return InputError(
        f"{name} is not installed",
        "the package that ships the digits data",
        "run " + command_line("pip", "install", name),
    )


@lru_cache(maxsize=None)
def _all_scans() -> Tuple[np.ndarray, np.ndarray]:
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise _missing("sklearn") from error
    data = load_digits()
    return np.rint(data.images * (255 / 16)).astype(np.uint8), data.target.astype(np.int64)


@lru_cache(maxsize=None)
def _photographs(split: str) -> Tuple[np.ndarray, ...]:
    # Pillow, because OpenCV's reader prints a warning of libpng about two of these files.
    from PIL import Image

    pictures = []
    for package, folder, name in PHOTOGRAPHS[split]:
        # The package is found, not imported: scikit-image takes seconds and its loaders may ask the network.
        spec = importlib.util.find_spec(package)
        if spec is None or not spec.submodule_search_locations:
            raise _missing(package)
        path = os.path.join(list(spec.submodule_search_locations)[0], folder, name)
        try:
            with Image.open(path) as picture:
                pictures.append(np.ascontiguousarray(np.asarray(picture.convert("RGB"))[..., ::-1]))
        except OSError as error:
            raise InputError(
                f"{path} cannot be read",
                f"a photograph that {_PIP_NAMES[package]} ships",
                "run " + command_line("pip", "install", "--force-reinstall", _PIP_NAMES[package]),
            ) from error
    return tuple(pictures)


def _background(
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


def _render(rng: np.random.RandomState, scan: np.ndarray, size: float) -> np.ndarray:
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


def _paste(rng: np.random.RandomState, image: np.ndarray, ink: np.ndarray, top: int, left: int) -> None:
    """Blend ``ink`` into ``image`` in place, in a colour that stands out from what lies below."""
    patch = image[top : top + ink.shape[0], left : left + ink.shape[1]]
    below = float(patch.mean())
    lighter = below < 110 or (below < 145 and rng.randint(2) == 1)
    level = rng.uniform(below + 100, 255) if lighter else rng.uniform(0, below - 100)
    colour = np.clip(level + rng.uniform(-40, 40, 3), 0, 255)
    alpha = (ink * rng.uniform(0.85, 1.0))[..., None]
    patch[...] = np.rint(patch * (1 - alpha) + colour * alpha).astype(np.uint8)


def _composite(
    rng: np.random.RandomState, pictures: Sequence[np.ndarray], scans: np.ndarray, labels: np.ndarray, most: int
) -> DetectionSample:
    height, width = COMPOSITE_SHAPES[rng.randint(len(COMPOSITE_SHAPES))]
    image = _background(rng, pictures, (height, width), (0.4, 1.0))
    wanted = 0 if rng.uniform() < EMPTY_SHARE else rng.randint(1, most + 1)
    boxes: List[Tuple[int, int, int, int]] = []
    chosen: List[int] = []
    for _ in range(wanted):
        index = rng.randint(len(scans))
        ink = _render(rng, scans[index], np.exp(rng.uniform(np.log(24), np.log(96))))
        # A full picture may have no room left: after twenty tries the digit is left out.
        for _ in range(20):
            top, left = rng.randint(height - ink.shape[0] + 1), rng.randint(width - ink.shape[1] + 1)
            box = (left, top, left + ink.shape[1], top + ink.shape[0])
            if all(box[2] <= x1 or x2 <= box[0] or box[3] <= y1 or y2 <= box[1] for x1, y1, x2, y2 in boxes):
                _paste(rng, image, ink, top, left)
                boxes.append(box)
                chosen.append(index)
                break
    return DetectionSample(image, np.array(boxes, np.float32).reshape(-1, 4), labels[chosen].astype(np.int64))


def _write_png(path: str, image: np.ndarray) -> None:
    import cv2

    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        written = cv2.imwrite(path, image, [cv2.IMWRITE_PNG_COMPRESSION, 1])
    except OSError:
        written = False
    if not written:
        raise InputError(f"{path} cannot be written", "a folder that can be written", "choose another folder")
