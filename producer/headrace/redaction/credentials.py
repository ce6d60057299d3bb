"""API keys, tokens and passwords.

Three signs give a secret away: its own form (a vendor's prefix, a JWT), its place (`Bearer ...`, a URL's
password), or its name (`password=...`, a mapping's key `api_key`).
"""

import re
from typing import Final

from headrace.redaction.rule import DIGIT, MARKERS, SIGN, Mark, Rule, WordsBefore

__all__ = ["RULES", "is_secret_name"]

_HIDDEN: Final = frozenset({MARKERS["secret"], MARKERS["private_key"]})
_SHORTEST_OPAQUE: Final = 20
"""A bearer token without a digit must be this long, or "Bearer authentication" would be one."""

_DIGIT_AHEAD: Final = "(?=[A-Za-z_-]*+[0-9])"
_JOINED: Final = rf"""
        sk-{_DIGIT_AHEAD}[A-Za-z0-9_-]{{16,}}+           # OpenAI, Anthropic and others
      | [srp]k_(?:live|test)_[A-Za-z0-9]{{10,}}+ | whsec_[A-Za-z0-9+/=]{{16,}}+
      | gh[pousr]_[A-Za-z0-9]{{20,}}+ | github_pat_[A-Za-z0-9_]{{20,}}+ | glpat-[A-Za-z0-9_-]{{16,}}+
      | xox[abeprs]-[A-Za-z0-9-]{{10,}}+ | xapp-[A-Za-z0-9-]{{10,}}+
      | hf_[A-Za-z0-9]{{20,}}+ | npm_[A-Za-z0-9]{{30,}}+ | pypi-[A-Za-z0-9_-]{{40,}}+
      | gsk_[A-Za-z0-9]{{20,}}+ | xai-[A-Za-z0-9]{{20,}}+ | r8_[A-Za-z0-9]{{20,}}+ | pplx-[A-Za-z0-9]{{20,}}+
      | tvly-[A-Za-z0-9-]{{16,}}+ | nvapi-[A-Za-z0-9_-]{{20,}}+ | lsv2_(?:pt|sk)_[A-Za-z0-9_]{{20,}}+
      | dop_v1_[0-9a-f]{{40,}}+ | shp(?:at|ca|pa|ss)_[0-9A-Fa-f]{{20,}}+
      | lin_api_[A-Za-z0-9]{{20,}}+ | sq0(?:csp|atp)-[A-Za-z0-9_-]{{16,}}+
      | glsa_[A-Za-z0-9_]{{20,}}+ | dckr_pat_[A-Za-z0-9_-]{{20,}}+ | figd_[A-Za-z0-9_-]{{20,}}+"""
_JOIN: Final = re.compile(r"[_-][A-Za-z0-9_+/=-]{10}")
"""What stands in each of them: a join with ten characters behind it."""

_PLAIN: Final = r"""
        (?:AKIA|ASIA)[0-9A-Z]{16}(?![0-9A-Za-z]) | dapi[0-9a-f]{32}(?:-[0-9])?
      | AIza[0-9A-Za-z_-]{30,}+ | ya29\.[0-9A-Za-z_-]{20,}+ | hv[sb]\.[A-Za-z0-9_-]{20,}+"""
_DOTTED: Final = r"""
        SG\.[A-Za-z0-9_-]{16,}+\.[A-Za-z0-9_-]{16,}+
      | eyJ[A-Za-z0-9_-]{5,}+\.[A-Za-z0-9_-]{5,}+\.[A-Za-z0-9_-]*+"""
"""SendGrid; JSON Web Tokens."""

_DOTTED_HEAD: Final = r"SG\.[A-Za-z0-9_-]{16} | eyJ[A-Za-z0-9_-]{5}"


def _token(alternatives: str) -> re.Pattern[str]:
    return re.compile(rf"(?<![A-Za-z0-9_-])(?:{alternatives})", re.VERBOSE)


def _head(pattern: str) -> str:
    """Return a pattern whose runs of any length are as short as they may be, and that looks ahead for no digit."""
    return re.sub(r"\{(\d+),\}\+", r"{\1}", pattern.replace(_DIGIT_AHEAD, ""))


_URL_PASSWORD: Final = re.compile(r"(://[^\s/:@?#\[\]]{0,256}:)(?!\[SECRET\]@)[^\s/?#]{1,512}(@)")

_BEARER: Final = r"\b((?:bearer|basic|token)\s{1,4})([A-Za-z0-9._~+/=-]{8,}+)"

_NAMES: Final = (
    r"pass(?:wor[dt]|wd|phrase)|pwd|kennwort|senha|contraseña|mot\ de\ passe"
    r"|(?:api|secret|access|private|account)[_\-\ ]?key"
    r"|(?:client|app|api)[_\-]?secret|(?:access|refresh|auth|session|bearer|id|api|security)[_\-\ ]?token|authorization"
)
_ASSIGNED_NAME: Final = (  # perhaps quoted as in JSON; = or : follows
    rf"""(?P<name>{_NAMES})(?:_(?:hex|base|base64|b64|pem|value))?\\{{0,2}}["']?\s{{0,3}}"""
)
_LONGEST_ASSIGNED: Final = 40
_ASSIGNED: Final = re.compile(
    rf"""(?P<head>{_ASSIGNED_NAME}[:=]\s{{0,3}})
    (?:(?P<escaped>\\{{1,2}}["'])(?P<inner>(?:(?!(?P=escaped)).){{1,512}})
      |(?P<open>["'])(?P<quoted>(?:\\.|(?!(?P=open)).){{1,512}})
      |(?P<bare>[^\s"',;&<>(){{}}\[\]\\]{{1,512}}+))""",
    re.VERBOSE | re.IGNORECASE | re.DOTALL,
)

_WEAK_NAME: Final = r"""(?<![A-Za-z])(?:token|secret|key|sessionid|sid|sig)["']?\s{0,3}"""
_LONGEST_WEAK: Final = 16
_WEAK_VALUE: Final = r"""[:=]\s{0,3}["']?(?=[A-Za-z_\-+/=.%]{0,200}[0-9])"""
_WEAK: Final = re.compile(  # names that are everyday words: only if the value looks made by a machine
    rf"""({_WEAK_NAME}{_WEAK_VALUE})([A-Za-z0-9_\-+/=.%]{{20,}}+)""", re.IGNORECASE
)
_WEAK_HEAD: Final = re.compile(rf"{_WEAK_VALUE}[A-Za-z0-9_\-+/=.%]{{20}}")

_NO_VALUES: Final = frozenset(
    {"bearer", "basic", "token"}  # a scheme; its token is another rule's
    | {"str", "string", "bytes", "none", "null", "true", "false", "undefined", "optional", "os.environ", "os.getenv"}
    | {"getpass", "getpass.getpass"}
)

_SAID: Final = re.compile(  # "my password is hunter2": only if the value looks made up
    r"""\b((?:pass(?:word|phrase|code)|passwort|pin)\s(?:is|was|ist)[\s:]{1,3}["']?)
    (?!\[SECRET\](?:["'<>,;\s]|\Z))
    (?:(?=[^\s\d]{0,60}\d)[^\s"'<>,;]{4,100}                 # with a digit in it
      |(?=[^\s"'<>,;]{0,60}[!@\#$%^&*~|=+_?][A-Za-z])[^\s"'<>,;]{4,100}   # or a sign
      |[a-z]{4,30}(?:-[a-z]{4,30}){2,8}(?![\w-]))             # or words in a row""",
    re.VERBOSE | re.IGNORECASE,
)
_SAID_KEY: Final = re.compile(
    r"""\b((?:key|token|secret)\s(?:is|was|ist)[\s:]{1,3}["']?)
    (?=[A-Za-z_\-+/=.]{0,200}[0-9])(?=[a-z0-9_\-+/=.]{0,200}[A-Z])[A-Za-z0-9_\-+/=.]{20,200}(?![^\s"'<>,;.)])""",
    re.VERBOSE,
)
_ONE_TIME: Final = re.compile(
    r"""\b((?:(?:otp|one[\ -]time|verification|security|login|2fa|mfa|sms)\s(?:code|pin|passcode|password)|otp)
    (?:\s(?:is|was))?[\s:]{1,3})[0-9]{3}(?:[0-9]{1,5}|[\ -][0-9]{3})(?![\w-])""",
    re.VERBOSE | re.IGNORECASE,
)
_COMMAND: Final = re.compile(
    r"""(\b(?:mysql|mariadb)[a-z-]{0,10}\s(?:[^\n|;]{0,200}?\s)?-p|\bsshpass\s-p\s{0,2})(?!\[SECRET\])[^\s'"\-][^\s'"]{0,127}"""
)
_ELEMENT: Final = re.compile(rf"(<(?:{_NAMES})>\s{{0,3}})(?!\[)[^<]{{1,512}}", re.IGNORECASE)
_COOKIE: Final = re.compile(
    r"""\b((?:set-)?cookie["']?\s?:\s?["']?)([^\s=;"']{1,64}=[^\r\n"'\[]{1,4096})""", re.IGNORECASE
)
_USER_OPTION: Final = re.compile(r"""(\s(?:-u|--user)[\s=]["']?[^\s:"'\[\]]{1,64}:)(?!\[SECRET\])[^\s"']{1,128}""")

_SECRET_NAME: Final = re.compile(
    r"(?:password|passwort|passwd|passphrase|pwd|apikey|secretkey|accesskey|privatekey|accountkey|clientsecret|appsecret"
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


def _whole(match: re.Match[str], mark: Mark) -> str:
    return mark(match[0])


def _url_password(match: re.Match[str], mark: Mark) -> str:
    return match[1] + mark(match[0]) + match[2]


def _bearer(match: re.Match[str], mark: Mark) -> str:
    token = match[2]
    if len(token) < _SHORTEST_OPAQUE and not any(character.isdigit() for character in token):
        return match[0]
    return match[1] + mark(match[0])


def _behind_the_head(match: re.Match[str], mark: Mark) -> str:
    return match[1] + mark(match[0])


def _assigned(match: re.Match[str], mark: Mark) -> str:
    opening = match["open"] or match["escaped"]
    if opening:
        quoted = match["quoted"] or match["inner"]
        return match[0] if quoted in _HIDDEN else match["head"] + opening + mark(quoted)
    bare = match["bare"].lower()
    if bare in _NO_VALUES or bare == match["name"].lower():  # password=password passes a variable on
        return match[0]
    return match["head"] + mark(bare)


_ASSIGNED_HINTS: Final = (
    *("pass", "pwd", "kennwort", "senha", "contraseña", "key", "secret", "token", "authorization"),
)
_ASSIGNED_ENDINGS: Final = (
    *("word", "wort", "wd", "phrase", "senha", "contraseña", "passe", "key", "secret", "token", "authorization"),
    *("_hex", "_base", "_base64", "_b64", "_pem", "_value"),
)
_WEAK_HINTS: Final = ("token", "secret", "key", "sid", "sig", "sessionid")
_ONE_TIME_HINTS: Final = ("otp", "one", "verification", "security", "login", "2fa", "mfa", "sms")
_CODE_DIGITS: Final = re.compile("[0-9]{3}[ -]?[0-9]")
_CASELESS: Final = re.IGNORECASE

RULES: Final = (
    Rule("secret", _URL_PASSWORD, _url_password, needs=SIGN, hints=("://",), is_cased=True),
    Rule("secret", _COOKIE, _behind_the_head, needs=SIGN, hints=("cookie",)),
    Rule(
        *("secret", _ASSIGNED, _assigned),
        needs=SIGN,
        hints=_ASSIGNED_HINTS,
        head=re.compile("[:=]"),
        before=WordsBefore(
            *(_ASSIGNED_NAME, _LONGEST_ASSIGNED), endings=_ASSIGNED_ENDINGS, flags=re.VERBOSE | re.IGNORECASE
        ),
    ),
    Rule("secret", _token(_JOINED), _whole, gate=_JOIN, head=_token(_head(_JOINED))),
    Rule(
        *("secret", _token(_PLAIN), _whole),
        hints=("AKIA", "ASIA", "AIza", "ya29.", "dapi", "hvs.", "hvb."),
        is_cased=True,
        head=_token(_head(_PLAIN)),
    ),
    Rule("secret", _token(_DOTTED), _whole, hints=("SG.", "eyJ"), is_cased=True, head=_token(_DOTTED_HEAD)),
    Rule(
        *("secret", re.compile(_BEARER, _CASELESS), _bearer),
        hints=("bearer", "basic", "token"),
        head=re.compile(_head(_BEARER), _CASELESS),
    ),
    Rule(
        *("secret", _WEAK, _behind_the_head),
        needs=DIGIT | SIGN,
        hints=_WEAK_HINTS,
        head=_WEAK_HEAD,
        before=WordsBefore(_WEAK_NAME, _LONGEST_WEAK, endings=_WEAK_HINTS, flags=_CASELESS),
    ),
    Rule("secret", _SAID, _behind_the_head, hints=("password", "passphrase", "passcode", "passwort", "pin")),
    Rule("secret", _SAID_KEY, _behind_the_head, needs=DIGIT, gate=re.compile(r"(?:key|token|secret)\s(?:is|was|ist)")),
    Rule("secret", _ONE_TIME, _behind_the_head, needs=DIGIT, gate=_CODE_DIGITS, hints=_ONE_TIME_HINTS),
    Rule("secret", _COMMAND, _behind_the_head, hints=("mysql", "mariadb", "sshpass"), is_cased=True),
    Rule("secret", _ELEMENT, _behind_the_head, hints=("<",), is_cased=True),
    Rule("secret", _USER_OPTION, _behind_the_head, needs=SIGN, hints=("-u", "--user"), is_cased=True),
)
