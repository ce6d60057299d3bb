"""What is wrong with a configuration, in one line; and the configuration itself, without its secrets."""

import difflib
import json
import re
from typing import Any, Final, get_args

from pydantic import BaseModel, ValidationError

from headrace.config.model import Config

__all__ = ["MASK", "explain", "shown"]

MASK: Final = "********"
_LONGEST_SHOWN: Final = 60
_SECRET: Final = re.compile(
    r"password|secret|token|credential|(^|[._])key([._]|$)|access_key|key\.pem|sasl\.jaas", re.IGNORECASE
)


def explain(error: ValidationError, origin: str) -> str:
    """Return one line for the first error: the key, what was found, what is expected, the nearest valid key."""
    errors = error.errors(include_url=False)
    first = next((e for e in errors if e["type"] == "extra_forbidden"), errors[0])  # a typo explains the rest
    path = [str(part) for part in first["loc"]]
    more = error.error_count() - 1
    also = f" (and {more} more)" if more else ""
    return f"{_describe(first, path)}{also} [from {origin}]"


def shown(config: Config) -> dict[str, Any]:
    """Return the configuration as JSON values, with secrets masked."""
    masked: dict[str, Any] = _mask(config.model_dump(mode="json"))
    return masked


def _describe(first: Any, path: list[str]) -> str:
    if len(path) > 3 and path[-3].endswith("options"):  # noqa: PLR2004  # kafka, options, the option, its branch
        path = path[:-1]  # the branch of the union of option types
    key = ".".join(path)
    if first["type"] == "extra_forbidden":
        known = _keys_at(path[:-1])
        near = difflib.get_close_matches(path[-1], known, n=1, cutoff=0.5)
        hint = f"did you mean {'.'.join([*path[:-1], near[0]])}?" if near else f"known: {', '.join(known)}"
        return f"{key}: unknown key; {hint}"
    if first["type"] == "value_error":
        return str(first["ctx"]["error"])
    if first["type"] == "missing":
        return f"{key}: missing; every entry needs it"
    return f"{key}: found {_found(path, first.get('input'))}, expected {_expectation(first['msg'])}"


def _expectation(message: str) -> str:
    message = message.removeprefix("Input should be ").removeprefix("a valid ")
    return message.replace("String should match pattern", "text that matches")


def _found(path: list[str], value: Any) -> str:
    if _SECRET.search(path[-1] if path else ""):
        return MASK
    text = json.dumps(value, default=lambda other: type(other).__name__)
    return text if len(text) <= _LONGEST_SHOWN else text[:_LONGEST_SHOWN] + "..."


def _keys_at(path: list[str]) -> list[str]:
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
        return {name: _mask(item, name) for name, item in value.items()}
    if isinstance(value, list):
        return [_mask(item, key) for item in value]
    return MASK if value is not None and _SECRET.search(key) else value
