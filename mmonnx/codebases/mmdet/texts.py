"""Detectors that take text: what has to be given for them, and the texts that files are traced and verified with."""

from pathlib import Path
from typing import Any, Dict, List, Optional, Sequence, Tuple

import torch
from torch import nn

from ...environment import compat
from ...loading import Feeds, LoadOptions, first_test_cfg
from ...runtime import ATTENTION_MASK, INPUT_IDS, LABEL_TOKENS, names_in, text_inputs
from ...support import InputError

_FOLDER = "the folder of the language model: config.json, vocab.txt and its weights, as transformers saves them"
_NAMES = (
    ("person", "car", "dog"),
    ("traffic light",),
    ("cat", "red bus", "bicycle", "tree", "chair"),
    ("dog", "person"),
)
"""What is looked for in the sample, and in the other cases of a verification: as many names and tokens as differ."""


def check_text(config: Any, options: LoadOptions) -> None:
    """Refuse what a detector that takes text lacks, and let it be built without what would be downloaded.

    Args:
        config: is changed.

    Raises:
        InputError: the text has no name, the config has it read in pieces, the files of its language model are not
            here, or the network's raw outputs are asked for.
    """
    language = config.model.get("language_model")
    if not language:
        return
    kind = compat.kind_of(config.model.type)
    if options.text is not None and not names_in(options.text):
        raise InputError(
            f"{kind} takes text, and {options.text!r} has no name",
            "names with dots behind them",
            'for example --text "person . car .", or leave it out: the file then has the text as inputs',
        )
    if first_test_cfg(config.model.get("test_cfg")).get("chunked_size", -1) > 0:
        raise InputError(
            f"{kind} has its text read in pieces (test_cfg.chunked_size), of which a file knows nothing",
            "a text that is read at once",
            "add --cfg-options model.test_cfg.chunked_size=-1, and ask for fewer names at a time",
        )
    if options.skip_postprocess:
        raise InputError(
            f"--skip-postprocess of {kind}, whose heads take text",
            "a detector whose heads take the image's features alone",
            "leave the option out",
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


class Prompts:
    """The texts that a detector is asked for while its file takes text as inputs.

    Each size and batch gets a text of its own, so that a number of labels or tokens that the trace has fixed shows.

    Args:
        model: a detector with a ``language_model``.
        dynamic: the file takes any number of labels and tokens; without, all texts have those of the sample.
        device: of the feeds.

    Attributes:
        about: see ``runtime.prompts``.
    """

    def __init__(self, model: nn.Module, dynamic: bool, device: torch.device) -> None:
        language: Any = model.language_model
        apart = bool(language.use_sub_sentence_represent)
        self._tokenizer, self._dynamic, self._device = language.tokenizer, dynamic, device
        self._fills_up = bool(language.pad_to_max)
        self._turns: Dict[Tuple[Any, ...], int] = {}
        self._texts: Dict[Tuple[int, ...], str] = {}
        self.about: Dict[str, Any] = {
            "tokenizer": str(language.tokenizer.name_or_path),
            "special_tokens": language.tokenizer.convert_ids_to_tokens(language.special_tokens) if apart else [],
            "max_tokens": _greatest_length(model),
            # where no token sees another part's, filling up changes nothing but the work; a fixed length asks for it
            "pad": self._fills_up and (apart or not dynamic),
            "ends": not hasattr(model.bbox_head, "head"),
        }

    def feeds(self, images: int, shape: Tuple[int, int]) -> Feeds:
        """The text for so many images of (height, width), as the file's inputs."""
        turn = self._turns.setdefault((images, *shape), len(self._turns))
        if self._dynamic:
            names = list(_NAMES[turn % len(_NAMES)])
        else:
            first = turn % len(_NAMES[0])
            names = [*_NAMES[0][first:], *_NAMES[0][:first]]
        return self._made(names, self._fills_up)  # as upstream, whose layers are compared as well

    def samples(self, feeds: Feeds) -> Dict[str, Feeds]:
        """More to verify on, by what it is: the sample's feeds with a text that is not filled up, if none need be."""
        if self.about["pad"] or not self._fills_up:
            return {}
        return {"text without padding": {**feeds, **self._made(_NAMES[2], False)}}

    def _made(self, names: Sequence[str], pad: bool) -> Feeds:
        text = " . ".join(names) + " ."
        found = text_inputs(self._tokenizer, text, dict(self.about, pad=pad))
        if not self._fills_up:
            del found[ATTENTION_MASK]
        self._texts[tuple(found[INPUT_IDS][0].tolist())] = text
        return {name: torch.from_numpy(value).to(self._device) for name, value in found.items()}

    def text_of(self, feeds: Feeds) -> str:
        """The text that was made feeds of.

        Raises:
            InputError: none was.
        """
        if INPUT_IDS not in feeds:
            raise InputError(
                "the detector takes text, and there is a picture alone", "a detector for one text", "give --text"
            )
        return self._texts[tuple(feeds[INPUT_IDS][0].tolist())]

    @staticmethod
    def axes(feeds: Feeds) -> Dict[str, Dict[int, str]]:
        """The dynamic axes of the inputs."""
        of_tokens = {name: {1: "tokens"} for name in (INPUT_IDS, ATTENTION_MASK) if name in feeds}
        return {**of_tokens, LABEL_TOKENS: {0: "labels", 1: "tokens"}}


def prompts_of(model: nn.Module, text: Optional[str], dynamic: bool, device: Any) -> Optional[Prompts]:
    """The texts of a detector that takes text as inputs; None for others, and for one whose file has its text fixed."""
    if getattr(model, "language_model", None) is None or text is not None:
        return None
    return Prompts(model, dynamic, torch.device(device))


def _greatest_length(model: Any) -> int:
    """How many tokens the language model reads, and the heads compare with."""
    compared: List[int] = [
        branch.max_text_len for branch in model.bbox_head.modules() if hasattr(branch, "max_text_len")
    ]
    return min([model.language_model.max_tokens, *compared])
