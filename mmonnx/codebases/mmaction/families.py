"""What the families of mmaction2's models are, by the classes that they inherit from: how each is run."""

import sys
from contextlib import ExitStack, contextmanager
from typing import Any, Iterator, Optional, Sequence

import numpy as np
import torch
from torch import nn

from ...environment import inference


class Family:
    """How the models of some classes are run.

    Attributes:
        classes: dotted paths below ``mmaction.models``.
        of_clips: their inputs are made of pictures.
    """

    classes: Sequence[str] = ()
    of_clips = True

    def run(self, model: Any, input: torch.Tensor) -> Any:
        """What is traced: the scores (N, num_classes), or what else the model gives."""
        raise NotImplementedError

    def predict(self, model: Any, input: torch.Tensor) -> Any:
        """Upstream's own test on a batch."""
        with inference(model), whole(model):
            return model(input, return_loss=False)


class OfFrames(Family):
    """Recognizers of single frames, which know what was before by shifts, or by what is behind them."""

    classes = ("recognizers.recognizer2d.Recognizer2D",)

    def run(self, model: Any, input: torch.Tensor) -> torch.Tensor:
        """See ``Family.run``."""
        fully = model.test_cfg.get("fcn_test", False)
        return model._do_fcn_test(input) if fully else model._do_test(input)


class OfClips(Family):
    """Recognizers of clips."""

    classes = ("recognizers.recognizer3d.Recognizer3D",)

    def run(self, model: Any, input: torch.Tensor) -> torch.Tensor:
        """See ``Family.run``."""
        return model._do_test(input)


class OfSound(Family):
    """Recognizers of spectrograms, (N, M, 1, time, frequency)."""

    classes = ("recognizers.audio_recognizer.AudioRecognizer",)

    def run(self, model: Any, input: torch.Tensor) -> torch.Tensor:
        """See ``Family.run``."""
        feature = model.extract_feat(input.reshape((-1,) + input.shape[2:]))
        return model.average_clip(model.cls_head(feature), input.shape[1])


class OfSkeletons(Family):
    """Recognizers of key points, (N, C, T, V, M): of V joints of M people, in T frames."""

    classes = ("skeleton_gcn.skeletongcn.SkeletonGCN",)
    of_clips = False

    def run(self, model: Any, input: torch.Tensor) -> torch.Tensor:
        """See ``Family.run``."""
        return model.cls_head(model.extract_feat(input))


FAMILIES: Sequence[Family] = (OfFrames(), OfClips(), OfSound(), OfSkeletons())


def family_of(model: nn.Module) -> Optional[Family]:
    """The family of a model; None of one that is of none."""
    return next((one for one in FAMILIES if any(_inherits(model, path) for path in one.classes)), None)


@contextmanager
def whole(model: Any) -> Iterator[None]:
    """Have a model run all of its views at once, as if it had seen no input before, and draw the same at each call.

    Some run a few at a time, to take less memory, and refuse batches for it; TPN's head keeps the size of what it saw
    first; TRN draws the frames that it relates.
    """
    with ExitStack() as stack:
        head = getattr(model, "cls_head", None)
        for owner, name in ((model, "max_testing_views"), (head, "avg_pool2d"), (head, "new_cls")):
            if hasattr(owner, name):
                stack.callback(setattr, owner, name, getattr(owner, name))
                setattr(owner, name, None)
        stack.callback(np.random.set_state, np.random.get_state())
        np.random.seed(0)
        yield


def draws(model: Any) -> bool:
    """Whether a model's own answers are others at each call."""
    return type(getattr(model.cls_head, "consensus", None)).__name__ == "RelationModuleMultiScale"


def _inherits(model: nn.Module, path: str) -> bool:
    """Whether a model is of a class by its path below ``mmaction.models``; nothing is imported."""
    module, _, name = path.rpartition(".")
    kind = getattr(sys.modules.get(f"mmaction.models.{module}"), name, None)
    return kind is not None and isinstance(model, kind)
