"""The samples as files, in the formats that OpenMMLab's datasets read."""

import json
import os
from typing import Any, Dict, List

import numpy as np

from ..runtime import corners
from ..support import InputError
from .samples import classification_samples, detection_samples, rotated_samples, segmentation_samples
from .sources import CLASSES


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


def make_segmentation_set(out_dir: str, split: str = "test", num: int = 200, seed: int = 0) -> str:
    """Write composites as ``<out_dir>/<split>/images/000000.png`` and their labels as ``.../labels/000000.png``.

    Args:
        out_dir: the folder.
        split, num, seed: as `segmentation_samples`.

    Returns:
        The path of ``<out_dir>/<split>``.

    Raises:
        InputError: as `segmentation_samples`, or a file cannot be written.
    """
    folder = os.path.join(out_dir, split)
    for index, sample in enumerate(segmentation_samples(split, num, seed)):
        _write_png(os.path.join(folder, "images", f"{index:06d}.png"), sample.image)
        _write_png(os.path.join(folder, "labels", f"{index:06d}.png"), sample.labels)
    return folder


def make_rotated_set(out_dir: str, split: str = "test", num: int = 200, seed: int = 0) -> str:
    """Write composites as ``<out_dir>/<split>/images/000000.png`` and their boxes as DOTA's ``.../boxes/000000.txt``.

    Args:
        out_dir: the folder.
        split, num, seed: as `rotated_samples`.

    Returns:
        The path of ``<out_dir>/<split>``.

    Raises:
        InputError: as `rotated_samples`, or a file cannot be written.
    """
    folder = os.path.join(out_dir, split)
    for index, sample in enumerate(rotated_samples(split, num, seed)):
        _write_png(os.path.join(folder, "images", f"{index:06d}.png"), sample.image)
        lines = []
        for outline, label in zip(corners(sample.boxes), sample.labels):
            numbers = " ".join(f"{value:.2f}" for value in outline.reshape(-1))
            lines.append(f"{numbers} {CLASSES[label]} 0\n")
        _write_text(os.path.join(folder, "boxes", f"{index:06d}.txt"), "".join(lines))
    return folder


def _write_png(path: str, image: np.ndarray) -> None:
    import cv2

    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        written = cv2.imwrite(path, image, [cv2.IMWRITE_PNG_COMPRESSION, 1])
    except OSError:
        written = False
    if not written:
        raise _unwritable(path)


def _write_text(path: str, text: str) -> None:
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as file:
            file.write(text)
    except OSError as error:
        raise _unwritable(path) from error


def _unwritable(path: str) -> InputError:
    return InputError(f"{path} cannot be written", "a folder that can be written", "choose another folder")
