"""How text is read of what recognizers give: what their label convertors know."""

import importlib
from typing import Any, Dict, List, Optional

import torch


def is_upstreams(kind: Any) -> bool:
    """Whether a class is mmocr's own: one of a user's may read its maps or scores otherwise."""
    return str(kind.__module__).partition(".")[0] in ("mmocr",)


def texts_of(convertor: Any) -> Optional[Dict[str, Any]]:
    """How the text is read, see ``runtime.texts``; None of a convertor that reads it otherwise."""
    known = importlib.import_module("mmocr.models.textrecog.convertors")
    if not is_upstreams(type(convertor)):
        return None
    if isinstance(convertor, known.CTCConvertor):
        return {"how": "ctc", "blank": int(convertor.blank_idx)}
    if isinstance(convertor, known.AttnConvertor):
        return {"how": "attention", "end": int(convertor.end_idx), "padding": int(convertor.padding_idx)}
    if isinstance(convertor, known.SegConvertor):
        return {"how": "segments", "unknown": convertor.unknown_idx}
    return None


def characters_of(convertor: Any) -> List[str]:
    """What each class stands for."""
    return [str(one) for one in convertor.idx2char]


def likely_of(convertor: Any) -> Optional[int]:
    """The class that is no character: a text's end, or what is between two."""
    how = texts_of(convertor) or {}
    return how.get("end", how.get("blank", 0))


def scores_of(convertor: Any, values: torch.Tensor) -> torch.Tensor:
    """What a convertor chooses characters by, of what it is given: one of CTC takes the softmax itself."""
    known = importlib.import_module("mmocr.models.textrecog.convertors")
    return values.softmax(2) if isinstance(convertor, known.CTCConvertor) else values
