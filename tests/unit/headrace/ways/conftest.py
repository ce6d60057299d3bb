"""The fixtures of the capture tests; a real dspy.LM on a server of our own."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import dspy
import pytest

from tests.support.openai_server import MODEL, Answering, Server, serving
from tests.unit.headrace.capture.conftest import _offline, at, everything

__all__ = ["_offline", "at", "everything"]

Serving = Callable[..., tuple[dspy.LM, Server]]


@pytest.fixture
def real_lm(monkeypatch: pytest.MonkeyPatch) -> Iterator[Serving]:
    """Give `make(answering, **options) -> (lm, server)`."""
    monkeypatch.setenv("LITELLM_LOCAL_MODEL_COST_MAP", "True")  # else litellm asks the network for it
    with ExitStack() as stack:

        def make(answering: Answering, **options: Any) -> tuple[dspy.LM, Server]:
            server = stack.enter_context(serving(answering))
            defaults = {"api_base": server.url, "api_key": "none", "cache": False, "num_retries": 0}
            return dspy.LM(MODEL, **{**defaults, **options}), server

        yield make
