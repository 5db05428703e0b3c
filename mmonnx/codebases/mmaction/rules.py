"""How the layers of mmaction2's models get random weights that show something."""

import re

from ...loading import GENERAL, SPREAD, Rule

_FACTORS = {"conv3": 0.01, "fc2": 0.1}
"""What TEM and PEM multiply the outputs of their last layers with, of ``SPREAD`` then."""
RULES = (
    *(Rule(re.compile(f"^{name}$"), SPREAD / factor) for name, factor in _FACTORS.items()),
    Rule(re.compile(r"^(x_1d_s\.2|x_1d_e\.2|x_2d_p\.6)$"), SPREAD),
    Rule(re.compile(r"(^|[._])offset_net\.fc2$"), 1.0, norms=True),
    Rule(re.compile(r"^roi_head\.bbox_head\.fc_cls$"), SPREAD),
    *GENERAL,
    Rule(
        re.compile(r"^cls_head\.(fc|fc2|new_cls|consensus\.classifier\.3|consensus\.fc_fusion_scales\.\d+\.3)$"), SPREAD
    ),
)
"""In the order in which a model runs them, by the names that mmaction2 gives them."""
