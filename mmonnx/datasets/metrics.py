"""What detections and label maps of the samples are worth, by upstream's own functions."""

from typing import Sequence

import numpy as np

from ..codebases import rotated_average_precision
from ..environment import compat
from .samples import PIXEL_CLASSES, DetectionSample, RotatedSample, SegmentationSample


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


def rotated_mean_average_precision(
    results: Sequence[Sequence[np.ndarray]], samples: Sequence[RotatedSample], iou_thr: float = 0.5
) -> float:
    """Mean average precision by mmrotate's own ``eval_rbbox_map``.

    Args:
        results: for each image, ten arrays (n, 6) of (x, y, w, h, angle, score), as an mmrotate detector returns them.
        samples: the ground truth, in the same order.
        iou_thr: the overlap from which a detection counts.

    Returns:
        0.0 to 1.0.
    """
    annotations = [{"bboxes": sample.boxes, "labels": sample.labels} for sample in samples]
    return rotated_average_precision(list(results), annotations, iou_thr)


def mean_intersection_over_union(results: Sequence[np.ndarray], samples: Sequence[SegmentationSample]) -> float:
    """Mean over the classes of pixels, the background among them, by mmseg's own ``eval_metrics``.

    Args:
        results: for each image, (H, W) class indices.
        samples: the ground truth, in the same order.

    Returns:
        0.0 to 1.0.
    """
    eval_metrics = compat.upstream("mmseg.core.evaluation.metrics.eval_metrics")
    truth = [sample.labels for sample in samples]
    return float(np.nanmean(eval_metrics(list(results), truth, len(PIXEL_CLASSES), 255, ["mIoU"])["IoU"]))
