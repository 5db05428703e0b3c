"""A runtime for tests: ONNX Runtime in a child process, with faults that are planted into it.

``Engine`` is the child's side; ``planted`` makes mmonnx know it as the runtime ``stand-in``.
"""

import json
import os
import signal

import numpy as np

FAULTS = "MMONNX_TEST_FAULTS"


def version():
    if "missing" in _faults():
        raise ImportError("No module named 'stand_in'")
    return _faults().get("version", "1.2.3")


def _faults():
    return json.loads(os.environ.get(FAULTS, "{}"))


class Engine:
    """``wrong``: operators that are taken for others; ``dies``: those that it dies from; ``lacks``: those it lacks."""

    def __init__(self, path, inputs, outputs):
        import onnx
        import onnxruntime

        model, faults = onnx.load(path), _faults()
        self._dies = any(node.op_type in faults.get("dies", ()) for node in model.graph.node)
        for node in model.graph.node:
            if node.op_type in faults.get("lacks", ()):
                raise RuntimeError(f"no operator {node.op_type}")
            node.op_type = faults.get("wrong", {}).get(node.op_type, node.op_type)
        print("printed by the runtime", flush=True)
        self._session = onnxruntime.InferenceSession(model.SerializeToString())
        self._outputs = list(outputs)

    def run(self, feeds):
        if self._dies:
            os.kill(os.getpid(), signal.SIGFPE)
        found = self._session.run(self._outputs, feeds)
        # as MNN, which has no others
        return {
            name: value.astype(np.int32) if value.dtype.kind in "ib" else value
            for name, value in zip(self._outputs, found)
        }


def planted(monkeypatch, **faults):
    """Let there be the runtime ``stand-in`` with these faults until the test ends."""
    import sys

    from mmonnx.runtime.engines import registry
    from mmonnx.runtime.engines.child import HERE

    class StandIn(registry.Engine):
        def command(self):
            return [sys.executable, os.path.join(HERE, "worker.py"), __file__]

    registry._version.cache_clear()
    monkeypatch.setenv(FAULTS, json.dumps(faults))
    monkeypatch.setitem(
        registry.ENGINES, "stand-in", StandIn("stand-in", "Stand-In", "stand_in", "install stand_in", (1,))
    )
