"""Detections of a whole batch in one set of tensors: what NMS, top-k and the RoI heads share while exporting.

Lists of boxes are flat: the boxes of all images, one after the other, and ``context.image_index`` says whose each is.
For a runtime without empty tensors such a list ends with a dummy, which belongs to image -1, so that it is never empty.
"""

from ...symbolics import ABSENT
from .detections import list_detections, multiclass_detections
from .indices import clip_k, divide, image_numbers, inside, longest, rows_of
from .lists import best_in_place, compact, flat_detections, gather_detections, top_per_image
from .rotated import rotated_detections
from .suppression import Survivors, suppress

__all__ = [
    "ABSENT",
    "Survivors",
    "best_in_place",
    "clip_k",
    "compact",
    "divide",
    "flat_detections",
    "gather_detections",
    "image_numbers",
    "inside",
    "list_detections",
    "longest",
    "multiclass_detections",
    "rotated_detections",
    "rows_of",
    "suppress",
    "top_per_image",
]
