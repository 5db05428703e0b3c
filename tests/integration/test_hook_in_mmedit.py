"""The export hook in a training of mmedit's: a restorer that learns for two iterations, by mmcv's own runner."""

import logging

import cv2
import numpy as np
import onnx
import pytest
import torch

pytest.importorskip("editors")

from editors import EDSR, EDSR_OPTIONS, picture, small_config
from models import photographs

pytestmark = pytest.mark.once  # mmedit is on the default stack alone


def test_the_weights_of_a_training_are_exported_as_a_file_that_predicts(tmp_path):
    from mmcv import Config
    from mmcv.runner import IterBasedRunner
    from mmedit.datasets import build_dataloader, build_dataset
    from mmedit.models import build_model

    from mmonnx.hooks import ONNXExportHook
    from mmonnx.runtime import open_model

    for name in ("lq", "gt"):
        (tmp_path / name).mkdir()
    whole = cv2.resize(photographs()[0], (192, 160))
    cv2.imwrite(str(tmp_path / "gt" / "0.png"), whole)
    cv2.imwrite(str(tmp_path / "lq" / "0.png"), cv2.resize(whole, (48, 40)))
    folders = {f"data.test.{name}_folder": str(tmp_path / name) for name in ("lq", "gt")}
    options = {**EDSR_OPTIONS, **folders, "data.test.filename_tmpl": "{}"}
    config = Config.fromfile(small_config(EDSR, tmp_path, options))
    dataset = build_dataset(config.data.test)
    loader = build_dataloader(dataset, 1, 0, dist=False, persistent_workers=False, pin_memory=False)
    model = build_model(config.model, test_cfg=config.test_cfg)
    optimizer = {"generator": torch.optim.Adam(model.generator.parameters(), 1e-3)}
    meta = {"config": config.pretty_text, "exp_name": "edsr"}
    runner = IterBasedRunner(model, None, optimizer, str(tmp_path / "work"), logging.getLogger("t"), meta, max_iters=2)
    runner.register_hook(ONNXExportHook(interval=2, by_epoch=False, shape=(24, 32), strict=True))
    runner.run([loader], [("train", 1)])
    path = str(tmp_path / "work" / "iter_2.onnx")
    assert '"rgb": true' in {entry.key: entry.value for entry in onnx.load(path).metadata_props}["mmonnx.image_values"]
    source = picture(tmp_path, 1, (20, 26))
    image = cv2.imread(source)[..., ::-1].astype(np.float32).transpose(2, 0, 1)[None] / 255
    with torch.no_grad():
        expected = model.eval().generator(torch.from_numpy(np.ascontiguousarray(image)))[0].numpy()
    np.testing.assert_allclose(open_model(path)(source).values, expected, atol=1e-4)
    assert model.test_cfg.metrics == ["PSNR", "SSIM"]
