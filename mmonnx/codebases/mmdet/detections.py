"""PyTorch's own detections, and a file's, in one form."""

from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Callable, Dict, Iterator, List, Tuple, Union

import numpy as np
import torch
from torch import nn

from ...environment import StandIn, standing_in, ties_by_index
from ...runtime import DEFAULTS, IMAGE_CORNER, Detections, Panoptic
from .generations import Generation
from .inputs import meta, placed_meta
from .proposals import proposals_of_image

Found = Union[Detections, Panoptic]


def run_detector(generation: Generation, model: nn.Module, feeds: Dict[str, torch.Tensor]) -> List[Any]:
    """The detector's own inference: upstream's result for each image."""
    image = feeds["input"]
    if image.shape[0] > 1 and one_by_one(model):
        of_images = {name: value for name, value in feeds.items() if name not in DEFAULTS}
        each = [
            {**feeds, **{name: value[number : number + 1] for name, value in of_images.items()}}
            for number in range(len(image))
        ]
        return [run_detector(generation, model, one)[0] for one in each]
    whole = meta(int(image.shape[2]), int(image.shape[3]))
    metas = [dict(whole, **placed_meta(feeds)) for _ in range(image.shape[0])]
    proposals = [proposals_of_image(rows) for rows in feeds["proposals"]] if "proposals" in feeds else None
    text = generation.prompts.text_of(feeds) if generation.prompts else generation.text
    return generation.run(model, image, metas, proposals, text)


def one_by_one(model: nn.Module) -> bool:
    """Whether upstream's inference takes, or is right for, one image alone.

    mmcv's masked convolution has one mask, and asserts one image; QueryInst gives all masks by the last image's boxes.
    """
    head: Any = getattr(model, "roi_head", None)
    masked = any(type(module).__name__ == "MaskedConv2d" for module in model.modules())
    return masked or (type(head).__name__ == "SparseRoIHead" and head.with_mask)


def predict(generation: Generation, model: nn.Module, mask_output: str, feeds: Dict[str, torch.Tensor]) -> List[Found]:
    """The detector's own inference, unrewritten; equal scores go by index, as in ONNX."""
    height, width = (int(size) for size in feeds["input"].shape[2:])
    with ties_by_index(), _masks_of_the_head(generation, model, mask_output):
        results = run_detector(generation, model, feeds)
    found = [generation.read(result, (height, width)) for result in results]
    if IMAGE_CORNER in feeds:
        found = [_in_the_input(one, feeds[IMAGE_CORNER].cpu().numpy()) for one in found]
    if mask_output == "roi" and hasattr(model, "roi_head"):
        return found
    void = getattr(getattr(model, "panoptic_fusion_head", None), "num_classes", 0)
    return [_at_input_size(one, (height, width), void) for one in found]


def _in_the_input(found: Found, corner: np.ndarray) -> Detections:
    """Detections in pixels of the input, as the file gives them; upstream's are in those of the picture."""
    assert isinstance(found, Detections)  # detectors by corners alone are told where the picture lies
    top, left = corner
    return replace(found, dets=found.dets + np.array([left, top, left, top, 0], np.float32))


def _at_input_size(found: Found, size: Tuple[int, int], void: int) -> Found:
    """The result with masks and maps as the file gives them: of the whole input (height, width), padding included."""
    if isinstance(found, Panoptic):
        instances = found.detections and _with_whole_masks(found.detections, size)
        return replace(found, segments=_enlarged(found.segments, size, void), detections=instances)
    return _with_whole_masks(found, size)


def _with_whole_masks(found: Detections, size: Tuple[int, int]) -> Detections:
    return found if found.masks is None else replace(found, masks=_enlarged(found.masks, size, False))


def _enlarged(maps: np.ndarray, size: Tuple[int, int], value: Any) -> np.ndarray:
    """Maps (..., h, w) as (..., height, width), filled up right and below."""
    more = [(0, 0)] * (maps.ndim - 2) + [(0, whole - part) for whole, part in zip(size, maps.shape[-2:])]
    return np.pad(maps, more, constant_values=value)


def read(outputs: Dict[str, np.ndarray]) -> List[Found]:
    """From the file's padded outputs."""
    found = _read_detections(outputs) if "dets" in outputs else None
    if "panoptic_seg" not in outputs:
        return list(found or ())
    maps = outputs["panoptic_seg"]
    return [Panoptic(one, found[number] if found else None) for number, one in enumerate(maps)]


def _read_detections(outputs: Dict[str, np.ndarray]) -> List[Detections]:
    results = []
    for number, labels in enumerate(outputs["labels"]):
        real = labels >= 0
        more = {name: outputs[name][number][real] for name in ("masks", "mask_scores") if name in outputs}
        results.append(Detections(outputs["dets"][number][real], labels[real], **more))
    return results


@contextmanager
def _masks_of_the_head(generation: Generation, model: nn.Module, mask_output: str) -> Iterator[None]:
    """Let upstream return the head's masks instead of pasted ones, if these are what the file gives."""
    head = getattr(getattr(model, "roi_head", None), "mask_head", None)
    if mask_output != "roi" or head is None:
        yield
        return
    kinds = {type(one) for one in (head if isinstance(head, nn.ModuleList) else [head])}
    with standing_in(StandIn([kind], generation.pasting, _UNPASTED[generation.pasting]) for kind in kinds):
        yield


def _masks_by_class(
    original: Any, head: nn.Module, mask_pred: Any, boxes: Any, labels: torch.Tensor, *args: Any
) -> List[List[np.ndarray]]:
    # arrays are of cascades, which have activated and merged them
    masks = mask_pred.sigmoid() if isinstance(mask_pred, torch.Tensor) else torch.as_tensor(mask_pred)
    found: List[List[np.ndarray]] = [[] for _ in range(head.num_classes)]
    for row, label in enumerate(labels.tolist()):
        found[label].append(masks[row, 0 if head.class_agnostic else label].cpu().numpy())
    return found


def _masks_of_labels(
    original: Any,
    head: nn.Module,
    mask_preds: torch.Tensor,
    bboxes: torch.Tensor,
    labels: torch.Tensor,
    *args: Any,
    activate_map: bool = False,
    **kwargs: Any,
) -> torch.Tensor:
    rows = torch.arange(len(labels), device=labels.device)
    masks = mask_preds[rows, labels * 0 if head.class_agnostic else labels]
    return masks if activate_map else masks.sigmoid()


_UNPASTED: Dict[str, Callable[..., Any]] = {
    "get_seg_masks": _masks_by_class,
    "_predict_by_feat_single": _masks_of_labels,
}
"""What stands in for the methods that paste, which leaves the masks as the head gives them."""
