"""Files of mmdet 3 and mmpretrain on test sets of OpenMMLab 2.x: upstream's own figures, in every process."""

import contextlib
import json
import multiprocessing
import os
import pickle
import socket
import warnings

import numpy as np
import onnx
import pytest

pytest.importorskip("mmengine")
pytest.importorskip("mmdet.registry")
pytest.importorskip("mmpretrain")

from crowds import wait_for  # noqa: E402
from sample_sets import CLASSIFIER, weights_of  # noqa: E402
from second_sets import write_classifier, write_detector, write_detector_weights  # noqa: E402

from mmonnx import cli  # noqa: E402
from mmonnx.evaluation import EvaluationSettings, evaluate  # noqa: E402
from mmonnx.loading import LoadOptions  # noqa: E402
from mmonnx.pipeline import ExportSettings, export  # noqa: E402

NUM = 5  # no multiple of two, nor of the batches


class Setup:
    """Configs with their sets and weights, files of them, and what upstream's own test loop says."""

    def __init__(self, folder):
        self.folder = folder
        self.detector = write_detector(folder, NUM, masks=True)
        self.checkpoint = write_detector_weights(self.detector, folder / "detector.pth", masks=True)
        self.classifier, self.weights = write_classifier(folder, 24), weights_of(CLASSIFIER)

    def export(self, name, config, checkpoint, **load):
        path = self.folder / name
        if not path.exists():
            export(ExportSettings(config, checkpoint, output_file=str(path), load=LoadOptions(**load)))
        return str(path)

    @property
    def masks(self):
        """Dynamic, with the head's masks."""
        return self.export(
            "masks.onnx", self.detector, self.checkpoint, shape=(320, 320), dynamic=True, mask_output="roi"
        )

    @property
    def probs(self):
        return self.export("probs.onnx", self.classifier, self.weights, dynamic=True)

    def of_upstream(self, config, checkpoint, *more, **overrides):
        """The figures of mmengine's Runner, an image a batch; and the last of further metrics' results."""
        from mmengine import Config
        from mmengine.runner import Runner

        settings = Config.fromfile(config)
        settings.merge_from_dict({"test_dataloader.batch_size": 1, **overrides})
        settings.test_evaluator = [settings.test_evaluator, *more]
        settings.update(work_dir=str(self.folder / "work"), load_from=checkpoint, log_level="ERROR")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return Runner.from_cfg(settings).test()


@pytest.fixture(scope="module")
def setup(tmp_path_factory):
    return Setup(tmp_path_factory.mktemp("second"))


@pytest.fixture(scope="module")
def together(setup):
    """Boxes and masks, by the file and by PyTorch, in batches of three that differ in size."""
    return evaluate(EvaluationSettings(setup.detector, setup.masks, compare_with=setup.checkpoint, batch_size=3))


def moved(source, target, name, value):
    """A copy of a file whose output is moved by a value: a wrong file."""
    model = onnx.load(source)
    for node in model.graph.node:
        node.output[:] = ["right" if one == name else one for one in node.output]
        node.input[:] = ["right" if one == name else one for one in node.input]
    model.graph.initializer.append(onnx.numpy_helper.from_array(np.asarray(value, np.float32), "move"))
    model.graph.node.append(onnx.helper.make_node("Add", ["right", "move"], [name]))
    onnx.save(model, str(target))
    return str(target)


def test_a_detectors_figures_are_those_of_upstreams_own_loop(setup, together):
    from pycocotools import mask as coco

    dump = dict(type="DumpDetResults", out_file_path=str(setup.folder / "upstream.pkl"))
    expected = setup.of_upstream(setup.detector, setup.checkpoint, dump)
    assert 0.3 < expected["coco/bbox_mAP"] < 0.98 and 0.02 < expected["coco/segm_mAP"] < 0.98
    for found in (together.scores, together.reference):
        assert found == pytest.approx(expected, abs=2e-3)
    with open(str(setup.folder / "upstream.pkl"), "rb") as file:
        samples = pickle.load(file)
    assert [one["img_id"] for one in together.results] == [one["img_id"] for one in samples]
    assert len({one["scale_factor"] for one in samples}) > 1, "no picture was resized"
    for ours, theirs in zip(together.results, samples):
        assert set(ours["pred_instances"]) == set(theirs["pred_instances"]) and ours["ori_shape"] == theirs["ori_shape"]
        ours, theirs = ours["pred_instances"], theirs["pred_instances"]
        assert len(ours["labels"]) == len(theirs["labels"]) > 0
        np.testing.assert_array_equal(ours["labels"], theirs["labels"])
        np.testing.assert_allclose(ours["bboxes"], theirs["bboxes"], atol=0.01)
        np.testing.assert_allclose(ours["scores"], theirs["scores"], atol=1e-4)
        for one, two in zip(ours["masks"], theirs["masks"]):
            assert np.not_equal(coco.decode(one), coco.decode(two)).mean() < 1e-3


def test_a_wrong_file_has_other_figures(setup, together, tmp_path):
    wrong = moved(setup.masks, tmp_path / "wrong.onnx", "dets", [6.0, 0.0, 6.0, 0.0, 0.0])
    found = evaluate(EvaluationSettings(setup.detector, wrong)).scores
    for name in ("coco/bbox_mAP", "coco/segm_mAP"):
        assert found[name] < together.scores[name] - 0.02


def test_metrics_options_and_outputs_are_those_asked_for(setup, together, tmp_path, capsys):
    more = dict(out=str(tmp_path / "r.pkl"), show_dir=str(tmp_path / "shown"), options={"classwise": True})
    found = evaluate(EvaluationSettings(setup.detector, setup.masks, ["segm"], **more))
    assert found.scores["coco/segm_mAP"] == together.scores["coco/segm_mAP"]
    assert set(found.scores) > {"coco/segm_mAP", "coco/7_precision"} and "coco/bbox_mAP" not in found.scores
    assert "| category | mAP" in capsys.readouterr().out
    with open(str(tmp_path / "r.pkl"), "rb") as file:
        assert [one["img_id"] for one in pickle.load(file)] == [one["img_id"] for one in found.results]
    assert sorted(path.name for path in (tmp_path / "shown").iterdir()) == [f"{n:012d}.png" for n in range(NUM)]
    evaluate(
        EvaluationSettings(
            setup.detector, setup.masks, format_only=True, options={"jsonfile_prefix": str(tmp_path / "sent")}
        )
    )
    entries = json.loads((tmp_path / "sent.segm.json").read_text())
    assert len(entries) == sum(len(one["pred_instances"]["labels"]) for one in found.results)


def test_images_that_are_too_large_for_a_file_are_made_to_fit(setup, capsys):
    """PyTorch gets the same ones: the pipeline makes them. The padding of mmcv's Pad is a part of the image."""
    fixed = setup.export("fixed.onnx", setup.detector, setup.checkpoint, shape=(224, 256), batch=2, mask_output="roi")
    padded = [
        dict(type="LoadImageFromFile"),
        dict(type="Resize", scale=(400, 400), keep_ratio=True),
        dict(type="Pad", size=(400, 400), pad_val=dict(img=(114, 114, 114))),
        dict(type="PackDetInputs", meta_keys=("img_id", "img_path", "ori_shape", "img_shape", "scale_factor")),
    ]
    changed = {"test_dataloader.dataset.pipeline": padded}
    found = evaluate(EvaluationSettings(setup.detector, fixed, cfg_options=changed, compare_with=setup.checkpoint))
    assert "takes images of 224x256: larger ones are resized to fit" in capsys.readouterr().out
    assert found.reference["coco/bbox_mAP"] > 0.1
    assert found.scores == pytest.approx(found.reference, abs=2e-3)
    assert {one["img_shape"] for one in found.results} == {(224, 256)}


def test_a_classifiers_figures_are_those_of_upstreams_own_loop(setup, tmp_path):
    expected = setup.of_upstream(setup.classifier, setup.weights)
    assert 50 < expected["accuracy/top1"] <= expected["accuracy/top3"] < 100
    found = evaluate(EvaluationSettings(setup.classifier, setup.probs, compare_with=setup.weights))
    assert found.scores == found.reference == expected
    best = setup.export("best.onnx", setup.classifier, setup.weights, dynamic=True, topk=3)
    assert evaluate(EvaluationSettings(setup.classifier, best)).scores == expected
    wrong = moved(setup.probs, tmp_path / "wrong.onnx", "probs", np.eye(10)[3])
    assert evaluate(EvaluationSettings(setup.classifier, wrong)).scores["accuracy/top1"] < expected["accuracy/top1"]
    # names of mmcls's, and types of metrics
    named = evaluate(EvaluationSettings(setup.classifier, setup.probs, ["precision", "f1_score", "MultiLabelMetric"]))
    single = setup.of_upstream(setup.classifier, setup.weights, dict(type="SingleLabelMetric", items=("f1-score",)))
    assert named.scores["single-label/f1-score"] == pytest.approx(single["single-label/f1-score"])
    assert {"single-label/precision", "multi-label/recall"} < set(named.scores) and "accuracy/top1" not in named.scores


def test_several_processes_have_the_figures_of_one(setup, tmp_path):
    alone = evaluate(EvaluationSettings(setup.classifier, setup.probs, batch_size=2))
    arguments = [setup.classifier, setup.probs, "--batch-size", "2", "--workers", "0", "--launcher", "slurm"]
    first, second = in_two_processes([*arguments, "--out", str(tmp_path / "r.pkl")], tmp_path)
    assert first[0] == second[0] == 0 and second[1] == "", (first, second)
    assert f"{alone.scores['accuracy/top1']:.4f}" in first[1] and "in 2 processes" in first[1]
    with open(str(tmp_path / "r.pkl"), "rb") as file:
        found = pickle.load(file)
    np.testing.assert_allclose(
        np.stack([one["pred_score"] for one in found]),
        np.stack([one["pred_score"] for one in alone.results]),
        atol=1e-5,
    )


def in_two_processes(arguments, folder):
    """Run the command in two forks: status and output of each."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    fork = multiprocessing.get_context("fork")
    forks = [fork.Process(target=_command, args=(arguments, folder / f"{rank}.out", rank, port)) for rank in (0, 1)]
    for one in forks:
        one.start()
    wait_for(forks)
    return [(one.exitcode, (folder / f"{rank}.out").read_text()) for rank, one in enumerate(forks)]


def _command(arguments, path, rank, port):
    of_slurm = dict(PROCID=str(rank), LOCALID=str(rank), NTASKS="2", NODELIST="localhost")
    os.environ.update({f"SLURM_{name}": value for name, value in of_slurm.items()}, MASTER_PORT=port)
    status = 1
    with path.open("w") as stream, contextlib.redirect_stdout(stream):
        try:
            status = cli.main(["test", *arguments])
        except SystemExit as stop:
            status = stop.code
    os._exit(status)


def test_what_cannot_be_evaluated_is_refused_in_a_line(setup, capfd):
    def say(*arguments):
        capfd.readouterr()
        status = cli.main(["test", setup.detector, setup.masks, *map(str, arguments)])
        lines = [line for line in capfd.readouterr().err.splitlines() if line]
        assert status == 2 and len(lines) == 1 and lines[0].startswith("mmonnx: error: "), lines
        return lines[0]

    data = "test_dataloader.dataset."
    assert "metric should be one of" in say("--eval", "mAP")
    assert "--eval-options unknown is unknown to the metrics (CocoMetric)" in say("--eval-options", "unknown=1")
    assert "cannot be built (FileNotFoundError" in say("--cfg-options", f"{data}ann_file=none.json")
    assert "an image of the test set cannot be loaded" in say("--cfg-options", f"{data}data_prefix.img=nowhere")
    assert "has 10 classes, the test set 2" in say("--cfg-options", f"{data}metainfo.classes=[0,1]")
    assert "cannot evaluate bbox" in say("--cfg-options", "test_evaluator.ann_file=none.json")
    assert "no name for its files" in say("--format-only")
