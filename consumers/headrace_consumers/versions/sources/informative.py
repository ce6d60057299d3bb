"""Which commits are worth a question: their subject says what was done, and they touch source files.

Rules, each a pattern with the reason that is told; a commit that meets none and touches source files is asked about.
"""

import re
from typing import Final

__all__ = ["is_source_file", "why_uninformative"]

_SHORTEST: Final = 15
_FEWEST_WORDS: Final = 3

_KIND: Final = r"(?:\w+(?:\([^)]*\))?!?:\s*)?"
"""As conventional commits begin: `fix(parser): `."""

_BUMP: Final = rf"""^{_KIND}(?:
      (?:bump|upgrade|update|pin)\b.{{0,120}}\b(?:from\b.{{1,80}}\bto\b|version|dependenc\w+|deps|lock\ ?file)
    | bump\b | release(?:\s+(?:v?\d|notes|candidate|version|of)|\s*:|\s*$)
    | prepare\ (?:for\ )?(?:the\ )?(?:next\ )?(?:release|version)
    | (?:version\s*)?v?\d+\.\d+(?:\.\d+)?\S*\s*$)
  | ^(?:chore|build)\((?:deps|release)[^)]*\)"""
_FORMATTING: Final = r"""^style(?:\([^)]*\))?:
  | ^(?:run\ |apply\ |fix\ )?(?:formatting|linter|linting|black|prettier|gofmt|rustfmt|clang-format|isort|ruff
    |white\ ?space)\b
  | ^(?:re)?(?:format|lint)(?:\s+(?:all|code|the\ code|everything|files?|imports?|with)\b|\s*:|\s*$)"""
_DOCUMENTS: Final = r"""^docs?(?:\([^)]*\))?: | ^(?:readme|changelog)\b
  | ^(?:update|add|edit|fix|improve)\s+(?:the\s+)?(?:readme|changelog|licen[cs]e|docs?|documentation)\b"""
_UNFINISHED: Final = r"^(?:(?:wip|tmp|temp|draft|todo)\b | (?:fixup|squash|amend)!) | \bwip$"

_RULES: Final = tuple(
    (reason, re.compile(pattern, re.IGNORECASE | re.VERBOSE))
    for reason, pattern in (
        ("work in progress", _UNFINISHED),
        ("merge or revert", r"^(?:merge|revert|reapply|cherry[-\ ]pick)\b"),
        ("version bump", _BUMP),
        ("typo or wording", r"\b(?:typos?|spelling|misspell\w*|grammar|wording)\b"),
        ("formatting", _FORMATTING),
        ("documents only", _DOCUMENTS),
        ("first commit", r"^(?:(?:initial|first)\s+(?:commit|import|version)|init)\b"),
    )
)
_EMPTY_WORDS: Final = frozenset(
    """
    a address again and apply bug bugs change changed changes clean cleaned cleanup code comment comments feedback file
    files fix fixed fixes for from in it minor misc more of pr quick refactor refactoring review small some stuff test
    tests the things this to tweak tweaks up update updated updates various work
    """.split()  # noqa: SIM905  # a list is easier to read as text
)

_SOURCE: Final = frozenset(
    """
    asm c cc clj cljs cpp cr cs cu cuh cxx d dart el elm erl ex exs f90 f95 fish fs go graphql groovy h hh hpp hrl hs
    hxx ipynb java jl js jsx kt kts lisp lua m mjs cjs ml mli mm nim php pl pm proto ps1 py pyi pyx r rb rkt rs s scala
    scm sh bash zsh sol sql sv svelte swift tcl tf thrift ts tsx v vb vhd vue zig
    """.split()  # noqa: SIM905
)
_LOCK_FILES: Final = frozenset(
    """
    bun.lockb cargo.lock composer.lock flake.lock gemfile.lock go.sum gradle.lockfile mix.lock npm-shrinkwrap.json
    package-lock.json pdm.lock pipfile.lock pnpm-lock.yaml podfile.lock poetry.lock pubspec.lock uv.lock yarn.lock
    """.split()  # noqa: SIM905
)
_FOREIGN: Final = frozenset(
    """
    __generated__ __snapshots__ .venv bower_components build deps dist external gen generated node_modules out
    site-packages snapshots target third-party third_party thirdparty vendor vendored venv
    """.split()  # noqa: SIM905
)
_GENERATED: Final = re.compile(
    r"(?:\.min\.(?:js|css)|\.bundle\.js|\.map|\.pb\.go|_pb2(?:_grpc)?\.pyi?|\.pb\.(?:cc|h)|\.g\.dart|\.generated\.\w+)$"
)


def why_uninformative(subject: str) -> str | None:
    """Return why a commit's subject says too little, or None.

    Args:
        subject: the first line of its message.
    """
    text = subject.strip()
    for reason, pattern in _RULES:
        if pattern.search(text):
            return reason
    if _EMPTY_WORDS.issuperset(re.findall(r"\w+", text.lower())):
        return "says nothing"
    if len(text) < _SHORTEST or len(text.split()) < _FEWEST_WORDS:
        return "short subject"
    return None


def is_source_file(path: str) -> bool:
    """Tell whether a path is of source code that people of the project wrote: no lock, vendored or generated file.

    Args:
        path: inside the repository, with slashes.
    """
    *folders, name = path.lower().split("/")
    extension = name.rpartition(".")[2] if "." in name[1:] else ""
    return (
        extension in _SOURCE
        and name not in _LOCK_FILES
        and not _FOREIGN.intersection(folders)
        and _GENERATED.search(name) is None
    )
