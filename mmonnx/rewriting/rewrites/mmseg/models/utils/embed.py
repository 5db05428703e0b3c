"""Stand-ins for mmseg's embeddings, which are mmdet's."""

from ....mmdet.models.utils.transformer import adaptive_padding
from ....registry import rewrite

rewrite("mmseg.models.utils.embed.AdaptivePadding.forward")(adaptive_padding)
