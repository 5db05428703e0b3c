"""How the layers of mmdet's detectors get random weights that find something, by the names that mmdet gives them."""

import re

from ...loading import CONTEXT, OFFSETS, SPREAD, STEP, Rule

_HEAT = 1.0
"""The spread of heat maps, of which the greatest count: further out, sigmoids of different logits are equal."""
_RARE = -9.0
"""The bias of class heads that make a mask for every score above the threshold: one in 300 then is."""
_WAY = 1.5
"""The mean logarithm of the way from a corner to the centre, in cells: of boxes that corners taken at random make."""

_HALF = -4.6
"""The bias of what says where there is an object: upstream's threshold is 0.01, and half of the places are above it."""

RULES = (
    OFFSETS,
    CONTEXT,
    # before the class heads, which are masked by it; as it is initialised, a rounding decides of every place
    Rule(re.compile(r"[._]conv_loc$"), 1.0, bias=_HALF),
    Rule(
        re.compile(
            r"^(?!mask_head\.conv_cls$)(.*[._])?"
            r"(cls_convs\.\d+(?=\.\d+$)|\w*cls|\w*cls_logits|\w*cls_out|cls_score|classifier|cls_embed)(\.\d+)?$"
        ),
        SPREAD,
    ),
    Rule(re.compile(r"^mask_head\.conv_cls$"), SPREAD, tail=False, bias=_RARE),
    Rule(re.compile(r"[._](heatmap_head\.2|(tl|br)_heat\.\d+\.1\.conv)$"), _HEAT, heats=True),
    Rule(re.compile(r"(^|[._])(\w*reg|\w*bbox_pred|convs_pred)(\.\d+)?$"), STEP, stages=True),
    # what makes masks and grid points
    Rule(re.compile(r"(^|[._])(conv_logits|conv_mask_list(_[xy])?\.\d+|mask_embed\.4)$"), SPREAD, tail=False),
    # where a map is greatest is a grid point: those of saturated maps tie
    Rule(re.compile(r"(^|[._])deconv2$"), 1.0),
    Rule(re.compile(r"[._](tl|br)_centripetal_shift\.\d+\.1\.conv$"), 0.3, bias=_WAY),
)
"""In the order in which a detector runs them, stage by stage: what the RoI heads see depends on the proposals."""
UNDRAWN = ("TridentConv",)
