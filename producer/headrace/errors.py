"""What a user of the library or the command line can meet.

HeadraceError                 headrace_schemas.errors: one line that says what, where, what to do
  ConfigError                 a key, value or file of the configuration
  DatasetError                a dataset version that is not there, was changed, or is not what was asked for
  DSPyMissingError            instrumenting without dspy installed
  UsageError                  an argument that cannot be used
"""

from headrace_schemas.errors import HeadraceError

__all__ = ["ConfigError", "DSPyMissingError", "DatasetError", "HeadraceError", "UsageError"]


class ConfigError(HeadraceError):
    """The configuration cannot be used."""


class DatasetError(HeadraceError):
    """A dataset version is not there, was changed, or is not what was asked for."""


class DSPyMissingError(HeadraceError):
    """dspy is not installed; `pip install 'headrace[dspy]'` or any dspy from 3.0."""


class UsageError(HeadraceError, ValueError):
    """An argument that cannot be used."""


def require_dspy() -> None:
    """Raise DSPyMissingError unless dspy can be imported."""
    try:
        import dspy  # noqa: F401  # the question is whether it can be
    except ModuleNotFoundError as error:
        if error.name != "dspy":
            raise
        raise DSPyMissingError("dspy is not installed: pip install 'headrace[dspy]', or any dspy from 3.0") from None
