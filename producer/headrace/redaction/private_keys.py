"""Private keys: PEM blocks (PKCS, OpenSSH, OpenPGP), PuTTY files, age, JSON Web Keys, bare OpenSSH bodies, wallets.

A block that was cut off has no end; line ends may be escaped, as in JSON or an environment variable. Public keys and
certificates are kept.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

from headrace.redaction.rule import DIGIT, SIGN, Mark, Rule

__all__ = ["RULES", "is_private_jwk_member"]

_PEM_HEAD: Final = r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----"
_PEM: Final = re.compile(
    _PEM_HEAD + r"(?:[\s\\nr]{0,4}[A-Za-z-]{1,20}: [^\n\\]{0,200}){0,5}"  # Proc-Type, DEK-Info, OpenPGP's Version
    r"[A-Za-z0-9+/=\s\\]*+"  # also with escaped line ends; a block that was cut off has no END
    r"(?:-----END [A-Z0-9 ]{0,60}-----)?"
)
_PUTTY_HEAD: Final = r"(Private-Lines: \d{1,4}(?:\s|\\r|\\n){1,4})(?=[A-Za-z0-9+/=]{16})"
_PUTTY: Final = re.compile(
    _PUTTY_HEAD + r"[A-Za-z0-9+/=]++(?:(?:\s|\\r|\\n){1,4}+(?!Private-)[A-Za-z0-9+/=]++)*+",
    re.IGNORECASE,
)
_BODY_HEAD: Final = r"(?<![A-Za-z0-9+/])b3BlbnNzaC1rZXktdjE[A-Za-z0-9+/]{20}"
"""The base64 of "openssh-key-v1", without its frame."""

_BODY: Final = re.compile(
    _BODY_HEAD + r"[A-Za-z0-9+/]*+(?:[\s\\nr]{1,4}[A-Za-z0-9+/=]{60,}+)*+"
    r"(?:[\s\\nr]{1,4}[A-Za-z0-9+/]{2,60}={1,2})?"
)
_JWK_HEAD: Final = r"""(\\{0,3}["'](d|p|q|dp|dq|qi|k|r|t|priv)\\{0,3}["']\s{0,3}:\s{0,3}\\{0,3}["'])[A-Za-z0-9_-]{16}"""
_JWK: Final = re.compile(_JWK_HEAD + "[A-Za-z0-9_-]*+")
_JWK_MEMBERS: Final = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"})
"""Private members: RSA, EC and OKP, symmetric (RFC 7518, RFC 8037), and AKP for post-quantum keys."""

_JWK_TYPE: Final = re.compile(r"""["']kty\\{0,3}["']\s{0,3}:""")
_JWK_SPAN: Final = 8192
"""A member this many characters from its key's type is still part of it."""

_SURE_LENGTH: Final = 40
"""So long a `d` is a private key also where no type is in sight."""
_HEX: Final = re.compile(
    r"\b((?:private|secret|signing|wallet|ethereum|eth)\skey(?:\sis)?[\s:=]{1,3}(?:0x)?)[0-9a-f]{64}(?![0-9A-Za-z])",
    re.IGNORECASE,
)
"""Of a curve of 256 bits, as wallets show it."""

_AGE: Final = re.compile(r"\bAGE-(?:SECRET-KEY|PLUGIN-[A-Z0-9]{1,20})-1[02-9AC-HJ-NP-Z]{20,1000}+", re.IGNORECASE)


def _whole(match: re.Match[str], mark: Mark) -> str:
    return mark(match[0])


def _behind_the_head(match: re.Match[str], mark: Mark) -> str:
    return match[1] + mark(match[0])


def _jwk(match: re.Match[str], mark: Mark) -> str:
    is_sure = match[2] == "d" and match.end() - match.end(1) >= _SURE_LENGTH
    if is_sure or _JWK_TYPE.search(match.string, max(0, match.start() - _JWK_SPAN), match.end() + _JWK_SPAN):
        return match[1] + mark(match[0])
    return match[0]


def is_private_jwk_member(name: Any, mapping: Mapping[Any, Any]) -> bool:
    """Tell whether a member of an object is the private part of a JSON Web Key."""
    return name in _JWK_MEMBERS and isinstance(mapping.get("kty"), str)


_JWK_MEMBER: Final = re.compile(r"""["'](?:d|p|q|dp|dq|qi|k|r|t|priv)\\{0,3}["']""")

RULES: Final = (
    Rule("private_key", _PEM, _whole, hints=("-----BEGIN ",), is_cased=True, head=re.compile(_PEM_HEAD)),
    Rule(
        *("private_key", _PUTTY, _behind_the_head),
        needs=DIGIT | SIGN,
        hints=("private-lines: ",),
        head=re.compile(_PUTTY_HEAD, re.IGNORECASE),
    ),
    Rule(
        *("private_key", _BODY, _whole),
        needs=DIGIT,
        hints=("b3BlbnNzaC1rZXktdjE",),
        is_cased=True,
        head=re.compile(_BODY_HEAD),
    ),
    Rule(
        *("private_key", _JWK, _jwk),
        needs=SIGN,
        hints=("'", '"'),
        is_cased=True,
        gate=_JWK_MEMBER,
        head=re.compile(_JWK_HEAD),
    ),
    Rule("private_key", _HEX, _behind_the_head, needs=DIGIT, hints=("key",)),
    Rule("private_key", _AGE, _whole, needs=DIGIT, hints=("age-secret-key-1", "age-plugin-")),
)
