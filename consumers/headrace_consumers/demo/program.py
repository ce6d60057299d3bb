"""The demo's DSPy program, a support desk, and the offline language model that it runs on.

ticket --accounts--> plan --triage: ClassifyTicket (chain of thought)--> team, urgency --DraftReply--> reply
"""

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from types import SimpleNamespace
from typing import Any, Final, Literal

import dspy

from headrace_consumers.demo.tickets import Mishap

__all__ = ["SLOW_ANSWER_S", "ClassifyTicket", "DraftReply", "OfflineLM", "SupportDesk", "happening"]

SLOW_ANSWER_S: Final = 5.2
"""Just over the filter's default of 5,000 ms."""

_mishap: ContextVar[Mishap] = ContextVar("mishap", default=Mishap.none)


@contextmanager
def happening(mishap: Mishap) -> Iterator[None]:
    """Let a mishap happen to the calls made inside, in this thread."""
    token = _mishap.set(mishap)
    try:
        yield
    finally:
        _mishap.reset(token)


class ClassifyTicket(dspy.Signature):  # type: ignore[misc]  # dspy has no types
    """Decide which team answers a support ticket, and how soon."""

    ticket: str = dspy.InputField()
    plan: Literal["basic", "plus"] = dspy.InputField()
    team: Literal["billing", "delivery", "account", "technical"] = dspy.OutputField()
    urgency: Literal["low", "normal", "high"] = dspy.OutputField()


class DraftReply(dspy.Signature):  # type: ignore[misc]  # dspy has no types
    """Draft a short, friendly reply to a support ticket."""

    ticket: str = dspy.InputField()
    team: str = dspy.InputField()
    reply: str = dspy.OutputField()


class Triage(dspy.Module):  # type: ignore[misc]  # dspy has no types
    """Team and urgency of a ticket."""

    def __init__(self) -> None:
        super().__init__()
        self.classify = dspy.ChainOfThought(ClassifyTicket)

    def forward(self, ticket: str, plan: str) -> Any:
        """Return a prediction with team and urgency; urgent for customers who pay for it."""
        return self.classify(ticket=ticket, plan=plan)


class SupportDesk(dspy.Module):  # type: ignore[misc]  # dspy has no types
    """The whole program: look the customer up, triage, draft a reply."""

    def __init__(self) -> None:
        super().__init__()
        self.triage = Triage()
        self.draft = dspy.Predict(DraftReply)

    def forward(self, ticket: str, customer: str) -> Any:
        """Return a prediction with team, urgency and reply.

        Raises:
            LookupError: the customer is unknown.
        """
        if _mishap.get() is Mishap.unknown_customer:
            raise LookupError(f"no account of {customer}, who writes from {customer}@example.com")
        plan = "plus" if int(customer.rpartition("-")[2]) % 3 == 0 else "basic"
        triage = self.triage(ticket=ticket, plan=plan)
        draft = self.draft(ticket=ticket, team=triage.team)
        return dspy.Prediction(team=triage.team, urgency=triage.urgency, reply=draft.reply)


class OfflineLM(dspy.BaseLM):  # type: ignore[misc]  # dspy has no types
    """A language model of a few rules: no network, and the same answer to the same ticket.

    Args:
        sleep: waits for so many seconds where an answer is slow.
    """

    def __init__(self, sleep: Callable[[float], None] = time.sleep) -> None:
        super().__init__(model="offline-rules-1", cache=False)
        self._sleep = sleep

    def forward(
        self, prompt: str | None = None, messages: list[dict[str, Any]] | None = None, **_: Any
    ) -> SimpleNamespace:
        """Return an answer in the form of a chat completion."""
        text = "\n".join([prompt or "", *(str(message["content"]) for message in messages or ())])
        mishap = _mishap.get()
        if mishap is Mishap.outage:
            raise ConnectionError("the model is overloaded; try again later")
        drafting = "[[ ## reply ## ]]" in text
        if mishap is Mishap.slow and drafting:
            self._sleep(SLOW_ANSWER_S)
        asked = text.rpartition("[[ ## ticket ## ]]")[2].partition("[[ ##")[0].lower()
        if mishap is Mishap.garbled:
            answer = "I am afraid I"
        elif drafting:
            answer = _form({"reply": "" if mishap is Mishap.empty_reply else _reply(asked)})
        else:
            answer = _form(_triage(asked))
        # A ticket with pictures is billed as many tokens.
        tokens = 40_000 if mishap is Mishap.costly and drafting else len(text) // 4
        return self._completion(answer, tokens)

    def _completion(self, answer: str, prompt_tokens: int) -> SimpleNamespace:
        completion_tokens = max(len(answer) // 4, 1)
        usage = {
            "prompt_tokens": prompt_tokens,
            "completion_tokens": completion_tokens,
            "total_tokens": prompt_tokens + completion_tokens,
        }
        message = SimpleNamespace(content=answer, role="assistant")
        return SimpleNamespace(
            choices=[SimpleNamespace(message=message, finish_reason="stop", index=0)],
            usage=usage,
            model=self.model,
            _hidden_params={"response_cost": (3 * prompt_tokens + 15 * completion_tokens) / 1e6},  # USD
        )


_TEAMS: Final = (
    ("billing", re.compile("charged|invoice|paid")),
    ("account", re.compile("log in|account")),
    ("technical", re.compile("switch on|broken")),
)


def _triage(ticket: str) -> dict[str, str]:
    team = next((team for team, words in _TEAMS if words.search(ticket)), "delivery")
    urgency = "high" if "urgent" in ticket else "low" if "no hurry" in ticket else "normal"
    return {"reasoning": f"The ticket is a matter of {team}.", "team": team, "urgency": urgency}


def _reply(ticket: str) -> str:
    order = re.search(r"a-\d{6}", ticket)
    about = f"order {order.group().upper()}" if order else "your order"
    return f"Thank you for writing about {about}. We are looking into it and will answer today."


def _form(fields: dict[str, str]) -> str:
    return "\n\n".join([f"[[ ## {name} ## ]]\n{value}" for name, value in fields.items()] + ["[[ ## completed ## ]]"])
