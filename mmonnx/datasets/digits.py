"""Handwritten digits on photographs: real scans (scikit-learn) pasted on real pictures (scikit-image, scikit-learn).

Two splits, ``train`` and ``test``, share neither a scan nor a photograph. Sample ``i`` depends on ``(split, seed, i)``
alone, so the first ten of 200 samples are the same as the ten of a set of ten. Only what numpy promises never to change
is drawn from (``RandomState``).
"""

from .metrics import mean_average_precision, mean_intersection_over_union, rotated_mean_average_precision
from .painting import COMPOSITE_SHAPES, EMPTY_SHARE
from .samples import (
    CROP_SIDE,
    MAX_DIGITS,
    MOST_TURNED,
    PALETTE,
    PIXEL_CLASSES,
    ClassificationSample,
    DetectionSample,
    RotatedSample,
    SegmentationSample,
    classification_samples,
    detection_samples,
    rotated_samples,
    segmentation_samples,
)
from .sets import make_classification_set, make_detection_set, make_rotated_set, make_segmentation_set
from .sources import CLASSES, PHOTOGRAPHS, SPLITS, TEST_EVERY, digit_scans, photographs

__all__ = [
    "CLASSES",
    "COMPOSITE_SHAPES",
    "CROP_SIDE",
    "ClassificationSample",
    "DetectionSample",
    "EMPTY_SHARE",
    "MAX_DIGITS",
    "MOST_TURNED",
    "PALETTE",
    "PHOTOGRAPHS",
    "PIXEL_CLASSES",
    "RotatedSample",
    "SPLITS",
    "SegmentationSample",
    "TEST_EVERY",
    "classification_samples",
    "detection_samples",
    "digit_scans",
    "make_classification_set",
    "make_detection_set",
    "make_rotated_set",
    "make_segmentation_set",
    "mean_average_precision",
    "mean_intersection_over_union",
    "photographs",
    "rotated_mean_average_precision",
    "rotated_samples",
    "segmentation_samples",
]
