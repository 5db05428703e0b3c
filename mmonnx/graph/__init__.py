"""What is done to a traced graph, and what can be said of a file's graph.

In: a ``ModelProto``. Out: another one, or findings. Touched: nothing; ``write_model`` alone puts a file in place.
"""

from .check import check_runs, check_target
from .findings import findings_json, show_findings
from .functions import opset_of, walk_nodes, without_functions
from .inspecting import inspect, rows
from .io_types import with_half_io
from .lowering import Lowered, lower, needs_lowering
from .metadata import annotate
from .names import named
from .optional import unused, with_defaults, without_inputs
from .parts import part, produced, pruned, reads
from .picture_input import with_picture_input
from .read import read_model
from .shapes import declared
from .simplifier import Workshop, count_nodes, file_size, simplify
from .winograd import WINOGRAD, with_winograd
from .write import write_model

__all__ = [
    "WINOGRAD",
    "Workshop",
    "Lowered",
    "findings_json",
    "show_findings",
    "annotate",
    "check_runs",
    "check_target",
    "count_nodes",
    "declared",
    "file_size",
    "inspect",
    "lower",
    "named",
    "needs_lowering",
    "opset_of",
    "part",
    "produced",
    "pruned",
    "read_model",
    "reads",
    "rows",
    "simplify",
    "unused",
    "walk_nodes",
    "with_defaults",
    "with_half_io",
    "with_picture_input",
    "with_winograd",
    "without_functions",
    "without_inputs",
    "write_model",
]
