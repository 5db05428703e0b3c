"""The digit models in fewer bits: what is lost, what the files say of it, and what every command makes of them."""

import json
import sys
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
from reducible import digit_config, digit_file
from sample_sets import CLASSIFIER, DETECTOR, weights_of

sys.path[:0] = [str(Path(__file__).parents[1] / "docs")]

from pages import ROOT, commands  # noqa: E402

from mmonnx import cli  # noqa: E402
from mmonnx.evaluation import EvaluationSettings, ScoredSet, evaluate  # noqa: E402
from mmonnx.graph import check_target, inspect  # noqa: E402
from mmonnx.loading import LoadOptions  # noqa: E402
from mmonnx.pipeline import ExportSettings, export  # noqa: E402
from mmonnx.precision import PrecisionSettings, QuantizeSettings, measures, quantize, reducing  # noqa: E402
from mmonnx.precision.eight import Quantizer  # noqa: E402
from mmonnx.precision.measures import points  # noqa: E402
from mmonnx.runtime import Session, open_model  # noqa: E402
from mmonnx.support import InputError, LossError  # noqa: E402
from mmonnx.targets import find_target  # noqa: E402
from mmonnx.terminal import Report  # noqa: E402

TRAIN, TEST, RANGES = 90, 60, 12


class Digits:
    """A digit model's config, with small sets, and its file."""

    def __init__(self, kind, folder, train, test):
        self.folder = folder
        self.config = digit_config(kind, folder, train, test)
        self.file = digit_file(kind, folder, self.config)

    def quantize(self, name="reduced.onnx", kind="int8", config=True, **asked):
        path = str(self.folder / name)
        asked = PrecisionSettings(kind, config=self.config if config else None, **asked)
        return quantize(QuantizeSettings(self.file, path, asked), Report()), path


@pytest.fixture(scope="module")
def classifier(tmp_path_factory):
    return Digits("classifier", tmp_path_factory.mktemp("classifier"), TRAIN, TEST)


@pytest.fixture(scope="module")
def detector(tmp_path_factory):
    return Digits("detector", tmp_path_factory.mktemp("detector"), 5, 10)


@pytest.fixture(scope="module")
def quantized(classifier):
    return classifier.quantize(calibrate=RANGES, max_loss=2.0)


@pytest.fixture(scope="module")
def halved(detector):
    return detector.quantize("half.onnx", "fp16", max_loss=0.2)


def test_a_classifier_keeps_its_accuracy_in_less_than_a_third_of_the_size(classifier, quantized):
    found, path = quantized
    assert found.loss.points <= 2.0 and found.loss.images == TEST and found.calibrated.images == RANGES
    assert found.size < 0.3 and Path(path).stat().st_size < 0.3 * Path(classifier.file).stat().st_size
    assert found.layers == 53 and not found.kept
    asked = EvaluationSettings(classifier.config, path, ["accuracy"], workers=0)
    # what is said to be lost is what is lost
    assert evaluate(asked).scores["accuracy_top-1"] == pytest.approx(found.loss.after)


def test_the_file_says_what_was_done_on_which_images_and_what_was_lost(classifier, quantized):
    found, path = quantized
    about = inspect(path)["metadata"]["mmonnx.precision"]
    assert about["precision"] == "int8" and about["calibration"]["images"] == RANGES
    assert "the training set" in about["calibration"]["source"] and len(about["calibration"]["digest"]) == 64
    assert about["loss"]["figure"] == "accuracy_top-1" and "the test set" in about["loss"]["source"]
    assert about["loss"]["points"] == pytest.approx(found.loss.points, abs=1e-3) and about["time"] > 0
    # all else that it says of itself is as it was
    before = {entry.key: entry.value for entry in onnx.load(classifier.file).metadata_props}
    after = {entry.key: entry.value for entry in onnx.load(path).metadata_props}
    assert {key: after[key] for key in before} == before


def test_every_command_knows_such_a_file(classifier, quantized, tmp_path, capsys):
    _, path = quantized
    picture = str(next((classifier.folder / "classifier" / "test").rglob("*.png")))
    assert cli.main(["predict", path, picture, "--json", str(tmp_path / "found.json")]) == 0
    assert cli.main(["check", path]) == 0
    assert cli.main(["inspect", path, "--shape", "64", "64", "--html", str(tmp_path / "page.html")]) == 0
    capsys.readouterr()
    assert cli.main(["check", path, "--target", "pplnn", "--json"]) == 1
    assert "QuantizeLinear" in capsys.readouterr().out
    whole, ours = (inspect(name, (64, 64)) for name in (classifier.file, path))
    assert abs(ours["parameters"] - whole["parameters"]) < 8  # bounds of clips
    assert ours["flops"]["total"] == whole["flops"]["total"]


def test_a_detector_keeps_its_boxes_in_float32(detector):
    found, path = detector.quantize(calibrate=4, max_loss=100.0)
    model = onnx.load(path)
    assert found.loss.figure == "bbox_mAP" and found.loss.points < 8 and found.size < 0.3
    read = {name for node in model.graph.node if node.op_type == "DequantizeLinear" for name in node.output}
    for node in model.graph.node:
        if node.op_type in ("NonMaxSuppression", "TopK", "Exp", "Softmax", "Where"):
            assert not read & set(node.input), node.name
        if node.op_type == "RoiAlign":
            assert not read & set(node.input[1:]), node.name


def test_a_detector_in_half_loses_nothing(detector, halved):
    found, path = halved
    assert found.size <= 0.52 and found.calibrated is None and abs(found.loss.points) <= 0.2
    picture = cv2.imread(str(detector.folder / "detector" / "test" / "000000.png"))
    expected, actual = (open_model(name, "cpu")(picture) for name in (detector.file, path))
    sure = expected.scores > 0.1
    assert sure.any() and len(expected.labels) == len(actual.labels)
    np.testing.assert_allclose(expected.dets[sure, :4], actual.dets[: len(sure)][sure, :4], atol=0.5)
    assert Session(path).input_type("input") == "tensor(float)"
    assert [str(one) for one in check_target(onnx.load(path), find_target("pplnn"))]


def test_a_detector_in_half_finds_its_boxes_beyond_2048_pixels(detector, halved):
    """float16 has no odd numbers there: by the converter's defaults boxes are a pixel off, and more."""
    _, path = halved
    picture = cv2.imread(str(detector.folder / "detector" / "test" / "000000.png"))
    height, width = picture.shape[:2]
    image = np.zeros((1, 3, 2080 + height, 2080 + width), np.float32)
    image[0, :, 2080:, 2080:] = (picture.transpose(2, 0, 1) - 116.0) / 57.0
    (expected, _), (actual, _) = (list(Session(name).run({"input": image}).values()) for name in (detector.file, path))
    sure = expected[0, expected[0, :, 4] > 0.3, :4]
    assert len(sure) and sure.min() > 2048
    apart = np.abs(sure[:, None] - actual[:, :, :4]).max(2).min(1)
    assert apart.max() < 0.5, apart


def test_a_file_is_judged_in_the_runtime_that_it_is_for(classifier, capsys):
    found, path = classifier.quantize("openvino.onnx", calibrate=4, target="openvino", max_loss=10.0, measure=20)
    told = " ".join(capsys.readouterr().out.split())
    about = inspect(path)["metadata"]["mmonnx.precision"]
    assert about["runtime"] == found.runtime and f"in {found.runtime} on this machine" in told
    if "loss and time are measured in ONNX Runtime: openvino is not installed" in told:
        assert found.runtime == "ONNX Runtime"
    else:
        assert found.runtime.startswith("OpenVINO 20")


def test_layers_are_ranked_where_that_is_asked_for(classifier, tmp_path, capsys):
    found, path = classifier.quantize("ranked.onnx", calibrate=4, max_loss=100.0, report=True)
    assert len(found.noise) == 53 and "noise that it alone brings" in capsys.readouterr().out
    assert cli.main(["inspect", path, "--html", str(tmp_path / "page.html")]) == 0
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    loudest = max(found.noise, key=lambda name: found.noise[name])
    assert "Noise by layer" in text and loudest in text and found.loss.source in text


def test_single_answers_are_compared(detector):
    found, path = detector.quantize("half.onnx", "fp16", max_loss=1.0)
    told = found.changes
    assert told.pictures == 10 and told.total > 10 and told.kept >= told.total - 1
    assert told.scores[0] < 0.01 and told.overlaps[0] > 0.99
    assert inspect(path)["metadata"]["mmonnx.precision"]["changes"]["kept"] == told.kept


def test_pictures_alone_are_half_calibrated_and_half_measured_on(classifier):
    folder = str(classifier.folder / "classifier" / "train" / "3")
    for place in range(4):
        cv2.imwrite(f"{folder}/more{place}.png", np.full((64, 64, 3), 40 * place, np.uint8))
    found, _ = classifier.quantize(config=False, images=folder, max_loss=100.0)
    assert found.loss.figure == "same class, %" and found.calibrated.source == folder
    assert found.loss.images + found.calibrated.images == len(list(Path(folder).iterdir()))


@pytest.fixture
def pictures(classifier, tmp_path):
    """A folder with six pictures, and three files that are none."""
    for place in range(6):
        cv2.imwrite(str(tmp_path / f"{place}.png"), np.full((64, 64, 3), 40 * place, np.uint8))
    (tmp_path / "2broken.png").write_bytes(b"")
    (tmp_path / "3broken.jpg").write_text("no picture")
    (tmp_path / "4broken.png").write_bytes((tmp_path / "4.png").read_bytes()[:40])
    return tmp_path


def test_broken_pictures_are_left_out_and_told_of(classifier, pictures, capsys):
    found, _ = classifier.quantize(config=False, images=str(pictures), max_loss=100.0)
    assert found.loss.images + found.calibrated.images == 6
    told = " ".join(capsys.readouterr().out.split())
    assert "pictures are left out: " in told and ", and 2 more" in told
    assert f"ranges are taken of {found.calibrated.images} images, not of 32: there are no more" in told


@pytest.mark.parametrize("left, words", [(0, "holds no image"), (1, "holds 1 pictures")])
def test_a_folder_without_enough_pictures_is_refused(classifier, tmp_path, left, words):
    for place in range(left):
        cv2.imwrite(str(tmp_path / f"{place}.png"), np.zeros((64, 64, 3), np.uint8))
    with pytest.raises(InputError, match=words):
        classifier.quantize("never.onnx", config=False, images=str(tmp_path))
    assert not (classifier.folder / "never.onnx").exists()


def test_images_of_the_test_set_are_not_measured_on_where_ranges_are_of_them(classifier, capsys):
    gone = {"data.train.data_prefix": "/nowhere"}
    found, _ = classifier.quantize(calibrate=20, cfg_options=gone, max_loss=100.0)
    assert found.loss.images == TEST - 20 and "the test set" in found.calibrated.source
    assert "ranges are taken of images of the test set" in capsys.readouterr().out
    first = ScoredSet(classifier.config, classifier.file, most=20)
    rest = ScoredSet(classifier.config, classifier.file, without=20)
    assert not set(first.places) & set(rest.places) and len(first) + len(rest) == TEST


def test_a_loss_that_is_too_large_writes_nothing(classifier, monkeypatch):
    given = iter([90.0])
    monkeypatch.setattr(measures, "figures", lambda scores: {"accuracy_top-1": next(given, 80.0)})
    with pytest.raises(LossError, match="fp16 loses more than is allowed: accuracy_top-1 90.00 to 80.00"):
        classifier.quantize("never.onnx", "fp16", measure=2)
    assert not (classifier.folder / "never.onnx").exists()


def without_a_layer(model):
    """A planted fault: one layer's weights are 0, and nothing leads around it."""
    stored = [one for one in model.graph.initializer if one.data_type == onnx.TensorProto.INT8 and len(one.dims) > 1]
    broken = stored[-1]
    broken.CopyFrom(onnx.numpy_helper.from_array(0 * onnx.numpy_helper.to_array(broken), broken.name))
    return model


def with_half_scales(model):
    """A planted fault: what the eight bits of activations are read by is half as large as it should be."""
    stored = {one.name: one for one in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type == "DequantizeLinear" and not stored[node.input[1]].dims:
            value, name = onnx.numpy_helper.to_array(stored[node.input[1]]), f"{node.name}_half"
            model.graph.initializer.append(onnx.numpy_helper.from_array(np.asarray(value / 2, np.float32), name))
            node.input[1] = name
    return model


@pytest.mark.parametrize("fault", [without_a_layer, with_half_scales])
def test_a_broken_conversion_is_not_taken(classifier, fault, monkeypatch):
    whole = Quantizer.quantized
    monkeypatch.setattr(Quantizer, "quantized", lambda *how: fault(whole(*how)))
    monkeypatch.setattr(reducing, "ranked", lambda reducing, layers, *_: dict.fromkeys(list(layers)[:2], 0.0))
    with pytest.raises(LossError, match="int8 loses more than is allowed: accuracy_top-1"):
        classifier.quantize("never.onnx", calibrate=4, max_loss=2.0)
    assert not (classifier.folder / "never.onnx").exists()


class Scored:
    """A test set whose figures are given, one after the other."""

    title = "a test set"

    def __init__(self, *scores):
        self.left = iter(scores)

    def __len__(self):
        return 7

    def score(self, *_):
        return next(self.left)


@pytest.mark.parametrize("scores", [{}, {"bbox_mAP": -1.0}, {"bbox_mAP": float("nan")}, {"bbox_mAP": 0.0}])
def test_a_file_that_finds_nothing_has_lost_everything(scores):
    measure = measures.ByMetric(Scored({"bbox_mAP": 0.4}, scores), "x.onnx", "onnxruntime")
    assert measure.loss("y.onnx").points == 40.0


def test_of_nothing_nothing_can_be_lost():
    with pytest.raises(InputError, match="has no point of bbox_mAP on 7 images of a test set"):
        measures.ByMetric(Scored({"bbox_mAP": 0.0}), "x.onnx", "onnxruntime")


def test_a_slow_file_is_told_of(classifier, monkeypatch, capsys):
    monkeypatch.setattr(reducing, "side_by_side", lambda *_, **__: (10.0, 14.0, 1.4))
    found, _ = classifier.quantize("slow.onnx", "fp16", max_loss=5.0)
    assert found.time == 1.4 and "is slower than the float32 file: 1.40 of its time" in capsys.readouterr().out


@pytest.mark.parametrize(
    "asked, words",
    [
        (dict(config=None), "int8 has no images to calibrate and to measure on"),
        (dict(calibrate=1), "--calibrate 1 is not a number of images"),
        (dict(max_loss=-1.0), "--max-loss -1 is no loss"),
        (dict(images="/nowhere"), "--images '/nowhere' is no folder"),
        (dict(target="pplnn"), "pplnn is not known to take int8 files"),
        (
            dict(target="ncnn", precision="fp16"),
            "ncnn is not known to take fp16 files; expected --target onnxruntime or",
        ),
        (dict(precision="int4"), "precision 'int4' is unknown"),
        (dict(cfg_options={"data.test.data_prefix": "/nowhere"}), "cannot be built"),
    ],
)
def test_what_cannot_work_is_refused(classifier, asked, words):
    asked = PrecisionSettings(**{"precision": "int8", "config": classifier.config, **asked})
    path = classifier.folder / "refused.onnx"
    with pytest.raises(InputError, match=words):
        quantize(QuantizeSettings(classifier.file, str(path), asked), Report())
    assert not path.exists()


def test_a_reduced_file_is_not_reduced_again(classifier, quantized):
    with pytest.raises(InputError, match="is reduced already"):
        quantize(QuantizeSettings(quantized[1], "x.onnx", PrecisionSettings("int8", classifier.config)), Report())


def test_a_file_without_metadata_is_run_by_its_config(classifier, tmp_path):
    model = onnx.load(classifier.file)
    del model.metadata_props[:]
    onnx.save(model, str(tmp_path / "bare.onnx"))
    asked = PrecisionSettings("fp16", classifier.config, measure=20, max_loss=10.0)
    found = quantize(QuantizeSettings(str(tmp_path / "bare.onnx"), str(tmp_path / "half.onnx"), asked), Report())
    assert found.loss.images == 20 and found.changes is None
    pictures = PrecisionSettings("fp16", images=str(classifier.folder / "classifier" / "test" / "1"))
    with pytest.raises(InputError, match=r"bare.onnx' does not say how it is to be run; expected .* or --config"):
        quantize(QuantizeSettings(str(tmp_path / "bare.onnx"), str(tmp_path / "x.onnx"), pictures), Report())


def test_a_file_with_its_pipeline_inside_is_reduced_by_its_export(classifier, tmp_path):
    path = str(tmp_path / "inside.onnx")
    weights = weights_of(CLASSIFIER)
    load, asked = LoadOptions(shape=(64, 64), dynamic=True), PrecisionSettings("int8", calibrate=4, max_loss=10.0)
    export(ExportSettings(classifier.config, weights, path, load, with_preprocess="normalize", precision=asked))
    model = onnx.load(path)
    assert "QuantizeLinear" in [node.op_type for node in model.graph.node]
    whole, ours = (
        open_model(one, "cpu")(str(next((classifier.folder / "classifier" / "test").rglob("*.png"))))
        for one in (classifier.file, path)
    )
    assert whole.probs.argmax() == ours.probs.argmax()
    with pytest.raises(InputError, match="is reduced already"):
        quantize(QuantizeSettings(path, "x.onnx", PrecisionSettings("int8", classifier.config)), Report())
    path = str(tmp_path / "whole.onnx")
    export(ExportSettings(classifier.config, weights, path, load, with_preprocess="normalize"))
    with pytest.raises(InputError, match="takes pictures as they are; .* --with-preprocess and --precision int8"):
        quantize(QuantizeSettings(path, "x.onnx", PrecisionSettings("int8", classifier.config)), Report())


def test_figures_are_points_of_a_hundred():
    assert points({"bbox_mAP": 0.5, "bbox_mAP_50": 0.8}) == {"bbox_mAP": 50.0}
    assert points({"accuracy_top-1": 97.0, "accuracy_top-5": 99.0}) == {"accuracy_top-1": 97.0}
    assert points({"coco/bbox_mAP": 0.25, "coco/segm_mAP": 0.2}) == {"coco/bbox_mAP": 25.0, "coco/segm_mAP": 20.0}
    with pytest.raises(InputError, match="none of the figures EPE"):
        points({"EPE": 3.0})


COMMANDS = commands((ROOT / "docs/precision.md").read_text(encoding="utf-8"))


@pytest.mark.once
@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_of_the_page_works(classifier, detector, command, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for kind, one in (("classifier", classifier), ("detector", detector)):
        Path(f"my_{kind}.py").write_bytes(Path(one.config).read_bytes())
        Path(f"{kind}.onnx").write_bytes(Path(one.file).read_bytes())
        Path(f"{kind}.pth").write_bytes(Path(weights_of(DETECTOR if kind == "detector" else CLASSIFIER)).read_bytes())
    Path("photos").symlink_to(classifier.folder / "classifier" / "test" / "1")
    words = command.split()
    if words[1] in ("export", "quantize"):
        words += ["--max-loss", "100", "--calibrate", "4", "--measure", "4"]
    if words[1] == "export":
        words += ["--shape", *(["320", "320"] if "detector" in command else ["64", "64"])]
    assert cli.main(words[1:]) == 0
    written = words[words.index("--output-file") + 1] if "--output-file" in words else None
    if written:
        stored = {entry.key: entry.value for entry in onnx.load(written).metadata_props}
        assert json.loads(stored["mmonnx.precision"])["precision"] in command
