"""``mmonnx compare`` with a stand-in for another runtime: planted faults are found, and what is no fault is none."""

import json

import cv2
import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper
from stand_in_engine import made, planted

from mmonnx import cli
from mmonnx.comparing import CompareSettings, compare
from mmonnx.comparing.differences import answers_differ, tensor_differs
from mmonnx.comparing.reference import Expected
from mmonnx.runtime import ENGINES, Description
from mmonnx.support import InputError

# files alone: no stack's torch has a part in it
pytestmark = pytest.mark.once

ROW = ["Relu", "Sin", "Abs", "Tan", "Exp"]


@pytest.fixture
def compared(monkeypatch, tmp_path):
    def run(model, faults, **settings):
        planted(monkeypatch, **faults)
        onnx.save(model, tmp_path / "model.onnx")
        return compare(CompareSettings(str(tmp_path / "model.onnx"), "stand-in", **{"shape": (6, 8), **settings}))

    return run


def test_the_same(compared):
    found = compared(made(*ROW), {}, batch=2)
    assert found.equal and found.title == "Stand-In 1.2" and [one.name for one in found.inputs] == ["random", "blank"]
    assert all(one.shapes == {"input": (2, 3, 6, 8)} and one.first is None for one in found.inputs)


@pytest.mark.parametrize("operator", ROW)
def test_the_first_operator_that_differs(compared, operator):
    random = compared(made(*ROW), {"wrong": {operator: "Neg"}}).inputs[0]
    place = f"head.{1 + ROW.index(operator)}"
    assert not random.equal and "values" in random.differences and not random.failure
    assert (random.first.node, random.first.operator, random.first.module) == (f"{place}/{operator}", operator, place)
    assert list(random.first.outputs.values()) == ["float32 (1, 4, 6, 8)"] == list(random.first.inputs.values())
    assert "differ, by up to" in random.first.what and random.first.alone.startswith("differs too: ")


def test_integers_and_bools_are_compared_exactly(compared):
    random = compared(made("Sin"), {"wrong": {"Greater": "Less"}}).inputs[0]
    assert list(random.differences) == ["labels"]
    assert random.first.operator == "Greater" and "bool" in str(random.first.outputs)


@pytest.mark.parametrize(
    "faults,words", [({"dies": ["Abs"]}, "died from SIGFPE"), ({"lacks": ["Abs"]}, "no operator Abs")]
)
def test_the_first_operator_that_it_dies_from_or_lacks(compared, faults, words):
    for one in compared(made(*ROW), faults).inputs:
        assert not one.equal and one.failure == f"Stand-In 1.2: {words}" == one.first.what
        assert one.first.operator == "Abs" and one.first.alone == "the same"


def test_of_two_faults_the_first(compared):
    first = compared(made(*ROW), {"wrong": {"Sin": "Cos"}, "dies": ["Exp"]}).inputs[0].first
    assert first.operator == "Sin"


def test_behind_a_sorted_list_the_operator_is_found_that_is_wrong_by_itself(compared):
    """Of a blank picture's scores any order is right, so that what is made of the sorted ones is not compared."""
    nodes = [
        helper.make_node("Conv", ["input", "weight"], ["map"]),
        helper.make_node("Reshape", ["map", "flat"], ["scores"]),
        helper.make_node("TopK", ["scores", "count"], ["best", "places"], axis=0),
        helper.make_node("Cast", ["places"], ["numbers"], to=onnx.TensorProto.FLOAT),
        helper.make_node("Cos", ["numbers"], ["waves"], name="wave"),
        helper.make_node("Less", ["waves", "two"], ["low"]),
        helper.make_node("Cast", ["low"], ["ones"], to=onnx.TensorProto.FLOAT),
        helper.make_node("ReduceSum", ["ones"], ["sum"], axes=[0], keepdims=0),
    ]
    constants = {"weight": np.ones((1, 3, 1, 1), np.float32), "flat": np.int64([-1]), "count": np.int64([40])}
    constants["two"] = np.float32(2)
    graph = helper.make_graph(
        nodes,
        "graph",
        [helper.make_tensor_value_info("input", 1, [1, 3, "height", "width"])],
        [helper.make_tensor_value_info("sum", 1, []), helper.make_tensor_value_info("places", 7, [40])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 11)])
    model.ir_version = 7
    blank = compared(model, {"wrong": {"Cos": "Exp"}}).inputs[1]
    assert blank.by_chance == ["places"] and list(blank.differences) == ["sum"]
    assert blank.first.node == "wave" and blank.first.alone == "differs too"


def test_what_depends_on_roundings_is_none():
    flips = Expected(np.int64([1, 2]), [np.int64([2, 1])])
    assert tensor_differs(flips, np.int64([2, 1])) is None
    steady = Expected(np.int64([1, 2]), [np.int64([1, 2])])
    assert tensor_differs(steady, np.int64([2, 1])) == "2 of 2 differ"
    assert tensor_differs(steady, np.int64([1])) == "shape (1,) for (2,)"
    assert tensor_differs(Expected(np.ones(2), [np.ones(3)]), np.ones(4)) is None
    loud = Expected(np.float32([1, 2]), [np.float32([1, 2.01])])
    assert tensor_differs(loud, np.float32([1, 2.03])) is None
    assert tensor_differs(loud, np.float32([1, 2.06])).startswith("1 of 2 differ, by up to 0.06 where 0.04")


def test_rows_that_change_places_are_known_ones():
    random = np.random.RandomState(0)
    value = random.rand(1, 50, 2).astype(np.float32)
    expected = Expected(value, [value[:, ::-1]])
    shuffled = value[:, random.permutation(50)]
    assert tensor_differs(expected, shuffled) is None
    shuffled[0, :3] += 1
    assert tensor_differs(expected, shuffled) is None  # a few boxes may be chosen otherwise
    shuffled[0, :30] += 1
    assert tensor_differs(expected, shuffled) == "30 of 50 rows are in none of its runs"


def test_what_stands_for_no_value_hides_nothing():
    value = np.float32([-1e9, np.inf, np.nan, 1, 2])
    expected = Expected(value, [value])
    assert tensor_differs(expected, value) is None
    for index in range(5):
        found = value.copy()
        found[index] = 1.5
        assert tensor_differs(expected, found).startswith("1 of 5 differ")


def lists(order, scores=(0.9, 0.8, 0.8)):
    boxes = np.float32([[0, 0, 9, 9], [20, 0, 30, 9], [0, 50, 9, 60]])
    dets = np.concatenate([boxes, np.float32(scores)[:, None]], 1)[list(order)]
    return {"dets": dets[None], "labels": np.int64([1, 2, 3])[list(order)][None]}


def test_rows_of_a_list_may_change_places_and_no_more():
    runs = [lists((0, 2, 1)), lists((0, 1, 2))]
    expected = {name: Expected(value, [run[name] for run in runs]) for name, value in lists((0, 1, 2)).items()}
    assert answers_differ(expected, lists((0, 2, 1))) == {}
    assert answers_differ(expected, lists((0, 1))) == {"dets, labels": "1 of 3 rows are missing, 0 are too many"}
    assert answers_differ(expected, lists((0, 1, 2, 2))) == {}  # which side has it more often is not asked
    wrong = lists((0, 1, 2), (0.9, 0.8, 0.7))
    assert answers_differ(expected, wrong) == {"dets, labels": "1 of 3 rows are missing, 1 are too many"}
    other = {**lists((0, 1, 2)), "labels": np.int64([[1, 2, 4]])}
    assert answers_differ(expected, other) == {"dets, labels": "1 of 3 rows are missing, 1 are too many"}


def test_a_row_that_comes_and_goes_with_roundings_is_excused():
    runs = [lists((0, 1)), lists((0, 1, 2))]
    expected = {name: Expected(value, [run[name] for run in runs]) for name, value in lists((0, 1, 2)).items()}
    assert answers_differ(expected, lists((0, 1))) == {}
    assert answers_differ(expected, lists((0, 2))) == {"dets, labels": "1 of 3 rows are missing, 0 are too many"}


def described(model):
    steps = [
        {"type": "load", "color": "color", "to_rgb": False},
        {"type": "resize", "rule": "exact", "size": [5, 7], "backend": "cv2", "interpolation": "bilinear"},
        {"type": "normalize", "mean": [100.0] * 3, "std": [50.0] * 3, "to_rgb": True},
    ]
    for key, value in Description(task="classification", pipeline=steps).to_properties().items():
        model.metadata_props.add(key=key, value=value)
    return model


def test_a_picture_is_prepared_as_the_file_says(compared, tmp_path):
    picture = str(tmp_path / "picture.png")
    cv2.imwrite(picture, np.full((20, 30, 3), 200, np.uint8))
    for shape, size in ((None, (5, 7)), ((6, 8), (6, 8))):
        (one,) = compared(described(made("Sin")), {}, image=picture, shape=shape, batch=2).inputs
        assert one.equal and one.name == picture and one.shapes == {"input": (2, 3, *size)}
    with pytest.raises(InputError, match="does not say how a picture is prepared; .*; leave --image out"):
        compared(made("Sin"), {}, image=picture)


def test_other_inputs_than_pictures_and_inputs_that_may_be_left_out(compared):
    model = made("Sin", optional=True)
    model.graph.input.append(helper.make_tensor_value_info("flags", onnx.TensorProto.BOOL, ["batch", "n"]))
    model.graph.node.append(helper.make_node("Not", ["flags"], ["others"]))
    model.graph.output.append(helper.make_tensor_value_info("others", onnx.TensorProto.BOOL, ["batch", "n"]))
    found = compared(model, {"wrong": {"Sin": "Cos"}}, batch=2)
    assert found.inputs[0].shapes == {"input": (2, 3, 6, 8), "flags": (2, 8)}
    assert found.inputs[0].first.operator == "Sin"


def test_the_command(monkeypatch, tmp_path, capsys):
    path = str(tmp_path / "model.onnx")
    onnx.save(made(*ROW), path)
    command = ["compare", path, "--with", "stand-in", "--shape", "6", "8"]
    planted(monkeypatch)
    assert cli.main(command) == 0 and "equal" in capsys.readouterr().out
    planted(monkeypatch, wrong={"Tan": "Sin"})
    assert cli.main(command) == 1
    text = capsys.readouterr().out
    assert all(words in text for words in ("head.4/Tan", "differs too", "float32 (1, 4, 6, 8)", "allowed: floats"))
    assert cli.main([*command, "--json"]) == 1
    data = json.loads(capsys.readouterr().out)
    assert not data["equal"] and data["inputs"][0]["first"]["module"] == "head.4"


@pytest.mark.parametrize(
    "words,message",
    [
        (["none.onnx", "--with", "stand-in"], "none.onnx' does not exist"),
        (["model.onnx", "--with", "other"], "runtime 'other' is unknown"),
        (["model.onnx"], "--with"),
        (["model.onnx", "--with", "stand-in", "--batch", "0"], "--batch 0"),
        (["model.onnx", "--with", "stand-in", "--shape", "0", "4"], "--shape"),
        (["model.onnx", "--with", "stand-in", "--image", "none.png"], "none.png"),
    ],
)
def test_wrong_use(monkeypatch, tmp_path, capsys, words, message):
    planted(monkeypatch)
    monkeypatch.chdir(tmp_path)
    onnx.save(described(made("Sin")), "model.onnx")
    assert cli.main(["compare", *words]) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1


@pytest.mark.parametrize("name", list(ENGINES))
def test_real_runtimes(tmp_path, name):
    try:
        ENGINES[name].version()
    except InputError as error:
        pytest.skip(str(error))
    onnx.save(made("Sigmoid", "Relu"), tmp_path / "model.onnx")
    assert compare(CompareSettings(str(tmp_path / "model.onnx"), name, shape=(6, 8))).equal
