"""``torch.onnx.export`` of a model of OpenMMLab's, called as upstream's own tools call it.

Three ways. A classifier, or a detector whose heads have stand-ins, with its forward set to inference
(``return_loss=False``), is traced as ``mmonnx export`` traces it: the file gives PyTorch's answers. So is the forward
of one tensor that the tools of mmedit and mmaction2 set, as a plain module. Whatever else is exported, another detector
or a forward without post-processing, goes upstream's own way with what stops it fixed.
"""

import inspect
import io
import os
import warnings
from functools import partial
from typing import Any, Callable, Dict, List, Optional, Tuple

import onnx
import torch
from torch import nn

from ...codebases import module_task
from ...environment import compat, modes_kept, ordinary
from ...graph import annotate, unused, with_defaults, without_inputs
from ...loading import LoadOptions, Task, flatten, owner_of
from ...rewriting import REGISTRY, ExportContext, Rewrite, lower, rewriting
from ...support import ExportError, __version__, alone
from ...targets import find_target
from ...tracing import in_export_here_alone, quiet, trace
from . import tool

_EXTRACTORS = "mmdet.models.roi_heads.roi_extractors."
_PLAIN = ("mmedit", "mmaction")
"""Codebases whose models answer as the forward does that their tools set, without more."""
_DUMMY_NMS = "mmdet.core.export.onnx_helper.DummyONNXNMSop.forward"


def _dummy_nms(
    context: ExportContext, original: Any, ctx: Any, boxes: torch.Tensor, scores: torch.Tensor, *rest: Any
) -> torch.Tensor:
    """Indices (2, 3) made from an input, as torch 1.13 and later want them, not outside of the trace as upstream's."""
    return scores.new_zeros((2, 3), dtype=torch.long)


_FIXES: Dict[str, Rewrite] = {
    path: REGISTRY[path]
    for path in (
        _EXTRACTORS + "single_level_roi_extractor.SingleRoIExtractor.forward",
        _EXTRACTORS + "generic_roi_extractor.GenericRoIExtractor.forward",
        "mmcv.ops.roi_align.RoIAlign.forward",
    )
}
_FIXES[_DUMMY_NMS] = Rewrite(_DUMMY_NMS, _dummy_nms)


@alone()
def export(original: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Stand in for ``torch.onnx.export``: the same arguments, and a file at the same place.

    Args:
        original: torch's own.
    """
    asked = inspect.signature(original).bind(*args, **kwargs).arguments
    images = flatten(asked.get("args"))
    if len(images) != 1 or asked.get("f") is None:  # not as upstream's tools do it
        return original(*args, **kwargs)
    with modes_kept(asked["model"]), ordinary(asked["model"]):
        model, task = _export(original, images[0], asked)
    model = annotate(model, {}, __version__)
    if asked.get("verbose"):
        print(onnx.helper.printable_graph(model.graph))
    onnx.save(with_defaults(model, task.optional if task else {}), asked["f"])
    if isinstance(asked["f"], (str, os.PathLike)):
        tool.fix(model, os.fspath(asked["f"]), images[0], task)
    return None


def _export(
    original: Callable[..., Any], image: torch.Tensor, asked: Dict[str, Any]
) -> Tuple[onnx.ModelProto, Optional[Task]]:
    """The model, and the task that was traced, None if it went upstream's way."""
    task = _task(asked["model"], image, asked) if _infers(asked["model"]) else _plain_task(image, asked)
    if task is not None:
        target = find_target("onnxruntime")
        opset = asked.get("opset_version") or target.best_opset
        try:
            model = lower(trace(task, opset, ExportContext(target.capabilities)))
            idle = unused(model, task.optional)
            return without_inputs(model, idle), task.without(idle)
        except ExportError as error:
            warnings.warn(f"{error}; mmonnx exports it upstream's way", stacklevel=5)
    return _export_fixed(original, image, asked), None


def _infers(model: nn.Module) -> bool:
    """Whether the forward is what upstream's tools set: its inference, with everything but the image bound."""
    forward = vars(model).get("forward")
    return isinstance(forward, partial) and forward.keywords.get("return_loss") is False


def _task(model: nn.Module, image: torch.Tensor, asked: Dict[str, Any]) -> Optional[Task]:
    """The model as mmonnx's task, with the names and axes that were asked for; None if mmonnx does not cover it."""
    codebase = owner_of(model)
    if codebase is None or not codebase.covers(model):
        return None
    axes = asked.get("dynamic_axes") or {}
    options = LoadOptions(
        shape=tuple(image.shape[2:]), batch=image.shape[0], dynamic=bool(axes), device=str(image.device)
    )
    task = codebase.as_upstream(codebase.task_of(model, type(model).__name__, norm=None, options=options))
    _rename(task, list(asked.get("output_names") or []))
    placing = {name: value for name, value in task.inputs.items() if name in task.optional}
    task.inputs = {(asked.get("input_names") or ["input"])[0]: image.detach(), **placing}
    # mmonnx's axes go first: mmcls's tool calls height and width by each other's names
    known = {**axes, **task.dynamic_axes} if axes else {}
    task.dynamic_axes = {name: known[name] for name in [*task.inputs, *task.output_names] if name in known}
    return task


def _plain_task(image: torch.Tensor, asked: Dict[str, Any]) -> Optional[Task]:
    """The forward as it is set, of a model of ``_PLAIN``; None of any other."""
    codebase = owner_of(asked["model"])
    if codebase is None or codebase.name not in _PLAIN:
        return None
    inputs, axes = asked.get("input_names") or ["input"], asked.get("dynamic_axes") or {}
    # axes of outputs are found: a picture that becomes larger has others than mmedit's tool says
    axes = {name: named for name, named in axes.items() if name in inputs}
    return module_task(asked["model"].eval(), image.detach(), inputs, asked.get("output_names"), axes)


def _rename(task: Task, names: List[str]) -> None:
    """Give a task's first outputs these names; what reads them goes on by its own."""
    own, read = task.output_names, task.read
    task.output_names = names + own[len(names) :]
    named, known = dict(zip(own, task.output_names)), dict(zip(task.output_names, own))
    task.dynamic_axes = {named.get(name, name): axes for name, axes in task.dynamic_axes.items()}
    task.output_shapes = {named.get(name, name): axes for name, axes in task.output_shapes.items()}
    task.read = lambda outputs: read({known.get(name, name): value for name, value in outputs.items()})


class _Traced(nn.Module):
    """Upstream's forward as a function of the image alone: from torch 1.9 on a partial's keywords become inputs."""

    def __init__(self, model: nn.Module, arguments: Tuple[Any, ...], context: ExportContext) -> None:
        super().__init__()
        self.model = model
        self._arguments, self._context = arguments, context

    def forward(self, input: torch.Tensor) -> Any:
        self._context.start(input)
        return self.model(*_filled(self._arguments, input))


def _filled(value: Any, image: torch.Tensor) -> Any:
    """Nested tuples and lists with the image in the place of the one tensor."""
    if isinstance(value, torch.Tensor):
        return image
    return type(value)(_filled(item, image) for item in value) if isinstance(value, (tuple, list)) else value


def _export_fixed(original: Callable[..., Any], image: torch.Tensor, asked: Dict[str, Any]) -> onnx.ModelProto:
    """What upstream's own export writes, where it can be run at all, with the NonZero form for RoIs."""
    arguments = asked["args"] if isinstance(asked["args"], tuple) else (asked["args"],)
    context = ExportContext(opset=asked.get("opset_version") or ExportContext.opset)
    buffer, changed = io.BytesIO(), dict(asked, f=None, verbose=False, keep_initializers_as_inputs=False)
    for name, value in compat.export_kwargs().items():
        changed.setdefault(name, value)
    changed.update(model=_Traced(asked["model"], arguments, context), args=(image,), f=buffer)
    changed["model"].training = getattr(asked["model"], "training", False)  # what torch.jit has frozen has no mode
    with rewriting(context, _FIXES), compat.torch_symbolics(), in_export_here_alone(), quiet():
        original(**changed)
    return lower(onnx.load_model_from_string(buffer.getvalue()))
