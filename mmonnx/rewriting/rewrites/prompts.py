"""Text that a detector is asked for, fixed while it is traced: what its language model makes of it is a constant."""

from typing import Any, Dict, List, Tuple

import torch

from ...environment import untraced
from .context import ExportContext

TokensOfLabel = Dict[int, List[int]]
"""The tokens of each label, the first of which is 1."""


def read_prompt(context: ExportContext, model: Any, sample: Any) -> Tuple[Dict[str, Any], TokensOfLabel]:
    """What a model's language model gives for the sample's text, for each image of the batch, and its labels' tokens.

    Args:
        model: with ``get_tokens_positive_and_prompts`` and ``language_model``, and maybe ``text_feat_map``.
        sample: a data sample with ``text`` and ``custom_entities``.

    Returns:
        The language model's tensors, of which the first axis is that of the images; and the tokens of each label.

    Raises:
        NotImplementedError: the config has the text read in pieces.
    """
    if model.test_cfg.get("chunked_size", -1) > 0:
        raise NotImplementedError("text in pieces (test_cfg.chunked_size) cannot be exported; leave it out")
    with untraced(), torch.no_grad():
        tokens, prompt, _, _ = model.get_tokens_positive_and_prompts(sample.text, sample.custom_entities, None, None)
        found = model.language_model([prompt])
        if getattr(model, "text_feat_map", None) is not None:
            found["embedded"] = model.text_feat_map(found["embedded"])
    images = context.input.shape[0]
    for name, value in found.items():
        if isinstance(value, torch.Tensor):
            found[name] = value.expand([images] + [-1] * (value.dim() - 1))
    return found, tokens


def scores_of_labels(scores: torch.Tensor, tokens: TokensOfLabel) -> torch.Tensor:
    """The mean of each label's tokens: scores (..., T) to (..., labels)."""
    columns = [scores[..., tokens[label]].mean(-1) for label in sorted(tokens)]
    return torch.stack(columns, -1)
