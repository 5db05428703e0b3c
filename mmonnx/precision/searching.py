"""The least that has to stay in float32: layers are left alone by what they cost, until the loss is small."""

import tempfile
from pathlib import Path
from typing import Callable, Dict, Iterable, List, NamedTuple, Optional, Sequence, Set, Tuple

import numpy as np
import onnx

from ..graph import part
from ..runtime import Session, large
from ..support import ExportError, LossError
from .eight import METHODS, Feeds, Method, Quantizer
from .settings import Loss
from .trunk import Trunk

_HELD_OUT = 4
"""Images on which noise is compared: of those that were taken for the ranges, others than these."""
_QUIET, _LOUD = 1e-12, 1e12
Reducing = Callable[[Set[str], Optional[Set[str]]], onnx.ModelProto]
"""Makes a model in fewer bits: of the layers that stay in float32, and of the only nodes that do not, None for all."""


class Found(NamedTuple):
    """What a search ends with: the model, the layers that stay, what is lost, and the layers by their noise."""

    model: onnx.ModelProto
    kept: Tuple[str, ...]
    loss: Loss
    noise: Dict[str, float]


class Noise:
    """How loud the noise is that a model in fewer bits has in what its layers predict.

    Args:
        model: in float32.
        trunk: its layers.
        images: what it is compared on.
    """

    def __init__(self, model: onnx.ModelProto, trunk: Trunk, images: Sequence[Feeds]) -> None:
        regional = set(trunk.regional)
        ahead = [name for name in trunk.reached if name not in regional]
        self._names = {
            False: [name for name in trunk.last if name in ahead] or ahead[-1:],
            True: [name for name in trunk.last if name in regional],
        }
        self._trunk, self._model, self._images = trunk, model, list(images)[:_HELD_OUT]
        self._expected: Dict[bool, List[List[np.ndarray]]] = {}

    def of(self, model: onnx.ModelProto, of_regions: bool = False) -> float:
        """The noise in dB of the signal, the mean of all predictions: -40 is a hundredth.

        Args:
            model: in fewer bits.
            of_regions: take the predictions for regions of interest, which have to be those of the float32 model:
                nothing ahead of them is reduced. Else those ahead of the regions.
        """
        if of_regions not in self._expected:
            self._expected[of_regions] = self._run(self._model, of_regions)
        found = []
        for expected, actual in zip(zip(*self._expected[of_regions]), zip(*self._run(model, of_regions))):
            signal = sum(float(np.square(one, dtype=np.float64).sum()) for one in expected)
            with np.errstate(all="ignore"):  # of what is beyond float16
                gaps = [float(np.square(one - other, dtype=np.float64).sum()) for one, other in zip(expected, actual)]
            share = sum(gaps) / max(signal, _QUIET)
            found.append(10 * np.log10(min(max(share, _QUIET), _LOUD) if np.isfinite(share) else _LOUD))
        return float(np.mean(found))

    def _run(self, model: onnx.ModelProto, of_regions: bool) -> List[List[np.ndarray]]:
        outputs = [_rounded(model, self._trunk.outputs[name]) for name in self._names[of_regions]]
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "part.onnx"
            large.save(part(model, outputs), str(path))
            session = Session(str(path))
            names = {*session.input_names, *session.optional_names}
            found = []
            for feeds in self._images:
                given = session.run({name: value for name, value in feeds.items() if name in names})
                found.append([given[name] for name in outputs])
            return found


def _rounded(model: onnx.ModelProto, name: str) -> str:
    """What a tensor is for those that read it: in eight bits, if it is stored in these."""
    readers = {node.op_type: node for node in model.graph.node if name in node.input[:1]}
    if "QuantizeLinear" not in readers:
        return name
    stored = readers["QuantizeLinear"].output[0]
    back = [node.output[0] for node in model.graph.node if node.op_type == "DequantizeLinear" and stored in node.input]
    return back[0] if back else name


def best_method(quantizer: Quantizer, noise: Noise, told: Callable[[str], None]) -> Tuple[Method, onnx.ModelProto]:
    """The way to choose ranges that brings the least noise on images which they are not of.

    Raises:
        ExportError: the model cannot be quantized in any.
    """
    best: Optional[Tuple[float, Method, onnx.ModelProto]] = None
    failed: Optional[ExportError] = None
    for method in METHODS:
        told(method.title)
        try:
            model = quantizer.quantized(method, set())
        except ExportError as error:  # histograms of a tensor that is empty for some image
            failed = error
            continue
        loud = noise.of(model)
        if best is None or loud < best[0]:
            best = loud, method, model
    if best is None:
        assert failed is not None
        raise failed
    return best[1], best[2]


def ranked(
    reducing: Reducing,
    layers: Sequence[str],
    trunk: Trunk,
    noise: Noise,
    progress: Callable[[Iterable[str]], Iterable[str]] = iter,
) -> Dict[str, float]:
    """The noise that each layer brings where it alone is reduced, in dB, the loudest first."""
    regional = set(trunk.regional)
    found = {name: noise.of(reducing(set(), {name}), name in regional) for name in progress(layers)}
    return dict(sorted(found.items(), key=lambda pair: -pair[1]))


def search(
    start: onnx.ModelProto,
    reducing: Reducing,
    ranks: Callable[[], Dict[str, float]],
    loss_of: Callable[[onnx.ModelProto], Loss],
    max_loss: float,
    told: Callable[[str], None],
    precision: str = "int8",
) -> Found:
    """Leave the layers alone that cost most, as few as the loss allows.

    Twice as many each time, until the loss is small enough; then half the way back, where it still is.

    Args:
        start: the model with all layers reduced.
        reducing: makes it with some of them left alone.
        ranks: gives the layers, the one that costs most first; asked where some have to stay alone.
        loss_of: what a model loses.
        max_loss: in points.
        told: where it is said how far it has come.
        precision: how the reduced form is called.

    Raises:
        LossError: with half of the layers alone it still loses more.
    """
    loss = loss_of(start)
    if loss.points <= max_loss:
        return Found(start, (), loss, {})
    noise = ranks()
    order, first = list(noise), loss

    def without(count: int) -> Found:
        kept = order[:count]
        told(f"{count} layers in float32")
        model = reducing(set(kept), None)
        return Found(model, tuple(kept), loss_of(model), noise)

    low, high = 0, 1
    best = without(high)
    while best.loss.points > max_loss:
        if 2 * high > len(order):
            least = min(first.points, best.loss.points)
            raise LossError(
                f"{precision} loses more than is allowed: {first}; "
                f"with {high} of {len(order)} layers in float32 {best.loss}",
                f"{max_loss:g} points at most",
                f"give --max-loss {np.ceil(10 * least) / 10:g}, or another --precision",
            )
        low, high = high, 2 * high
        best = without(high)
    while high - low > 1:
        middle = (low + high) // 2
        found = without(middle)
        if found.loss.points <= max_loss:
            high, best = middle, found
        else:
            low = middle
    return best
