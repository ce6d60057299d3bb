"""The environment variables that configure: ``HEADRACE_<SECTION>__<KEY>``, and a few of other names.

A misspelt one is refused: pydantic-settings and its like pass over it in silence, and a switch that does nothing is
what people are paged for. Left alone are the variables of tests, of compose/ and of the demo, those that Kubernetes and
Docker set for a service called `headrace...`, and those that the configuration's own values mention, for its keys may
stand in variables.
"""

import difflib
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final, get_args

from pydantic import BaseModel

from headrace.config.model import Config
from headrace.errors import ConfigError

__all__ = ["ENV_FILE", "ENV_PREFIX", "check_names"]

ENV_FILE: Final = "HEADRACE_CONFIG"
ENV_PREFIX: Final = "HEADRACE_"
_OTHERS: Final = (
    ENV_FILE,
    "HEADRACE_DISABLED",
    "HEADRACE_LOG_FORMAT",
    "HEADRACE_LOG_LEVEL",
    "HEADRACE_TOP_URL",
    "HEADRACE_TRACEBACK",
)
_NOT_OURS: Final = re.compile(
    r"HEADRACE_TEST_.*"
    r"|HEADRACE(_.*)?_SERVICE_(HOST|PORT(_.*)?)"
    r"|HEADRACE(_.*)?_PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?"
    r"|HEADRACE(_.*)?_(NAME|ENV_.*)"
    r"|HEADRACE_(BUILD_NETWORK|DAYS|DEMO_LM|GRAFANA_PASSWORD|KAFKA_NAMES|WEB_NAMES)"
)


def check_names(environ: Mapping[str, str], values: Any) -> None:
    """Refuse variables that look like ours and are not.

    Args:
        environ: the environment variables.
        values: the configuration's values, which may mention variables.

    Raises:
        ConfigError: the variable, and the nearest that there is.
    """
    for name in sorted(environ):
        upper = name.upper()
        if not upper.startswith(ENV_PREFIX) or name in _OTHERS or _NOT_OURS.fullmatch(name):
            continue
        if name.startswith(ENV_PREFIX) and "__" in name:
            continue  # a section and a key, which the configuration checks
        if any(name in text for text in _texts(values)):
            continue
        known = [*_OTHERS, *_variables(Config, ENV_PREFIX)]
        # Compared without what is misspelt most often: one underscore for two, and small letters.
        by_letters = {each.replace("_", ""): each for each in known}
        near = difflib.get_close_matches(upper.replace("_", ""), by_letters, n=1, cutoff=0.7)
        hint = f"did you mean {by_letters[near[0]]}?" if near else f"known: {', '.join(_OTHERS)}, HEADRACE_SECTION__KEY"
        raise ConfigError(f"{name}: unknown environment variable; {hint}")


def _variables(model: type[BaseModel], prefix: str) -> Iterator[str]:
    """Return the variables of all keys, those of sections inside sections too."""
    for key, field in model.model_fields.items():
        name = prefix + key.upper()
        if prefix != ENV_PREFIX:
            yield name
        for kind in (field.annotation, *get_args(field.annotation)):
            if isinstance(kind, type) and issubclass(kind, BaseModel) and get_args(field.annotation)[:1] != (str,):
                yield from _variables(kind, name + "__")


def _texts(values: Any) -> Iterator[str]:
    if isinstance(values, str):
        yield values
    elif isinstance(values, Mapping):
        for value in values.values():
            yield from _texts(value)
    elif isinstance(values, list | tuple):
        for value in values:
            yield from _texts(value)
