"""The file's images, and PyTorch's own inference, as mmedit's models evaluate them."""

from typing import Any, Callable, Dict, List, Mapping, Sequence

import torch

from ...evaluation import Evaluator, Group, OnnxFile
from ...loading import LoadOptions, Task, build
from ...runtime import EditedImage
from ...support import InputError
from .building import built, checked_family
from .family import scored_by
from .pipelines import test_pipeline
from .test_sets import EditSets


class EditorEvaluator(Evaluator):
    """Each picture by itself, scored by mmedit's own model; the dataset makes the means."""

    package = "mmedit"

    def __init__(self) -> None:
        self._metrics: List[str] = []

    @property
    def sets(self) -> EditSets:
        """See ``Evaluator.sets``."""
        return EditSets(self)

    def check(self, file: OnnxFile, metrics: Sequence[str], options: Mapping[str, Any], num_classes: int) -> None:
        """Refuse a file that makes no image; the metrics are those that its images are scored by.

        Raises:
            InputError: it makes none.
        """
        self._metrics = list(metrics)
        if not {"image", "alpha"} & set(file.outputs):
            raise InputError(
                f"'{file.path}' gives {', '.join(file.outputs)}", "image or alpha", "give the file of an image editor"
            )

    def run_file(self, file: OnnxFile, config: Any, num_classes: int) -> Callable[[Group], List[Any]]:
        """What gives the file's images, and their scores."""
        model = build(config, built, LoadOptions())
        family = checked_family(model, "the config's model").of(test_pipeline(config))

        def run(group: Group) -> List[Any]:
            (data,) = group.samples
            image, beside = family.fed(data)
            size = int(image.shape[-2]), int(image.shape[-1])
            if file.size not in (None, size):
                raise InputError(
                    f"'{file.path}' takes images of {file.size}, and the test set has one of {size}",
                    "a file that takes any size",
                    "export it with --dynamic-export",
                )
            (outputs,) = file(image.numpy(), size, beside={name: value.numpy() for name, value in beside.items()})
            with scored_by(model, self._metrics):
                scores = family.score(model, outputs, data)
            return [{"eval_result": scores, "image": family.edited(outputs[family.outputs[0]])}]

        return run

    def run_pytorch(self, task: Task) -> Callable[[Group], List[Any]]:
        """What gives the model's own scores, as upstream's test tools get them."""
        module: Any = task.module
        device = task.inputs["input"].device

        def run(group: Group) -> List[Any]:
            (data,) = group.samples
            held = {name: one.to(device) if isinstance(one, torch.Tensor) else one for name, one in data.items()}
            with torch.no_grad(), scored_by(module.model, self._metrics):
                found = module.model(test_mode=True, **held)
            image, beside = module.family.fed(held)
            return [{"eval_result": found["eval_result"], "image": task.predict({"input": image, **beside})[0]}]

        return run

    def drawable(self, result: Dict[str, Any], meta: Dict[str, Any]) -> EditedImage:
        """One result for a picture."""
        image: EditedImage = result["image"]
        return image
