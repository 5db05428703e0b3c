"""What the export hook asks of a running training; nothing here changes it."""

from ...support import lazy
from .exporting import Training, TrainingExport, best_name, remove
from .preprocessor import norm_of_preprocessor
from .snapshot import averages_of, random_state_kept, snapshot

__all__ = [
    "Best",
    "Training",
    "TrainingExport",
    "averages_of",
    "best_name",
    "config_of_tests",
    "find_config",
    "find_norm",
    "names_of",
    "norm_of_preprocessor",
    "random_state_kept",
    "remove",
    "snapshot",
]

# of mmcv 1.x
_FIRST = {"Best": "best", **dict.fromkeys(("config_of_tests", "find_config", "find_norm", "names_of"), "data")}
__getattr__ = lazy(__name__, _FIRST)
