"""Text recognizers of MMOCR 0.x, as tasks."""

import importlib
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any, Dict, Iterator, List, Optional, Sequence

import numpy as np
import torch
from torch import nn

from ...environment import inference
from ...loading import (
    Feeds,
    LoadOptions,
    RawModule,
    Task,
    channel_notes,
    check_size,
    give_raw,
    input_channels,
    make_input,
    raw_names,
    sample_images,
)
from ...rewriting import current
from ...runtime import CHAR_MAPS, CHAR_SCORES, Text, TextMaps, read_text
from .convertors import characters_of, scores_of, texts_of
from .inputs import Shape, line_sizes, name_axes
from .pipelines import Transforms, line_of

_USUAL = (32, 160)


class RecognizerModule(nn.Module):
    """(N, C, H, W) -> scores of characters, (N, T, K), or maps of them. It has to be called inside ``rewriting``."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """Run the recognizer on a batch."""
        context = current()
        assert context is not None  # it is called inside ``rewriting``
        context.start(input)
        return _scores(self.model, input)


def is_one(model: Any) -> bool:
    """Whether a model reads text, and has a label convertor that is known."""
    base = importlib.import_module("mmocr.models.textrecog.recognizer.base").BaseRecognizer
    return isinstance(model, base) and texts_of(getattr(model, "label_convertor", None)) is not None


def make_task(
    model: nn.Module, title: str, transforms: Transforms, norm: Optional[Dict[str, Any]], options: LoadOptions
) -> Task:
    """Make a built recognizer a task; see ``Codebase.task_of``.

    Args:
        model: in eval mode and on the device of ``options``.
        title: what it is, for messages.
        transforms: of its test pipeline, may be empty.
        norm: the ``Normalize`` transform, None for none.
        options: what the task is to be.

    Raises:
        FixedSizeError: the width is to be dynamic, and the model takes one size alone.
        InputError: the size is not one of the model's.
    """
    shape = options.shape or _own_shape(transforms)
    channels = input_channels(model, partial(_scores, model), norm, shape)
    samples = sample_images(options, channels)
    pictures = [samples[number % len(samples)] for number in range(options.batch)]
    device = torch.device(options.device)

    def prepare(images: Sequence[np.ndarray], size: Shape) -> Feeds:
        return {"input": make_input(images, size, norm, channels).to(device)}

    def run(size: Shape) -> Any:
        return _predict(model, prepare(samples[:1], size))

    check_size(title, shape, run, replace(options, dynamic=False))
    sizes = line_sizes(title, shape, run, options)
    how = texts_of(model.label_convertor)
    assert how is not None  # ``is_one`` has asked
    maps = how["how"] == "segments"
    characters = characters_of(model.label_convertor)
    task = Task(
        codebase="mmocr",
        title=title,
        module=RecognizerModule(model).eval(),
        inputs=prepare(pictures, shape),
        output_names=[CHAR_MAPS if maps else CHAR_SCORES],
        dynamic_axes={},
        predict=partial(_predict, model),
        read=partial(_read, how, characters),
        preprocess=prepare,
        other_shape=sizes.other,
        larger_shape=sizes.larger,
        classes=characters,
        texts=how,
        notes=channel_notes(samples, channels),
    )
    if options.skip_postprocess:
        module = RawModule(model, partial(_scores, model)).eval()
        task.texts = None
        give_raw(task, module, raw_names(module, task.inputs["input"]))
    name_axes(task, options, sizes.sides, maps)
    if how["how"] == "ctc" and sizes.sides:
        task.dynamic_axes[task.output_names[0]][1] = "steps"
    return task


def _own_shape(transforms: Transforms) -> Shape:
    """(height, width) of what the test pipeline makes."""
    line = line_of(transforms)
    if line is None:
        return _USUAL
    height, width = line["height"], line.get("max_width")
    height = height[0] if isinstance(height, (list, tuple)) else height
    width = width[0] if isinstance(width, (list, tuple)) else width
    return int(height), int(width or _USUAL[1])


def _metas(image: torch.Tensor) -> List[Dict[str, Any]]:
    return [{"filename": "", "resize_shape": tuple(image.shape[2:])} for _ in range(len(image))]


def _scores(model: Any, image: torch.Tensor) -> torch.Tensor:
    """What the characters of a batch are read of."""
    found: List[torch.Tensor] = []
    with _reading_left_out(model.label_convertor, found):
        model.simple_test(image, _metas(image))
    (values,) = found
    return scores_of(model.label_convertor, values)


def _predict(model: Any, batch: Feeds) -> List[Any]:
    """The recognizer's own inference, with what it has read the text of."""
    image = batch["input"]
    convertor = model.label_convertor
    found: List[torch.Tensor] = []
    with inference(model), _reading_seen(convertor, found):
        texts = model.simple_test(image, _metas(image))
        (values,) = (scores_of(convertor, one) for one in found)
    how = texts_of(convertor)
    assert how is not None  # ``is_one`` has asked
    rows = values.cpu().numpy()
    if how["how"] == "segments":
        shape = int(image.shape[2]), int(image.shape[3])
        return [TextMaps({CHAR_MAPS: row}, {**how, "characters": characters_of(convertor)}, shape) for row in rows]
    steps = [read_text(row, how, characters_of(convertor)).steps for row in rows]
    scores = [np.array(text["score"], np.float32) for text in texts]
    return [Text(*one) for one in zip([text["text"] for text in texts], scores, steps)]


def _read(how: Dict[str, Any], characters: Sequence[str], outputs: Dict[str, np.ndarray]) -> List[Any]:
    if CHAR_MAPS in outputs:
        own = {**how, "characters": characters}
        return [TextMaps({CHAR_MAPS: row}, own, (0, 0)) for row in outputs[CHAR_MAPS]]
    return [read_text(row, how, characters) for row in outputs[CHAR_SCORES]]


_READING = ("tensor2idx", "tensor2str")


@contextmanager
def _reading_left_out(convertor: Any, found: List[torch.Tensor]) -> Iterator[None]:
    """Have a label convertor keep in a list what it would read text of, inside the block."""

    def read(values: torch.Tensor, *more: Any, **others: Any) -> Any:
        found.append(values)
        return [], []

    with _replaced(convertor, lambda own: read):
        yield


@contextmanager
def _reading_seen(convertor: Any, found: List[torch.Tensor]) -> Iterator[None]:
    """Have a label convertor keep in a list what it reads text of, inside the block."""

    def seen(own: Any) -> Any:
        def read(values: torch.Tensor, *more: Any, **others: Any) -> Any:
            found.append(values)
            return own(values, *more, **others)

        return read

    with _replaced(convertor, seen):
        yield


@contextmanager
def _replaced(convertor: Any, make: Any) -> Iterator[None]:
    names = [name for name in _READING if hasattr(convertor, name)]
    for name in names:
        setattr(convertor, name, make(getattr(convertor, name)))
    try:
        yield
    finally:
        for name in names:
            delattr(convertor, name)
