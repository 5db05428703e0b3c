"""What each runtime accepts, as data: one file a target.

In: a name. Out: a ``Target``: operators, opsets, capabilities; ``RULES``, how to write operators in others; and
``recorded``, what became of some models' files in other runtimes. Touched: nothing.
"""

from typing import Dict

from ..support import InputError, lazy
from .base import STANDARD_DOMAINS, Capabilities, Form, Operator, Target, full_name
from .mnn import MNN
from .ncnn import NCNN
from .onnxruntime import ONNXRUNTIME
from .onnxruntime_mmcv import ONNXRUNTIME_MMCV
from .onnxruntime_web import ONNXRUNTIME_WEB
from .opencv import OPENCV
from .openvino import OPENVINO
from .pplnn import PPLNN
from .runs import ModelRuns, Outcome, Run, recorded
from .tensorrt import TENSORRT

_RULES = ("ELEMENT", "LIMITED", "RULES", "Call", "Extended", "Node", "Rule", "Tensor", "UnknownType")
__all__ = [
    "STANDARD_DOMAINS",
    "TARGETS",
    "Capabilities",
    "Form",
    "ModelRuns",
    "Operator",
    "Outcome",
    "Run",
    "Target",
    "find_target",
    "full_name",
    "recorded",
    *_RULES,
]

# numpy, which a list of names need not wait for
__getattr__ = lazy(__name__, dict.fromkeys(_RULES, "rules"))

_ALL = (ONNXRUNTIME, PPLNN, ONNXRUNTIME_MMCV, ONNXRUNTIME_WEB, OPENVINO, OPENCV, MNN, TENSORRT, NCNN)
TARGETS: Dict[str, Target] = {target.name: target for target in _ALL}


def find_target(name: str) -> Target:
    """The target of a name.

    Raises:
        InputError: there is none of that name.
    """
    if name not in TARGETS:
        raise InputError(f"target '{name}' is unknown", ", ".join(TARGETS), "give one of these")
    return TARGETS[name]
