"""Fewer bits: int8 and float16 by ONNX Runtime's own tools, told what to leave alone, and what that costs, measured.

In: a model in float32, pictures or a config's data set. Out: a ``Reduced``: the model, its loss, size and time.
Touched: ``quantize`` writes the file; while ONNX Runtime calibrates, which tensors it looks at.
"""

from .eight import OPSET as CHANNEL_OPSET
from .kept import kernels_of
from .quantizing import QuantizeSettings, check_whole, quantize
from .reducing import properties, reduce, rows, show_layers
from .settings import CALIBRATE, MAX_LOSS, MEASURE, PRECISIONS, Loss, PrecisionSettings, Reduced

__all__ = [
    "CALIBRATE",
    "CHANNEL_OPSET",
    "Loss",
    "MAX_LOSS",
    "MEASURE",
    "PRECISIONS",
    "PrecisionSettings",
    "QuantizeSettings",
    "Reduced",
    "check_whole",
    "kernels_of",
    "properties",
    "quantize",
    "reduce",
    "rows",
    "show_layers",
]
