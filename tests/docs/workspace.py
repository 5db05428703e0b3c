"""A folder in which the commands of the documentation can run: small models under the names that they use."""

import itertools
import json
import shutil
from pathlib import Path
from typing import List

import cv2
import numpy as np
import torch
from sample_sets import CLASSIFIER, DETECTOR, make_coco_set, make_imagenet_set, weights_of, write_config

from mmonnx import cli, loading
from mmonnx.loading.images import photographs
from mmonnx.pipeline import ExportSettings, export
from mmonnx.support import parse

SMALL_RESNET = [
    "model.backbone.depth=18",
    "model.backbone.base_channels=16",
    "model.neck.in_channels=[16,32,64,128]",
    "model.roi_head.bbox_head.fc_out_channels=64",
    "model.test_cfg.rpn.max_per_img=50",
    "data.test.pipeline.1.img_scale=(128,96)",
    "data.workers_per_gpu=0",
]
"""What makes a ResNet-50 detector of mmdet's, and its images, small enough for a test."""


class Workspace:
    """The folder, with what is made in it when a command wants it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        detection = {**make_coco_set(folder / "coco", 3), "samples_per_gpu": 1}
        write_config(DETECTOR, detection, folder / "my_detector.py")
        write_config(CLASSIFIER, make_imagenet_set(folder / "imagenet", 6), folder / "my_classifier.py")
        shutil.copy(weights_of(DETECTOR), str(folder / "detector.pth"))
        shutil.copy(weights_of(CLASSIFIER), str(folder / "classifier.pth"))
        self._coco()

    def _coco(self) -> None:
        """Two of COCO's validation images, where mmdet's configs look for them."""
        from mmdet.datasets import CocoDataset

        root = self.folder / "data" / "coco"
        (root / "val2017").mkdir(parents=True)
        (root / "annotations").mkdir()
        images = [dict(id=number, file_name=f"{number}.jpg", height=96, width=128) for number in (1, 2)]
        for image, picture in zip(images, photographs()):
            cv2.imwrite(str(root / "val2017" / image["file_name"]), cv2.resize(picture, (128, 96)))
        box = dict(bbox=[10, 10, 60, 50], area=3000, iscrowd=0, category_id=1)
        annotations = [dict(box, id=number, image_id=number) for number in (1, 2)]
        categories = [dict(id=number + 1, name=name) for number, name in enumerate(CocoDataset.CLASSES)]
        content = dict(images=images, annotations=annotations, categories=categories)
        (root / "annotations" / "instances_val2017.json").write_text(json.dumps(content))

    def run(self, words: List[str]) -> int:
        """Run a command of mmonnx's own with what it reads put in its place; the exit status."""
        command, arguments = words[0], words[1:]
        if command == "export":
            arguments = self._small(arguments)
        else:
            for word in arguments:
                self._provide(word)
            if command == "test" and any(word.startswith("mmdet::") for word in arguments):
                arguments = [*arguments, "--cfg-options", *SMALL_RESNET]
        return cli.main([command, *arguments])

    def _small(self, arguments: List[str]) -> List[str]:
        """An export of small images, of a narrow model if it is one of mmdet's full ones, and with its checkpoint."""
        config, options = arguments[0], []
        shape = ["96", "128"] if "detector" in config or config.startswith("mmdet") else ["64", "64"]
        if "--shape" in arguments:
            start = arguments.index("--shape") + 1
            count = len(list(itertools.takewhile(str.isdigit, arguments[start:])))
            arguments = arguments[: start - 1] + arguments[start + count :]
        if config.startswith("mmdet::"):
            options = ["--cfg-options", *SMALL_RESNET]
        checkpoint = next((word for word in arguments[1:2] if word.endswith(".pth")), None)
        if checkpoint and not (self.folder / checkpoint).exists():
            self._save_weights(config, options[1:], self.folder / checkpoint)
        return [*arguments, "--shape", *shape, *options]

    @staticmethod
    def _save_weights(config: str, options: List[str], path: Path) -> None:
        """Random weights under the name of upstream's checkpoint, which is not downloaded."""
        load = loading.LoadOptions(shape=(96, 128), cfg_options=parse(options, "--cfg-options"))
        task = loading.load(config, None, load)
        torch.save({"state_dict": task.module.model.state_dict()}, str(path))

    def _provide(self, word: str) -> None:
        """Make what a command reads, if it is not there."""
        path = self.folder / word
        if word.startswith("-") or path.exists():
            return
        if word.endswith(".onnx"):
            stem = "classifier" if "classifier" in word else "detector"
            load = loading.LoadOptions(shape=(64, 64), dynamic=stem == "detector", dynamic_batch=True)
            export(ExportSettings(f"my_{stem}.py", f"{stem}.pth", output_file=word, load=load))
        elif word.endswith("/"):
            path.mkdir()
            for number, picture in enumerate(photographs()[:2]):
                cv2.imwrite(str(path / f"{number}.jpg"), cv2.resize(picture, (128, 96)))
        elif word.endswith((".jpg", ".png")):
            cv2.imwrite(str(path), cv2.resize(photographs()[0], (128, 96)))
        elif word.endswith(".mp4"):
            writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"mp4v"), 10, (64, 48))
            for level in (60, 180):
                writer.write(np.full((48, 64, 3), level, np.uint8))
            writer.release()


def make_checkout(folder: Path) -> Path:
    """A checkout of the installed mmdet."""
    import mmdet

    package = Path(mmdet.__file__).parent
    shutil.copytree(str(package), str(folder / "mmdet"), ignore=shutil.ignore_patterns(".mim", "__pycache__"))
    shutil.copytree(str(package / ".mim" / "tools"), str(folder / "tools"))
    return folder
