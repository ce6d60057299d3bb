"""What a table remembers in its properties: the topics that it is made from, and whom it no longer takes."""

from collections.abc import Callable, Collection, Mapping
from typing import Final, TypeVar

from deltalake import CommitProperties, PostCommitHookProperties
from deltalake.exceptions import DeltaError

from headrace_consumers.dataset.delta.handle import TableHandle
from headrace_consumers.dataset.delta.known_topics import KnownTopics
from headrace_consumers.dataset.delta.opening import one_line
from headrace_consumers.dataset.delta.table_log import LINES_KEY
from headrace_consumers.dataset.errors import TableError
from headrace_consumers.dataset.judging.suppression import Suppression

__all__ = ["TableProperties"]

_Told = TypeVar("_Told", KnownTopics, Suppression)
_BACKOFF_S: Final = (0.05, 0.2, 0.5, 1.0, 2.0, 5.0)


class TableProperties:
    """The properties of one table.

    Args:
        handle: on the table.
        sleep: waits for so many seconds before a change is tried again.
    """

    def __init__(self, handle: TableHandle, sleep: Callable[[float], object]) -> None:
        self._handle = handle
        self._sleep = sleep

    def known_topics(self) -> KnownTopics:
        """Return what the table remembers of its topics, as of this handle.

        Raises:
            TableError: it cannot be read.
        """
        return self._told(KnownTopics.of)

    def remember(self, change: Callable[[KnownTopics], KnownTopics]) -> KnownTopics:
        """Change what the table remembers of its topics; return what it then does.

        Args:
            change: what is to be remembered, given what is; asked anew where another member was faster.

        Raises:
            TableError: the store refused.
        """
        return self._change(KnownTopics.of, change)

    def suppression(self) -> Suppression:
        """Return whom the table no longer takes, as of this handle.

        Raises:
            TableError: it cannot be read.
        """
        return self._told(Suppression.of)

    def suppress(self, subjects: Collection[str], requests: Collection[str], since: str) -> Suppression:
        """Take nothing of these any more, from here on; return whom the table then no longer takes.

        Args:
            subjects: pseudonyms, as records hold them.
            requests: request ids.
            since: now, ISO 8601.

        Raises:
            TableError: the store refused.
        """

        def change(known: Suppression) -> Suppression:
            return known.with_(subjects, requests, since)

        return self._change(Suppression.of, change)

    def keyed(self, key: str = "") -> Suppression:
        """Return whom the table no longer takes, with a key that a copy of the table can share.

        Args:
            key: for a table that has none; empty: one is made.

        Raises:
            TableError: the store refused.
        """

        def change(known: Suppression) -> Suppression:
            return known.keyed(key)

        return self._change(Suppression.of, change)

    def take_over(self, suppression: Suppression) -> Suppression:
        """Take nothing either of whom another table no longer takes; return whom this one then no longer takes.

        Entries that were made with another key than this table's stand beside its own.

        Raises:
            TableError: the store refused.
        """

        def change(known: Suppression) -> Suppression:
            return known.together(suppression)

        return self._change(Suppression.of, change)

    def _told(self, understand: Callable[[Mapping[str, str]], _Told]) -> _Told:
        try:
            return understand(self._handle.delta.metadata().configuration)
        except ValueError as error:
            raise TableError(f"{self._handle.path}: the table's property {one_line(error)}") from None

    def _change(self, understand: Callable[[Mapping[str, str]], _Told], change: Callable[[_Told], _Told]) -> _Told:
        for pause_s in _BACKOFF_S:
            self._handle.refresh()
            known = self._told(understand)
            wanted = change(known)
            if wanted == known:
                return known
            try:
                # A handle that somebody else's change of the properties has passed is refused by delta-rs.
                self._handle.delta.alter.set_table_properties(
                    wanted.as_properties(),
                    raise_if_not_exists=False,
                    commit_properties=CommitProperties(custom_metadata={LINES_KEY: "1"}),  # metaData
                    post_commithook_properties=PostCommitHookProperties(cleanup_expired_logs=False),
                )
            except (DeltaError, OSError) as error:
                reason = one_line(error)
                self._sleep(pause_s)
                self._handle.reopen()
            else:
                self._handle.sync()
                return wanted
        raise TableError(
            f"{self._handle.path}: the table's properties cannot be written ({reason}); nothing is lost: mend it"
        )
