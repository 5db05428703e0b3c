"""What is traced of a segmentor."""

from typing import Any, Dict, List, Optional, Sequence, Tuple

import torch
from torch import nn
from torch.nn import functional

from ...rewriting import current


class SegmentorModule(nn.Module):
    """(N, C, H, W) -> seg_map (N, h, w) int64, and seg_probs (N, num_classes, h, w) where they are asked for.

    It runs the segmentor's own inference and has to be called inside ``rewriting``.

    Args:
        model: the segmentor.
        probs: the probabilities are wanted as well.
        asked: (height, width) of the answers where the input that says so is left out; zeros for the input's own.
    """

    def __init__(self, model: nn.Module, probs: bool, asked: Sequence[float]) -> None:
        super().__init__()
        self.model = model
        self.probs = probs
        self.asked = tuple(asked)

    def forward(self, input: torch.Tensor, ori_shape: Optional[torch.Tensor] = None) -> Tuple[torch.Tensor, ...]:
        """Run the segmentor on a batch.

        Args:
            ori_shape: (2,) float (height, width) that the answers are to have, zeros for the input's own.
        """
        context = current()
        assert context is not None  # it is called inside ``rewriting``
        context.start(input)
        model: Any = self.model
        run = model.slide_inference if model.test_cfg.mode == "slide" else model.whole_inference
        asked = input.new_tensor(self.asked) if ori_shape is None else ori_shape
        logits = self._rescaled(run(input, meta(input, input.shape[2:]), False), asked)
        if is_binary(model):
            probs = logits.sigmoid()
            labels = (probs > threshold_of(model)).squeeze(1).long()
        else:
            probs, labels = logits.softmax(1), logits.argmax(1)
        return (labels, probs) if self.probs else (labels,)

    def _rescaled(self, logits: torch.Tensor, asked: torch.Tensor) -> torch.Tensor:
        """The logits at another size, as upstream rescales them before it chooses classes."""
        own = torch.stack([torch.as_tensor(side, device=logits.device) for side in logits.shape[2:]]).to(asked)
        size = torch.where(asked > 0, asked, own).long().unbind(0)
        corners = self.model.align_corners
        return functional.interpolate(logits, size=list(size), mode="bilinear", align_corners=corners)


class FirstAxis(nn.Module):
    """The outputs of a module with a first axis of 1, as a segmentor's own inference has them while it is traced."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, *inputs: torch.Tensor) -> Tuple[torch.Tensor, ...]:
        """(N, ...) of the module to (1, N, ...), each."""
        return tuple(output.unsqueeze(0) for output in self.module(*inputs))


def is_binary(model: Any) -> bool:
    """Whether a segmentor knows two classes, by a single channel and a threshold."""
    return bool(model.out_channels == 1)


def threshold_of(model: Any) -> float:
    """The probability above which a pixel is class 1 of a segmentor of a single channel."""
    head = model.decode_head[-1] if isinstance(model.decode_head, nn.ModuleList) else model.decode_head
    return float(head.threshold) if is_binary(model) else 0.5


def meta(image: torch.Tensor, size: Sequence[Any]) -> List[Dict[str, Any]]:
    """The meta data of images (N, C, H, W) that fill the input and were of (height, width) before."""
    shape = (*image.shape[2:], 3)
    one = dict(filename=None, ori_filename=None, img_shape=shape, pad_shape=shape, scale_factor=1.0, flip=False)
    return [{**one, "ori_shape": (*size, 3)} for _ in range(image.shape[0])]
