"""tools/benchmark.py: a run with a small model and few proposals, its parts, what it refuses. No time is asserted."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import tiny_files
import torch
from models import small_config
from PIL import Image

from mmonnx.environment import compat
from mmonnx.loading import LoadOptions
from mmonnx.loading.task import Task
from mmonnx.pipeline import ExportSettings, export

TOOLS = Path(__file__).resolve().parents[2] / "tools"
sys.path.insert(0, str(TOOLS))

import benchmark  # noqa: E402
from benchmark_parts import measuring, models, predicting, profiling, reading, report, variants  # noqa: E402

pytestmark = pytest.mark.once

RETINANET = "mmdet::retinanet/retinanet_r50_fpn_1x_coco.py"
FASTER_RCNN = "mmdet::faster_rcnn/faster_rcnn_r50_fpn_1x_coco.py"
SMALL = {
    "model.test_cfg.rpn.nms_pre": 100,
    "model.test_cfg.rpn.max_per_img": 60,
    "model.roi_head.bbox_head.fc_out_channels": 64,
}
OURS = ("mask", "scatter", "gather", "mmonnx", "winograd")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """What a whole run left: its status, what it printed, benchmark.json, and the folder."""
    folder = tmp_path_factory.mktemp("benchmark")
    broken = folder / "broken.onnx"
    broken.write_bytes(b"no model")
    config = small_config(FASTER_RCNN, folder, SMALL)
    arguments = [config, "--shapes", "96x128", "128x96", "--rounds", "2", "--proposals", "20", "--threads", "1"]
    with pytest.MonkeyPatch.context() as patch:
        printed = (folder / "printed.txt").open("w+", encoding="utf-8")
        patch.setattr(sys, "stdout", printed)
        status = benchmark.main([*arguments, "--also", str(broken), "--out", str(folder / "out")])
    printed.seek(0)
    content = json.loads((folder / "out" / "benchmark.json").read_text(encoding="utf-8"))
    return status, printed.read(), content, folder / "out"


def test_every_variant_has_a_row_at_every_shape(run):
    _, printed, content, _ = run
    assert [result["shape"] for result in content["results"]] == [[96, 128], [128, 96]]
    for result in content["results"]:
        assert [row["variant"] for row in result["rows"]] == [*OURS, "mmdeploy", "broken"]
    for name in (*OURS, "96x128", "128x96"):
        assert sum(line.startswith(name) for line in printed.splitlines()) >= 1, printed


def test_predict_is_measured_beside_one_at_a_time_and_the_session(tmp_path, capsys):
    file = tiny_files.detector(tmp_path / "tiny.onnx")
    assert benchmark.main([file, "--predict", "12", "--rounds", "1", "--out", str(tmp_path / "out")]) == 0
    printed = capsys.readouterr().out
    content = json.loads((tmp_path / "out" / "predict.json").read_text())
    assert content["settings"] == {"file": file, "pictures": 12, "rounds": 1, "top": None}
    assert [way["name"] for way in content["ways"]] == list(predicting.WAYS)
    for way in content["ways"]:
        assert len(way["rates"]) == 1 and min(way["rates"][0], way["seconds"], way["memory_mb"]) > 0
        assert sum(line.startswith(way["name"]) for line in printed.splitlines()) == 1


def test_predict_is_measured_with_an_exported_file_that_runs(tmp_path, capsys):
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"no model")
    for file, words in ((FASTER_RCNN, "a file that mmonnx export wrote"), (str(broken), "cannot be loaded")):
        assert benchmark.main([file, "--predict", "2", "--rounds", "1"]) == 2
        assert words in capsys.readouterr().err


upstream_exports = pytest.mark.skipif(
    compat.TORCH < (2, 0), reason="upstream's symbolics need a graph context that torch 1.13 does not give functions"
)


@upstream_exports
def test_figures_are_those_of_the_variants(run):
    status, printed, content, _ = run
    assert status == 0, printed
    for result in content["results"]:
        rows = {row["variant"]: row for row in result["rows"]}
        for name in OURS:
            row = rows[name]
            assert not row["error"] and len(row["times_ms"]) == 2 and row["ms"] > 0
            assert 0 < row["overhead"] < 1 and row["roi_ms"] > 0 and row["total"] > 0
            assert row["ratio"] > 0 and len(row["proposals"]) == 4 and len(row["detections"]) == 1
        assert rows["mask"]["ratio"] == 1
        assert rows["mmonnx"]["matched"] == rows["mmonnx"]["total"] and rows["mmonnx"]["ok"]
    for item in content["variants"]:
        if item["name"] in OURS:
            other = "no convolution would be faster" if item["name"] == "winograd" else ""
            assert item["note"].startswith(other) and bool(item["note"]) == bool(other), "not simplified is not fair"
            assert item["nodes"] > 100 and item["size_mb"] > 1 and item["seconds"] > 0 and item["memory_mb"] > 100


@upstream_exports
def test_upstream_pads_what_the_score_limit_left(run):
    content = run[2]
    assert 0 < content["settings"]["score_limit"] < 1
    rows = [row for result in content["results"] for row in result["rows"]]
    for name in ("mask", "scatter", "gather"):
        assert all(row["proposals"] == [60] * 4 for row in rows if row["variant"] == name)
    found = [number for row in rows if row["variant"] == "mmonnx" for number in row["proposals"]]
    assert abs(np.mean(found) - 20) <= 2 and max(found) < 60


def test_a_variant_that_cannot_be_built_is_a_line(run):
    _, printed, content, _ = run
    reasons = {item["name"]: item["error"] for item in content["variants"]}
    assert "no ONNX file" in reasons["broken"]
    assert [line for line in printed.splitlines() if line.startswith("broken") and "not built" in line]
    if reasons["mmdeploy"]:
        assert "mmdeploy" in reasons["mmdeploy"] and "\n" not in reasons["mmdeploy"]


def test_the_picture_and_the_settings_are_there(run):
    _, _, content, out = run
    with Image.open(str(out / "benchmark.png")) as picture:
        assert picture.size[0] > picture.size[1] and np.asarray(picture).std() > 5
    assert set(content) == {"settings", "machine", "variants", "results"}
    assert content["settings"]["rounds"] == 2 and content["settings"]["proposals"] == 20
    assert {"processor", "cores", "torch", "onnxruntime"} <= set(content["machine"])


@pytest.mark.parametrize(
    "arguments",
    [
        [FASTER_RCNN, "--shapes", "320"],
        [FASTER_RCNN, "--shapes", "320x480x3"],
        [FASTER_RCNN, "--shapes", "0x480"],
        [FASTER_RCNN, "--rounds", "0"],
        [FASTER_RCNN, "--proposals", "-5"],
        [FASTER_RCNN, "--also", "missing.onnx"],
        ["missing.py"],
        [],
        [FASTER_RCNN, "--models"],
    ],
)
def test_wrong_use_is_a_line_and_status_2(arguments, capsys):
    assert benchmark.main(arguments) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and error.startswith("benchmark: error: ") and "expected" in error


def test_a_detector_of_one_stage_has_no_proposals(tmp_path, capsys):
    config = small_config(RETINANET, tmp_path)
    assert benchmark.main([config, "--shapes", "96x128", "--proposals", "20"]) == 2
    assert "two-stage" in capsys.readouterr().err


def test_several_models_are_measured_and_summed_up(tmp_path, capsys):
    """One of one stage, beside its own form; and one that is not there, which stops nothing."""
    config, missing = small_config(RETINANET, tmp_path), str(tmp_path / "missing.py")
    given = ["--models", missing, config, "--shapes", "64x96", "--rounds", "2", "--threads", "1"]
    assert benchmark.main([*given, "--out", str(tmp_path / "out")]) == 1
    printed = capsys.readouterr().out
    line, other = (line for line in printed.splitlines() if line.startswith(Path(config).stem + "  "))
    assert "--winograd" not in line and "--winograd" in other
    (broken,) = (line for line in printed.splitlines() if line.startswith("missing  "))
    assert "does not exist" in broken and "geometric mean" in printed
    content = json.loads((tmp_path / "out" / "models.json").read_text(encoding="utf-8"))
    first, second, third = content["models"]
    assert first["error"] and not first["ratios"]
    assert second["ok"] and second["best"] == max(second["ratios"].values())
    assert third["form"] == "--winograd" and third["ok"] and "upstream" in third["ratios"]
    assert "upstream" in second["ratios"] and f"{second['ratios']['upstream']:.2f}" in line


def test_what_several_models_come_to():
    def line(title, ratios, right, form=""):
        return models.Line(title, (96, 128), form, 12.4, ratios, right, "9/9", True)

    lines = [
        line("one", {"upstream": 0.5, "mmdeploy": 0.9}, ["upstream"]),
        line("two", {"upstream": 0.4, "OpenVINO": 0.2}, ["upstream", "OpenVINO"]),
        line("three", {}, []),
        line("one", {"upstream": 0.3, "mmdeploy": 0.6}, [], "--winograd"),
        models.Line("four", (96, 128), error="not built"),
    ]
    text = models.models_table(lines).splitlines()
    assert text[1].split() == ["one", "96x128", "12", "0.50", "0.90*", "-", "0.90", "9/9"]
    assert text[4].split() == ["one", "96x128", "--winograd", "12", "0.30*", "0.60*", "-", "0.60", "9/9"]
    assert text[5].split() == ["four", "96x128", "not", "built"]
    assert "--winograd beside the fastest peer: geometric mean 0.60 of 1, worst 0.60 (one)" in text
    assert "mmonnx beside the fastest peer: geometric mean 0.60 of 2, worst 0.90 (one)" in text
    assert "mmonnx beside the fastest whose answers are PyTorch's: geometric mean 0.45 of 2, worst 0.50 (one)" in text


def test_a_model_s_line_is_the_median_of_the_rounds_ratios():
    def row(name, times, ok=True, error=""):
        return measuring.Row(name, error, times_ms=times, matched=5, total=6, ok=ok)

    rows = [row("mask", [10.0, 20.0, 40.0], ok=False), row("mmonnx", [5.0, 5.0, 30.0]), row("openvino", [], error="x")]
    found, fast = models.lines_of("title", (96, 128), [*rows, row("winograd", [5.0, 4.0, 10.0])])
    assert (found.ratios, found.right, found.ms, found.matched) == ({"upstream": 0.5}, [], 5.0, "5/6")
    assert found.best() == 0.5 and found.best(right=True) is None
    assert (fast.form, fast.ratios) == ("--winograd", {"upstream": 0.25})
    (broken,) = models.lines_of("title", (96, 128), [row("mmonnx", [], error="it died")])
    assert broken.error == "it died"


def test_a_python_that_is_not_there_is_a_line(tmp_path):
    task = type("Task", (), {"shape": (96, 128), "codebase": "mmdet", "output_names": ["dets", "labels"]})()
    model = variants.Model(task, "config.py", "weights.pth")
    found = variants.build_variant("mmdeploy", model, tmp_path, str(tmp_path / "python"))
    assert found.path is None and "cannot be run" in found.error


def event(op_type, ts, dur, *shapes):
    """A kernel's event as ONNX Runtime writes it."""
    inputs = [{"float": list(shape)} for shape in shapes]
    arguments = {"op_name": op_type, "input_type_shape": inputs}
    return {"cat": "Node", "name": f"node_{ts}_kernel_time", "ts": ts, "dur": dur, "args": arguments}


def one_run(ts, rows):
    """A run of 1 ms: 0.4 backbone, 0.1 Mul, 0.2 RoiAlign, 0.2 in a Loop that itself takes 0.05, 0.1 head."""
    return [
        {"cat": "Session", "name": "model_run", "ts": ts, "dur": 1000},
        event("FusedConv", ts, 400, (1, 3, 32, 32)),
        event("Mul", ts + 400, 100, (1,)),
        event("RoiAlign", ts + 500, 200, (1, 8, 4, 4)),
        event("Loop", ts + 700, 200),
        event("MatMul", ts + 700, 100, (rows, 1, 7, 7)),
        event("Add", ts + 800, 50, (1,)),
        event("FusedGemm", ts + 900, 60, (rows, 12), (5,)),
        event("Gemm", ts + 960, 40, (rows, 5), (2,)),
        {"cat": "Node", "name": "node_fence_before", "ts": ts, "dur": 900, "args": {"op_name": "Mul"}},
    ]


def test_the_profile_parser_on_a_profile_made_by_hand():
    warm_up = [{**item, "dur": item["dur"]} for item in one_run(0, 1)]
    found = profiling.parse([*warm_up, *one_run(5000, 30), *one_run(9000, 40)], skip=1)
    assert found.proposals == [30, 40]
    assert found.kernel_ms["FusedConv"] == pytest.approx(0.4)
    assert found.kernel_ms["Loop"] == pytest.approx(0.05), "without what its body spends"
    assert sum(found.kernel_ms.values()) == pytest.approx(1.0)
    assert found.overhead == pytest.approx(0.2)  # Mul 0.1, Add 0.05, Loop 0.05
    assert found.roi_ms == pytest.approx(0.4)  # RoiAlign 0.2, MatMul 0.1, both Gemm 0.1


def test_a_profile_without_a_run_is_refused():
    with pytest.raises(ValueError, match="no run"):
        profiling.parse(one_run(0, 1), skip=1)


@pytest.mark.parametrize(
    "op_type,kind",
    [
        ("Conv", "Conv"),
        ("NhwcFusedConv", "Conv"),
        ("ConvTranspose", "Conv"),
        ("FusedGemm", "Gemm"),
        ("FusedMatMul", "MatMul"),
        ("MMCVRoiAlign", "RoiAlign"),
        ("GlobalAveragePool", "Pool"),
        ("MaxPool", "Pool"),
        ("ReorderInput", "ReorderInput"),
        ("Mul", "Mul"),
        ("ConvInteger", "ConvInteger"),
    ],
)
def test_fused_operators_count_to_their_kind(op_type, kind):
    assert profiling.kind_of(op_type) == kind


def test_padding_of_either_kind_is_no_detection():
    dets = np.array([[[0, 0, 5, 5, 0.9], [1, 1, 6, 6, 0.0], [0, 0, 0, 0, 0.5]]], np.float32)
    outputs = {"dets": dets, "labels": np.array([[3, 1, -1]]), "masks": np.ones((1, 3, 28, 28), bool)}
    found = reading.read_detections(outputs, 0.05, (96, 128))
    assert found.labels.tolist() == [3] and found.masks is None
    outputs["masks"] = np.ones((1, 3, 96, 128), bool)
    assert reading.read_detections(outputs, 0.05, (96, 128)).masks.shape == (1, 96, 128)
    with pytest.raises(ValueError, match="no detections"):
        reading.read_detections({"probs": np.zeros((1, 1000), np.float32)}, 0.05, (96, 128))


def test_the_ratio_is_that_of_the_same_round():
    rows = [
        measuring.Row("mask", times_ms=[100.0, 300.0, 100.0]),
        measuring.Row("mmonnx", times_ms=[50.0, 150.0, 70.0]),
    ]
    measuring._set_ratios({row.variant: row for row in rows})
    assert rows[1].ratio == 0.5
    assert "0.50" in report.rows_table(rows, (96, 128))


@pytest.mark.parametrize("given", [True, False])
def test_masks_are_compared_where_the_file_gives_them_pasted(given):
    boxes = np.array([[2, 2, 20, 20, 0.9]], np.float32)
    pasted = np.zeros((1, 32, 32), bool)
    pasted[:, 2:20, 2:20] = True
    truth = measuring.Detections(boxes, np.array([1]), pasted)
    task = Task("mmdet", "", torch.nn.Module(), {}, [], {}, lambda feeds: [truth], None, None, score_thr=0.05)
    outputs = {"dets": boxes[None], "labels": np.array([[1]])}
    if given:
        outputs["masks"] = ~pasted[None]
    session = type("Session", (), {"input_names": ["input"], "run": lambda self, feeds: outputs})()
    case = measuring.Case("picture", {"input": torch.zeros(1, 3, 32, 32)}, [np.zeros((32, 32, 3), np.uint8)])
    row = measuring.Row("mmonnx")
    measuring._compare(measuring._reference(task, (32, 32)), [case], session, row)
    assert not row.error and row.detections == [1] and row.ok is not given


def test_a_file_in_int8_is_timed_beside_what_the_tools_make_by_default(tmp_path, capsys):
    path = tmp_path / "classifier.onnx"
    load = LoadOptions(shape=(64, 64), dynamic=True)
    export(ExportSettings("mmonnx::digits/mobilenet_v2_digits.py", None, output_file=str(path), load=load))
    capsys.readouterr()
    asked = [str(path), "--precision", "--shapes", "64x64", "64x96", "--rounds", "3", "--threads", "1"]
    assert benchmark.main([*asked, "--out", str(tmp_path / "out")]) == 0
    printed = capsys.readouterr().out
    content = json.loads((tmp_path / "out" / "precision.json").read_text())
    assert [result["shape"] for result in content["results"]] == [[64, 64], [64, 96]]
    for result in content["results"]:
        ours, defaults = result["forms"]
        assert (ours["name"], ours["layers"], ours["error"]) == ("mmonnx", "53 of 53", "")
        assert 0.2 < ours["size"] < 0.4 and ours["time"] > 0 and min(ours["ms"]) > 0
        assert defaults["name"] == "defaults" and not defaults["error"]
    assert sum(line.startswith("mmonnx ") for line in printed.splitlines()) == 2
    assert benchmark.main(["config.py", "--precision"]) == 2
