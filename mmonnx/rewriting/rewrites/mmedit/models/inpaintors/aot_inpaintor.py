"""Stand-ins for AOT-GAN's inpaintor."""

from typing import Any, Dict

import torch

from ....context import ExportContext
from ....registry import rewrite


@rewrite("mmedit.models.inpaintors.aot_inpaintor.AOTInpaintor.forward_test")
def forward_test(
    context: ExportContext, original: Any, self: Any, masked_img: torch.Tensor, mask: torch.Tensor
) -> Dict[str, torch.Tensor]:
    """The filled-in picture; upstream's runs its network twice on the same input."""
    masked = masked_img.float() + mask
    made = self.generator(torch.cat([masked, mask], dim=1))
    return {"fake_img": made * mask + masked * (1.0 - mask)}
