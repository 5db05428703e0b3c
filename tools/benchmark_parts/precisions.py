"""Times and sizes of a file in int8: mmonnx's own form, and what ``quantize_static`` makes by its defaults."""

from pathlib import Path
from typing import Any, Dict, List, NamedTuple, Optional, Sequence, Tuple

import numpy as np

from mmonnx.graph import opset_of, read_model
from mmonnx.precision.eight import METHODS, OPSET, Quantizer, at_opset, quantization_reader
from mmonnx.precision.kept import KERNELS
from mmonnx.precision.plain import in_plain_operators, with_plain_constants
from mmonnx.precision.quietness import silent
from mmonnx.precision.timing import side_by_side
from mmonnx.precision.trunk import find_trunk
from mmonnx.runtime import large, open_model

from .variants import OURS

DEFAULTS = "defaults"


class Form(NamedTuple):
    """One way to quantize a file.

    Attributes:
        name: whose.
        layers: how many of how many layers it has in int8; empty where that is not known.
        size, time: shares of those of the float32 file.
        ms: of the float32 file and of this one.
        error: why there is none; empty if there is.
    """

    name: str
    layers: str = ""
    size: float = 0.0
    time: float = 0.0
    ms: Tuple[float, float] = (0.0, 0.0)
    error: str = ""


def measure_precision(
    file: str, pictures: Sequence[np.ndarray], shape: Tuple[int, int], rounds: int, threads: Optional[int], folder: Path
) -> List[Form]:
    """Quantize a file in both ways on pictures of one size, and run each in turns with it; no loss is measured."""
    images = [{"input": open_model(file, "cpu").prepare(picture, shape)} for picture in pictures]
    model = read_model(file)
    model = at_opset(model, OPSET) if opset_of(model) < OPSET else model
    source = str(folder / "float32.onnx")
    large.save(model, source)
    makers = {OURS: _ours, DEFAULTS: _defaults}
    found = []
    for name, make in makers.items():
        target = str(folder / f"{name}.onnx")
        try:
            layers = make(model, source, images, target)
            before, after, share = side_by_side(source, target, images, rounds, threads)
            size = Path(target).stat().st_size / Path(source).stat().st_size
            found.append(Form(name, layers, size, share, (before, after)))
        except Exception as error:  # of ONNX Runtime's tools, or of a file that does not load
            found.append(Form(name, error=str(error).splitlines()[0][:120]))
    return found


def _ours(model: Any, source: str, images: List[Dict[str, np.ndarray]], target: str) -> str:
    model = with_plain_constants(model)
    model = in_plain_operators(model, set(find_trunk(model).nodes))
    trunk = find_trunk(model)
    quantizer = Quantizer(model, trunk, KERNELS["onnxruntime"], images, str(Path(target).parent))
    large.save(quantizer.quantized(METHODS[0], set()), target)
    return f"{len(quantizer.layers)} of {len(trunk.layers)}"


def _defaults(model: Any, source: str, images: List[Dict[str, np.ndarray]], target: str) -> str:
    from onnxruntime.quantization import quantize_static

    with silent():
        quantize_static(source, target, quantization_reader(images))
    return ""


def precision_table(forms: Sequence[Form]) -> str:
    """A line a form."""
    lines = [f"{'int8':<10}{'layers':>12}{'size':>8}{'time':>8}{'float32':>11}{'int8':>11}"]
    for form in forms:
        if form.error:
            lines.append(f"{form.name:<10}{form.error}")
            continue
        figures = f"{form.size:>8.3f}{form.time:>8.2f}{form.ms[0]:>8.1f} ms{form.ms[1]:>8.1f} ms"
        lines.append(f"{form.name:<10}{form.layers:>12}{figures}")
    return "\n".join(lines)
