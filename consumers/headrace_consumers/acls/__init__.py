"""Who may do what on the broker: a role for each kind of program, with the least that it needs.

    ROLES + config --rights_of--> rights --Authority.allow--> broker --Authority.held--> rights --compare--> findings

`roles` and `findings` are pure; `Authority` is the edge, and its client is an administrator's.
"""

from headrace_consumers.acls.authority import AclError, Authority
from headrace_consumers.acls.findings import EVERYBODY, Finding, compare
from headrace_consumers.acls.right import Right
from headrace_consumers.acls.roles import Role, principal_of, rights_of, user_of

__all__ = [
    "EVERYBODY",
    "AclError",
    "Authority",
    "Finding",
    "Right",
    "Role",
    "compare",
    "principal_of",
    "rights_of",
    "user_of",
]
