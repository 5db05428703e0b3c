"""``mmonnx predict`` and ``mmonnx.runtime`` on image editors: the images of mmedit's own functions."""

import json
import subprocess
import sys

import cv2
import numpy as np
import pytest

pytest.importorskip("editors")

from editors import EDSR, EDSR_OPTIONS, made, picture, upstream

from mmonnx import cli
from mmonnx.runtime import ImageEditor, open_model

pytestmark = pytest.mark.once  # mmedit is on the default stack alone


@pytest.fixture(scope="module")
def edsr(tmp_path_factory):
    return made(EDSR, tmp_path_factory.mktemp("edsr"), EDSR_OPTIONS, "--dynamic-export", "--simplify", "--verify")


def test_a_restored_picture_is_upstreams(edsr, tmp_path):
    from mmedit.apis import restoration_inference
    from mmedit.core import tensor2img

    config, checkpoint, path = edsr
    source = picture(tmp_path, 1, (37, 51))
    expected = restoration_inference(upstream(config, checkpoint), source)
    model = open_model(path)
    assert isinstance(model, ImageEditor) and model.takes == []
    np.testing.assert_allclose(model(source).values, expected[0].numpy(), atol=1e-5)
    out = tmp_path / "out"
    command = ["predict", path, source, "--out", str(out), "--json", str(tmp_path / "x.json")]
    assert cli.main(command) == 0
    drawn, theirs = cv2.imread(str(out / "picture.png")).astype(int), tensor2img(expected).astype(int)
    assert drawn.shape == (148, 204, 3) and theirs.std() > 20
    assert (drawn != theirs).mean() < 1e-3 and np.abs(drawn - theirs).max() <= 1  # halves are rounded either way
    (record,) = json.loads((tmp_path / "x.json").read_text())
    assert record["image"] == {"height": 148, "width": 204, "channels": 3}


def test_a_picture_of_another_kind_is_written_without_loss(edsr, tmp_path):
    source = picture(tmp_path, 0, (20, 30), "one.jpg")
    assert cli.main(["predict", edsr[2], source, "--out", str(tmp_path / "out")]) == 0
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["one.png"]


def test_no_package_of_openmmlab_is_needed(edsr, tmp_path):
    source = picture(tmp_path, 0, (20, 30))
    code = (
        "import sys\nfrom mmonnx import cli\n"
        f"assert cli.main(['predict', {edsr[2]!r}, {source!r}, '--out', {str(tmp_path / 'out')!r}]) == 0\n"
        "assert not {'torch', 'mmcv', 'mmedit'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    "arguments,said",
    [
        (["--with", "mask=x.png"], "--with mask=x.png does not exist; expected a file, or a folder of files"),
        (["--with", "mask={source}"], "takes nothing beside the picture, not mask"),
        (["--coco", "x.json"], "--coco is for detectors"),
    ],
)
def test_what_does_not_fit_is_one_line(edsr, tmp_path, capsys, arguments, said):
    source = picture(tmp_path, 0, (20, 30))
    arguments = [argument.format(source=source) for argument in arguments]
    command = ["predict", edsr[2], source, "--out", str(tmp_path / "out"), *arguments]
    assert cli.main(command) == 2
    error = capsys.readouterr().err.strip()
    assert said in error and "\n" not in error
