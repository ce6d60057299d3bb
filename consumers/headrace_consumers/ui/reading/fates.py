"""What `dataset why` and `dataset trace` tell, with Kafka where it answers, and without it where it does not."""

from headrace.config import Config
from headrace_consumers import fates
from headrace_consumers.fates.loss import Loss
from headrace_consumers.fates.trace import Track
from headrace_consumers.ui.reading.broker import trouble_with_broker, without_broker
from headrace_consumers.ui.sources import Sources

__all__ = ["LAST", "loss_of", "track_of"]

LAST = 10_000
"""So many of the topic's newest messages are looked at."""

_COMMITS = 500


def loss_of(sources: Sources, signature: str) -> Loss:
    """Return where a signature's records were lost.

    Raises:
        HeadraceError: nothing is known of the signature, or the table cannot be read.
    """
    config, trouble = _asked(sources)
    loss = fates.why(config, signature, last=LAST, commits=_COMMITS)
    loss.notes = _noted(loss.notes, trouble)
    return loss


def track_of(sources: Sources, id_: str) -> Track:
    """Return the records that an id names.

    Raises:
        HeadraceError: the table cannot be read.
    """
    config, trouble = _asked(sources)
    track = fates.trace(config, id_, last=LAST)
    track.notes = _noted(track.notes, trouble)
    return track


def _asked(sources: Sources) -> tuple[Config, str]:
    trouble = trouble_with_broker(sources)
    return (without_broker(sources.config) if trouble else sources.config), trouble


def _noted(notes: list[str], trouble: str) -> list[str]:
    """Return the notes, with why Kafka does not answer in place of that there is none."""
    if not trouble:
        return notes
    return [trouble, *(note for note in notes if not note.startswith("kafka.bootstrap_servers: not set"))]
