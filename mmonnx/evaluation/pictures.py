"""The test set's pictures with what was found in them."""

import os
from pathlib import Path
from typing import Any, Dict, Sequence, Tuple

import cv2
import numpy as np

from ..loading import NO_KINDS, Kinds, draw_result
from ..runtime import Detections, drawing, read_picture

Titled = Tuple[str, Any]


def draw(
    folder: str,
    meta: Dict[str, Any],
    found: Sequence[Titled],
    classes: Sequence[str],
    palette: Sequence[Sequence[int]],
    score_thr: float,
    kinds: Kinds = NO_KINDS,
) -> None:
    """Write a picture: the results side by side, each below its title.

    Args:
        folder: where to; the picture's own path below the set's folder is kept.
        meta: upstream's, which names the picture.
        found: a title and a result each.
        classes: class names.
        palette: (red, green, blue) of each, may be empty.
        score_thr: detections below it are left out.
        kinds: how results of a codebase's own types are drawn, by type.

    Raises:
        InputError: the picture cannot be read.
        OSError: it cannot be written.
    """
    picture = read_picture(meta["filename"], 3)
    panels = [_panel(picture, title, result, classes, palette, score_thr, kinds) for title, result in found]
    path = place(folder, meta)
    done, data = cv2.imencode(path.suffix, np.hstack(panels))
    if not done:
        raise OSError(f"OpenCV cannot encode a picture for {path}")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data.tobytes())


def place(folder: str, meta: Dict[str, Any]) -> Path:
    """Where the drawing of a picture goes; never outside of the folder."""
    name = str(meta.get("ori_filename") or meta["filename"])
    parts = [part for part in Path(os.path.splitdrive(name)[1]).parts if part not in ("/", "\\", "..")]
    path = Path(folder, *parts)
    return path if path.suffix.lower() in (".jpg", ".jpeg", ".png") else path.with_name(path.name + ".png")


def _panel(
    picture: np.ndarray,
    title: str,
    result: Any,
    classes: Sequence[str],
    palette: Sequence[Sequence[int]],
    score_thr: float,
    kinds: Kinds,
) -> np.ndarray:
    canvas, scale = drawing.enlarged(picture)
    result = _above(result, score_thr) if isinstance(result, Detections) else result
    canvas, note = draw_result(kinds, canvas, scale, result, classes, palette)
    return drawing.framed(canvas, f"{title}: {note}")


def _above(found: Detections, score_thr: float) -> Detections:
    kept = found.scores >= score_thr
    return Detections(found.dets[kept], found.labels[kept], None if found.masks is None else found.masks[kept])
