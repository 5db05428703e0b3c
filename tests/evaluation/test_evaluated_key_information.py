"""Files of SDMGR on annotated pictures have PyTorch's own macro F1, and what they say of openset pictures as well."""

import json

import cv2
import numpy as np
import pytest

pytest.importorskip("ocr_models")

from ocr_models import CRNN, CRNN_OPTIONS, KIE, NO_PICTURE, OPENSET, annotated, kie_options, made

from mmonnx import cli
from mmonnx.evaluation import EvaluationSettings, evaluate

pytestmark = pytest.mark.once  # mmocr is on the default stack alone
METRICS = {KIE: "macro_f1", NO_PICTURE: "macro_f1", OPENSET: "openset_f1"}


def with_set(name, folder):
    """A config with a set of three pages, of which some texts are labelled as they are found; checkpoint and file."""
    annotated(folder, 4 if name == OPENSET else 26)
    shape = (96, 64) if name == KIE else None
    config, checkpoint, path = made(name, folder, kie_options(folder, name), "--dynamic-export", shape=shape)
    found = evaluate(EvaluationSettings(config, path, [], out=str(folder / "found.pkl"), workers=0)).results
    lines = [json.loads(line) for line in (folder / "test.txt").read_text().splitlines()]
    for line, result in zip(lines, found):
        for row, label in zip(line["annotations"][::2], result["nodes"].argmax(1).tolist()[::2]):
            row["label"] = label
    (folder / "test.txt").write_text("\n".join(map(json.dumps, lines)) + "\n")
    return config, checkpoint, path


@pytest.mark.parametrize("name", list(METRICS), ids=["picture", "no picture", "open set"])
def test_the_score_is_pytorchs(tmp_path, name):
    config, checkpoint, path = with_set(name, tmp_path)
    found = evaluate(EvaluationSettings(config, path, [METRICS[name]], compare_with=checkpoint, workers=0))
    assert found.scores == found.reference and len(found.results) == 3
    scores = [value for key, value in found.scores.items() if "node" in key or "macro" in key]
    assert scores and all(0 < value < 1 for value in scores)


def test_a_page_without_characters_is_told_of(tmp_path, capsys):
    config, checkpoint, path = with_set(NO_PICTURE, tmp_path)
    lines = [json.loads(line) for line in (tmp_path / "test.txt").read_text().splitlines()]
    for row in lines[1]["annotations"]:
        row["text"] = ""
    (tmp_path / "test.txt").write_text("\n".join(map(json.dumps, lines)) + "\n")
    command = ["test", config, path, "--eval", "macro_f1", "--workers", "0"]
    assert cli.main(command) == 0
    capsys.readouterr()
    assert cli.main([*command, "--compare-with", checkpoint]) == 2
    error = capsys.readouterr().err.strip()
    assert "1.png' has no text with a character" in error and "\n" not in error


def test_what_does_not_fit_is_one_line(tmp_path, capsys):
    config, _, path = with_set(NO_PICTURE, tmp_path)
    (tmp_path / "other").mkdir()
    text = made(CRNN, tmp_path / "other", CRNN_OPTIONS, "--dynamic-export")[2]
    for file, arguments, said in (
        (path, ["--eval", "word_acc"], "metric 'word_acc' is unknown to KIEDataset; expected macro_f1"),
        (path, ["--eval", "macro_f1", "--batch-size", "2"], "a batch of 2 is none of KIEDataset's"),
        (text, ["--eval", "macro_f1"], "is for text recognition, and the test set has texts and boxes"),
    ):
        capsys.readouterr()
        assert cli.main(["test", config, file, *arguments, "--workers", "0"]) == 2
        error = capsys.readouterr().err.strip()
        assert said in error and "\n" not in error


def test_it_draws_the_pages(tmp_path):
    config, _, path = with_set(KIE, tmp_path)
    drawn = tmp_path / "drawn"
    command = ["test", config, path, "--eval", "macro_f1", "--show-dir", str(drawn), "--workers", "0"]
    assert cli.main(command) == 0
    pictures = [cv2.imread(str(one)) for one in sorted(drawn.rglob("*.png"))]
    assert len(pictures) == 3 and all(np.ptp(one) > 0 for one in pictures)
