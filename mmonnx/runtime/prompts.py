"""What a detector that takes text is asked for, as the inputs that its file takes; numpy and ``tokenizers`` alone.

What a file's metadata say of its text (``mmonnx.prompt``), a dict that JSON holds:

- ``tokenizer``: what the config calls the language model whose tokenizer it is, such as ``bert-base-uncased``;
- ``special_tokens``: the tokens that end a part of the text, each of which is read by itself; empty where all is read
  together;
- ``max_tokens``: the greatest number of tokens;
- ``pad``: whether the text is filled up to that number;
- ``ends``: whether the last name has the separator behind it, as the others have.
"""

import importlib
import json
import os
import re
from pathlib import Path
from types import MappingProxyType
from typing import Any, Dict, List, Mapping, NamedTuple, Union

import numpy as np

from ..support import InputError, type_and_line

INPUT_IDS = "input_ids"
"""(1, tokens) int64: the text's tokens."""
ATTENTION_MASK = "attention_mask"
"""(1, tokens) int64: 1 where there is text, 0 where it is filled up; of models that fill it up."""
LABEL_TOKENS = "label_tokens"
"""(labels, tokens) float32: 1 / n at the n tokens of each label, else 0."""
TEXT_INPUTS = (INPUT_IDS, ATTENTION_MASK, LABEL_TOKENS)

USUAL: Mapping[str, Any] = MappingProxyType(
    {
        "tokenizer": "bert-base-uncased",
        "special_tokens": ["[CLS]", "[SEP]", ".", "?"],
        "max_tokens": 256,
        "pad": False,
        "ends": True,
    }
)
"""Of Grounding DINO and MM-Grounding-DINO."""
_SEPARATOR = ". "
_BEYOND = 3
"""How many characters of a name's ends may be of no token, as spaces are; upstream looks no further."""


class _Parts(NamedTuple):
    """A text as it is read: its names, the whole, and where each name is in it, from its first character on."""

    names: List[str]
    whole: str
    starts: List[int]


def names_in(text: str) -> List[str]:
    """The names that a text is of, as upstream parts it: each ends with ``". "``."""
    return [name.strip() for name in _pieces(text)]


def text_inputs(tokenizer: Any, text: str, prompt: Mapping[str, Any] = USUAL) -> Dict[str, np.ndarray]:
    """What a file takes of a text, as ``GLIP.get_tokens_positive_and_prompts`` and its language model make it.

    Args:
        tokenizer: a folder with ``tokenizer.json`` or ``vocab.txt``, as ``transformers`` saves them; or a
            ``tokenizers.Tokenizer``, or a fast one of ``transformers``.
        text: names with dots behind them, as ``"person . traffic light ."``.
        prompt: what the file says of its text, ``open_model(FILE).description.prompt``.

    Returns:
        ``TEXT_INPUTS`` by name; of ``ATTENTION_MASK`` a file takes none that does not fill the text up.

    Raises:
        InputError: there is no name in the text, or one of which nothing is a token, or there are too many tokens; the
            tokenizer cannot be read.
    """
    parts, most = _parts(text, bool(prompt["ends"])), int(prompt["max_tokens"])
    if not parts.names:
        raise InputError(f"text {text!r} has no name", "names with dots behind them", 'for example "person . car ."')
    reader = _plain(tokenizer)
    read = reader.encode(parts.whole)
    count = len(read.ids)
    if count > most:
        raise InputError(
            f"text {_shortened(text)!r} has {count} tokens", f"{most} at most", "ask for fewer names at a time"
        )
    length = most if prompt["pad"] else count
    ids = np.full((1, length), reader.token_to_id("[PAD]") or 0, np.int64)
    ids[0, :count] = read.ids
    labels = np.zeros((len(parts.names), length), np.float32)
    for row, name, start in zip(labels, parts.names, parts.starts):
        first = _token(read, range(start, start + _BEYOND))
        last = _token(read, range(start + len(name) - 1, start + len(name) - 1 - _BEYOND, -1))
        if first is None or last is None or last < first:
            raise InputError(f"text {_shortened(text)!r}: nothing of {name!r} is a token", "a name", "write another")
        row[first : last + 1] = 1 / (last + 1 - first)
    seen = (np.arange(length) < count).astype(np.int64)[None]
    return {INPUT_IDS: ids, ATTENTION_MASK: seen, LABEL_TOKENS: labels}


def check_prompt(prompt: Mapping[str, Any]) -> None:
    """Raise ValueError, TypeError or KeyError where a value cannot be one that mmonnx wrote."""
    if int(prompt["max_tokens"]) < 1 or not isinstance(prompt["tokenizer"], str):
        raise ValueError("prompt")
    bool(prompt["pad"]), bool(prompt["ends"]), list(prompt["special_tokens"])


def find_tokenizer(prompt: Mapping[str, Any], file: str) -> str:
    """The folder that a file names as its tokenizer's.

    Raises:
        InputError: it is not here.
    """
    name = str(prompt["tokenizer"])
    if os.path.isdir(name):
        return name
    raise InputError(
        f"'{file}' takes text, and its tokenizer {name!r} is not here",
        "a folder with tokenizer.json, or with vocab.txt, as transformers saves them",
        "give it by --tokenizer FOLDER",
    )


def load_tokenizer(folder: Union[str, "os.PathLike[str]"]) -> Any:
    """The tokenizer of a folder, as a ``tokenizers.Tokenizer``.

    Args:
        folder: with ``tokenizer.json``; or with ``vocab.txt`` of a BERT, and ``tokenizer_config.json`` if it is cased.

    Raises:
        InputError: there is none, it cannot be read, or ``tokenizers`` is not installed.
    """
    path = Path(folder)
    try:
        tokenizers = importlib.import_module("tokenizers")
    except ImportError as error:
        raise InputError(
            f"tokenizer {str(path)!r} needs the package tokenizers", "tokenizers", "pip install tokenizers"
        ) from error
    try:
        if (path / "tokenizer.json").is_file():
            return tokenizers.Tokenizer.from_file(str(path / "tokenizer.json"))
        if (path / "vocab.txt").is_file():
            return _of_bert(tokenizers, path)
    except Exception as error:  # the library has no type of its own for what it cannot read
        raise InputError(
            f"tokenizer {str(path)!r} cannot be read ({type_and_line(error)[:200]})", "a whole one", "save it again"
        ) from error
    raise InputError(
        f"tokenizer {str(path)!r} is not there",
        "a folder with tokenizer.json, or with vocab.txt, as transformers saves them",
        "give another folder",
    )


def _of_bert(tokenizers: Any, folder: Path) -> Any:
    told = folder / "tokenizer_config.json"
    settings = json.loads(told.read_text(encoding="utf-8")) if told.is_file() else {}
    return tokenizers.BertWordPieceTokenizer(
        str(folder / "vocab.txt"),
        lowercase=settings.get("do_lower_case", True),
        strip_accents=settings.get("strip_accents"),
        handle_chinese_chars=settings.get("tokenize_chinese_chars", True),
    )


def _plain(tokenizer: Any) -> Any:
    """The tokenizer as one of ``tokenizers`` that neither fills texts up nor cuts them."""
    if isinstance(tokenizer, (str, os.PathLike)):
        tokenizer = load_tokenizer(tokenizer)
    tokenizer = getattr(tokenizer, "backend_tokenizer", tokenizer)
    if not hasattr(tokenizer, "encode") or not hasattr(tokenizer, "to_str"):
        raise InputError(
            f"a {type(tokenizer).__name__} is no tokenizer that knows where its tokens are in a text",
            "a folder, a tokenizers.Tokenizer, or a fast tokenizer of transformers",
            "give one of these",
        )
    # a copy: the user's own may be set to fill up or to cut
    copy = importlib.import_module("tokenizers").Tokenizer.from_str(tokenizer.to_str())
    copy.no_padding()
    copy.no_truncation()
    return copy


def _parts(text: str, ends: bool) -> _Parts:
    names = [_cleaned(piece) for piece in _pieces(text)]
    starts, whole = [], ""
    for name in names:
        starts.append(len(whole))
        whole += name + _SEPARATOR
    return _Parts(names, whole if ends else whole[: -len(_SEPARATOR)], starts)


def _pieces(text: str) -> List[str]:
    return [piece for piece in text.strip(_SEPARATOR).split(_SEPARATOR) if piece]


def _cleaned(name: str) -> str:
    """A name without what is in brackets, as upstream reads names of datasets."""
    return re.sub(r"\(.*\)", "", name).replace("_", " ").replace("  ", " ")


def _token(read: Any, places: range) -> Any:
    """The token of the first of these characters that is of one, None where none is."""
    found = (read.char_to_token(place) for place in places if place >= 0)
    return next((token for token in found if token is not None), None)


def _shortened(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:57]}..."
