"""Hostile inputs that find their own way: atheris watches which lines of mmonnx an input reaches, and changes it.

    python tools/fuzz_atheris.py -max_total_time=60
    python tools/fuzz_atheris.py -atheris_runs=1000 FOLDER    # that of the inputs, which grows

The arguments are those of libFuzzer; with ``-rss_limit_mb=0``, as PyTorch alone takes most of its 2 GiB. The first byte
of an input says what it is: an ONNX file for check, inspect or predict, what such a file says of itself, or the text of
an option. One that ends otherwise than in a right result or a clean refusal is written to the current folder as
``crash-...``, and ends the run; with its path as argument it is run again.
"""

import contextlib
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Dict, List, Tuple

import atheris

with atheris.instrument_imports(include=["mmonnx"], enable_loader_override=False):
    from mmonnx import cli  # noqa: F401
    from mmonnx.graph import check, read  # noqa: F401
    from mmonnx.loading import checkpoint  # noqa: F401
    from mmonnx.runtime import predicting as predict  # noqa: F401

import onnx
from fuzz_parts import judge
from fuzz_parts.corpus import Corpus

Files = Dict[str, bytes]


def command(data: bytes, corpus: Corpus) -> Tuple[List[str], Files]:
    """The command line that an input means, and its files."""
    kind, rest = data[0] % 6, data[1:]
    if kind < 2:
        return [("check", "inspect")[kind], "x.onnx", "--json"], {"x.onnx": rest}
    if kind == 2:
        return ["predict", "x.onnx", "x.png", "--json", "found.json"], {"x.onnx": rest, "x.png": _image(corpus)}
    if kind == 3:
        return ["predict", "x.onnx", "x.png", "--json", "found.json"], {
            "x.onnx": _described(corpus, rest),
            "x.png": _image(corpus),
        }
    text = rest.decode(errors="replace").replace("\0", "")
    plain = ["export", "fuzz_model:make", "--shape", "16", "--output-file", "x.onnx"]
    return [*plain, *(["--model-kwargs", text] if kind == 4 else ["--shape", *text.split()])], {}


def _image(corpus: Corpus) -> bytes:
    return corpus.images["colour.png"]


def _described(corpus: Corpus, data: bytes) -> bytes:
    """A classifier's file, in which a part of what it says of itself is the input."""
    model = onnx.load_model_from_string(corpus.models["classifier"])
    entries = list(model.metadata_props)
    entry = entries[data[0] % len(entries)] if data else entries[0]
    entry.value = data[1:].decode(errors="replace")
    return model.SerializeToString()


def main() -> None:
    """Run atheris with the arguments of the command line."""
    work = Path(tempfile.mkdtemp(prefix="mmonnx-fuzz-"))
    owner = os.getpid()
    with contextlib.redirect_stdout(sys.stderr):
        corpus = Corpus(work / "corpus")

    def run(data: bytes) -> None:
        if not data:
            return
        argv, files = command(data, corpus)
        folder = work / "one" / "in"
        folder.mkdir(parents=True)
        try:
            for name, content in files.items():
                (folder / name).write_bytes(content)
            found = judge.run(argv, folder)
        finally:
            shutil.rmtree(str(folder.parent))
        if found.problem is not None:
            raise AssertionError(f"{found.problem}: {argv}: {found.line}")

    for number, name in enumerate(("plain", "plain", "plain", "classifier")):
        (work / "seeds").mkdir(exist_ok=True)
        (work / "seeds" / f"{number}").write_bytes(bytes([number]) + corpus.models[name][:4096])
    atheris.Setup([sys.argv[0], *sys.argv[1:], str(work / "seeds")], run)
    try:
        atheris.Fuzz()
    finally:
        if os.getpid() == owner:
            shutil.rmtree(str(work), ignore_errors=True)


if __name__ == "__main__":
    main()
