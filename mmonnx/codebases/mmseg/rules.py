"""How the layers of mmseg's segmentors get random weights that find something, by the names that mmseg gives them."""

import re

from ...loading import CONTEXT, OFFSETS, SPREAD, Rule

RULES = (
    OFFSETS,
    CONTEXT,
    # without its mean centred, one class would have all the pixels
    Rule(re.compile(r"(^|[._])(conv_seg|cls_seg)$"), SPREAD, heats=True),
    # of the points that PointRend refines
    Rule(re.compile(r"(^|[._])fc_seg$"), SPREAD),
)
"""In the order in which a segmentor runs them: a head of a cascade sees what the one before it says."""
