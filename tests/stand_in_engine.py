"""A runtime for tests: ONNX Runtime, with faults that are planted into it.

``Engine`` is the child's side; ``planted`` makes mmonnx know it as the runtime ``stand-in``.
"""

import json
import os
import signal
import time

import numpy as np

FAULTS = "MMONNX_TEST_FAULTS"


def version():
    if "missing" in _faults():
        raise ImportError("No module named 'stand_in'")
    return _faults().get("version", "1.2.3")


def _faults():
    return json.loads(os.environ.get(FAULTS, "{}"))


class Engine:
    """``wrong``: operators taken for others; ``lacks``: those it lacks; ``dies``, ``hangs``, ``fails``: at which."""

    def __init__(self, path, inputs, outputs):
        import onnx
        import onnxruntime

        model, faults = onnx.load(path), _faults()
        self._dies, self._hangs, self._fails = (
            any(node.op_type in faults.get(kind, ()) for node in model.graph.node)
            for kind in ("dies", "hangs", "fails")
        )
        for node in model.graph.node:
            if node.op_type in faults.get("lacks", ()):
                raise RuntimeError(f"no operator {node.op_type}")
            node.op_type = faults.get("wrong", {}).get(node.op_type, node.op_type)
        if __name__ == "engine":  # in a process of its own, as real ones do
            print("printed by the runtime", flush=True)
        self._session = onnxruntime.InferenceSession(model.SerializeToString())
        self._outputs = list(outputs)

    def run(self, feeds):
        if self._dies:
            os.kill(os.getpid(), signal.SIGFPE)
        if self._hangs:
            time.sleep(3600)
        if self._fails:
            raise RuntimeError("no shape for this one")
        found = self._session.run(self._outputs, feeds)
        # as MNN, which has no others
        return {
            name: value.astype(np.int32) if value.dtype.kind in "ib" else value
            for name, value in zip(self._outputs, found)
        }


def planted(monkeypatch, apart=False, name="stand-in", **faults):
    """Let there be a runtime of this name with these faults until the test ends, apart where it dies or is to be."""
    import sys

    from mmonnx.runtime.engines import registry
    from mmonnx.runtime.engines.child import HERE

    class StandIn(registry.Engine):
        def command(self):
            return [sys.executable, os.path.join(HERE, "worker.py"), __file__]

        def _module(self):
            return sys.modules[__name__]

    registry._version.cache_clear()
    monkeypatch.setenv(FAULTS, json.dumps(faults))
    words = (name, "Stand-In", "stand_in", "install stand_in", (1,))
    monkeypatch.setitem(registry.ENGINES, name, StandIn(*words, apart=apart or bool({"dies", "hangs"} & set(faults))))


def made(*operators, optional=False):
    """A convolution, some operators in a row behind it, and where they are positive, as bool and int64."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    weight = numpy_helper.from_array(np.random.RandomState(1).randn(4, 3, 1, 1).astype(np.float32), "weight")
    zero = numpy_helper.from_array(np.float32(0), "zero")
    nodes, last = [helper.make_node("Conv", ["input", "weight"], ["x0"], kernel_shape=[1, 1])], "x0"
    for number, operator in enumerate(operators, 1):
        nodes.append(helper.make_node(operator, [last], [f"x{number}"], name=f"head.{number}/{operator}"))
        last = f"x{number}"
    inputs, initializers = [helper.make_tensor_value_info("input", 1, ["batch", 3, "height", "width"])], [weight, zero]
    if optional:
        inputs.append(helper.make_tensor_value_info("offset", 1, [1]))
        initializers.append(numpy_helper.from_array(np.float32([2]), "offset"))
    nodes += [
        helper.make_node("Add", [last, "offset" if optional else "zero"], ["values"]),
        helper.make_node("Greater", ["values", "zero"], ["positive"]),
        helper.make_node("Cast", ["positive"], ["labels"], to=TensorProto.INT64),
    ]
    shape = ["batch", 4, "height", "width"]
    outputs = [helper.make_tensor_value_info("values", 1, shape), helper.make_tensor_value_info("labels", 7, shape)]
    graph = helper.make_graph(nodes, "graph", inputs, outputs, initializers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 11)])
    model.ir_version = 7
    onnx.checker.check_model(model)
    return model
