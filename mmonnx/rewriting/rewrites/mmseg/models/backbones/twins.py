"""Stand-ins for Twins: mmseg's is mmcls's."""

from ....mmcls.models.backbones.twins import forward
from ....registry import rewrite

rewrite("mmseg.models.backbones.twins.LocallyGroupedSelfAttention.forward")(forward)
