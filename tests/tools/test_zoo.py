"""tools/zoo.py: a sweep over tiny configs that fail at each stage, what it tells of them, and how it goes on."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

TOOLS = Path(__file__).resolve().parents[2] / "tools"
sys.path.insert(0, str(TOOLS))

import zoo  # noqa: E402
from zoo_parts import selection, sweep, table  # noqa: E402
from zoo_parts.child import shorten  # noqa: E402
from zoo_parts.process import Limits  # noqa: E402

pytestmark = pytest.mark.once

MODELS = """
import torch
from torch import nn
from mmcls.models.builder import BACKBONES

class Tiny(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, stride=4)
        self.fc = nn.Linear(4, 8)
    def features(self, x):
        return self.conv(x)
    def forward(self, x):
        return (self.fc(self.features(x).abs().mean((2, 3))),)

@BACKBONES.register_module()
class Good(Tiny):
    pass

@BACKBONES.register_module()
class NotBuilt(Tiny):
    def __init__(self):
        raise ValueError("no weights for this one")

@BACKBONES.register_module()
class NotTraced(Tiny):
    def features(self, x):
        if torch.jit.is_tracing():
            raise ValueError("what is a tracer")
        return self.conv(x)

@BACKBONES.register_module()
class NotRun(Tiny):
    def features(self, x):
        x = self.conv(x)
        return x + torch.zeros(int(x.shape[2]), int(x.shape[3]))

@BACKBONES.register_module()
class Wrong(Tiny):
    def features(self, x):
        return self.conv(x) + (5.0 if torch.jit.is_tracing() else 0.0)

@BACKBONES.register_module()
class Blind(Tiny):
    def features(self, x):
        return self.conv(x * 0)

@BACKBONES.register_module()
class Fixed(Tiny):
    def features(self, x):
        assert x.shape[2:] == (64, 64), "of one size alone"
        return self.conv(x)
"""
CONFIG = """
custom_imports = dict(imports=["zoo_test_models"], allow_failed_imports=False)
model = dict(type="ImageClassifier", backbone=dict(type="{}"), head=dict(type="ClsHead"))
test_pipeline = [dict(type="Resize", size=64), dict(type="Normalize", mean=[127.0] * 3, std=[64.0] * 3)]
"""
EXPECTED = {
    "Good": ("matched", ""),
    "Fixed": ("matched", ""),
    "NotBuilt": ("nothing", "no weights for this one"),
    "NotTraced": ("built", "what is a tracer"),
    "NotRun": ("traced", "does not run in ONNX Runtime"),
    "Wrong": ("run", "photograph 64x64: probs: differ by"),
    "Blind": ("run", "two photographs get the same scores"),
    "Crash": ("nothing", "died from SIGSEGV"),
    "Broken": ("nothing", "cannot be read"),
}


def write_configs(folder):
    """A config for each of EXPECTED, in a folder that is their family."""
    folder.mkdir()
    for name in EXPECTED:
        (folder / f"{name}.py").write_text(CONFIG.format(name))
    (folder / "Crash.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)\n")
    (folder / "Broken.py").write_text("model = dict(type=\n")
    (folder.parent / "zoo_test_models.py").write_text(MODELS)
    return [str(folder / f"{name}.py") for name in EXPECTED]


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    """What a sweep over all of them left: status, what it printed, its records by name, the folder, the paths."""
    folder = tmp_path_factory.mktemp("zoo")
    paths = write_configs(folder / "tiny")
    with pytest.MonkeyPatch.context() as patch, (folder / "printed.txt").open("w+", encoding="utf-8") as printed:
        patch.setenv("PYTHONPATH", os.pathsep.join([str(folder), str(TOOLS.parent)]))
        patch.setattr(sys, "stdout", printed)
        status = zoo.main([*paths, "--out", str(folder / "out"), "--jobs", "2"])
        printed.seek(0)
        text = printed.read()
    lines = (folder / "out" / "results.jsonl").read_text(encoding="utf-8").splitlines()
    return (
        status,
        text,
        {Path(record["config"]).stem: record for record in map(json.loads, lines)},
        folder / "out",
        paths,
    )


@pytest.mark.parametrize("name", list(EXPECTED))
def test_how_far_each_config_comes(swept, name):
    status, text, records, _, _ = swept
    reached, cause = EXPECTED[name]
    record = records[name]
    assert status == 1 and len(records) == len(EXPECTED)
    assert record["reached"] == reached and cause in record["cause"], record
    assert record["ok"] == (reached == "matched") and record["family"] == "tiny" and record["seconds"] > 0
    assert sum(f"{name}.py" in line and line.startswith(reached) for line in text.splitlines()) == 1


def test_what_is_told_of_a_config_that_matches(swept):
    good, fixed, wrong = (swept[2][name] for name in ("Good", "Fixed", "Wrong"))
    assert good["dynamic"] == "batch, size" and good["matched"] == good["total"] >= 9 and good["nodes"] > 3
    assert fixed["dynamic"] == "batch" and any("64x64" in note for note in fixed["notes"])
    assert wrong["matched"] < wrong["total"] and {"torch", "onnxruntime", "Python"} <= set(wrong["versions"])


def test_the_table_has_a_row_for_each_config(swept):
    _, text, _, out, _ = swept
    document = (out / "coverage.md").read_text(encoding="utf-8")
    assert "2 of 9 configs match" in document and "2 of 9 configs match" in text
    for name, (reached, cause) in EXPECTED.items():
        (row,) = [line for line in document.splitlines() if f"| {name}.py |" in line]
        assert reached in row and cause in row


def test_a_sweep_goes_on_from_where_it_stopped(swept, tmp_path, monkeypatch):
    _, _, records, out, paths = swept
    lines = (out / "results.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)
    left = {record["config"] for record in map(json.loads, lines[3:])}
    copy = tmp_path / "results.jsonl"
    asked = []

    def run(self, entries):
        for entry in entries:
            asked.append(entry.config)
            yield records[entry.name]

    monkeypatch.setattr(sweep.Sweep, "run", run)
    copy.write_text("".join(lines[:3]) + lines[3][:40], encoding="utf-8")  # it was cut off in the middle of a line
    assert zoo.main([*paths, "--out", str(tmp_path), "--resume"]) == 1
    assert set(asked) == left and len(asked) == len(left)
    assert len(sweep.read_records(copy)) == len(EXPECTED)
    asked.clear()
    zoo.main([*paths, "--out", str(tmp_path), "--resume"])
    assert not asked
    zoo.main([*paths, "--out", str(tmp_path), "--resume", "--retry"])
    assert {Path(path).stem for path in asked} == {
        name for name, (reached, _) in EXPECTED.items() if reached != "matched"
    }
    asked.clear()
    zoo.main([*paths, "--out", str(tmp_path)])
    assert set(asked) == set(paths)


def test_one_that_hangs_is_a_result(tmp_path):
    (tmp_path / "hangs.py").write_text("import time\ntime.sleep(600)\n")
    entry = selection.Entry("", "tiny", str(tmp_path / "hangs.py"))
    (record,) = sweep.Sweep(Limits(2, 8), 1, {}).run([entry])
    assert record["cause"] == "no result after 2 s" and not record["ok"] and record["reached"] == "nothing"


@pytest.mark.parametrize(
    "arguments,words",
    [
        ([], "0 ways to choose configs"),
        (["--all", "--families"], "2 ways"),
        (["lenet/*", "--quick"], "2 ways"),
        (["--families", "--sample", "5"], "--sample 5 without --all"),
        (["--families", "--keep"], "--keep without --coverage"),
        (["none/*"], "names no config"),
        (["--all", "--codebase", "mmtrack"], "invalid choice"),
        (["--all", "--jobs", "0"], "no number of 1 or more"),
        (["--quick", "--out", "/proc/none"], "cannot be written"),
        (["--quick", "--target", "tensorrt"], "'tensorrt' is none of"),
    ],
)
def test_a_wrong_command_is_refused(capsys, arguments, words):
    assert zoo.main(arguments) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("zoo: error: ") and words in line


def test_the_tool_runs_as_a_script():
    done = subprocess.run([sys.executable, str(TOOLS / "zoo.py"), "--help"], stdout=subprocess.PIPE, text=True)
    assert done.returncode == 0 and "--families" in done.stdout


def record(**more):
    plain = {"codebase": "mmdet", "family": "x", "config": "mmdet::x/a.py", "reached": "built", "ok": False}
    return {**plain, "cause": "c", "seconds": 3.2, "date": "2026-01-02", "versions": {"torch": "2.0"}, **more}


def test_causes_that_differ_in_numbers_and_names_are_one():
    records = [
        record(cause="a_r50 (ATSS) cannot be traced: RuntimeError: size 'x' is 3"),
        record(cause="b_r18 (GFL) cannot be traced: RuntimeError: size 'yy' is 4.5e-3", family="y"),
        record(cause="other"),
        record(ok=True, cause=""),
    ]
    rows = table.causes(records).splitlines()[2:]
    assert len(rows) == 2 and rows[0].startswith("| 2 | built: RuntimeError: size") and "x, y" in rows[0]
    assert table.causes([record(ok=True)]) == ""


def test_cells_cannot_break_the_table():
    document = table.coverage([record(cause="a | b\n<c>", date="2026-01-01"), record(config="mmdet::x/b.py")])
    (row,) = [line for line in document.splitlines() if "a.py" in line]
    assert "a \\| b &lt;c>" in row and "2026-01-01 to 2026-01-02" in document


def test_sections_of_other_codebases_stay():
    before = table.coverage([record(config="mmdet::x/old.py"), record(codebase="mmcls", config="mmcls::y/kept.py")])
    after = table.coverage([record(config="mmdet::x/new.py")], before)
    assert "kept.py" in after and "new.py" in after and "old.py" not in after
    assert after.count("# Coverage") == 1 and after.index("MMClassification") < after.index("MMDetection")
    assert table.coverage([record(config="mmdet::x/new.py")], after) == after


def test_a_page_of_somebodys_own_gets_the_table_and_stays():
    page = "# What was tried\n\nBy hand.\n\n## Known limits\n\n- One.\n"
    first = table.coverage([record(config="mmdet::x/old.py")], page)
    assert first.startswith(page) and "## MMDetection" in first and "old.py" in first
    moved = first.replace("## Known limits\n\n- One.\n\n", "") + "\n## Known limits\n\n- One.\n"
    second = table.coverage([record(config="mmdet::x/new.py")], moved)
    assert "old.py" not in second and second == moved.replace("old.py", "new.py")


def test_rows_of_an_earlier_sweep_stay_where_they_are_asked_for():
    first = [record(config="mmdet::x/old.py", ok=True, cause="a | b"), record(config="mmdet::x/again.py")]
    before = table.coverage(first)
    after = table.coverage([record(config="mmdet::x/again.py", ok=True, date="2026-01-03")], before, keep=True)
    (kept,) = [line for line in before.splitlines() if "old.py" in line]
    assert kept.replace("a \\| b", "a \\| b; of the earlier sweep") in after.splitlines()
    assert after.count("again.py") == 1 and after.count("of the earlier sweep") == 1
    assert (
        "2 of 2 configs match. 2026-01-03; torch 2.0. Of these, 1 were found by an earlier sweep: 2026-01-02; " in after
    )
    third = table.coverage([record(config="mmdet::w/new.py", family="w", date="2026-01-04")], after, keep=True)
    assert "2 of 3 configs match. 2026-01-04; torch 2.0. Of these, 2 were found by an earlier sweep: " in third
    assert third.count("Of these") == 1 and third.count("of the earlier sweep") == 2
    assert third.index("new.py") < third.index("again.py") < third.index("old.py")
    assert table.coverage(first, third, keep=True).count("| w |") == 1
    assert "old.py" not in table.coverage([record(config="mmdet::x/again.py")], after)


def test_messages_of_the_runtime_begin_with_what_they_say():
    text = (
        "FAIL : Status Message: /onnxruntime_src/onnxruntime/core/x/y.h:91 onnxruntime::R::R(const T&, V&) size was 3"
    )
    assert shorten(text) == "FAIL : Status Message: size was 3"


def test_a_cause_does_not_tell_where_packages_lie():
    text = 'FileNotFoundError: file "/home/me/.venv/lib/python3.11/site-packages/mmcls/configs/a.py" does not exist'
    assert shorten(text) == 'FileNotFoundError: file "mmcls/configs/a.py" does not exist'
