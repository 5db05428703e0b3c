"""Localizers, which say of features of a film where something is done in it, as tasks."""

from functools import partial
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Sequence, Tuple

import numpy as np
import torch
from torch import nn

from ...environment import inference
from ...loading import Feeds, LoadOptions, Task, check_device, to_numpy
from ...runtime import RawOutputs
from ...support import InputError

_PROPOSALS = 100
"""Of a sample."""


class Kind(NamedTuple):
    """How the localizers of a class are run.

    Attributes:
        outputs: what the network gives, in order.
        shape: (N, ...) of a sample of a model, without the batch.
        axes: the names of the input's axes.
        free: the axis that may have any length beside the batch, None for none.
    """

    outputs: Sequence[str]
    shape: Callable[[Any], Tuple[int, int]]
    axes: Sequence[str]
    free: Optional[int]


KINDS = {
    "BMN": Kind(
        ("confidence", "start", "end"), lambda model: (model.feat_dim, model.tscale), ("features", "places"), None
    ),
    "TEM": Kind(("boundaries",), lambda model: (model.feat_dim, model.temporal_dim), ("features", "places"), 2),
    "PEM": Kind(("confidence",), lambda model: (_PROPOSALS, model.feat_dim), ("proposals", "features"), 1),
}
"""By the names of the classes in ``mmaction.models``."""


class LocalizerModule(nn.Module):
    """Features of films (N, ...) -> what the network makes of them, before proposals are made in Python.

    Args:
        model: the model.
        joined: its network takes the proposals of all films one behind the other.
    """

    def __init__(self, model: nn.Module, joined: bool) -> None:
        super().__init__()
        self.model = model
        self.joined = joined

    def forward(self, input: torch.Tensor) -> Any:
        """Run the network on a batch."""
        model: Any = self.model
        if self.joined:
            return model._forward([input.flatten(0, 1)]).view(-1, input.shape[1])
        return model._forward(input)


def kind_of(model: Any) -> Optional[Kind]:
    """How a model is run, None if it is no localizer that is known."""
    return next((KINDS[base.__name__] for base in type(model).__mro__ if base.__name__ in KINDS), None)


def make_localizer_task(model: Any, title: str, options: LoadOptions) -> Task:
    """Make a localizer a task.

    Raises:
        InputError: an option is for models of pictures, or for recognizers.
    """
    kind = kind_of(model)
    assert kind is not None  # the caller has asked
    if options.add_softmax:
        raise InputError(f"--softmax is for recognizers, and {title} is a localizer", "no such option", "leave it out")
    shape = _shape(kind, model, title, options)
    device = check_device(options.device)
    dynamic = options.dynamic or options.dynamic_batch
    longer = list(shape)
    if kind.free is not None:
        longer[kind.free] += shape[kind.free] // 2 + 1
    axes: Dict[str, Dict[int, str]] = {}
    if dynamic:
        axes = {name: {0: "batch"} for name in ("input", *kind.outputs)}
    if options.dynamic and kind.free is not None:
        axes["input"][kind.free] = kind.axes[kind.free - 1]
        for name in kind.outputs:
            axes[name][2 if kind.free == 2 else 1] = kind.axes[kind.free - 1]
    samples = {
        "film": _features(shape, 1),
        "two films": _features((2, *shape[1:]), 2) if dynamic else None,
        "longer film": _features((1 if dynamic else shape[0], *longer[1:]), 3)
        if options.dynamic and kind.free is not None
        else None,
        "nothing": torch.zeros(tuple(shape)),
    }
    joined = kind is KINDS["PEM"]
    return Task(
        codebase="mmaction",
        title=title,
        module=LocalizerModule(model, joined).eval(),
        inputs={"input": _features(shape, 0).to(device)},
        output_names=list(kind.outputs),
        dynamic_axes=axes,
        predict=partial(_predict, model, kind, joined),
        read=lambda outputs: [RawOutputs({name: outputs[name] for name in kind.outputs})],
        preprocess=None,
        samples={name: {"input": one.to(device)} for name, one in samples.items() if one is not None},
    )


def network(model: Any, joined: bool, input: torch.Tensor) -> Any:
    """What upstream's own network makes of a batch."""
    with inference(model):
        if joined:
            return model._forward(input).reshape(len(input), -1)
        return model._forward(input)


def _predict(model: Any, kind: Kind, joined: bool, feeds: Feeds) -> List[RawOutputs]:
    found = network(model, joined, feeds["input"])
    tensors = found if isinstance(found, tuple) else (found,)
    return [RawOutputs(to_numpy(dict(zip(kind.outputs, tensors))))]


def _shape(kind: Kind, model: Any, title: str, options: LoadOptions) -> Sequence[int]:
    wanted = (options.batch, *kind.shape(model))
    given = options.sample_shape or wanted
    fixed = [axis for axis in (1, 2) if axis != kind.free]
    right = len(given) == len(wanted) and all(given[axis] == wanted[axis] for axis in fixed)
    if options.image or options.shape or not right:
        names = [name if axis == kind.free else f"{wanted[axis]} {name}" for axis, name in enumerate(kind.axes, 1)]
        raise InputError(
            f"{title} takes features, and no pictures"
            if right
            else f"--shape {' '.join(map(str, given))} is no input of {title}",
            f"--shape of batch, {' and '.join(names)}",
            "give these, or leave --shape and --input-img out",
        )
    return given


def _features(shape: Sequence[int], seed: int) -> torch.Tensor:
    """Features that are not below zero, as those of networks are, and change along the time."""
    generator = torch.Generator().manual_seed(seed)
    values: torch.Tensor = torch.randn(tuple(shape), generator=generator).abs()
    return values


def answers_of(outputs: Dict[str, np.ndarray], names: Sequence[str]) -> Any:
    """What a file gives of one film as the network's own answer, with the batch's axis: a tensor, or several."""
    tensors = [torch.from_numpy(outputs[name])[None] for name in names]
    return tensors[0] if len(tensors) == 1 else tuple(tensors)
