"""What is traced of a detector."""

from typing import Sequence, Tuple

import torch
from torch import nn

from ...rewriting import ABSENT, Prompt, compact, current, flat_detections, per_image
from ...runtime import ATTENTION_MASK, IMAGE_CORNER, IMAGE_SIZE, INPUT_IDS, LABEL_TOKENS
from ...support import ExportError
from .generations import Generation
from .inputs import meta
from .proposals import is_proposal


class DetectorModule(nn.Module):
    """(N, C, H, W) -> dets (N, num_dets, 5), labels (N, num_dets) and masks if there are any.

    It runs the detector's own inference and has to be called inside ``rewriting``.

    Args:
        generation: the detector's.
        model: the detector.
        mask_output: ``image`` or ``roi``.
        more: names of the inputs that follow the images, in their order: ``proposals`` (N, P, 4) of a detector without
            an RPN, of which rows without extent are padding, and those of ``runtime.prompts`` and
            ``runtime.placement``.

    Attributes:
        one_by_one: heads that take one image after the other, see ``rewrites.per_image``.
    """

    def __init__(
        self, generation: Generation, model: nn.Module, mask_output: str = "image", more: Sequence[str] = ()
    ) -> None:
        super().__init__()
        self.generation = generation
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
        if INPUT_IDS in given:
            context.prompt = Prompt(given[INPUT_IDS], given.get(ATTENTION_MASK), given[LABEL_TOKENS])
        proposals = given.get("proposals")
        if proposals is not None:
            place = compact(context, is_proposal(proposals).to(input.dtype) + ABSENT)
            proposals = proposals.reshape(-1, 4)[place]
        image = dict(meta(input.shape[2], input.shape[3]), img_shape=(*context.image_size, 3))
        with per_image(self.one_by_one):
            boxes, labels, _ = self.generation.trace(self.model, context, input, image, proposals)
        if boxes is None or labels is None:
            return (context.panoptic,)
        if context.detections is None and context.image_index is None:
            raise ExportError(
                f"{type(self.model).__name__} ({type(self.model).__module__}) has its answers from code of its own",
                "boxes from heads, or with the suppression, of mmdet, for all images of a batch as one",
                "export it with --skip-postprocess, or write a stand-in for its inference: docs/extending.md",
            )
        found = context.detections or flat_detections(context, boxes, labels)
        dets = found.dets if boxes is found.flat_dets else found.unflatten(boxes)
        extra = (context.masks, context.mask_scores, context.panoptic)
        return (dets, found.labels) + tuple(value for value in extra if value is not None)
