"""Text detectors of MMOCR 0.x whose boundaries are read of maps, as tasks.

The file gives the maps as upstream has them in front of its post-processing, which ``runtime.texts`` does.
"""

import importlib
import re
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
    another_size,
    channel_notes,
    check_size,
    flatten,
    give_raw,
    input_channels,
    larger_size,
    make_input,
    raw_names,
    sample_images,
    to_numpy,
)
from ...rewriting import current
from ...runtime import FINDERS, MAPS, TextMaps
from .convertors import is_upstreams
from .inputs import Shape, name_axes
from .pipelines import Transforms

DEFAULT_SHAPE = (640, 960)
_SUFFIX = re.compile("Postprocessor$")


class MapsModule(nn.Module):
    """(N, C, H, W) -> the maps, (N, c, h, w) each. It has to be called inside ``rewriting``."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, input: torch.Tensor) -> Any:
        """Run the detector's network on a batch."""
        context = current()
        assert context is not None  # it is called inside ``rewriting``
        context.start(input)
        return tuple(_maps(self.model, input))


def is_one(model: Any) -> bool:
    """Whether a model has one stage, and a head of maps."""
    text, head = importlib.import_module("mmocr.models.textdet"), getattr(model, "bbox_head", None)
    single = isinstance(model, text.detectors.SingleStageTextDetector)
    return single and not isinstance(model, text.detectors.DRRG) and hasattr(head, "postprocessor")


def make_task(
    model: nn.Module, title: str, transforms: Transforms, norm: Optional[Dict[str, Any]], options: LoadOptions
) -> Task:
    """Make a built detector a task; see ``Codebase.task_of``.

    Args:
        model: in eval mode and on the device of ``options``.
        title: what it is, for messages.
        transforms: of its test pipeline, may be empty.
        norm: the ``Normalize`` transform, None for none.
        options: what the task is to be.

    Raises:
        FixedSizeError: height and width are to be dynamic, and the model takes one size alone.
        InputError: the size is not one of the model's.
    """
    shape = options.shape or DEFAULT_SHAPE
    channels = input_channels(model, partial(_maps, model), norm, shape)
    samples = sample_images(options, channels)
    pictures = [samples[number % len(samples)] for number in range(options.batch)]
    device = torch.device(options.device)

    def prepare(images: Sequence[np.ndarray], size: Shape) -> Feeds:
        return {"input": make_input(images, size, norm, channels).to(device)}

    def run(size: Shape) -> Any:
        with inference(model):
            return _maps(model, prepare(samples[:1], size)["input"])

    check_size(title, shape, run, replace(options, dynamic=False))
    how = texts_of(model)
    names = _names(run(shape))
    task = Task(
        codebase="mmocr",
        title=title,
        module=MapsModule(model).eval(),
        inputs=prepare(pictures, shape),
        output_names=names,
        dynamic_axes={},
        predict=partial(_predict, model, names, how or {}),
        read=lambda outputs: _split(outputs, how or {}, (0, 0)),
        preprocess=prepare,
        other_shape=another_size(title, shape, run) if options.dynamic else None,
        larger_shape=larger_size(shape, run, options),
        texts=how,
        notes=channel_notes(samples, channels),
    )
    if options.skip_postprocess or how is None:
        module = RawModule(model, partial(_maps, model)).eval()
        task.texts = None
        give_raw(task, module, raw_names(module, task.inputs["input"]))
        if how is None:
            kind = type(_head(model).postprocessor).__name__
            task.notes.append(f"mmonnx predict does not know how {kind} reads the maps: they are raw outputs")
    else:
        task.notes.append("the file gives maps: where text is in them, mmonnx predict says")
    name_axes(task, options, (2, 3), maps=True)
    return task


def texts_of(model: Any) -> Optional[Dict[str, Any]]:
    """How the boundaries are read of a detector's maps, see ``runtime.texts``; None where that is not known."""
    head = _head(model)
    kind = type(head.postprocessor)
    how = _SUFFIX.sub("", kind.__name__).lower()
    if how not in FINDERS or not is_upstreams(kind):
        return None
    settings = {name: value for name, value in vars(head.postprocessor).items() if isinstance(value, (int, float, str))}
    found: Dict[str, Any] = {"how": how, "settings": settings, "downsample": float(head.downsample_ratio)}
    return {**found, "scales": [float(one) for one in head.scales]} if hasattr(head, "scales") else found


def _head(model: Any) -> Any:
    return model.bbox_head


def _maps(model: Any, image: torch.Tensor) -> List[torch.Tensor]:
    return flatten(model.bbox_head(model.extract_feat(image)))


def _names(maps: Sequence[torch.Tensor]) -> List[str]:
    return [MAPS] if len(maps) == 1 else [f"{MAPS}_{number}" for number in range(len(maps))]


def _predict(model: Any, names: Sequence[str], how: Dict[str, Any], batch: Feeds) -> List[TextMaps]:
    """The detector's own inference up to its post-processing."""
    image = batch["input"]
    height, width = image.shape[2:]
    found: List[Any] = []
    with inference(model), _post_processing_left_out(model, found):
        for one in image:
            meta = {"filename": "", "scale_factor": np.ones(4, np.float32)}
            model.simple_test(one[None], [meta], rescale=True)
    maps = [to_numpy(dict(zip(names, flatten(one)))) for one in found]
    own = [{name: values.reshape(values.shape[-3:]) for name, values in one.items()} for one in maps]
    return [TextMaps(one, how, (int(height), int(width))) for one in own]


@contextmanager
def _post_processing_left_out(model: Any, found: List[Any]) -> Iterator[None]:
    """Have a detector keep in a list what it would read boundaries of, inside the block."""
    head = _head(model)

    def get_boundary(*arguments: Any) -> Dict[str, Any]:
        found.append(arguments[:-2])  # behind the maps, the meta data and whether boundaries are to be of the picture
        return {"boundary_result": []}

    head.get_boundary = get_boundary
    try:
        yield
    finally:
        del head.get_boundary


def _split(outputs: Dict[str, np.ndarray], how: Dict[str, Any], shape: Shape) -> List[TextMaps]:
    count = len(next(iter(outputs.values())))
    return [TextMaps({name: value[row] for name, value in outputs.items()}, how, shape) for row in range(count)]
