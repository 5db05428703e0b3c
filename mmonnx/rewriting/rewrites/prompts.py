"""Text that a detector is asked for: fixed while it is traced, or tokens that are inputs of the file."""

from typing import Any, Dict, List, NamedTuple, Optional, Tuple, Union

import torch

from ...environment import untraced
from .context import ExportContext

TokensOfLabel = Union[Dict[int, List[int]], torch.Tensor]
"""The tokens of each label, the first of which is 1; or (labels, T), 1 / n at the n tokens of each."""


class Prompt(NamedTuple):
    """A text as inputs of the file, the same for all images of the batch.

    Attributes:
        input_ids: (1, T) int64.
        attention_mask: (1, T) int64, 1 where there is text; None where there is text everywhere.
        label_tokens: (labels, T) float, 1 / n at the n tokens of each label, else 0.
    """

    input_ids: torch.Tensor
    attention_mask: Optional[torch.Tensor]
    label_tokens: torch.Tensor


def read_prompt(context: ExportContext, model: Any, sample: Any) -> Tuple[Dict[str, Any], TokensOfLabel]:
    """What a model's language model gives for a text, for each image of the batch, and its labels' tokens.

    The text is ``context.prompt``, or the sample's: what the language model makes of that one is a constant.

    Args:
        model: with ``get_tokens_positive_and_prompts`` and ``language_model``, and maybe ``text_feat_map``.
        sample: a data sample with ``text`` and ``custom_entities``, where the text is fixed.

    Returns:
        The language model's tensors, of which the first axis is that of the images; and the tokens of each label.
    """
    if context.prompt is not None:
        tokens = context.prompt.label_tokens
        found = _features(model, context.prompt)
    else:
        with untraced(), torch.no_grad():
            tokens, text, _, _ = model.get_tokens_positive_and_prompts(sample.text, sample.custom_entities, None, None)
            found = _features(model, [text])
    images = context.input.shape[0]
    for name, value in found.items():
        if isinstance(value, torch.Tensor):
            found[name] = value.expand([images] + [-1] * (value.dim() - 1))
    return found, tokens


def _features(model: Any, text: Any) -> Dict[str, Any]:
    found = model.language_model(text)
    if getattr(model, "text_feat_map", None) is not None:
        found["embedded"] = model.text_feat_map(found["embedded"])
    return found


def scores_of_labels(scores: torch.Tensor, tokens: TokensOfLabel) -> torch.Tensor:
    """The mean of each label's tokens: scores (..., T or more) to (..., labels)."""
    if isinstance(tokens, torch.Tensor):
        return scores[..., : tokens.shape[1]] @ tokens.t()
    columns = [scores[..., tokens[label]].mean(-1) for label in sorted(tokens)]
    return torch.stack(columns, -1)


def number_of_labels(context: ExportContext, scores: torch.Tensor) -> Any:
    """How many classes scores (..., classes) are of: traced where the file's text says so, else a number."""
    return int(scores.shape[-1]) if context.prompt is None else scores.shape[-1]
