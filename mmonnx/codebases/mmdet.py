"""MMDetection 2.x."""

import sys
from functools import partial
from typing import Any, Callable, Dict, List, Mapping, Optional, Tuple

import torch
from torch import nn

from ..errors import InputError
from ..rewrites import REGISTRY, current
from ..rewrites.batched import ABSENT, compact, flat_detections
from ..rewrites.panoptic import panoptic_outputs
from .about import describe
from .base import Feeds, Task
from .detections import meta, predict, read, run_detector
from .images import find_transform, make_input, photographs, sample_images, size_divisor, test_pipeline
from .model import build, check_device, load_or_calibrate
from .options import LoadOptions
from .proposals import is_proposal, sample_proposals
from .raw import RawModule, raw_names, raw_predict, raw_read
from .sizes import another_size

DEFAULT_SHAPE = (800, 1216)
_CALIBRATION_SHAPE = (320, 480)
_ANSWERS = ("get_bboxes", "get_results", "simple_test_rpn", "simple_test")
"""What gives the answers of a detector or of its head, by the kind of the head."""
_BOX_LIMITS = {"YOLOXHead": "none", "YOLOV3Head": "none", "CenterNetHead": "none", "CornerHead": "origin"}
"""What upstream's heads, and those that inherit from them, let boxes reach; the others clip them to the image."""
_PADDING = 21
"""Pixels at the edges of the input that are taken for padding where a file that is told so is verified."""


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

    if options.topk is not None or not options.softmax:
        raise InputError("--topk and --no-softmax are for classifiers", f"no such option for {title}", "leave it out")
    device = check_device(options.device)
    shape = options.shape or DEFAULT_SHAPE
    norm = find_transform(test_pipeline(config), "Normalize")
    model = build(config, lambda cfg: build_detector(cfg.model, test_cfg=cfg.get("test_cfg")), options).to(device)
    samples = sample_images(options)
    run = _runner(model, partial(_preparation(model, norm, device), (samples * 2)[:2]), shape)
    about, warning = load_or_calibrate(model, checkpoint, options, run)
    task = make_task(model, f"{title} ({type(model).__name__})", norm, options)
    describe_by(task, config, about)
    task.notes += [warning] if warning else []
    if (find_transform(test_pipeline(config), "MultiScaleFlipAug") or {}).get("flip"):
        task.notes.append("the test pipeline adds a flipped copy of each image: the file takes the image alone")
    return task


def _runner(model: nn.Module, prepare: Callable[..., Feeds], shape: Tuple[int, int]) -> Callable[[], Any]:
    """What runs the model on a small size, or on that of the export if it takes no smaller one."""
    small = (min(shape[0], _CALIBRATION_SHAPE[0]), min(shape[1], _CALIBRATION_SHAPE[1]))
    sizes = list(dict.fromkeys((small, shape)))

    def run() -> Any:
        try:
            return run_detector(model, prepare(sizes[0]))
        except Exception:  # the model raises whatever its own code raises
            if len(sizes) == 1:
                raise
        sizes.pop(0)
        return run()

    return run


def describe_by(task: Task, config: Any, about: Mapping[str, Any]) -> None:
    """Let a detector's task know what its config and its checkpoint's meta data say of it."""
    from mmdet.datasets import DATASETS

    task.divisor = size_divisor(config)
    describe(task, config, about, DATASETS)
    if task.dynamic_size:
        pictures = photographs()[:1]

        def run(shape: Tuple[int, int]) -> None:
            task.predict(task.preprocess(pictures, shape))

        # a small image may leave nothing to what is behind the backbone
        task.other_shape = another_size(task.title, task.shape, run, task.divisor)


def owns_model(model: nn.Module) -> bool:
    """Whether it is a detector of MMDetection's."""
    # nobody has one who has not imported MMDetection
    package = sys.modules.get("mmdet.models")
    return package is not None and isinstance(model, package.BaseDetector)


def covers(model: nn.Module) -> bool:
    """Whether the rewrites let its own inference be traced: there is a stand-in for what its answers come from."""
    parts = [getattr(model, name, None) for name in ("rpn_head", "bbox_head", "mask_head", "roi_head")]
    return owns_model(model) and any(_replaced(part, name) for part in [model, *parts] for name in _ANSWERS)


def _replaced(part: Any, name: str) -> bool:
    """Whether the function of this name that the part has or inherits is one that a rewrite stands in for."""
    owner = next((kind for kind in type(part).__mro__ if name in vars(kind)), None)
    return owner is not None and f"{owner.__module__}.{owner.__qualname__}.{name}" in REGISTRY


def make_task(model: nn.Module, title: str, norm: Optional[Dict[str, Any]], options: LoadOptions) -> Task:
    """Make a built detector a task.

    Args:
        model: the detector, in eval mode and on the device of ``options``.
        title: what it is.
        norm: the ``Normalize`` transform, see ``make_input``.
        options: what the task is to be; how to load the model is of no account here.
    """
    shape, samples = options.shape or DEFAULT_SHAPE, sample_images(options)
    prepare = _preparation(model, norm, torch.device(options.device))
    task = Task(
        codebase="mmdet",
        title=title,
        module=DetectorModule(model, options.mask_output).eval(),
        inputs=prepare([samples[number % len(samples)] for number in range(options.batch)], shape),
        output_names=_output_names(model),
        dynamic_axes={},
        predict=partial(predict, model, options.mask_output),
        read=read,
        preprocess=prepare,
        score_thr=float(_test_cfg(model).get("filter_thr") or _test_cfg(model).get("score_thr") or 0.0),
        max_per_img=_test_cfg(model).get("max_per_img") or _test_cfg(model).get("max_per_image"),
        box_limits=_box_limits(model),
    )
    if options.mask_output == "roi" and "masks" in task.output_names and not hasattr(model, "roi_head"):
        task.notes.append("--mask-output roi: the model has no RoIs, its masks are of the whole image")
    if options.image_size and takes_image_size(model) and not options.skip_postprocess:
        task.preprocess = partial(_with_image_size, prepare)
        task.inputs = {**task.inputs, "img_shape": torch.tensor(shape).to(task.inputs["input"])}
    if options.skip_postprocess:
        _make_raw(task, model)
    if options.dynamic or options.dynamic_batch:
        task.dynamic_axes = _dynamic_axes(task, options)
    return task


class DetectorModule(nn.Module):
    """What is traced: (N, 3, H, W) -> dets (N, num_dets, 5), labels (N, num_dets) and masks if there are any.

    It runs the detector's own ``simple_test`` and has to be called inside ``rewriting``. A detector without an RPN
    takes its proposals (N, P, 4) as well; rows without extent are padding.
    """

    def __init__(self, model: nn.Module, mask_output: str = "image") -> None:
        super().__init__()
        self.model = model
        self.mask_output = mask_output

    def forward(self, input: torch.Tensor, second: Optional[torch.Tensor] = None) -> Tuple[torch.Tensor, ...]:
        """Run the detector on the whole batch as if it were one image.

        Args:
            second: the proposals of a detector without an RPN; of another one ``img_shape`` (2,) float, the
                (height, width) that boxes are clipped to, none for those of the input.
        """
        proposals, img_shape = (None, second) if takes_image_size(self.model) else (second, None)
        context = current()
        context.start(input)
        context.mask_output = self.mask_output
        more = {}
        if proposals is not None:
            place = compact(context, is_proposal(proposals).to(input.dtype) + ABSENT)
            more["proposals"] = [proposals.reshape(-1, 4)[place]]
        image = meta(input.shape[2], input.shape[3])
        if img_shape is not None:
            whole = torch.stack([torch.as_tensor(side) for side in context.image_size]).to(img_shape)
            size = torch.where(img_shape < whole, img_shape, whole)
            context.image_size = (size[0], size[1])
            image["img_shape"] = (*context.image_size, 3)
        results = self.model.simple_test(input, [image], rescale=False, **more)
        if results[0] is None:
            return (context.panoptic,)
        boxes, labels = _first_boxes(results[0])
        found = context.detections or flat_detections(context, boxes, labels)
        dets = found.dets if boxes is found.flat_dets else found.unflatten(boxes)
        extra = (context.masks, context.mask_scores, context.panoptic)
        return (dets, found.labels) + tuple(value for value in extra if value is not None)


def takes_image_size(model: nn.Module) -> bool:
    """Whether its file can be told where the padding begins: a detector with an RPN, whose proposals hang on it."""
    return hasattr(model, "roi_head") and bool(getattr(model, "with_rpn", False))


def _output_names(model: nn.Module) -> List[str]:
    fusion = getattr(model, "panoptic_fusion_head", None)
    if fusion is not None:
        instances, panoptic = panoptic_outputs(fusion, model)
        return (["dets", "labels", "masks"] if instances else []) + (["panoptic_seg"] if panoptic else [])
    names = ["dets", "labels"]
    if getattr(model, "with_mask", False):
        names.append("masks")
    if hasattr(getattr(model, "roi_head", None), "mask_iou_head"):
        names.append("mask_scores")
    return names


def _first_boxes(result: Any) -> Tuple[torch.Tensor, torch.Tensor]:
    """Boxes (K, 5) and labels (K,) of what ``simple_test`` gives for the batch's one list element."""
    if isinstance(result, torch.Tensor):  # the proposals of an RPN
        return result, torch.zeros_like(result[:, 0]).long()
    boxes, rest = result
    return boxes if isinstance(boxes, tuple) else (boxes, rest)


def _preparation(model: nn.Module, norm: Optional[Dict[str, Any]], device: torch.device) -> Callable[..., Feeds]:
    """The task's ``preprocess``."""
    takes_proposals = hasattr(model, "roi_head") and not model.with_rpn
    return partial(_feeds, norm=norm, device=device, proposals=takes_proposals)


def _feeds(images: Any, shape: Tuple[int, int], norm: Any, device: torch.device, proposals: bool) -> Feeds:
    feeds = {"input": make_input(images, shape, norm).to(device)}
    if proposals:
        feeds["proposals"] = sample_proposals(len(images), *shape).to(device)
    return feeds


def _with_image_size(prepare: Callable[..., Feeds], images: Any, shape: Tuple[int, int]) -> Feeds:
    """The feeds for images that end two thirds of a step of the pyramid before the input does."""
    feeds = prepare(images, shape)
    size = [max(side - _PADDING, 1) for side in shape]
    return {**feeds, "img_shape": torch.tensor(size).to(feeds["input"])}


def _test_cfg(model: nn.Module) -> Dict[str, Any]:
    """The part of ``test_cfg`` that filters the final detections."""
    test_cfg = getattr(model, "test_cfg", None) or {}
    return test_cfg.get("rcnn") or test_cfg.get("rpn") or test_cfg


def _box_limits(model: nn.Module) -> str:
    """The task's ``box_limits``, by the head that the final boxes are from."""
    head = getattr(getattr(model, "roi_head", model), "bbox_head", None)
    head = head[-1] if isinstance(head, nn.ModuleList) else head
    if not getattr(getattr(head, "bbox_coder", None), "clip_border", True):
        return "none"
    return next((_BOX_LIMITS[kind.__name__] for kind in type(head).__mro__ if kind.__name__ in _BOX_LIMITS), "image")


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
    axes = {"input": {0: "batch", 2: "height", 3: "width"} if options.dynamic else {0: "batch"}}
    if "proposals" in task.inputs:
        axes["proposals"] = {0: "batch", 1: "num_proposals"}
    if options.skip_postprocess:
        axes.update({name: {0: "batch"} for name in task.output_names})
        return axes
    for name in task.output_names:
        axes[name] = {0: "batch", 1: "num_dets"} if name != "panoptic_seg" else {0: "batch"}
    pasted = options.mask_output == "image" or not hasattr(task.module.model, "roi_head")
    if "masks" in axes and pasted and options.dynamic:
        axes["masks"].update({2: "height", 3: "width"})
    if "panoptic_seg" in axes and options.dynamic:
        axes["panoptic_seg"].update({1: "height", 2: "width"})
    return axes
