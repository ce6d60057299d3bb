"""An error of the table's libraries as one line for people."""

import json
import re
from typing import Final

__all__ = ["one_line"]

_LONGEST: Final = 300
_ANSWER: Final = re.compile(r"<Code>([^<]*)</Code>(?:\s*<Message>([^<\n]*))?")
"""An object store's own, in XML."""

_REQUEST: Final = re.compile(r".*Error performing ([A-Z]+ http.*)", re.DOTALL)
_DEBUGGING: Final = re.compile(r"\s*Debug source:.*", re.DOTALL)
_CAUSE: Final = re.compile(r"(?:message|error): \"([^\"]*)\"")
"""In there, the innermost last."""

_STEP_IN: Final = re.compile("\\s*\x1b\\[31m\u21b3\x1b\\[0m\\s*")
"""How object_store writes a cause below its error: a red arrow."""


def one_line(error: BaseException) -> str:
    """Return what the error says, as one short line without control characters.

    Of an object store's error it is the store's own answer, or the last request and how it ended.
    """
    text = str(error)
    if answer := _ANSWER.search(text):
        text = ": ".join(part for part in answer.groups() if part)
    elif request := _REQUEST.match(text):
        causes = _CAUSE.findall(text)
        text = ": ".join([_DEBUGGING.sub("", request[1]), *causes[-1:]])
    text = " ".join(_STEP_IN.sub(": ", text).replace("µ", "u").split())
    return json.dumps(text[:_LONGEST])[1:-1] or type(error).__name__
