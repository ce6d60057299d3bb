"""Putting the feedback consumer together from a configuration."""

import contextlib
from pathlib import Path
from typing import Final

import structlog

from headrace.config import Config
from headrace.key_material import reading_keys
from headrace_consumers.dataset.delta.store_at import store_of
from headrace_consumers.dataset.errors import Stopped
from headrace_consumers.dataset.feedback.commit import FeedbackCommitter
from headrace_consumers.dataset.feedback.decode import FeedbackDecoder
from headrace_consumers.dataset.feedback.rows import FEEDBACK
from headrace_consumers.dataset.intake import Control, Intake
from headrace_consumers.dataset.rebuild import refuse_in_feedback
from headrace_consumers.dataset.seen.index import NoIndex
from headrace_consumers.dataset.side_tables import feedback_path
from headrace_consumers.dataset.steps import hook_from_environment
from headrace_consumers.dataset.tally import Tally
from headrace_schemas import Registry

__all__ = ["configured", "run"]

_HEALTH_PORT: Final = "feedback_health_port"

log = structlog.get_logger("headrace.dataset")


def run(config: Config, control: Control) -> Tally:
    """Consume feedback into its table until told to stop; return what became of it.

    Args:
        config: the whole configuration, the dataset's.
        control: see there.

    Raises:
        HeadraceError: one line that says what, where and what to do. Nothing is lost by it.
    """
    total = Tally()
    with contextlib.suppress(Stopped):
        wanted = configured(config)
        # A table that is made after an erasure has to know of it.
        refuse_in_feedback(store_of(config.dataset), store_of(wanted.dataset))
        _run(wanted, total, control)
    return total


def configured(config: Config) -> Config:
    """Return the dataset's configuration with the feedback's own table, group and health port."""
    dataset = config.dataset
    changes = {
        "path": feedback_path(dataset),
        "group_id": f"{dataset.group_id}-feedback",
        "health_port": getattr(dataset, _HEALTH_PORT),
    }
    return config.model_copy(update={"dataset": dataset.model_copy(update=changes)})


def _run(config: Config, total: Tally, control: Control) -> None:
    decoder = FeedbackDecoder(
        Registry([Path(config.schemas.path)] if config.schemas.path else []), reading_keys(config)
    )
    intake = Intake(config, "feedback", FEEDBACK, hook_from_environment(), control, health_setting=_HEALTH_PORT)
    log.info("consuming", topic=intake.source.topic, table=str(intake.table.path))
    intake.run(total, NoIndex(), lambda landing: FeedbackCommitter(landing, intake.source, decoder))
