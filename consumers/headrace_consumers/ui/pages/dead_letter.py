"""One dead letter: its circumstances; its content only when that is asked for."""

from typing import Final

from headrace_consumers.ui.page import Asked, Page, Shown, link
from headrace_consumers.ui.reading.letters import letter
from headrace_consumers.ui.sources import Sources

__all__ = ["PAGE"]


def show(sources: Sources, asked: Asked) -> Shown:
    """Return a dead letter.

    Raises:
        NothingThereError: there is none such.
        HeadraceError: Kafka does not answer.
    """
    place = asked.names["topic"], asked.names["partition"], asked.names["offset"]
    source = "/".join(place)
    found = letter(sources, source, payload=bool(asked.get("payload")))
    payload = found.pop("payload", None)
    return {
        "title": "Dead letter",
        "source": source,
        "facts": {name: value for name, value in found.items() if value not in (None, "", [])},
        "payload": payload,
        "with_payload": link("dead-letters", *place, payload=1),
    }


PAGE: Final = Page("/dead-letters/{topic}/{partition}/{offset}", "dead_letter.html", show)
