"""The spool of one process: what it appends, what waits for replay, what it takes over from dead processes.

Disk trouble ends nothing: the record is lost for a reason that is counted, the log says so once a minute, and the next
record is tried again.
"""

import errno
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from headrace.config import Config
from headrace.config.telemetry import Rotation
from headrace.delivery.complaints import Complaints
from headrace.delivery.outgoing import Kind, Outgoing
from headrace.delivery.spool import lines
from headrace.delivery.spool.compressor import Compressor
from headrace.delivery.spool.folder import Folder
from headrace.delivery.spool.segment import Segment, adopted_from
from headrace.delivery.spool.usage import Usage
from headrace.delivery.spool.writer import SegmentWriter, TornError

__all__ = ["Spool", "spool_for", "spool_root"]

_DAY_S: Final = 86_400.0

Forget = Callable[[str, int], None]


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
        self._expired_s = time_s()

    def append(self, outgoing: Outgoing) -> str | None:
        """Keep a record; return None when it is on disk, else why it is not. Never raises."""
        try:
            line = lines.encode(outgoing)
        except (TypeError, ValueError) as error:
            self._complaints.warn("encode", "headrace: a record is no JSON (%s) and is lost", type(error).__name__)
            return "encode_failed"
        try:
            if not self._usage.has_room(len(line)):
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
            segment.path.rename(self._root / f"{segment.folder.path.name}-{segment.path.name}.damaged")
        except FileNotFoundError:  # somebody removed it
            pass
        except OSError as failure:
            self._complain("cannot set a damaged file aside (%s)", failure)
        self._drop(segment)

    def adopt(self) -> bool:
        """Take over the oldest spool of a dead process; tell whether there was one."""
        if self._adopted is not None:
            return True
        try:
            folders = sorted((path for path in self._root.iterdir() if path.is_dir()), key=_modified_s)
        except FileNotFoundError:  # no spool yet
            return False
        except OSError as error:
            self._complain("cannot look for what dead processes left (%s)", error)
            return False
        return any(path.name != self._instance and self._adopt(path) for path in folders)

    def tend(self, forget: Forget) -> None:
        """Compress a slice of what is sealed; once a day drop what is older than rotation.max_age_days.

        Args:
            forget: told the reason and how many records of this process are gone.
        """
        self._compressor.step()
        if self._time_s() - self._expired_s >= _DAY_S:
            self._expired_s = self._time_s()
            oldest_ms = (self._expired_s - self._rotation.max_age_days * _DAY_S) * 1000
            for segment in [segment for segment in self._waiting if segment.begun_ms < oldest_ms]:
                self._waiting.remove(segment)
                self._compressor.leave(segment)
                self._complaints.warn(
                    "expired", "%s: records older than spool.rotation.max_age_days were deleted", self._root
                )
                forget("spool_expired", segment.records)
                self._drop(segment)

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

    def _adopt(self, path: Path) -> bool:
        folder = None
        try:
            folder = Folder.claim(path)
            if folder is None:
                return False
            segments = adopted_from(folder)
        except OSError as error:  # another user's, say: the next one may be ours
            self._complain("cannot adopt what a dead process left (%s)", error)
            if folder is not None:
                folder.release()
            return False
        if not segments:
            self._remove(folder)
            return False
        self._adopted = folder
        self._waiting += segments
        return True

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


def _modified_s(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:  # another process was first
        return 0.0
