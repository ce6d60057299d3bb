"""An erasure from its beginning to its certificate, over all tables of a dataset."""

import datetime as dt
import hashlib
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Final

from headrace.config import Config
from headrace.config.consumers import Dataset
from headrace_consumers.dataset.delta.layout import Layout
from headrace_consumers.dataset.delta.opening import is_table
from headrace_consumers.dataset.delta.rows import INTERACTIONS
from headrace_consumers.dataset.delta.store_at import store_at
from headrace_consumers.dataset.delta.table import InteractionTable
from headrace_consumers.dataset.errors import TableError
from headrace_consumers.dataset.feedback.rows import FEEDBACK
from headrace_consumers.dataset.judging.suppression import Suppression
from headrace_consumers.dataset.rebuild import share_key
from headrace_consumers.dataset.side_tables import feedback_path, sightings_path
from headrace_consumers.dataset.sightings import SIGHTINGS
from headrace_consumers.dataset.steps import ErasureStep, Hook, no_hook
from headrace_consumers.dataset.upkeep.upkeep import LOOK_S
from headrace_consumers.erasure.certificate import Certificate, day, write
from headrace_consumers.erasure.choices import (
    Choice,
    Wanted,
    feedback_choice,
    interaction_choice,
    sighting_choice,
)
from headrace_consumers.erasure.kafka_holds import holds, states
from headrace_consumers.erasure.left_to_people import left_in, not_touched
from headrace_consumers.erasure.table_erasure import TableErasure
from headrace_consumers.erasure.table_files import Found
from headrace_consumers.versions.erasing import erasing
from headrace_consumers.versions.erasing.erasing import VersionFound, Whose
from headrace_schemas import keys

__all__ = ["Erasure", "Plan"]

_SIDE_TABLES: Final[tuple[tuple[str, Callable[[Dataset], str], Layout], ...]] = (
    ("sightings", lambda dataset: sightings_path(dataset.path), SIGHTINGS),
    ("feedback", feedback_path, FEEDBACK),
)
_CLEANING_S: Final = 3600.0
"""Maintenance deletes once an hour."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What would be removed.

    Attributes:
        tables: what the table holds -> its place and rows.
        versions: dataset versions that have examples that go.
    """

    tables: dict[str, tuple[Path | str, Found]]
    versions: list[VersionFound]


class Erasure:
    """Erases somebody from the tables of a dataset.

    Args:
        config: `dataset.path` is the table; the side tables lie beside it, or feedback at `dataset.feedback_path`.
        wanted: who.
        versions: folders of dataset versions; None: `versions.path`.
        now: UTC.
        sleep: waits for so many seconds.
        hook: called around the steps; tests kill the process there.

    Raises:
        TableError: there is no table.
    """

    def __init__(
        self,
        config: Config,
        wanted: Wanted,
        *,
        versions: Sequence[Path] | None = None,
        now: Callable[[], dt.datetime],
        sleep: Callable[[float], object] = time.sleep,
        hook: Hook = no_hook,
    ) -> None:
        path, options = config.dataset.path, config.dataset.storage_options
        self._stores = {"interactions": (store_at(path, options), INTERACTIONS)}
        if not is_table(self._stores["interactions"][0]):
            raise TableError(f"{path}: no Delta table here; check dataset.path, or give --table")
        self._config = config
        self._wanted = wanted
        self._roots = [Path(config.versions.path)] if versions is None else list(versions)
        self._now = now
        self._sleep = sleep
        self._hook = hook
        for name, path_beside, layout in _SIDE_TABLES:
            beside = store_at(path_beside(config.dataset), options)
            if is_table(beside):
                self._stores[name] = (beside, layout)

    def look(self) -> Plan:
        """Return what would be removed; nothing is changed.

        Raises:
            TableError: a table cannot be read.
            VersionsError: a dataset version cannot be read.
        """
        tables = self._tables()
        found = tables["interactions"].look(interaction_choice(self._wanted))
        choices = self._choices(found)
        whose = self._whose(found)
        return Plan(
            {
                name: (table.place, found if name == "interactions" else table.look(choices[name]))
                for name, table in tables.items()
            },
            [each for root in self._roots for each in erasing.look(root, whose)],
        )

    def run(self, certificate_path: Path) -> Certificate:
        """Erase, write the certificate, and return it.

        Raises:
            TableError: a table cannot be read or written. What was removed stays removed; run it again.
            VersionsError, DatasetError: a dataset version cannot be read or written; likewise.
            CertificateError: all is removed, and the certificate cannot be written.
        """
        began = self._now()
        with ExitStack() as stack:
            shares = {  # repaired, and ours for as long as this takes
                name: stack.enter_context(closing(InteractionTable(store, layout)))
                for name, (store, layout) in self._stores.items()
            }
            self._hook(f"before:{ErasureStep.SUPPRESS}")
            remembered = shares["interactions"].properties
            if "feedback" in shares:  # before the dataset gets a key of its own: one list is checked faster than two
                share_key(shares["interactions"], shares["feedback"])
            suppression = remembered.suppress(self._wanted.subjects, self._wanted.requests, day(began))
            self._hook(f"after:{ErasureStep.SUPPRESS}")
            tables = self._tables()
            # Only the dataset's rows tell which of the side tables' are the person's: so these go first, for good.
            found = tables["interactions"].look(interaction_choice(self._wanted))
            if "feedback" in shares:
                requests = {*self._wanted.requests, *found.requests}
                shares["feedback"].properties.take_over(suppression)
                shares["feedback"].properties.suppress(self._wanted.subjects, requests, day(began))
            choices = self._choices(found)
            entries = sorted(self._entries(suppression))
            erasure_id = hashlib.sha256("\n".join(entries).encode()).hexdigest()[:32]
            # Before the rows: these tell the keys of what the versions have set aside.
            self._hook(f"before:{ErasureStep.VERSIONS}")
            self._erase_versions(self._whose(found), erasure_id)
            self._hook(f"after:{ErasureStep.VERSIONS}")
            reports = []
            for name in [*(name for name in tables if name != "interactions"), "interactions"]:
                tables[name].run(choices[name], erasure_id)
                reports.append(tables[name].report(name, choices[name], erasure_id))
        cuts = self._erase_what_cuts_publish(self._whose(found), erasure_id)
        now = self._now()
        spare = dt.timedelta(hours=self._config.dataset.maintenance.keep_replaced_h, seconds=_CLEANING_S)
        certificate = Certificate(
            made_at=day(now),
            headrace=metadata.version("headrace"),
            pseudonyms=sorted(self._wanted.subjects - self._wanted.untold),
            requests=sorted(self._wanted.requests),
            suppressed_since=max(suppression.entries[entry] for entry in entries),
            tables=reports[::-1],
            versions=[each for root in self._roots for each in erasing.reports(root, erasure_id)],
            members_forget_by=day(now + dt.timedelta(seconds=LOOK_S)),
            unreadable_gone_by=day(now + spare),
            kafka=holds(self._config, *states(self._config), now),
            not_touched=[*not_touched(self._config), *left_in(self._stores["interactions"][0]), *cuts],
        )
        self._hook(f"before:{ErasureStep.CERTIFICATE}")
        write(certificate, certificate_path)
        self._hook(f"after:{ErasureStep.CERTIFICATE}")
        return certificate

    def _tables(self) -> dict[str, TableErasure]:
        return {
            name: TableErasure(store, layout, now=self._now, sleep=self._sleep, hook=self._hook)
            for name, (store, layout) in self._stores.items()
        }

    def _cuts(self) -> list[str]:
        return [
            f"{folder}: a cut that is under way, or was killed; once it is done, or another one, run this again"
            for root in self._roots
            for folder in erasing.under_way(root)
        ]

    def _erase_what_cuts_publish(self, whose: Whose, erasure_id: str) -> list[str]:
        """Erase from what cuts that began before have published by now; return those that are still under way.

        One that ends during a pass may have published behind it: then there is another pass.
        """
        before = self._cuts()
        while True:
            self._erase_versions(whose, erasure_id)
            left = self._cuts()
            if set(before) <= set(left):
                return left
            before = left

    def _erase_versions(self, whose: Whose, erasure_id: str) -> None:
        for root in self._roots:
            at = f"{self._now().astimezone(dt.UTC):%Y-%m-%dT%H:%M:%SZ}"
            erasing.erase(root, whose, erasure_id=erasure_id, at=at, hook=self._hook)

    def _whose(self, found: Found) -> Whose:
        hashes = frozenset(keys.request_id_hash(request).hex() for request in self._wanted.requests)
        return Whose(self._wanted.subjects, hashes, frozenset(found.dedup_keys))

    def _choices(self, found: Found) -> dict[str, Choice]:
        return {
            "interactions": interaction_choice(self._wanted),
            "sightings": sighting_choice(self._wanted, found.requests, found.dedup_keys),
            "feedback": feedback_choice(self._wanted, found.requests),
        }

    def _entries(self, suppression: Suppression) -> list[str]:
        subjects = [suppression.entry("subject", subject) for subject in self._wanted.subjects]
        return [*subjects, *(suppression.entry("request", request) for request in self._wanted.requests)]
