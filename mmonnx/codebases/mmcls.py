"""MMClassification 0.x."""

import sys
from functools import partial
from typing import Any, Dict, List, Optional, Tuple

import numpy as np
import torch
from torch import nn

from .base import Feeds, Scores, Task
from .images import find_transform, make_input, sample_images, test_pipeline
from .model import build, check_device, load_or_calibrate
from .options import LoadOptions
from .raw import RawModule, raw_names, raw_predict, raw_read

DEFAULT_SHAPE = (224, 224)


def owns(config: Any) -> bool:
    """Whether the config's model is one of MMClassification's (custom modules included)."""
    try:
        from mmcls.models.builder import CLASSIFIERS
    except ImportError:
        return False
    return CLASSIFIERS.get(config.model.type) is not None


def load(config: Any, title: str, checkpoint: Optional[str], options: LoadOptions) -> Task:
    """Build the classifier of a config and make it a task.

    Raises:
        InputError: the checkpoint, the device or the image is wrong.
        ExportError: the model cannot be built.
    """
    from mmcls.models import build_classifier

    device = check_device(options.device)
    norm = find_transform(test_pipeline(config), "Normalize")
    model = build(config, lambda cfg: build_classifier(cfg.model), options).to(device)
    images = (sample_images(options) * 2)[:2]
    run = partial(_predict_raw_results, model, _feeds(images, options.shape or DEFAULT_SHAPE, norm, device))
    meta, warning = load_or_calibrate(model, checkpoint, options, run)
    task = make_task(model, f"{title} ({type(model.backbone).__name__})", norm, options)
    task.classes = meta.get("CLASSES") or ()
    task.notes += [warning] if warning else []
    return task


def owns_model(model: nn.Module) -> bool:
    """Whether it is a classifier of MMClassification's."""
    # nobody has one who has not imported MMClassification
    package = sys.modules.get("mmcls.models")
    return package is not None and isinstance(model, package.BaseClassifier)


covers = owns_model
"""Whether its own inference can be traced."""


def make_task(model: nn.Module, title: str, norm: Optional[Dict[str, Any]], options: LoadOptions) -> Task:
    """Make a built classifier, in eval mode and on the device of ``options``, a task; see ``mmdet.make_task``."""
    shape, samples = options.shape or DEFAULT_SHAPE, sample_images(options)
    prepare = partial(_feeds, norm=norm, device=torch.device(options.device))
    task = Task(
        codebase="mmcls",
        title=title,
        module=ClassifierModule(model).eval(),
        inputs=prepare([samples[number % len(samples)] for number in range(options.batch)], shape),
        output_names=["probs"],
        dynamic_axes={},
        predict=partial(_predict, model),
        read=_read,
        preprocess=prepare,
    )
    if options.skip_postprocess:
        module = RawModule(model, lambda image: model.extract_feat(image)).eval()
        names = raw_names(module, task.inputs["input"])
        task.module, task.output_names, task.read = module, names, raw_read
        task.predict = lambda feeds: raw_predict(module, names, feeds["input"])
    if options.dynamic:
        task.dynamic_axes = {"input": {0: "batch", 2: "height", 3: "width"}}
        task.dynamic_axes.update({name: {0: "batch"} for name in task.output_names})
    return task


class ClassifierModule(nn.Module):
    """What is traced: (N, 3, H, W) -> probs (N, num_classes)."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """Run the classifier's own ``simple_test``, which gives tensors while tracing."""
        return self.model.simple_test(input, [{}])


def _feeds(images: Any, shape: Tuple[int, int], norm: Any, device: torch.device) -> Feeds:
    return {"input": make_input(images, shape, norm).to(device)}


def _predict_raw_results(model: nn.Module, feeds: Feeds) -> List[np.ndarray]:
    image = feeds["input"]
    with torch.no_grad():
        return model(image, return_loss=False, img_metas=[{} for _ in range(image.shape[0])])


def _predict(model: nn.Module, feeds: Feeds) -> List[Scores]:
    """The classifier's own inference."""
    return [Scores(np.asarray(probs)) for probs in _predict_raw_results(model, feeds)]


def _read(outputs: Dict[str, np.ndarray]) -> List[Scores]:
    return [Scores(probs) for probs in outputs["probs"]]
