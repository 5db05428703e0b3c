"""Stand-ins for the Swin transformer: mmseg's is mmdet's."""

from ....mmdet.models.backbones.swin import forward
from ....registry import rewrite

rewrite("mmseg.models.backbones.swin.ShiftWindowMSA.forward")(forward)
