"""Which of DSPy's hooks a recording is called by: those that tell it something, for each costs the caller about 40 us.

DSPy asks for the callbacks of every module, LM, adapter and tool that is called, as ``settings.callbacks +
instance.callbacks``, and where that is empty its hooks cost nothing. So `Callbacks`, the list in the settings of a
recorded call, answers by what is being called. Where somebody else listens the recording does, too: DSPy numbers the
call then, and the number must lead to its span.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Final

import dspy

from headrace.capture.marks import mark_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from headrace.capture.recording import Recording

__all__ = ["Callbacks"]

_ASKS: Final = "_get_active_callbacks"
"""The function of dspy.utils.callback that adds up the lists; `instance` is its parameter."""


class Callbacks(list[Any]):
    """The callbacks of one recorded call.

    Args:
        others: the callbacks that were set before; theirs is every hook.
        recording: hears what it has a use for.
    """

    def __init__(self, others: Iterable[Any], recording: Recording) -> None:
        super().__init__(others)
        self._is_alone = not self
        self._recording = recording
        self.append(recording)

    def __add__(self, own: list[Any]) -> list[Any]:
        """Return the callbacks of what is being called, given its own."""
        if not own and self._is_alone:
            asking = sys._getframe(1)
            if asking.f_code.co_name == _ASKS and self._has_no_use_for(asking.f_locals.get("instance")):
                return []
        return super().__add__(own)

    def _has_no_use_for(self, instance: Any) -> bool:
        """Tell whether a call of it tells the recording nothing; if in doubt it does."""
        if isinstance(instance, dspy.Adapter | dspy.Tool):
            return True
        if isinstance(instance, dspy.Module):
            if self._recording.begins_with(instance):
                return True
            return not isinstance(instance, dspy.Predict) and mark_of(instance) is None
        if isinstance(instance, dspy.BaseLM):
            return _tells_by_its_history(type(instance)) and not self._recording.history_is_off()
        return False


def _tells_by_its_history(kind: Any) -> bool:
    """Tell whether each call of an LM that succeeds leaves an entry in the history, as DSPy's own code sees to.

    One that calls or records in a way of its own may leave none: only its hooks tell that something was called.
    """
    own = dspy.BaseLM
    return kind.__call__ is own.__call__ and kind.acall is own.acall and kind.update_history is own.update_history
