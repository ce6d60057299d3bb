"""The spool of one process: what it appends, what waits for replay, what it takes over from dead processes.

Disk trouble ends nothing: the record is lost for a reason that is counted, the log says so once a minute, and the next
record is tried again.
"""

import errno
import time
from collections.abc import Callable
from pathlib import Path

from headrace.config import Config
from headrace.config.telemetry import Rotation
from headrace.delivery.complaints import Complaints
from headrace.delivery.outgoing import Kind, Outgoing
from headrace.delivery.spool import lines
from headrace.delivery.spool.compressor import Compressor
from headrace.delivery.spool.damaged import Damaged
from headrace.delivery.spool.expiry import Expiry
from headrace.delivery.spool.folder import Folder
from headrace.delivery.spool.orphans import Orphans, records_left
from headrace.delivery.spool.segment import Segment
from headrace.delivery.spool.usage import Usage
from headrace.delivery.spool.writer import SegmentWriter, TornError
from headrace.ledger import Ledger

__all__ = ["Spool", "spool_for", "spool_root"]


def spool_root(config: Config) -> Path:
    """Return the folder in which all processes of a configuration have their spools."""
    path = config.spool.path
    return Path(path) if path is not None else Path(config.telemetry.log_file_path).parent / "spool"


def spool_for(
    config: Config,
    instance: str,
    *,
    time_s: Callable[[], float] = time.time,
    clock: Callable[[], float] = time.monotonic,
) -> "Spool | None":
    """Return the configured spool; None where records go to no broker. Nothing is made before the first record.

    Args:
        config: the configuration.
        instance: this process.
        time_s: Unix time in seconds.
        clock: seconds, monotonic.
    """
    if config.kafka.bootstrap_servers is None:
        return None
    spool = config.spool
    root = spool_root(config)
    # Absolute: the process may go to another folder while records wait.
    root = root.absolute()
    return Spool(root, instance, rotation=spool.rotation, max_total_mb=spool.max_total_mb, time_s=time_s, clock=clock)


class Spool:
    """Keeps records on disk; used by one thread only.

    Args:
        root: the folder of all processes.
        instance: this process.
        rotation: when segments are closed, compressed and deleted.
        max_total_mb: cap on what all processes have in `root`, MB of 10^6 bytes.
        time_s: Unix time in seconds.
        clock: seconds, monotonic.
    """

    def __init__(
        self,
        root: Path,
        instance: str,
        *,
        rotation: Rotation | None = None,
        max_total_mb: float = 1000,
        time_s: Callable[[], float] = time.time,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._root = root
        self._instance = instance
        self._rotation = rotation or Rotation()
        self._time_s = time_s
        self._complaints = Complaints(clock)
        self._usage = Usage(root, max_total_mb * 1e6, clock)
        self._own: Folder | None = None
        self._adopted: Folder | None = None
        self._writers: dict[Kind, tuple[SegmentWriter, Segment]] = {}
        self._waiting: list[Segment] = []
        self._handed_out: list[Segment] = []
        self._compressor = Compressor(lambda error: self._complain("cannot compress (%s)", error))
        self._last_begun_ms = 0
        self._expiry = Expiry(self._rotation.max_age_days, time_s, clock)
        self._damaged = Damaged(root)
        self._orphans = Orphans(root, instance, self._complain)

    def append(self, outgoing: Outgoing) -> str | None:
        """Keep a record; return None when it is on disk, else why it is not. Never raises."""
        try:
            line = lines.encode(outgoing)
        except (TypeError, ValueError) as error:
            self._complaints.warn("encode", "headrace: a record is no JSON (%s) and is lost", type(error).__name__)
            return "encode_failed"
        try:
            if not self._has_room(len(line)):
                self._complaints.warn(
                    "full", "%s: the spool is full (spool.max_total_mb); records are counted as dropped", self._root
                )
                return "spool_full"
            self._append(outgoing.kind, line)
        except OSError as error:
            self._complain("cannot write the spool (%s); records are counted as dropped", error)
            return f"spool_{errno.errorcode.get(error.errno or errno.EIO, 'EIO')}"
        return None

    def has_backlog(self, kind: Kind) -> bool:
        """Tell whether records of a kind wait, of this process or of the one it has taken over."""
        return kind in self._writers or any(segment.kind == kind for segment in self._waiting)

    def size_bytes(self) -> int:
        """Return the size on disk of what is this process's own, and of what it has taken over."""
        return sum(folder.size_bytes() for folder in (self._own, self._adopted) if folder is not None)

    def next_segment(self, kind: Kind) -> Segment | None:
        """Hand out the oldest segment of a kind for replay; give it back by `put_back` or `finish`."""
        if not any(segment.kind == kind for segment in self._waiting):
            self._seal(kind)
        oldest = min(
            (segment for segment in self._waiting if segment.kind == kind),
            key=lambda segment: segment.begun_ms,
            default=None,
        )
        if oldest is not None:
            self._waiting.remove(oldest)
            self._handed_out.append(oldest)
            self._compressor.leave(oldest)
        return oldest

    def put_back(self, segment: Segment) -> None:
        """Take back a segment that is not replayed to its end."""
        self._handed_out.remove(segment)
        self._waiting.append(segment)

    def finish(self, segment: Segment) -> None:
        """Remove a segment that was replayed to its end."""
        self._handed_out.remove(segment)
        self._drop(segment)

    def set_aside(self, segment: Segment, error: OSError) -> None:
        """Put a segment that cannot be read where somebody may look at it."""
        self._handed_out.remove(segment)
        self._complain("cannot read a file of the spool (%s); it is set aside, its records count as dropped", error)
        try:
            self._damaged.add(segment)
        except OSError as failure:
            self._complain("cannot set a damaged file aside (%s)", failure)
        self._drop(segment)

    def adopt(self) -> bool:
        """Take over the oldest spool of a dead process; tell whether there was one."""
        if self._adopted is not None:
            return True
        found = self._orphans.adopt()
        if found is not None:
            self._adopted, segments = found
            self._waiting += segments
        return found is not None

    def tend(self, ledger: Ledger) -> None:
        """Compress a slice of what is sealed; at start and once a day drop what is older than rotation.max_age_days.

        Args:
            ledger: told what is lost by that.
        """
        self._compressor.step()
        oldest_ms = self._expiry.oldest_ms()
        if oldest_ms is not None:
            self._expire(oldest_ms, ledger)

    def close(self) -> None:
        """Leave what waits to the next process that looks."""
        for kind in list(self._writers):
            self._seal(kind)
        self._compressor.close()
        for folder in (self._adopted, self._own):
            if folder is not None:
                self._remove(folder)
        self._adopted = self._own = None
        self._waiting, self._handed_out = [], []

    def abandon(self) -> None:
        """In a forked child: let go of the parent's files and locks, which stay the parent's."""
        for writer, _ in self._writers.values():
            writer.abandon()
        self._compressor.abandon()
        for folder in (self._adopted, self._own):
            if folder is not None:
                folder.release()
        self._writers, self._waiting, self._handed_out = {}, [], []
        self._adopted = self._own = None

    def _has_room(self, size: int) -> bool:
        """Tell whether so many bytes more are within the cap, without what is damaged if need be."""
        while not self._usage.has_room(size):
            freed = self._damaged.remove_oldest() if self._usage.holds_damaged else 0
            if not freed:
                return False
            self._usage.add(-freed)
            self._complaints.warn("room", "%s: a damaged file was deleted to make room for new records", self._root)
        return True

    def _expire(self, oldest_ms: float, ledger: Ledger) -> None:
        lost = self._orphans.expire(oldest_ms)
        ledger.lose_adopted("spool_expired", lost)
        for segment in [segment for segment in self._waiting if segment.begun_ms < oldest_ms]:
            self._waiting.remove(segment)
            self._compressor.leave(segment)
            left = records_left(segment)
            ledger.lose_adopted("spool_expired", left)
            ledger.forget("spool_expired", segment.records)
            lost += left + segment.records
            self._drop(segment)
        try:
            files = self._damaged.expire(oldest_ms)
        except OSError as error:
            self._complain("cannot delete old records (%s)", error)
            files = 0
        if lost or files:
            self._complaints.warn(
                "expired", "%s: records older than spool.rotation.max_age_days were deleted", self._root
            )

    def _append(self, kind: Kind, line: bytes) -> None:
        writing = self._writers.get(kind)
        if writing and (
            (writing[0].size and writing[0].size + len(line) > self._rotation.max_size_mb * 1e6)
            or writing[0].is_removed()
        ):
            self._seal(kind)
            writing = None
        writer, segment = writing or self._begin(kind)
        try:
            writer.append(line)
        except TornError as error:  # counted as spooled; its end will show that it is torn
            self._complain("a record was torn (%s); it will be counted as dropped", error)
            segment.records = self._counted(writer, kind)
            self._seal(kind)
            return
        segment.records = self._counted(writer, kind)
        self._usage.add(len(line))

    @staticmethod
    def _counted(writer: SegmentWriter, kind: Kind) -> int:
        return 0 if kind == "statistics" else writer.records  # of which no ledger knows

    def _begin(self, kind: Kind) -> tuple[SegmentWriter, Segment]:
        if self._own is not None and not self._own.path.exists():  # somebody removed it
            self._own.release()
            self._own = None
        if self._own is None:
            self._own = Folder.create(self._root / self._instance)
        self._last_begun_ms = begun_ms = max(int(self._time_s() * 1000), self._last_begun_ms + 1, 0)
        path = self._own.path / f"{kind}-{begun_ms:013d}.jsonl"
        self._writers[kind] = SegmentWriter(path), Segment(self._own, kind, begun_ms, path)
        return self._writers[kind]

    def _seal(self, kind: Kind) -> None:
        """Nothing more is written to the segment of a kind."""
        writing = self._writers.pop(kind, None)
        if writing is not None:
            writer, segment = writing
            writer.close()
            if not writer.records:
                self._drop(segment)
                return
            self._waiting.append(segment)
            if self._rotation.compression == "gzip" and writer.size >= self._rotation.max_size_mb * 1e6 / 2:
                self._compressor.add(segment)

    def _drop(self, segment: Segment) -> None:
        try:
            segment.remove()
        except OSError as error:
            self._complain("cannot remove a replayed file (%s); its records will be sent again", error)
        if self._adopted is not None and not self._waiting_in(self._adopted):
            self._remove(self._adopted)
            self._adopted = None

    def _waiting_in(self, folder: Folder) -> bool:
        return any(segment.folder is folder for segment in (*self._waiting, *self._handed_out))

    def _remove(self, folder: Folder) -> None:
        try:
            folder.remove()
        except OSError as error:
            self._complain("cannot remove an empty spool (%s)", error)

    def _complain(self, what: str, error: OSError) -> None:
        self._complaints.warn(
            f"{what} {error.errno}", "%s: " + what, self._root, error.strerror or type(error).__name__
        )
