"""The runtimes beside ONNX Runtime: how each is called, what it needs, and where it runs."""

import functools
import importlib
import os
import re
import sys
from dataclasses import dataclass
from typing import Any, Dict, List, Sequence, Tuple

from ...support import InputError
from .child import HERE, Child, EngineError, MissingEngineError

DEFAULT = "onnxruntime"
"""The runtime that is no engine: mmonnx's own, see ``runtime.Session``."""


@dataclass(frozen=True)
class Engine:
    """A runtime.

    Attributes:
        name: what ``--runtime`` and ``--with`` take, and a target's ``engine``.
        title: how it is called in texts.
        package: what is installed.
        install: how, as an imperative.
        least: the first version that is taken.
        apart: it can die from a file, and has a process of its own.
    """

    name: str
    title: str
    package: str
    install: str
    least: Tuple[int, ...] = ()
    apart: bool = True

    @property
    def variable(self) -> str:
        """The environment variable that names another Python to run it in."""
        return f"MMONNX_PYTHON_{self.name.upper().replace('-', '_')}"

    def command(self) -> List[str]:
        """What starts it in a child process, but for the file."""
        file = os.path.join(HERE, self.name.replace("-", "_"))
        if os.path.exists(f"{file}.js"):
            return ["node", f"{file}.js"]
        return [os.environ.get(self.variable, sys.executable), os.path.join(HERE, "worker.py"), f"{file}.py"]

    def version(self) -> str:
        """The version that is installed.

        Raises:
            InputError: none is, or one that is too old.
        """
        try:
            found = _version(tuple(self.command())) if self._is_apart() else str(self._module().version())
        except (ImportError, MissingEngineError, EngineError) as error:
            raise InputError(
                f"{self.package} is not installed", f"{self.title}'s own package ({_first(error)})", self.install
            ) from error
        if found and tuple(map(int, re.findall(r"\d+", found)[: len(self.least)])) < self.least:
            least = ".".join(map(str, self.least))
            raise InputError(f"{self.package} {found} is too old", f"{least} or later", self.install)
        return found

    def titled(self) -> str:
        """The title with the first two numbers of the version; errors are those of ``version``."""
        return " ".join([self.title, *re.findall(r"^\d+(?:\.\d+)?", self.version())])

    def load(self, path: str, inputs: Sequence[str], outputs: Sequence[str]) -> Any:
        """Something with ``run``, from arrays by name to arrays by name; of a file and the names of its values.

        Raises:
            EngineError: it does not load the file.
        """
        if self._is_apart():
            return Child(self.command(), path, inputs, outputs)
        return self._module().Engine(path, inputs, outputs)

    def _is_apart(self) -> bool:
        return self.apart or self.variable in os.environ

    def _module(self) -> Any:
        return importlib.import_module(f".{self.name.replace('-', '_')}", __package__)


@functools.lru_cache(maxsize=None)
def _version(command: Tuple[str, ...]) -> str:
    return Child(command).version


def _first(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


_OPENCV = "install opencv-python-headless in an environment of its own, and name its python in MMONNX_PYTHON_OPENCV"
_PYPPL = "build it, and name the python that it is built for in MMONNX_PYTHON_PPLNN"
ENGINES: Dict[str, Engine] = {
    engine.name: engine
    for engine in (
        Engine("openvino", "OpenVINO", "openvino", "pip install 'mmonnx[openvino]'", (2023,), apart=False),
        Engine("mnn", "MNN", "MNN", "pip install 'mmonnx[mnn]'", (3,)),
        # the dnn module of OpenCV 4, which may be what mmonnx reads pictures with, takes hardly any of these files
        Engine("opencv", "OpenCV", "opencv", _OPENCV, (5,)),
        Engine("onnxruntime-web", "ONNX Runtime Web", "onnxruntime-web", "npm install onnxruntime-web", (1,)),
        Engine("pplnn", "PPLNN", "pyppl", _PYPPL),
    )
}


def find_engine(name: str) -> Engine:
    """The runtime of a name.

    Raises:
        InputError: there is none of that name.
    """
    if name not in ENGINES:
        raise InputError(f"runtime '{name}' is unknown", ", ".join([DEFAULT, *ENGINES]), "give one of these")
    return ENGINES[name]
