"""Files that take text: GLIP and Grounding DINO with a small random language model, beside mmdet's own answers."""

import json
import re
import shlex
import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

pytest.importorskip("mmdet.registry")
transformers = pytest.importorskip("transformers", reason="pip install -r requirements/texts.txt")

from mmonnx import loading, pipeline  # noqa: E402
from mmonnx.cli import main  # noqa: E402
from mmonnx.environment import ties_by_index  # noqa: E402
from mmonnx.loading import LoadOptions  # noqa: E402
from mmonnx.loading.images import photographs  # noqa: E402
from mmonnx.pipeline import ExportSettings  # noqa: E402
from mmonnx.runtime import Detector, Session, text_inputs  # noqa: E402
from mmonnx.support.errors import InputError  # noqa: E402
from mmonnx.verifying.matching import match  # noqa: E402

VOCABULARY = (
    "[PAD] [UNK] [CLS] [SEP] [MASK] . ? , - ( ) person car dog cat bus red traffic light bicycle tree chair a ##s ##ing"
    " ball foot ##ball skate ##board ##er b c d e f"
)
SHAPE = 64, 96
TEXTS = (
    "person . car . dog .",
    "footballs",
    "red_bus(es) . cat . a ? b . skateboarder . cat . zebra",
    "a, b - c . traffic  light . tree",
)
BACKBONE = """
    backbone=dict(
        _delete_=True, type="ResNet", depth=18, num_stages=4, base_channels=16, out_indices=(1, 2, 3),
        norm_cfg=dict(type="BN", requires_grad=False), norm_eval=True, style="pytorch"
    ),
    neck=dict(in_channels=[32, 64, 128]),
"""
CONFIGS = {
    "grounding_dino": """
_base_ = "mmdet::grounding_dino/grounding_dino_r50_scratch_8xb2_1x_coco.py"
small = dict(ffn_cfg=dict(feedforward_channels=64))
model = dict(
    num_queries=30, language_model=dict(name={folder!r}), test_cfg=dict(max_per_img=25),
    encoder=dict(num_layers=2, num_cp=0, layer_cfg=small, text_layer_cfg=small),
    decoder=dict(num_layers=2, layer_cfg=small), %s
)
""",
    "glip": """
_base_ = "mmdet::glip/glip_atss_swin-t_a_fpn_dyhead_pretrain_obj365.py"
model = dict(
    language_model=dict(name={folder!r}), test_cfg=dict(score_thr=0.01),
    bbox_head=dict(lang_model_name={folder!r}, num_dyhead_blocks=1), %s
)
""",
}


@pytest.fixture(scope="module")
def language(tmp_path_factory):
    """The folder of a BERT of two layers that knows few words."""
    folder = tmp_path_factory.mktemp("bert")
    (folder / "vocab.txt").write_text(VOCABULARY.replace(" ", "\n") + "\n")
    torch.manual_seed(0)
    sizes = dict(hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=64)
    config = transformers.BertConfig(vocab_size=len(VOCABULARY.split(" ")), initializer_range=0.3, **sizes)
    transformers.BertModel(config).save_pretrained(str(folder))
    transformers.BertTokenizerFast(str(folder / "vocab.txt")).save_pretrained(str(folder))
    return folder


@pytest.fixture(scope="module", params=list(CONFIGS))
def exported(request, language, tmp_path_factory):
    """(the config, its dynamic file, the task of the same random weights)."""
    folder = tmp_path_factory.mktemp(request.param)
    config, path = folder / "config.py", folder / "file.onnx"
    config.write_text((CONFIGS[request.param] % BACKBONE).format(folder=str(language)))
    options = LoadOptions(shape=SHAPE, dynamic=True)
    assert pipeline.export(ExportSettings(str(config), None, str(path), options)).ok
    return str(config), str(path), loading.load(str(config), None, options)


def test_what_docs_text_md_says_works(exported, language, tmp_path, monkeypatch):
    """The commands at a small size and without the time that a verification takes; the Python as it is."""
    from skimage.io import imsave

    config, _, task = exported
    text = (Path(__file__).parents[2] / "docs/text.md").read_text(encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    shutil.copytree(str(language), "bert-base-uncased")
    shutil.copy(config, "grounding_dino.py")
    torch.save({"state_dict": task.module.model.state_dict()}, "grounding_dino.pth")
    imsave("photo.jpg", photographs()[0][..., ::-1])
    commands = [
        shlex.split(line) for block in re.findall(r"```sh\n(.*?)```", text, re.S) for line in block.splitlines()
    ]
    assert [command[:2] for command in commands] == [["mmonnx", "export"], ["mmonnx", "predict"]]
    small = [word for word in commands[0][1:] if word not in ("--simplify", "--verify")]
    assert main([*small, "--shape", "64", "96"]) == 0
    assert main(commands[1][1:]) == 0 and json.loads(Path("found.json").read_text())[0]["detections"]
    first, second = ({}, {})
    for code, names in zip(re.findall(r"```python\n(.*?)```", text, re.S), (first, second)):
        exec(compile(code, "docs/text.md", "exec"), names)
    assert set(first["names"]) <= {"person", "traffic light"} and first["names"]
    assert second["dets"].shape[1] > 5 and set(second["labels"].ravel()) <= {-1, 0, 1}


def truth(task, image, text):
    """mmdet's own detections of images (N, C, H, W)."""
    from mmonnx.codebases.mmdet.inputs import meta

    generation, size = task.module.generation, tuple(image.shape[2:])
    with ties_by_index():
        found = generation.run(task.module.model, image, [meta(*size) for _ in image], text=text)
    return [generation.read(one, size) for one in found]


@pytest.mark.parametrize("text", TEXTS)
def test_a_file_answers_any_text_as_mmdet_does(exported, language, text):
    _, path, task = exported
    size = (96, 64)  # which the trace has not seen
    image = task.preprocess(photographs()[:2], size)["input"]
    session = Session(path)
    prompt = Detector(path, "cpu").description.prompt
    feeds = text_inputs(str(language), text, prompt)
    kept = {name: value for name, value in feeds.items() if name in session.input_names}
    found = task.read(session.run({"input": image.numpy(), **kept}))
    for ours, theirs in zip(found, truth(task, image, text)):
        assert len(theirs.dets) > 5 and len(ours.dets) == len(theirs.dets)
        outcome = match(theirs, ours)
        assert outcome.ok, outcome.unmatched
    labels = {int(label) for one in found for label in one.labels}
    assert labels <= set(range(len(feeds["label_tokens"]))) and (len(labels) > 1 or text == "footballs")


def test_the_text_counts(exported, language):
    _, path, task = exported
    session = Session(path)
    feeds = {name: value.numpy() for name, value in task.inputs.items()}
    prompt = Detector(path, "cpu").description.prompt
    other = text_inputs(str(language), "cat . tree . chair .", dict(prompt, pad=feeds["input_ids"].shape[1] > 100))
    first = session.run(feeds)
    second = session.run({**feeds, "input_ids": other["input_ids"]})
    assert first["dets"].shape != second["dets"].shape or np.abs(first["dets"] - second["dets"]).max() > 1e-3


def test_a_file_says_how_its_text_is_read(exported, language):
    config, path, _ = exported
    metadata = {item.key: item.value for item in onnx.load(path).metadata_props}
    said = json.loads(metadata["mmonnx.prompt"])
    grounding = "grounding_dino" in config
    assert said["tokenizer"] == str(language) and said["max_tokens"] == 256 and said["pad"] is False
    assert said["special_tokens"] == (["[CLS]", "[SEP]", ".", "?"] if grounding else []) and said["ends"] is grounding
    assert json.loads(metadata["mmonnx.classes"]) == []
    inputs = {value.name: value.type.tensor_type.shape.dim for value in onnx.load(path).graph.input}
    axes = {name: [one.dim_param or one.dim_value for one in dims] for name, dims in inputs.items()}
    assert axes["input_ids"] == [1, "tokens"] and axes["label_tokens"] == ["labels", "tokens"]
    assert ("attention_mask" in axes) is not grounding


def test_a_detector_is_asked(exported, language, tmp_path, capsys):
    from skimage.io import imsave

    _, path, _ = exported
    picture = str(tmp_path / "photo.png")
    imsave(picture, photographs()[0][..., ::-1], check_contrast=False)
    detector = Detector(path, "cpu")
    with pytest.raises(InputError, match="takes text beside a picture"):
        detector(picture)
    detector.ask("cat . traffic light .")
    assert detector.classes == ("cat", "traffic light")
    found = detector(picture)
    assert len(found.dets) > 5
    answers = tmp_path / "answers.json"
    asked = ["--text", "cat . traffic light .", "--tokenizer", str(language)]
    assert main(["predict", path, picture, "--device", "cpu", "--json", str(answers), *asked]) == 0
    written = json.loads(answers.read_text())[0]["detections"]
    assert len(written) == len(found.dets)
    assert {one["name"] for one in written} <= {"cat", "traffic light"}
    np.testing.assert_allclose([one["score"] for one in written], found.scores, atol=1e-4)
    for arguments, said in (
        ([], "takes text beside a picture; expected"),
        (["--text", "cat .", "--tokenizer", str(tmp_path)], "is not there; expected a folder with tokenizer.json"),
        (["--text", " . "], "has no name"),
        (["--text", "cat .  . dog ."], "nothing of ' ' is a token"),
        (["--text", "cat . " * 200], "tokens; expected 256 at most"),
        (["--tokenizer", str(language)], "--tokenizer has nothing to read"),
    ):
        again = tmp_path / "again.json"
        assert main(["predict", path, picture, "--json", str(again), *arguments]) == 2
        assert said in capsys.readouterr().err and not again.exists()


def test_a_static_file_takes_as_many_names_and_tokens(language, tmp_path):
    config, path = tmp_path / "config.py", tmp_path / "file.onnx"
    config.write_text((CONFIGS["grounding_dino"] % BACKBONE).format(folder=str(language)))
    done = pipeline.export(ExportSettings(str(config), None, str(path), LoadOptions(shape=SHAPE), verify=True))
    assert done.ok and all(result.ok for result in done.results)
    detector = Detector(str(path), "cpu")
    detector.ask("dog . cat . bus .")
    assert len(detector(photographs()[0]).dets) > 5
    with pytest.raises(InputError, match="1x8, and the text has 2 names of 6 tokens together"):
        detector.ask("dog . cat .")
