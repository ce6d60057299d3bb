"""Headrace in a DSPy service: sample live calls, redact them, stream them. It never breaks, blocks or slows the caller.

    import headrace

    program = headrace.instrument(MyProgram(), name="support")   # off until configured
    headrace.configure("monitoring_config.json")                  # or the file that HEADRACE_CONFIG names

    with headrace.request(request_id, subject_id=user_id):
        program(question="...")

    trainset = headrace.load_dataset(MySignature)                 # what was captured and cut, as dspy.Examples

Flow: capture/ (the caller's thread) -> captured.CapturedCall -> delivery/ (one background thread) -> Kafka or a file.
"""

from headrace.api.modules import (
    acall_agent_module,
    acall_module_with_sampling,
    autolog,
    call_agent_module,
    call_module_with_sampling,
    instrument,
    instrument_all,
)
from headrace.api.process import configure, flush, set_sampling, shutdown, stats
from headrace.api.requests import feedback, pseudonym, request, suppress
from headrace.datasets.loading import load_dataset
from headrace.errors import ConfigError, DatasetError, DSPyMissingError, HeadraceError, UsageError

__all__ = [
    "ConfigError",
    "DSPyMissingError",
    "DatasetError",
    "HeadraceError",
    "UsageError",
    "acall_agent_module",
    "acall_module_with_sampling",
    "autolog",
    "call_agent_module",
    "call_module_with_sampling",
    "configure",
    "feedback",
    "flush",
    "instrument",
    "instrument_all",
    "load_dataset",
    "pseudonym",
    "request",
    "set_sampling",
    "shutdown",
    "stats",
    "suppress",
]
