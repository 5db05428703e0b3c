"""The commands of docs/starting.md in turn; that its installation is pinned is checked by test_commands.py."""

import shlex
import shutil
import sys
from pathlib import Path

import cv2
import pytest

sys.path[:0] = [str(Path(__file__).parent)]

from pages import ROOT, commands  # noqa: E402

from mmonnx import cli, fallback  # noqa: E402

pytestmark = pytest.mark.once
PAGE = (ROOT / "docs" / "starting.md").read_text(encoding="utf-8")
FEW = 8
"""Pictures of a test set, of which the page makes 200."""
SMALL = {
    "mmseg::fcn": ["model.backbone.depth=18", "model.decode_head.in_channels=512", "model.auxiliary_head=None"],
    "mmrotate::rotated_retinanet": ["model.backbone.depth=18", "model.neck.in_channels=[64,128,256,512]"],
}
"""What makes the full models of the page small enough for a test."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with what the page takes from a checkout."""
    fallback.ensure()
    pytest.importorskip("mmseg")
    pytest.importorskip("mmrotate")
    folder = tmp_path_factory.mktemp("checkout")
    for name in ("configs/digits", "docs/images"):
        shutil.copytree(str(ROOT / name), str(folder / name))
    return folder


def test_its_commands_lead_to_drawn_pictures_and_scores(folder, monkeypatch, capsys):
    from mmonnx.datasets import digits

    monkeypatch.chdir(folder)
    scores = []
    for command in commands(PAGE):
        words = shlex.split(command)
        if words[:2] == ["pip", "install"]:
            continue
        if words[0] == "python":
            assert words[1] == "-c"
            exec(words[2].replace("')", f"', num={FEW})"), {"digits": digits})
            continue
        small = next((options for name, options in SMALL.items() if words[2].startswith(name)), [])
        if small:
            size = words.index("--shape") + 1
            words[size : size + 2] = ["96", "128"]
            words += ["--cfg-options", *small]
        capsys.readouterr()
        assert words[0] == "mmonnx" and cli.main(words[1:]) == 0, command
        scores += [line for line in capsys.readouterr().out.splitlines() if words[1] == "test"]
    for name in ("scene", "turned"):
        drawn, plain = (cv2.imread(f"{place}/{name}.jpg") for place in ("drawn", "docs/images"))
        assert drawn.shape == plain.shape and (drawn != plain).any(2).mean() > 0.02
    assert any(" mIoU " in line for line in scores) and any(" mAP " in line for line in scores)
