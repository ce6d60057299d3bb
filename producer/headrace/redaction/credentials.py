"""API keys, tokens, passwords and private keys.

Three signs give a secret away: its own form (a vendor's prefix, a JWT, a PEM block), its place (`Bearer ...`, a URL's
password), or its name (`password=...`, a mapping's key `api_key`).
"""

import re
from typing import Final

from headrace.redaction.rule import MARKERS, Rule

__all__ = ["RULES", "is_secret_name"]

_MARKER: Final = MARKERS["secret"]
_SHORTEST_OPAQUE: Final = 20
"""A bearer token without a digit must be this long, or "Bearer authentication" would be one."""

_PEM: Final = re.compile(
    r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----"
    r"(?:[\s\\nr]{0,4}[A-Za-z-]{1,20}: [^\n\\]{0,200}){0,5}"  # Proc-Type, DEK-Info
    r"[A-Za-z0-9+/=\s\\]*+"  # also with escaped line ends; a block that was cut off has no END
    r"(?:-----END [A-Z0-9 ]{0,60}-----)?"
)

_VENDOR: Final = re.compile(
    r"""(?<![A-Za-z0-9_-])(?:
        sk-(?=[A-Za-z_-]*+[0-9])[A-Za-z0-9_-]{16,}+           # OpenAI, Anthropic and others
      | [srp]k_(?:live|test)_[A-Za-z0-9]{10,}+ | whsec_[A-Za-z0-9+/=]{16,}+
      | gh[pousr]_[A-Za-z0-9]{20,}+ | github_pat_[A-Za-z0-9_]{20,}+ | glpat-[A-Za-z0-9_-]{16,}+
      | (?:AKIA|ASIA)[0-9A-Z]{16}(?![0-9A-Za-z])
      | xox[abeprs]-[A-Za-z0-9-]{10,}+ | xapp-[A-Za-z0-9-]{10,}+
      | AIza[0-9A-Za-z_-]{30,}+ | ya29\.[0-9A-Za-z_-]{20,}+
      | hf_[A-Za-z0-9]{20,}+ | npm_[A-Za-z0-9]{30,}+ | pypi-[A-Za-z0-9_-]{40,}+
      | SG\.[A-Za-z0-9_-]{16,}+\.[A-Za-z0-9_-]{16,}+
      | eyJ[A-Za-z0-9_-]{5,}+\.[A-Za-z0-9_-]{5,}+\.[A-Za-z0-9_-]*+   # JSON Web Token
    )""",
    re.VERBOSE,
)

_URL_PASSWORD: Final = re.compile(r"(://[^\s/:@?#\[\]]{0,256}:)(?!\[SECRET\]@)[^\s/?#]{1,512}(@)")

_BEARER: Final = re.compile(r"\b((?:bearer|basic|token)\s{1,4})([A-Za-z0-9._~+/=-]{8,}+)", re.IGNORECASE)

_NAMES: Final = (
    r"pass(?:word|wd|phrase)|pwd|(?:api|secret|access|private|account)[_\-\ ]?key"
    r"|(?:client|app|api)[_\-]?secret|(?:access|refresh|auth|session|bearer|id|api|security)[_\-\ ]?token|authorization"
)
_ASSIGNED: Final = re.compile(
    rf"""((?:{_NAMES})\\{{0,2}}["']?\s{{0,3}}[:=]\s{{0,3}})    # the name, perhaps quoted as in JSON, and = or :
    (?:(?P<open>\\{{0,2}}["'])(?P<quoted>(?:(?!(?P=open)).){{1,512}})
      |(?P<bare>[^\s"',;&<>(){{}}\[\]\\]{{1,512}}+))""",
    re.VERBOSE | re.IGNORECASE | re.DOTALL,
)

_WEAK: Final = re.compile(  # names that are everyday words: only if the value looks made by a machine
    r"""(?<![A-Za-z])((?:token|secret|key)["']?\s{0,3}[:=]\s{0,3}["']?)
    (?=[A-Za-z_\-+/=.]{0,200}[0-9])([A-Za-z0-9_\-+/=.]{20,}+)""",
    re.VERBOSE | re.IGNORECASE,
)

_SECRET_NAME: Final = re.compile(
    r"(?:password|passwd|passphrase|pwd|apikey|secretkey|accesskey|privatekey|accountkey|clientsecret|appsecret"
    r"|apisecret|accesstoken|refreshtoken|authtoken|sessiontoken|bearertoken|idtoken|apitoken|securitytoken"
    r"|authorization)\Z"
)
_LONGEST_NAME: Final = 64


def is_secret_name(name: str) -> bool:
    """Tell whether a mapping's key names a secret: password, apiKey, DB_PASSWORD, client-secret and the like."""
    if len(name) > _LONGEST_NAME:
        return False
    plain = name.lower().replace("_", "").replace("-", "").replace(" ", "")
    return _SECRET_NAME.search(plain) is not None


def _whole(match: re.Match[str]) -> str:  # noqa: ARG001  # the signature of all replacements
    return _MARKER


def _url_password(match: re.Match[str]) -> str:
    return f"{match[1]}{_MARKER}{match[2]}"


def _bearer(match: re.Match[str]) -> str:
    token = match[2]
    if len(token) < _SHORTEST_OPAQUE and not any(character.isdigit() for character in token):
        return match[0]
    return match[1] + _MARKER


def _assigned(match: re.Match[str]) -> str:
    if match["open"]:
        return match[0] if match["quoted"] == _MARKER else match[1] + match["open"] + _MARKER
    if match["bare"].lower() in {"bearer", "basic", "token"}:  # a scheme; its token is another rule's
        return match[0]
    return match[1] + _MARKER


def _weak(match: re.Match[str]) -> str:
    return match[1] + _MARKER


_VENDOR_HINTS: Final = (
    *("sk-", "k_live_", "k_test_", "whsec_", "ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_", "glpat-", "akia"),
    *("asia", "xox", "xapp-", "aiza", "ya29.", "hf_", "npm_", "pypi-", "sg.", "eyj"),
)
_SIGN: Final = re.compile("[:=]")

RULES: Final = (
    Rule("secret", _PEM, _whole, hints=("-----begin ",)),
    Rule("secret", _URL_PASSWORD, _url_password, hints=("://",)),
    Rule("secret", _VENDOR, _whole, hints=_VENDOR_HINTS),
    Rule("secret", _BEARER, _bearer, hints=("bearer", "basic", "token")),
    Rule("secret", _ASSIGNED, _assigned, hints=("pass", "pwd", "key", "secret", "token", "authorization"), gate=_SIGN),
    Rule("secret", _WEAK, _weak, hints=("token", "secret", "key"), gate=_SIGN),
)
