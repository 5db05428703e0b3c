"""Modules that are there already, with inputs and outputs of any kind, and what of them is traced."""

import inspect
from functools import partial
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence, Tuple, Union

import torch
from torch import nn

from ...environment import inference, ordinary
from ...loading import Clones, Feeds, State, Task, as_it_was, named_tensors, refilled, refusal, to_numpy, written_at
from ...rewriting import current, innermost_user_place
from ...runtime import RawOutputs
from ...support import InputError, MmonnxError, alone, type_and_line
from .distributions import KINDS
from .variations import Axes, output_axes, variations

_DTYPES = {torch.bool, torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64}
_DTYPES |= {torch.float16, torch.float32, torch.float64}
AxesAsked = Mapping[str, Union[Mapping[int, str], Sequence[int]]]


@alone()
def module_task(
    model: nn.Module,
    args: Any,
    input_names: Optional[Sequence[str]] = None,
    output_names: Optional[Sequence[str]] = None,
    dynamic_axes: Optional[AxesAsked] = None,
) -> Task:
    """Make a module in eval mode a task, on inputs of any kind.

    Args:
        model: the module.
        args: its inputs: a tensor, a tuple of positional arguments, or a dict of keyword arguments; tensors may lie in
            tuples, lists and dicts, and what is no tensor stays constant.
        input_names, output_names: names of the tensors, in order; None for names by what they are.
        dynamic_axes: as torch's, of inputs; those of outputs are found where they are not given.

    Raises:
        InputError: the names or axes do not fit, or the model takes no other size of an axis.
    """
    positional, keywords = ((), dict(args)) if isinstance(args, Mapping) else (args, {})
    positional = positional if isinstance(positional, tuple) else (positional,)
    feeds = _named("input", {**_argument_names(model, positional), **keywords}, input_names)
    title = type(model).__name__
    module = PlainModule(model, positional, keywords).eval()
    run = partial(outputs_of, module, output_names)
    asked = _axes(dynamic_axes)
    axes = {name: named for name, named in asked.items() if name in feeds}
    names = list(_first_run(title, run, feeds))
    unknown = [name for name in asked if name not in feeds and name not in names]
    if unknown:
        raise InputError(f"dynamic_axes names {unknown[0]!r}", ", ".join([*feeds, *names]), "fix dynamic_axes")
    with ordinary(model):
        samples = variations(title, feeds, axes, run, module)
        found = output_axes(run, feeds, axes, [sample for sample in samples.values() if _resized(feeds, sample)])
    return Task(
        codebase="torch",
        title=title,
        module=module,
        inputs=feeds,
        output_names=names,
        dynamic_axes={**axes, **found, **{name: named for name, named in asked.items() if name in names}},
        predict=lambda feeds: [RawOutputs(to_numpy(run(feeds)))],
        read=lambda outputs: [RawOutputs({name: outputs[name] for name in names})],
        preprocess=None,
        samples=samples,
        faults=module.keeps(feeds, samples.get(KINDS[0], feeds)),
        weights="the module's own weights",
    )


def _first_run(title: str, run: Callable[[Feeds], Feeds], feeds: Feeds) -> Feeds:
    """The outputs for the given inputs, which are the first that the model is run on."""
    for name, value in feeds.items():
        if value.layout != torch.strided or value.dtype not in _DTYPES:
            kind = value.dtype if value.layout == torch.strided else value.layout
            raise InputError(
                f"input {name!r} is of {kind}",
                "a dense tensor of a numeric or boolean type that NumPy has",
                "convert it",
            )
    try:
        return run(feeds)
    except MmonnxError:
        raise
    except Exception as error:  # the model raises whatever its own code raises
        place = innermost_user_place(error)
        raise InputError(
            f"{title} does not run on these args: {type_and_line(error)}" + (f", at {place}" if place else ""),
            "inputs that the model takes",
            "fix args",
        ) from error


def _resized(feeds: Feeds, other: Feeds) -> bool:
    """Whether other inputs are of other sizes."""
    return any(other[name].shape != value.shape for name, value in feeds.items())


class PlainModule(nn.Module):
    """What is traced: the tensors of the model's inputs in order -> those of its outputs."""

    def __init__(self, model: nn.Module, positional: Tuple[Any, ...] = (None,), keywords: Any = None) -> None:
        super().__init__()
        self.model = model
        self._arguments = (positional, keywords or {})
        self._clones: Clones = {}

    def forward(self, *tensors: torch.Tensor) -> Tuple[torch.Tensor, ...]:
        """Run the model on its arguments with these tensors in the places of the sample ones."""
        context = current()
        if context is not None:
            context.upstream_path = True
        return tuple(self.named(tensors).values())

    def named(self, tensors: Sequence[torch.Tensor]) -> Dict[str, torch.Tensor]:
        """The outputs by what they are, as of a first call: what the model keeps of it for the next is undone."""
        with as_it_was(self.model, self._clones):
            return self._called(tensors)

    def keeps(self, first: Feeds, second: Feeds) -> List[str]:
        """What to tell of a model whose answer to inputs is another after a call with others, a line each attribute."""
        with torch.no_grad(), as_it_was(self.model):
            state = State(self.model)
            self._called(tuple(first.values()))
            changed = state.changed()
            if not changed:
                return []
            after: Dict[str, torch.Tensor] = {}
            refused = refusal(lambda: after.update(self._called(tuple(second.values()))))
            state.restore()
            alone = self._called(tuple(second.values()))
        if not refused and all(torch.equal(alone[name], after[name]) for name in alone):  # kept, and not used again
            return []
        return [_kept(part, name) for part, name in changed]

    def _called(self, tensors: Sequence[torch.Tensor]) -> Dict[str, torch.Tensor]:
        positional, keywords = refilled(self._arguments, iter(tensors))
        return named_tensors(self.model(*positional, **keywords), "output")


def _kept(part: nn.Module, name: str) -> str:
    where = written_at(part, name)
    return (
        f"{where or type(part).__name__} keeps {name!r} for the next call, whose answer depends on it: the file "
        "answers as the model does when it is called first"
    )


def run_model(model: nn.Module, feeds: Feeds) -> Any:
    """What a model itself gives for inputs in their order."""
    with inference(model):
        return model(*feeds.values())


def outputs_of(module: PlainModule, names: Optional[Sequence[str]], feeds: Feeds) -> Dict[str, torch.Tensor]:
    """The outputs by the names that they have in the file.

    Args:
        module: the model.
        names: those that the user gives, in order; None for names by what they are.
        feeds: its inputs.

    Raises:
        InputError: it gives no tensor, or the names do not fit.
    """
    with inference(module):
        found = module.named(tuple(feeds.values()))
    if not found:
        raise InputError("the model gives no tensor", "a tensor, or a tuple, list or dict of some", "wrap the model")
    if names is None:
        # no tensor of a graph can have two names
        return {f"{name}_output" if name in feeds else name: value for name, value in found.items()}
    return _renamed("output", found, names)


def _named(what: str, value: Any, names: Optional[Sequence[str]]) -> Dict[str, torch.Tensor]:
    found = named_tensors(value, what)
    if not found:
        raise InputError(f"the model has no tensor as {what}", "one or more tensors", "give tensors as args")
    if names is None:
        return {what: next(iter(found.values()))} if len(found) == 1 and what == "input" else found
    return _renamed(what, found, names)


def _renamed(what: str, found: Dict[str, torch.Tensor], names: Sequence[str]) -> Dict[str, torch.Tensor]:
    if len(names) != len(found) or len(set(names)) != len(found):
        raise InputError(
            f"{len(names)} names ({', '.join(names)}) for {len(found)} {what}s",
            f"a name of its own for each of {', '.join(found)}",
            f"give {len(found)} names",
        )
    return dict(zip(names, found.values()))


def _argument_names(model: nn.Module, positional: Tuple[Any, ...]) -> Dict[str, Any]:
    """Positional arguments by the names that the forward has for them."""
    if isinstance(model, torch.jit.ScriptModule):  # Python knows no signature of what is compiled
        parameters = [one.name for one in model.forward.schema.arguments[1:]]
    else:
        parameters = [
            one.name
            for one in inspect.signature(model.forward).parameters.values()
            if one.kind in (one.POSITIONAL_ONLY, one.POSITIONAL_OR_KEYWORD)
        ]
    return {
        parameters[number] if number < len(parameters) else f"input_{number}": value
        for number, value in enumerate(positional)
    }


def _axes(asked: Optional[AxesAsked]) -> Axes:
    """Dynamic axes as a dict of dicts; axes without a name get one."""
    return {
        name: dict(named) if isinstance(named, Mapping) else {axis: f"{name}_dim_{axis}" for axis in named}
        for name, named in (asked or {}).items()
    }
