"""``mmonnx predict`` and ``mmonnx.runtime`` on recognizers: the scores of mmaction2's own function on the same film."""

import json
import subprocess
import sys

import cv2
import numpy as np
import onnx
import pytest
import tiny_files

pytest.importorskip("recognizers")

from recognizers import FEW, R18, SLIM, SLOWONLY, TSN, film, folder_of_frames, made, moving, pipeline, upstream

from mmonnx import cli
from mmonnx.environment import compat
from mmonnx.runtime import Recognizer, open_model
from mmonnx.runtime.films import frame_numbers
from mmonnx.runtime.recognizers import _cut
from mmonnx.support import InputError

pytestmark = pytest.mark.once  # mmaction2 is on the default stack alone
OF_FRAMES = {**R18, **FEW, "data.test.pipeline": pipeline(1, 3, "TenCrop", 32, "NCHW")}
OF_CLIPS = {**SLIM, **FEW, "data.test.pipeline": pipeline(4, 2, "ThreeCrop", 36, "NCTHW", frame_interval=3)}


@pytest.fixture(scope="module")
def of_frames(tmp_path_factory):
    return made(TSN, tmp_path_factory.mktemp("tsn"), OF_FRAMES, "--dynamic-export", "--simplify", "--verify")


@pytest.fixture(scope="module")
def of_clips(tmp_path_factory):
    folder = tmp_path_factory.mktemp("slowonly")
    return made(SLOWONLY, folder, OF_CLIPS, "--dynamic-export", "--simplify", "--verify")


def inference(config, checkpoint, source):
    """Upstream's five best classes; it calls Python's types as numpy's."""
    from mmaction.apis import inference_recognizer

    with compat.old_numpy_names():
        return inference_recognizer(upstream(config, checkpoint), source)


def same(found, expected):
    assert [label for label, _, _ in found] == [label for label, _ in expected]
    scale = max(abs(score) for _, score in expected)
    np.testing.assert_allclose([score for _, _, score in found], [score for _, score in expected], atol=1e-4 * scale)


@pytest.mark.parametrize("kind", ["of_frames", "of_clips"])
@pytest.mark.parametrize("count", [40, 7])
def test_a_videos_scores_are_upstreams(request, tmp_path, kind, count):
    config, checkpoint, path = request.getfixturevalue(kind)
    source = film(tmp_path / "film.mp4", count)
    model = open_model(path)
    assert isinstance(model, Recognizer)
    same(model.top(model(source)), inference(config, checkpoint, source))


def test_a_folder_of_frames_and_an_array_have_upstreams_scores(of_clips, tmp_path):
    config, checkpoint, path = of_clips
    source = folder_of_frames(tmp_path / "frames")
    model = open_model(path)
    same(model.top(model(source)), inference(config, checkpoint, source))
    frames = np.stack(moving(40, (48, 64), 1))
    same(model.top(model(frames)), inference(config, checkpoint, frames[..., ::-1]))


def test_predict_answers_each_film_once(of_clips, tmp_path):
    films = tmp_path / "films"
    films.mkdir()
    for number in range(3):
        film(films / f"{number}.mp4", 20 + number, number=number)
    out, answers = tmp_path / "out", tmp_path / "x.json"
    command = ["predict", of_clips[2], str(films), "--out", str(out), "--json", str(answers)]
    assert cli.main(command) == 0
    records = json.loads(answers.read_text())
    assert [record["file"] for record in records] == [str(films / f"{number}.mp4") for number in range(3)]
    assert all((record["height"], record["width"]) == (48, 64) and "frame" not in record for record in records)
    assert len({record["classes"][0]["score"] for record in records}) == 3
    assert all(cv2.imread(str(out / f"{number}.jpg")).std() > 10 for number in range(3))


def test_no_package_of_openmmlab_is_needed(of_frames, tmp_path):
    source = film(tmp_path / "film.mp4")
    code = (
        "import sys\nfrom mmonnx import cli\n"
        f"assert cli.main(['predict', {of_frames[2]!r}, {source!r}, '--json', {str(tmp_path / 'x.json')!r}]) == 0\n"
        "assert not {'torch', 'mmcv', 'mmaction'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("total", [1, 7, 31, 100, 401])
@pytest.mark.parametrize(
    "kind,options",
    [
        ("SampleFrames", {"clip_len": 4, "frame_interval": 3, "num_clips": 5}),
        ("SampleFrames", {"clip_len": 1, "num_clips": 8, "twice_sample": True}),
        ("SampleFrames", {"clip_len": 16, "frame_interval": 2, "num_clips": 2, "out_of_bound_opt": "repeat_last"}),
        ("DenseSampleFrames", {"clip_len": 1, "num_clips": 8}),
        ("DenseSampleFrames", {"clip_len": 4, "num_clips": 2, "sample_range": 20, "num_sample_positions": 3}),
    ],
)
def test_the_frames_are_upstreams(kind, options, total):
    from mmaction.datasets.builder import PIPELINES

    from mmonnx.codebases.mmaction.pipelines import _frames

    with compat.old_numpy_names():
        sampler = PIPELINES.get(kind)(test_mode=True, **options)
        expected = sampler({"total_frames": total, "start_index": 0})["frame_inds"]
    found = frame_numbers({**_frames({"type": kind, "test_mode": True, **options}), "first": 1}, total)
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    "name,said",
    [
        ("none.mp4", "'{0}' does not exist"),
        ("empty.mp4", "cannot be read; expected a format of OpenCV"),
        ("picture.jpg", "is no video; expected files such as .mp4"),
        ("folder", "has no frame; expected files called img_{{:05}}.jpg"),
    ],
)
def test_what_is_no_film_is_one_line(of_frames, tmp_path, capsys, name, said):
    path = tmp_path / name
    if name == "folder":
        path.mkdir()
        cv2.imwrite(str(path / "other.jpg"), np.zeros((8, 8, 3), np.uint8))
    elif name == "picture.jpg":
        cv2.imwrite(str(path), np.zeros((8, 8, 3), np.uint8))
    elif name == "empty.mp4":
        path.write_bytes(b"")
    assert cli.main(["predict", of_frames[2], str(path), "--json", str(tmp_path / "x.json")]) == 2
    error = capsys.readouterr().err.strip()
    assert said.format(path) in error and "\n" not in error and not (tmp_path / "x.json").exists()


@pytest.mark.parametrize(
    "change",
    [
        {"template": "{:1000000000}.jpg"},
        {"template": "../{:05}.jpg"},
        {"template": "{0.__class__}.jpg"},
        {"template": "{}_{:05}.jpg"},
        {"template": 5},
        {"clips": 0},
        {"clips": 1 << 19, "clip_len": 1 << 19},
        {"how": "other"},
        {"past_end": "other"},
        {"interval": None},
    ],
)
def test_a_strangers_way_of_taking_frames_is_refused(tmp_path, change):
    path = tiny_files.recognizer(tmp_path / "x.onnx")
    model = onnx.load(path)
    (entry,) = [entry for entry in model.metadata_props if entry.key == "mmonnx.pipeline"]
    steps = json.loads(entry.value)
    steps[0].update(change)
    entry.value = json.dumps(steps)
    onnx.save(model, path)
    with pytest.raises(InputError, match="broken metadata"):
        open_model(path)


@pytest.mark.parametrize("how,size", [("three", [40, 40]), ("three", [30, 48]), ("ten", [36, 65]), ("centre", [37, 8])])
def test_frames_without_these_parts_are_refused(how, size):
    with pytest.raises(InputError, match=f"frames of 64x36 have no {how} parts"):
        _cut({"how": how, "size": size}, np.zeros((1, 36, 64, 3), np.uint8))


def test_a_file_of_other_clips_is_one_line(tmp_path, capsys):
    _, _, path = made(SLOWONLY, tmp_path, OF_CLIPS, shape=(36, 36))
    source = film(tmp_path / "film.mp4")
    assert cli.main(["predict", path, source, "--json", str(tmp_path / "x.json")]) == 2
    error = capsys.readouterr().err.strip()
    assert "takes clips 1x3x4x36x36, and its pipeline makes 6x3x4x36x36" in error and "\n" not in error
