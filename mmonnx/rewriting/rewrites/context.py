"""What the stand-ins of one export share."""

from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Dict, FrozenSet, Iterator, List, Optional, Sequence, cast

import torch

from ...targets import Capabilities
from ..leaks import Taken


@dataclass
class Detections:
    """The detections of a batch, in the two forms that the graph needs.

    Attributes:
        dets: (N, num_dets, 5), or 6 of rotated boxes, padded with zeros; num_dets is the greatest number of detections
            in an image.
        labels: (N, num_dets) int64, -1 where padded.
        valid: (N, num_dets) bool.
        flat_dets: (K, 5), or 6, the real detections, image after image, and a dummy at the end where nothing may be
            empty.
        flat_labels: (K,) int64.
        flat_rows: (K,) int64, which of the candidates they were, where a suppression chose them.
    """

    dets: torch.Tensor
    labels: torch.Tensor
    valid: torch.Tensor
    flat_dets: torch.Tensor
    flat_labels: torch.Tensor
    flat_rows: Optional[torch.Tensor] = None

    def unflatten(self, rows: torch.Tensor) -> torch.Tensor:
        """Values of the real detections (K, ...), not bool -> (N, num_dets, ...), zeros where padded."""
        # as float, since PPLNN has CumSum for nothing else
        count = self.valid.to(torch.float32).sum(1)
        start = (count.cumsum(0) - count).long()
        place = torch.arange(self.valid.shape[1], device=rows.device)[None] + start[:, None]
        place = torch.where(self.valid, place, torch.as_tensor(rows.shape[0], device=rows.device))
        nothing = rows.new_zeros([1] + [int(size) for size in rows.shape[1:]])
        return torch.cat([rows, nothing])[place]


@dataclass
class ExportContext:
    """The state of one traced forward.

    Upstream hands lists with one tensor per image from step to step. While exporting, the list has one element that
    holds the rows of all images (the number of images is not known), and ``image_index`` says which image each row
    of the latest such list belongs to.

    Attributes:
        capabilities: what the runtime can do.
        custom_ops: types of the domain ``mmcv`` that the file may have as nodes; all others become their bodies.
        opset: the opset of the file.
        dynamic_size: more of the inputs' axes than the batch is dynamic.
        image: the traced input (N, 3, H, W).
        image_size: (height, width) in pixels of the picture's part of the input, traced; boxes are clipped to it.
        image_corner: (left, top) of that part.
        told_size: the file is told ``image_size``: it may be less than the input's.
        image_index: (K,) int64, the image of each row of the latest flat list, -1 for a dummy.
        prompt: text that is an input of the file, see ``prompts.Prompt``; None for none, and for text that is fixed.
        levels: such indices of the lists of a pyramid's levels, which a head joins at the end.
        detections: the latest detections.
        masks: (N, num_dets, H, W) bool or (N, num_dets, h, w) float masks of the latest detections.
        mask_scores: (N, num_dets), of models that judge their masks.
        panoptic: (N, H, W) int32 the class + 1000 * instance of each pixel, of panoptic models.
        upstream_path: upstream's code may know that it is exported.
        alone: one image of the batch is seen, in a block of ``of_image``; all rows are its.
        taken: what Python took out of the trace, in its order.
        compiled: functions that the traced graph calls, and does not keep alive.
        mask_output: ``image`` pastes masks at the input's size, ``roi`` gives the head's.
    """

    capabilities: Capabilities = field(default_factory=Capabilities)
    custom_ops: FrozenSet[str] = frozenset()
    opset: int = 11
    dynamic_size: bool = False
    image: Optional[torch.Tensor] = None
    image_size: Any = None
    image_corner: Any = (0, 0)
    told_size: bool = False
    image_index: Optional[torch.Tensor] = None
    prompt: Any = None
    levels: List[torch.Tensor] = field(default_factory=list)
    detections: Optional[Detections] = None
    masks: Optional[torch.Tensor] = None
    mask_scores: Optional[torch.Tensor] = None
    panoptic: Optional[torch.Tensor] = None
    upstream_path: bool = False
    alone: bool = False
    taken: Sequence[Taken] = ()
    compiled: List[Any] = field(default_factory=list)
    mask_output: str = "image"
    extras: Dict[str, Any] = field(default_factory=dict)

    @property
    def input(self) -> torch.Tensor:
        """``image``, in a forward: it has started with one."""
        return cast(torch.Tensor, self.image)

    @property
    def found(self) -> Detections:
        """``detections``, behind a step that leaves some."""
        return cast(Detections, self.detections)

    def start(self, image: torch.Tensor) -> None:
        """Forget what an earlier forward left, and begin with this input (N, 3, H, W), which the picture fills."""
        self.image = image
        self.image_size, self.image_corner, self.told_size = (image.shape[2], image.shape[3]), (0, 0), False
        self.image_index = self.detections = self.masks = self.mask_scores = self.panoptic = self.prompt = None
        self.levels = []
        self.extras.clear()

    @contextmanager
    def of_image(self, number: int) -> Iterator[None]:
        """Have the block see one image of the batch as all there is."""
        before = self.image, self.levels, self.extras, self.alone
        self.image, self.levels, self.extras, self.alone = self.input[number : number + 1], [], {}, True
        try:
            yield
        finally:
            self.image, self.levels, self.extras, self.alone = before

    def place(self, size: Optional[torch.Tensor] = None, corner: Optional[torch.Tensor] = None) -> None:
        """Say where the picture lies in the input.

        Args:
            size: (2,) float (height, width); what is more than the input's is the input's. None for all of it.
            corner: (2,) float (top, left), None for the input's own.
        """
        if size is not None:
            whole = torch.stack([torch.as_tensor(side) for side in self.image_size]).to(size)
            height, width = torch.where(size < whole, size, whole).long().unbind(0)
            self.image_size, self.told_size = (height, width), True
        if corner is not None:
            self.image_corner = (corner[1], corner[0])
