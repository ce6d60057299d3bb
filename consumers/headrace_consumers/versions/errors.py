"""What can go wrong with dataset versions.

VersionsError         a folder or file of the versions that cannot be used; one line: what, where, what to do
"""

from headrace.errors import HeadraceError

__all__ = ["VersionsError"]


class VersionsError(HeadraceError):
    """A folder or file of the versions cannot be used as asked."""
