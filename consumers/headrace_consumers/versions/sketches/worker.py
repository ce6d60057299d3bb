"""A process that sketches inputs: Arrow streams on its standard input and output, a batch for a batch.

    schema's metadata: what the sketcher knows      inputs: JSON objects  -->  place, band_0 ... : of those long enough

It ends with its input, so when whoever started it is gone.
"""

import json
import signal
import sys
from typing import IO, Any, Final

import numpy as np
import pyarrow as pa

from headrace_consumers.garbage import calm_collector
from headrace_consumers.versions.sketches.banding import BANDS, Bands
from headrace_consumers.versions.sketches.sketching import Sketcher, Telling

__all__ = ["bands_of", "inputs_schema", "main"]

_ABOUT: Final = b"sketcher"
_SKETCHES: Final = pa.schema([("place", pa.int64()), *((f"band_{number}", pa.uint64()) for number in range(BANDS))])


def inputs_schema(sketcher: Sketcher) -> pa.Schema:
    """Return the schema of what is sent, which tells what the sketcher knows."""
    telling = sketcher.telling
    about = {"most": sketcher.most, "by_names": list(telling.by_names.items()), "ranks": dict(telling.ranks)}
    return pa.schema([("inputs", pa.large_string())], {_ABOUT: json.dumps(about)})


def bands_of(batch: pa.RecordBatch) -> tuple[list[int], Bands]:
    """Return what `Sketcher.sketch` returned in the process."""
    bands = [batch.column(1 + number).to_numpy() for number in range(BANDS)]
    return batch.column(0).to_pylist(), np.stack(bands, axis=1)


def main(inputs: IO[bytes] | None = None, sketches: IO[bytes] | None = None) -> None:
    """Answer until the input ends."""
    into = sys.stdout.buffer if sketches is None else sketches
    with pa.ipc.open_stream(sys.stdin.buffer if inputs is None else inputs) as reader:
        about: dict[str, Any] = json.loads(reader.schema.metadata[_ABOUT])
        by_names = {tuple(names): name for names, name in about["by_names"]}
        sketcher = Sketcher(about["most"], Telling(by_names, about["ranks"]))
        with pa.ipc.new_stream(into, _SKETCHES) as writer:
            for batch in reader:
                places, bands = sketcher.sketch(batch.column(0).to_pylist())
                columns = [pa.array(places, pa.int64()), *(pa.array(np.ascontiguousarray(band)) for band in bands.T)]
                writer.write_batch(pa.record_batch(columns, schema=_SKETCHES))
                into.flush()


if __name__ == "__main__":
    calm_collector()  # lists of numbers, millions of them, and no cycle
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # who started it is told, too, and ends the input
    main()
