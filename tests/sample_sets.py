"""Small test sets in the formats of COCO and ImageNet, of digits on photographs, and a detector that finds masks."""

import json
from pathlib import Path
from typing import Any, Dict, List

import cv2
import numpy as np
import torch

from mmonnx import fallback
from mmonnx.datasets import digits
from mmonnx.environment import compat
from mmonnx.loading.config import find_config

DETECTOR, CLASSIFIER = "mmonnx::digits/faster_rcnn_digits.py", "mmonnx::digits/mobilenet_v2_digits.py"
CATEGORY_IDS = [3 * label + 2 for label in range(10)]
"""COCO's ids have gaps, and do not begin with 0."""


def weights_of(config: str) -> str:
    """The trained checkpoint beside a config."""
    return str(find_config(config).with_suffix(".pth"))


def make_coco_set(folder: Path, num: int = 8) -> Dict[str, Any]:
    """Pictures of several sizes, with boxes, polygons, and a crowd; what ``data.test`` is for it."""
    images: List[Dict[str, Any]] = []
    annotations: List[Dict[str, Any]] = []
    (folder / "val").mkdir(parents=True)
    for number, sample in enumerate(digits.detection_samples("test", num)):
        factor = (1.0, 1.3, 0.8)[number % 3]
        image = cv2.resize(sample.image, None, fx=factor, fy=factor)
        name = f"{number:012d}.png"
        cv2.imwrite(str(folder / "val" / name), image)
        images.append(dict(id=100 + number, file_name=name, height=image.shape[0], width=image.shape[1]))
        for place, (box, label) in enumerate(zip(sample.boxes * factor, sample.labels)):
            x1, y1, x2, y2 = (float(value) for value in box)
            entry = dict(id=len(annotations) + 1, image_id=100 + number, category_id=CATEGORY_IDS[label])
            entry.update(bbox=[x1, y1, x2 - x1, y2 - y1], area=(x2 - x1) * (y2 - y1))
            entry.update(segmentation=[[x1, y1, x2, y1, x2, y2, x1, y2]], iscrowd=0)
            if number == 1 and place == 0:
                flat = np.zeros(image.shape[:2], int)
                flat[int(y1) : int(y2), int(x1) : int(x2)] = 1
                entry.update(iscrowd=1, segmentation=dict(size=list(flat.shape), counts=run_lengths(flat)))
            annotations.append(entry)
    categories = [dict(id=number, name=name) for number, name in zip(CATEGORY_IDS, digits.CLASSES)]
    content = dict(images=images, annotations=annotations, categories=categories)
    (folder / "val.json").write_text(json.dumps(content))
    return dict(type="CocoDataset", ann_file=str(folder / "val.json"), img_prefix=str(folder / "val"))


def run_lengths(mask: np.ndarray) -> List[int]:
    """COCO's uncompressed run lengths of a mask (H, W): columns after each other, zeros first."""
    flat = mask.flatten(order="F")
    places = np.flatnonzero(np.diff(np.concatenate([[0], flat]))).tolist()
    return np.diff([0, *places, flat.size]).tolist()


def make_imagenet_set(folder: Path, num: int = 40) -> Dict[str, Any]:
    """A folder of pictures and a list with a name and a class a line; what ``data.test`` is for it."""
    (folder / "val").mkdir(parents=True)
    lines = []
    for number, sample in enumerate(digits.classification_samples("test", num)):
        name = f"ILSVRC2012_val_{number:08d}.png"
        cv2.imwrite(str(folder / "val" / name), sample.image)
        # every fifth is wrong, so that no score is a perfect one
        label = (sample.label + 1) % 10 if number % 5 == 0 else sample.label
        lines.append(f"{name} {label}")
    (folder / "val.txt").write_text("\n".join(lines))
    return dict(type="ImageNet", data_prefix=str(folder / "val"), ann_file=str(folder / "val.txt"))


def write_config(name: str, test: Dict[str, Any], path: Path, model: Any = None) -> str:
    """A digit config with another test set, and another model if one is given; its path."""
    fallback.ensure()
    from mmcv import Config

    config = Config.fromfile(str(find_config(name)))
    config.data.test.update(test)
    if model is not None:
        config.model = model
    config.dump(str(path))
    return str(path)


def mask_model() -> Any:
    """The digit detector with a mask head."""
    from mmcv import Config

    model = Config.fromfile(str(find_config(DETECTOR))).model
    model.type = "MaskRCNN"
    extractor = dict(
        model.roi_head.bbox_roi_extractor, roi_layer=dict(type="RoIAlign", output_size=14, sampling_ratio=2)
    )
    head = dict(type="FCNMaskHead", num_convs=1, in_channels=48, conv_out_channels=16, num_classes=10)
    head["loss_mask"] = dict(type="CrossEntropyLoss", use_mask=True, loss_weight=1.0)
    model.roi_head.update(mask_roi_extractor=extractor, mask_head=head)
    model.test_cfg.rcnn.mask_thr_binary = 0.5
    return model


def write_mask_weights(config: str, path: Path) -> str:
    """The trained detector's weights, and seeded ones of the mask head, whose masks have holes; the path."""
    from mmonnx import loading

    model = loading.load(config, None, loading.LoadOptions(shape=(64, 64))).module.model
    content = compat.load_checkpoint_file(weights_of(DETECTOR))
    state = {name: value for name, value in model.state_dict().items() if "mask_head" in name}
    torch.manual_seed(0)
    for name, value in state.items():
        state[name] = torch.randn_like(value) * (0.1 if value.ndim == 4 else 0.0)
    state["roi_head.mask_head.conv_logits.bias"] = torch.full((10,), 0.02)
    torch.save({"state_dict": {**content["state_dict"], **state}, "meta": content.get("meta", {})}, str(path))
    return str(path)
