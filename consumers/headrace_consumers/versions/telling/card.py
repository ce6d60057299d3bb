"""README.md of a version: what it is, what it holds, how far its outputs can be trusted, and how to load it.

Made from metadata.json and manifest.json alone, so that it can be made anew at any time; it is no part of the hashes.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final

from headrace_schemas.dataset_files import DIFFICULTIES, LABELS, SOURCES, SPLITS, Split
from headrace_schemas.dataset_manifest import GateVerdict, Manifest, Metadata

__all__ = ["CARD", "card", "trust_line"]

CARD: Final = "README.md"

_CATEGORIES: Final = 20
_RULES: Final = 10
_LONGEST: Final = 120
_WHOLE_FROM: Final = 1_000
_TRUSTED: Final = ("corrected", "judged", "given")
_MEANINGS: Final = {
    "corrected": "a person put the right outputs in place",
    "judged": "a person, or a program of yours, scored the outputs",
    "given": "the outputs came with the example: imported, or added by hand",
    "generated": "a language model wrote the outputs (from commits, synthetic)",
    "unverified": "the serving program's own answer, which nobody looked at",
}

_UNVERIFIED: Final = """of the outputs are the serving program's own answers, which nobody looked at.**
A program that learns from them learns to answer as that one did, mistakes included; a score on them says how much two
programs agree, not how good either is. `headrace.load_dataset(..., min_trusted_share=...)` refuses a split with too few
others; feedback with corrections and scores, however late, makes the next version better."""
_PROVENANCE: Final = """Each example's origin stands in `provenance.jsonl`; `manifest.json` says what
`headrace dataset replay` needs to make it again."""
_LIMITS: Final = """\
- Examples are unique inputs, not calls: `times_seen` says how often an input came, and `weight`, one over
  the probability that the call was recorded, how many calls it stands for. A mean without them is one over inputs.
- Calls that failed, were slow, dear or of low quality were filtered before, by the thresholds of the configuration;
  redaction has replaced what it knows to be personal.
- Keep `test` for the last comparison: whoever chooses by it has trained on it."""
_NO_TRAIN: Final = "- There is no train split: nothing can be learnt from it."
_NO_TEST: Final = "- There is no test split: nothing here tells how good a program is on inputs it was not made for."


def card(metadata: Metadata, manifest: Manifest) -> str:
    """Return the card as Markdown.

    Args:
        metadata: of the version.
        manifest: of the version; `files` is not looked at.
    """
    parts = [
        _head(metadata, manifest),
        _labels(metadata),
        _table("Sources", "sources", metadata, SOURCES),
        _table("Difficulty", "difficulties", metadata, DIFFICULTIES),
        _categories(metadata),
        _gates(manifest),
        _origin(manifest),
        _loading(metadata),
        _limits(metadata),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def trust_line(labels: Mapping[str, int]) -> str:
    """Return how far the outputs can be trusted, in a line.

    Args:
        labels: examples by label.
    """
    total = sum(labels.values())
    if not total:
        return "no examples"
    trusted = sum(labels.get(label, 0) for label in _TRUSTED)
    unverified = labels.get("unverified", 0)
    return f"{_share(trusted, total)} corrected, judged or given, {_share(unverified, total)} unverified"


def _head(metadata: Metadata, manifest: Manifest) -> str:
    sizes = ", ".join(f"{metadata['splits'][split]['examples']:,} {split}" for split in SPLITS)
    return (
        f"# {_plain(metadata['signature'])}, {metadata['version']}\n\n"
        f"{metadata['examples']:,} examples of the signature `{_plain(metadata['signature'])}` ({sizes}), "
        f"of {_plain(manifest['environment'])}, cut {metadata['made_at']} by Headrace. "
        "The split is decided by a hash of the signature's fields and the example's inputs: while the fields stay as "
        "they are, an example is on the same side in every version."
    )


def _labels(metadata: Metadata) -> str:
    totals = _totals(metadata, "labels")
    rows = [
        (label, *(f"{metadata['splits'][split]['labels'].get(label, 0):,}" for split in SPLITS), _MEANINGS[label])
        for label in LABELS
    ]
    shares = (
        "corrected, judged or given",
        *(_trusted_share(metadata["splits"][split]["labels"]) for split in SPLITS),
        "the share that somebody vouches for",
    )
    words = ""
    if totals["unverified"]:
        words = f"\n\n**{_share(totals['unverified'], totals.total())} {_UNVERIFIED}"
    return f"## Can the outputs be trusted?\n\n{_rows(('label', *SPLITS, 'meaning'), [*rows, shares])}{words}"


def _table(title: str, member: str, metadata: Metadata, names: Sequence[str]) -> str:
    totals = _totals(metadata, member)
    rows = [
        (
            _plain(name) or "(none)",
            *(f"{metadata['splits'][split][member].get(name, 0):,}" for split in SPLITS),  # type: ignore[literal-required]
            _share(totals[name], totals.total()),
        )
        for name in names
        if totals[name]
    ]
    return f"## {title}\n\n{_rows(('', *SPLITS, 'share'), rows)}" if rows else ""


def _categories(metadata: Metadata) -> str:
    totals = _totals(metadata, "categories")
    if not any(totals):  # nothing but ""
        return ""
    names = [name for name, _ in sorted(totals.items(), key=lambda item: (-item[1], item[0]))]
    told = _table("Categories", "categories", metadata, names[:_CATEGORIES])
    more = len(names) - _CATEGORIES
    return f"{told}\n\nand {more:,} more" if more > 0 else told


def _gates(manifest: Manifest) -> str:
    if not manifest["gates"]:
        return ""
    rows = [
        (
            _plain(each["gate"]),
            _verdict(each),
            _figure(each["figure"]),
            _figure(each["threshold"]),
            f"{each['set_aside']:,}",
        )
        for each in manifest["gates"]
    ]
    table = _rows(("gate", "verdict", "found", "asked for", "set aside"), rows)
    return f"## Gates\n\n{table}\n\nWhat was set aside, and why, stands in `set_aside.jsonl`."


def _verdict(gate: GateVerdict) -> str:
    if not gate["is_passed"]:
        return "**failed**"
    return "passed" if gate.get("is_judged", True) else "not judged"


def _origin(manifest: Manifest) -> str:
    rows = [
        (_plain(each["topic"]), str(each["partition"]), f"{each['first']:,}", f"{each['last']:,}")
        for each in manifest["offsets"]
    ]
    told = _rows(("topic", "partition", "first offset", "last offset"), rows) if rows else "No calls were read."
    erased = [
        f"Erased since: {each['examples']:,} examples, {each['at']} (erasure `{_plain(each['erasure_id'])}`)."
        for each in manifest.get("erased", ())
    ]
    known = f"`{manifest['fields_hash']}`" if manifest["fields_hash"] else "unknown, for there was no call"
    fields = f"Fields: {known}. {_PROVENANCE}"
    return "\n\n".join(["## Where it came from", told, *_rules(manifest), fields, *erased])


def _rules(manifest: Manifest) -> list[str]:
    """Return by which rules the calls were filtered, compared and redacted, and which program answered."""
    rows = [
        (what, _plain(name), f"{count:,}")
        for what, counts in (
            ("redaction", manifest.get("redaction_versions", {})),
            ("deduplication", manifest.get("dedup_policies", {})),
            ("program", manifest.get("module_versions", {})),
        )
        for name, count in sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:_RULES]
    ]
    told = [_rows(("rules", "version", "calls"), rows)] if rows else []
    if (asked := manifest.get("filter")) is not None and rows:
        thresholds = ", ".join(f"{name} {value}" for name, value in sorted(asked["thresholds"].items()))
        told.append(f"Filter `{_plain(asked['version'])}`, as configured when it was cut: {_plain(thresholds, 1_000)}.")
    return told


def _loading(metadata: Metadata) -> str:
    return (
        "## Loading\n\n```python\nimport headrace\n\n"
        f"trainset = headrace.load_dataset({metadata['signature']!r}, {metadata['version']!r})\n"
        f'valset = headrace.load_dataset({metadata["signature"]!r}, {metadata["version"]!r}, split="val")\n```\n\n'
        "With the signature's class in place of its name, values have its fields' types. "
        "`headrace versions export` writes the files of other libraries."
    )


def _limits(metadata: Metadata) -> str:
    missing: dict[Split, str] = {"train": _NO_TRAIN, "test": _NO_TEST}
    lines = [line for split, line in missing.items() if not metadata["splits"][split]["examples"]]
    return "\n".join((f"## Limits\n\n{_LIMITS}", *lines))


def _totals(metadata: Metadata, member: str) -> Counter[str]:
    totals: Counter[str] = Counter()
    for split in SPLITS:
        totals.update(metadata["splits"][split][member])  # type: ignore[literal-required]
    return totals


def _trusted_share(labels: Mapping[str, int]) -> str:
    return _share(sum(labels.get(label, 0) for label in _TRUSTED), sum(labels.values()))


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.1%}" if whole else "-"


def _figure(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:,.0f}" if abs(value) >= _WHOLE_FROM else f"{value:.4g}"


def _rows(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _plain(text: str, longest: int = _LONGEST) -> str:
    """Return somebody's text so that it is text in a cell of a table: one line, no markup, no control characters."""
    line = "".join(character if character.isprintable() else " " for character in text)
    return " ".join(line.replace("|", "\\|").replace("`", "'").replace("<", "&lt;").split())[:longest]
