"""MMRotate 0.x."""

from typing import Any, Optional

from ...environment import compat
from ...loading import Blame, LoadOptions, Task
from ..mmdet import Generation, MMDetection
from .rotated import Rotated
from .rules import RULES

_PARTS = {"angle_range", "angle_version", "fam_head", "frm_cfgs"}
"""Keys that a detector of mmdet has nowhere in its config."""


class MMRotate(MMDetection):
    """MMRotate 0.x, whose detectors are mmdet's with boxes of their own. Its stand-ins are in ``rewrites/mmrotate``."""

    name = package = "mmrotate"
    registry, base = "ROTATED_DETECTORS", "RotatedBaseDetector"
    makes = "a detector of mmrotate"
    types = ("RotatedRepPoints",)
    default_shape = (1024, 1024)
    rules = RULES

    @property
    def generation(self) -> Generation:
        """How they are built, run and read."""
        return Rotated()

    def owns(self, settings: Any) -> bool:
        """Whether the config's model is one of rotated boxes; mmrotate's registry is mmdet's, its classes are not."""
        return not compat.is_second_generation() and super().owns(settings)

    def seems_to_own(self, settings: Any) -> bool:
        """Whether angles are spoken of."""
        return super().seems_to_own(settings) or _has_any(settings.model, _PARTS)

    def blame(self, name: str, settings: Any, options: LoadOptions) -> Blame:
        """See ``Codebase.blame``: what mmdet calls otherwise today, such as ``iou_thr``, mmrotate still calls so."""
        return (
            super()
            .blame(name, settings, options)
            ._replace(
                expected="a config that mmrotate itself runs",
                fix="fix the config or --cfg-options, or give another --shape",
            )
        )

    def build(self, settings: Any, title: str, checkpoint: Optional[str], options: LoadOptions) -> Task:
        """Build the detector of a config and make it a task; see ``Codebase.build``."""
        compat.check_version(self.package)
        return super().build(settings, title, checkpoint, options)


def _has_any(node: Any, keys: Any) -> bool:
    if isinstance(node, dict):
        return bool(keys & set(node)) or any(_has_any(value, keys) for value in node.values())
    return isinstance(node, (list, tuple)) and any(_has_any(value, keys) for value in node)
