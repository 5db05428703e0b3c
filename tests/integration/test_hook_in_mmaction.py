"""The export hook in a training of mmaction2's: a recognizer that learns for two iterations, by mmcv's own runner."""

import logging

import numpy as np
import pytest
import torch

pytest.importorskip("recognizers")

from recognizers import R18, TSN, film, pipeline, small_config

from mmonnx.environment import compat

pytestmark = pytest.mark.once  # mmaction2 is on the default stack alone


def test_the_weights_of_a_training_are_exported_as_a_file_that_recognizes(tmp_path):
    from mmaction.datasets import build_dataloader, build_dataset
    from mmaction.models import build_model
    from mmcv import Config
    from mmcv.runner import IterBasedRunner

    from mmonnx.hooks import ONNXExportHook
    from mmonnx.runtime import open_model

    film(tmp_path / "0.mp4", 20)
    (tmp_path / "films.txt").write_text("0.mp4 3\n")
    test = {"type": "VideoDataset", "ann_file": str(tmp_path / "films.txt"), "data_prefix": str(tmp_path)}
    steps = pipeline(1, 3, "ThreeCrop", 36, "NCHW")
    steps[-1] = {"type": "ToTensor", "keys": ["imgs", "label"]}
    options = {
        **R18,
        "model.backbone.pretrained": None,
        "model.cls_head.num_classes": 5,
        "data.test": {**test, "pipeline": steps},
    }
    config = Config.fromfile(small_config(TSN, tmp_path, options))
    loader = build_dataloader(
        build_dataset(config.data.test), 1, 0, dist=False, persistent_workers=False, pin_memory=False
    )
    model = build_model(config.model)
    meta = {"config": config.pretty_text, "exp_name": "tsn"}
    optimizer = torch.optim.SGD(model.parameters(), 1e-3)
    runner = IterBasedRunner(model, None, optimizer, str(tmp_path / "work"), logging.getLogger("t"), meta, max_iters=2)
    runner.register_hook(ONNXExportHook(interval=2, by_epoch=False, shape=(36, 36), dynamic=True, strict=True))
    with compat.old_numpy_names():
        runner.run([loader], [("train", 1)])
    recognizer = open_model(str(tmp_path / "work" / "iter_2.onnx"))
    feed = recognizer.ready(str(tmp_path / "0.mp4")).feed
    with torch.no_grad():
        (expected,) = model.eval()(torch.from_numpy(feed), return_loss=False)
    np.testing.assert_allclose(recognizer(str(tmp_path / "0.mp4")).probs, expected, atol=1e-4 * np.abs(expected).max())
