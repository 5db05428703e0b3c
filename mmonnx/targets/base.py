"""What a target is: the data that says what a runtime takes."""

from dataclasses import dataclass, field
from typing import Dict, Optional, Tuple

from .conditions import Condition

STANDARD_DOMAINS = ("", "ai.onnx")


@dataclass(frozen=True)
class Capabilities:
    """What the runtime that a file is for can do; the rewrites ask for these, never for a runtime's name.

    Attributes:
        empty_tensors: operators may get tensors without elements.
        local_functions: a file may hold functions of its own.
        optional_inputs: inputs of a file may have defaults, and be left out.
        shared_biases: several layers may have one constant as their bias.
        flat_boxes: boxes without area overlap nothing in NonMaxSuppression, as ONNX has it.
        dynamic_shapes: inputs of a file may have axes of any size.
        unordered_best: TopK may leave the best unordered, and is faster then.
        plain_convolutions: it computes every product of a convolution, so that Winograd's algorithm is faster.
        scanning_loops: a loop may leave behind what each of many turns gives, at little cost.
        external_data: the weights may be in a file of their own, as those of a model over 2 GiB have to be.
    """

    empty_tensors: bool = True
    local_functions: bool = True
    optional_inputs: bool = True
    shared_biases: bool = True
    flat_boxes: bool = True
    dynamic_shapes: bool = True
    unordered_best: bool = False
    plain_convolutions: bool = False
    scanning_loops: bool = False
    external_data: bool = True


@dataclass(frozen=True)
class Operator:
    """An operator that a target has.

    Attributes:
        first: the first opset of its domain that the target takes it at.
        last: the last one; None for no limit of its own.
        attributes: of a custom operator, exactly these: the name, and ``int``, ``float``, ``string`` or ``ints``.
    """

    first: int = 1
    last: Optional[int] = None
    attributes: Optional[Dict[str, str]] = None


@dataclass(frozen=True)
class Form:
    """A form of an operator that a target refuses, gets wrong or dies from.

    Attributes:
        rule: what the target does with it.
        fix: what to do instead, as an imperative.
        when: the conditions, all of which hold of a node of this form; none for every node.
    """

    rule: str
    fix: str
    when: Tuple[Condition, ...] = ()


@dataclass(frozen=True)
class Target:
    """A runtime that files are made for. Operators are named ``Conv``, or ``mmcv::MMCVRoiAlign`` in other domains.

    Attributes:
        name: what ``--target`` takes.
        min_opset: the first opset of the default domain that it takes.
        max_opset: the last one; None if only the runtime itself knows.
        best_opset: the one that files are made at when nobody asks for another.
        custom_ops: ``none`` or ``mmcv``: whether files have mmcv's operators when nobody asks.
        operators: the operators that it has; those of the default domain only if ``any_standard`` is false.
        any_standard: it has every operator of the default domain.
        fixes: what to write instead of an operator that it lacks.
        types: by operator, the types that it refuses as the first input.
        forms: by operator, the forms that it refuses.
        capabilities: what the rewrites ask.
        takes_empty: where empty tensors are not taken in general, the inputs (by operator and index) that may be empty
            all the same; None for all of an operator's.
        when_empty: what it does then with any other.
        loads: the file is loaded in ONNX Runtime, whose answer is the check.
        engine: its name in ``runtime.ENGINES``, where a file is verified in it as well; empty for ONNX Runtime itself,
            and where mmonnx cannot run it.
    """

    name: str
    min_opset: int
    best_opset: int
    max_opset: Optional[int] = None
    custom_ops: str = "none"
    operators: Dict[str, Operator] = field(default_factory=dict)
    any_standard: bool = False
    fixes: Dict[str, str] = field(default_factory=dict)
    types: Dict[str, Tuple[str, ...]] = field(default_factory=dict)
    forms: Dict[str, Tuple[Form, ...]] = field(default_factory=dict)
    capabilities: Capabilities = field(default_factory=Capabilities)
    takes_empty: Dict[str, Optional[Tuple[int, ...]]] = field(default_factory=dict)
    when_empty: str = "it has no tensors without elements"
    loads: bool = False
    engine: str = ""


def table(names: str, first: int = 1, last: Optional[int] = None) -> Dict[str, Operator]:
    """Operators of which a runtime's documentation gives no more than the names: one entry for each word."""
    return {name: Operator(first, last) for name in names.split()}


def full_name(domain: str, op_type: str) -> str:
    """How the tables name an operator."""
    return op_type if domain in STANDARD_DOMAINS else f"{domain}::{op_type}"
