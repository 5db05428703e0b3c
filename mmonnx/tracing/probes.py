"""The tensors inside a model at which its file is compared with PyTorch: what its last layers give.

A model's *ends* are the layers with weights whose output reaches no other layer but by a choice (top-k, suppression,
pooling of regions): the class and box layers of heads, say. Behind an end a fault shows only if it changes a choice;
at the end itself it shows in every value. While a model is traced, what its ends give are outputs of the graph; in the
file they are ordinary tensors, called ``rpn_head.rpn_cls.output_2`` by the layer and the number of its call. So are
the regions that a layer pools, ``roi_head.bbox_roi_extractor.regions_0``, and what it gives,
``roi_head.bbox_roi_extractor.pooled_0``.
"""

import re
import threading
from collections import Counter
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Callable, Dict, Iterator, List, Optional, Sequence, Tuple

import onnx
import torch
from torch import nn
from torch.autograd import Function

from ..environment import gradients, innermost_layers
from ..graph import produced
from ..loading import same_weights

OUTPUT, REGIONS, POOLED = "output", "regions", "pooled"
_NAME = re.compile(rf"^(?P<module>.+)\.(?P<role>{OUTPUT}|{REGIONS}|{POOLED})_(?P<call>\d+)$")
_POOLING = re.compile(r"roi_?(\w*extractor|align|pool)", re.IGNORECASE)
"""Classes of modules that pool regions: all but their first argument are the regions, which are chosen."""
_WRAPPER = "model."
"""Where the traced module holds the model."""


@dataclass(frozen=True)
class Probe:
    """A tensor of one call of one layer.

    Attributes:
        module: the layer's path inside the traced module.
        call: which of its calls, from 0 on.
        rank: the tensor's axes.
        role: ``output`` of an end; ``regions`` that a layer pools, its second argument, and what it ``pooled``.
        calls: how often the trace called the layer, as far as that is known; of a call that no answer hangs on, as of a
            box layer behind all but the last layer of a decoder, a file has lost the tensor.
    """

    module: str
    call: int
    rank: int = field(default=0, compare=False)
    role: str = OUTPUT
    calls: int = field(default=0, compare=False)

    @property
    def name(self) -> str:
        """What the tensor is called in a file."""
        path = self.module[len(_WRAPPER) :] if self.module.startswith(_WRAPPER) else self.module
        return f"{path}.{self.role}_{self.call}"


def find_ends(module: nn.Module, run: Callable[[], Any]) -> List[Probe]:
    """The ends of a model, in the order of their calls.

    Args:
        module: what is traced, in eval mode.
        run: runs it; gradients are recorded meanwhile, between the layers alone, and what a layer gave is kept until
            another one takes it, so that this takes little memory.
    """
    tape = _Tape(module)
    with gradients(module), tape.recording():
        run()
    return tape.ends()


class _Marked(Function):
    """A copy of a tensor, which the model may write into, that autograd knows; what is known keeps no such tensor."""

    @staticmethod
    def forward(ctx: Any, value: torch.Tensor, mark: torch.Tensor) -> torch.Tensor:
        return value.clone()


class _Tape:
    """Which layer's output reaches which layer's input, read off what autograd keeps."""

    def __init__(self, module: nn.Module) -> None:
        self._module = module
        self._names = {layer: name for name, layer in innermost_layers(module)}
        self._calls: Counter = Counter()
        self._unconsumed: Dict[Any, Tuple[Probe, torch.Tensor, int]] = {}  # by autograd's function

    @contextmanager
    def recording(self) -> Iterator[None]:
        """Hooks on all layers, whose weights need no gradient inside the block."""
        with ExitStack() as stack:
            for layer in self._names:
                for parameter in layer.parameters(recurse=False):
                    stack.callback(parameter.requires_grad_, parameter.requires_grad)
                    parameter.requires_grad_(False)
                stack.callback(layer.register_forward_pre_hook(self._enter).remove)
                stack.callback(layer.register_forward_hook(self._leave).remove)
            for pooling in poolings(self._module):
                stack.callback(pooling.register_forward_pre_hook(_choose).remove)
            yield

    def _enter(self, layer: nn.Module, inputs: Tuple[Any, ...]) -> Tuple[Any, ...]:
        self._trace_back([value.grad_fn for value in inputs if isinstance(value, torch.Tensor)])
        return tuple(value.detach() if isinstance(value, torch.Tensor) else value for value in inputs)

    def _leave(self, layer: nn.Module, inputs: Any, output: Any) -> Any:
        name = self._names[layer]
        probe = Probe(name, self._calls[name])
        self._calls[name] += 1
        if not isinstance(output, torch.Tensor) or not output.is_floating_point():
            return None
        output = _Marked.apply(output.detach(), torch.zeros((), requires_grad=True))
        self._unconsumed[output.grad_fn] = probe, output, output._version
        return output

    def _trace_back(self, functions: Sequence[Any]) -> None:
        stack, seen = list(functions), set()
        while stack:
            function = stack.pop()
            if function is None or function in seen:
                continue
            seen.add(function)
            if function in self._unconsumed:
                # no end, whoever else takes it: what is known of it would lie where the next large tensor could
                del self._unconsumed[function]
                continue
            stack += [before for before, _ in function.next_functions]

    def ends(self) -> List[Probe]:
        """What no other layer consumed; without what the model has written into since."""
        return [
            replace(probe, rank=output.dim())
            for probe, output, version in self._unconsumed.values()
            if output._version == version
        ]


def unaltered(probes: Sequence[Probe], before: nn.Module, after: nn.Module) -> List[Probe]:
    """Those of the probes whose layers have the same weights in another form of a model.

    Args:
        probes: the probes.
        before: what the model is compared as.
        after: what was traced.
    """
    first, second = dict(before.named_modules()), dict(after.named_modules())
    return [one for one in probes if one.module in first and same_weights(first[one.module], second[one.module])]


def poolings(module: nn.Module) -> List[nn.Module]:
    """The modules inside a model that pool regions of its maps."""
    return [part for part in module.modules() if _POOLING.search(type(part).__name__)]


def _choose(pooling: nn.Module, inputs: Tuple[Any, ...]) -> Tuple[Any, ...]:
    return (*inputs[:1], *map(_detached, inputs[1:]))


def _detached(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return type(value)(_detached(item) for item in value)
    return value.detach() if isinstance(value, torch.Tensor) else value


class Recorder:
    """What the calls of some layers give, or get as regions, and, where that is wanted, what they are made to give.

    Args:
        module: what is traced.
        probes: the calls.
        twice: each image is run twice, and what is of the first runs is recorded.

    Attributes:
        outputs: by the tensors' names in a file, in the order of the calls.
        complete: whether each layer was called as often as in the trace.
    """

    def __init__(self, module: nn.Module, probes: Sequence[Probe], twice: bool = False) -> None:
        self._twice = twice
        self._layers = dict(module.named_modules())
        self._wanted = set(probes)
        counted = Counter((probe.module, probe.role) for probe in probes)
        known = {(probe.module, probe.role): probe.calls for probe in probes}
        self._expected = Counter({layer: max(count, known[layer]) for layer, count in counted.items()})
        self._calls: Counter = Counter()
        self.outputs: Dict[str, torch.Tensor] = {}

    @property
    def complete(self) -> bool:
        """Whether every layer was called as often as it was in the trace, and every probe was seen."""
        return self._calls == self._expected and len(self.outputs) == len(self._wanted)

    @contextmanager
    def recording(
        self, drive: Optional[Callable[[Probe, torch.Tensor], Optional[torch.Tensor]]] = None, copy: bool = True
    ) -> Iterator[None]:
        """Record this thread's calls inside the block.

        Args:
            drive: what a call is made to give, from what it gave; None leaves it.
            copy: keep copies: the model may write into what its layers give.
        """
        self.outputs, self._calls, thread = {}, Counter(), threading.get_ident()

        def hook(path: str, role: str) -> Callable[..., Any]:
            def record(layer: nn.Module, inputs: Any, output: Any = None) -> Any:
                if threading.get_ident() != thread:  # others may use the model meanwhile
                    return None
                probe = Probe(path, self._calls[path, role], role=role)
                self._calls[path, role] += 1
                if role == REGIONS and probe in self._wanted:
                    self.outputs[probe.name] = inputs[1].detach().clone() if copy else inputs[1]
                    return None
                if probe not in self._wanted or not isinstance(output, torch.Tensor):
                    return None
                first = output[: len(output) // 2] if self._twice else output
                driven = drive(probe, first) if drive else None
                first = first if driven is None else driven
                self.outputs[probe.name] = first.detach().clone() if copy else first
                if role == POOLED and not copy:
                    first = first.clone()  # mmdet 3's HTC adds to what was pooled in place, and the tracer follows it
                return torch.cat([first, first]) if self._twice else first

            return record

        with ExitStack() as stack:
            for path, role in self._expected:
                if path in self._layers:
                    layer = self._layers[path]
                    register = layer.register_forward_pre_hook if role == REGIONS else layer.register_forward_hook
                    stack.callback(register(hook(path, role)).remove)
            yield


def probes_of(model: onnx.ModelProto, module: nn.Module, role: str = OUTPUT, traced: Sequence[str] = ()) -> List[Probe]:
    """The probes of a role that a file has, in the order of its nodes.

    Args:
        model: the file's.
        module: what was traced.
        role: see ``Probe``.
        traced: the names of all that were traced, those included that the file has lost.
    """
    paths = {name for name, _ in module.named_modules()}
    matches = [match for match in map(_NAME.match, produced(model)) if match and match["role"] == role]
    calls = Counter(match["module"] for match in map(_NAME.match, traced) if match and match["role"] == role)
    found = []
    for match in matches:
        wrapped = _WRAPPER + match["module"]
        path = wrapped if wrapped in paths else match["module"]
        if path in paths:
            found.append(Probe(path, int(match["call"]), role=role, calls=calls[match["module"]]))
    return found
