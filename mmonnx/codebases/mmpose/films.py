"""What models of mmpose have of their own that get crops of several frames of a film: PoseWarper's second stage."""

from contextlib import contextmanager
from typing import Any, Iterator, Sequence, Tuple

import torch

KIND = "PoseWarper"
_WEIGHTS = "frame_weight"
"""Under what a model's ``test_cfg`` has what its frames count; upstream tells it with each film."""


def is_of_films(model: Any) -> bool:
    """Whether a model, or one of those that it inherits from, is a PoseWarper."""
    return any(base.__name__ == KIND for base in type(model).__mro__)


def weights_in(config: Any) -> Sequence[float]:
    """What each frame counts in a config's tests, the one whose key points are found first; empty for nothing said."""
    test = config.get("data", {}).get("test") or {}
    return tuple(float(one) for one in (test.get("data_cfg") or {}).get("frame_weight_test") or ())


def give_weights_of_frames(model: Any, weights: Sequence[float]) -> None:
    """Let a model know what each frame counts."""
    own = model.test_cfg
    model.test_cfg = type(own)({**own, _WEIGHTS: tuple(weights)})


def weights_of_frames(model: Any) -> Tuple[float, ...]:
    """What each frame of a film counts for a model; empty for one of pictures, or where nobody said it."""
    if not is_of_films(model):
        return ()
    found = (model.test_cfg or {}).get(_WEIGHTS)
    if found is None and "cfg" in vars(model):  # as upstream's own inference has it
        found = weights_in(model.cfg)
    return tuple(found or ())


@contextmanager
def in_one_batch(model: Any) -> Iterator[None]:
    """Have the frames of films go through the network as one batch inside the block, and not one after the other.

    Upstream has both, by a model's ``concat_tensors``. A file has its layers once so, and a verification looks at them.
    """
    own = getattr(model, "concat_tensors", None)
    if own is not None:
        model.concat_tensors = True
    try:
        yield
    finally:
        if own is not None:
            model.concat_tensors = own


def heats_of(model: Any, films: torch.Tensor) -> torch.Tensor:
    """The network's maps (N, K, h, w) of films (N, T, C, H, W), and not what key points are decoded to."""
    features = [model.backbone(films.transpose(0, 1).flatten(0, 1))]
    if model.with_neck:
        features = model.neck(features, frame_weight=weights_of_frames(model))
    heats: torch.Tensor = model.keypoint_head(features)
    return heats


def stir(model: Any) -> None:
    """Let all taps of the layers that warp count: upstream begins its trainings with the one in the middle alone.

    Args:
        model: of random weights, is changed.
    """
    for layer in getattr(model.neck, "deform_conv_layers", ()):
        with torch.no_grad():
            layer.weight.add_(torch.randn_like(layer.weight) * (0.5 * layer.weight[0].numel() ** -0.5))
