"""How the layers of mmaction2's models get random weights that show something."""

import re

from ...loading import GENERAL, SPREAD, Rule

RULES = (
    Rule(re.compile(r"(^|[._])offset_net\.fc2$"), 1.0, norms=True),
    *GENERAL,
    Rule(
        re.compile(r"^cls_head\.(fc|fc2|new_cls|consensus\.classifier\.3|consensus\.fc_fusion_scales\.\d+\.3)$"), SPREAD
    ),
)
"""In the order in which a model runs them, by the names that mmaction2 gives them."""
