"""The garbage collector of a process that takes tens of thousands of messages a second.

Each message is an object that the collector looks at. By default it looks after every 700 new ones, and now and then at
all that the libraries have made; of the dataset consumer's processor time that was an eighth. A message is in no cycle:
it is gone when its batch is.
"""

import atexit
import gc
from typing import Final

__all__ = ["calm_collector"]

_OBJECTS: Final = 200_000
"""More than two batches have; so many may be garbage before it is looked for."""


def calm_collector() -> None:
    """Leave alone what is there already, and look at the rest when there is much of it; once a process."""
    gc.collect()
    gc.freeze()
    atexit.register(gc.unfreeze)  # or DuckDB says at exit, in a hundred lines, that its types were leaked
    gc.set_threshold(_OBJECTS, *gc.get_threshold()[1:])
