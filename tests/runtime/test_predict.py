"""``mmonnx predict`` and ``mmonnx.runtime`` on the digit models: what goes in, what comes out, what the files tell."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
from PIL import Image
from resident import needs_resident
from stand_in_engine import planted

from mmonnx import cli, fallback, pipeline
from mmonnx.datasets import digits
from mmonnx.environment import compat
from mmonnx.graph.inspecting import inspect
from mmonnx.loading import LoadOptions
from mmonnx.runtime import Classifier, Detector, read_image
from mmonnx.runtime.drawing import color_of
from mmonnx.support.resources import config_root
from mmonnx.support.version import __version__
from mmonnx.verifying.matching import match

CONFIGS = config_root() / "digits"
SHAPES = {"faster_rcnn_digits": ("96", "128"), "mobilenet_v2_digits": ("64", "64")}
PALETTE = [(10 * number, 255 - number, number) for number in range(10)]
ROOT = str(Path(__file__).resolve().parents[2])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Both models as files, and a folder of pictures: two in it, one further down, and what is no picture."""
    folder = tmp_path_factory.mktemp("digits")
    for name, shape in SHAPES.items():
        command = ["export", str(CONFIGS / f"{name}.py"), str(CONFIGS / f"{name}.pth"), "--shape", *shape]
        command += ["--output-file", str(folder / f"{name}.onnx"), "--simplify", "--dynamic-export", "--verify"]
        command += ["--cfg-options", f"data.test.palette={PALETTE}".replace(" ", "")]
        assert cli.main(command + (["--image-size-input"] if name.startswith("faster") else [])) == 0
    pictures = [sample.image for sample in digits.detection_samples("test", 8, seed=0) if len(sample.labels)][:3]
    for name, picture in zip(("a.png", "b[red].jpg", "deep/c.png"), pictures):
        (folder / "photos" / name).parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(folder / "photos" / name), picture)
    (folder / "photos" / "notes.txt").write_text("no picture")
    return folder


@pytest.fixture(scope="module")
def detector(folder):
    return Detector(folder / "faster_rcnn_digits.onnx")


@pytest.fixture(scope="module")
def classifier(folder):
    return Classifier(folder / "mobilenet_v2_digits.onnx")


def predict(folder, name, *arguments):
    """Run the command; its status."""
    return cli.main(["predict", str(folder / f"{name}.onnx"), *map(str, arguments)])


EXPECTED = {
    "faster_rcnn_digits": {
        "task": "detection",
        "score_thr": 0.05,
        "max_per_img": 100,
        "pipeline": ["resize", "normalize", "pad"],
        "outputs": ["dets", "labels"],
    },
    "mobilenet_v2_digits": {
        "task": "classification",
        "score_thr": 0.0,
        "max_per_img": None,
        "pipeline": ["resize", "crop", "normalize"],
        "outputs": ["probs"],
    },
}


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_a_file_says_everything_of_itself(folder, name):
    from mmcv import Config

    found = inspect(str(folder / f"{name}.onnx"))["metadata"]
    about = {key[len("mmonnx.") :]: value for key, value in found.items() if key.startswith("mmonnx.")}
    assert len(about) == len(found), "nothing is left of the simplifier's"
    expected = EXPECTED[name]
    assert about["classes"] == list("0123456789") and about["palette"] == [list(color) for color in PALETTE]
    assert [about[key] for key in ("task", "score_thr", "max_per_img")] == [
        expected[key] for key in ("task", "score_thr", "max_per_img")
    ]
    steps = {step["type"]: step for step in about["pipeline"]}
    assert list(steps) == expected["pipeline"]
    assert steps["normalize"]["mean"] == [123.675, 116.28, 103.53] and steps["normalize"]["to_rgb"] is True
    assert steps["normalize"]["std"] == [58.395, 57.12, 57.375]
    resize = {"within": [320, 320], "short": [64]}
    assert steps["resize"]["size"] == resize[steps["resize"]["rule"]] and steps["resize"]["interpolation"] == "bilinear"
    assert steps.get("pad", {"divisor": 32, "value": 0.0})["divisor"] == 32
    assert list(about["outputs"]) == expected["outputs"] and all(about["outputs"].values())
    config = CONFIGS / f"{name}.py"
    assert about["config"] == str(config) and about["checkpoint"] == str(config.with_suffix(".pth"))
    assert about["checkpoint_sha256"] == hashlib.sha256(config.with_suffix(".pth").read_bytes()).hexdigest()
    source = Config.fromfile(str(config))
    source.merge_from_dict({"data.test.palette": PALETTE})
    assert Config.fromstring(about["config_text"], ".py")._cfg_dict == source._cfg_dict
    versions = about["versions"]
    assert versions["mmonnx"] == __version__ and versions["onnx"] == onnx.__version__
    assert versions["torch"] == compat.installed_version("torch") and "mmcls" in versions and "onnxruntime" in versions
    assert about["target"] == "onnxruntime" and about["simplifier"] in ("onnxsim", "onnxslim", "onnxruntime")
    compared = [case["verdict"] for case in about["verified"] if case["verdict"] != "empty"]
    assert len(compared) >= 4 and set(compared) == {"ok"}
    assert sum(case["matched"] for case in about["verified"]) > 0


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_its_names_are_those_of_the_modules(folder, name):
    fallback.ensure()
    from mmonnx import loading

    task = loading.load(str(CONFIGS / f"{name}.py"), None, LoadOptions(shape=(64, 64)))
    modules, weights = (
        dict(found()) for found in (task.module.model.named_modules, task.module.model.named_parameters)
    )
    graph = onnx.load(str(folder / f"{name}.onnx")).graph
    convolutions = [node for node in graph.node if node.op_type == "Conv"]
    assert len(convolutions) > 20
    for node in convolutions:
        module = node.name.rsplit("/", 1)[0]
        assert type(modules[module]).__name__.startswith("Conv"), node.name
        assert node.input[1].startswith(f"{module}.weight") and f"{module}.weight" in weights
        # an end of the model has a name of its own
        assert node.output[0].startswith((f"{module}/Conv", f"{module}.output_"))
    inner = [node.name.rsplit("/", 1)[0] for node in graph.node if "/" in node.name]
    assert all(module in modules for module in inner), set(inner) - set(modules)


def test_folders_patterns_and_files_are_found_each_once(folder, tmp_path):
    photos = folder / "photos"
    sources = [photos, photos / "*.png", photos / "**" / "*.png", photos / "a.png"]
    arguments = ["--json", tmp_path / "found.json", "--out", tmp_path / "drawn"]
    assert predict(folder, "mobilenet_v2_digits", *sources, *arguments) == 0
    found = json.loads((tmp_path / "found.json").read_text())
    assert [os.path.relpath(entry["file"], str(photos)) for entry in found] == ["a.png", "b[red].jpg", "deep/c.png"]
    assert sorted(path.name for path in (tmp_path / "drawn").iterdir()) == ["a.png", "b[red].jpg", "c.png"]
    for entry in found:
        scores = [one["score"] for one in entry["classes"]]
        assert (
            len(scores) == 10 and scores == sorted(scores, reverse=True) and sum(scores) == pytest.approx(1, abs=1e-4)
        )


@pytest.mark.parametrize("source, words", [("photos/*.gif", "does not exist"), ("empty", "holds no image")])
def test_a_source_without_a_picture_is_refused(folder, tmp_path, capfd, source, words):
    (folder / "empty").mkdir(exist_ok=True)
    assert predict(folder, "mobilenet_v2_digits", folder / source, "--json", tmp_path / "found.json") == 2
    lines = capfd.readouterr().err.splitlines()
    assert len(lines) == 1 and words in lines[0] and not list(tmp_path.iterdir()), lines


@pytest.mark.parametrize("orientation", range(1, 9))
def test_pictures_are_turned_as_their_exif_data_say(folder, classifier, tmp_path, orientation):
    import mmcv

    path = str(tmp_path / "turned.jpg")
    exif = Image.Exif()
    exif[0x0112] = orientation
    with Image.open(str(folder / "photos" / "a.png")) as picture:
        picture.convert("RGB").crop((0, 0, 150, 100)).save(path, exif=exif)
    expected = mmcv.imread(path)
    assert expected.shape[:2] == ((100, 150) if orientation < 5 else (150, 100))
    assert (read_image(path) == expected).all()
    assert (classifier(path).probs == classifier(expected).probs).all()


@pytest.fixture(scope="module")
def video(folder):
    """Seven frames, in which a picture moves to the left."""
    path, picture = folder / "video.avi", read_image(str(folder / "photos" / "a.png"))
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 5.0, (192, 160))
    assert writer.isOpened()
    for number in range(7):
        writer.write(np.ascontiguousarray(picture[:160, number * 4 : number * 4 + 192]))
    writer.release()
    return path


def frames_of(path):
    capture, frames = cv2.VideoCapture(str(path)), []
    while True:
        there, frame = capture.read()
        if not there:
            return frames, capture.get(cv2.CAP_PROP_FPS)
        frames.append(frame)


def test_every_frame_of_a_video_is_answered_and_drawn(folder, detector, video, tmp_path):
    arguments = ["--json", tmp_path / "found.json", "--coco", tmp_path / "coco.json", "--out", tmp_path / "drawn"]
    assert predict(folder, "faster_rcnn_digits", video, folder / "photos" / "a.png", *arguments) == 0
    found = json.loads((tmp_path / "found.json").read_text())
    assert [entry.get("frame") for entry in found] == [*range(7), None]
    frames, _ = frames_of(video)
    for frame, entry in zip(frames, found):
        answer = detector(frame)
        assert [one["label"] for one in entry["detections"]] == answer.labels.tolist()
        np.testing.assert_allclose([one["box"] for one in entry["detections"]], answer.dets[:, :4], atol=1e-3)
    drawn, rate = frames_of(tmp_path / "drawn" / "video.mp4")
    assert len(drawn) == 7 and rate == 5 and drawn[0].shape == (160, 192, 3)
    differences = [np.abs(one.astype(int) - two).mean() for one, two in zip(frames, drawn)]
    assert min(differences) > 0.5 and max(differences) < 60, "boxes on the frames, and not other frames"
    names = [image["file_name"] for image in json.loads((tmp_path / "coco.json").read_text())["images"]]
    assert names == [f"{video}#{number}" for number in range(7)] + [str(folder / "photos" / "a.png")]


def test_a_broken_video_is_refused_and_nothing_is_left(folder, video, tmp_path, capfd):
    (tmp_path / "broken.avi").write_bytes(video.read_bytes()[:200])
    (tmp_path / "text.mp4").write_bytes(b"no video")
    before = sorted(tmp_path.iterdir())
    for name in ("broken.avi", "text.mp4"):
        arguments = ["--json", tmp_path / "found.json", "--out", tmp_path / "drawn"]
        assert predict(folder, "faster_rcnn_digits", tmp_path / name, *arguments) == 2
        lines = [line for line in capfd.readouterr().err.splitlines() if line.startswith("mmonnx")]
        assert len(lines) == 1 and "video" in lines[0] and sorted(tmp_path.iterdir()) == before, lines


def test_detections_are_what_pycocotools_reads(folder, detector, tmp_path):
    coco = pytest.importorskip("pycocotools.coco")
    evaluation = pytest.importorskip("pycocotools.cocoeval")
    path = tmp_path / "coco.json"
    assert predict(folder, "faster_rcnn_digits", folder / "photos", "--coco", path) == 0
    truth = coco.COCO(str(path))
    assert [truth.cats[number]["name"] for number in sorted(truth.cats)] == list("0123456789")
    for number in truth.getImgIds():
        image = truth.loadImgs(number)[0]
        picture = read_image(image["file_name"])
        assert (image["height"], image["width"]) == picture.shape[:2]
        expected = detector(picture)
        found = truth.loadAnns(truth.getAnnIds(number))
        assert [one["category_id"] - 1 for one in found] == expected.labels.tolist()
        boxes = np.array([one["bbox"] for one in found])
        np.testing.assert_allclose(boxes[:, :2] + boxes[:, 2:], expected.dets[:, 2:4], atol=1e-3)
        np.testing.assert_allclose([one["score"] for one in found], expected.dets[:, 4], atol=1e-6)
    annotations = json.loads(path.read_text())["annotations"]
    assert len(annotations) > 5
    judge = evaluation.COCOeval(truth, truth.loadRes(annotations), "bbox")
    judge.evaluate(), judge.accumulate(), judge.summarize()
    assert judge.stats[0] > 0.999  # as results they are found where they are as truth


def test_the_bars_of_a_classifier_are_as_long_as_its_scores(folder, classifier):
    picture = read_image(str(folder / "photos" / "a.png"))
    found = classifier(picture)
    drawn = classifier.draw(picture, found)
    assert drawn.shape[0] > picture.shape[0] and drawn.dtype == np.uint8
    top = classifier.top(found, 5)
    assert [label for label, _, _ in top] == np.argsort(-found.probs)[:5].tolist()
    assert [name for _, name, _ in top] == [str(label) for label, _, _ in top]
    panel = drawn[-(26 * 5 + 8) :]
    lengths = [(panel[26 * row + 17] == color_of(label)).all(-1).sum() for row, (label, _, _) in enumerate(top)]
    longest = panel.shape[1] - 70 - int(panel.shape[1] * 0.42) - 8
    for length, (_, _, score) in zip(lengths, top):
        assert abs(length - score * longest) <= 2, (lengths, top)


def test_boxes_have_the_colors_of_the_palette_and_low_scores_are_not_drawn(folder, detector):
    picture = read_image(str(folder / "photos" / "a.png"))
    found = detector(picture)
    best = int(found.labels[0])
    drawn = detector.draw(picture, found, score_thr=float(found.dets[0, 4]))
    red, green, blue = PALETTE[best]
    assert ((drawn == (blue, green, red)).all(-1)).sum() > 20
    assert (detector.draw(picture, found, score_thr=1.01) == picture).all()


def test_a_file_with_its_weights_beside_it_answers_the_same(folder, classifier, tmp_path, monkeypatch):
    monkeypatch.setattr("mmonnx.runtime.large.LIMIT", 100_000)
    name, path = "mobilenet_v2_digits", tmp_path / "large.onnx"
    load = LoadOptions(shape=(64, 64), dynamic=True)
    settings = pipeline.ExportSettings(
        str(CONFIGS / f"{name}.py"), str(CONFIGS / f"{name}.pth"), str(path), load, simplify=True, verify=True
    )
    assert pipeline.export(settings).ok
    (data,) = [file for file in tmp_path.iterdir() if file.suffix == ".data"]
    assert path.stat().st_size < 200_000 < data.stat().st_size
    found = inspect(str(path), (64, 64))
    assert found["bytes"] == path.stat().st_size + data.stat().st_size and found["targets"]["onnxruntime"] == []
    assert found["flops"]["total"] == inspect(str(folder / f"{name}.onnx"), (64, 64))["flops"]["total"]
    picture = str(folder / "photos" / "a.png")
    monkeypatch.undo()
    assert match(classifier(picture), Classifier(path)(picture)).ok


MEMORY = """
import sys
from mmonnx.support import atomic
from mmonnx.runtime import model
from mmonnx.runtime.predicting import PredictSettings, predict
from resident import resident

seen = []
def counted(path, channels, color=None, original=model.read_picture):
    seen.append(resident() / 2**20)
    return original(path, channels, color)

model.read_picture = counted
atomic._sync = lambda path: None  # the disk is not waited for
predict(PredictSettings(sys.argv[1], sys.argv[2:], out="drawn", json="found.json"))
print(len(seen), seen[100], seen[-1])
"""


@pytest.mark.once
@needs_resident
def test_memory_is_flat_over_a_thousand_pictures(folder, tmp_path):
    (tmp_path / "many").mkdir()
    for number in range(1000):
        picture = np.full((40, 40 + number % 3, 3), number % 255, np.uint8)
        cv2.imwrite(str(tmp_path / "many" / f"{number:04}.jpg"), picture)
    model = str(folder / "mobilenet_v2_digits.onnx")
    command = [sys.executable, "-c", MEMORY, model, str(tmp_path / "many")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([ROOT, str(Path(ROOT) / "tests")])}
    done = subprocess.run(command, cwd=str(tmp_path), env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    count, early, late = map(float, done.stdout.split())
    assert count == 1000 and len(list((tmp_path / "drawn").iterdir())) == 1000
    assert late - early < 12, f"{early:.1f} MiB after 100 pictures, {late:.1f} MiB after 1000"


@pytest.mark.skipif(sys.platform == "win32", reason="no terminals of this kind")
def test_a_terminal_sees_how_far_it_is(folder, tmp_path):
    import pty

    ours, theirs = pty.openpty()
    arguments = ["predict", str(folder / "mobilenet_v2_digits.onnx"), str(folder / "photos"), "--out", "drawn"]
    environment = {**os.environ, "PYTHONPATH": ROOT, "TERM": "xterm", "COLUMNS": "120"}
    done = subprocess.run(
        [sys.executable, "-m", "mmonnx", *arguments], cwd=str(tmp_path), env=environment, stderr=theirs
    )
    os.close(theirs)
    shown = os.read(ours, 100_000).decode()
    os.close(ours)
    assert done.returncode == 0, shown
    assert "100%" in shown and "b[red].jpg" in shown, "names are no markup"


@pytest.mark.parametrize("name", list(SHAPES))
def test_another_runtime_gives_the_same(folder, tmp_path, monkeypatch, name):
    planted(monkeypatch, apart=True)
    found = {}
    for runtime in ("onnxruntime", "stand-in"):
        out = tmp_path / f"{runtime}.json"
        command = ["predict", str(folder / f"{name}.onnx"), str(folder / "photos"), "--json", str(out)]
        assert cli.main([*command, "--runtime", runtime]) == 0
        found[runtime] = json.loads(out.read_text())
    assert found["stand-in"] == found["onnxruntime"] and len(found["stand-in"]) == 2


def test_another_runtime_that_dies_or_is_not_there(folder, tmp_path, monkeypatch, capsys):
    file = str(folder / "mobilenet_v2_digits.onnx")
    command = ["predict", file, str(folder / "photos"), "--json", str(tmp_path / "out.json"), "--runtime", "stand-in"]
    for faults, words in (
        ({"dies": ["Conv"]}, "does not run on an image of"),
        ({"missing": True}, "stand_in is not installed"),
    ):
        planted(monkeypatch, **faults)
        assert cli.main(command) == 2 and words in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
