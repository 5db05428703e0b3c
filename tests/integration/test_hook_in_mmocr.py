"""The export hook in a training of mmocr's: a recognizer that learns for two iterations, by mmcv's own runner."""

import logging

import onnx
import pytest
import torch

pytest.importorskip("ocr_models")

from ocr_models import CRNN, CRNN_OPTIONS, WORDS, inferred, small_config, written

pytestmark = pytest.mark.once  # mmocr is on the default stack alone


def test_the_weights_of_a_training_are_exported_as_a_file_that_reads(tmp_path):
    from mmcv import Config
    from mmcv.runner import IterBasedRunner
    from mmocr.datasets import build_dataloader, build_dataset
    from mmocr.models import build_detector

    from mmonnx.hooks import ONNXExportHook
    from mmonnx.runtime import open_model

    rows = [(f"{number}.png", WORDS[number].replace(" ", "")) for number in range(2)]
    for number in range(2):
        written(tmp_path, number, (40, 150), rows[number][0])
    (tmp_path / "label.txt").write_text("".join(f"{name} {text}\n" for name, text in rows))
    config = Config.fromfile(small_config(CRNN, tmp_path, dict(CRNN_OPTIONS)))
    parser = {"type": "LineStrParser", "keys": ["filename", "text"], "keys_idx": [0, 1], "separator": " "}
    loader = {"type": "AnnFileLoader", "repeat": 1, "file_format": "txt", "parser": parser}
    train = {"type": "OCRDataset", "img_prefix": str(tmp_path), "ann_file": str(tmp_path / "label.txt")}
    dataset = build_dataset({**train, "loader": loader, "pipeline": config.train_pipeline})
    data = build_dataloader(dataset, 2, 0, dist=False, persistent_workers=False, pin_memory=False)
    model = build_detector(config.model)
    optimizer = torch.optim.Adam(model.parameters(), 1e-4)
    meta = {"config": config.pretty_text, "exp_name": "crnn"}
    runner = IterBasedRunner(
        parallel(model), None, optimizer, str(tmp_path / "work"), logging.getLogger("t"), meta, max_iters=2
    )
    runner.register_hook(ONNXExportHook(interval=2, by_epoch=False, shape=(32, 96), strict=True))
    runner.run([data], [("train", 1)])
    path = str(tmp_path / "work" / "iter_2.onnx")
    assert '"ctc"' in {entry.key: entry.value for entry in onnx.load(path).metadata_props}["mmonnx.texts"]
    model.cfg = config
    source = written(tmp_path, 2, (40, 120))
    assert open_model(path)(source).text == inferred(model.eval(), source)["text"]


def parallel(model):
    from mmcv.parallel import MMDataParallel

    return MMDataParallel(model, device_ids=[-1])
