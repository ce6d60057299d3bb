"""Records on disk while Kafka is away.

    append -> <spool.path>/<instance>/<kind>-<milliseconds>.jsonl -> sealed (100 MB, or Kafka is back) -> gzip
                      |                                                       |
                      lock: held while the process lives                      replay, oldest first -> removed

A process writes in a folder of its own. The folders of dead processes, whose locks are free, are adopted by any live
one. How far a file has been replayed stands beside it, so that a crash repeats few records.
"""

from headrace.delivery.spool.spool import Spool, spool_for, spool_root

__all__ = ["Spool", "spool_for", "spool_root"]
