"""Test sets and pipelines of configs in mmengine's new style, beside those of the same configs in the old one."""

import importlib
import json
import re
from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip("mmdet.registry")
pytest.importorskip("mmpretrain")

from sample_sets import CLASSIFIER, weights_of  # noqa: E402
from second_sets import write_classifier, write_detector, write_detector_weights  # noqa: E402

from mmonnx import cli, fallback  # noqa: E402
from mmonnx.datasets import digits  # noqa: E402
from mmonnx.evaluation import EvaluationSettings, evaluate  # noqa: E402
from mmonnx.loading import LoadOptions  # noqa: E402
from mmonnx.pipeline import ExportSettings, export  # noqa: E402
from mmonnx.runtime import open_model  # noqa: E402
from mmonnx.support.errors import InputError  # noqa: E402

_TYPE = re.compile(r"type='([\w.]+)'")
_ELSEWHERE = {"nms": "mmcv.ops", "RoIAlign": "mmcv.ops", "default_collate": "mmengine.dataset"}
"""What is in no registry where mmengine looks for classes."""


def write_lazy(path, package):
    """The same config with classes in the place of names, which it imports; its path."""
    from mmengine.registry import DefaultScope

    registries = vars(importlib.import_module(f"{package}.registry"))
    names = ("MODELS", "TASK_UTILS", "TRANSFORMS", "DATASETS", "METRICS", "DATA_SAMPLERS")
    kinds = {}
    text = Path(path).read_text()
    with DefaultScope.overwrite_default_scope(package):
        for name in set(_TYPE.findall(text)):
            found = (registries[each].get(name) for each in names)
            kinds[name] = next((one for one in found if one is not None), None)
    lines = []
    for name, kind in sorted(kinds.items()):
        module = kind.__module__ if kind else _ELSEWHERE[name]
        lines.append(f"from {module} import {kind.__name__ if kind else name} as K{len(lines)}")
        text = text.replace(f"type='{name}'", f"type=K{len(lines) - 1}")
    assert "type='" not in text and len(lines) > 5
    lazy = Path(path).with_name("lazy_" + Path(path).name)
    lazy.write_text("\n".join(lines) + "\n" + text)
    return str(lazy)


class Setup:
    """Configs of the digit models in both styles, and a file of each."""

    def __init__(self, folder):
        fallback.ensure()
        for package in ("mmdet", "mmpretrain"):
            for part in ("models", "datasets", "evaluation"):
                importlib.import_module(f"{package}.{part}")
        self.plain = {"detector": write_detector(folder, 5), "classifier": write_classifier(folder, 24)}
        self.lazy = {
            "detector": write_lazy(self.plain["detector"], "mmdet"),
            "classifier": write_lazy(self.plain["classifier"], "mmpretrain"),
        }
        self.weights = {
            "detector": write_detector_weights(self.plain["detector"], folder / "detector.pth"),
            "classifier": weights_of(CLASSIFIER),
        }
        self.files = {}
        for name, config in self.lazy.items():
            self.files[name] = str(folder / f"{name}.onnx")
            load = LoadOptions(dynamic=True, shape=(320, 320) if name == "detector" else None)
            assert export(ExportSettings(config, self.weights[name], self.files[name], load=load)).ok
        self.pictures = [str(folder / f"{number}.png") for number in range(3)]
        for path, sample in zip(self.pictures, digits.detection_samples("test", 3)):
            cv2.imwrite(path, cv2.resize(sample.image, (301, 217)))


@pytest.fixture(scope="module")
def setup(tmp_path_factory):
    return Setup(tmp_path_factory.mktemp("lazy"))


@pytest.mark.parametrize("name, metric", [("detector", "coco/bbox_mAP"), ("classifier", "accuracy/top1")])
def test_a_lazy_test_set_gives_the_figures_of_the_same_in_the_old_style(setup, name, metric):
    expected = evaluate(EvaluationSettings(setup.plain[name], setup.files[name]))
    found = evaluate(EvaluationSettings(setup.lazy[name], setup.files[name], compare_with=setup.weights[name]))
    assert found.scores == expected.scores and found.scores[metric] > 0.3
    assert found.reference == pytest.approx(expected.scores, abs=2e-3)


def test_metrics_of_a_lazy_config_are_chosen_by_name(setup):
    """What the config tells its metric stays, and what it cannot do is said by the metric's name."""
    lazy, file = setup.lazy["detector"], setup.files["detector"]
    found = evaluate(EvaluationSettings(lazy, file, metrics=["CocoMetric"])).scores
    assert found == evaluate(EvaluationSettings(setup.plain["detector"], file, metrics=["CocoMetric"])).scores
    assert evaluate(EvaluationSettings(lazy, file, metrics=["bbox"])).scores == found
    with pytest.raises(InputError) as raised:
        evaluate(EvaluationSettings(setup.lazy["classifier"], setup.files["classifier"], metrics=["bbox"]))
    assert "(Accuracy)" in str(raised.value) and "<class" not in str(raised.value)


@pytest.mark.parametrize("name", ["detector", "classifier"])
def test_predict_prepares_pictures_as_a_lazy_config_says(setup, name, tmp_path):
    plain = str(tmp_path / "plain.onnx")
    load = LoadOptions(dynamic=True, shape=(320, 320) if name == "detector" else None)
    export(ExportSettings(setup.plain[name], setup.weights[name], plain, load=load))
    files, found = (setup.files[name], plain), []
    steps = [open_model(file, "cpu").description.pipeline for file in files]
    assert steps[0] == steps[1] and len(steps[0]) > 1
    for file in files:
        assert cli.main(["predict", file, *setup.pictures, "--json", str(tmp_path / "found.json")]) == 0
        found.append(json.loads((tmp_path / "found.json").read_text()))
    assert found[0] == found[1]
    key = "detections" if name == "detector" else "classes"
    assert np.any([len(one[key]) > 1 for one in found[0]])
