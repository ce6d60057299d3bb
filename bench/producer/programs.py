"""The DSPy programs that are measured, and a language model that answers at once or after a set time."""

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

import dspy

__all__ = ["PROGRAMS", "Program", "inputs"]

_WORD: Final = "harbour "
_ANSWER: Final = "[[ ## reasoning ## ]]\nCount them.\n\n[[ ## answer ## ]]\nThree.\n\n[[ ## completed ## ]]"


class Trivial(dspy.Module):
    """Nothing but a call: what is measured is the way of watching it."""

    def forward(self, question: str) -> dspy.Prediction:
        return dspy.Prediction(answer=question[:20])


class OfflineLM(dspy.BaseLM):
    """Answers every prompt alike, after `delay_s` seconds; tokens and all, as a provider would report them."""

    def __init__(self, delay_s: float = 0.0) -> None:
        super().__init__(model="offline/bench", cache=False)
        self._delay_s = delay_s

    def forward(self, prompt: Any = None, messages: Any = None, **kwargs: Any) -> Any:
        del prompt, messages, kwargs
        if self._delay_s:
            time.sleep(self._delay_s)
        return _RESPONSE

    async def aforward(self, prompt: Any = None, messages: Any = None, **kwargs: Any) -> Any:
        if self._delay_s:
            await asyncio.sleep(self._delay_s)
        return self.forward(prompt, messages, **kwargs)


def _response() -> Any:
    from litellm import ModelResponse

    return ModelResponse(
        model="offline/bench",
        choices=[{"message": {"role": "assistant", "content": _ANSWER}}],
        usage={"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110},
    )


_RESPONSE: Final = _response()

Program = Callable[[float], dspy.Module]
"""Makes the program, given the latency of its LM in seconds."""


def _trivial(delay_s: float) -> dspy.Module:
    del delay_s
    return Trivial()


def _predict(delay_s: float) -> dspy.Module:
    dspy.configure(lm=OfflineLM(delay_s))
    return dspy.Predict("question -> answer")


class Pipeline(dspy.Module):
    """Three predictors one after the other, as in a small agent."""

    def __init__(self) -> None:
        super().__init__()
        self.plan = dspy.Predict("question -> answer")
        self.draft = dspy.ChainOfThought("question -> answer")
        self.check = dspy.Predict("question, draft -> answer")

    def forward(self, question: str) -> dspy.Prediction:
        plan = self.plan(question=question)
        draft = self.draft(question=plan.answer)
        return self.check(question=question, draft=draft.answer)


def _three(delay_s: float) -> dspy.Module:
    dspy.configure(lm=OfflineLM(delay_s))
    return Pipeline()


PROGRAMS: Final[Mapping[str, Program]] = {"trivial": _trivial, "predict": _predict, "three": _three}


def inputs(size_bytes: int) -> dict[str, str]:
    """Return the inputs of a call, about so large."""
    return {"question": (_WORD * (size_bytes // len(_WORD) + 1))[:size_bytes]}
