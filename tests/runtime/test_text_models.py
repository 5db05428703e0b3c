"""``mmonnx predict`` and ``mmonnx.runtime`` on text: the texts and boundaries of mmocr's own function."""

import json
import subprocess
import sys

import cv2
import numpy as np
import onnx
import pytest

pytest.importorskip("ocr_models")

from ocr_models import CRNN, CRNN_OPTIONS, DB, DB_OPTIONS, inferred, made, upstream, word, written

from mmonnx import cli
from mmonnx.runtime import TextDetector, TextRecognizer, drawing, open_model

pytestmark = pytest.mark.once  # mmocr is on the default stack alone
SIZES = [(40, 150), (64, 100), (31, 333)]


@pytest.fixture(scope="module")
def crnn(tmp_path_factory):
    folder = tmp_path_factory.mktemp("crnn")
    return made(CRNN, folder, CRNN_OPTIONS, "--dynamic-export", "--simplify", "--verify")


@pytest.fixture(scope="module")
def db(tmp_path_factory):
    folder = tmp_path_factory.mktemp("db")
    return made(DB, folder, DB_OPTIONS, "--dynamic-export", "--simplify", "--verify", shape=(160, 224))


def test_a_text_is_upstreams(crnn, tmp_path):
    config, checkpoint, path = crnn
    theirs, model = upstream(config, checkpoint), open_model(path)
    assert isinstance(model, TextRecognizer)
    files = [written(tmp_path, number, size, f"{number}.png") for number, size in enumerate(SIZES)]
    texts = set()
    for file in files:
        expected, found = inferred(theirs, file), model(file)
        assert found.text == expected["text"] and len(found.scores) == len(found.text) > 1
        assert found.scores.mean() == pytest.approx(expected["score"], abs=1e-4)  # upstream gives the mean alone
        texts.add(found.text)
    assert len(texts) == len(files)
    out = tmp_path / "out"
    assert cli.main(["predict", path, *files, "--out", str(out), "--json", str(tmp_path / "x.json")]) == 0
    records = json.loads((tmp_path / "x.json").read_text())
    assert {record["text"]["characters"] for record in records} == texts
    drawn, picture = cv2.imread(str(out / "0.png")), drawing.enlarged(cv2.imread(files[0]))[0]
    assert drawn.shape[1] == picture.shape[1] and drawn.shape[0] > picture.shape[0]
    assert (drawn[picture.shape[0] :] < 100).any()  # what was read stands below the picture


def test_boundaries_are_upstreams(db, tmp_path):
    config, checkpoint, path = db
    theirs, model = upstream(config, checkpoint), open_model(path)
    assert isinstance(model, TextDetector)
    counts = []
    for number, size in enumerate([(96, 200), (150, 150), (120, 333)]):
        file = written(tmp_path, number, size, f"{number}.png")
        expected, found = inferred(theirs, file)["boundary_result"], model(file)
        counts.append(len(expected))
        assert len(found.boundaries) == len(expected)
        for row, boundary, score in zip(expected, found.boundaries, found.scores):
            np.testing.assert_allclose(boundary, row[:-1], atol=1e-3)
            assert score == pytest.approx(row[-1], abs=1e-5)
    assert min(counts) > 2
    out = tmp_path / "out"
    arguments = ["--out", str(out), "--score-thr", "0.5", "--jsonl", str(tmp_path / "x.jsonl")]
    assert cli.main(["predict", path, str(tmp_path / "0.png"), *arguments]) == 0
    record = json.loads((tmp_path / "x.jsonl").read_text())
    assert len(record["texts"]) == counts[0] and len(record["texts"][0]["boundary"]) == 8
    shown = theirs.show_result(str(tmp_path / "0.png"), inferred(theirs, str(tmp_path / "0.png")), out_file=None)
    drawn = cv2.imread(str(out / "0.png")).astype(int)
    green = (shown == (0, 255, 0)).all(-1)
    assert green.sum() > 50 and np.abs(drawn - shown).max() == 0


def test_boundaries_as_polygons_are_upstreams(tmp_path):
    options = {**DB_OPTIONS, "model.bbox_head.postprocessor.text_repr_type": "poly"}
    config, checkpoint, path = made(DB, tmp_path, options, "--dynamic-export", shape=(96, 128))
    file = written(tmp_path, 0, (96, 200))
    expected, found = inferred(upstream(config, checkpoint), file)["boundary_result"], open_model(path)(file)
    assert len(expected) == len(found.boundaries) > 2 and any(len(row) != 9 for row in expected)
    for row, boundary in zip(expected, found.boundaries):
        np.testing.assert_allclose(boundary, row[:-1], atol=1e-3)


def test_no_package_of_openmmlab_is_needed(crnn, db, tmp_path):
    source = written(tmp_path, 0, (40, 150))
    code = (
        "import sys\nfrom mmonnx import cli\n"
        f"for path in ({crnn[2]!r}, {db[2]!r}):\n"
        f"    assert cli.main(['predict', path, {source!r}, '--out', {str(tmp_path / 'out')!r}]) == 0\n"
        "assert not {'torch', 'mmcv', 'mmocr', 'shapely'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_missing_pyclipper_is_one_line(db, tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyclipper", None)
    source = written(tmp_path, 0, (96, 200))
    assert cli.main(["predict", db[2], source, "--json", str(tmp_path / "x.json")]) == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert "are not found without pyclipper" in error and "pip install pyclipper" in error


def test_a_file_of_one_size_reads_what_is_stretched_to_it(tmp_path):
    _, _, path = made(CRNN, tmp_path, CRNN_OPTIONS, shape=(32, 100))
    grey = cv2.cvtColor(word(0, (40, 150)), cv2.COLOR_BGR2GRAY)
    found, whole = (open_model(path)(picture) for picture in (grey, cv2.resize(grey, (100, 32))))
    assert found.text == whole.text != ""


@pytest.mark.parametrize(
    "change,said",
    [
        (('"how": "ctc"', '"how": "guess"'), "has broken metadata"),
        (('"blank": 0', '"blanc": 0'), "has broken metadata"),
    ],
)
def test_broken_metadata_are_one_line(crnn, tmp_path, capsys, change, said):
    model = onnx.load(crnn[2])
    for entry in model.metadata_props:
        if entry.key == "mmonnx.texts":
            assert change[0] in entry.value
            entry.value = entry.value.replace(*change)
    path = str(tmp_path / "x.onnx")
    onnx.save(model, path)
    source = written(tmp_path, 0, (40, 150))
    assert cli.main(["predict", path, source, "--json", str(tmp_path / "x.json")]) == 2
    error = capsys.readouterr().err.strip()
    assert said in error and "\n" not in error
