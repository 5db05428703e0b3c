"""What ``torch.jit`` has compiled."""

import io
from typing import Any, Dict, List, Tuple

import torch

from ...support import ExportError


def script_builtins() -> Dict[int, str]:
    """TorchScript's own table of the operators that functions are compiled to, by the functions' ids."""
    table: Dict[int, str] = torch.jit._builtins._get_builtin_table()
    return table


def frozen_graph(method: Any) -> Tuple[Any, List[torch.Tensor]]:
    """The graph of a compiled module's method, of a module in eval mode.

    Args:
        method: a ``torch._C.ScriptMethod``.

    Returns:
        The graph, whose inputs are the method's arguments, and the weights behind them; these weights, the module's
        own.

    Raises:
        ExportError: the method writes an attribute of its module; or this torch does not tell of a method whose it is.
    """
    if not hasattr(method, "owner"):  # torch 1.8 has none, 1.13 has
        raise ExportError(
            f"{method.name} of a compiled module cannot be traced with torch {torch.__version__}",
            "torch 1.13 or later, or modules that torch.jit.script or torch.jit.trace have not compiled",
            "export it with a later torch, or give the model before it is compiled",
        )
    # what is no weight becomes a constant
    frozen = torch._C._freeze_module(_with_interpolation(method), [method.name], preserveParameters=True)
    graph = frozen._get_method(method.name).graph
    for node in graph.findAllNodes("prim::SetAttr"):
        raise ExportError(
            f"{method.name} of a compiled module keeps {node.s('name')!r} for the next call",
            "a compiled module whose answers depend on its inputs alone",
            "give what is kept as an input and an output",
        )
    graph, weights = torch._C._jit_pass_lower_graph(graph, frozen)
    return graph, weights


def _with_interpolation(method: Any) -> Any:
    """A compiled method's module with ``interpolate`` as one operator, as torch's exporter has it of a compiled model.

    What freezing makes of it otherwise, a branch for each rank and mode, it cannot export. The exporter changes the
    user's module; here it is a copy that has the module's own weights.
    """
    if "aten::upsample_" not in str(method.inlined_graph):
        return method.owner
    copied = torch.jit.load(io.BytesIO(method.owner.save_to_buffer()))._c
    _share_weights(method.owner, copied)
    torch._C._jit_pass_onnx_function_substitution(copied._get_method(method.name).graph)
    return copied


def _share_weights(module: Any, copied: Any) -> None:
    """Give a copy of a ``torch._C.ScriptModule`` the tensors of the module."""
    for kind in (torch._C.ParameterDict, torch._C.BufferDict):
        for name, tensor in kind(module).items():
            copied.setattr(name, tensor)
    for name, part in torch._C.ModuleDict(module).items():
        _share_weights(part, copied.getattr(name))
