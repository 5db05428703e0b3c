"""Classifiers as tasks, of whatever toolbox."""

from dataclasses import replace
from functools import partial
from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple

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
    build,
    channel_notes,
    check_device,
    check_size,
    describe,
    find_transform,
    give_raw,
    input_channels,
    larger_size,
    make_input,
    raw_names,
    refusal,
    sample_images,
    test_pipeline,
)
from ...rewriting import current
from ...runtime import Scores
from ...support import InputError
from .toolbox import Toolbox

Shape = Tuple[int, int]
DEFAULT_SHAPE = (224, 224)
"""(height, width) where the config's test pipeline says nothing of a size."""


def build_task(
    codebase: Codebase, toolbox: Toolbox, config: Any, title: str, checkpoint: Optional[str], options: LoadOptions
) -> Task:
    """Build the classifier of a config and make it a task.

    Raises:
        FixedSizeError: height and width are to be dynamic, and the model takes one size alone.
        InputError: the checkpoint, the device, the image or an option is wrong.
        ExportError: the model cannot be built.
    """
    if options.skip_postprocess and (options.topk is not None or not options.softmax):
        raise InputError("--topk and --no-softmax need the head", "no --skip-postprocess beside them", "leave one out")
    device = check_device(options.device)
    pipeline = test_pipeline(config)
    options = replace(options, shape=options.shape or _own_shape(pipeline, config.model))
    norm = find_transform(pipeline, "Normalize")
    model = build(config, toolbox.build, options).to(device)
    # before the weights are there: a size that the model does not take is refused first
    task = make_task(codebase.name, toolbox, model, f"{title} ({_kind(model)})", norm, options)
    assert task.preprocess is not None  # ``make_task`` gives one
    pair = task.preprocess((sample_images(options, task.channels) * 2)[:2], task.shape)
    infer, _ = _inference(toolbox, model, options, task.inputs)
    run = partial(infer, pair)
    meta, notes = codebase.give_weights(model, checkpoint, options, run, config.model)
    describe(task, config, meta, toolbox.datasets())
    task.notes += notes
    return task


def make_task(
    codebase: str, toolbox: Toolbox, model: nn.Module, title: str, norm: Optional[Dict[str, Any]], options: LoadOptions
) -> Task:
    """Make a built classifier, in eval mode and on the device of ``options``, a task; see ``Codebase.task_of``.

    A model without classes gives its features, whatever is asked for.

    Raises:
        FixedSizeError: height and width are to be dynamic, and the model takes one size alone.
        InputError: the size or ``--topk`` is not one of the model's.
    """
    shape = options.shape or DEFAULT_SHAPE
    channels = input_channels(model, model.extract_feat, norm, shape)
    samples = sample_images(options, channels)
    prepare = partial(_feeds, norm=norm, channels=channels, device=torch.device(options.device))
    infer, twice = _inference(toolbox, model, options, prepare(samples[:1], shape))

    def run(size: Tuple[int, int]) -> Any:
        return infer(prepare(samples[:1], size))

    other = check_size(title, shape, run, options)
    features, tasks = toolbox.gives_features(model), toolbox.tasks(model)
    _check_options(title, options, features, tasks)
    if options.topk is not None:
        _check_topk(title, options.topk, infer(prepare(samples[:1], shape)).shape[1])
    task = Task(
        codebase=codebase,
        title=title,
        module=ClassifierModule(toolbox, model, not options.softmax, options.topk).eval(),
        inputs=prepare([samples[number % len(samples)] for number in range(options.batch)], shape),
        output_names=_output_names(options),
        dynamic_axes={},
        predict=partial(_predict, infer, options.topk),
        read=_read,
        preprocess=prepare,
        other_shape=other,
        larger_shape=larger_size(shape, run, options),
        twice=twice,
        notes=channel_notes(samples, channels),
    )
    if options.skip_postprocess or features:
        _make_raw(task, toolbox, model, "features" if features else "output")
    elif tasks:
        _make_tasks(task, toolbox, model, tasks, options)
    _make_dynamic(task, options)
    return task


class ClassifierModule(nn.Module):
    """What is traced: (N, C, H, W) -> probs (N, num_classes), or scores (N, k) and labels (N, k)."""

    def __init__(self, toolbox: Toolbox, model: nn.Module, logits: bool, topk: Optional[int]) -> None:
        super().__init__()
        self.model = model
        self.toolbox = toolbox
        self.logits = logits
        self.topk = topk

    def forward(self, input: torch.Tensor) -> Any:
        """Run the classifier's own inference."""
        context = current()
        if context is not None:
            context.upstream_path = True
        scores = self.toolbox.trace(self.model, input, self.logits)
        return scores if self.topk is None else tuple(scores.topk(self.topk, dim=1))


def _make_raw(task: Task, toolbox: Toolbox, model: nn.Module, name: str) -> None:
    """Let the task stop in front of the head; its outputs are called ``name``, with a number."""
    module = RawModule(model, partial(toolbox.features, model)).eval()
    names = [f"{name}_{number}" for number, _ in enumerate(raw_names(module, task.inputs["input"]))]
    give_raw(task, module, [name] if len(names) == 1 and name == "features" else names)


def _make_tasks(task: Task, toolbox: Toolbox, model: nn.Module, tasks: Sequence[str], options: LoadOptions) -> None:
    """Let the task give the scores of several tasks, each called by its name."""
    logits = not options.softmax
    module = RawModule(model, partial(_in_rewriting, toolbox, model, logits)).eval()
    kind = "logits" if logits else "probs"
    give_raw(task, module, [f"{kind}_{name}" for name in tasks])


def _in_rewriting(toolbox: Toolbox, model: nn.Module, logits: bool, image: torch.Tensor) -> List[torch.Tensor]:
    context = current()
    if context is not None:
        context.upstream_path = True
    return toolbox.scores_of_tasks(model, image, logits)


def _make_dynamic(task: Task, options: LoadOptions) -> None:
    """Name the axes that are to be dynamic."""
    if options.dynamic or options.dynamic_batch:
        task.dynamic_axes = {name: {0: "batch"} for name in ["input", *task.output_names]}
    if options.dynamic:
        task.dynamic_axes["input"].update({2: "height", 3: "width"})
    elif options.dynamic_batch:
        height, width = task.shape
        task.notes.append(f"--dynamic-batch: height and width are {height}x{width}")


def _output_names(options: LoadOptions) -> List[str]:
    if options.topk is not None:
        return ["scores", "labels"]
    return ["probs"] if options.softmax else ["logits"]


def _own_shape(pipeline: Any, model: Any) -> Shape:
    """(height, width) that a test pipeline makes; where it says none, that which the backbone is built for."""
    size = (find_transform(pipeline, "CenterCrop") or {}).get("crop_size")
    size = size or (find_transform(pipeline, "Resize") or {}).get("size")
    size = size or (model.get("backbone") or {}).get("img_size") or DEFAULT_SHAPE
    height, width = (size, size) if isinstance(size, int) else size
    return int(height), int(width if width > 0 else height)


def _kind(model: nn.Module) -> str:
    """What a model is, for messages: the type of its backbone."""
    return type(getattr(model, "backbone", model)).__name__


def _check_options(title: str, options: LoadOptions, features: bool, tasks: Sequence[str]) -> None:
    """Refuse options for classes of a model that has none, or several sets of them.

    Raises:
        InputError: there are some.
    """
    if features and (options.topk is not None or not options.softmax):
        raise InputError(
            f"{title} has no classes: its file gives features", "no --topk and no --no-softmax", "leave them out"
        )
    if tasks and options.topk is not None:
        raise InputError(
            f"{title} has several tasks ({', '.join(tasks)}): its file gives the scores of each",
            "no --topk",
            "leave it out",
        )


def _check_topk(title: str, topk: int, classes: int) -> None:
    if topk > classes:
        raise InputError(f"--topk {topk} is more than {title} has classes", f"1 to {classes}", "give a smaller one")


def _feeds(images: Any, shape: Shape, norm: Any, channels: int, device: torch.device) -> Feeds:
    return {"input": make_input(images, shape, norm, channels).to(device)}


def _inference(
    toolbox: Toolbox, model: nn.Module, options: LoadOptions, sample: Feeds
) -> Tuple[Callable[[Feeds], torch.Tensor], bool]:
    """The model's own inference of what is asked for, an input to scores (N, num_classes); whether in twos."""
    if toolbox.gives_features(model):
        return partial(_features, toolbox, model), False
    if toolbox.tasks(model):
        return partial(_scores_of_tasks, toolbox, model, not options.softmax), False
    if not options.softmax:
        toolbox.check_logits(model)
    infer = partial(_scores, toolbox, model, not options.softmax)
    twice = refusal(lambda: infer(sample)) is not None
    return (partial(_scores_in_twos, infer) if twice else infer), twice


def _scores(toolbox: Toolbox, model: nn.Module, logits: bool, feeds: Feeds) -> torch.Tensor:
    return toolbox.scores(model, feeds["input"], logits)


def _scores_of_tasks(toolbox: Toolbox, model: nn.Module, logits: bool, feeds: Feeds) -> List[torch.Tensor]:
    with inference(model):
        return toolbox.scores_of_tasks(model, feeds["input"], logits)


def _features(toolbox: Toolbox, model: nn.Module, feeds: Feeds) -> Any:
    with inference(model):
        return toolbox.features(model, feeds["input"])


def _scores_in_twos(infer: Callable[[Feeds], torch.Tensor], feeds: Feeds) -> torch.Tensor:
    """The scores of a classifier that takes no batch of one: every image twice."""
    image = feeds["input"]
    return infer({"input": torch.cat([image, image])})[: image.shape[0]]


def _predict(infer: Callable[[Feeds], torch.Tensor], topk: Optional[int], feeds: Feeds) -> List[Scores]:
    """The classifier's own inference."""
    rows = infer(feeds).cpu().numpy()
    if topk is None:
        return [Scores(row) for row in rows]
    best = np.argsort(-rows, axis=1, kind="stable")[:, :topk].astype(np.int64)
    return [Scores(row[labels], labels) for row, labels in zip(rows, best)]


def _read(outputs: Dict[str, np.ndarray]) -> List[Scores]:
    if "labels" in outputs:
        return [Scores(scores, labels) for scores, labels in zip(outputs["scores"], outputs["labels"])]
    (scores,) = outputs.values()
    return [Scores(row) for row in scores]
