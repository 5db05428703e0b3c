"""Stand-in for ``torch.einsum``."""

from math import prod
from typing import Any, Dict, List, Tuple

import torch

from ..context import ExportContext
from ..registry import rewrite


@rewrite("torch.einsum")
def einsum(context: ExportContext, original: Any, equation: str, *operands: Any) -> torch.Tensor:
    """Multiply two tensors as matrices; ONNX has Einsum from opset 12 on, and runtimes have it slower than MatMul."""
    if len(operands) == 1 and isinstance(operands[0], (list, tuple)):
        operands = tuple(operands[0])
    inputs, arrow, output = equation.replace(" ", "").partition("->")
    labels = inputs.split(",")
    plain = all(len(set(names)) == len(names) for names in [*labels, output]) and "." not in inputs
    if not arrow or len(operands) != 2 or len(labels) != 2 or not plain:
        return original(equation, *operands)
    (one, other), (left, right) = operands, labels
    return _product(one, other, left, right, output)


def _product(one: torch.Tensor, other: torch.Tensor, left: str, right: str, output: str) -> torch.Tensor:
    one, left = _reduced(one, left, right + output)
    other, right = _reduced(other, right, left + output)
    sizes: Dict[str, Any] = {**dict(zip(left, one.shape)), **dict(zip(right, other.shape))}
    batch = [name for name in output if name in left and name in right]
    shared = [name for name in left if name in right and name not in output]
    mine = [name for name in left if name not in right]
    theirs = [name for name in right if name not in left]
    rows = _arranged(one, left, sizes, batch, mine, shared)
    columns = _arranged(other, right, sizes, batch, shared, theirs)
    names = batch + mine + theirs
    result = torch.matmul(rows, columns).reshape([sizes[name] for name in names])
    return result.permute([names.index(name) for name in output])


def _reduced(tensor: torch.Tensor, labels: str, used: str) -> Tuple[torch.Tensor, str]:
    """Sum over the axes that nothing else has."""
    alone = [axis for axis, name in enumerate(labels) if name not in used]
    return (tensor.sum(alone) if alone else tensor), "".join(name for name in labels if name in used)


def _arranged(
    tensor: torch.Tensor, labels: str, sizes: Dict[str, Any], batch: List[str], rows: List[str], columns: List[str]
) -> torch.Tensor:
    """(*batch, rows, columns), each of the last two of one axis."""
    tensor = tensor.permute([labels.index(name) for name in batch + rows + columns])
    if len(rows) == len(columns) == 1:
        return tensor
    shape = [sizes[name] for name in batch]
    return tensor.reshape([*shape, prod(sizes[name] for name in rows), prod(sizes[name] for name in columns)])
