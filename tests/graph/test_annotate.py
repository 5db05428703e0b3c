from onnx import helper

from mmonnx.graph.metadata import annotate


def test_metadata():
    model = helper.make_model(helper.make_graph([], "graph", [], []), producer_name="other")
    helper.set_model_props(model, {"kept": "1", "replaced": "1", "onnxsim.skip_optimizers": "[]"})
    before = model.SerializeToString()
    result = annotate(model, {"replaced": "2", "new": "3"}, version="1.2")
    assert {entry.key: entry.value for entry in result.metadata_props} == {"kept": "1", "replaced": "2", "new": "3"}
    assert (result.producer_name, result.producer_version) == ("mmonnx", "1.2")
    assert model.SerializeToString() == before
