"""A Config from a file, the environment and a caller's overrides; later ones win.

Environment: ``HEADRACE_<SECTION>__<KEY>=value``, e.g. ``HEADRACE_TELEMETRY__SAMPLING_RATE_PCT=25`` or
``HEADRACE_KAFKA__BOOTSTRAP_SERVERS=broker:9092``. A value is JSON, or else a string; a key with dots or capitals goes
into such JSON: ``HEADRACE_KAFKA__OPTIONS={"sasl.password": "..."}``. ``HEADRACE_CONFIG`` names the file. A variable
that looks like one of these and is none is refused.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from headrace.config.environment import ENV_FILE, ENV_PREFIX, check_names
from headrace.config.explain import explain, joined
from headrace.config.model import Config
from headrace.errors import ConfigError

__all__ = ["ENV_FILE", "load"]

_DEEPEST = 20


def load(
    path: str | os.PathLike[str] | None = None,
    overrides: Mapping[str, Any] | None = None,
    environ: Mapping[str, str] = os.environ,
) -> Config:
    """Return the configuration.

    Args:
        path: a JSON file; else the file that HEADRACE_CONFIG names; else the defaults.
        overrides: section -> key -> value.
        environ: the environment variables.

    Raises:
        ConfigError: one line that names the key, what was found, what is expected.
    """
    source = path if path is not None else environ.get(ENV_FILE) or None
    values: dict[str, Any] = {} if source is None else _read(Path(source))
    origin = "defaults" if source is None else str(source)
    for name, value in _from_environment(environ):
        _merge(values, value)
        origin += f", {name}"
    if overrides:
        _merge(values, overrides)
        origin += ", arguments"
    check_names(environ, values)
    try:
        # Through JSON, whose strict types are the file's: arrays are tuples there, and true is no number.
        return Config.model_validate_json(json.dumps(_plain(values)))
    except ValidationError as error:
        raise ConfigError(explain(error, origin)) from None


def _read(path: Path) -> dict[str, Any]:
    try:
        values = json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=lambda pairs: _unique(pairs, path))
    except OSError as error:
        raise ConfigError(f"{path}: cannot read the configuration ({error.strerror})") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: the configuration is not UTF-8 text") from None
    except json.JSONDecodeError as error:
        raise ConfigError(f"{path}:{error.lineno}:{error.colno}: not JSON: {error.msg}") from None
    except (RecursionError, ValueError):  # brackets or digits by the thousand
        raise ConfigError(f"{path}: no configuration: its nesting or a number in it has no end") from None
    if not isinstance(values, dict):
        raise ConfigError(f"{path}: expected a JSON object with sections, found {type(values).__name__}")
    return values


def _from_environment(environ: Mapping[str, str]) -> list[tuple[str, dict[str, Any]]]:
    found = []
    for name in sorted(environ):
        if not name.startswith(ENV_PREFIX) or "__" not in name:
            continue
        nested: Any = _json_or_text(environ[name])
        for part in reversed(name.removeprefix(ENV_PREFIX).lower().split("__")):
            nested = {part: nested}
        found.append((name, nested))
    return found


def _json_or_text(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _merge(into: dict[str, Any], values: Mapping[str, Any]) -> None:
    for key, value in values.items():
        below = into.get(key)
        if isinstance(value, Mapping) and isinstance(below, dict):
            _merge(below, value)
        else:
            into[key] = dict(value) if isinstance(value, Mapping) else value


def _unique(pairs: list[tuple[str, Any]], path: Path) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ConfigError(f"{path}: {joined((twice,))} stands twice in one object; keep one of them")
    return values


def _plain(value: Any, path: tuple[str, ...] = ()) -> Any:
    """Return `value` as JSON holds it; a Path is its text. Anything else is named by its key."""
    key = joined(path)
    if isinstance(value, os.PathLike):
        value = os.fspath(value)
    if isinstance(value, Mapping) and len(path) < _DEEPEST:
        if odd := [name for name in value if not isinstance(name, str)]:
            raise ConfigError(f"{key or 'configuration'}: found a key of type {type(odd[0]).__name__}, expected text")
        return {_plain(name, path): _plain(item, (*path, name)) for name, item in value.items()}
    if isinstance(value, list | tuple) and len(path) < _DEEPEST:
        return [_plain(item, (*path, str(at))) for at, item in enumerate(value)]
    if isinstance(value, str):
        if any("\ud800" <= character <= "\udfff" for character in value):
            raise ConfigError(
                f"{key or 'configuration'}: found half a surrogate pair, expected text that UTF-8 can hold"
            )
        return value
    if value is None or isinstance(value, bool | float):
        return value
    if isinstance(value, int) and abs(value) < 2**63:
        return value
    kind = "a number of more than 64 bits" if isinstance(value, int) else f"a value of type {type(value).__name__}"
    too_deep = f" below {_DEEPEST} levels" if len(path) >= _DEEPEST else ""
    raise ConfigError(f"{key}: found {kind}{too_deep}, expected a JSON value")
