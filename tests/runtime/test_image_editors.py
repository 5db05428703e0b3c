"""``mmonnx predict`` and ``mmonnx.runtime`` on image editors: the images of mmedit's own functions."""

import importlib
import json
import subprocess
import sys

import cv2
import numpy as np
import pytest

pytest.importorskip("editors")

from editors import EDSR, EDSR_OPTIONS, GL, INDEXNET, made, picture, upstream

from mmonnx import cli
from mmonnx.codebases.mmedit import samples
from mmonnx.runtime import ImageEditor, open_model

pytestmark = pytest.mark.once  # mmedit is on the default stack alone
BASELINE = "mmedit::mattors/gca/baseline_r34_4x10_200k_comp1k.py"
CYCLEGAN = "mmedit::synthesizers/cyclegan/cyclegan_lsgan_id0_resnet_in_1x1_80k_facades.py"


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


def let_run_on_the_cpu(monkeypatch, name):
    """Let a function of ``mmedit.apis`` unpack what goes with a picture, which it leaves to copying to a GPU."""
    importlib.import_module("mmedit.apis")
    module = sys.modules[f"mmedit.apis.{name}"]
    own = module.collate

    def collate(data, samples_per_gpu):
        found = own(data, samples_per_gpu=samples_per_gpu)
        return {**found, "meta": found["meta"].data[0]}

    monkeypatch.setattr(module, "collate", collate)


def companion(folder, draw, number, size, name):
    """A mask or a trimap as a file."""
    path = str(folder / name)
    cv2.imwrite(path, draw(number, size))
    return path


def test_a_filled_in_picture_is_upstreams(tmp_path, capsys):
    from mmedit.apis import inpainting_inference
    from mmedit.core import tensor2img

    config, checkpoint, path = made(GL, tmp_path, {}, "--dynamic-export", shape=(64, 96))
    size = (50, 70)  # is filled up to 64x96
    source = picture(tmp_path, 1, size)
    mask = companion(tmp_path, samples.mask, 0, size, "mask.png")
    expected = inpainting_inference(upstream(config, checkpoint), source, mask)[:, :, : size[0], : size[1]]
    editor = open_model(path)
    assert editor.takes == ["mask"]
    np.testing.assert_allclose(editor(source, mask=mask).values, expected[0].detach().numpy(), atol=1e-3)
    assert cli.main(["predict", path, source, "--out", str(tmp_path / "out"), "--with", f"mask={mask}"]) == 0
    drawn = cv2.imread(str(tmp_path / "out" / "picture.png")).astype(int)
    theirs = tensor2img(expected, min_max=(-1, 1))[..., ::-1].astype(int)
    assert np.abs(drawn - theirs).max() <= 1 and (drawn != theirs).mean() < 0.02
    known = cv2.imread(mask, cv2.IMREAD_UNCHANGED) == 0
    np.testing.assert_array_equal(drawn[known], cv2.imread(source)[known])
    # what is missing, and what has another size
    assert cli.main(["predict", path, source, "--out", str(tmp_path / "out")]) == 2
    assert "takes mask beside the picture, not nothing; expected what it takes" in capsys.readouterr().err
    other = companion(tmp_path, samples.mask, 0, (20, 20), "small.png")
    assert cli.main(["predict", path, source, "--out", str(tmp_path / "out"), "--with", f"mask={other}"]) == 2
    assert "the mask is 20x20, and the picture 70x50" in capsys.readouterr().err


@pytest.mark.parametrize("name", [INDEXNET, pytest.param(BASELINE, marks=pytest.mark.long)])
def test_a_matte_is_upstreams(tmp_path, monkeypatch, name):
    let_run_on_the_cpu(monkeypatch, "matting_inference")
    from mmedit.apis import matting_inference

    config, checkpoint, path = made(name, tmp_path, {"model.pretrained": None}, "--dynamic-export", shape=(64, 64))
    size = (70, 83)  # is resized, or filled up
    trimaps, pictures = tmp_path / "trimaps", tmp_path / "pictures"
    trimaps.mkdir(), pictures.mkdir()
    source = picture(pictures, 1, size, "one.jpg")
    trimap = companion(trimaps, samples.trimap, 0, size, "one.png")
    expected = matting_inference(upstream(config, checkpoint), source, trimap)
    found = open_model(path)(source, trimap=trimap).values[0]
    assert expected.shape == size and expected.std() > 0.1
    unknown = cv2.imread(trimap, cv2.IMREAD_GRAYSCALE) == 128
    assert expected[unknown].std() > 0.01
    np.testing.assert_allclose(found, expected, atol=2e-3)
    # trimaps by the names of the pictures
    command = ["predict", path, str(pictures), "--out", str(tmp_path / "out"), "--with", f"trimap={trimaps}"]
    assert cli.main(command) == 0
    drawn = cv2.imread(str(tmp_path / "out" / "one.png"), cv2.IMREAD_UNCHANGED)
    assert drawn.shape == size and np.abs(drawn / 255 - expected).max() < 4e-3


@pytest.mark.long
def test_a_translated_picture_is_upstreams(tmp_path, monkeypatch):
    let_run_on_the_cpu(monkeypatch, "generation_inference")
    from mmedit.apis import generation_inference

    options = {"model.generator.base_channels": 8, "model.generator.num_blocks": 2}
    options["test_cfg"] = {"direction": "b2a", "show_input": False}
    config, checkpoint, path = made(CYCLEGAN, tmp_path, options, "--dynamic-export", shape=(64, 64))
    source = picture(tmp_path, 1, (90, 70))
    expected = generation_inference(upstream(config, checkpoint), source, source).astype(int)
    found = open_model(path)(source).pixels.astype(int)
    assert found.shape == expected.shape == (256, 256, 3) and expected.std() > 10
    assert np.abs(found - expected).max() <= 1 and (found != expected).mean() < 0.01
