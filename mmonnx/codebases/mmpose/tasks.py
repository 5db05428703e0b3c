"""What the tasks of all pose estimators of MMPose 0.x have in common."""

from dataclasses import replace
from functools import partial
from typing import Any, Callable, Dict, Optional, Sequence

import torch
from torch import nn

from ...loading import (
    Feeds,
    LoadOptions,
    Task,
    another_size,
    channel_notes,
    check_size,
    input_channels,
    larger_size,
    sample_images,
)
from .inputs import Shape, divisor_of, feeds


def pose_task(
    model: nn.Module,
    title: str,
    norm: Optional[Dict[str, Any]],
    options: LoadOptions,
    *,
    module: nn.Module,
    output_names: Sequence[str],
    network: Callable[[torch.Tensor], Any],
    predict: Callable[[Feeds], Any],
    read: Callable[[Any], Any],
    takes: Optional[Callable[[Feeds], Any]] = None,
    frames: int = 0,
) -> Task:
    """A task without dynamic axes, which ``name_axes`` names.

    Args:
        model: in eval mode, on the device of ``options``.
        title: of the model.
        norm: how pictures are normalised, None for not at all.
        options: what is asked for, its ``shape`` included.
        module: what is traced, the model in it.
        output_names: what it gives.
        network: what tells from a batch of pictures how many channels the model takes.
        predict: the model's own inference.
        read: from the outputs of a file to results.
        takes: what tells, by its errors, whether the model takes a size; None for ``predict``.
        frames: how many a film has; 0 for pictures.

    Raises:
        FixedSizeError: height and width are to be dynamic, and the model takes one size alone.
        InputError: the size is not one of the model's.
    """
    shape = options.shape
    assert shape is not None  # the caller has given one
    channels = input_channels(model, network, norm, shape)
    samples = sample_images(options, channels)
    pictures = [samples[number % len(samples)] for number in range(options.batch)]
    prepare = partial(feeds, norm=norm, channels=channels, device=torch.device(options.device), frames=frames)

    def run(size: Shape) -> Any:
        return (takes or predict)(prepare(samples[:1], size))

    check_size(title, shape, run, replace(options, dynamic=False))
    divisor = divisor_of(shape, run) if options.dynamic else 32
    return Task(
        codebase="mmpose",
        title=title,
        module=module.eval(),
        inputs=prepare(pictures, shape),
        output_names=list(output_names),
        dynamic_axes={},
        predict=predict,
        read=read,
        preprocess=prepare,
        other_shape=another_size(title, shape, run, divisor) if options.dynamic else None,
        divisor=divisor,
        larger_shape=larger_size(shape, run, options),
        notes=channel_notes(samples, channels),
    )
