"""Eight bits: ONNX Runtime's own static quantization, told what to leave alone."""

import contextlib
import inspect
from pathlib import Path
from typing import Any, Dict, Iterator, List, NamedTuple, Optional, Sequence, Set

import numpy as np
import onnx

from ..runtime import large
from ..support import ExportError, first_line
from .kept import Kernels
from .quietness import silent
from .scales import without_products
from .slimming import slim
from .trunk import Trunk, in_eight_bits

Feeds = Dict[str, np.ndarray]
OPSET = 13
"""The first one whose DequantizeLinear has an axis, which weights of a scale a channel need."""


class Method(NamedTuple):
    """A way to choose the range of a tensor of the values that were seen: its title, and ONNX Runtime's terms."""

    title: str
    name: str
    options: Dict[str, Any]


METHODS = (
    Method("min-max", "MinMax", {}),
    Method("percentile 99.999", "Percentile", {"CalibPercentile": 99.999}),
    Method("percentile 99.99", "Percentile", {"CalibPercentile": 99.99}),
    Method("entropy", "Entropy", {}),
)


class Quantizer:
    """Quantizes one model again and again, with one or another node left alone.

    Args:
        model: of opset 13 or later, its nodes with names of their own.
        trunk: what may be quantized.
        kernels: what the target computes in eight bits.
        images: what the file takes, for each image that ranges are taken of.
        folder: a temporary folder.

    Attributes:
        layers: those that may be quantized.
    """

    def __init__(
        self, model: onnx.ModelProto, trunk: Trunk, kernels: Kernels, images: Sequence[Feeds], folder: str
    ) -> None:
        self._model, self._trunk, self._kernels, self._images = model, trunk, kernels, images
        self._folder = Path(folder)
        self._source = self._folder / "float32.onnx"
        large.save(model, str(self._source))
        wanted = set(in_eight_bits(model, trunk, kernels, set()))
        self.layers = [name for name in trunk.layers if name in wanted]
        nodes = [node for node in model.graph.node if node.name in wanted]
        self._tensors = {name for node in nodes for name in (*node.input, *node.output)}

    def quantized(self, method: Method, kept: Set[str], alone: Optional[Set[str]] = None) -> onnx.ModelProto:
        """The model in eight bits.

        Args:
            method: how ranges are chosen.
            kept: the layers that stay in float32.
            alone: the only nodes that do not; None for all that may.

        Raises:
            ExportError: ONNX Runtime cannot quantize it.
        """
        nodes = in_eight_bits(self._model, self._trunk, self._kernels, kept)
        nodes = [name for name in nodes if alone is None or name in alone]
        target = self._folder / "int8.onnx"
        try:
            with silent(), _calibrating(self._tensors):
                self._quantize(method, nodes, target)
            return slim(without_products(onnx.load(str(target))), self._model)
        except Exception as error:  # it raises whatever its parts raise
            raise ExportError(
                f"ONNX Runtime cannot quantize the model ({first_line(error)[:300]})",
                "a model that its quantize_static takes",
                "export it with --precision fp16, or report it",
            ) from error

    def _quantize(self, method: Method, nodes: List[str], target: Path) -> None:
        from onnxruntime.quantization import CalibrationMethod, QuantType, quantize_static

        more: Dict[str, Any] = {}
        if _keeps_ranges():
            more["calibration_cache_path"] = self._folder / f"{method.title.replace(' ', '-')}.json"
        activations = {"uint8": QuantType.QUInt8, "int8": QuantType.QInt8}[self._kernels.activations]
        quantize_static(
            str(self._source),
            str(target),
            quantization_reader(self._images),
            per_channel=True,
            activation_type=activations,
            weight_type=QuantType.QInt8,
            op_types_to_quantize=sorted({*self._kernels.layers, *self._kernels.between}),
            nodes_to_quantize=nodes,
            calibrate_method=CalibrationMethod[method.name],
            use_external_data_format=large.is_large(self._model),
            extra_options={
                "ActivationSymmetric": self._kernels.symmetric,
                "MatMulConstBOnly": True,
                "OpTypesToExcludeOutputQuantization": list(self._kernels.float_results),
                "CalibStridedMinMax": 1,  # an image at a time, whose tensors are then let go
                **method.options,
            },
            **more,
        )


def _keeps_ranges() -> bool:
    """Whether ONNX Runtime can be told to keep ranges from one time to the next."""
    from onnxruntime.quantization import quantize_static

    return "calibration_cache_path" in inspect.signature(quantize_static).parameters


def quantization_reader(images: Sequence[Feeds]) -> Any:
    """The images in the form that ONNX Runtime's calibration takes."""
    from onnxruntime.quantization import CalibrationDataReader

    class Reader(CalibrationDataReader):
        def __init__(self) -> None:
            self.left: Iterator[Feeds] = iter(images)

        def __len__(self) -> int:
            return len(images)

        def set_range(self, start_index: int, end_index: int) -> None:
            self.left = iter(images[start_index:end_index])

        def get_next(self) -> Optional[Feeds]:
            return next(self.left, None)

    return Reader()


@contextlib.contextmanager
def _calibrating(tensors: Set[str]) -> Iterator[None]:
    """Have ONNX Runtime's calibration look at some tensors alone.

    It takes all of the operators' types, boxes behind the layers as well: histograms fail where one is empty.
    """
    from onnxruntime.quantization.calibrate import CalibraterBase

    original = CalibraterBase.select_tensors_to_calibrate

    def select(self: Any, model: onnx.ModelProto) -> Any:
        found, infos = original(self, model)
        chosen = {name for name in found if name in tensors}
        if not _keeps_ranges():  # and before, it takes the range of each softmax for known
            chosen |= {node.output[0] for node in model.graph.node if node.op_type == "Softmax"} & set(infos)
        return chosen, infos

    CalibraterBase.select_tensors_to_calibrate = select
    try:
        yield
    finally:
        CalibraterBase.select_tensors_to_calibrate = original


def at_opset(model: onnx.ModelProto, opset: int) -> onnx.ModelProto:
    """The model at a later opset, by ONNX's own converter.

    Raises:
        ExportError: it cannot be converted.
    """
    from onnx import version_converter

    try:
        found = version_converter.convert_version(model, opset)
        onnx.checker.check_model(found)
    except Exception as error:  # the converter has several
        raise ExportError(
            f"the file cannot be converted to opset {opset} ({first_line(error)[:300]})",
            f"a file of opset {opset} or later, as weights with a scale for each channel need",
            f"export the model again, with --opset-version {opset}",
        ) from error
    del found.metadata_props[:]
    found.metadata_props.extend(model.metadata_props)
    return found
