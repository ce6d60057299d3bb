"""What is hidden of a captured call before it leaves the process.

    fields --FieldLists--> own.OwnRedactors --> Redactor --> the same with [EMAIL], [PHONE], [IBAN], ... in it, counts
      |                      |                    |
      |                      |                    +-- text:     rules, each a pattern and a callable (private_keys,
      |                      |                    |             credentials, emails, accounts, cards, addresses, phones)
      |                      |                    +-- mappings: values under names like password or api_key are secrets
      |                      +-- a service's own callables, bounded in time
      +-- allow and deny lists per signature

With a key, pseudonyms ([EMAIL:...]) stand in the place of blanks. Redaction by rules is idempotent, and linear in the
text's length whatever the text: every pattern is anchored, bounded or possessive. A text of megabytes is looked through
in `windows`, so that the host's threads run between them.
"""

from headrace.redaction.fields import WITHHELD, FieldLists
from headrace.redaction.own import OwnRedactor, OwnRedactors, RedactorError
from headrace.redaction.pseudonyms import Pseudonyms, subject_pseudonym
from headrace.redaction.redactor import MARKERS, Redactor

__all__ = [
    "MARKERS",
    "WITHHELD",
    "FieldLists",
    "OwnRedactor",
    "OwnRedactors",
    "Pseudonyms",
    "Redactor",
    "RedactorError",
    "subject_pseudonym",
]
