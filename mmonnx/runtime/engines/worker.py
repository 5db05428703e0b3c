"""The child's side of an engine that may die: ``python worker.py ENGINE.py [MODEL OPTIONS]``.

It is run by its path, and in another interpreter than mmonnx's where a runtime is built for one: it needs numpy, and
imports nothing of mmonnx, nor do the engines' own files. Each of these has

- ``version() -> str``, which imports the runtime, and raises ImportError without it;
- ``Engine(path, inputs, outputs)``, which loads a file, with the names of its inputs and outputs;
- ``Engine.run(feeds) -> outputs``, arrays by name.

What either raises is told as its first line. Parent and child send each other messages: the length of a header as four
bytes, little-endian; the header, as JSON; and the bytes of the arrays that it lists by name, type and shape.
"""

import importlib.util
import json
import os
import sys
from typing import IO, Any, Dict, Optional, Tuple

import numpy as np

Arrays = Dict[str, np.ndarray]


def send(stream: IO[bytes], header: Dict[str, Any], arrays: Optional[Arrays] = None) -> None:
    """Write one message."""
    whole = {name: np.asarray(array, order="C") for name, array in (arrays or {}).items()}
    listed = [[name, array.dtype.name, list(array.shape)] for name, array in whole.items()]
    text = json.dumps(dict(header, arrays=listed)).encode()
    stream.write(len(text).to_bytes(4, "little") + text)
    for array in whole.values():
        stream.write(array.tobytes())
    stream.flush()


def receive(stream: IO[bytes]) -> Tuple[Dict[str, Any], Arrays]:
    """Read one message; EOFError where there is none any more."""
    header = json.loads(_exactly(stream, int.from_bytes(_exactly(stream, 4), "little")))
    arrays = {}
    for name, dtype, shape in header.pop("arrays"):
        data = _exactly(stream, int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize)
        arrays[name] = np.frombuffer(data, dtype).reshape(shape).copy()
    return header, arrays


def _exactly(stream: IO[bytes], count: int) -> bytes:
    data = stream.read(count)
    if len(data) < count:
        raise EOFError
    return data


def main(engine_file: str, model: str = "", options: str = "{}") -> None:
    """Tell the runtime's version, load the model if there is one, and run it until nobody asks any more."""
    asked = sys.stdin.buffer
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # runtimes print
    _leave_no_file()
    found = importlib.util.spec_from_file_location("engine", engine_file)
    assert found is not None and found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    try:
        send(answers, {"version": module.version()})
    except ImportError as error:
        send(answers, {"missing": _told(error)})
        return
    try:
        engine = module.Engine(model, **json.loads(options))
    except Exception as error:
        send(answers, {"error": _told(error)})
        return
    send(answers, {})
    while True:
        try:
            _, feeds = receive(asked)
        except EOFError:
            return
        try:
            send(answers, {}, engine.run(feeds))
        except Exception as error:
            send(answers, {"error": _told(error)})


def _leave_no_file() -> None:
    """A death is told, and leaves no picture of the memory behind."""
    try:
        import resource
    except ImportError:  # Windows, which leaves none
        return
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _told(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


if __name__ == "__main__":
    # the folder of this file, where an engine's file has the name of its runtime
    del sys.path[0]
    main(*sys.argv[1:])
