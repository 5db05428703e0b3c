"""What text detectors' post-processing has in compiled code: labels of pixels that grow over a mask, and quadrangles
that are merged. numpy alone; quadrangles need pyclipper too.

In: arrays. Out: arrays. Touched: nothing. Rooms need it that do not know each other: those that stand in for
compiled packages, and what reads exported files without them.
"""

from .growing import contour_expand, pixel_group
from .quadrangles import merge_quadrangles

__all__ = ["contour_expand", "merge_quadrangles", "pixel_group"]
