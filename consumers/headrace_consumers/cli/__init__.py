"""The command line: `headrace`, one file a command group.

    argv --app--> command --> configuration, work --> text or JSON on stdout, logs and one error line on stderr

Nothing heavy is imported before a command runs: `headrace --help` answers at once.
"""

from headrace_consumers.cli.app import main

__all__ = ["main"]
