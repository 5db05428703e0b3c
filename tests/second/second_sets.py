"""Small test sets for OpenMMLab 2.x, and configs of the digit models in its terms."""

from pathlib import Path
from typing import Any, Dict

import torch
from sample_sets import CLASSIFIER, DETECTOR, make_coco_set, make_imagenet_set, weights_of

from mmonnx import fallback
from mmonnx.datasets import digits
from mmonnx.environment import compat
from mmonnx.loading.config import find_config

NORM = dict(mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375])
META_KEYS = ("img_id", "img_path", "ori_shape", "img_shape", "scale_factor")


def detector_model(masks: bool = False) -> Any:
    """The digit detector as mmdet 3 has it, with a mask head or without one."""
    fallback.ensure()
    from mmengine import Config

    model = Config.fromfile(str(find_config(DETECTOR))).model
    model.data_preprocessor = dict(
        type="DetDataPreprocessor", **NORM, bgr_to_rgb=True, pad_mask=masks, pad_size_divisor=32
    )
    if masks:
        model.type = "MaskRCNN"
        extractor = dict(model.roi_head.bbox_roi_extractor)
        extractor["roi_layer"] = dict(type="RoIAlign", output_size=14, sampling_ratio=2)
        head = dict(type="FCNMaskHead", num_convs=1, in_channels=48, conv_out_channels=16, num_classes=10)
        head["loss_mask"] = dict(type="CrossEntropyLoss", use_mask=True, loss_weight=1.0)
        model.roi_head.update(mask_roi_extractor=extractor, mask_head=head)
        model.test_cfg.rcnn.mask_thr_binary = 0.5
    return model


def write_detector(folder: Path, num: int = 8, masks: bool = False) -> str:
    """A config of the digit detector with a set of ``num`` pictures of several sizes; its path."""
    test = make_coco_set(folder / "coco", num)
    pipeline = [
        dict(type="LoadImageFromFile", backend_args=None),
        dict(type="Resize", scale=(320, 320), keep_ratio=True),
        dict(type="LoadAnnotations", with_bbox=True),
        dict(type="PackDetInputs", meta_keys=META_KEYS),
    ]
    dataset = dict(
        type="CocoDataset",
        ann_file=test["ann_file"],
        data_prefix=dict(img=test["img_prefix"]),
        metainfo=dict(classes=digits.CLASSES),
        test_mode=True,
        pipeline=pipeline,
    )
    metric = dict(type="CocoMetric", ann_file=test["ann_file"], metric=["bbox", "segm"] if masks else "bbox")
    return _write(folder / "detector.py", "mmdet", detector_model(masks), dataset, 3, metric)


def write_detector_weights(config: str, path: Path, masks: bool = False) -> str:
    """The trained detector's weights, and seeded ones of a mask head, whose masks have holes; the path."""
    content = compat.load_checkpoint_file(weights_of(DETECTOR))
    state = dict(content["state_dict"])
    if masks:
        from mmonnx import loading

        model = loading.load(config, None, loading.LoadOptions(shape=(64, 64))).module.model
        torch.manual_seed(0)
        for name, value in model.state_dict().items():
            if "mask_head" in name:
                state[name] = torch.randn_like(value) * (0.1 if value.ndim == 4 else 0.0)
        state["roi_head.mask_head.conv_logits.bias"] = torch.full((10,), 0.02)
    torch.save({"state_dict": state, "meta": {"dataset_meta": {"classes": digits.CLASSES}}}, str(path))
    return str(path)


def write_classifier(folder: Path, num: int = 40) -> str:
    """A config of the digit classifier as mmpretrain has it, with a set of ``num`` pictures; its path."""
    fallback.ensure()
    from mmengine import Config

    model = Config.fromfile(str(find_config(CLASSIFIER))).model
    test = make_imagenet_set(folder / "imagenet", num)
    pipeline = [
        dict(type="LoadImageFromFile"),
        dict(type="ResizeEdge", scale=64, edge="short"),
        dict(type="CenterCrop", crop_size=64),
        dict(type="PackInputs"),
    ]
    dataset = dict(
        type="CustomDataset",
        data_prefix=test["data_prefix"],
        ann_file=test["ann_file"],
        metainfo=dict(classes=digits.CLASSES),
        pipeline=pipeline,
    )
    metric = dict(type="Accuracy", topk=(1, 3))
    more = dict(data_preprocessor=dict(num_classes=10, **NORM, to_rgb=True))
    return _write(folder / "classifier.py", "mmpretrain", model, dataset, 16, metric, more, "default_collate")


def _write(
    path: Path,
    scope: str,
    model: Any,
    dataset: Dict[str, Any],
    batch_size: int,
    metric: Dict[str, Any],
    more: Any = None,
    collate: str = "",
) -> str:
    from mmengine import Config

    loader = dict(batch_size=batch_size, num_workers=0, persistent_workers=False, drop_last=False)
    loader.update(sampler=dict(type="DefaultSampler", shuffle=False), dataset=dataset)
    if collate:
        loader["collate_fn"] = dict(type=collate)
    content = dict(default_scope=scope, model=model, test_dataloader=loader, test_evaluator=metric)
    Config({**content, "test_cfg": {}, **(more or {})}).dump(str(path))
    return str(path)
