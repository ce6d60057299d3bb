"""`python -m headrace_consumers.cli` is `headrace`."""

import sys

from headrace_consumers.cli.app import main

if __name__ == "__main__":
    sys.exit(main())
