"""What an object store's client says over many lines, in colour, is one line that says what happened."""

import pytest

from headrace_consumers.dataset.delta.error_line import one_line

ARROW = "\n   \x1b[31m↳\x1b[0m "
HEAD = f"Kernel error -> Generic S3 error{ARROW}Error performing list request{ARROW}Error performing GET http://h/b?l=2"
REFUSED = f"{HEAD} in 9ms, after 3 retries{ARROW}HTTP error{ARROW}Connection refused (os error 111)\n"
DEBUGGED = """Error performing GET http://h/o - error sending request

Debug source:
    ConnectError("tcp connect error", Os { code: 111, message: "Connection refused", }, )
"""
MISSING = "<Error><Code>NoSuchBucket</Code><Message>The bucket does not exist.</Message><HostId>x</HostId></Error>"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("No space left", "No space left"),
        ("two\n lines\tand\x07", "two lines and\\u0007"),
        ("", "OSError"),
        (REFUSED, "GET http://h/b?l=2 in 9ms, after 3 retries: HTTP error: Connection refused (os error 111)"),
        (f"{HEAD} in 9ms{ARROW}404 Not Found{ARROW}{MISSING}\n", "NoSuchBucket: The bucket does not exist."),
        ("<Error><Code>AccessDenied</Code></Error>", "AccessDenied"),
        ("Error performing PUT http://h/o - timed out\n\nDebug source:\nGeneric {}", "PUT http://h/o - timed out"),
        (DEBUGGED, "GET http://h/o - error sending request: Connection refused"),
    ],
)  # fmt: skip
def test_it_says_what_happened(text, line):
    assert one_line(OSError(text)) == line


def test_it_is_short():
    assert len(one_line(ValueError("x" * 1000))) == 300
