"""What stands in for upstream code while a model is exported.

The tree below mirrors upstream's own: the stand-in of ``mmdet.models.dense_heads.rpn_head.RPNHead.get_bboxes`` is in
``mmonnx/rewriting/rewrites/mmdet/models/dense_heads/rpn_head.py``. Importing this package registers them all and
imports nothing of OpenMMLab.
"""

import importlib
import pkgutil

from ...targets import Capabilities
from .context import ExportContext
from .registry import REGISTRY, Rewrite, current, rewrite, rewriting

__all__ = ["REGISTRY", "Capabilities", "ExportContext", "Rewrite", "current", "rewrite", "rewriting"]

for _module in pkgutil.walk_packages(__path__, __name__ + "."):
    importlib.import_module(_module.name)
