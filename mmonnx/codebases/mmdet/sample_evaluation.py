"""Detectors of mmdet 3: the file's outputs, and PyTorch's own inference, as data samples for mmdet's metrics."""

import copy
from typing import Any, Callable, Dict, List, Optional, Tuple

import numpy as np
import torch

from ...evaluation import Group, OnnxFile, SampleEvaluator
from ...loading import Task
from ...runtime import Detections
from .detections import one_by_one
from .evaluation import DetectorEvaluator, detections


class SampleDetectorEvaluator(SampleEvaluator, DetectorEvaluator):
    """Detections as mmdet 3's metrics evaluate them."""

    package = "mmdet"
    dump = "mmdet.DumpDetResults"

    def pipeline(self, steps: Any, size: Optional[Tuple[int, int]]) -> Any:
        """The test pipeline with images no larger than (height, width)."""
        if size is None:
            return steps
        from .sample_fitting import fitted  # it imports mmdet

        return fitted(steps, size)

    def is_fitted(self, steps: Any, size: Optional[Tuple[int, int]]) -> bool:
        """Whether images of a pipeline may have to be made smaller than the config says."""
        if size is None:
            return False
        from .sample_fitting import may_be_larger

        return may_be_larger(steps, size)

    def run_file(self, file: OnnxFile, config: Any, num_classes: int) -> Callable[[Group], List[Any]]:
        """What gives data samples with the file's detections."""

        def run(group: Group) -> List[Any]:
            return [_with(sample, one) for sample, one in zip(group.samples, detections(file, group))]

        return run

    def run_pytorch(self, task: Task) -> Callable[[Group], List[Any]]:
        """What gives the detector's own data samples, as upstream's test loop gets them."""
        model = task.module.model
        device = next(model.parameters()).device

        def run(group: Group) -> List[Any]:
            step = 1 if one_by_one(model) else len(group.samples)
            found: List[Any] = []
            for start in range(0, len(group.samples), step):
                samples = [copy.deepcopy(sample).to(device) for sample in group.samples[start : start + step]]
                with torch.no_grad():
                    found += model(group.images[start : start + step].to(device), samples, mode="predict")
            return found

        return run

    def packed(self, results: List[Any]) -> List[Any]:
        """See ``Evaluator.packed``: the metrics pack what they keep."""
        return results

    def drawable(self, result: Any, meta: Dict[str, Any]) -> Detections:
        """One result for a picture."""
        found = result.pred_instances.cpu().numpy()
        dets = np.concatenate([found.bboxes.reshape(-1, 4), found.scores.reshape(-1, 1)], 1).astype(np.float32)
        masks = np.asarray(found.masks, bool) if "masks" in found else None
        return Detections(dets, found.labels.astype(np.int64), masks)


def _with(sample: Any, found: Detections) -> Any:
    """A copy of a data sample with detections in it."""
    from mmengine.structures import InstanceData

    instances = InstanceData(
        bboxes=torch.from_numpy(found.dets[:, :4].copy()),
        scores=torch.from_numpy(found.dets[:, 4].copy()),
        labels=torch.from_numpy(found.labels.astype(np.int64)),
    )
    if found.masks is not None:
        instances.masks = torch.from_numpy(np.ascontiguousarray(found.masks))
    if found.mask_scores is not None:
        instances.mask_scores = torch.from_numpy(found.mask_scores.copy())
    sample = copy.deepcopy(sample)
    sample.pred_instances = instances
    return sample
