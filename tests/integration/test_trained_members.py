"""The trained segmentor and rotated detector of digits: every command on them, against mmseg's and mmrotate's own."""

from typing import Any, Callable, NamedTuple

import cv2
import numpy as np
import pytest

from mmonnx import cli, fallback
from mmonnx.datasets import digits, scores
from mmonnx.evaluation import EvaluationSettings, evaluate
from mmonnx.loading.images import photographs
from mmonnx.runtime import open_model
from mmonnx.support.resources import config_root
from mmonnx.verifying.matching import Tolerances, match

pytestmark = pytest.mark.once  # mmsegmentation and mmrotate are on the default stack alone
CONFIGS = config_root() / "digits"
NUM = 24
SIZES = ((320, 320), (131, 202), (300, 181), (600, 900))


class Kind(NamedTuple):
    """How one of the models is tested."""

    stem: str
    package: str
    metric: str
    goal: float
    write: Callable[..., str]
    scenes: Callable[..., Any]
    pytorch: Callable[[str, str], Any]
    places: Callable[[str], str]


KINDS = (
    Kind(
        "semantic_fpn_digits",
        "mmseg",
        "mIoU",
        0.7,
        digits.make_segmentation_set,
        digits.segmentation_samples,
        scores.pytorch_segmentor,
        lambda part: f"data.{part}.img_dir={{0}}/{{1}}/images data.{part}.ann_dir={{0}}/{{1}}/labels",
    ),
    Kind(
        "rotated_fcos_digits",
        "mmrotate",
        "mAP",
        0.75,
        digits.make_rotated_set,
        digits.rotated_samples,
        scores.pytorch_rotated_detector,
        lambda part: f"data.{part}.img_prefix={{0}}/{{1}}/images/ data.{part}.ann_file={{0}}/{{1}}/boxes/",
    ),
)


class Made:
    """One model with a small test set and its verified file."""

    def __init__(self, kind, folder):
        fallback.ensure()
        pytest.importorskip(kind.package)
        self.kind, self.folder = kind, folder
        self.config, self.checkpoint = (str(CONFIGS / f"{kind.stem}{suffix}") for suffix in (".py", ".pth"))
        self.file = str(folder / "x.onnx")
        self.options = []
        for part, split, num in (("train", "train", 12), ("test", "test", NUM)):
            kind.write(str(folder), split, num)
            self.options += kind.places(part).format(folder, split).split()
        self.status = cli.main(["export", self.config, self.checkpoint, "--output-file", self.file, *FLAGS])

    @property
    def cfg_options(self):
        return dict(option.split("=") for option in self.options)


FLAGS = ["--simplify", "--dynamic-export", "--verify", "--shape", "320", "320"]


@pytest.fixture(scope="module", params=KINDS, ids=lambda kind: kind.stem)
def made(request, tmp_path_factory):
    return Made(request.param, tmp_path_factory.mktemp(request.param.stem))


def test_it_is_exported_and_verified(made):
    assert made.status == 0


def test_predict_gives_the_answers_of_upstreams_inference_on_pictures_of_any_size(made, tmp_path):
    pytorch, model = made.kind.pytorch(made.config, made.checkpoint), open_model(made.file)
    assert model.classes[-1] == "9"
    pictures = [sample.image for sample in made.kind.scenes("test", 30)][: 4 * len(SIZES)]
    pictures = [cv2.resize(picture, SIZES[number % 4][::-1]) for number, picture in enumerate(pictures)]
    found = 0
    for number, picture in enumerate([*pictures, photographs()[0], np.zeros((90, 70, 3), np.uint8)]):
        expected, actual = pytorch(picture), model(picture)
        outcome = match(expected, actual, tolerances=Tolerances(box=0.02), score_thr=0.05, limit=100)
        assert outcome.ok, (number, outcome.unmatched)
        found += len(np.unique(expected.labels))
        path = tmp_path / f"{number}.png"
        cv2.imwrite(str(path), picture)
        drawn = model.draw(picture, actual)
        assert cli.main(["predict", made.file, str(path), "--out", str(tmp_path / "drawn")]) == 0
        np.testing.assert_array_equal(cv2.imread(str(tmp_path / "drawn" / path.name)), drawn)
    assert found > 30


def test_its_metric_is_pytorchs_and_a_good_one(made):
    asked = EvaluationSettings(
        made.config,
        made.file,
        [made.kind.metric],
        compare_with=made.checkpoint,
        cfg_options=made.cfg_options,
        workers=0,
    )
    found = evaluate(asked)
    assert found.reference[made.kind.metric] >= made.kind.goal
    assert found.scores[made.kind.metric] == pytest.approx(found.reference[made.kind.metric], abs=1e-3)


def test_another_models_checkpoint_is_told_of(made, tmp_path, capsys):
    other = str(CONFIGS / "mobilenet_v2_digits.pth")
    command = ["export", made.config, other, "--output-file", str(tmp_path / "x.onnx")]
    assert cli.main(command) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert "has no key of this model" in line and not (tmp_path / "x.onnx").exists()
