"""Small language models with random weights, for detectors that take text: nothing is downloaded."""

from pathlib import Path
from typing import Any, Dict

import torch

from mmonnx import loading

NOTE = "the language model is a small random one"
_VOCABULARY = (
    *("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", ".", "?", ","),
    *("person", "car", "dog", "cat", "bus", "red", "traffic", "light", "bicycle", "tree", "chair"),
)
"""Special tokens, and the words that a verification asks for."""
_SIZES = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}
_FUSED = 768
"""The hidden size that GLIP's layers have which fuse pictures and text early, whatever the language model's is."""
_SPREAD = 0.3
"""Of the weights: with BERT's own, 0.02, all texts are nearly the same to the detector."""
_LOW = 0.01
"""The score threshold: what GLIP's random weights find has the scores with which its training begins."""


def small(config: str, folder: Path) -> Dict[str, Any]:
    """Overrides with which a config's detector has a small language model; none where it has no language model.

    Args:
        config: the config's name.
        folder: in which the folder of the language model is made.
    """
    model = loading.read(config)[1].model
    if not model.get("language_model"):
        return {}
    sizes = {**_SIZES, "hidden_size": _FUSED} if (model.get("bbox_head") or {}).get("early_fuse") else _SIZES
    found = {"model.language_model.name": str(_write(folder / "language", sizes))}
    return {**found, "model.test_cfg.score_thr": _LOW} if "score_thr" in (model.get("test_cfg") or {}) else found


def _write(folder: Path, sizes: Dict[str, int]) -> Path:
    """A BERT as transformers saves it, and its tokenizer."""
    import transformers

    folder.mkdir()
    (folder / "vocab.txt").write_text("\n".join(_VOCABULARY) + "\n", encoding="utf-8")
    torch.manual_seed(0)
    config = transformers.BertConfig(vocab_size=len(_VOCABULARY), initializer_range=_SPREAD, **sizes)
    transformers.BertModel(config).save_pretrained(str(folder))
    transformers.BertTokenizerFast(str(folder / "vocab.txt")).save_pretrained(str(folder))
    return folder
