"""Driven runs: the ends of a model are made to give drawn values, in PyTorch and in the file.

What a model's heads give on some photographs reaches a part of what comes behind them. Drawn values reach the rest:
all levels of a pyramid, both sides of the score threshold, the limits of lists, boxes that are clipped, rare classes,
and no detection at all. The values of a draw are far from each other, so that no choice among them depends on a
rounding.
"""

from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any, ContextManager, Dict, Iterator, List, Optional, Sequence, Set, Tuple

import torch

from ..environment import layers_round_otherwise, rounding_noise, ties_at_random
from ..loading import Feeds, Task
from ..runtime import Result
from ..tracing import FirstPooling, PoolingCall, Probe, Recorder, pooling_calls, poolings

_TAIL = 4.0
"""The greatest drawn value, in deviations."""
SCORES = 2.0
"""The least deviation of what scores are made of: those of a sigmoid or softmax then spread over their whole range."""
_LOWEST, _HIGHEST = -5.0, 4.0
"""Beyond, drawn values are squeezed: sigmoids of two runtimes differ by up to 1e-7, which decides near 0 and 1."""
_PIXELS = 20.0
"""Where a layer gives more than this, it is no layer of scores, but of pixels, say."""
_FLAT = 1e-2
"""The least deviation of a channel's values, as a share of the tensor's own."""


Level = Tuple[int, int]
"""The number of a layer that pools regions, and a level of the pyramid."""


@dataclass(frozen=True)
class Lever:
    """What lowers the scores of a model's answers.

    Attributes:
        module: path of the layer whose values are moved.
        channel: which of its channels is raised, that of the background, say; None to lower all of them.
    """

    module: str
    channel: Optional[int] = None

    def moved(self, values: torch.Tensor, amount: float) -> torch.Tensor:
        """Values of the layer that make scores lower, or higher where the amount is negative."""
        if self.channel is None:
            return values - amount
        values = values.clone()
        values.select(channel_axis(values), self.channel).add_(amount)
        return values


@dataclass(frozen=True)
class Draw:
    """How values are drawn.

    Attributes:
        seed: of the values.
        gain: their deviation, as a multiple of that of the values that the model itself gives.
        whole: drive what comes behind the pooling of regions as well.
        levers: what the scores are lowered by; the values of these layers spread by ``SCORES`` at least.
        amount: how far.
        spared: the call of the levers' layers that is not lowered, a level of a pyramid, say; None for no such call.
        moved: the only call of the levers' layers that is lowered; None for all.
        least: the least deviation of the values of all layers.
    """

    seed: int
    gain: float = 1.0
    whole: bool = True
    levers: Tuple[Lever, ...] = ()
    amount: float = 0.0
    spared: Optional[int] = None
    moved: Optional[int] = None
    least: float = 0.0

    def values(self, probe: Probe, output: torch.Tensor, number: int, like: torch.Tensor) -> torch.Tensor:
        """What an end is made to give in the place of what it gave.

        Args:
            probe: the end.
            output: what it gave; what is infinite in it, as it is masked, stays so.
            number: makes the values differ from other ends'.
            like: what the values are to be like, of as many channels.
        """
        own = [lever for lever in self.levers if lever.module == probe.module]
        least = max(self.least, SCORES if own else 0.0)
        result = drawn(like, self.gain, self.seed + 1000 * number, least, output.shape)
        for lever in own if probe.call != self.spared and self.moved in (None, probe.call) else ():
            result = lever.moved(result, self.amount)
        return torch.where(output.isfinite(), result, output)


@dataclass
class Driven:
    """What PyTorch gives in a driven run.

    Attributes:
        results: its answers, one for each image.
        driven: what the ends were made to give, by the names of the tensors.
        free: what those ends gave that were not driven.
        levels: the levels of the pyramid that regions were pooled from, each with the number of the layer that pools.
        complete: whether the ends were called as often as in the file.
        late: the names of the driven ends behind the pooling of regions.
        draw: how the values were drawn.
        poolings: the calls of layers that pool regions.
        first: the pooling at which the run was ended.
    """

    results: Sequence[Result]
    driven: Dict[str, torch.Tensor] = field(default_factory=dict)
    free: Dict[str, torch.Tensor] = field(default_factory=dict)
    levels: Set[Level] = field(default_factory=set)
    complete: bool = True
    late: Set[str] = field(default_factory=set)
    draw: Optional[Draw] = None
    poolings: List[PoolingCall] = field(default_factory=list)
    first: Optional[FirstPooling] = None


def run_driven(
    task: Task,
    feeds: Feeds,
    probes: Sequence[Probe],
    draw: Draw,
    memory: Optional[ContextManager[None]] = None,
    stop: bool = False,
) -> Driven:
    """PyTorch's own inference with drawn values.

    Args:
        task: the model.
        feeds: its inputs.
        probes: its ends.
        draw: how the values are drawn; the model's own give their mean and deviation in each channel.
        memory: around the run, see ``memory.remembering``.
        stop: end it at the first pooling of regions, which is all that it gives then, without results.
    """
    recorder, names, late = Recorder(task.module, probes, task.twice), set(), set()
    pooled: List[Any] = []
    firsts: Dict[str, torch.Tensor] = {}

    def drive(probe: Probe, output: torch.Tensor) -> Optional[torch.Tensor]:
        if pooled and not draw.whole:
            return None
        late.update([probe.name] if pooled else [])
        names.add(probe.name)
        # among the regions, all levels of a pyramid get their share: the scores of one are like those of another
        like = output if draw.whole else firsts.setdefault(probe.module, output)
        return draw.values(probe, output, probes.index(probe), like)

    with ExitStack() as stack:
        stack.enter_context(memory or nullcontext())
        levels = stack.enter_context(watched(task, pooled))
        stack.enter_context(recorder.recording(drive))
        calls = stack.enter_context(pooling_calls(task.module, stop))
        results, first = _predicted(task, feeds)
    driven = {name: value for name, value in recorder.outputs.items() if name in names}
    free = {name: value for name, value in recorder.outputs.items() if name not in names}
    return Driven(results, driven, free, levels, recorder.complete, late, draw, calls, first)


def run_again(task: Task, feeds: Feeds, probes: Sequence[Probe], first: Driven, seed: int, roundings: float) -> Driven:
    """The same run, rounding otherwise: noise on what is driven, on the layers between, and among ties."""
    recorder, generator = Recorder(task.module, probes, task.twice), torch.Generator().manual_seed(seed)

    def drive(probe: Probe, output: torch.Tensor) -> Optional[torch.Tensor]:
        value = first.driven.get(probe.name)
        if value is None or value.shape != output.shape:
            return None
        return value + rounding_noise(value, generator) * roundings

    with ExitStack() as stack:
        stack.enter_context(layers_round_otherwise(task.module, generator, roundings))
        stack.enter_context(ties_at_random(generator, roundings))
        stack.enter_context(recorder.recording(drive))  # the last hooks of the ends
        calls = stack.enter_context(pooling_calls(task.module, first.first is not None))
        results, pooling = _predicted(task, feeds)
    free = {name: value for name, value in recorder.outputs.items() if name in first.free}
    return Driven(results, first.driven, free, first.levels, recorder.complete, poolings=calls, first=pooling)


def _predicted(task: Task, feeds: Feeds) -> Tuple[Sequence[Result], Optional[FirstPooling]]:
    """PyTorch's answers, or the pooling at which the run was ended."""
    try:
        return task.predict(feeds), None
    except FirstPooling as pooling:
        return [], pooling


def drawn(
    output: torch.Tensor, gain: float, seed: int, least: float = 0.0, shape: Optional[Sequence[int]] = None
) -> torch.Tensor:
    """Values as an end might give them: normal in each channel, no two alike.

    Args:
        output: what it gave; the mean and deviation of what is finite in each channel are those of the values.
        gain: makes the deviation greater.
        seed: of the values.
        least: the least deviation.
        shape: of the values, with as many channels; that of ``output`` by default.
    """
    axis = channel_axis(output)
    others = [other for other in range(output.dim()) if other != axis]
    values = output.detach().double()
    finite = values[values.isfinite()]
    whole = max(float(finite.std(unbiased=False)) if finite.numel() else 0.0, 1e-6)
    mean, deviation = _moments(values, others) if others else (finite.mean(), values.new_tensor(whole))
    result = mean + gain * deviation.clamp(min=max(_FLAT * whole, least)) * _spread(shape or values.shape, seed).to(
        values
    )
    return (_squeezed(result) if not (finite.abs() > _PIXELS).any() else result).to(output)


def _moments(values: torch.Tensor, axes: Sequence[int]) -> Tuple[torch.Tensor, torch.Tensor]:
    """Mean and deviation along some axes, which stay, of what is finite; 0 where nothing is."""
    finite, nothing = values.isfinite(), torch.zeros_like(values)
    count = finite.sum(axes, keepdim=True).clamp(min=1)
    mean = torch.where(finite, values, nothing).sum(axes, keepdim=True) / count
    squares = torch.where(finite, values - mean, nothing).square()
    return mean, (squares.sum(axes, keepdim=True) / count).sqrt()


def _squeezed(values: torch.Tensor) -> torch.Tensor:
    """The same order of values, none of them where a sigmoid is 1, or rounds otherwise in each runtime near 0."""
    for edge, room, step in ((_LOWEST, 2.0, -4.0), (_HIGHEST, 2.0, 4.0)):
        beyond = ((values - edge) / step).clamp(min=0)
        squeezed = edge + (room if step > 0 else -room) * beyond / (1 + beyond)
        values = torch.where(beyond > 0, squeezed, values)
    return values


def channel_axis(values: torch.Tensor) -> int:
    """Where the channels are: (N, C, H, W) of maps, the last axis of rows."""
    return 1 if values.dim() == 4 else values.dim() - 1


def _spread(shape: Sequence[int], seed: int) -> torch.Tensor:
    """Quantiles of the normal distribution in random order: no two are closer than they have to be."""
    count = int(torch.Size(shape).numel())
    generator = torch.Generator().manual_seed(seed)
    places = (torch.randperm(count, generator=generator).double() + 0.5) / max(count, 1)
    return (torch.erfinv(2 * places - 1) * 2**0.5).clamp(-_TAIL, _TAIL).reshape(tuple(shape))


@contextmanager
def watched(task: Task, pooled: List[Any]) -> Iterator[Set[Level]]:
    """The levels that regions are pooled from inside the block; ``pooled`` gets an entry for each pooling."""
    levels: Set[Level] = set()

    def note(pooling: Any, inputs: Any) -> None:
        pooled.append(pooling)

    with ExitStack() as stack:
        for number, pooling in enumerate(poolings(task.module)):
            stack.callback(pooling.register_forward_pre_hook(note).remove)
            if hasattr(pooling, "map_roi_levels"):
                stack.callback(delattr, pooling, "map_roi_levels")
                pooling.map_roi_levels = _noting(pooling.map_roi_levels, levels, number)
        yield levels


def _noting(function: Any, levels: Set[Level], number: int) -> Any:
    def map_roi_levels(*args: Any, **kwargs: Any) -> torch.Tensor:
        found = function(*args, **kwargs)
        levels.update((number, level) for level in found.unique().tolist())
        return found

    return map_roi_levels
