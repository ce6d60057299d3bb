"""What the fork server of `starts` does once: import what the commands import, and compile the decoder.

No thread is begun here that a fork would miss.
"""

import headrace_consumers.cli.app
import headrace_consumers.dataset.run
import headrace_consumers.dataset.upkeep.upkeep  # noqa: F401
from headrace_consumers.dataset.records.columnar import ColumnarDecoder

ColumnarDecoder()
