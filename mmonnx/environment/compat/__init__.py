"""Everything that asks for a version, and nothing else: a file for each thing that versions differ in."""

from .checkpoints import load_checkpoint_file, reads_weights_alone
from .exporter import (
    export_kwargs,
    first_opset,
    legacy_symbolic_registry,
    max_opset,
    no_attention_fast_path,
    no_graph_dump,
    nodes_behind,
    tensor_type,
    torch_symbolics,
)
from .scripted import frozen_graph, script_builtins
from .settings import (
    NOT_DETERMINISTIC,
    determinism,
    has_stable_sort,
    know_constructors,
    no_autocast,
    no_default_device,
    no_inference_mode,
    set_determinism,
    version_of,
)
from .versions import (
    SUPPORTED,
    TORCH,
    Range,
    check_versions,
    entry_points,
    installed_version,
    keeps_proposals_of_the_minimum,
    version_tuple,
)

__all__ = [
    "NOT_DETERMINISTIC",
    "Range",
    "SUPPORTED",
    "TORCH",
    "check_versions",
    "determinism",
    "entry_points",
    "export_kwargs",
    "first_opset",
    "frozen_graph",
    "has_stable_sort",
    "installed_version",
    "keeps_proposals_of_the_minimum",
    "know_constructors",
    "legacy_symbolic_registry",
    "load_checkpoint_file",
    "max_opset",
    "no_attention_fast_path",
    "no_autocast",
    "no_default_device",
    "no_graph_dump",
    "no_inference_mode",
    "nodes_behind",
    "reads_weights_alone",
    "script_builtins",
    "set_determinism",
    "tensor_type",
    "torch_symbolics",
    "version_of",
    "version_tuple",
]
