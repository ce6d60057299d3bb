"""What is wrong with a configuration, in one line; and the configuration itself, without its secrets."""

import difflib
import json
import re
from typing import Any, Final, get_args

from pydantic import BaseModel, ValidationError

from headrace.config.model import Config
from headrace.config.privacy import KEY_REFERENCE

__all__ = ["MASK", "explain", "joined", "shown"]

MASK: Final = "********"
_LONGEST_SHOWN: Final = 60
# Of librdkafka's and delta-rs's options, those whose values are secrets, and a few more rather than one less.
_SECRET: Final = re.compile(
    r"pass(word|wd|phrase)|pwd|secret|token|credential|bearer|jaas|authorization|connection_?string"
    r"|(^|[._-])key([._-]|$)|(access|account|api|private|sas|shared|master)[._-]?key",
    re.IGNORECASE,
)
_BY_REFERENCE: Final = frozenset({"encryption", "redaction"})
"""Sections that name keys and hold none."""
_REFERENCES: Final = "secret_options"
"""Likewise a part of a section."""
_USER_OF_URL: Final = re.compile(r"(?<=//)[^/?#\s]*@")
_OPTION_PATH: Final = 4  # kafka, options, the option, the branch of the union that did not fit
_KINDS: Final[dict[Any, str]] = {dict: "an object", list: "an array", str: "a string"}
_EXPECTED: Final = {"too_short": "at least {min_length} item(s)", "string_too_short": "a text that is not empty"}


def explain(error: ValidationError, origin: str) -> str:
    """Return one line for the first error: the key, what was found, what is expected, the nearest valid key."""
    errors = error.errors(include_url=False)
    first = next((e for e in errors if e["type"] == "extra_forbidden"), errors[0])  # a typo explains the rest
    more = len({_path(e) for e in errors}) - 1
    also = f" (and {more} more)" if more else ""
    return f"{_describe(first)}{also} [from {origin}]"


def shown(config: Config) -> dict[str, Any]:
    """Return the configuration as JSON values, with secrets masked."""
    sections: dict[str, Any] = config.model_dump(mode="json")
    return {name: section if name in _BY_REFERENCE else _mask(section, name) for name, section in sections.items()}


def joined(path: tuple[str, ...]) -> str:
    """Return a key as people write it, on one line whatever its characters."""
    return ".".join(part if part.isprintable() else json.dumps(part)[1:-1] for part in path)[:200]


def _path(error: Any) -> tuple[str, ...]:
    path = tuple(str(part) for part in error["loc"])
    return path[:-1] if _is_option(path) else path


def _is_option(path: tuple[str, ...]) -> bool:
    return len(path) == _OPTION_PATH and path[0] == "kafka" and path[1].endswith("options")


def _describe(error: Any) -> str:
    path = _path(error)
    key = joined(path)
    if error["type"] == "extra_forbidden":
        known = _keys_at(path[:-1])
        near = difflib.get_close_matches(path[-1], known, n=1, cutoff=0.5)
        hint = f"did you mean {'.'.join([*path[:-1], near[0]])}?" if near else f"known: {', '.join(known)}"
        return f"{key}: unknown key; {hint}"
    if error["type"] == "value_error":
        return str(error["ctx"]["error"])
    return f"{key}: found {_found(path, error)}, expected {_expectation(error)}"


def _expectation(error: Any) -> str:
    if _is_option(tuple(str(part) for part in error["loc"])):
        return "a string, number or boolean"
    if _is_reference(error):
        return "where the key is: env:NAME or file:PATH"
    if error["type"] in _EXPECTED:
        return _EXPECTED[error["type"]].format(**error["ctx"])
    message: str = error["msg"].removeprefix("Input should be ").removeprefix("a valid ")
    return message.replace("String should match pattern", "text that matches")


def _found(path: tuple[str, ...], error: Any) -> str:
    if any(_SECRET.search(part) for part in path) or _is_reference(error):
        return MASK
    value = error.get("input")
    # Text where a section belongs may hold any of the section's secrets, and so may the wrong structure.
    structured = isinstance(value, dict | list) and bool(value)
    if structured or (isinstance(value, str) and error["type"] in {"dict_type", "model_type", "tuple_type"}):
        return _KINDS[type(value)]
    text = json.dumps(_USER_OF_URL.sub(MASK + "@", value) if isinstance(value, str) else value)
    return text if len(text) <= _LONGEST_SHOWN else text[:_LONGEST_SHOWN] + "..."


def _is_reference(error: Any) -> bool:
    """Tell whether a key's place is expected; what was found may be the key itself."""
    return error["type"] == "string_pattern_mismatch" and bool(error["ctx"]["pattern"] == KEY_REFERENCE)


def _keys_at(path: tuple[str, ...]) -> list[str]:
    model: type[BaseModel] = Config
    for part in path:
        field = model.model_fields.get(part)
        annotation = field.annotation if field else None
        candidates = [annotation, *get_args(annotation)]
        nested = next((c for c in candidates if isinstance(c, type) and issubclass(c, BaseModel)), None)
        if nested is None:
            # A dict of models keyed by the user's names: the next part is such a name.
            continue
        model = nested
    return sorted(model.model_fields)


def _mask(value: Any, key: str = "") -> Any:
    if isinstance(value, dict):
        return {name: item if name == _REFERENCES else _mask(item, name) for name, item in value.items()}
    if isinstance(value, list):
        return [_mask(item, key) for item in value]
    if value is not None and _SECRET.search(key):
        return MASK
    return _USER_OF_URL.sub(MASK + "@", value) if isinstance(value, str) else value
