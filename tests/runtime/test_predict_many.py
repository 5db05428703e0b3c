"""``mmonnx predict`` on many pictures: nothing is lost, whoever is killed and whatever cannot be read."""

import fcntl
import json
import os
import random
import signal
import subprocess
import sys
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import tiny_files
from PIL import Image

from mmonnx import cli
from mmonnx.runtime import Classifier, Detector
from mmonnx.runtime.images import read_image
from mmonnx.runtime.predicting.sizing import limits_for, runs_side_by_side
from mmonnx.runtime.providers import PROVIDERS, parse_providers

ROOT = str(Path(__file__).resolve().parents[2])
SIZES = [(48, 64), (64, 48), (30, 64), (48, 48), (100, 90)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Both files, and sixty pictures of five sizes."""
    folder = tmp_path_factory.mktemp("many")
    tiny_files.detector(folder / "detector.onnx")
    tiny_files.classifier(folder / "classifier.onnx")
    (folder / "photos").mkdir()
    random_state = np.random.RandomState(0)
    for number in range(60):
        picture = random_state.randint(0, 255, (*SIZES[number % 5], 3)).astype(np.uint8)
        cv2.imwrite(str(folder / "photos" / f"{number:02}.png"), picture)
    writer = cv2.VideoWriter(str(folder / "video.avi"), cv2.VideoWriter_fourcc(*"MJPG"), 5.0, (64, 48))
    for number in range(9):
        writer.write(np.full((48, 64, 3), 20 * number, np.uint8))
    writer.release()
    return folder


@pytest.fixture
def run(folder, tmp_path, monkeypatch):
    """Run the command on pictures in a folder of its own; its status."""
    monkeypatch.chdir(tmp_path)

    def start(*arguments, file="detector", source=folder / "photos"):
        return cli.main(["predict", str(folder / f"{file}.onnx"), str(source), *map(str, arguments)])

    return start


def entries(path):
    return json.loads(Path(path).read_text())


def lines(path):
    return [json.loads(line) for line in Path(path).read_text().splitlines()]


def all_of(folder):
    """Every file below a folder, with what is in it."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("file, kind", [("detector", Detector), ("classifier", Classifier)])
@pytest.mark.parametrize("batch", [None, 1, 7])
def test_the_answers_are_those_of_one_at_a_time_to_the_bit(folder, run, file, kind, batch):
    more = [] if batch is None else ["--batch-size", batch, "--threads", 3]
    assert run("--json", "found.json", "--jsonl", "found.jsonl", *more, file=file) == 0
    found, model = entries("found.json"), kind(folder / f"{file}.onnx")
    assert found == lines("found.jsonl") and len(found) == 60
    for entry, path in zip(found, sorted((folder / "photos").iterdir())):
        image, answer = cv2.imread(str(path)), model(str(path))
        assert entry["file"] == str(path) and (entry["height"], entry["width"]) == image.shape[:2]
        if file == "detector":
            rows = [[*one["box"], one["score"], one["label"]] for one in entry["detections"]]
            assert rows == [[*dets, label] for dets, label in zip(answer.dets.tolist(), answer.labels.tolist())]
        else:
            scores = {one["label"]: one["score"] for one in entry["classes"]}
            assert [scores[label] for label in range(10)] == answer.probs.tolist()


def test_it_says_what_runs_it_and_how_long_the_queue_is(run, capfd):
    assert run("--json", "found.json", "--threads", 3, "--batch-size", 4) == 0
    told = capfd.readouterr()
    line = told.out.splitlines()[0]
    assert not told.err and "CPUExecutionProvider" in line and "3 threads" in line and "batches of up to 4" in line
    assert "at most 27 pictures" in line


def broken(folder, target):
    """The pictures with five more that cannot be read, each in another way."""
    target.mkdir()
    for path in (folder / "photos").iterdir():
        (target / path.name).write_bytes(path.read_bytes())
    whole = (folder / "photos" / "00.png").read_bytes()
    (target / "05a.png").write_bytes(b"")
    (target / "17b.jpg").write_bytes(b"no picture")
    (target / "17c.npy").write_bytes(b"\x93NUMPY")
    (target / "44d.mp4").write_bytes(b"no video")
    (target / "59e.png").write_bytes(whole[:33])
    return ["05a.png", "17b.jpg", "17c.npy", "44d.mp4", "59e.png"]


def test_what_cannot_be_read_is_told_of_and_all_else_is_there(folder, run, tmp_path, capsys):
    wrong = broken(folder, tmp_path / "mixed")
    files = ["--json", "found.json", "--coco", "found.coco", "--jsonl", "found.jsonl", "--out", "drawn"]
    assert run(*files, source="mixed") == 1
    out = capsys.readouterr().out
    assert "60 images" in out and "5 skipped" in out
    assert all(sum(name in line and "cannot be read" in line for line in out.splitlines()) == 1 for name in wrong)
    found = entries("found.json")
    assert found == lines("found.jsonl")
    failed = {os.path.basename(entry["file"]): entry["error"] for entry in found if "error" in entry}
    assert sorted(failed) == wrong and all("cannot be read" in reason for reason in failed.values())
    assert [os.path.basename(entry["file"]) for entry in found] == sorted(path.name for path in Path("mixed").iterdir())
    coco = entries("found.coco")
    assert len(coco["images"]) == 60 and len(coco["annotations"]) == 180 and len(coco["errors"]) == 5
    assert len(list(Path("drawn").iterdir())) == 60
    assert run("--json", "whole.json") == 0
    answers = [entry["detections"] for entry in found if "error" not in entry]
    assert answers == [entry["detections"] for entry in entries("whole.json")]


def test_it_stops_at_the_first_where_it_is_to(folder, run, tmp_path, capfd):
    broken(folder, tmp_path / "mixed")
    assert run("--json", "found.json", "--jsonl", "found.jsonl", "--on-error", "stop", source="mixed") == 2
    (line,) = [one for one in capfd.readouterr().err.splitlines() if one.startswith("mmonnx")]
    assert "05a.png" in line and not Path("found.json").exists()
    assert [os.path.basename(entry["file"]) for entry in lines("found.jsonl")] == [f"{n:02}.png" for n in range(6)]


def test_a_run_without_any_answer_is_refused(run, tmp_path, capfd):
    (tmp_path / "broken.jpg").write_bytes(b"no picture")
    assert run("--json", "found.json", source="broken.jpg") == 2
    (line,) = capfd.readouterr().err.splitlines()
    assert "cannot be read" in line and not Path("found.json").exists()


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no such signal")
def test_killed_at_ten_moments_and_resumed_it_is_as_if_nothing_had_happened(folder, run, tmp_path):
    wrong = broken(folder, tmp_path / "mixed")
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    sources = ["mixed", str(folder / "video.avi")]
    words = ["predict", str(folder / "detector.onnx"), *sources, "--threads", "2"]

    def files(target):
        return [
            *("--json", str(target / "x.json"), "--coco", str(target / "x.coco"), "--jsonl", str(target / "x.jsonl")),
            *("--out", str(target / "drawn")),
        ]

    assert cli.main([*words, *files(whole)]) == 1
    total, moments = 60 + len(wrong) + 9, random.Random(7)
    environment = {**os.environ, "PYTHONPATH": ROOT}
    command = [sys.executable, "-c", SLOWLY, *words, *files(killed), "--resume"]
    counts = []
    for step in range(1, 11):
        process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_for_lines(killed / "x.jsonl", total * step // 11, process)
        time.sleep(moments.random() * 0.02)
        process.kill()
        assert process.wait() == -signal.SIGKILL, "it was to be killed before its end"
        counts.append((killed / "x.jsonl").read_bytes().count(b"\n"))
        assert not (killed / "x.json").exists()
    assert counts == sorted(counts) and counts[0] > 0 and counts[-1] < total
    assert cli.main([*words, *files(killed), "--resume"]) == 1
    expected, found = all_of(whole), all_of(killed)
    assert sorted(found) == sorted(expected)
    assert [name for name in found if found[name] != expected[name]] == []


SLOWLY = """
import sys, time
from mmonnx import cli
from mmonnx.runtime.predicting import lines
append = lines.Lines.append
lines.Lines.append = lambda self, text: (time.sleep(0.04), append(self, text))[1]
sys.exit(cli.main(sys.argv[1:]))
"""


def wait_for_lines(path, count, process):
    end = time.monotonic() + 60
    while not path.exists() or path.read_bytes().count(b"\n") < count:
        assert process.poll() is None and time.monotonic() < end
        time.sleep(0.002)


def test_a_part_of_a_line_is_taken_back(run):
    assert run("--jsonl", "whole.jsonl") == 0
    whole = Path("whole.jsonl").read_bytes()
    for keep in (whole[:-1], whole[: len(whole) // 2], whole[:7], b""):
        Path("part.jsonl").write_bytes(keep)
        assert run("--jsonl", "part.jsonl", "--json", "part.json", "--resume") == 0
        assert Path("part.jsonl").read_bytes() == whole and entries("part.json") == lines("whole.jsonl")


def test_a_part_longer_than_what_is_read_at_a_time(run, monkeypatch):
    monkeypatch.setattr("mmonnx.runtime.predicting.lines._BLOCK", 16)
    test_a_part_of_a_line_is_taken_back(run)


def test_a_resumed_run_does_no_picture_again(run, monkeypatch):
    assert run("--jsonl", "found.jsonl") == 0
    kept = Path("found.jsonl").read_text().splitlines(keepends=True)[:50]
    Path("found.jsonl").write_text("".join(kept))
    read, original = [], Detector.read
    monkeypatch.setattr(Detector, "read", lambda self, picture: (read.append(str(picture)), original(self, picture))[1])
    assert run("--jsonl", "found.jsonl", "--resume") == 0
    names = {os.path.basename(name) for name in read if name.endswith(".png")}
    assert names == {f"{number:02}.png" for number in range(50, 60)}


@pytest.mark.parametrize("count", [0, 1, 4, 8, 9])
def test_a_video_goes_on_at_its_frame_and_is_drawn_whole(folder, run, count):
    video = folder / "video.avi"
    assert run("--jsonl", "whole.jsonl", "--out", "whole", source=video) == 0
    text = Path("whole.jsonl").read_text().splitlines(keepends=True)
    assert len(text) == 9 and [bool(one.get("last")) for one in lines("whole.jsonl")] == [False] * 8 + [True]
    Path("part.jsonl").write_text("".join(text[:count]))
    Path("plain.jsonl").write_text("".join(text[:count]))
    assert run("--jsonl", "part.jsonl", "--out", "part", "--resume", source=video) == 0
    assert run("--jsonl", "plain.jsonl", "--resume", source=video) == 0
    assert Path("part.jsonl").read_text() == Path("plain.jsonl").read_text() == "".join(text)
    if count < 9:  # it was put in place before the last line was written
        assert all_of(Path("part")) == all_of(Path("whole"))


def test_drawings_are_there_before_their_lines(run, monkeypatch):
    from mmonnx.runtime.predicting.lines import Lines

    append = Lines.append

    def checked(self, text):
        assert (Path("drawn") / os.path.basename(json.loads(text)["file"])).exists()
        append(self, text)

    monkeypatch.setattr(Lines, "append", checked)
    assert run("--jsonl", "found.jsonl", "--out", "drawn") == 0


REFUSALS = {
    "lines that nobody asked to go on behind": ("answers already", [], None),
    "lines of another task": ("answers of another file", ["--resume"], ("classifier", None)),
    "no JSON in the middle": ("line 2 of", ["--resume"], ("detector", "{\n")),
    "JSON of something else": ("line 2 of", ["--resume"], ("detector", "[3]\n")),
    "no text at all": ("line 2 of", ["--resume"], ("detector", b"\xff\xfe\n")),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_lines_are_refused(run, capfd, name):
    words, options, made = REFUSALS[name]
    assert run("--jsonl", "found.jsonl", file=made[0] if made else "detector") == 0
    first, *rest = Path("found.jsonl").read_bytes().splitlines(keepends=True)
    if made and made[1]:
        more = made[1] if isinstance(made[1], bytes) else made[1].encode()
        Path("found.jsonl").write_bytes(first + more + b"".join(rest))
    before, _ = Path("found.jsonl").read_bytes(), capfd.readouterr()
    assert run("--jsonl", "found.jsonl", "--json", "x.json", *options) == 2
    (line,) = [one for one in capfd.readouterr().err.splitlines() if one.startswith("mmonnx")]
    assert words in line and Path("found.jsonl").read_bytes() == before and not Path("x.json").exists()


def test_two_runs_do_not_write_to_one_file(run, capfd):
    with open("found.jsonl", "w") as other:
        fcntl.flock(other.fileno(), fcntl.LOCK_EX)
        assert run("--jsonl", "found.jsonl") == 2
    assert "another process" in capfd.readouterr().err


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["--resume"], "--resume has no lines"),
        (["--threads", "0"], "--threads 0 is out of range"),
        (["--batch-size", "-1"], "--batch-size -1 is out of range"),
        (["--providers", "cpu", "--device", "cpu"], "leave one out"),
        (["--providers", "gpu"], "'gpu' is unknown"),
        (["--providers", "tensorrt"], "'tensorrt' is not in the installed"),
        (["--providers", "cpu:arena"], "without '='"),
        (["--providers", "cpu", "--runtime", "openvino"], "--providers are ONNX Runtime's"),
        (["--threads", "1", "--runtime", "openvino"], "--threads is for ONNX Runtime"),
    ],
)
def test_settings_are_refused(run, capfd, arguments, words):
    assert run("--json", "x.json", *arguments) == 2
    (line,) = capfd.readouterr().err.splitlines()
    assert words in line and not list(Path().iterdir())


@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-", "<&- >&- 2>&-"])
def test_a_closed_stream_goes_nowhere_and_not_into_the_answers(folder, run, closed):
    assert run("--json", "whole.json") == 0
    words = f"'{sys.executable}' -m mmonnx predict '{folder / 'detector.onnx'}' '{folder / 'photos'}' --json found.json"
    environment = {**os.environ, "PYTHONPATH": ROOT}
    done = subprocess.run(["sh", "-c", f"{words} --jsonl found.jsonl {closed}"], env=environment, capture_output=True)
    assert done.returncode == 0 and not done.stderr
    assert entries("found.json") == entries("whole.json") == lines("found.jsonl")


@pytest.mark.parametrize("option", ["--json", "--jsonl", "--coco"])
def test_a_pipe_is_not_the_file_of_the_answers(run, capfd, option):
    os.mkfifo("pipe")
    os.symlink("pipe", "link")
    for name in ("pipe", "link", os.devnull):
        assert run(option, name) == 2
        assert f"'{name}' is a device or a pipe" in capfd.readouterr().err


def test_pillow_is_not_heard_whichever_thread_is_done_first(tmp_path, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 40)  # it warns of more, and refuses twice as many
    names = [str(tmp_path / f"{number}.png") for number in range(40)]
    for name in names:
        cv2.imwrite(name, np.zeros((8, 8, 3), np.uint8))
    with pytest.warns(Image.DecompressionBombWarning):
        Image.open(names[0]).close()
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        before = list(warnings.filters)
        with ThreadPoolExecutor(8) as pool:
            assert all(read.shape == (8, 8, 3) for read in pool.map(read_image, names * 5))
        assert not heard and list(warnings.filters) == before


def test_a_file_of_one_batch_gets_full_ones(folder, run, tmp_path, capfd):
    tiny_files.detector(folder / "four.onnx", batch=4)
    assert run("--json", "four.json", file="four") == 0 and run("--json", "any.json") == 0
    assert entries("four.json") == entries("any.json")
    assert run("--json", "four.json", "--batch-size", 2, file="four") == 2
    assert "takes 4 at a time" in capfd.readouterr().err


def test_providers_come_in_their_order_with_what_each_needs_and_the_cpu_behind_them():
    everything = [one.title for one in PROVIDERS.values()]
    found = parse_providers(["tensorrt:trt_fp16_enable=1", "cuda:device_id=1"], everything)
    assert [(provider.title, options) for provider, options in found] == [
        ("TensorrtExecutionProvider", {"trt_timing_cache_enable": "1", "trt_fp16_enable": "1"}),
        ("CUDAExecutionProvider", {"device_id": "1"}),
        ("CPUExecutionProvider", {}),
    ]
    (cpu,) = parse_providers(["cpu:use_arena=0"], everything)
    assert cpu == (PROVIDERS["cpu"], {"use_arena": "0"})
    given = parse_providers(["openvino:device_type=GPU"], everything)[0][1]
    assert given == {"device_type": "GPU"}, "the user's word comes before the default"


def test_named_providers_give_the_same(run):
    assert run("--json", "named.json", "--providers", "cpu") == 0 and run("--json", "plain.json") == 0
    assert entries("named.json") == entries("plain.json")


def test_how_much_goes_on_follows_the_file_and_the_device(folder):
    model = Detector(folder / "detector.onnx")
    cpu = limits_for(model, 2, None)
    assert [cpu.batch(side * side) for side in (64, 128, 320, 2000)] == [16, 4, 1, 1]
    assert (cpu.workers, cpu.lanes, cpu.ahead) == (2, 2, 2 * 2 * 16 + 2)
    gpu = limits_for(
        SimpleNamespace(batch=None, session=SimpleNamespace(is_gpu=True, takes_calls_together=False)), 8, None
    )
    assert [gpu.batch(side * side) for side in (64, 640, 1000)] == [32, 10, 4] and gpu.lanes == 1
    engine = SimpleNamespace(batch=None, session=SimpleNamespace(is_gpu=False, takes_calls_together=False))
    assert limits_for(engine, None, None).batch(64) == 1 and limits_for(engine, None, 5).batch(64) == 5


def test_many_small_pictures_run_side_by_side(folder):
    model = Detector(folder / "detector.onnx")
    assert runs_side_by_side(model, 2, 32) and not runs_side_by_side(model, 2, 31)
    for most, together, expected in ((1 << 17, True, True), ((1 << 17) + 1, True, False), (None, True, False)):
        other = SimpleNamespace(most_pixels=most, session=SimpleNamespace(takes_calls_together=together))
        assert runs_side_by_side(other, 2, 1000) == expected
    alone = SimpleNamespace(most_pixels=64, session=SimpleNamespace(takes_calls_together=False))
    assert not runs_side_by_side(alone, 2, 1000)


@pytest.mark.parametrize("file", ["detector", "classifier"])
def test_answers_do_not_depend_on_how_many_threads_run_the_network(run, file):
    for threads in (1, 3, 8):  # of 60 pictures, 8 have too few to run side by side
        assert run("--json", f"{threads}.json", "--threads", threads, file=file) == 0
    assert entries("1.json") == entries("3.json") == entries("8.json")


def test_a_classifier_writes_the_best_classes(run, capfd):
    assert run("--json", "all.json", file="classifier") == 0
    assert run("--json", "top.json", "--jsonl", "top.jsonl", "--top", 2, file="classifier") == 0
    best = [{**entry, "classes": entry["classes"][:2]} for entry in entries("all.json")]
    assert entries("top.json") == lines("top.jsonl") == best and len(entries("all.json")[0]["classes"]) > 2
    capfd.readouterr()
    refused = (0, "classifier", "--top 0 is out of range"), (1, "detector", "--top is for classifiers")
    for count, file, words in refused:
        assert run("--json", "none.json", "--top", count, file=file) == 2
        (line,) = capfd.readouterr().err.splitlines()
        assert words in line and not Path("none.json").exists()
