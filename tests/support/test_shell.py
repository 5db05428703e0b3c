"""Commands that a user is to paste: pasted, they are what was meant."""

import ast
import io
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import mmonnx
from mmonnx import cli, loading
from mmonnx.cli import parsers
from mmonnx.exporting.following import check_it, load_it, verify_it
from mmonnx.support import key_values, shell
from mmonnx.support.shell import command_line, path_word
from mmonnx.terminal.report import Report

ROOT = Path(__file__).resolve().parents[2]
WORDS = [
    "plain.onnx",
    "with space.onnx",
    "it's.onnx",
    'a "quoted" one.onnx',
    "$HOME.onnx",
    "it's $HOME.onnx",
    "`id`.onnx",
    "a&b;c|d.onnx",
    "übung.onnx",
    "模型.onnx",
    "~/x.onnx",
    "*.onnx",
    "back\\slash'.onnx",
    "bang!'.onnx",
    "tab\tand\nline.onnx",
    "(x) <y> #z",
    "-x.onnx",
    "",
]
posix = pytest.mark.skipif(os.name == "nt", reason="needs a POSIX shell")


def pasted(line):
    """The words that a shell makes of a line."""
    show = "import sys; sys.stdout.buffer.write('\\0'.join(sys.argv[1:]).encode())"
    return subprocess.check_output(["sh", "-c", f'"{sys.executable}" -c "$0" {line}', show]).decode().split("\0")


@posix
def test_a_shell_gives_back_every_word():
    assert pasted(command_line("mmonnx", *WORDS)) == ["mmonnx", *WORDS]
    assert shlex.split(command_line(*WORDS)) == WORDS


def test_what_needs_no_quotes_has_none():
    assert (
        command_line("mmonnx", "check", "out/x-1.onnx", "--target", "pplnn")
        == "mmonnx check out/x-1.onnx --target pplnn"
    )
    assert command_line("python", "-c", "f('x y')") == "python -c \"f('x y')\""


@pytest.mark.parametrize(
    ("word", "line"),
    [
        ("x.onnx", "x.onnx"),
        (r"C:\out\x.onnx", r"C:\out\x.onnx"),
        (r"C:\my out\x.onnx", r'"C:\my out\x.onnx"'),
        ("a&b.onnx", '"a&b.onnx"'),
        ("mmdet>=2.14,<3", '"mmdet>=2.14,<3"'),
        ("a&b\\", '"a&b\\\\"'),
        ("", '""'),
    ],
)
def test_windows_has_its_own_quotes(monkeypatch, word, line):
    monkeypatch.setattr(shell.os, "name", "nt")
    assert command_line("mmonnx", word) == f"mmonnx {line}"


@pytest.mark.parametrize("word", [word for word in WORDS if word and word != "~/x.onnx"])
def test_a_path_is_no_option_and_the_same_path(word):
    found = path_word(word)
    assert not found.startswith("-") and os.path.abspath(found) == os.path.abspath(word)
    options = parsers._parser().parse_args(["check", found])
    assert options.file == found


@posix
@pytest.mark.parametrize("word", WORDS[:-1])
def test_the_commands_of_the_closing_line_come_back(word):
    path = os.path.abspath(path_word(word))
    program, *arguments = pasted(check_it(word, "pplnn"))
    options = parsers._parser().parse_args(arguments)
    assert program == "mmonnx" and os.path.abspath(options.file) == path and options.target == "pplnn"
    python, flag, code = pasted(load_it(word))
    call = ast.parse(code).body[1].value
    assert (python, flag, ast.literal_eval(call.args[0])) == ("python", "-c", word)


LOADS = [
    dict(shape=(64, 96), batch=2, dynamic=True, skip_postprocess=True, cfg_options={"model.a": [1, 2], "b.c": "xy"}),
    dict(topk=3, softmax=False, dynamic_batch=True, trust_checkpoint=True, device="cuda", image="-p $x.png"),
    dict(mask_output="roi", image_size=False, codebase_root="a tree's", output_names=["a", "b"]),
    dict(model_kwargs={"a": "3", "b": 3, "c": "it's", "d": (1, "x y"), "e": None, "f": True}),
]


@posix
@pytest.mark.parametrize("load", LOADS)
@pytest.mark.parametrize("word", ["with space", "it's $HOME", "-x&y", "übung"])
def test_the_same_export_is_asked_for_again(tmp_path, monkeypatch, load, word):
    settings = mmonnx.ExportSettings(
        f"{word}.py",
        f"{word}.pth",
        f"{word}.onnx",
        loading.LoadOptions(**load),
        target="pplnn",
        opset=12,
        check=False,
        simplify=True,
        strict=True,
        test_image=f"{word}.jpg",
    )
    program, *arguments = pasted(verify_it(settings))
    seen = []
    monkeypatch.setattr("mmonnx.pipeline.export", lambda asked, report: seen.append(asked) or seen[0])
    monkeypatch.setattr(mmonnx.ExportSettings, "ok", True, raising=False)
    assert program == "mmonnx" and cli.main(arguments) == 0
    (asked,) = seen
    assert asked.verify and not settings.verify
    for name in ("config", "checkpoint", "output_file", "test_image"):
        assert os.path.abspath(getattr(asked, name)) == os.path.abspath(getattr(settings, name))
    for name in ("target", "opset", "custom_ops", "check", "simplify", "strict"):
        assert getattr(asked, name) == getattr(settings, name)
    for name, value in load.items():
        found = getattr(asked.load, name)
        assert found == value or (name == "image" and os.path.normpath(found) == value), name


@pytest.mark.parametrize(
    "values",
    [{"a": 1}, {"a": "1"}, {"a": 1.5, "b": -2}, {"a": None, "b": "none"}, {"a": [1, [2, 3]]}, {"a": (1,), "b": ()}]
    + [
        {"a": " x "},
        {"a": "[x]"},
        {"a": True, "b": "True"},
        {"a": "it's so"},
        {"a": []},
        {"a": ["a b"]},
    ],
)
def test_key_values_are_read_as_what_they_were(values):
    assert key_values.parse(key_values.texts(values), "--model-kwargs") == values


@posix
@pytest.mark.parametrize("word", ["with space", "it's $HOME", "a&b", "-x", "tab\there"])
def test_an_export_ends_with_a_line_that_can_be_pasted(tmp_path, monkeypatch, word):
    monkeypatch.chdir(tmp_path)
    text = io.StringIO()
    mmonnx.export(torch.nn.ReLU(), torch.ones(2, 3), f"{word}.onnx", report=Report(text))
    (line,) = re.findall(r"^next: (.*)\n", text.getvalue(), re.M)
    assert line.startswith("python ")
    done = subprocess.run(["sh", "-c", f'"{sys.executable}"{line[len("python") :]}'], cwd=str(tmp_path))
    assert done.returncode == 0


def test_no_other_place_makes_a_command_of_its_own():
    """A command with anything in it that is not known beforehand is one of ``command_line``."""
    begins = re.compile(
        r"\bmmonnx (export|check|inspect|predict|test|patch) \S*$|\bpip3? (un)?install |\bpython3? -|\$ \w"
    )
    found = []
    for path in [*ROOT.glob("mmonnx/**/*.py"), *ROOT.glob("tools/**/*.py")]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.JoinedStr):
                parts = [part.value if isinstance(part, ast.Constant) else None for part in node.values]
                before = [text for text, following in zip(parts, parts[1:]) if text and following is None]
                found += [f"{path}:{node.lineno}" for text in before if begins.search(text)]
    assert not found
