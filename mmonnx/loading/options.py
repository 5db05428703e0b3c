"""What a user can say about an export, once, for every codebase."""

from dataclasses import dataclass, field
from typing import Any, Dict, Optional, Sequence, Tuple


@dataclass(frozen=True)
class LoadOptions:
    """How a model is to be loaded.

    Attributes:
        shape: (height, width) of the sample input in pixels, None for the codebase's own default.
        batch: images in the sample input.
        dynamic: batch, height and width are dynamic.
        dynamic_batch: the batch is dynamic, and nothing else.
        device: of the traced model, ``cpu`` or ``cuda``.
        skip_postprocess: export the network's raw outputs.
        mask_output: ``image`` or ``roi``.
        topk: the best classes of a classifier are the outputs, this many; None for the scores of all.
        softmax: a classifier gives probabilities; without it, logits.
        seg_logits: a segmentor gives the probabilities of the classes beside the label map.
        rescale_shape: (height, width) of a segmentor's answer, None for that of its input.
        sample_channels: the channels of the sample input, where a user has said all of its axes; None for the model's.
        cfg_options: overrides of the config.
        codebase_root: top folder of a source tree of mmdet or mmcls, None for what is installed.
        model_kwargs: arguments of the callable that makes a plain model.
        output_names: names of a plain model's outputs, in order; None for names by what they are.
        trust_checkpoint: read checkpoints with the ordinary unpickler.
        checkpoint_key: the entry, or the keys' prefix, of a checkpoint's weights; None for the likeliest.
        image: path of the sample image, None for a photograph that scikit-image ships.
        image_size: a detector's file takes where the picture lies in its input, see ``runtime.placement``, as far as
            the detector's answers depend on it; without, padding is taken for a part of the picture.
        model_type: what mmedit's and mmocr's own tools are told of a model, None for not told.
        device_id: the GPU that mmocr's own tool is told, None for not told; ``device`` is that then.
        verbose: whether mmocr's own tool is told to print the graph.
        trimap: path of a mattor's sample trimap, None for a drawn one.
        text: what a detector that takes text is to look for, as ``"person . car ."``; the file then has it fixed.
        sample_shape: all axes of the sample input of a model of clips, the batch first; None for the model's own.
        is_localizer: mmaction2's own tool is told that a model is one.
        add_softmax: a recognizer gives probabilities, where its own test gives other scores.
        seed: of the random weights that stand in for a checkpoint.
    """

    shape: Optional[Tuple[int, int]] = None
    batch: int = 1
    dynamic: bool = False
    dynamic_batch: bool = False
    device: str = "cpu"
    skip_postprocess: bool = False
    mask_output: str = "image"
    topk: Optional[int] = None
    softmax: bool = True
    seg_logits: bool = False
    rescale_shape: Optional[Tuple[int, int]] = None
    sample_channels: Optional[int] = None
    cfg_options: Dict[str, Any] = field(default_factory=dict)
    codebase_root: Optional[str] = None
    model_kwargs: Dict[str, Any] = field(default_factory=dict)
    output_names: Optional[Sequence[str]] = None
    trust_checkpoint: bool = False
    checkpoint_key: Optional[str] = None
    image: Optional[str] = None
    image_size: bool = True
    model_type: Optional[str] = None
    device_id: Optional[int] = None
    verbose: bool = False
    trimap: Optional[str] = None
    text: Optional[str] = None
    sample_shape: Optional[Tuple[int, ...]] = None
    is_localizer: bool = False
    add_softmax: bool = False
    seed: int = 0
