"""Detectors that take text: what has to be given for them."""

from pathlib import Path
from typing import Any, List, Optional

from ...environment import compat
from ...loading import LoadOptions
from ...support import InputError

_FOLDER = "the folder of the language model: config.json, vocab.txt and its weights, as transformers saves them"


def text_of(config: Any, options: LoadOptions) -> Optional[str]:
    """The text that the detector of a config is to look for; None for one that takes none.

    Raises:
        InputError: it takes text, and none is given, or the files of its language model are not here.
    """
    language = config.model.get("language_model")
    if not language:
        return None
    kind = compat.kind_of(config.model.type)
    if not (options.text or "").strip(" ."):
        raise InputError(
            f"{kind} takes text", "what to look for, which the file then has fixed", 'add --text "person . car ."'
        )
    if not Path(str(language.get("name"))).is_dir():
        raise InputError(
            f"{kind} takes text, and its language model {language.get('name')!r} is not downloaded",
            _FOLDER,
            "name it by --cfg-options model.language_model.name=FOLDER",
        )
    head = config.model.get("bbox_head") or {}
    if "lang_model_name" in head and not Path(str(head["lang_model_name"])).is_dir():
        head["lang_model_name"] = language["name"]  # GLIP's head reads its sizes
    return options.text


def names_in(text: str) -> List[str]:
    """The names that a text is of, as upstream parts it: each ends with ``". "``."""
    return [name.strip() for name in text.strip(". ").split(". ") if name]
