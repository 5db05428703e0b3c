"""``mmonnx compare``: the answers of two runtimes on some inputs, and the first operator where they differ."""

from dataclasses import dataclass, field
from typing import Dict, List, Optional, Tuple

import numpy as np
import onnx

from ..graph import part, read_model, without_inputs
from ..runtime import EngineError, EngineSession, find_engine, load_session
from .differences import answers_differ, by_chance
from .feeds import make_feeds
from .reference import reference_of
from .searching import First, first_fault


@dataclass(frozen=True)
class CompareSettings:
    """What is asked for.

    Attributes:
        file: the ONNX file.
        runtime: the other runtime's name.
        image: the picture to run on; None for a random and a blank one.
        shape: (height, width) of pictures where the file leaves them open; None for the file's own way with ``image``,
            and 256 x 256 without.
        batch: how many pictures, where the file leaves that open.
    """

    file: str
    runtime: str
    image: Optional[str] = None
    shape: Optional[Tuple[int, int]] = None
    batch: int = 1


@dataclass(frozen=True)
class Compared:
    """How the two compare on one input.

    Attributes:
        name: of the input: ``random``, ``blank``, or the picture's path.
        shapes: of the inputs by name.
        differences: what differs, a line each, by the names of outputs.
        failure: why the other runtime gives nothing, empty if it does.
        first: the first operator at fault, None if nothing differs.
        by_chance: outputs that depend on roundings, of which no more is compared than whether they are known rows.
    """

    name: str
    shapes: Dict[str, Tuple[int, ...]]
    differences: Dict[str, str] = field(default_factory=dict)
    failure: str = ""
    first: Optional[First] = None
    by_chance: List[str] = field(default_factory=list)

    @property
    def equal(self) -> bool:
        """Whether both give the same."""
        return not self.differences and not self.failure


@dataclass(frozen=True)
class Comparison:
    """How a file compares in two runtimes.

    Attributes:
        file: its path.
        title: the other runtime, with its version.
        inputs: how it went on each input.
    """

    file: str
    title: str
    inputs: List[Compared]

    @property
    def equal(self) -> bool:
        """Whether both give the same on every input."""
        return all(one.equal for one in self.inputs)


def compare(settings: CompareSettings) -> Comparison:
    """Run a file in ONNX Runtime and in another runtime.

    Raises:
        InputError: the file, the picture or the runtime is wrong, or ONNX Runtime does not take them.
    """
    title = find_engine(settings.runtime).titled()
    model = _without_options(read_model(settings.file))
    load_session(settings.file, "cpu")  # refuses what is no reference, in one line
    feeds = make_feeds(settings.file, model, settings.image, settings.shape, settings.batch)
    return Comparison(settings.file, title, [_compared(model, settings.runtime, *one) for one in feeds.items()])


def _without_options(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model without inputs that may be left out, which are constants then, as other runtimes take them."""
    defaults = {tensor.name for tensor in model.graph.initializer}
    return without_inputs(model, [value.name for value in model.graph.input if value.name in defaults])


def _compared(model: onnx.ModelProto, runtime: str, name: str, feeds: Dict[str, np.ndarray]) -> Compared:
    shapes = {key: value.shape for key, value in feeds.items()}
    names = [value.name for value in model.graph.output]
    expected = reference_of(model, names, feeds)
    try:
        found = EngineSession(model, runtime).run(feeds)
    except EngineError as error:
        return Compared(name, shapes, failure=str(error), first=first_fault(model, runtime, feeds, str(error)))
    differences, unsteady = answers_differ(expected, found), by_chance(expected)
    if not differences:
        return Compared(name, shapes, by_chance=unsteady)
    wrong = part(model, [one for one in names if one in ", ".join(differences).split(", ")])
    return Compared(name, shapes, differences, first=first_fault(wrong, runtime, feeds), by_chance=unsteady)
