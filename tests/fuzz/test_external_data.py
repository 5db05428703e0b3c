"""Tensors beside an ONNX file: those of its own folder are read, and nothing else is."""

import os

import numpy as np
import onnx
import pytest
from fuzz_parts import mutations

from mmonnx.graph.read import read_model
from mmonnx.runtime.external import check_external, external_entries
from mmonnx.support import memory

COMMANDS = {
    "check": ["check", "x.onnx"],
    "inspect": ["inspect", "x.onnx"],
    "predict": ["predict", "x.onnx", "x.png", "--json", "found.json"],
}
WEIGHT = np.arange(1000, dtype=np.float32)


def model_of(location="beside.bin", place="initializer", **more):
    """A model whose 1000 numbers are at a place in a file."""
    tensor = onnx.TensorProto(name="w", dims=[1000], data_type=1, data_location=onnx.TensorProto.EXTERNAL)
    for key, value in {"location": location, **more}.items():
        tensor.external_data.add(key=key, value=str(value))
    values = [onnx.helper.make_tensor_value_info(name, 1, [1000]) for name in ("x", "y")]
    node = onnx.helper.make_node("Add", ["x", "w"], ["y"])
    opsets = [onnx.helper.make_opsetid("", 11)]
    if place == "initializer":
        graph = onnx.helper.make_graph([node], "g", values[:1], values[1:], [tensor])
        return onnx.helper.make_model(graph, opset_imports=opsets, ir_version=7)
    constant = onnx.helper.make_node("Constant", [], ["w"], value=tensor)
    if place == "attribute":
        return onnx.helper.make_model(
            onnx.helper.make_graph([constant, node], "g", values[:1], values[1:]), opset_imports=opsets, ir_version=7
        )
    branch = onnx.helper.make_graph([constant, node], "g", [], values[1:])
    yes = onnx.helper.make_tensor("yes", onnx.TensorProto.BOOL, [], [True])
    chosen = onnx.helper.make_node("If", ["yes"], ["y"], then_branch=branch, else_branch=branch)
    graph = onnx.helper.make_graph([chosen], "g", values[:1], values[1:], [yes])
    return onnx.helper.make_model(graph, opset_imports=opsets, ir_version=7)


def fill(model):
    """A function that writes the model into a folder, and around it what it must not reach."""

    def write(folder):
        (folder / "x.onnx").write_bytes(model if isinstance(model, bytes) else model.SerializeToString())
        (folder / "x.png").write_bytes(b"")
        (folder / "beside.bin").write_bytes(WEIGHT.tobytes())
        (folder.parent / "secret.bin").write_bytes(WEIGHT.tobytes())
        os.symlink(str(folder.parent / "secret.bin"), str(folder / "link.bin"))
        os.symlink(str(folder.parent), str(folder / "linked"))
        (folder / "a").mkdir()

    return write


@pytest.mark.parametrize("place", ["initializer", "attribute", "subgraph"])
@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_files_outside_of_the_folder_are_refused(refused, name, place):
    for location in mutations.OUTSIDE:
        line = refused(COMMANDS[name], fill(model_of(location, place)))
        assert f"has weights in '{location}'" in line and "in the folder of the model" in line, line


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_files_that_are_missing_or_too_short_are_refused(refused, name):
    assert "does not exist" in refused(COMMANDS[name], fill(model_of("missing.bin")))
    assert "is no file" in refused(COMMANDS[name], fill(model_of("a")))
    for place in ({"offset": 4}, {"offset": 0, "length": 4004}, {"offset": -4}, {"length": 2**63}, {"offset": "x"}):
        line = refused(COMMANDS[name], fill(model_of(**{"length": 4000, **place})))
        assert "too short" in line, (place, line)


def test_data_of_its_own_folder_are_read(tmp_path):
    fill(model_of())(tmp_path)
    assert read_model(tmp_path / "x.onnx").graph.initializer[0].raw_data == WEIGHT.tobytes()
    check_external(tmp_path / "x.onnx")


def test_more_data_than_there_is_memory_are_refused(refused, monkeypatch):
    """A thousand tensors that all are one file."""
    model = model_of()
    for number in range(999):
        model.graph.initializer.add().CopyFrom(model.graph.initializer[0])
        model.graph.initializer[-1].name = f"w{number}"
    monkeypatch.setattr(memory, "available_memory", lambda: 3 << 20)
    for command in COMMANDS.values():
        assert "of memory" in refused(command, fill(model))


def test_what_a_reader_of_protobuf_skips_hides_nothing():
    """Unknown fields, groups, fields of another kind, and a graph in two pieces."""
    model = model_of("../secret.bin").SerializeToString()
    for before in (
        b"",
        b"\xf8\x07\x01",
        b"\xfb\x07\x08\x01\xfc\x07",
        b"\xfd\x07abcd",
        b"\xf9\x07abcdefgh",
        b"\x3a\x00",
    ):
        for behind in (b"", b"\x3a\x00", b"\xf8\x07\x01"):
            data = before + model + behind
            assert onnx.load_model_from_string(data).graph.initializer[0].external_data
            assert list(entries_of(data)) == [{"location": "../secret.bin"}], before


def entries_of(data):
    import tempfile

    with tempfile.NamedTemporaryFile() as file:
        file.write(data)
        file.flush()
        yield from external_entries(file.name)
