"""What a file takes and gives, of any file: also one that ONNX Runtime does not load."""

import os
from typing import TYPE_CHECKING, Any, Dict, List, NamedTuple, Union

from ..session import Session

if TYPE_CHECKING:
    import onnx

Shape = List[Any]


class Signature(NamedTuple):
    """What a file takes and gives.

    Attributes:
        inputs: by name the shape: a number where an axis is fixed, its name or None where it is not.
        outputs: by name numpy's name of the type, empty where the file does not say.
        optional: the inputs that may be left out, which are none of ``inputs``.
        properties: its ``metadata_props``.
    """

    inputs: Dict[str, Shape]
    outputs: Dict[str, str]
    optional: List[str]
    properties: Dict[str, str]


def signature_of(model: Union[str, "onnx.ModelProto"]) -> Signature:
    """The signature of a file, by onnx; without that by ONNX Runtime, if it loads the file."""
    try:
        import onnx
    except ImportError:  # who runs a file need not have it
        return _of_session(Session(os.fspath(model)))
    if isinstance(model, (str, os.PathLike)):
        model = onnx.load(os.fspath(model), load_external_data=False)
    defaults = {tensor.name for tensor in model.graph.initializer}
    inputs = {value.name: _shape(value) for value in model.graph.input}
    return Signature(
        {name: shape for name, shape in inputs.items() if name not in defaults},
        {value.name: _type(value) for value in model.graph.output},
        [name for name in inputs if name in defaults],
        {entry.key: entry.value for entry in model.metadata_props},
    )


def _shape(value: "onnx.ValueInfoProto") -> Shape:
    dims = value.type.tensor_type.shape.dim
    return [dim.dim_value if dim.HasField("dim_value") else dim.dim_param or None for dim in dims]


def _type(value: "onnx.ValueInfoProto") -> str:
    import onnx

    kind = value.type.tensor_type.elem_type
    return onnx.helper.tensor_dtype_to_np_dtype(kind).name if kind else ""


_NAMES = {"float": "float32", "double": "float64"}


def _of_session(session: Session) -> Signature:
    kinds = {name: session.output_type(name)[len("tensor(") : -1] for name in session.output_names}
    return Signature(
        {name: list(session.input_shape(name)) for name in session.input_names},
        {name: _NAMES.get(kind, kind) for name, kind in kinds.items()},
        session.optional_names,
        session.properties,
    )
