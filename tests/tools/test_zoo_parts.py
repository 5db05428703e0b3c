"""What tools/zoo.py is made of: how it ends processes, and which configs it chooses."""

import os
import sys
import threading
import time
from pathlib import Path

import pytest

from mmonnx.loading.config import find_config
from mmonnx.support.errors import InputError

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools"))

from zoo_parts import selection, sweep  # noqa: E402
from zoo_parts.likeness import Likeness  # noqa: E402
from zoo_parts.process import Limits, run_limited, tree  # noqa: E402
from zoo_parts.table import coverage  # noqa: E402

pytestmark = pytest.mark.once

HAS_PROC = Path("/proc/self/statm").exists()
LINUX = pytest.mark.skipif(not HAS_PROC, reason="memory and descendants are told on Linux alone")
ROOMY = Limits(seconds=600, gigabytes=8)
WHEN = {"date": "2026-01-01", "versions": {}}


def python(code):
    return [sys.executable, "-c", code]


def test_a_process_that_ends_well_and_one_that_does_not(tmp_path):
    log, stop = tmp_path / "log.txt", threading.Event()
    assert run_limited(python("print(1)"), ROOMY, log, stop) is None
    assert run_limited(python("raise ValueError('so')"), ROOMY, log, stop) == "exit status 1: ValueError: so"
    assert run_limited(python("import os; os.abort()"), ROOMY, log, stop) == "died from SIGABRT"


@LINUX
def test_a_process_that_takes_too_much_memory_is_ended(tmp_path):
    code = "import time; x = bytearray(400 << 20); time.sleep(600)"
    started = time.monotonic()
    problem = run_limited(python(code), Limits(600, 0.2), tmp_path / "log.txt", threading.Event())
    assert problem == "more than 0.2 GiB of memory" and time.monotonic() - started < 60


def is_alive(pid):
    stat = Path(f"/proc/{pid}/stat")
    return stat.exists() and stat.read_text().rpartition(")")[2].split()[0] != "Z"


@LINUX
@pytest.mark.parametrize("by", ["time", "stop"])
def test_what_a_process_started_ends_with_it(tmp_path, by):
    """Also what has a session of its own, as the simplifiers have."""
    pid_file = tmp_path / "pid"
    code = (
        "import subprocess, sys, time, pathlib\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'], start_new_session=True)\n"
        f"pathlib.Path({str(pid_file)!r}).write_text(str(child.pid))\n"
        "time.sleep(600)\n"
    )
    stop = threading.Event()
    if by == "stop":
        threading.Thread(target=lambda: (wait_for(pid_file), stop.set())).start()
    problem = run_limited(python(code), Limits(3 if by == "time" else 600, 8), tmp_path / "log.txt", stop)
    assert problem == ("no result after 3 s" if by == "time" else "stopped")
    deadline = time.monotonic() + 10  # the system takes a moment to end a process
    while is_alive(int(pid_file.read_text())):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def wait_for(path):
    while not (path.exists() and path.read_text()):
        time.sleep(0.05)


@LINUX
def test_a_sweep_that_is_left_ends_its_children(tmp_path):
    (tmp_path / "quick.py").write_text("1 / 0\n")
    (tmp_path / "hangs.py").write_text("import time\ntime.sleep(600)\n")
    entries = [selection.Entry("", "x", str(tmp_path / name)) for name in ("quick.py", "hangs.py")]
    results = sweep.Sweep(ROOMY, 2, {}).run(entries)
    assert next(results)["config"].endswith("quick.py")
    assert len(tree(os.getpid())) > 1
    results.close()
    assert [pid for pid in tree(os.getpid())[1:] if "zoo_parts.child" in command_line(pid)] == []


def command_line(pid):
    path = Path(f"/proc/{pid}/cmdline")
    return path.read_text().replace("\0", " ") if path.exists() else ""


def test_one_config_of_each_family():
    detectors, classifiers = selection.families("mmdet"), selection.families("mmcls")
    assert len(detectors) == 79 and len(classifiers) == 37
    for entries in (detectors, classifiers):
        assert len({entry.family for entry in entries}) == len(entries)
        assert all(find_config(entry.config).is_file() for entry in entries)
    by_family = {entry.family: entry.name for entry in detectors}
    assert by_family["retinanet"] == "retinanet_r18_fpn_1x_coco"
    assert by_family["nas_fpn"] == "retinanet_r50_nasfpn_crop640_50e_coco"
    for codebase, entries in (("mmdet", detectors), ("mmcls", classifiers)):
        names = {entry.config.rsplit("/", 1)[1] for entry in entries}
        assert set(selection.CODEBASES[codebase].representatives.values()) <= names


def test_the_quick_subset_is_there():
    entries = selection.quick()
    assert len({entry.config for entry in entries}) == 25
    assert all(find_config(entry.config).is_file() for entry in entries)


def test_every_config_but_former_names():
    names = {entry.config for entry in selection.everything("mmcls")}
    assert "mmcls::resnet/resnet18_8xb16_cifar10.py" in names
    assert "mmcls::resnet/resnet18_b16x8_cifar10.py" not in names
    assert not any("_base_" in name for name in names)


def test_a_sample_is_the_same_every_time_and_of_many_families():
    every = selection.everything("mmdet")
    sample = selection.drawn(every, 150)
    assert sample == selection.drawn(every, 150) and len(set(sample)) == 150
    assert sample == [entry for entry in every if entry in sample]
    assert len({entry.family for entry in sample}) >= 40
    assert selection.drawn(every[:3], 150) == every[:3]


def entry(name, codebase="mmdet"):
    return selection.Entry(codebase, name.split("/")[0], f"{codebase}::{name}")


def test_of_configs_with_one_model_one_is_swept_and_the_others_get_its_result():
    once, twice, deeper, other = (
        entry(f"faster_rcnn/faster_rcnn_{kind}_coco.py")
        for kind in ("r50_fpn_1x", "r50_fpn_2x", "r101_fpn_1x", "r50_fpn_soft_nms_1x")
    )
    missing = entry("mobilenet_v3/mobilenet-v3-small_8xb16_cifar10.py", "mmcls")  # upstream left its base out

    def record(one):
        return {"codebase": one.codebase, "family": one.family, "config": one.config, "ok": True, "seconds": 9.0}

    entries = [once, deeper, twice, other, missing]
    likeness = Likeness(entries, [])
    assert likeness.different == [once, deeper, other, missing] and likeness.total == 5
    found = list(likeness.with_alike(map(record, likeness.different)))
    assert [one["config"] for one in found] == [one.config for one in (once, twice, deeper, other, missing)]
    assert found[1]["like"] == once.config and found[1]["seconds"] == 0 and found[1]["ok"] and "like" not in found[0]
    # what is known already need not be swept again
    likeness = Likeness([twice, deeper], [record(once)])
    assert likeness.different == [deeper]
    assert [one.get("like") for one in likeness.with_alike(map(record, [deeper]))] == [once.config, None]
    assert f"the same model as {once.name}.py" in coverage([{**found[1], "reached": "matched", "cause": "", **WHEN}])


def test_patterns(tmp_path):
    (tmp_path / "own.py").write_text("")
    found = selection.matching(["lenet/*", "mmcls::lenet/lenet5*", str(tmp_path / "own.py")], ["mmcls"])
    assert [entry.config for entry in found] == ["mmcls::lenet/lenet5_mnist.py", str(tmp_path / "own.py")]
    with pytest.raises(InputError, match="names no config"):
        selection.matching(["nothing/*"], ["mmcls"])
    with pytest.raises(InputError, match="names no config"):
        selection.matching(["_base_/*"], ["mmcls"])


def test_patterns_name_configs_of_other_data_sets_too():
    found = selection.matching(["cityscapes/*", "fcos/*"], ["mmdet"])
    assert {entry.family for entry in found} == {"cityscapes", "fcos"}
    assert {entry.family for entry in selection.everything("mmdet")} & {"cityscapes", "fcos"} == {"fcos"}
