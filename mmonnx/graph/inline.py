"""mmonnx's own operators replaced by their bodies."""

import importlib
import pkgutil

import onnx
import onnx.inliner

from .. import symbolics
from ..symbolics.functions import DOMAIN, FUNCTIONS


def inline_functions(model: onnx.ModelProto) -> onnx.ModelProto:
    """Replace every node of the domain ``mmonnx`` by standard operators; the model that is given is not changed."""
    for module in pkgutil.iter_modules(symbolics.__path__, symbolics.__name__ + "."):
        importlib.import_module(module.name)
    used = sorted({node.op_type for node in model.graph.node if node.domain == DOMAIN})
    if not used:
        return model
    opset = next(entry.version for entry in model.opset_import if entry.domain == "")
    whole = onnx.ModelProto()
    whole.CopyFrom(model)
    whole.ir_version = max(whole.ir_version, 8)  # functions need it; what is left has none
    whole.functions.extend(FUNCTIONS[name].proto(opset) for name in used)
    result = onnx.inliner.inline_local_functions(whole)
    result.ir_version = model.ir_version
    for number, entry in reversed(list(enumerate(result.opset_import))):
        if entry.domain == DOMAIN:
            del result.opset_import[number]
    return result
