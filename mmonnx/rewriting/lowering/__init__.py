"""From a traced model to one of standard operators, and of those of mmcv's that are asked for."""

from typing import AbstractSet, FrozenSet

import onnx

from ...targets import Target, full_name
from ..symbolics import MMCV, all_functions
from .attach import attach_functions
from .constants import constants_to_initializers
from .inline import inline_functions
from .sink import sink_permutations

CUSTOM_OPS = ("none", "mmcv")


def custom_operators(target: Target, custom_ops: str) -> FrozenSet[str]:
    """The types of the domain ``mmcv`` that a file for a target has as nodes.

    Args:
        target: the runtime. Where it takes local functions, each brings its body, and it need not know any.
        custom_ops: ``none`` or ``mmcv``.
    """
    if custom_ops == "none":
        return frozenset()
    names = {function.name for function in all_functions().values() if function.domain == MMCV}
    if not target.capabilities.local_functions:
        names = {name for name in names if full_name(MMCV, name) in target.operators}
    return frozenset(names)


def lower(traced: onnx.ModelProto, custom_ops: AbstractSet[str] = frozenset()) -> onnx.ModelProto:
    """Move permutations behind the heavy work, replace operators by their bodies, gather the constants.

    Args:
        traced: the model; it is not changed.
        custom_ops: mmcv's operators that stay nodes; the model then has a function for each of them.
    """
    model = sink_permutations(traced)
    model = inline_functions(model, custom_ops)  # one name for all: a large model is not held twice
    model = constants_to_initializers(model)
    return attach_functions(model)
