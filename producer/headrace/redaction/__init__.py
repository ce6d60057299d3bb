"""What is replaced in a captured call before it leaves the process.

    JSON value --Redactor--> the same with [EMAIL], [PHONE], [IBAN], ... in it, and counts by kind
                  |
                  +-- text:     a list of rules, each a pattern and a callable
                  |             (private_keys, credentials, contacts, accounts, cards, addresses)
                  +-- mappings: values under names like password or api_key are secrets whatever they look like

Redaction is idempotent, and linear in the text's length whatever the text: every pattern is anchored, bounded or
possessive.
"""

from headrace.redaction.redactor import MARKERS, Redactor

__all__ = ["MARKERS", "Redactor"]
