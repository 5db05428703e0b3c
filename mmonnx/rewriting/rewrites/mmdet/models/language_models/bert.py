"""Stand-ins for ``mmdet/models/language_models/bert.py`` of 2.x."""

from typing import Any, Dict, Mapping, Sequence, Tuple, Union

import torch

from ......environment import compat
from ....context import ExportContext
from ....prompts import Prompt
from ....registry import rewrite

_FILE = "mmdet.models.language_models.bert."
_PARTS = _FILE + "generate_masks_with_special_tokens_and_transfer_map"


@rewrite(_PARTS)
def parts(
    context: ExportContext, original: Any, tokenized: Mapping[str, torch.Tensor], special_tokens_list: Sequence[int]
) -> Tuple[torch.Tensor, torch.Tensor]:
    """Which tokens see each other, and where each is among those.

    A part of the text ends with a special token, and its tokens see each other. The first token is a part by itself.
    What is behind the last special token, or ends with one that is the last token of all, is no part: each token there
    sees itself alone.

    Args:
        tokenized: ``input_ids`` (N, T), of which upstream treats one text at a time.
        special_tokens_list: what ends a part.

    Returns:
        (N, T, T) bool, and (N, T) int64 from 0 on.
    """
    ids = tokenized["input_ids"]
    place = torch.arange(ids.shape[1], device=ids.device)
    special = place[None] == 0
    for token in special_tokens_list:
        special = special | (ids == token)
    ends = special.to(torch.float32)  # as float, since PPLNN has CumSum for nothing else
    part = ends.cumsum(1) - ends
    whole = part < ends[:, :-1].sum(1, keepdim=True)
    together = (part[:, None] == part[..., None]) & whole[:, None]
    seen = together | (place[:, None] == place)[None]
    before = seen & (place[:, None] > place)[None]
    return seen, before.to(torch.float32).sum(2).long()


@rewrite(_FILE + "BertModel.forward")
def forward(
    context: ExportContext, original: Any, self: Any, captions: Union[Prompt, Sequence[str]], **kwargs: Any
) -> Dict[str, Any]:
    """What the language model makes of tokens that are inputs of the file; of text, what it always makes.

    Returns:
        ``embedded`` and ``hidden`` (1, T, C); ``masks`` (1, T), or (1, T, T) where the parts of the text are read by
        themselves, beside ``position_ids`` (1, T) and ``text_token_mask`` (1, T) bool.
    """
    if not isinstance(captions, Prompt):
        return original(self, captions, **kwargs)
    ids, filled = captions.input_ids, captions.attention_mask
    seen = torch.ones_like(ids) if filled is None else filled
    given = dict(input_ids=ids, attention_mask=seen, position_ids=None, token_type_ids=None)
    if not self.use_sub_sentence_represent:
        return self.language_backbone(given)
    masks, positions = compat.upstream(_PARTS)(dict(input_ids=ids), self.special_tokens)
    given.update(attention_mask=masks, position_ids=positions, token_type_ids=torch.zeros_like(ids))
    found = self.language_backbone(given)
    return dict(found, position_ids=positions, text_token_mask=seen.bool())
