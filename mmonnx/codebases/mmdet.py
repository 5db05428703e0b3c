"""MMDetection 2.x."""

from functools import partial
from typing import Any, Dict, List, Optional, Tuple

import numpy as np
import torch
from torch import nn

from ..rewrites import current
from ..rewrites.batched import flat_detections
from .base import Detections, Feeds, Task
from .images import find_transform, make_input, photographs, read_image, test_pipeline
from .model import build, check_device, load_or_calibrate
from .options import LoadOptions
from .raw import RawModule, raw_names, raw_predict, raw_read
from .ties import ties_by_index

DEFAULT_SHAPE = (800, 1216)
_CALIBRATION_SHAPE = (320, 480)


def owns(config: Any) -> bool:
    """Whether the config's model is one of MMDetection's (custom modules included)."""
    try:
        from mmdet.models.builder import DETECTORS
    except ImportError:
        return False
    return DETECTORS.get(config.model.type) is not None


def load(config: Any, title: str, checkpoint: Optional[str], options: LoadOptions) -> Task:
    """Build the detector of a config and make it a task.

    Raises:
        InputError: the checkpoint, the device or the image is wrong.
        ExportError: the model cannot be built.
    """
    from mmdet.models import build_detector

    device = check_device(options.device)
    shape = options.shape or DEFAULT_SHAPE
    norm = find_transform(test_pipeline(config), "Normalize")
    prepare = partial(_feeds, norm=norm, device=device)
    model = build(config, lambda cfg: build_detector(cfg.model, test_cfg=cfg.get("test_cfg")), options).to(device)
    samples = [read_image(options.image)] if options.image else photographs()
    small = (min(shape[0], _CALIBRATION_SHAPE[0]), min(shape[1], _CALIBRATION_SHAPE[1]))
    run = partial(_predict_raw_results, model, prepare((samples * 2)[:2], small))
    meta, warning = load_or_calibrate(model, checkpoint, options, run)
    feeds = prepare([samples[number % len(samples)] for number in range(options.batch)], shape)
    classes = meta.get("CLASSES") or ()
    task = Task(
        codebase="mmdet",
        title=f"{title} ({type(model).__name__})",
        module=DetectorModule(model, options.mask_output).eval(),
        inputs=feeds,
        output_names=["dets", "labels"] + (["masks"] if getattr(model, "with_mask", False) else []),
        dynamic_axes={},
        predict=partial(_predict, model),
        read=_read,
        preprocess=prepare,
        score_thr=float(_test_cfg(model).get("score_thr") or 0.0),
        max_per_img=_test_cfg(model).get("max_per_img"),
        classes=classes,
        notes=[warning] if warning else [],
    )
    if options.skip_postprocess:
        _make_raw(task, model)
    if options.dynamic:
        task.dynamic_axes = _dynamic_axes(task, options)
    return task


class DetectorModule(nn.Module):
    """What is traced: (N, 3, H, W) -> dets (N, num_dets, 5), labels (N, num_dets) and masks if there are any.

    It runs the detector's own ``simple_test`` and has to be called inside ``rewriting``.
    """

    def __init__(self, model: nn.Module, mask_output: str = "image") -> None:
        super().__init__()
        self.model = model
        self.mask_output = mask_output

    def forward(self, input: torch.Tensor) -> Tuple[torch.Tensor, ...]:
        """Run the detector on the whole batch as if it were one image."""
        context = current()
        context.start(input)
        context.mask_output = self.mask_output
        results = self.model.simple_test(input, [_meta(input.shape[2], input.shape[3])], rescale=False)
        boxes, labels = _first_boxes(results[0])
        found = context.detections or flat_detections(context, boxes, labels)
        dets = found.dets if boxes is found.flat_dets else found.unflatten(boxes)
        if context.masks is None:
            return dets, found.labels
        return dets, found.labels, context.masks


def _first_boxes(result: Any) -> Tuple[torch.Tensor, torch.Tensor]:
    """Boxes (K, 5) and labels (K,) of what ``simple_test`` gives for the batch's one list element."""
    if isinstance(result, torch.Tensor):  # the proposals of an RPN
        return result, torch.zeros_like(result[:, 0]).long()
    boxes, rest = result
    return boxes if isinstance(boxes, tuple) else (boxes, rest)


def _meta(height: Any, width: Any) -> Dict[str, Any]:
    """The meta data of an image that fills the network's input."""
    shape = (height, width, 3)
    return dict(
        filename=None,
        ori_filename=None,
        img_shape=shape,
        ori_shape=shape,
        pad_shape=shape,
        batch_input_shape=shape[:2],
        scale_factor=np.ones(4, np.float32),
        flip=False,
        flip_direction=None,
    )


def _feeds(images: Any, shape: Tuple[int, int], norm: Any, device: torch.device) -> Feeds:
    return {"input": make_input(images, shape, norm).to(device)}


def _predict_raw_results(model: nn.Module, feeds: Feeds) -> List[Any]:
    image = feeds["input"]
    metas = [_meta(int(image.shape[2]), int(image.shape[3])) for _ in range(image.shape[0])]
    with torch.no_grad():
        return model(img=[image], img_metas=[metas], return_loss=False, rescale=False)


def _predict(model: nn.Module, feeds: Feeds) -> List[Detections]:
    """The detector's own inference, unrewritten; equal scores go by index, as in ONNX."""
    height, width = feeds["input"].shape[2:]
    with ties_by_index():
        results = _predict_raw_results(model, feeds)
    return [_to_detections(result, (int(height), int(width))) for result in results]


def _to_detections(result: Any, size: Tuple[int, int]) -> Detections:
    """From upstream's lists per class; sorted by score, as the file gives them."""
    boxes, segments = result if isinstance(result, tuple) else (result, None)
    if isinstance(boxes, np.ndarray):  # proposals of an RPN
        return Detections(boxes.astype(np.float32), np.zeros(len(boxes), np.int64))
    labels = np.concatenate([np.full(len(rows), label, np.int64) for label, rows in enumerate(boxes)])
    dets = np.concatenate([np.asarray(rows, np.float32).reshape(-1, 5) for rows in boxes])
    order = np.argsort(-dets[:, 4], kind="stable")
    masks = None
    if segments is not None:
        if isinstance(segments, tuple):  # Mask Scoring R-CNN: masks and their scores
            segments = segments[0]
        flat = [np.asarray(mask) for rows in segments for mask in rows]
        masks = np.stack(flat)[order] if flat else np.zeros((0,) + size, bool)
    return Detections(dets[order], labels[order], masks)


def _read(outputs: Dict[str, np.ndarray]) -> List[Detections]:
    """From the file's padded outputs."""
    results = []
    for number, labels in enumerate(outputs["labels"]):
        real = labels >= 0
        masks = outputs["masks"][number][real] if "masks" in outputs else None
        results.append(Detections(outputs["dets"][number][real], labels[real], masks))
    return results


def _test_cfg(model: nn.Module) -> Dict[str, Any]:
    """The part of ``test_cfg`` that filters the final detections."""
    test_cfg = getattr(model, "test_cfg", None) or {}
    return test_cfg.get("rcnn") or test_cfg.get("rpn") or test_cfg


def _make_raw(task: Task, model: nn.Module) -> None:
    """Let the task stop before the post-processing."""
    if getattr(model, "with_rpn", False) and hasattr(model, "roi_head"):
        task.notes.append("--skip-postprocess of a two-stage detector: the outputs are those of its RPN")
        module = RawModule(model, lambda image: model.rpn_head(model.extract_feat(image)))
    else:
        module = RawModule(model, model.forward_dummy)
    task.module = module.eval()
    task.output_names = raw_names(module, task.inputs["input"])
    task.predict = lambda feeds: raw_predict(module, task.output_names, feeds["input"])
    task.read = raw_read


def _dynamic_axes(task: Task, options: LoadOptions) -> Dict[str, Dict[int, str]]:
    axes = {"input": {0: "batch", 2: "height", 3: "width"}}
    if options.skip_postprocess:
        axes.update({name: {0: "batch"} for name in task.output_names})
        return axes
    for name in task.output_names:
        axes[name] = {0: "batch", 1: "num_dets"}
    if "masks" in axes and options.mask_output == "image":
        axes["masks"].update({2: "height", 3: "width"})
    return axes
