"""Text as the inputs of a file, without PyTorch."""

import json
import sys

import numpy as np
import pytest

from mmonnx.runtime import load_tokenizer, names_in, text_inputs
from mmonnx.runtime.description import Description
from mmonnx.runtime.pipeline import for_fixed_size
from mmonnx.runtime.prompts import USUAL, find_tokenizer
from mmonnx.support.errors import InputError

TEXT = "[PAD] [UNK] [CLS] [SEP] [MASK] . ? ( ) person traffic light Cat cat foot ##ball"
WORDS = TEXT.split(" ")


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "vocab.txt").write_text("\n".join(WORDS) + "\n")
    return tmp_path


def words(found):
    return " ".join(WORDS[token] for token in found["input_ids"][0])


def test_each_label_has_its_tokens(folder):
    pytest.importorskip("tokenizers")
    found = text_inputs(folder, "person . traffic_light(s) . football.")
    assert words(found) == "[CLS] person . traffic light . foot ##ball . [SEP]"
    expected = np.zeros((3, 10), np.float32)
    expected[0, 1], expected[1, 3:5], expected[2, 6:8] = 1, 0.5, 0.5
    np.testing.assert_array_equal(found["label_tokens"], expected)
    assert found["attention_mask"].tolist() == [[1] * 10]
    assert {name: (value.dtype.name, value.ndim) for name, value in found.items()} == {
        "input_ids": ("int64", 2),
        "attention_mask": ("int64", 2),
        "label_tokens": ("float32", 2),
    }


def test_it_is_filled_up_where_the_file_says_so(folder):
    pytest.importorskip("tokenizers")
    found = text_inputs(folder, "person . cat .", dict(USUAL, max_tokens=8, pad=True, ends=False))
    assert words(found) == "[CLS] person . cat [SEP] [PAD] [PAD] [PAD]"
    assert found["attention_mask"].tolist() == [[1, 1, 1, 1, 1, 0, 0, 0]]
    assert found["label_tokens"].shape == (2, 8) and found["label_tokens"][:, 5:].max() == 0


def test_a_tokenizer_that_cuts_and_fills_up_is_left_as_it_is(folder):
    pytest.importorskip("tokenizers")
    tokenizer = load_tokenizer(folder)
    tokenizer.enable_truncation(4)
    tokenizer.enable_padding(length=12)
    found = text_inputs(tokenizer, "person . cat . foot .")
    assert words(found) == "[CLS] person . cat . foot . [SEP]"
    assert len(tokenizer.encode("person . cat .").ids) == 12
    tokenizer.no_truncation()
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "vocab.txt").unlink()
    assert words(text_inputs(str(folder), "cat")) == "[CLS] cat . [SEP]"


def test_a_cased_tokenizer_is_one(folder):
    pytest.importorskip("tokenizers")
    assert words(text_inputs(folder, "Cat .")) == "[CLS] cat . [SEP]"
    (folder / "tokenizer_config.json").write_text(json.dumps({"do_lower_case": False}))
    assert words(text_inputs(folder, "Cat .")) == "[CLS] Cat . [SEP]"


@pytest.mark.parametrize(
    "text, said",
    [
        ("", "has no name"),
        (" . . ", "has no name"),
        ("person .  . cat .", "nothing of ' ' is a token"),
        ("(all) . cat .", "nothing of ' ' is a token"),
        ("person . " * 200, "tokens; expected 256 at most"),
    ],
)
def test_what_cannot_be_asked_is_refused(folder, text, said):
    pytest.importorskip("tokenizers")
    with pytest.raises(InputError) as raised:
        text_inputs(folder, text)
    assert said in str(raised.value) and "\n" not in str(raised.value)


def test_what_is_no_tokenizer_is_refused(folder):
    pytest.importorskip("tokenizers")
    with pytest.raises(InputError, match="a dict is no tokenizer"):
        text_inputs({}, "cat .")
    (folder / "tokenizer.json").write_text("{")
    with pytest.raises(InputError, match="cannot be read"):
        text_inputs(folder, "cat .")
    with pytest.raises(InputError, match="is not there"):
        text_inputs(folder / "nothing", "cat .")


def test_without_the_package_it_says_which(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    with pytest.raises(InputError, match="pip install tokenizers"):
        text_inputs(folder, "cat .")


def test_the_folder_that_a_file_names_is_taken(folder):
    assert find_tokenizer(dict(USUAL, tokenizer=str(folder)), "file.onnx") == str(folder)
    with pytest.raises(InputError, match="its tokenizer 'bert-base-uncased' is not here"):
        find_tokenizer(USUAL, "file.onnx")


def test_names_are_those_of_a_text():
    assert names_in("person . traffic light. cat") == ["person", "traffic light", "cat"]
    assert names_in(" . ") == []


@pytest.mark.parametrize("broken", [{"max_tokens": 0}, {"tokenizer": 3}, {"pad": None, "max_tokens": "many"}])
def test_a_file_with_a_broken_prompt_is_refused(broken):
    properties = Description(task="detection", prompt={**USUAL, **broken}).to_properties()
    with pytest.raises(InputError, match="broken metadata"):
        Description.from_properties(properties, "file.onnx")
    whole = Description(task="detection", prompt=dict(USUAL))
    assert Description.from_properties(whole.to_properties(), "file.onnx").prompt == dict(USUAL)


def test_a_picture_fills_a_fixed_size_though_its_config_pads_batches_alone():
    resize = {"type": "resize", "rule": "within", "size": [1333, 800], "backend": "cv2", "interpolation": "bilinear"}
    assert for_fixed_size([resize], (64, 96))[-1] == {"type": "pad", "value": 0.0, "size": [64, 96]}
    pad = {"type": "pad", "value": 7.0, "divisor": 32}
    assert [step["type"] for step in for_fixed_size([resize, pad], (64, 96))] == ["resize", "pad"]
    assert [step["type"] for step in for_fixed_size([resize], (64, 96), stretch=True)] == ["resize"]
