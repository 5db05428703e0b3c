"""Text detectors of MMOCR 0.x that read boundaries of masks: detectors of mmdet's, and exported as these."""

import importlib
from contextlib import contextmanager
from typing import Any, Iterator, List, Optional

import torch
from torch import nn

from ...rewriting import ExportContext
from ..mmdet import First, MMDetection

KIND = "OCRMaskRCNN"


def is_one(model: Any) -> bool:
    """Whether a model, or one of those that it inherits from, is a Mask R-CNN of mmocr's."""
    return any(base.__name__ == KIND for base in type(model).__mro__)


class OfMasks(First):
    """mmdet 2.x, whose answers mmocr makes boundaries of."""

    codebase = "mmocr"

    def build(self, config: Any) -> nn.Module:
        """See ``Generation.build``."""
        return importlib.import_module("mmocr.models").build_detector(config.model, test_cfg=config.get("test_cfg"))

    def run(
        self, model: nn.Module, image: torch.Tensor, metas: List[Any], proposals: Any = None, text: Optional[str] = None
    ) -> List[Any]:
        """See ``Generation.run``; mmocr's models give the boundaries of one picture alone."""
        with _boundaries_left_out(model):
            rows = zip(image, metas)
            return [one for row, meta in rows for one in super(OfMasks, self).run(model, row[None], [meta])]

    def trace(
        self, model: nn.Module, context: ExportContext, image: torch.Tensor, meta: Any, proposals: Any = None
    ) -> Any:
        """See ``Generation.trace``."""
        with _boundaries_left_out(model):
            return super().trace(model, context, image, meta, proposals)


class MaskedText(MMDetection):
    """What mmocr's Mask R-CNN has of mmdet's detectors: boxes and masks are its answers."""

    name = package = "mmocr"

    @property
    def generation(self) -> OfMasks:
        """How they are built, run and read."""
        return OfMasks()


@contextmanager
def _boundaries_left_out(model: Any) -> Iterator[None]:
    """Have a detector give the boxes and masks that it would read boundaries of, inside the block."""
    model.get_boundary = lambda found: [found]
    try:
        yield
    finally:
        del model.get_boundary
