"""What is traced of a detector."""

from typing import Any, Sequence, Tuple

import torch
from torch import nn

from ...rewriting import ABSENT, ExportContext, compact, current, flat_detections, per_image
from ...runtime import IMAGE_CORNER, IMAGE_SIZE
from ...support import ExportError
from .detections import meta
from .proposals import is_proposal


class DetectorModule(nn.Module):
    """(N, C, H, W) -> dets (N, num_dets, 5), labels (N, num_dets) and masks if there are any.

    It runs the detector's own ``simple_test`` and has to be called inside ``rewriting``.

    Args:
        model: the detector.
        mask_output: ``image`` or ``roi``.
        more: names of the inputs that follow the images, in their order: ``proposals`` (N, P, 4) of a detector without
            an RPN, of which rows without extent are padding, and those of ``runtime.placement``.

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
        assert context is not None  # it is called inside ``rewriting``
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
        _check_results(self.model, results[0], context)
        boxes, labels = _first_boxes(results[0])
        found = context.detections or flat_detections(context, boxes, labels)
        dets = found.dets if boxes is found.flat_dets else found.unflatten(boxes)
        extra = (context.masks, context.mask_scores, context.panoptic)
        return (dets, found.labels) + tuple(value for value in extra if value is not None)


def _check_results(model: nn.Module, result: Any, context: ExportContext) -> None:
    """Refuse what ``simple_test`` gives for an image where the file has no output for it.

    Args:
        result: boxes alone; boxes (K, 5) and labels (K,), as ``bbox2result`` gives while tracing; or those and masks.

    Raises:
        ExportError: there are more, as of two heads, or what is beside the boxes is no masks of upstream's.
    """
    if isinstance(result, torch.Tensor):
        return
    labels_or_masks = isinstance(result, (tuple, list)) and len(result) == 2
    beside = labels_or_masks and isinstance(result[0], tuple)
    if labels_or_masks and not (beside and context.masks is None and context.panoptic is None):
        return
    kind = type(model)
    what = f"{type(result[1]).__name__} beside the boxes" if beside else f"{len(result)} parts"
    raise ExportError(
        f"{kind.__name__}.simple_test ({kind.__module__}) gives {what} for an image",
        "boxes and labels of one head, and mmdet's masks of its own mask heads",
        "give what is further in a module of your own to mmonnx.export, or export with --skip-postprocess",
    )


def _first_boxes(result: Any) -> Tuple[torch.Tensor, torch.Tensor]:
    """Boxes (K, 5) and labels (K,) of what ``simple_test`` gives for the batch's one list element."""
    if isinstance(result, torch.Tensor):  # the proposals of an RPN
        return result, torch.zeros_like(result[:, 0]).long()
    boxes, rest = result
    return boxes if isinstance(boxes, tuple) else (boxes, rest)
