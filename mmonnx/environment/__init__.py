"""The process that an export runs in: versions, torch's settings, functions that others stand in for, roundings.

In: a model, and what is to hold while it runs. Out: context managers. Touched: functions and settings of torch and
mmcv, of the thread that asked alone, and only until the block ends.
"""

from . import compat
from .compat import version_tuple
from .doubling import layers_in_double, to_double
from .holders import Slot, holding
from .parts import innermost_layers, python_parts
from .roundings import layers_round_otherwise, resizing_rounds_otherwise, rounding_noise
from .stand_ins import StandIn, dispatchers, plain, standing_in
from .surroundings import gradients, inference, modes_kept, ordinary, untraced
from .ties import ties_at_random, ties_by_index

__all__ = [
    "Slot",
    "StandIn",
    "compat",
    "dispatchers",
    "gradients",
    "holding",
    "inference",
    "innermost_layers",
    "layers_in_double",
    "layers_round_otherwise",
    "modes_kept",
    "ordinary",
    "plain",
    "python_parts",
    "resizing_rounds_otherwise",
    "rounding_noise",
    "standing_in",
    "ties_at_random",
    "ties_by_index",
    "to_double",
    "untraced",
    "version_tuple",
]
