"""Every command of README.md, docs/ and patches/README.md is run, or is listed here with the reason why not."""

import re
import runpy
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

sys.path[:0] = [str(Path(__file__).parent)]

from pages import PAGES, README, ROOT, blocks, commands, links, spans, texts  # noqa: E402
from workspace import Workspace, make_checkout  # noqa: E402

from mmonnx import cli, fallback  # noqa: E402
from mmonnx.cli import parsers  # noqa: E402
from mmonnx.support.resources import patch_root  # noqa: E402

pytestmark = pytest.mark.once

TEXTS = texts()
COMMANDS = [(page, command) for page, text in TEXTS.items() for command in commands(text)]
ELSEWHERE = {
    "docs/plugin.md": "tests/integration/test_plugin_docs.py",
    "docs/extending.md": "tests/docs/test_extending.py",
    "docs/running.md": "tests/docs/test_running.py",
    "docs/precision.md": "tests/precision/test_reduced_files.py",
    "docs/serving.md": "tests/docs/test_serving.py",
    "docs/text.md": "tests/second/test_prompts.py",
    "docs/starting.md": "tests/docs/test_starting.py",
}
"""Pages whose blocks another test runs, all of them."""
PARSED = {
    "torchrun ": "two processes; tests/evaluation/test_evaluation_processes.py starts them",
    "srun ": "there is no Slurm; tests/evaluation/test_evaluation_processes.py plays it",
}
"""Commands that are not started: their arguments are read by the tool's own parser."""
MAKES_ITS_ENVIRONMENT = ("make ", "pip install ")
"""Commands that build a whole environment: ``make -n`` goes through what they would do, extras and pins are read."""
OF_SECOND = ("mmonnx export mmdet::rtmdet/",)
"""Commands for OpenMMLab 2.x, which is in no stack together with 1.x; tests/second/test_readme.py runs them."""
STATUS = {"mmonnx check detector.onnx --target pplnn --json": 1}
"""Exit statuses other than 0 that the page tells of."""


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    fallback.ensure()
    folder = tmp_path_factory.mktemp("workspace")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        yield Workspace(folder)


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    return make_checkout(tmp_path_factory.mktemp("checkout") / "mmdet")


@pytest.mark.parametrize("page, command", COMMANDS, ids=[f"{page}: {command[:60]}" for page, command in COMMANDS])
def test_a_command_works(page, command, request, workspace, monkeypatch):
    monkeypatch.chdir(workspace.folder)
    if page in ELSEWHERE and not command.startswith(MAKES_ITS_ENVIRONMENT):
        assert page in (ROOT / ELSEWHERE[page]).read_text(encoding="utf-8").replace('" / "', "/")
    elif command.startswith(tuple(PARSED)):
        check_parsed(command)
    elif command.startswith(MAKES_ITS_ENVIRONMENT):
        check_environment(command)
    elif command.startswith(OF_SECOND):
        assert OF_SECOND[0] in (ROOT / "tests" / "second" / "test_readme.py").read_text(encoding="utf-8")
    elif command.startswith("mmonnx patch "):
        words = shlex.split(command.replace("CHECKOUT", str(request.getfixturevalue("checkout"))))
        assert cli.main(words[1:]) == 0
    elif command.startswith(("git apply ", "patch -p1 ")):
        done = subprocess.run(
            command.replace("PATCHES", str(patch_root())), shell=True, cwd=str(request.getfixturevalue("checkout"))
        )
        assert done.returncode == 0
    elif command.startswith("mmonnx "):
        assert workspace.run(shlex.split(command)[1:]) == STATUS.get(command, 0)
    else:
        pytest.fail(f"{page} has a command that this test does not know: {command}")


def check_parsed(command):
    """The arguments behind the launcher's are those of ``mmonnx test``."""
    launched, arguments = command.split(" tools/test_onnx.py ")
    options = parsers._parser().parse_args(["test", *shlex.split(arguments)])
    assert options.launcher == ("slurm" if launched.startswith("srun") else "pytorch")
    assert any(launched.startswith(name) for name in PARSED)


def check_environment(command):
    words = shlex.split(command)
    if words[0] == "make":
        done = subprocess.run(["make", "-n", *words[1:]], cwd=str(ROOT), stdout=subprocess.PIPE)
        assert done.returncode == 0 and done.stdout
        return
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    pins = [line for path in (ROOT / "requirements").glob("*.txt") for line in path.read_text().splitlines()]
    for before, word in zip(words[1:], words[2:]):
        if before == "-r":
            assert (ROOT / word).is_file(), word
        elif word.startswith("-"):
            assert word in ("-r", "--no-deps", "--no-build-isolation"), word
        elif word.startswith((".", "mmonnx[")):
            (extras,) = re.findall(r"\[(.*)\]", word) or [""]
            assert all(f"\n{extra} = [" in project for extra in extras.split(",") if extra)
        else:
            assert any(re.match(rf"{re.escape(word)}(; .*)?$", line) for line in pins), word


PYTHON = [(page, block.text) for page, text in TEXTS.items() for block in blocks(text) if block.language == "python"]


@pytest.mark.parametrize("page, block", PYTHON, ids=[page for page, _ in PYTHON])
def test_python_runs(page, block, workspace, monkeypatch):
    monkeypatch.chdir(workspace.folder)
    if page in ELSEWHERE:
        assert page in (ROOT / ELSEWHERE[page]).read_text(encoding="utf-8").replace('" / "', "/")
    else:
        for name in re.findall(r'"(\w+\.onnx)"', block):
            workspace._provide(name)
        exec(compile(block, page, "exec"), {})


def test_no_command_hides_in_a_block_of_another_kind():
    start = re.compile(r"(mmonnx|python3?|pip|make|git|patch|torchrun|srun|bash|sh|cd|export) ")
    for page, text in TEXTS.items():
        for block in blocks(text):
            assert block.language in ("sh", "python", ""), (page, block)
            if block.language == "":
                assert not any(start.match(line) for line in block.text.splitlines()), (page, block)


def test_there_are_commands_and_each_kind_of_exception_is_in_use():
    lines = [command for _, command in COMMANDS]
    assert len(lines) > 20 and sum(line.startswith("mmonnx ") for line in lines) > 12
    for start in (*PARSED, *MAKES_ITS_ENVIRONMENT, *STATUS):
        assert any(line.startswith(start) for line in lines), f"{start} is in no page any more"


SPANS = sorted({span for text in TEXTS.values() for span in spans(text)})


def test_what_sentences_name_exists():
    """Subcommands, flags, targets of the Makefile, and tools with their flags."""
    commands_of = parsers._parser()._subparsers._group_actions[0].choices
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    flags = {flag for parser in commands_of.values() for flag in parser._option_string_actions}
    seen = 0
    for span in SPANS:
        words = span.split()
        if words[0] == "mmonnx" and len(words) > 1:
            known = commands_of[words[1]]._option_string_actions
            assert all(word in known for word in words[2:] if word.startswith("--")), span
        elif words[0] == "make" and len(words) > 1:
            assert re.search(rf"^{re.escape(words[1])}:", makefile, re.M), span
        elif words[0] == "python" and words[1].startswith("tools/") and "deployment" not in span:
            assert (ROOT / words[1]).is_file(), span
        elif re.match(r"--[a-z]", words[0]):
            assert words[0] in flags or words[0] in OTHERS, span
        else:
            continue
        seen += 1
    assert seen > 30


OTHERS = ("--use_env", "--no-build-isolation", "--no-deps", "--keep")
"""Flags of other people's tools, and of our tools that a sentence names before."""


TOOLS = sorted({path.stem for path in (ROOT / "tools").glob("*.py")} - {"fuzz_atheris"})
"""All of ours; libFuzzer, which takes the arguments of the last one, ends the process."""


@pytest.mark.parametrize("tool", TOOLS)
def test_a_tool_tells_how_it_is_used(tool, monkeypatch, capsys):
    """Those with arguments by ``--help``; the others say that they have none."""
    path = ROOT / "tools" / f"{tool}.py"
    if "No arguments" in path.read_text(encoding="utf-8"):
        return
    monkeypatch.syspath_prepend(str(path.parent))
    monkeypatch.setattr(sys, "argv", [str(path), "--help"])
    with pytest.raises(SystemExit) as stopped:
        runpy.run_path(str(path), run_name="__main__")
    assert stopped.value.code == 0 and "usage" in capsys.readouterr().out


@pytest.mark.parametrize("page", sorted(TEXTS))
def test_links_lead_somewhere(page):
    for link in links(TEXTS[page]):
        assert ((ROOT / page).parent / link).exists(), link


def test_the_readme_is_read_in_five_minutes_and_leads_to_every_page():
    text = README.read_text(encoding="utf-8")
    words = re.findall(r"\w[\w.'-]*", re.sub(r"\]\([^)]*\)", "]", text))
    assert len(words) <= 5 * 240, "words that a reader takes in in five minutes"
    linked = {(README.parent / link).resolve() for link in links(text)}
    assert all(path in linked for path in PAGES if path.parent.name == "docs")
    assert sum(link.endswith((".jpg", ".png")) for link in links(text)) >= 2


def test_the_readme_has_the_two_commands_the_installation_and_the_guides_two_examples():
    lines = commands(README.read_text(encoding="utf-8"))
    assert {"make demo", "make test"} <= set(lines) and any(line.startswith("pip install ") for line in lines)
    for config in (
        "mmcls::mobilenet_v2/mobilenet-v2_8xb32_in1k.py",
        "mmdet::faster_rcnn/faster_rcnn_r50_fpn_1x_coco.py",
    ):
        (export,) = [line for line in lines if line.startswith(f"mmonnx export {config} ")]
        assert {"--simplify", "--dynamic-export", "--verify"} <= set(export.split())


def test_each_subject_has_its_page():
    for name in ("targets", "plugin", "patches", "troubleshooting", "extending", "architecture", "evaluation"):
        assert f"docs/{name}.md" in TEXTS, name
