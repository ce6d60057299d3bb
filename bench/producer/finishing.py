"""What it takes to finish a record, which the service pays on Headrace's own thread: redaction and all, no encryption.

python -m bench.producer.finishing          a table: processor time of one record, of several kinds
"""

import time
from typing import Any, Final

from bench.producer.records import RECORDS
from headrace.captured import CapturedCall
from headrace.config import load
from headrace.delivery.finishing import Finisher
from headrace.delivery.protection import Protection
from headrace.key_material import producer_keys
from headrace_schemas import canonical, interaction_codec

_ROUNDS: Final = 15
_RECORDS: Final = 100


def captured(fields: dict[str, Any]) -> CapturedCall:
    """Return a call with these inputs and outputs."""
    return CapturedCall(
        event_id="e",
        request_id="r",
        module_name="bench",
        module_version="v",
        signature="Bench",
        fields_hash="0" * 16,
        input=fields["input"],
        output=fields["output"],
        timestamp_ms=0,
        success=True,
        inclusion_probability=1.0,
    )


def main() -> None:
    """Print the table; the least of several rounds each, for others run on the machine, too."""
    config = load(None, {}, {})
    finisher = Finisher(config, "bench", Protection(config, producer_keys(config)))
    codec = interaction_codec()
    print("| record | bytes | finish, us | encode, us |\n|---|---|---|---|")
    for kind, fields in RECORDS.items():
        call = captured(fields)
        record, _ = finisher.finish(call)
        size = len(canonical.dumps(fields))
        finish = _least_us(lambda call=call: finisher.finish(call))
        encode = _least_us(lambda record=record: codec.encode(record))
        print(f"| {kind} | {size} | {finish:.0f} | {encode:.0f} |")


def _least_us(work: Any) -> float:
    rounds = []
    for _ in range(_ROUNDS):
        started = time.thread_time()
        for _ in range(_RECORDS):
            work()
        rounds.append((time.thread_time() - started) / _RECORDS * 1e6)
    return min(rounds)


if __name__ == "__main__":
    main()
