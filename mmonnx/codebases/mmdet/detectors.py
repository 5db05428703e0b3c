"""Detectors of MMDetection 2.x as tasks."""

from dataclasses import replace
from functools import partial
from typing import Any, Callable, Dict, List, Mapping, Optional, Tuple, Union

import numpy as np
import torch
from torch import nn

from ...environment import inference
from ...loading import (
    Codebase,
    Feeds,
    LoadOptions,
    RawModule,
    Task,
    another_size,
    build,
    channel_notes,
    check_device,
    describe,
    find_transform,
    first_test_cfg,
    give_raw,
    photographs,
    raw_names,
    sample_images,
    size_divisor,
    test_pipeline,
    to_numpy,
)
from ...rewriting import REGISTRY, ExportContext, own_code, panoptic_outputs, rewriting
from ...runtime import DEFAULTS, Detections
from ...support import InputError
from .detections import predict, read, run_detector
from .generations import Generation
from .inputs import Preparation, place_input
from .module import DetectorModule
from .texts import Prompts, prompts_of

DEFAULT_SHAPE = (800, 1216)
_CALIBRATION_SHAPE = (320, 480)
_HEADS = ("rpn_head", "roi_head", "bbox_head", "query_head", "mask_head", "panoptic_head", "odm_head")
"""Parts of a detector by which it is told what its answers have."""
_ANSWERS = ("get_bboxes", "get_results", "simple_test_rpn", "simple_test", "predict_by_feat", "predict")
"""What gives the answers of a detector or of its head, by the kind of the head."""
_SAME, _SAME_SCORE = 0.01, 1e-4
"""Coordinates, in pixels, and scores that are no further apart are the same."""


def build_task(
    codebase: Codebase, generation: Generation, config: Any, title: str, checkpoint: Optional[str], options: LoadOptions
) -> Task:
    """Build the detector of a config and make it a task; see ``Codebase.build``.

    Raises:
        InputError: the checkpoint, the device or the image is wrong.
        ExportError: the model cannot be built.
    """
    if options.topk is not None or not options.softmax:
        raise InputError("--topk and --no-softmax are for classifiers", f"no such option for {title}", "leave it out")
    device = check_device(options.device)
    shape = options.shape or DEFAULT_SHAPE
    norm = find_transform(test_pipeline(config), "Normalize")
    model = build(config, generation.build, options).to(device)
    generation.prompts = prompts_of(generation.detector(model), generation.text, options.dynamic, device)
    prepare = Preparation(model, norm, device, None, generation.prompts)
    run = _runner(generation, model, partial(prepare.whole, (sample_images(options, prepare.channels) * 2)[:2]), shape)
    about, notes = codebase.give_weights(model, checkpoint, options, run, config.model)
    task = make_task(generation, model, f"{title} ({type(model).__name__})", norm, options)
    describe_by(generation, task, config, about)
    task.notes += notes
    return task


def _runner(
    generation: Generation, model: nn.Module, prepare: Callable[..., Feeds], shape: Tuple[int, int]
) -> Callable[[], Any]:
    """What runs the model on a small size, or on that of the export if it takes no smaller one."""
    small = (min(shape[0], _CALIBRATION_SHAPE[0]), min(shape[1], _CALIBRATION_SHAPE[1]))
    sizes = list(dict.fromkeys((small, shape)))

    def run() -> Any:
        try:
            return run_detector(generation, model, prepare(sizes[0]))
        except Exception:  # the model raises whatever its own code raises
            if len(sizes) == 1:
                raise
        sizes.pop(0)
        return run()

    return run


def describe_by(generation: Generation, task: Task, config: Any, about: Mapping[str, Any]) -> None:
    """Let a detector's task know what its config and its checkpoint's meta data say of it."""
    task.divisor = size_divisor(config)
    describe(task, config, about, generation.datasets())
    if task.prompt is not None:
        task.classes, task.palette = [], []  # whatever it is asked for
    prepare = task.preprocess
    if prepare is not None and task.dynamic_size:
        pictures = photographs()[:1]

        def run(shape: Tuple[int, int]) -> None:
            task.predict(prepare(pictures, shape))

        # a small image may leave nothing to what is behind the backbone
        task.other_shape = another_size(task.title, task.shape, run, task.divisor)


def covers(model: nn.Module) -> bool:
    """Whether the rewrites let its own inference be traced: there is a stand-in for what its answers come from."""
    parts = [getattr(model, name, None) for name in ("rpn_head", "bbox_head", "mask_head", "roi_head", "odm_head")]
    return any(_replaced(part, name) for part in [model, *parts] for name in _ANSWERS)


def _replaced(part: Any, name: str) -> bool:
    """Whether the function of this name that the part has or inherits is one that a rewrite stands in for."""
    owner = next((kind for kind in type(part).__mro__ if name in vars(kind)), None)
    return owner is not None and f"{owner.__module__}.{owner.__qualname__}.{name}" in REGISTRY


def make_task(
    generation: Generation, model: nn.Module, title: str, norm: Optional[Dict[str, Any]], options: LoadOptions
) -> Task:
    """Make a built detector a task.

    Args:
        generation: the detector's.
        model: the detector, in eval mode and on the device of ``options``.
        title: what it is.
        norm: the ``Normalize`` transform, see ``make_input``.
        options: what the task is to be; how to load the model is of no account here.
    """
    model = generation.detector(model)
    shape, limits = options.shape or DEFAULT_SHAPE, generation.box_limits(model)
    place = place_input(limits) if options.image_size and not options.skip_postprocess else None
    # anew: the sample has the first text
    generation.prompts = prompts_of(model, generation.text, options.dynamic, options.device)
    prepare = Preparation(model, norm, options.device, place, generation.prompts)
    samples = sample_images(options, prepare.channels)
    inputs = prepare.whole([samples[number % len(samples)] for number in range(options.batch)], shape)
    task = Task(
        codebase=generation.codebase,
        title=title,
        module=DetectorModule(generation, model, options.mask_output, tuple(inputs)[1:]).eval(),
        inputs=inputs,
        output_names=_output_names(generation, model, inputs),
        dynamic_axes={},
        predict=partial(predict, generation, model, options.mask_output),
        read=read,
        preprocess=prepare.whole,
        preprocess_padded=prepare.padded if place else None,
        optional={place: DEFAULTS[place]} if place else {},
        score_thr=float(_test_cfg(model).get("filter_thr") or _test_cfg(model).get("score_thr") or 0.0),
        max_per_img=_test_cfg(model).get("max_per_img") or _test_cfg(model).get("max_per_image"),
        box_limits=limits,
        depends_on_padding=limits != "none" or hasattr(model, "roi_head"),
        prompt=generation.prompts.about if generation.prompts else None,
        samples=generation.prompts.samples(inputs) if generation.prompts else {},
        notes=channel_notes(samples, prepare.channels),
    )
    if options.mask_output == "roi" and "masks" in task.output_names and not hasattr(model, "roi_head"):
        task.notes.append("--mask-output roi: the model has no RoIs, its masks are of the whole image")
    if options.skip_postprocess:
        _make_raw(generation, task, model)
    if options.dynamic or options.dynamic_batch:
        task.dynamic_axes = _dynamic_axes(task, options)
    if not options.skip_postprocess:
        _mind_own_code(task, model, options)
        task.output_shapes = _output_shapes(generation, task, options)
    return task


def _mind_own_code(task: Task, model: nn.Module, options: LoadOptions) -> None:
    """Let heads with code of the user's own take one image after the other, if they are wrong for a whole batch."""
    own = own_code(model)
    if not own or _is_right_for_batches(task, options):
        return
    task.module.one_by_one = tuple(head for head, _ in own)
    task.dynamic_axes = {
        name: {axis: called for axis, called in axes.items() if axis} for name, axes in task.dynamic_axes.items()
    }
    task.notes.append(
        f"{own[0][1]} treats one image at a time: the file takes a batch of {options.batch} and no other"
        " (--batch N makes one of N)"
    )


def _is_right_for_batches(task: Task, options: LoadOptions) -> bool:
    """Whether the detector gives PyTorch's detections of two pictures with all images of a batch as one."""
    first, second = (sample_images(options, task.channels) * 2)[:2]
    assert task.preprocess is not None  # ``make_task`` gives one
    feeds = task.preprocess([first, second // 16], task.shape)  # means over the image differ
    try:
        expected = task.predict(feeds)
        with inference(task.module), rewriting(ExportContext(), module=task.module):
            outputs = task.module(*feeds.values())
        found = task.read(to_numpy(dict(zip(task.output_names, outputs))))
    except Exception:  # the user's code may fail on them in any way; a batch of one is tried then
        return False
    ours = [one for one in expected if isinstance(one, Detections)]
    theirs = [one for one in found if isinstance(one, Detections)]
    return any(len(one.dets) for one in ours) and all(map(_is_alike, ours, theirs))


def _is_alike(one: Detections, other: Detections) -> bool:
    ours, theirs = (found.dets[np.lexsort((*found.dets.T, found.labels))] for found in (one, other))
    if len(ours) != len(theirs):
        return False
    return bool((np.abs(ours - theirs) <= [_SAME] * (ours.shape[1] - 1) + [_SAME_SCORE]).all())


def _output_names(generation: Generation, model: nn.Module, feeds: Feeds) -> List[str]:
    fusion = getattr(model, "panoptic_fusion_head", None)
    if fusion is not None:
        instances, panoptic = panoptic_outputs(fusion, model)
        return (["dets", "labels", "masks"] if instances else []) + (["panoptic_seg"] if panoptic else [])
    names = ["dets", "labels"]
    # RTMDet-Ins has its mask head inside the head of the boxes
    within = hasattr(getattr(model, "bbox_head", None), "mask_head")
    if getattr(model, "with_mask", False) or within or _gives_masks(generation, model, feeds):
        names.append("masks")
    if generation.judges_apart and hasattr(getattr(model, "roi_head", None), "mask_iou_head"):
        names.append("mask_scores")
    return names


def _gives_masks(generation: Generation, model: nn.Module, feeds: Feeds) -> bool:
    """Whether PyTorch's answers have masks, asked of a detector that has no head to tell it by."""
    if any(hasattr(model, name) for name in _HEADS):
        return False
    found = predict(generation, model, "image", feeds)
    return any(isinstance(one, Detections) and one.masks is not None for one in found)


def _test_cfg(model: nn.Module) -> Mapping[str, Any]:
    """The part of ``test_cfg`` that filters the final detections."""
    test_cfg = first_test_cfg(getattr(model, "test_cfg", None))
    return test_cfg.get("rcnn") or test_cfg.get("rpn") or test_cfg


def _make_raw(generation: Generation, task: Task, model: nn.Module) -> None:
    """Let the task stop before the post-processing."""
    if getattr(model, "with_rpn", False) and hasattr(model, "roi_head"):
        task.notes.append("--skip-postprocess of a two-stage detector: the outputs are those of its RPN")
        module = RawModule(model, partial(_rpn_outputs, model))
    else:
        module = RawModule(model, partial(generation.raw, model))
    give_raw(task, module.eval(), raw_names(module, task.inputs["input"]))


def _rpn_outputs(model: nn.Module, image: torch.Tensor) -> Any:
    return model.rpn_head(model.extract_feat(image))


def _output_shapes(generation: Generation, task: Task, options: LoadOptions) -> Dict[str, Dict[int, Union[int, str]]]:
    """What the outputs' axes are: those that are called as an input's are as long as it, dynamic or not."""
    axes = _dynamic_axes(task, replace(options, dynamic=True))
    sizes = {axes["input"][axis]: int(size) for axis, size in enumerate(task.inputs["input"].shape) if axis != 1}
    found: Dict[str, Dict[int, Union[int, str]]] = {}
    for name in task.output_names:
        dynamic = task.dynamic_axes.get(name, {})
        found[name] = {axis: sizes.get(called, called) for axis, called in axes[name].items() if axis not in dynamic}
    if "dets" in found:
        found["dets"][2] = generation.columns + 1
    return found


def _dynamic_axes(task: Task, options: LoadOptions) -> Dict[str, Dict[int, str]]:
    axes = {"input": {0: "batch", 2: "height", 3: "width"} if options.dynamic else {0: "batch"}}
    if "proposals" in task.inputs:
        axes["proposals"] = {0: "batch", 1: "num_proposals"}
    if task.prompt is not None and options.dynamic:
        axes.update(Prompts.axes(task.inputs))
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
