"""How the layers of mmpose's heads get random weights that find something, by the names that mmpose gives them."""

import re
from dataclasses import replace

from ...loading import CONTEXT, OFFSETS, Rule

_HEAT = 0.25
"""Standard deviation of heats, which are 1 where a key point is."""
_HEAT_OF_BYTES = 64.0
"""The same of heads that are trained on heats of up to 255, as MSPN and RSN are."""
_LOGIT = 0.5
"""The same of what a heat, or the weight of a feature, is the sigmoid of."""
_AWAY = 0.2
"""The same of where a key point is, as a share of the picture's width and height."""

_TURNED = 0.5
"""The same of what turns, stretches and moves the taps of a deformable layer, in places of a map."""
_JUDGED = 0.25
"""The same of how likely a pose is right, from 0 to 1."""
_WARPED = 0.5
"""The same of how far heats are moved from frame to frame, in places of their maps."""

RULES = (
    OFFSETS,
    Rule(re.compile(r"neck\.trans_layer$"), _HEAT),
    replace(OFFSETS, layers=re.compile(r"neck\.offset_layers\.\d+$"), spread=_WARPED, norms=False),
    CONTEXT,
    Rule(re.compile(r"keypoint_head\.\w*final_layers?(\.\d+)*$"), _HEAT),
    Rule(re.compile(r"keypoint_head\.predict_layers\.\d+\.conv_layers\.1\.conv$"), _HEAT_OF_BYTES),
    Rule(re.compile(r"keypoint_head\.offset_conv_layers\.\d+\.transform_matrix_conv$"), _TURNED),
    Rule(re.compile(r"keypoint_head\.heatmap_conv_layers\.2$"), _HEAT),
    Rule(re.compile(r"rescore_net\.l3$"), _JUDGED, bias=0.5),
    Rule(re.compile(r"keypoint_head\.fc$"), _AWAY, bias=0.5),
    Rule(re.compile(r"keypoint_head\.(keypoint_center_conv|[cs]_attn\.(atn|conv)|fuse_attn|heatmap_conv)$"), _LOGIT),
)
"""In the order in which a pose estimator runs them."""
