"""A DSPy service in which everything happens that a dashboard shows; it calls until stdin ends.

python -m tests.e2e.busy_service CONFIG        prints how many calls the support desk got, and how many failed, as JSON
"""

import asyncio
import contextlib
import itertools
import json
import sys
import threading
from collections import Counter
from collections.abc import Callable
from typing import Any

import dspy

import headrace
from headrace_consumers.demo.program import DraftReply, OfflineLM, SupportDesk, happening
from headrace_consumers.demo.tickets import Mishap, tickets
from tests.support.openai_server import MODEL, chat, serving

PAUSE_S, TICKETS, QUESTIONS = 0.03, 500, 5


class Patient(dspy.Module):
    """Takes longer than its caller waits."""

    async def aforward(self, question: str) -> dspy.Prediction:
        await asyncio.sleep(60)
        return dspy.Prediction(answer=question)


class UnpricedLM(OfflineLM):
    """Nobody knows what it costs."""

    def forward(self, *arguments: Any, **named: Any) -> Any:
        answer = super().forward(*arguments, **named)
        answer._hidden_params = {}
        return answer


def main(config_path: str) -> None:
    """Call four programs, a thread each: with mishaps, out of the cache, without a price, cancelled."""
    headrace.configure(config_path)
    desks = [headrace.instrument(SupportDesk(), name="support-desk", version=version) for version in ("v1", "v2")]
    asker = headrace.instrument(dspy.Predict("question -> answer"), name="asker", version="v1")
    drafter = headrace.instrument(dspy.Predict(DraftReply), name="drafter", version="v1")
    patient = headrace.instrument(Patient(), name="patient", version="v1")
    offline, unpriced, traffic = OfflineLM(), UnpricedLM(), tickets(TICKETS)
    counts: Counter[str] = Counter()

    def support(number: int) -> None:
        ticket, request_id = traffic[number % TICKETS], f"busy-{number}"
        mishap = Mishap.none if ticket.mishap is Mishap.slow else ticket.mishap
        text = f"{ticket.text} Write to {ticket.customer}@example.com."
        counts["calls"] += 1
        try:
            with dspy.context(lm=offline), happening(mishap), headrace.request(request_id, subject_id=ticket.customer):
                desks[number % 2](ticket=text, customer=ticket.customer)
        except Exception:
            counts["failed"] += 1
        headrace.feedback(request_id, score=1.0, label="good", module="support-desk")

    def draft(number: int) -> None:
        with dspy.context(lm=unpriced):
            drafter(ticket=f"ticket {number}", team="billing")

    def wait(_: int) -> None:
        with contextlib.suppress(TimeoutError):
            asyncio.run(asyncio.wait_for(patient.acall(question="when?"), 0.05))

    with serving(chat(answer="blue")) as server:
        cached = dspy.LM(MODEL, api_base=server.url, api_key="none")

        def ask(number: int) -> None:
            with dspy.context(lm=cached):
                asker(question=f"which colour is number {number % QUESTIONS}?")

        ended = threading.Event()
        threads = [threading.Thread(target=_again, args=(call, ended)) for call in (support, ask, draft, wait)]
        for thread in threads:
            thread.start()
        sys.stdin.read()
        ended.set()
        for thread in threads:
            thread.join()
    headrace.flush(30)
    json.dump(counts, sys.stdout)


def _again(call: Callable[[int], None], ended: threading.Event) -> None:
    for number in itertools.count():
        if ended.wait(PAUSE_S):
            return
        call(number)


if __name__ == "__main__":
    main(sys.argv[1])
