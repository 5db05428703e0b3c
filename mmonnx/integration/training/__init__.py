"""What the export hook asks of a running training; nothing here changes it."""

from .best import Best
from .data import config_of_tests, find_config, find_norm, names_of
from .snapshot import averages_of, random_state_kept, snapshot

__all__ = [
    "Best",
    "averages_of",
    "config_of_tests",
    "find_config",
    "find_norm",
    "names_of",
    "random_state_kept",
    "snapshot",
]
