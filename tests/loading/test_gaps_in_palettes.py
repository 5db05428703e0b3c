"""Datasets that count numbers without a class, as COCO's own 90, and have no colour for these."""

from types import SimpleNamespace

from mmonnx.environment import compat
from mmonnx.loading.about import describe


class Gaps:
    CLASSES = ("stop sign", None, "bench")
    PALETTE = [(220, 220, 0), None, (250, 0, 30)]
    METAINFO = {"classes": CLASSES, "palette": PALETTE}


def test_a_class_without_a_colour_gets_one():
    test = {"type": "Gaps", "pipeline": []}
    config = compat.config_type()({"model": {}, "data": {"test": test}, "test_dataloader": {"dataset": test}})
    task = SimpleNamespace(channels=3)
    describe(task, config, {}, {"Gaps": Gaps})
    assert len(task.classes) == 3 and (task.palette[0], task.palette[2]) == ([220, 220, 0], [250, 0, 30])
    assert len(task.palette[1]) == 3 and all(type(value) is int and 0 <= value < 256 for value in task.palette[1])
