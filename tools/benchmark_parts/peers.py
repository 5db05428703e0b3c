"""mmdeploy's settings for the models of each toolbox, as its own configs for ONNX Runtime have them.

Of OpenMMLab 1.x's release, 0.14.0, and for mmdet 1.3.1, which has the same.
"""

from dataclasses import dataclass, field
from typing import Any, Dict, Mapping, Sequence

from mmonnx.support.errors import InputError

OPSET = 11
"""Of mmdeploy's files."""
Axes = Mapping[int, str]
_SIZE: Axes = {2: "height", 3: "width"}
_ROWS: Axes = {1: "num_dets"}


@dataclass(frozen=True)
class Peer:
    """What mmdeploy makes of some models.

    Attributes:
        codebase: whose they are.
        task: what mmdeploy calls that.
        gives: the first output of mmonnx's file, where a codebase has tasks of several kinds.
        settings: of the codebase, beyond its name and the task's.
        outputs: names of the file's outputs; empty where they are those of mmonnx's.
        moving: the input's axes that are dynamic beside the batch.
        moved: the outputs'.
        sized: whether the traced picture has the size that is asked for, or the one of the config's own pipeline.
        pads: whether outputs are detections, of which some may be padding.
        ends_at: ``part.method`` of the model, what the file's outputs are the answer of; empty where it gives what
            mmonnx's file gives.
        ends_in_numpy: whether that gives an array.
    """

    codebase: str
    task: str
    gives: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    outputs: Sequence[str] = ("output",)
    moving: Axes = field(default_factory=lambda: _SIZE)
    moved: Axes = field(default_factory=lambda: _SIZE)
    sized: bool = True
    pads: bool = False
    ends_at: str = ""
    ends_in_numpy: bool = False

    def deploy_config(self, output_names: Sequence[str], shape: Sequence[int]) -> Dict[str, Any]:
        """All of mmdeploy's settings.

        Args:
            output_names: of mmonnx's file.
            shape: (height, width) to trace with.
        """
        outputs = list(self.outputs or output_names)
        axes = {"input": {0: "batch", **self.moving}, **{name: {0: "batch", **self.moved} for name in outputs}}
        file = dict(
            type="onnx",
            export_params=True,
            keep_initializers_as_inputs=False,
            opset_version=OPSET,
            save_file="end2end.onnx",
            input_names=["input"],
            output_names=outputs,
            input_shape=[shape[1], shape[0]] if self.sized else None,
            optimize=True,
            dynamic_axes=axes,
        )
        return dict(
            onnx_config=file,
            codebase_config=dict(type=self.codebase, task=self.task, **self.settings),
            backend_config=dict(type="onnxruntime"),
        )


PEERS = (
    Peer(
        "mmdet",
        "ObjectDetection",
        settings=dict(
            model_type="end2end",
            post_processing=dict(
                score_threshold=0.05,
                confidence_threshold=0.005,
                iou_threshold=0.5,
                max_output_boxes_per_class=200,
                pre_top_k=5000,
                keep_top_k=100,
                background_label_id=-1,
            ),
        ),
        outputs=(),
        moved=_ROWS,
        sized=False,
        pads=True,
    ),
    Peer(
        "mmrotate",
        "RotatedDetection",
        settings=dict(post_processing=dict(score_threshold=0.05, iou_threshold=0.1, pre_top_k=3000, keep_top_k=2000)),
        outputs=(),
        moved=_ROWS,
        pads=True,
    ),
    Peer("mmcls", "Classification", moved={}),
    Peer("mmseg", "Segmentation"),
    Peer(
        "mmpose",
        "PoseDetection",
        ends_at="keypoint_head.inference_model",
        ends_in_numpy=True,
    ),
    Peer("mmedit", "SuperResolution"),
    Peer("mmocr", "TextDetection", gives="maps"),
    Peer(
        "mmocr",
        "TextRecognition",
        gives="char_scores",
        moving={3: "width"},
        moved={1: "seq_len", 2: "num_classes"},
        ends_at="decoder.forward",
    ),
)


def peer_of(codebase: str, output_names: Sequence[str]) -> Peer:
    """What mmdeploy makes of models of a toolbox that give such outputs in mmonnx's file.

    Raises:
        InputError: nobody compares such models.
    """
    found = [peer for peer in PEERS if peer.codebase == codebase and peer.gives in ("", *output_names[:1])]
    if not found:
        known = sorted({peer.codebase for peer in PEERS})
        outputs = ", ".join(output_names)
        raise InputError(f"a model of {codebase} that gives {outputs}", f"one of {', '.join(known)}", "give another")
    return found[0]
