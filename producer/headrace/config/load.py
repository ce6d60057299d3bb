"""A Config from a file, the environment and a caller's overrides; later ones win.

Environment: ``HEADRACE_<SECTION>__<KEY>=value``, e.g. ``HEADRACE_TELEMETRY__SAMPLING_RATE_PCT=25`` or
``HEADRACE_KAFKA__BOOTSTRAP_SERVERS=broker:9092``. A value is JSON, or else a string.
``HEADRACE_CONFIG`` names the file.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from headrace.config.explain import explain
from headrace.config.model import Config
from headrace.errors import ConfigError

__all__ = ["ENV_FILE", "load"]

ENV_FILE = "HEADRACE_CONFIG"
ENV_PREFIX = "HEADRACE_"


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
    source = path if path is not None else environ.get(ENV_FILE)
    values: dict[str, Any] = _read(Path(source)) if source else {}
    origin = str(source) if source else "defaults"
    for name, value in _from_environment(environ):
        _merge(values, value)
        origin += f", {name}"
    if overrides:
        _merge(values, overrides)
        origin += ", arguments"
    try:
        # Through JSON, whose strict types are the file's: arrays are tuples there, and true is no number.
        return Config.model_validate_json(json.dumps(values, default=_refuse))
    except ValidationError as error:
        raise ConfigError(explain(error, origin)) from None


def _read(path: Path) -> dict[str, Any]:
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: cannot read the configuration ({error.strerror})") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: the configuration is not UTF-8 text") from None
    except json.JSONDecodeError as error:
        raise ConfigError(f"{path}:{error.lineno}:{error.colno}: not JSON: {error.msg}") from None
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


def _refuse(value: object) -> Any:
    raise ConfigError(f"configuration value of type {type(value).__name__}: expected a JSON value")
