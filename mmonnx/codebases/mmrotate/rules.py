"""How the layers of mmrotate's detectors get random weights that find something."""

from ..mmdet import RULES as _RULES

RULES = _RULES
"""Its heads call their layers as mmdet's do."""
