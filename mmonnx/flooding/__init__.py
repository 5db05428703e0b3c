"""Labels of pixels that grow over a mask, as text detectors' post-processing has them; numpy alone.

In: arrays. Out: arrays. Touched: nothing. Two rooms need it that do not know each other: the operators that stand in
for mmcv's compiled ones, and what reads exported files without mmcv.
"""

from .growing import contour_expand, pixel_group

__all__ = ["contour_expand", "pixel_group"]
