"""The certificate of an erasure: what was removed, what expires by which date, and what is left to people."""

import datetime as dt
import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from headrace.errors import HeadraceError
from headrace_consumers.dataset.delta.store import FILE_MODE, fsync_file, fsync_folder
from headrace_consumers.erasure.kafka_holds import Hold
from headrace_consumers.versions.erasing.erasing import VersionReport

__all__ = ["Certificate", "CertificateError", "TableReport", "write"]


class CertificateError(HeadraceError):
    """The certificate cannot be written; the rows are gone all the same."""


@dataclass(frozen=True, slots=True)
class TableReport:
    """One table.

    Attributes:
        path: of the table.
        holds: interactions, sightings or feedback.
        rows: removed, by signature; of a side table under "".
        files: that were rewritten without them, or removed.
        versions: of the table, whose commits removed them.
        version: of the table, the first that was looked at and has none of them.
        deleted: old files that held them, deleted by this run.
        unreadable: files that no version names and that cannot be read: of a process that was writing, or was killed.
        keeps_deleted: whether its store keeps old versions of what was deleted; None: it does not tell.
    """

    path: str
    holds: str
    rows: dict[str, int]
    files: int
    versions: list[int]
    version: int
    deleted: int
    unreadable: list[str]
    keeps_deleted: bool | None


@dataclass(frozen=True, slots=True)
class Certificate:
    """What an erasure has done.

    Attributes:
        made_at: when it was done, ISO 8601, UTC.
        headrace: the release that did it.
        pseudonyms: of the person.
        requests: that were named.
        suppressed_since: no commit takes the person's records since then; ISO 8601, UTC.
        tables: what was removed.
        versions: dataset versions that were rewritten, and what was removed from them.
        members_forget_by: until when running consumers hold fingerprints of removed keys in memory; ISO 8601, UTC.
        unreadable_gone_by: until when maintenance deletes the tables' unreadable files; ISO 8601, UTC.
        kafka: what expires.
        not_touched: what is left to people.
    """

    made_at: str
    headrace: str
    pseudonyms: list[str]
    requests: list[str]
    suppressed_since: str
    tables: list[TableReport]
    versions: list[VersionReport]
    members_forget_by: str
    unreadable_gone_by: str
    kafka: list[Hold]
    not_touched: list[str]

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return asdict(self)


def write(certificate: Certificate, path: Path) -> None:
    """Put it on disk, readable by its owner only; a file that is there is not overwritten.

    Raises:
        CertificateError: it cannot be written.
    """
    text = json.dumps(certificate.as_dict(), indent=2, ensure_ascii=False) + "\n"
    staged = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        descriptor = os.open(staged, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, FILE_MODE)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        fsync_file(staged)
        os.link(staged, path)  # unlike a rename, it does not replace one
        staged.unlink()
        fsync_folder(path.parent)
    except OSError as error:
        staged.unlink(missing_ok=True)
        raise CertificateError(
            f"{path}: the certificate cannot be written ({error.strerror}); the rows are gone. Run the command again "
            "with another --certificate: it tells the same"
        ) from error


def day(moment: dt.datetime) -> str:
    """Return a moment as ISO 8601 to the second."""
    return moment.isoformat(timespec="seconds")


def total(reports: Sequence[TableReport]) -> int:
    """Return how many rows were removed in all."""
    return sum(sum(report.rows.values()) for report in reports)
