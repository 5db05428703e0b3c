"""What stands in for a model's own code while it is traced, what mmcv's operators become, what leaks out of a trace.

In: upstream's functions by their paths. Out: functions of tensors that the tracer can follow, and nodes. Touched: what
``rewriting(...)`` replaces, for its thread and block. The tree of ``rewrites`` mirrors upstream's own.
"""

from .leaks import Taken, faults, watching
from .leaks.places import Place, innermost_user_place, place_in_graph, place_of
from .lowering import CUSTOM_OPS, custom_operators, lower
from .rewrites import REGISTRY, ExportContext, Rewrite, current, rewrite, rewriting
from .rewrites.batched import ABSENT, compact, flat_detections
from .rewrites.instances import of_instances
from .rewrites.lines import VALID_WIDTH
from .rewrites.mmpose import POSE_MAPS
from .rewrites.panoptic import panoptic_outputs
from .rewrites.per_image import own_code, per_image
from .rewrites.prompts import Prompt
from .symbolics import MMCV, Operator, legacy_symbolics, tables_kept
from .upstream import trust

__all__ = [
    "ABSENT",
    "CUSTOM_OPS",
    "ExportContext",
    "MMCV",
    "Place",
    "Prompt",
    "REGISTRY",
    "Rewrite",
    "Taken",
    "compact",
    "current",
    "custom_operators",
    "faults",
    "flat_detections",
    "innermost_user_place",
    "legacy_symbolics",
    "lower",
    "of_instances",
    "own_code",
    "panoptic_outputs",
    "per_image",
    "place_in_graph",
    "place_of",
    "Operator",
    "POSE_MAPS",
    "rewrite",
    "rewriting",
    "VALID_WIDTH",
    "tables_kept",
    "trust",
    "watching",
]
