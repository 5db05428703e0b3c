"""What is inside a file against what is inside PyTorch's model: its ends, on pictures and in driven runs."""

import time
from contextlib import ExitStack, nullcontext, suppress
from dataclasses import replace
from typing import Any, Callable, Collection, Container, Dict, List, Optional, Sequence, Set, Tuple

import numpy as np
import onnx
import torch

from ..environment import layers_in_double, layers_round_otherwise, ties_at_random, to_double
from ..graph import part
from ..loading import Task, to_numpy
from ..runtime import Detections, Result
from ..support import type_and_line
from ..tracing import POOLED, REGIONS, PoolingCall, Probe, Recorder, draw_regions, probes_of
from .driving import SCORES, Draw, Driven, Lever, channel_axis, run_again, run_driven, watched
from .goals import detections_of
from .kernels import Kernels
from .matching import CHANCE, MAX_LINES, Match, match, noise_of
from .outcome import Case, CaseResult, summed
from .remembering import Memory
from .rows import absent, in_order
from .tensors import EXACT, Arrays, TensorsMatch

Run = Callable[[Arrays], Arrays]

_STEADY = (1.0, 8.0, 4.0, 8.0)
"""The noise, in roundings of each layer, of the runs by which PyTorch is asked whether its answer to drawn values is
steady. Two are too few: where a decoder's thresholds make much of a rounding, both often go the same way."""
_AGAIN = (1.0, 8.0, 2.0, 16.0, 4.0, 32.0)
"""The same where regions are compared one by one, until each is explained."""
_LONG_SUMS = 1.0
"""The noise, in roundings of each layer, that stands for another order of its sums."""
_PULL = 4.0 * SCORES
"""How far a lever is pulled to see what it does."""
_LOWER = 0.7
"""The share of the sum of scores below which it does something."""
_SEEDS = 4
"""How many draws are tried until PyTorch's own answer does not depend on its roundings."""


class Inside:
    """One file's inside.

    Args:
        task: the model.
        model: the file's.
        load: makes of a model what runs it.
        spare: whether lists of regions end with a dummy in the file, for a runtime that takes no empty tensors.
        traced: see ``verify_model``.

    Attributes:
        probes: the ends that can be compared.
        poolings: the calls of layers that pool regions, by the names of what they give.
        kernels: those of the model, and on what maps they were seen.
    """

    def __init__(
        self,
        task: Task,
        model: onnx.ModelProto,
        load: Callable[[onnx.ModelProto], Run],
        spare: bool = False,
        traced: Sequence[str] = (),
    ) -> None:
        self._task, self._model, self._load, self._spare = task, model, load, spare
        self.probes = self._seen = probes_of(model, task.module, traced=traced)
        self._regions = [probe.name for probe in probes_of(model, task.module, REGIONS)]
        self.poolings = _hanging_on(
            model, [probe.name for probe in probes_of(model, task.module, POOLED)], self._regions
        )
        self._parts: Dict[Any, Run] = {}
        self._memory = Memory(task.module, self.probes)
        self._late: Set[str] = set()
        self._choosers: Optional[Tuple[Lever, ...]] = None
        self.kernels = Kernels(task.module)

    def on_picture(self, case: Case) -> Optional[CaseResult]:
        """The ends on one case's input; None where there are none, or PyTorch calls them otherwise than the file.

        Not those behind the pooling of regions: in which order the regions come depends on roundings.
        """
        started, first = time.perf_counter(), self._early(case)
        if first is None:
            return None
        between, expected = time.perf_counter(), to_numpy(first)
        try:
            found = self._run(list(expected), [], to_numpy(case.feeds))
        except Exception as error:  # the runtime's own
            return _failed(f"inside, {case.name}", case, error)
        seconds = between - started, time.perf_counter() - between
        self._leave_out([name for name, value in expected.items() if value.ndim != found[name].ndim])
        alike = {name: _as_in_the_file(value, found[name].shape) for name, value in expected.items()}
        alike = {name: value for name, value in alike.items() if value.ndim == found[name].ndim}
        outcome = TensorsMatch(alike, found)
        if outcome.problems:
            outcome.allow(self._own(case, alike))
        if outcome.problems:
            outcome.allow(self._own_with_noise(case, alike), 1.0)
        return outcome.result(f"inside, {case.name}", case, seconds)

    def _leave_out(self, names: Collection[str]) -> None:
        """Drive no ends that PyTorch has of another rank: all layers of a decoder at once, say."""
        kept = [probe for probe in self.probes if probe.name not in names]
        if len(kept) < len(self.probes):  # on the first picture: what is remembered of the others stays
            self.probes = kept
            self._memory = Memory(self._task.module, self.probes)

    def _own(self, case: Case, expected: Arrays) -> Arrays:
        """What PyTorch gives without roundings, or, where it does not run so, with others."""
        module, generator = self._task.module, torch.Generator().manual_seed(0)
        double = replace(case, feeds={name: to_double(value) for name, value in case.feeds.items()})
        found: Arrays = {}
        for scope, tried in (
            (layers_in_double(module), double),  # what resizes its input rounds there too
            (layers_in_double(module), case),
            (layers_round_otherwise(module, generator, least=0.0), case),
        ):
            if found.keys() < expected.keys():
                with scope, ties_at_random(generator, 1.0):
                    found = {**to_numpy(self._early(tried, broken=True) or {}), **found}
        return _like(found, expected)

    def _own_with_noise(self, case: Case, expected: Arrays) -> Arrays:
        """What PyTorch gives when each layer rounds otherwise.

        Its libraries add up a long sum in parts, which keeps it from most of the error that another order has: a row of
        12,544 products is several roundings off in ONNX Runtime, and one in PyTorch.
        """
        generator = torch.Generator().manual_seed(0)
        with layers_round_otherwise(self._task.module, generator, _LONG_SUMS, least=0.0):
            return _like(to_numpy(self._early(case, broken=True) or {}), expected)

    def _early(self, case: Case, broken: bool = False) -> Optional[Dict[str, torch.Tensor]]:
        """What the ends before the pooling of regions give on an input.

        Args:
            case: the input.
            broken: take what they gave before an error; else it is raised.
        """
        recorder = Recorder(self._task.module, self._seen, self._task.twice)
        pooled: List[Any] = []
        early: List[str] = []

        def note(probe: Probe, output: torch.Tensor) -> None:
            early.extend([] if pooled else [probe.name])

        with torch.no_grad(), ExitStack() as stack:
            stack.enter_context(watched(self._task, pooled))
            stack.enter_context(recorder.recording(note))
            stack.enter_context(self.kernels.watched())
            stack.enter_context(suppress(Exception) if broken else nullcontext())
            self._task.predict(case.feeds)
        whole = recorder.complete or broken
        return {name: recorder.outputs[name] for name in early if name in recorder.outputs} if whole and early else None

    def driven(self, case: Case, draw: Draw) -> Optional[Tuple[CaseResult, Driven]]:
        """The answers of a driven run, and the ends that are not driven in it.

        Args:
            case: the input.
            draw: how the values are drawn; other seeds are tried where PyTorch's own answer depends on its roundings.

        Returns:
            None where PyTorch calls the ends otherwise than the file, does not run on such values, or has an answer
            that depends on roundings in all draws.
        """
        wrong: Optional[Tuple[CaseResult, Driven]] = None
        for attempt in range(_SEEDS):
            started, tried = time.perf_counter(), replace(draw, seed=draw.seed + 7919 * attempt)
            try:
                with torch.no_grad():
                    first = run_driven(self._task, case.feeds, self.probes, tried, self._memory.used())
            except Exception:  # the model's own code may not be made for such values
                return None
            if not first.complete:
                return None
            self._late = first.late
            seconds = time.perf_counter() - started
            result = self._compare(case, first, seconds)
            if result.ok:
                return result, first
            if self._is_steady(case, first):
                if wrong is not None:
                    return wrong
                wrong = result, first  # a fault shows in another draw as well, a choice on an edge does not
        return wrong

    def _compare(self, case: Case, first: Driven, seconds: float) -> CaseResult:
        started, regions = time.perf_counter(), self._pooled(first)
        try:
            outputs = [*self._task.output_names, *first.free, *regions]
            found = self._run(outputs, list(first.driven), {**to_numpy(case.feeds), **self._fed(first.driven)})
            answers = self._task.read({name: found[name] for name in self._task.output_names})
        except Exception as error:  # the runtime's own
            return _failed(case.name, case, error)
        result = summed(
            case.name,
            case.shape,
            _matches(self._task, first.results, answers),
            (seconds, time.perf_counter() - started),
        )
        expected = to_numpy({**first.free, **regions})
        real = {name: self._real(expected[name], found[name]) for name in expected}
        free = TensorsMatch(expected, _rows_in_order(expected, real))
        if result.ok and free.problems:
            result = replace(result, ok=False, problems=free.problems[:MAX_LINES])
        return result

    def _is_steady(self, case: Case, first: Driven) -> bool:
        """Whether PyTorch itself gives the same answers and ends when it rounds otherwise."""
        for seed, roundings in enumerate(_STEADY):
            try:
                with torch.no_grad():
                    again = run_again(self._task, case.feeds, self.probes, first, seed, roundings)
            except Exception:  # as above
                return False
            if not all(found.ok for found in _matches(self._task, first.results, again.results)):
                return False
            if _other_by_chance(self._between(first), self._between(again)):
                return False
        return True

    def _between(self, driven: Driven) -> Arrays:
        """The ends that are not driven, and the regions that are pooled."""
        return to_numpy({**driven.free, **self._pooled(driven)})

    def _pooled(self, driven: Driven) -> Dict[str, torch.Tensor]:
        """The regions that PyTorch pools, those that the file has a tensor of."""
        regions = {call.probes[0].name: call.regions for call in driven.poolings}
        return {name: value for name, value in regions.items() if name in self._regions}

    def on_regions(self, case: Case, draw: Draw) -> Optional[CaseResult]:
        """What is pooled from regions that are drawn, the same for every layer that pools some.

        Args:
            case: the input, which gives the maps.
            draw: a driven run in which these layers are reached.

        Returns:
            None where PyTorch does not run so, or pools nothing that the file has a tensor of.
        """
        started = time.perf_counter()
        try:
            with torch.no_grad():
                first = run_driven(self._task, case.feeds, self.probes, draw, self._memory.used())
                drawn = draw_regions(len(case.images), case.shape)
                expected = self._given(first.poolings, drawn)
        except Exception:  # the model's own code may not be made for such values
            return None
        if not expected:
            return None
        between = time.perf_counter()
        given = {name: drawn.numpy() for name in self._regions}
        try:
            feeds = {**to_numpy(case.feeds), **self._fed(first.driven), **given}
            found = self._run(list(expected), [*first.driven, *given], feeds)
        except Exception as error:  # the runtime's own
            return _failed(case.name, case, error)
        seconds = between - started, time.perf_counter() - between
        outcome = TensorsMatch(expected, found)
        if outcome.problems:
            with torch.no_grad():
                again = run_again(self._task, case.feeds, self.probes, first, 0, 1.0)
                outcome.allow(self._given(again.poolings, drawn))
        return outcome.result(case.name, case, seconds)

    def on_choice(self, case: Case, draw: Draw) -> Optional[CaseResult]:
        """The regions that are chosen to be pooled first, when what they are made of is drawn.

        Nothing behind is run: this takes little time once the maps of an input are known.

        Args:
            case: the input.
            draw: how the values are drawn; its lever is what gives the scores.

        Returns:
            How many of the regions are the same, or such as PyTorch itself chooses with other roundings. None where no
            regions are pooled, the file has no tensor of them, or PyTorch does not run on such values.
        """
        started = time.perf_counter()
        try:
            with torch.no_grad():
                if self._choosers is None:
                    first = run_driven(self._task, case.feeds, self.probes, Draw(0), self._memory.used(), stop=True)
                    self._choosers = _scores(first.driven, self.probes)
                draw = replace(draw, levers=self._choosers)
                first = run_driven(self._task, case.feeds, self.probes, draw, self._memory.used(), stop=True)
        except Exception:  # the model's own code may not be made for such values
            return None
        pooling = first.first
        if pooling is None or pooling.probe.name not in self._regions or not first.driven:
            return None
        name = pooling.probe.name
        between, expected = time.perf_counter(), to_numpy({name: pooling.regions})
        try:
            found = self._run([name], list(first.driven), {**to_numpy(case.feeds), **to_numpy(first.driven)})
        except Exception as error:  # the runtime's own
            return _failed(case.name, case, error)
        seconds = between - started, time.perf_counter() - between
        chosen, own = self._real(expected[name], found[name]), expected[name]
        wrong = self._not_chosen(case, first, own, chosen)
        return CaseResult(
            case.name,
            case.shape,
            len(case.images),
            matched=len(own) - wrong,
            total=len(own),
            ok=not wrong,
            problems=[f"{name}: {wrong} of {len(own)} regions are others than PyTorch chooses"] if wrong else [],
            seconds=seconds,
            inside=True,
        )

    def _not_chosen(self, case: Case, first: Driven, own: np.ndarray, chosen: np.ndarray) -> int:
        """How many regions of the file PyTorch chooses in none of several runs, or the file lacks that are in all.

        Args:
            own: (K, 5) those of a first run of PyTorch's.
            chosen: (L, 5) the file's.
        """
        foreign, lacking = absent(chosen, own, EXACT), absent(own, chosen, EXACT)
        for seed, roundings in enumerate(_AGAIN):
            if not len(foreign) and not len(lacking):
                break
            with torch.no_grad():
                again = run_again(self._task, case.feeds, self.probes, first, seed, roundings)
            if again.first is not None:
                other = again.first.regions.numpy()
                foreign = absent(foreign, other, EXACT)
                gone = absent(lacking, other, EXACT)
                lacking = absent(lacking, gone, EXACT)
        return max(len(foreign), len(lacking))

    def _given(self, calls: Sequence[PoolingCall], drawn: torch.Tensor) -> Arrays:
        """What calls pool from drawn regions, as far as the file has these calls."""
        images = int(drawn[:, 0].max()) + 1
        pooled = {call.probes[1].name: call for call in calls if call.images >= images}
        return to_numpy({name: call.again(drawn) for name, call in pooled.items() if name in self.poolings})

    def hanging_on(self, case: Case, driven: Driven, names: Container[str]) -> List[str]:
        """Those of some driven ends on which the file's answers hang: other values of one of them give others."""
        before = self._outputs(case, driven.driven)
        found = []
        for name, value in driven.driven.items():
            if name not in names:
                continue
            other = -value.flatten().roll(value.numel() // 2 + 1).reshape(value.shape)
            other = torch.where(value.isfinite() & other.isfinite(), other, value)
            try:
                after = self._outputs(case, {**driven.driven, name: other})
            except Exception:  # another number of rows than other ends are made to give
                after = {}
            if any(one not in after or not np.array_equal(before[one], after[one]) for one in before):
                found.append(name)
        return found

    def levers(self, case: Case, driven: Driven) -> Tuple[Lever, ...]:
        """What lowers the scores of the file's answers in a driven run."""
        usual, found = _total(self.answers(case, driven)), []
        for module in dict.fromkeys(probe.module for probe in self.probes):
            tried = [Lever(module, channel) for channel in (None, -1, 0)]
            totals = [_total(self.answers(case, driven, (lever,), _PULL)) for lever in tried]
            known = [total for total in totals if total is not None]
            if usual is not None and len(known) == len(totals) and min(known) < _LOWER * usual:
                found.append(tried[known.index(min(known))])
        return tuple(found)

    def answers(
        self, case: Case, driven: Driven, levers: Sequence[Lever] = (), amount: float = 0.0
    ) -> Optional[List[Detections]]:
        """The file's detections to the values of a driven run that are moved by some levers; none of other answers.

        None where it does not run on them: where one end has a row for each thing that another one makes survive, say.
        """
        values = dict(driven.driven)
        for probe in self.probes:
            for lever in levers:
                if lever.module == probe.module and probe.name in values:
                    values[probe.name] = lever.moved(values[probe.name], amount)
        try:
            results = self._task.read(self._outputs(case, values))
        except Exception:  # the runtime's own
            return None
        return [found for found in map(detections_of, results) if found is not None]

    def _outputs(self, case: Case, values: Dict[str, torch.Tensor]) -> Arrays:
        feeds = {**to_numpy(case.feeds), **self._fed(values)}
        return self._run(list(self._task.output_names), list(values), feeds)

    def _fed(self, values: Dict[str, torch.Tensor]) -> Arrays:
        """What the file is fed with for driven values: one row more where its lists of regions have a dummy."""
        given = to_numpy(values)
        if self._spare:
            rows = {probe.name for probe in self.probes if probe.name in values} & self._late
            given.update({name: np.concatenate([given[name], np.zeros_like(given[name][:1])]) for name in rows})
        return given

    def _real(self, expected: np.ndarray, found: np.ndarray) -> np.ndarray:
        """A tensor of the file without its dummy row."""
        one_more = self._spare and found.shape[:1] == (len(expected) + 1,) if expected.ndim else False
        return found[:-1] if one_more else found

    def _run(self, outputs: Sequence[str], inputs: Sequence[str], feeds: Arrays) -> Arrays:
        key = (tuple(outputs), frozenset(inputs))
        if key not in self._parts:
            self._parts[key] = self._load(part(self._model, outputs, inputs))
        return self._parts[key](feeds)


def _hanging_on(model: onnx.ModelProto, outputs: Sequence[str], inputs: Sequence[str]) -> List[str]:
    """Those of some tensors of a file that are made of some others."""
    makers = {name: node for node in model.graph.node for name in node.output}
    found = []
    for output in outputs:
        names = [output]
        seen: Set[str] = set()
        while names and not seen.intersection(inputs):
            name = names.pop()
            if name not in seen:
                seen.add(name)
                names += makers[name].input if name in makers else []
        found += [output] if seen.intersection(inputs) else []
    return found


def _other_by_chance(one: Arrays, other: Arrays) -> bool:
    """Whether tensors of two runs differ by more than roundings, in whatever order their rows are."""
    return bool(TensorsMatch(one, _rows_in_order(one, other)).by_chance(CHANCE))


def _rows_in_order(expected: Arrays, found: Arrays) -> Arrays:
    return {name: in_order(value, found[name], EXACT) if name in found else value for name, value in expected.items()}


def _scores(driven: Dict[str, torch.Tensor], probes: Sequence[Probe]) -> Tuple[Lever, ...]:
    """The layers that give the scores by which regions are chosen: of scores there are fewer than of corners."""
    channels = {
        probe.module: driven[probe.name].shape[channel_axis(driven[probe.name])]
        for probe in probes
        if probe.name in driven and driven[probe.name].dim()
    }
    return tuple(Lever(module) for module, count in channels.items() if count == min(channels.values()))


def _failed(name: str, case: Case, error: Exception) -> CaseResult:
    """The result of a case on which the runtime raised an error."""
    problem = f"the runtime failed: {type_and_line(error)}"
    return CaseResult(name, case.shape, len(case.images), problems=[problem])


def _like(found: Arrays, expected: Arrays) -> Arrays:
    """Tensors of a further run, in the file's form and type."""
    alike = {name: _as_in_the_file(found[name], value.shape) for name, value in expected.items() if name in found}
    return {name: value.astype(expected[name].dtype) for name, value in alike.items()}


def _as_in_the_file(value: np.ndarray, shape: Tuple[int, ...]) -> np.ndarray:
    """Of what all layers of a decoder give, what the last one does, where the file has no more."""
    return value[-1] if value.shape[1:] == shape and len(value) else value


def _total(answers: Optional[Sequence[Detections]]) -> Optional[float]:
    return None if answers is None else sum(float(found.scores.sum()) for found in answers)


def _matches(task: Task, expected: Sequence[Result], actual: Sequence[Result]) -> List[Match]:
    """What is drawn has no ties: nothing is excused."""
    if len(expected) != len(actual):
        return [Match(0, len(expected), unmatched=[f"{len(actual)} results for {len(expected)} images"], ok=False)]
    return [
        match(
            one,
            other,
            score_thr=task.score_thr,
            limit=task.max_per_img,
            noise=noise_of(one, task.kinds),
            ordered=True,
            kinds=task.kinds,
        )
        for one, other in zip(expected, actual)
    ]
