"""How long the axes of a model's outputs are, declared as far as it is known."""

from typing import Dict, Iterator, List, Mapping, Optional, Sequence, Tuple, Union

import onnx

from ..runtime import Session

Known = Mapping[str, Mapping[int, Union[int, str]]]
Place = Tuple[str, int]
Sizes = Dict[str, int]

_FURTHER = (1, 8, 32)
"""Sizes of all named axes at once at which something in a model may be cut short that is not at larger ones."""
_LARGER = 3
"""How much larger: constants as large as an image are computed when a model is loaded."""


def declared(model: onnx.ModelProto, known: Known, shapes: Sequence[Mapping[str, Sequence[int]]]) -> onnx.ModelProto:
    """A model of whose outputs each axis has its size or its name, where that is known.

    Tracers and simplifiers leave open what they do not follow. An axis that they left open is what the codebase says
    it is; or as long as ONNX Runtime infers from the inputs' shapes alone, where that is the same for all sizes of the
    named axes, small and large; or has the name that the codebase has for it. What depends on values stays open.

    Args:
        model: it is not changed.
        known: sizes and names of outputs' axes by output and axis.
        shapes: the inputs' shapes by name, several times: sizes that the model takes.
    """
    result = onnx.ModelProto()
    result.CopyFrom(model)
    _fill(result, {place: size for place, size in _places(known) if isinstance(size, int)})
    if _open(result):
        _fill(result, _constant(result, _assignments(result, shapes)))
    _fill(result, {place: name for place, name in _places(known) if isinstance(name, str)})
    return result


def _places(known: Known) -> Iterator[Tuple[Place, Union[int, str]]]:
    for output, axes in known.items():
        for axis, size in axes.items():
            yield (output, axis), size


def _dims(model: onnx.ModelProto) -> Iterator[Tuple[Place, onnx.TensorShapeProto.Dimension]]:
    for value in model.graph.output:
        for axis, dim in enumerate(value.type.tensor_type.shape.dim):
            yield (value.name, axis), dim


def _open(model: onnx.ModelProto) -> List[Place]:
    """The axes of outputs that have neither a size nor a name."""
    return [place for place, dim in _dims(model) if not dim.WhichOneof("value")]


def _fill(model: onnx.ModelProto, known: Mapping[Place, Union[int, str]]) -> None:
    for place, dim in _dims(model):
        if place in known and not dim.WhichOneof("value"):
            setattr(dim, "dim_param" if isinstance(known[place], str) else "dim_value", known[place])


def _assignments(model: onnx.ModelProto, shapes: Sequence[Mapping[str, Sequence[int]]]) -> List[Sizes]:
    """Sizes of the inputs' named axes to infer with: those that are given, larger and small ones."""
    found: List[Sizes] = []
    for given in shapes:
        sizes: Sizes = {}
        for value in model.graph.input:
            for dim, size in zip(value.type.tensor_type.shape.dim, given.get(value.name, ())):
                if dim.dim_param:
                    sizes[dim.dim_param] = int(size)
        found.append(sizes)
    found.append({name: _LARGER * size for name, size in found[0].items()})
    found += [dict.fromkeys(found[0], size) for size in _FURTHER]
    return [sizes for number, sizes in enumerate(found) if sizes not in found[:number]]


def _constant(model: onnx.ModelProto, assignments: Sequence[Sizes]) -> Dict[Place, int]:
    """The sizes of open axes that are the same for all sizes that can be inferred with."""
    found: Dict[Place, int] = {}
    left, inferred = _open(model), 0
    for sizes in assignments:
        shapes = _inferred(model, sizes)
        if shapes is None:
            continue
        if inferred:
            left = [place for place in left if found[place] == shapes[place]]
        inferred_sizes = ((place, shapes[place]) for place in left)
        found = {place: size for place, size in inferred_sizes if isinstance(size, int)}
        left, inferred = list(found), inferred + 1
        if not left:
            break
    return found if inferred >= min(2, len(assignments)) else {}


def _inferred(model: onnx.ModelProto, sizes: Sizes) -> Optional[Dict[Place, object]]:
    """What ONNX Runtime infers of the outputs' axes where the inputs' have these sizes; None if it takes no such."""
    sized = onnx.ModelProto()
    sized.CopyFrom(model)
    for value in sized.graph.input:
        for dim in value.type.tensor_type.shape.dim:
            if dim.dim_param in sizes:
                dim.dim_value = sizes[dim.dim_param]
    del sized.graph.value_info[:]
    for _, dim in _dims(sized):
        dim.Clear()
    try:
        session = Session(sized)
    except Exception:  # sizes that the model does not take, in ONNX Runtime's own words
        return None
    return {(name, axis): size for name in session.output_names for axis, size in enumerate(session.output_shape(name))}
