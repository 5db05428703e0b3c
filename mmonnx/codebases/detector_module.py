"""What is traced of a detector."""

from typing import Any, Sequence, Tuple

import torch
from torch import nn

from ..rewrites import current
from ..rewrites.batched import ABSENT, compact, flat_detections
from ..rewrites.per_image import per_image
from ..runtime.placing import IMAGE_CORNER, IMAGE_SIZE
from .detections import meta
from .proposals import is_proposal


class DetectorModule(nn.Module):
    """(N, C, H, W) -> dets (N, num_dets, 5), labels (N, num_dets) and masks if there are any.

    It runs the detector's own ``simple_test`` and has to be called inside ``rewriting``.

    Args:
        model: the detector.
        mask_output: ``image`` or ``roi``.
        more: names of the inputs that follow the images, in their order: ``proposals`` (N, P, 4) of a detector without
            an RPN, of which rows without extent are padding, and those of ``runtime.placing``.

    Attributes:
        one_by_one: heads that take one image after the other, see ``rewrites.per_image``.
    """

    def __init__(self, model: nn.Module, mask_output: str = "image", more: Sequence[str] = ()) -> None:
        super().__init__()
        self.model = model
        self.mask_output = mask_output
        self.more = tuple(more)
        self.one_by_one: Tuple[nn.Module, ...] = ()

    def forward(self, input: torch.Tensor, *more: torch.Tensor) -> Tuple[torch.Tensor, ...]:
        """Run the detector on the whole batch as if it were one image.

        Args:
            more: the further inputs; the last ones may be left out.
        """
        given = dict(zip(self.more, more))
        context = current()
        context.start(input)
        context.place(given.get(IMAGE_SIZE), given.get(IMAGE_CORNER))
        context.mask_output = self.mask_output
        arguments = {}
        if "proposals" in given:
            proposals = given["proposals"]
            place = compact(context, is_proposal(proposals).to(input.dtype) + ABSENT)
            arguments["proposals"] = [proposals.reshape(-1, 4)[place]]
        image = dict(meta(input.shape[2], input.shape[3]), img_shape=(*context.image_size, 3))
        with per_image(self.one_by_one):
            results = self.model.simple_test(input, [image], rescale=False, **arguments)
        if results[0] is None:
            return (context.panoptic,)
        boxes, labels = _first_boxes(results[0])
        found = context.detections or flat_detections(context, boxes, labels)
        dets = found.dets if boxes is found.flat_dets else found.unflatten(boxes)
        extra = (context.masks, context.mask_scores, context.panoptic)
        return (dets, found.labels) + tuple(value for value in extra if value is not None)


def _first_boxes(result: Any) -> Tuple[torch.Tensor, torch.Tensor]:
    """Boxes (K, 5) and labels (K,) of what ``simple_test`` gives for the batch's one list element."""
    if isinstance(result, torch.Tensor):  # the proposals of an RPN
        return result, torch.zeros_like(result[:, 0]).long()
    boxes, rest = result
    return boxes if isinstance(boxes, tuple) else (boxes, rest)
