"""A detector's file on a set in COCO's format has PyTorch's own scores: boxes and masks, at any batch."""

import json
import pickle

import cv2
import numpy as np
import onnx
import pytest
from sample_sets import DETECTOR, make_coco_set, mask_model, weights_of, write_config, write_mask_weights

from mmonnx import cli, fallback
from mmonnx.datasets import digits
from mmonnx.evaluation import EvaluationSettings, evaluate
from mmonnx.loading import LoadOptions
from mmonnx.pipeline import ExportSettings, export

NUM = 8


class Setup:
    """A config with its test set and weights, and the files of it that were exported."""

    def __init__(self, folder):
        fallback.ensure()
        self.folder = folder
        self.test = make_coco_set(folder / "coco", NUM)
        self.config = write_config(DETECTOR, self.test, folder / "mask_rcnn.py", mask_model())
        self.checkpoint = write_mask_weights(self.config, folder / "mask_rcnn.pth")
        self.boxes = write_config(DETECTOR, self.test, folder / "faster_rcnn.py")

    def export(self, name, config, checkpoint, **load):
        path = self.folder / name
        if not path.exists():
            load = LoadOptions(shape=(320, 320), **load)
            export(ExportSettings(config, checkpoint, output_file=str(path), load=load))
        return str(path)

    @property
    def masks(self):
        """Dynamic, with the head's masks, and told where padding begins."""
        return self.export("masks.onnx", self.config, self.checkpoint, dynamic=True, mask_output="roi")

    @property
    def fixed(self):
        """Of one size, and of batches of three; not told where padding begins."""
        return self.export("fixed.onnx", self.boxes, weights_of(DETECTOR), batch=3, image_size=False)

    def evaluate(self, config=None, file=None, **settings):
        return evaluate(EvaluationSettings(config or self.config, file or self.masks, **settings))


@pytest.fixture(scope="module")
def setup(tmp_path_factory):
    return Setup(tmp_path_factory.mktemp("detectors"))


@pytest.fixture(scope="module")
def together(setup):
    """Boxes and masks, by the file and by PyTorch, in batches of three that differ in size."""
    return setup.evaluate(metrics=["bbox", "segm"], compare_with=setup.checkpoint, batch_size=3, workers=0)


def test_it_has_the_scores_of_pytorch_side_by_side(together):
    assert set(together.scores) == set(together.reference)
    for name in ("bbox_mAP", "bbox_mAP_50", "bbox_mAP_m", "segm_mAP", "segm_mAP_50", "segm_mAP_m"):
        assert 0.02 < together.reference[name] < 0.98, (name, together.reference)
        assert together.scores[name] == pytest.approx(together.reference[name], abs=1e-3), name


def test_pytorchs_scores_are_those_of_its_own_inference(setup, together):
    from mmcv import Config
    from mmdet.apis import inference_detector, init_detector
    from mmdet.core import encode_mask_results
    from mmdet.datasets import build_dataset

    config = Config.fromfile(setup.config)
    dataset = build_dataset(dict(config.data.test, test_mode=True))
    model = init_detector(setup.config, setup.checkpoint, device="cpu")
    paths = [str(setup.folder / "coco" / "val" / info["filename"]) for info in dataset.data_infos]
    found = [inference_detector(model, path) for path in paths]
    expected = dataset.evaluate([(boxes, encode_mask_results(masks)) for boxes, masks in found], ["bbox", "segm"])
    for name, value in expected.items():
        if not isinstance(value, str):
            assert together.reference[name] == pytest.approx(value, abs=1e-3), name


def test_an_image_has_the_answer_in_a_batch_that_it_has_alone(setup, together):
    sizes = {cv2.imread(str(path)).shape for path in (setup.folder / "coco" / "val").iterdir()}
    assert len(sizes) > 3, "batches have to be of images that differ"
    alone = setup.evaluate(metrics=["bbox", "segm"], batch_size=1, workers=2)
    assert len(alone.results) == NUM and set(alone.scores) == set(together.scores)
    assert alone.scores["segm_mAP"] == pytest.approx(together.scores["segm_mAP"], abs=1e-3)
    for (boxes, _), (others, _) in zip(alone.results, together.results):
        assert [len(rows) for rows in boxes] == [len(rows) for rows in others]
        for rows, same in zip(boxes, others):
            np.testing.assert_allclose(rows, same, atol=0.02)


def test_a_file_of_a_fixed_batch_and_size_takes_a_set_that_is_no_multiple_of_it(setup, capsys):
    found = setup.evaluate(
        setup.boxes, setup.fixed, metrics=["bbox"], compare_with=weights_of(DETECTOR), batch_size=5, workers=0
    )
    assert NUM % 5 and NUM % 3 and len(found.results) == NUM
    # it does not know where the padding begins, and says so
    assert found.scores["bbox_mAP"] == pytest.approx(found.reference["bbox_mAP"], abs=0.02)
    assert "export it for ONNX Runtime, without --no-image-size-input" in capsys.readouterr().out


def test_images_that_are_too_large_for_a_file_are_made_to_fit(setup, capsys):
    """PyTorch gets the same ones: the pipeline makes them."""
    scale = {"data.test.pipeline.1.img_scale": (512, 400)}
    found = setup.evaluate(
        setup.boxes,
        setup.fixed,
        metrics=["bbox"],
        cfg_options=scale,
        compare_with=weights_of(DETECTOR),
        batch_size=6,
    )
    assert "takes images of 320x320: larger ones are resized to fit" in capsys.readouterr().out
    assert 0.3 < found.scores["bbox_mAP"] == pytest.approx(found.reference["bbox_mAP"], abs=0.02)


def test_a_file_without_metadata_such_as_upstreams_is_run_too(setup, tmp_path):
    model = onnx.load(setup.fixed)
    del model.metadata_props[:]
    onnx.save(model, str(tmp_path / "bare.onnx"))
    named, bare = (
        setup.evaluate(setup.boxes, file, batch_size=6, out=str(tmp_path / "r.pkl"))
        for file in (setup.fixed, str(tmp_path / "bare.onnx"))
    )
    for one, two in zip(named.results, bare.results):
        assert all(np.array_equal(rows, same) for rows, same in zip(one, two))


def test_masks_at_the_size_of_the_input_are_brought_to_the_picture(setup, together):
    file = setup.export("pasted.onnx", setup.config, setup.checkpoint, dynamic=True, mask_output="image")
    found = setup.evaluate(file=file, metrics=["segm"])
    assert found.scores["segm_mAP"] == pytest.approx(together.reference["segm_mAP"], abs=0.02)


def test_the_command_prints_both_scores_and_writes_results_and_pictures(setup, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    command = [setup.config, setup.masks, "--eval", "bbox", "segm", "--compare-with", setup.checkpoint]
    command += ["--batch-size", "4", "--workers", "0", "--backend", "onnxruntime", "--out", "results.pkl"]
    assert cli.main(["test", *command, "--show-dir", "shown", "--eval-options", "classwise=True"]) == 0
    lines = capsys.readouterr().out.splitlines()
    (row,) = [line.split() for line in lines if line.startswith(" segm_mAP ")]
    assert float(row[1]) == pytest.approx(float(row[2]), abs=1e-3) and 0.02 < float(row[1]) < 0.98
    assert any("| category | AP" in line for line in lines), "what classwise prints"

    with open("results.pkl", "rb") as file:
        results = pickle.load(file)
    boxes, masks = results[0]
    assert len(results) == NUM and len(boxes) == len(masks) == 10 and boxes[0].shape[1] == 5
    found = [mask for rows in masks for mask in rows]
    assert found and set(found[0]) == {"size", "counts"}
    names = sorted(path.name for path in (tmp_path / "shown").iterdir())
    assert names == [f"{number:012d}.png" for number in range(NUM)]
    picture = cv2.imread(str(tmp_path / "shown" / names[0]))
    assert picture.shape[1] > picture.shape[0] and picture.std() > 20, "two panels"


def test_format_only_writes_what_a_test_server_takes(setup, tmp_path):
    setup.evaluate(format_only=True, options={"jsonfile_prefix": str(tmp_path / "server")})
    entries = json.loads((tmp_path / "server.bbox.json").read_text())
    assert entries and {"image_id", "bbox", "score", "category_id"} <= set(entries[0])
    assert {entry["category_id"] for entry in entries} <= {3 * label + 2 for label in range(10)}


def test_the_digit_set_of_the_config_itself(setup, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    digits.make_detection_set("work_dirs/digits/detection", "test", 6)
    found = evaluate(
        EvaluationSettings(DETECTOR, setup.fixed, ["bbox"], compare_with=weights_of(DETECTOR), batch_size=6)
    )
    assert 0.3 < found.reference["bbox_mAP"] < 0.98
    assert found.scores["bbox_mAP"] == pytest.approx(found.reference["bbox_mAP"], abs=0.02)


def refused(capfd, *arguments):
    """Run a command that must be refused: one line, status 2; the line."""
    capfd.readouterr()
    status = cli.main(["test", *map(str, arguments)])
    lines = [line for line in capfd.readouterr().err.splitlines() if line]
    assert status == 2 and len(lines) == 1 and lines[0].startswith("mmonnx: error: "), lines
    return lines[0]


def test_what_cannot_be_evaluated_is_refused_in_a_line(setup, tmp_path, capfd):
    masks, fixed = (setup.config, setup.masks), (setup.boxes, setup.fixed)
    say = lambda *arguments: refused(capfd, *arguments)  # noqa: E731
    assert "there is nothing to do" in say(*masks)
    assert "'none.onnx' does not exist" in say(setup.config, "none.onnx", "--eval", "bbox")
    assert "metric 'accuracy' is unknown to CocoDataset" in say(*masks, "--eval", "accuracy")
    assert "has no masks" in say(*fixed, "--eval", "segm")
    assert "cannot be built (FileNotFoundError" in say(
        *masks, "--eval", "bbox", "--cfg-options", "data.test.ann_file=none.json"
    )
    assert "an image of the test set cannot be loaded (FileNotFoundError" in say(
        *masks, "--eval", "bbox", "--cfg-options", "data.test.img_prefix=none"
    )
    assert "an image of the test set cannot be loaded (FileNotFoundError" in say(
        *masks, "--eval", "bbox", "--cfg-options", "data.test.img_prefix=none", "--workers", "1"
    )
    assert "has 10 classes, the test set 2" in say(*masks, "--eval", "bbox", "--cfg-options", "data.test.classes=[0,1]")
    assert "is not a pickle file" in say(*masks, "--out", tmp_path / "results.json")
    assert "no name for its files" in say(*masks, "--format-only")
    assert "evaluates nothing" in say(*masks, "--format-only", "--eval", "bbox")
    assert "checkpoint 'none.pth' does not exist" in say(*masks, "--eval", "bbox", "--compare-with", "none.pth")
    assert "--batch-size 0" in say(*masks, "--eval", "bbox", "--batch-size", "0")
    assert "cannot evaluate bbox" in say(*masks, "--eval", "bbox", "--eval-options", "unknown=1")
    assert "RANK is ''" in say(*masks, "--eval", "bbox", "--launcher", "pytorch")
    assert not list(tmp_path.iterdir())


def test_a_file_that_gives_no_detections_is_refused(setup, tmp_path, capfd):
    (tmp_path / "text.onnx").write_text("no model")
    assert "cannot be loaded" in refused(capfd, setup.config, tmp_path / "text.onnx", "--eval", "bbox")
    node = onnx.helper.make_node("Relu", ["input"], ["feature"])
    values = [onnx.helper.make_tensor_value_info(name, 1, ["n", 3, "h", "w"]) for name in ("input", "feature")]
    graph = onnx.helper.make_graph([node], "raw", values[:1], values[1:])
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 11)], ir_version=7)
    onnx.save(model, str(tmp_path / "raw.onnx"))
    line = refused(capfd, setup.config, tmp_path / "raw.onnx", "--eval", "bbox")
    assert "gives feature; expected dets and labels" in line
