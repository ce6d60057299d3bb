"""Names and places, by a language model of spaCy: an optional redactor, which plugs in like a service's own.

    pip install 'headrace[names]' && python -m spacy download en_core_web_sm
    headrace.configure("headrace.json", redactors=[NameRedactor.of_model("en_core_web_sm")])

What the model takes for a person becomes [NAME], for a country, a city, a landscape or a building [PLACE]. A model
guesses: it misses names, and takes other words for some. Its recall and precision stand in docs/security.md.
"""

import importlib
import importlib.util
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

from headrace.errors import ConfigError

__all__ = ["LABELS", "NameRedactor"]

LABELS: Final[Mapping[str, str]] = MappingProxyType(
    {"PERSON": "[NAME]", "PER": "[NAME]", "GPE": "[PLACE]", "LOC": "[PLACE]", "FAC": "[PLACE]"}
)
"""A model's label -> what stands in the place of such a part of the text; PER is PERSON in other languages' models."""

_UNUSED: Final = ("parser", "tagger", "morphologizer", "attribute_ruler", "lemmatizer", "senter")
"""Parts of spaCy's models that finding names does not need."""


class NameRedactor:
    """Replaces names and places in a text.

    Args:
        pipeline: a spaCy pipeline, or anything that turns a text into an object with spaCy's `ents`.
        labels: which of its labels to replace, and with what.
    """

    def __init__(self, pipeline: Callable[[str], Any], labels: Mapping[str, str] = LABELS) -> None:
        self._pipeline = pipeline
        self._labels = dict(labels)

    @classmethod
    def of_model(
        cls,
        model: str = "en_core_web_sm",
        labels: Mapping[str, str] = LABELS,
        *,
        find_module: Callable[[str], Any] = importlib.util.find_spec,
    ) -> "NameRedactor":
        """Return the redactor of an installed spaCy model, by its package's name or its folder.

        Raises:
            ConfigError: spaCy or the model is not installed.
        """
        if find_module("spacy") is None:
            raise ConfigError("NameRedactor: spaCy is not installed: pip install 'headrace[names]'")
        spacy = importlib.import_module("spacy")
        try:
            pipeline = spacy.load(model, exclude=_UNUSED)
        except OSError:
            raise ConfigError(
                f"NameRedactor: the model {model} is not installed: python -m spacy download {model}"
            ) from None
        return cls(pipeline, labels)

    def __call__(self, text: str) -> str:
        """Return the text with names and places replaced."""
        if not any(character.isalpha() for character in text):
            return text
        written, end = "", 0
        for entity in self._pipeline(text).ents:
            marker = self._labels.get(entity.label_)
            if marker is not None:
                written += text[end : entity.start_char] + marker
                end = entity.end_char
        return written + text[end:]
