"""The program of `headrace demo --loop`, whose weakness is real: it is told nothing of which desk answers what.

No language model can know a house's desks, the offline one as little as any other: demos have to tell it.
"""

import os
import re
import threading
from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any, Final, Literal

import dspy

__all__ = ["LM_VARIABLE", "MODULE_NAME", "RouteTicket", "ShowMeLM", "program", "right_desk", "ticket_text"]

MODULE_NAME: Final = "ticket-router"
LM_VARIABLE: Final = "HEADRACE_DEMO_LM"
"""Model and address of a language model, with a blank between them; absent: the offline one."""

_TOPICS: Final = (
    ("parcel", "My parcel {n} has not arrived, and the shop says it was sent a week ago.", "charlie"),
    ("invoice", "Invoice {n} was charged twice this month, please pay one of them back.", "alpha"),
    ("password", "The password of account {n} is refused since yesterday, I cannot log in.", "bravo"),
)
_MARKER: Final = re.compile(r"\[\[ ## (\w+) ## \]\]")
_GUESS: Final = "alpha"
_ANSWER_S: Final = 0.02
"""A model takes its time; without it a longer prompt alone would look twice as slow."""


class RouteTicket(dspy.Signature):  # type: ignore[misc]  # dspy has no types
    """Send the ticket to a desk."""

    ticket: str = dspy.InputField()
    desk: Literal["alpha", "bravo", "charlie"] = dspy.OutputField()


def program() -> Any:
    """Return the program, and configure the language model that it runs on."""
    given = os.environ.get(LM_VARIABLE)
    if given is None:
        dspy.configure(lm=ShowMeLM())
    else:
        model, _, url = given.partition(" ")
        dspy.configure(
            lm=dspy.LM(model, api_base=url, api_key=os.environ.get("OPENAI_API_KEY", "none"), max_tokens=200)
        )
    return dspy.Predict(RouteTicket)


def ticket_text(number: int) -> str:
    """Return the text of a ticket; each number has its own."""
    return _TOPICS[number % len(_TOPICS)][1].format(n=10_000 + number)


def right_desk(ticket: str) -> str:
    """Return which desk answers a ticket in this house."""
    return next(desk for topic, _, desk in _TOPICS if topic in ticket.lower())


class ShowMeLM(dspy.BaseLM):  # type: ignore[misc]  # dspy has no types
    """A language model that does as it was shown: a ticket goes where a demo's ticket of the same topic went.

    Without such a demo it guesses. Asked for words, e.g. by an optimizer, it returns some that help nobody.

    Args:
        answer_s: how long an answer takes, seconds.
    """

    def __init__(self, answer_s: float = _ANSWER_S) -> None:
        super().__init__(model="offline-show-me-1", cache=False)
        self._answer_s = answer_s

    def forward(
        self, prompt: str | None = None, messages: list[dict[str, Any]] | None = None, **_: Any
    ) -> SimpleNamespace:
        """Return an answer in the form of a chat completion."""
        threading.Event().wait(self._answer_s)
        texts = [str(message["content"]) for message in messages or [{"content": prompt or ""}]]
        wanted = [name for name in _MARKER.findall(texts[-1].rpartition("Respond with")[2]) if name != "completed"]
        fields = {name: self._desk(texts) if name == "desk" else "Sort tickets with care." for name in wanted}
        answer = "\n\n".join(f"[[ ## {name} ## ]]\n{value}" for name, value in fields.items())
        return _completion(self.model, f"{answer}\n\n[[ ## completed ## ]]", sum(map(len, texts)) // 4)

    @staticmethod
    def _desk(texts: Sequence[str]) -> str:
        topic = _topic_of(texts[-1])
        shown = zip(texts[1:-1:2], texts[2:-1:2], strict=False)
        found = [_MARKER.split(answer)[2].strip() for asked, answer in shown if _topic_of(asked) == topic]
        return found[-1] if found else _GUESS


def _topic_of(text: str) -> str:
    ticket = text.partition("[[ ## ticket ## ]]")[2].partition("[[ ##")[0].lower()
    return next((topic for topic, _, _ in _TOPICS if topic in ticket), "")


def _completion(model: str, answer: str, prompt_tokens: int) -> SimpleNamespace:
    tokens: Mapping[str, int] = {"prompt_tokens": prompt_tokens, "completion_tokens": len(answer) // 4}
    return SimpleNamespace(
        choices=[
            SimpleNamespace(message=SimpleNamespace(content=answer, role="assistant"), finish_reason="stop", index=0)
        ],
        usage={**tokens, "total_tokens": sum(tokens.values())},
        model=model,
        _hidden_params={"response_cost": 0.0},
    )
