"""Whether the verification finds a fault, and whether there is anything to find."""

from typing import Any, Dict, List, NamedTuple, Sequence

import numpy as np
import onnx
import torch

from mmonnx.environment.roundings import rounding_noise
from mmonnx.loading.task import Feeds, Task, to_numpy
from mmonnx.runtime.results import Detections, Result
from mmonnx.runtime.session import Session
from mmonnx.verifying.matching import Tolerances, match
from mmonnx.verifying.verification import Case, CaseResult, verify_model

PROMISED = Tolerances(box=0.01, score=1e-4, threshold=1e-5, tie=1e-6, mask_pixels=0, mask_share=0.0)
"""What two answers may differ by that are the same: one file's and another's, in one runtime, which repeats itself."""
FAINT = Tolerances(box=1e-3, score=1e-5, threshold=1e-6, tie=1e-7, mask_pixels=0, mask_share=0.0)
"""What an answer differs by from the same one if nothing but roundings is other."""
_SYSTEMATIC = 0.75
"""The share of all inputs on which a faint difference is one."""


def verified(task: Task, cases: Sequence[Case], model: onnx.ModelProto) -> List[CaseResult]:
    """The verification of a file, as an export makes it: the one place at which this tool asks for it."""
    return verify_model(task, model, cases, lambda part: Session(part).run).results


def runs(model: onnx.ModelProto, feeds: Dict[str, np.ndarray]) -> bool:
    """Whether a file loads and runs on the inputs of the export."""
    try:
        Session(model, num_threads=1).run(feeds)
    except Exception:  # ONNX Runtime has many
        return False
    return True


def is_killed(task: Task, cases: Sequence[Case], model: onnx.ModelProto) -> bool:
    """Whether the verification refuses a file, or ends in an error, which stops an export as well."""
    try:
        return not all(result.ok for result in verified(task, cases, model))
    except Exception:
        return True


class Verdict(NamedTuple):
    """On how many of the inputs a file's answers are others than the true file's, or differ at all."""

    differs: int
    faintly: int
    of: int

    @property
    def is_equivalent(self) -> bool:
        """Whether the answers are the same, and do not differ everywhere by a little either."""
        return self.differs == 0 and self.faintly < _SYSTEMATIC * self.of

    def __str__(self) -> str:
        if self.differs or not self.faintly:
            return f"differs on {self.differs} of {self.of} pictures"
        return f"differs by a little on {self.faintly} of {self.of} pictures"


class Judge:
    """The true file's answers on many inputs.

    Those inputs are left out that the file does not take, or on which its answers depend on a rounding error.

    Args:
        task: the model.
        model: the true file.
        feeds: the inputs.
    """

    def __init__(self, task: Task, model: onnx.ModelProto, feeds: Sequence[Feeds]) -> None:
        self._task = task
        session = Session(model, num_threads=1)
        self._known: List[Any] = []
        generator = torch.Generator().manual_seed(0)
        for one in feeds:
            given = to_numpy(one)
            try:
                outputs = session.run(given)
            except Exception:  # for example one that is too small
                continue
            again = session.run(to_numpy({name: _shaken(tensor, generator) for name, tensor in one.items()}))
            if self._agree(outputs, again, PROMISED):
                self._known.append((given, outputs))

    def __len__(self) -> int:
        return len(self._known)

    def judge(self, model: onnx.ModelProto) -> Verdict:
        """Compare another file's answers with the true ones."""
        session = Session(model, num_threads=1)
        differs = faintly = 0
        for feeds, outputs in self._known:
            try:
                other = session.run(feeds)
            except Exception:
                differs += 1
                continue
            differs += not self._agree(outputs, other, PROMISED)
            faintly += not self._agree(outputs, other, FAINT)
        return Verdict(differs, faintly, len(self._known))

    def _agree(self, expected: Dict[str, np.ndarray], actual: Dict[str, np.ndarray], tolerances: Tolerances) -> bool:
        try:
            pairs = self._task.read(expected), self._task.read(actual)
        except Exception:  # what another file gives may be no answer at all
            return False
        return len(pairs[0]) == len(pairs[1]) and all(self._same(*pair, tolerances) for pair in zip(*pairs))

    def _same(self, expected: Result, actual: Result, tolerances: Tolerances) -> bool:
        try:
            limits = dict(score_thr=self._task.score_thr, limit=self._task.max_per_img, tolerances=tolerances)
            found = match(expected, actual, **limits)
        except Exception:
            return False
        return found.ok and _in_order(expected, actual, tolerances)


def _in_order(expected: Result, actual: Result, tolerances: Tolerances) -> bool:
    """Whether two lists of detections have the same order, but for equal scores."""
    if not isinstance(expected, Detections) or len(expected.dets) != len(actual.dets):
        return True
    gaps = np.abs(expected.dets[:, 4].astype(np.float64) - actual.dets[:, 4])
    return bool((gaps <= 2 * tolerances.score).all())


def _shaken(tensor: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """An input with an error of rounding in each value; whole numbers, and sizes, as they are."""
    if not tensor.is_floating_point() or tensor.dim() < 2:
        return tensor
    return tensor + rounding_noise(tensor, generator)
