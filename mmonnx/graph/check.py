"""Whether a model is whole, and whether a target supports every node of it."""

import ast
from dataclasses import asdict, dataclass
from functools import partial
from typing import Dict, Iterator, List, Optional, Sequence, Set, Tuple

import numpy as np
import onnx
import onnx.inliner

from ..runtime import Session, check_valid, large, without_weights
from ..support import ExportError, InputError, first_line, syntax_trees
from ..targets import STANDARD_DOMAINS, Form, Operator, Target, full_name
from .biases import altered_biases, shared_statistics
from .emptiness import Cause, Followed, covers, follow, node_name
from .names import module_path

_KINDS = {
    onnx.AttributeProto.INT: "int",
    onnx.AttributeProto.FLOAT: "float",
    onnx.AttributeProto.STRING: "string",
    onnx.AttributeProto.INTS: "ints",
}


@dataclass(frozen=True)
class Finding:
    """A node that a target refuses, gets wrong or dies from.

    Attributes:
        node: the node's name; empty if the whole file is meant.
        operator: its operator, ``mmcv::MMCVRoiAlign`` outside of the default domain.
        module: dotted path of the PyTorch module that it came from; the node's name if the file does not tell.
        rule: what the target does not take.
        fix: what to do, as an imperative.
    """

    node: str
    operator: str
    module: str
    rule: str
    fix: str

    def as_dict(self) -> Dict[str, str]:
        """For JSON."""
        return asdict(self)

    def __str__(self) -> str:
        return f"{self.operator} {self.node}: {self.rule}; {self.fix}".strip()


def check_runs(model: onnx.ModelProto, feeds: Sequence[Dict[str, np.ndarray]]) -> None:
    """Load a model in ONNX Runtime and run it on every one of the feeds.

    Raises:
        ExportError: it is not valid, does not load or does not run.
    """
    try:
        check_valid(model)
        session = Session(model, arena=False)
        for feed in feeds:
            session.run(feed)
    except Exception as error:  # the checker, protobuf and ONNX Runtime each have errors of their own
        raise does_not_run(error) from error


def does_not_run(error: Exception) -> ExportError:
    """What to say of a traced model that ONNX Runtime refuses."""
    return ExportError(
        f"the traced model does not run in ONNX Runtime ({first_line(error)[:300]})",
        "a model that runs as it was traced",
        "try another --opset-version or --shape, or report it",
    )


def check_target(model: onnx.ModelProto, target: Target) -> List[Finding]:
    """List every node, also of subgraphs and local functions, that a target does not take as it is.

    What cannot be known without running the model (a type or a rank that ONNX cannot infer) is not held against it.

    Raises:
        InputError: the types of the model contradict each other.
    """
    findings = list(_file(model, target))
    if target.any_standard and not target.operators:
        return findings
    whole = onnx.ModelProto()
    whole.CopyFrom(model)
    try:
        if whole.functions:
            known = [(function.domain, function.name) for function in whole.functions]
            kept = [entry for entry in known if full_name(*entry) in target.operators]
            inline = partial(onnx.inliner.inline_selected_functions, function_ids=kept, exclude=True)
            whole = without_weights(inline, whole)
        whole = without_weights(partial(onnx.shape_inference.infer_shapes, data_prop=True), whole)
    except Exception as error:  # onnx has several, one of them for a function that calls itself
        raise InputError(
            f"the types of the model cannot be inferred ({first_line(error)})", "a valid model", "export it again"
        ) from error
    for step in follow(whole):
        findings.extend(_node(step, target))
    return findings


def _file(model: onnx.ModelProto, target: Target) -> Iterator[Finding]:
    """What is wrong with the file as a whole."""
    opset = next((entry.version for entry in model.opset_import if entry.domain in STANDARD_DOMAINS), None)
    newest = target.max_opset
    if opset is not None and (opset < target.min_opset or (newest is not None and opset > newest)):
        takes = f"{target.min_opset} to {newest}" if newest is not None else f"{target.min_opset} and later"
        yield Finding("", "", "", f"opset {opset}; it takes {takes}", f"export at opset {target.best_opset}")
    if model.functions and not target.capabilities.local_functions:
        names = ", ".join(sorted(full_name(function.domain, function.name) for function in model.functions))
        yield Finding("", "", "", f"it has no local functions ({names})", "inline them")
    if not target.capabilities.external_data and large.is_over_limit(model):
        rule = "it does not read weights that are beside the file, where those of a model over 2 GiB have to be"
        yield Finding("", "", "", rule, "export a smaller model")
    if not target.capabilities.dynamic_shapes:
        yield from _unknown_sizes(model)
    if not target.capabilities.shared_biases:
        for node in altered_biases(model):
            rule = f"its bias {node.input[2]} is another node's too: what is added behind that is added here as well"
            yield Finding(node_name(node), node.op_type, module_of(node), rule, "write a constant of its own")
        for node, index in shared_statistics(model):
            rule = (
                f"it dies where {node.input[index]}, which it makes part of the layer before, is read elsewhere as well"
            )
            yield Finding(node_name(node), node.op_type, module_of(node), rule, "write a constant of its own")
    if target.loads:
        try:
            Session(model)
        except Exception as error:  # ONNX Runtime has many
            yield Finding("", "", "", f"it does not load: {first_line(error)}", "export it again")


def _unknown_sizes(model: onnx.ModelProto) -> Iterator[Finding]:
    known = {tensor.name for tensor in model.graph.initializer}
    for value in model.graph.input:
        dims = value.type.tensor_type.shape.dim
        if value.name not in known and not all(dim.HasField("dim_value") for dim in dims):
            fix = "export without --dynamic-export and --dynamic-batch"
            yield Finding("", "", "", f"it needs to know the size of every axis of {value.name}", fix)


def _node(step: Followed, target: Target) -> Iterator[Finding]:
    name = full_name(step.view.node.domain, step.view.node.op_type)
    module = module_of(step.view.node)
    rules = [(rule, fix) for _, rule, fix in refusals(step, target)]
    if takes(target, name):
        takes_empty = target.takes_empty.get(name, ())
        causes = () if target.capabilities.empty_tensors else _emptied(step, takes_empty)
        rules += [_empty_rule(causes, target)] if causes else []
    for rule, fix in rules:
        yield Finding(step.name, name, module, rule, fix)


def takes(target: Target, name: str) -> bool:
    """Whether a target has an operator, in whatever form, by the name that its tables have."""
    return name in target.operators or (target.any_standard and "::" not in name)


def refusals(step: Followed, target: Target) -> Iterator[Tuple[str, str, str]]:
    """What is wrong with a node but for what may be empty: ``operator`` or ``form``, the rule, what to do."""
    node, view = step.view.node, step.view
    name = full_name(node.domain, node.op_type)
    if not takes(target, name):
        rule = "it does not have this operator"
        yield "operator", rule, target.fixes.get(name, "write it in operators that it has")
        return
    operator = target.operators.get(name)
    if operator is not None:
        for rule, fix in _operator(step, operator, target):
            yield "operator", rule, fix
    first = view.input(0)
    if first is not None and first.dtype in target.types.get(name, ()):
        yield "form", f"it does not take {first.dtype} here", "cast it to float32 before, and back behind"
    for form in target.forms.get(name, ()):
        if _matches(form, step):
            yield "form", form.rule, form.fix


def _operator(step: Followed, operator: Operator, target: Target) -> Iterator[Tuple[str, str]]:
    """What is wrong with the opset and the attributes."""
    opset = step.view.opset
    if opset < operator.first or (operator.last is not None and opset > operator.last):
        last = "later" if operator.last is None else str(operator.last)
        takes = f"{operator.first} to {last}" if last != str(operator.first) else last
        yield f"it has this operator at opset {takes}, not {opset}", f"export at opset {target.best_opset}"
    if operator.attributes is None:
        return
    found = {item.name: _KINDS.get(item.type, "another type") for item in step.view.node.attribute}
    for name, kind in operator.attributes.items():
        if found.get(name) != kind:
            yield f"its attribute {name} is {found.get(name, 'missing')}, not {kind}", f"write {name} as {kind}"
    for name in sorted(set(found) - set(operator.attributes)):
        yield f"it does not know the attribute {name}", "leave it out"


def _matches(form: Form, step: Followed) -> bool:
    return all(condition.holds(step.view) for condition in form.when)


def _emptied(step: Followed, takes_empty: Optional[Tuple[int, ...]]) -> List[str]:
    """The cases in which an input is empty while an output is not, each as the names of the nodes to blame."""
    if takes_empty is None:
        return []
    causes: Set[Cause] = set()
    for index, value in enumerate(step.view.inputs):
        if value is not None and index not in takes_empty:
            causes |= value.empty_if
    kept = [output.empty_if for output in step.outputs]
    found = [cause for cause in causes if not all(covers(output, cause) for output in kept)]
    return sorted(_blame(sorted(cause)) for cause in found if not covers(step.given, cause))


def _blame(nodes: Sequence[str]) -> str:
    rest = f" and {len(nodes) - 1} others" if len(nodes) > 2 else f" and {nodes[1]}" if len(nodes) == 2 else ""
    return f"{nodes[0]}{rest} {'give' if rest else 'gives'} nothing"


def _empty_rule(causes: Sequence[str], target: Target) -> Tuple[str, str]:
    rule = f"an input is empty when {' or '.join(causes)}; {target.when_empty}"
    return rule, "add an element that is always there (Concat) before it"


def _last_scope(text: str) -> str:
    """The module in the list of scopes that torch's newer exporter writes; empty if it is no such list."""
    try:
        with syntax_trees():
            scopes = ast.literal_eval(text)
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        return ""
    return str(scopes[-2]) if isinstance(scopes, list) and len(scopes) > 1 else ""


def module_of(node: onnx.NodeProto) -> str:
    """The PyTorch module that a node came from, ``backbone.layer1.0.conv1``; its own name if that is not told."""
    for entry in getattr(node, "metadata_props", ()):
        if entry.key == "pkg.torch.onnx.name_scopes":  # the exporter that does not trace
            return _last_scope(entry.value) or node_name(node)
    if node.name.startswith("/"):
        return module_path(node.name) or node_name(node)
    return node.name.rsplit("/", 1)[0] if "/" in node.name else node_name(node)
