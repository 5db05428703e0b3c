"""Files of SDMGR on annotated pictures against upstream's own model and datasets on the same lines."""

import json

import cv2
import numpy as np
import pytest
import torch

pytest.importorskip("ocr_models")

from mmocr.datasets import OpensetKIEDataset, build_dataset
from ocr_models import CRNN, CRNN_OPTIONS, KIE, NO_PICTURE, OPENSET, annotated, kie_options, made, upstream

from mmonnx import cli
from mmonnx.environment import compat
from mmonnx.runtime import open_model, pairs_of
from mmonnx.support import InputError

pytestmark = pytest.mark.once  # mmocr is on the default stack alone


def with_file(name, folder):
    """A config of three pages, its checkpoint and file."""
    annotated(folder, 4 if name == OPENSET else 26)
    shape = (96, 64) if name == KIE else None
    return made(name, folder, kie_options(folder, name), "--dynamic-export", shape=shape)


def of_upstream(config, checkpoint):
    """The dataset, and of each page what upstream's own model takes and gives."""
    model = upstream(config, checkpoint)
    found = []
    with compat.old_numpy_names(), torch.no_grad():
        dataset = build_dataset(model.cfg.data.test)
        for page in map(dataset.__getitem__, range(len(dataset))):
            values = {name: page[name].data for name in ("img", "relations", "texts", "gt_bboxes")}
            image = values.pop("img")[None]
            meta = [page["img_metas"].data]
            beside = {name: [value] for name, value in values.items()}
            (one,) = model(return_loss=False, img=image, img_metas=meta, **beside)
            found.append(({"img": image, **values}, one))
    return dataset, found


@pytest.mark.parametrize("name", [KIE, NO_PICTURE, OPENSET], ids=["picture", "no picture", "open set"])
def test_it_says_what_upstream_says(tmp_path, name):
    config, checkpoint, path = with_file(name, tmp_path)
    dataset, expected = of_upstream(config, checkpoint)
    answers, out = tmp_path / "answers.json", tmp_path / "out"
    command = ["predict", path, str(tmp_path / "*.png"), "--annotations", str(tmp_path / "test.txt")]
    assert cli.main([*command, "--json", str(answers), "--out", str(out)]) == 0
    records = json.loads(answers.read_text())
    pages = [json.loads(line)["annotations"] for line in (tmp_path / "test.txt").read_text().splitlines()]
    model = open_model(path)
    labels = set()
    for record, page, (given, theirs) in zip(records, pages, expected):
        assert [one["text"] for one in record["fields"]] == [one["text"] for one in page]
        assert [one["label"] for one in record["fields"]] == theirs["nodes"].argmax(1).tolist()
        scores = [one["score"] for one in record["fields"]]
        np.testing.assert_allclose(scores, theirs["nodes"].max(1)[0].numpy(), atol=1e-4)
        labels.update(one["name"] for one in record["fields"])
        found, ready = model(record["file"], page), model.ready(record["file"], page)
        fed = {"relations": "relations", "texts": "texts", **({"boxes": "gt_bboxes"} if name == KIE else {})}
        for ours, own in fed.items():
            np.testing.assert_array_equal(ready.beside[ours], given[own].numpy())
        if name == KIE:
            np.testing.assert_array_equal(ready.feed, given["img"].numpy())
        np.testing.assert_allclose(found.nodes, theirs["nodes"].numpy(), atol=1e-4)
        np.testing.assert_allclose(found.edges, theirs["edges"].numpy(), atol=1e-4)
        assert record["fields"][0]["box"] == found.boxes[0].tolist()
        if name == OPENSET:
            own = dataset.decode_pred(theirs)
            assert [(one["key"], one["value"]) for one in record["links"]] == [
                tuple(map(int, one)) for one in own["pairs"]
            ]
        else:
            assert "links" not in record
    assert len(labels) > 1 and (name == OPENSET or all(one.startswith("class-") for one in labels))
    for number in range(3):
        drawn, plain = (cv2.imread(str(folder / f"{number}.png")) for folder in (out, tmp_path))
        assert drawn.shape == plain.shape and (drawn != plain).any()


@pytest.mark.parametrize("kind", ["one-to-one", "one-to-many", "many-to-one", "many-to-many", "none"])
def test_keys_go_with_values_as_upstream_has_them(kind):
    random, found = np.random.RandomState(0), 0
    for count in (1, 2, 9, 14):
        nodes = random.dirichlet(np.full(4, 0.4), count).astype(np.float32)
        likely = random.uniform(0, 1, count * count).astype(np.float32)
        edges = np.stack([1 - likely, likely], 1)
        ours = pairs_of(nodes, edges, {"type": kind, "threshold": 0.5})
        given = torch.from_numpy(nodes), torch.from_numpy(nodes.argmax(1)), torch.from_numpy(edges[:, -1])
        pairs, scores = OpensetKIEDataset._decode_pairs_pred(*given[:2], given[2].view(count, count), 0.5, kind)
        assert [pair[:2] for pair in ours] == [tuple(map(int, pair)) for pair in pairs]
        assert [pair[2] for pair in ours] == scores
        found += len(ours)
    assert found > 3


def test_a_page_without_characters_has_an_answer(tmp_path):
    _, _, path = with_file(NO_PICTURE, tmp_path)
    page = [{"text": "?!", "box": [1, 2, 30, 2, 30, 9, 1, 9]}, {"text": "", "box": [40, 20, 60, 20, 60, 29, 40, 29]}]
    found = open_model(path)(str(tmp_path / "0.png"), page)
    assert found.nodes.shape == (2, 26) and np.isfinite(found.nodes).all() and found.texts == ["?!", ""]


@pytest.mark.parametrize(
    "line,said",
    [
        ("nothing", "line 2 of --annotations"),
        ('{"file_name": "0.png"}', "line 2 of --annotations"),
        ('{"file_name": "0.png", "annotations": []}', "there are no texts on the picture"),
        (
            '{"file_name": "0.png", "annotations": [{"text": "a", "box": [1, 2, 3, 4]}]}',
            "text 1 of the picture is none",
        ),
        ('{"file_name": "0.png", "annotations": [{"box": [1, 2, 3, 4, 5, 6, 7, 8]}]}', "text 1 of the picture is none"),
        ('{"file_name": 3, "annotations": []}', "line 2 of --annotations"),
    ],
)
def test_broken_annotations_are_one_line(tmp_path, capsys, line, said):
    _, _, path = with_file(NO_PICTURE, tmp_path)
    (tmp_path / "test.txt").write_text(f"\n{line}\n")
    capsys.readouterr()
    command = ["predict", path, str(tmp_path / "0.png"), "--annotations", str(tmp_path / "test.txt")]
    assert cli.main([*command, "--json", str(tmp_path / "x.json")]) == 2
    error = capsys.readouterr().err.strip()
    assert said in error and "\n" not in error and not (tmp_path / "x.json").exists()


def test_what_does_not_fit_is_one_line(tmp_path, capsys):
    _, _, path = with_file(KIE, tmp_path)
    (tmp_path / "other").mkdir()
    text = made(CRNN, tmp_path / "other", CRNN_OPTIONS, "--dynamic-export")[2]
    lines, picture = str(tmp_path / "test.txt"), str(tmp_path / "0.png")
    cv2.imwrite(str(tmp_path / "unknown.png"), cv2.imread(picture))
    for arguments, said in (
        ([path, picture], "takes the texts of each picture"),
        ([text, picture, "--annotations", lines], "--annotations is for files that say what texts are"),
        ([path, picture, "--annotations", str(tmp_path / "none.txt")], "cannot be read"),
        ([path, str(tmp_path / "unknown.png"), "--annotations", lines], "has nothing of"),
        ([path, picture, "--annotations", lines, "--batch-size", "2"], "takes 1 at a time"),
        ([path, picture, "--annotations", lines, "--coco", str(tmp_path / "c.json")], "--coco is for detectors"),
    ):
        capsys.readouterr()
        assert cli.main(["predict", *arguments, "--json", str(tmp_path / "x.json")]) == 2
        error = capsys.readouterr().err.strip()
        assert said in error and "\n" not in error and not (tmp_path / "x.json").exists()


def test_a_file_without_its_characters_is_one_line(tmp_path):
    options = {**kie_options(tmp_path, NO_PICTURE), "data.test.dict_file": str(tmp_path / "none.txt")}
    _, _, path = made(NO_PICTURE, tmp_path, options, "--dynamic-export")
    with pytest.raises(InputError, match="does not hold its characters"):
        open_model(path)
