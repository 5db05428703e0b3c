"""Stand-ins for mmseg's encoder-decoders."""

from typing import Any

import torch

from ....context import ExportContext
from ....registry import rewrite
from ....sliding import slide


@rewrite("mmseg.models.segmentors.encoder_decoder.EncoderDecoder.slide_inference")
def slide_inference(
    context: ExportContext, original: Any, self: Any, img: torch.Tensor, img_meta: Any, rescale: bool
) -> torch.Tensor:
    """Logits (N, num_classes, H, W) of (N, C, H, W), by windows that are one batch; they are not rescaled.

    Upstream's loops over the windows are of a number that depends on the size.
    """
    window, stride = self.test_cfg.crop_size, self.test_cfg.stride
    return slide(img, window, stride, lambda windows: self.encode_decode(windows, img_meta))
