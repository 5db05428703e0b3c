"""From a path that somebody gives to a session: refusals in one line, whatever a runtime says."""

import contextlib
import os
from typing import Optional, Sequence, Union

from ..support import InputError, first_line
from .engines import DEFAULT, EngineSession, find_engine
from .external import check_external
from .session import Session, has_cuda

AnySession = Union[Session, EngineSession]


def open_session(
    path: str,
    device: str,
    runtime: str,
    threads: Optional[int] = None,
    providers: Sequence[str] = (),
    sharing: bool = False,
) -> AnySession:
    """A session of a file in any runtime; arguments and errors are those of ``models.open_model``."""
    if runtime == DEFAULT:
        return load_session(path, device, threads, providers, sharing)
    find_engine(runtime)
    if device not in ("auto", "cpu"):
        raise InputError(f"device '{device}' is not available in {runtime}", "auto or cpu", "leave --device out")
    if providers:
        raise InputError("--providers are ONNX Runtime's", f"--runtime {DEFAULT}", "leave one of them out")
    if threads is not None:
        raise InputError("--threads is for ONNX Runtime", f"--runtime {DEFAULT}", "leave one of them out")
    check_file(path)
    try:
        return EngineSession(path, runtime)
    except InputError:
        raise
    except Exception as error:  # each runtime has its own
        raise InputError(
            f"'{path}' cannot be loaded by {first_line(error)[:300]}",
            "an ONNX file that it takes",
            f"export it again, with --target {runtime}",
        ) from error


def load_session(
    path: str,
    device: str,
    num_threads: Optional[int] = None,
    providers: Sequence[str] = (),
    sharing: bool = False,
) -> Session:
    """A session of a file that somebody gives; ``device`` may be ``auto``, the rest is as ``Session`` takes it.

    Raises:
        InputError: it does not exist, its weights are elsewhere, or ONNX Runtime does not take it.
    """
    check_file(path)
    try:
        if device == "auto" and not providers and has_cuda():
            with contextlib.suppress(InputError):  # its libraries do not load
                return Session(path, "cuda", num_threads, sharing=sharing)
        where = "cpu" if device == "auto" else device
        return Session(path, where, num_threads, providers=providers, sharing=sharing)
    except InputError:
        raise
    except Exception as error:  # ONNX Runtime has many
        raise InputError(
            f"'{path}' cannot be loaded by ONNX Runtime ({first_line(error)[:300]})",
            "an ONNX file that it takes",
            "export it again",
        ) from error


def check_file(path: str) -> None:
    """Refuse what is no file, or has its weights where they are not read.

    Raises:
        InputError: it is none.
    """
    if not os.path.isfile(path):
        problem = "is not a file" if os.path.exists(path) else "does not exist"
        raise InputError(f"model '{path}' {problem}", "an ONNX file", "give another path")
    check_external(path)
