"""From a traced model to one of standard operators."""

import onnx

from .constants import constants_to_initializers
from .inline import inline_functions
from .sink import sink_permutations


def lower(traced: onnx.ModelProto) -> onnx.ModelProto:
    """Move permutations behind the heavy work, replace mmonnx's own operators by their bodies, gather the constants."""
    return constants_to_initializers(inline_functions(sink_permutations(traced)))
