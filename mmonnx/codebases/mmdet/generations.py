"""What the two generations of mmdet do differently: building a detector, running it, calling it in a trace.

In the first, inference takes meta data and gives lists of arrays by class; in the second, it takes and gives data
samples. All else of ``codebases/mmdet`` knows one form of each: meta data as :func:`detections.meta` makes them, and
``Detections``.
"""

import importlib
from typing import Any, Dict, List, NamedTuple, Optional, Tuple

import numpy as np
import torch
from torch import nn

from ...environment import compat, inference
from ...rewriting import ExportContext, of_instances
from ...runtime import Detections, Panoptic
from ...support import ExportError, InputError
from .by_class import to_detections
from .inputs import meta
from .texts import Prompts

Meta = Dict[str, Any]
_LIMITS = {
    **dict.fromkeys(("CenterNetHead", "TOODHead", "YOLOV3Head", "YOLOXHead"), "none"),
    "CornerHead": "origin",
}
"""What upstream's heads, and those that inherit from them, let boxes reach; the others clip them to the image."""


class Traced(NamedTuple):
    """What a detector finds in a batch while it is traced.

    Attributes:
        boxes: (K, 5), labels: (K,), of all images; None of a model that gives panoptic maps alone.
        result: what the detector's inference gave, for messages.
    """

    boxes: Optional[torch.Tensor]
    labels: Optional[torch.Tensor]
    result: Any


class Generation:
    """What mmonnx has to know of a generation; how a model of it is run is all that differs.

    Attributes:
        codebase: what tasks call the toolbox.
        columns: the numbers of a box.
        pasting: the method of a mask head that gives the masks of an image, pasted into it.
        judges_apart: models that judge their masks give scores of these beside those of the boxes, not in their place.
        text: what a detector that takes text looks for, None for others, and for one whose file takes text.
        prompts: the texts of a detector whose file takes text, None for others.
    """

    codebase = "mmdet"
    columns = 4
    pasting: str = ""
    judges_apart: bool = False
    text: Optional[str] = None
    prompts: Optional[Prompts] = None

    def build(self, config: Any) -> nn.Module:
        """The detector of a config, of whose registries it is."""
        raise NotImplementedError

    def box_limits(self, model: nn.Module) -> str:
        """What the final boxes may reach, see ``runtime.boxes``: that of the head that they are from."""
        if hasattr(getattr(model, "roi_head", None), "grid_head"):  # it votes, and upstream clips a copy of the sides
            return "none"
        head = getattr(getattr(model, "roi_head", model), "bbox_head", None)
        head = head[-1] if isinstance(head, nn.ModuleList) else head
        if not getattr(getattr(head, "bbox_coder", None), "clip_border", True):
            return "none"
        return next((_LIMITS[kind.__name__] for kind in type(head).__mro__ if kind.__name__ in _LIMITS), "image")

    def detector(self, model: nn.Module) -> nn.Module:
        """The detector whose answers those of the model are: itself, or one of those that it has."""
        return model

    def datasets(self) -> Any:
        """The registry of datasets."""
        raise NotImplementedError

    def run(
        self,
        model: nn.Module,
        image: torch.Tensor,
        metas: List[Meta],
        proposals: Any = None,
        text: Optional[str] = None,
    ) -> List[Any]:
        """The detector's own inference on (N, C, H, W): upstream's result for each image.

        Args:
            metas: of each image, as ``detections.meta`` makes them.
            proposals: (P, 4) of each image, for a detector without an RPN.
            text: what one that takes text looks for in all of them.
        """
        raise NotImplementedError

    def read(self, result: Any, size: Tuple[int, int]) -> Any:
        """One result of :meth:`run` for an image of (height, width): ``Detections`` or ``Panoptic``."""
        raise NotImplementedError

    def trace(
        self, model: nn.Module, context: ExportContext, image: torch.Tensor, meta: Meta, proposals: Any = None
    ) -> Traced:
        """The detector's own inference on a batch as if it were one image, inside ``rewriting``.

        Raises:
            ExportError: it gives something that a file has no output for.
        """
        raise NotImplementedError

    def raw(self, model: nn.Module, image: torch.Tensor) -> Any:
        """What the detector's heads give of a batch, without post-processing.

        Raises:
            InputError: there is nothing without more inputs than the images.
        """
        raise NotImplementedError

    def evaluator(self) -> Any:
        """Detections as the generation's datasets or metrics evaluate them; see ``Codebase.evaluator``."""
        raise NotImplementedError


class First(Generation):
    """mmdet 2.x."""

    pasting = "get_seg_masks"
    judges_apart = True

    def build(self, config: Any) -> nn.Module:
        """See ``Generation.build``."""
        from mmdet.models import build_detector

        return build_detector(config.model, test_cfg=config.get("test_cfg"))

    def datasets(self) -> Any:
        """See ``Generation.datasets``."""
        from mmdet.datasets import DATASETS

        return DATASETS

    def run(
        self,
        model: nn.Module,
        image: torch.Tensor,
        metas: List[Meta],
        proposals: Any = None,
        text: Optional[str] = None,
    ) -> List[Any]:
        """See ``Generation.run``."""
        more = {} if proposals is None else {"proposals": [proposals]}
        with inference(model):
            return model(img=[image], img_metas=[metas], return_loss=False, rescale=False, **more)

    def read(self, result: Any, size: Tuple[int, int]) -> Any:
        """See ``Generation.read``."""
        if not isinstance(result, dict):
            return to_detections(result, size)
        instances = to_detections(result["ins_results"], size) if "ins_results" in result else None
        return Panoptic(result["pan_results"], instances)

    def trace(
        self, model: nn.Module, context: ExportContext, image: torch.Tensor, meta: Meta, proposals: Any = None
    ) -> Traced:
        """See ``Generation.trace``."""
        more = {} if proposals is None else {"proposals": [proposals]}
        (result,) = model.simple_test(image, [meta], rescale=False, **more)
        if result is None:
            return Traced(None, None, None)
        _check_result(model, result, context)
        return Traced(*_first_boxes(result), result)

    def raw(self, model: nn.Module, image: torch.Tensor) -> Any:
        """See ``Generation.raw``."""
        return model.forward_dummy(image)

    def evaluator(self) -> Any:
        """See ``Generation.evaluator``."""
        return importlib.import_module(f"{__package__}.evaluation").DetectorEvaluator()


class Second(Generation):
    """mmdet 3.x."""

    pasting = "_predict_by_feat_single"

    def build(self, config: Any) -> nn.Module:
        """See ``Generation.build``."""
        encoder = config.model.get("encoder")
        if isinstance(encoder, dict) and encoder.get("num_cp"):
            encoder["num_cp"] = 0  # layers that save memory in training, for which upstream asks for fairscale
        model = compat.build_of_second("mmdet", config)
        _let_ssd_predict(model)
        return model

    def detector(self, model: nn.Module) -> nn.Module:
        """See ``Generation.detector``: of a semi-supervised one, its teacher or its student."""
        from mmdet.models import SemiBaseDetector

        if not isinstance(model, SemiBaseDetector):
            return model
        return getattr(model, (model.semi_test_cfg or {}).get("predict_on", "teacher"))

    def datasets(self) -> Any:
        """See ``Generation.datasets``."""
        importlib.import_module("mmdet.datasets")
        return importlib.import_module("mmdet.registry").DATASETS

    def run(
        self,
        model: nn.Module,
        image: torch.Tensor,
        metas: List[Meta],
        proposals: Any = None,
        text: Optional[str] = None,
    ) -> List[Any]:
        """See ``Generation.run``."""
        given = proposals or [None] * len(metas)
        with inference(model):
            return model(image, [_sample(*pair, text) for pair in zip(metas, given)], mode="predict")

    def read(self, result: Any, size: Tuple[int, int]) -> Any:
        """See ``Generation.read``."""
        instances = _from_instances(result.pred_instances, size) if "pred_instances" in result else None
        if "pred_panoptic_seg" not in result:
            return instances
        return Panoptic(result.pred_panoptic_seg.sem_seg.cpu().numpy()[0], instances)

    def trace(
        self, model: nn.Module, context: ExportContext, image: torch.Tensor, meta: Meta, proposals: Any = None
    ) -> Traced:
        """See ``Generation.trace``."""
        # a copy of the boxes at the size of the picture is the same boxes: it fills the input, or lies in its corner
        (result,) = model.predict(image, [_sample(meta, proposals, self.text)], rescale=False)
        if "pred_instances" not in result:
            return Traced(None, None, result)
        return Traced(*of_instances(context, result.pred_instances), result)

    def raw(self, model: nn.Module, image: torch.Tensor) -> Any:
        """See ``Generation.raw``."""
        if hasattr(model, "roi_head") and not model.with_rpn:
            raise InputError(
                f"--skip-postprocess of {type(model).__name__}, whose heads take proposals",
                "a detector whose heads take the image's features alone",
                "leave the option out",
            )
        return model._forward(image, [_sample(meta(image.shape[2], image.shape[3])) for _ in range(len(image))])

    def evaluator(self) -> Any:
        """See ``Generation.evaluator``."""
        return importlib.import_module(f"{__package__}.sample_evaluation").SampleDetectorEvaluator()


def _let_ssd_predict(model: nn.Module) -> None:
    """Give a head of SSD the loss that mmdet from 3.1 to 3.3 asks it for before it predicts, and that it has not.

    Without it upstream's inference fails (its issues 11063, 11305); None is what the other heads' losses answer.
    """
    head: Any = getattr(model, "bbox_head", None)
    if any(kind.__name__ == "SSDHead" for kind in type(head).__mro__) and not hasattr(head, "loss_cls"):
        head.loss_cls = None


def _sample(meta: Meta, proposals: Optional[torch.Tensor] = None, text: Optional[str] = None) -> Any:
    """A data sample of mmdet 3 with an image's meta data, which may be traced."""
    from mmdet.structures import DetDataSample
    from mmengine.structures import InstanceData

    sample = DetDataSample()
    flat = {name: value[:2] for name, value in meta.items() if name.endswith("_shape")}
    for name, value in {**meta, **flat, "scale_factor": (1.0, 1.0), "img_id": 0}.items():
        # not set_metainfo, which copies deeply, and traced numbers cannot be
        sample.set_field(value, name, field_type="metainfo")
    if proposals is not None:
        sample.proposals = InstanceData(bboxes=proposals)
    if text is not None:
        sample.text, sample.custom_entities = text, True
    return sample


def _from_instances(found: Any, size: Tuple[int, int]) -> Detections:
    """From instances of mmdet 3, sorted by score, as the file gives them."""
    scores = found.scores.cpu().numpy()
    # SparseInst has none where it finds nothing
    boxes = found.bboxes.cpu().numpy().reshape(-1, 4) if "bboxes" in found else np.zeros((len(scores), 4), np.float32)
    order = np.argsort(-scores, kind="stable")
    masks = np.asarray(found.masks.cpu())[order] if "masks" in found else None
    if masks is not None and not len(masks):
        masks = np.zeros((0, *size), masks.dtype)
    mask_scores = found.mask_scores.cpu().numpy()[order] if "mask_scores" in found else None
    dets = np.concatenate([boxes, scores[:, None]], 1).astype(np.float32)
    return Detections(dets[order], found.labels.cpu().numpy().astype(np.int64)[order], masks, mask_scores)


def _check_result(model: nn.Module, result: Any, context: ExportContext) -> None:
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
