"""report.html of a version: the gates' verdicts, what offended, and what the version is made of, in one file.

Made of the version's own files, so that it can be made anew at any time; it is no part of the hashes. It holds no
payload: an offender is named by its id, and `headrace versions show` or the key finds the rest. It needs no network,
no script and no other file.
"""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any, Final

import polars as pl

from headrace_consumers.versions.gates.judge import NAME as JUDGE
from headrace_consumers.versions.telling.card import trust_line
from headrace_consumers.versions.telling.plots import bars, histogram, stacked
from headrace_consumers.versions.telling.report_style import STYLE
from headrace_schemas.dataset_files import DIFFICULTIES, LABELS, SPLITS
from headrace_schemas.dataset_manifest import MANIFEST, METADATA

__all__ = ["REPORT", "Drawn", "composition", "distributions", "drawn_of", "report"]

REPORT: Final = "report.html"

_SHOWN: Final = 100
"""So many offenders of a gate are listed; set_aside.jsonl has all."""

_CATEGORIES: Final = 12
_LENGTHS: Final = (0, 30, 100, 300, 1_000, 3_000, 10_000, 30_000)
_TENTHS: Final = 10


@dataclass(frozen=True, slots=True)
class Drawn:
    """The parts of the page that take the time, HTML: what was set aside, and how the examples are distributed."""

    offenders: str
    distributed: str


def drawn_of(folder: Path) -> Drawn:
    """Return the parts that need no figures of the version: a cut makes them before it holds any lock.

    Args:
        folder: of the version, with its examples and set_aside.jsonl in it. OSError and ValueError pass through.
    """
    rows = pl.concat(
        [pl.scan_parquet(folder / f"{split}.parquet", glob=False) for split in SPLITS], how="vertical_relaxed"
    )
    return Drawn(_offenders(folder / "set_aside.jsonl"), _plots("How it is distributed", distributions(rows)))


def report(folder: Path, drawn: Drawn | None = None) -> str:
    """Return the page.

    Args:
        folder: of the version, with all other files in it. OSError and ValueError pass through.
        drawn: of this folder, where it was made before.
    """
    metadata = json.loads((folder / METADATA).read_bytes())
    manifest = json.loads((folder / MANIFEST).read_bytes())
    drawn = drawn or drawn_of(folder)
    title = f"{metadata['signature']} {metadata['version']}"
    parts = [
        _head(metadata, manifest, title),
        _gates(metadata, manifest),
        _calibration(metadata),
        drawn.offenders,
        _plots("What it is made of", composition(metadata, manifest)),
        drawn.distributed,
        _origin(manifest),
    ]
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        f"<title>{escape(title)}</title><style>{STYLE}</style></head><body><main>{''.join(parts)}</main></body></html>\n"
    )


def _head(metadata: Mapping[str, Any], manifest: Mapping[str, Any], title: str) -> str:
    failed = [each["gate"] for each in manifest["gates"] if not each["is_passed"]]
    verdict = (
        f'<span class="bad">{len(failed)} of {len(manifest["gates"])} gates not passed</span>'
        if failed
        else '<span class="good">no gate failed</span>'
    )
    labels: Counter[str] = Counter()
    for split in SPLITS:
        labels.update(metadata["splits"][split]["labels"])
    sizes = ", ".join(f"{metadata['splits'][split]['examples']:,} {split}" for split in SPLITS)
    return (
        f"<h1>{escape(title)}</h1><p class=lead>{verdict}</p>"
        f"<p>{metadata['examples']:,} examples ({escape(sizes)}), cut {escape(metadata['made_at'])} "
        f"from {escape(manifest['environment'])}. Their outputs: {escape(trust_line(labels))}.</p>"
    )


def _gates(metadata: Mapping[str, Any], manifest: Mapping[str, Any]) -> str:
    said = {each["gate"]: each.get("what", "") for each in metadata.get("gates", [])}
    rows = [
        (
            escape(each["gate"]),
            _verdict(each),
            _number(each["figure"]),
            _number(each["threshold"]),
            f"{each['set_aside']:,}",
            escape(said.get(each["gate"], "")),
        )
        for each in manifest["gates"]
    ]
    head = ("gate", "verdict", "found", "asked for", "set aside", "in words")
    return f"<h2>Gates</h2>{_table(head, rows)}"


def _verdict(gate: Mapping[str, Any]) -> str:
    if not gate["is_passed"]:
        return '<span class="bad">not passed</span>'
    return '<span class="good">passed</span>' if gate.get("is_judged", True) else "not judged"


def _calibration(metadata: Mapping[str, Any]) -> str:
    """Return how the LM that judged compares with people, where one did."""
    told: dict[str, Any] = next(
        (each.get("details", {}) for each in metadata.get("gates", []) if each["gate"] == JUDGE), {}
    )
    bins = told.get("calibration", {}).get("bins")
    if not bins:
        return ""
    rows = [
        (f"{start:.1f} to {end:.1f}", f"{pairs:,}", f"{judge:.2f}", f"{people:.2f}")
        for start, end, pairs, judge, people in bins
    ]
    table = _table(("the judge said", "examples", "its mean", "people's mean"), rows)
    return f"<h2>The judge against people</h2><p>{escape(told['judge'])}</p>{table}"


def _offenders(path: Path) -> str:
    counts: Counter[str] = Counter()
    shown: dict[str, list[tuple[str, str, str]]] = {}
    if path.exists():
        with path.open("rb") as lines:  # there may be as many as examples
            for line in lines:
                each = json.loads(line)
                counts[each["gate"]] += 1
                if counts[each["gate"]] <= _SHOWN:
                    told = (escape(each["example_id"]), escape(each["source"]), escape(each["reason"]))
                    shown.setdefault(each["gate"], []).append(told)
    if not counts:
        return "<h2>What was set aside</h2><p>Nothing.</p>"
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    plot = bars("Examples set aside", [(gate, count, f"{count:,}") for gate, count in ordered])
    lists = []
    for gate, count in ordered:
        more = f"<p>{count - _SHOWN:,} more in set_aside.jsonl.</p>" if count > _SHOWN else ""
        lists.append(
            f"<details><summary>{escape(gate)}: {count:,}</summary>"
            f"{_table(('example', 'source', 'reason'), shown[gate])}{more}</details>"
        )
    return f"<h2>What was set aside</h2>{plot}{''.join(lists)}"


def composition(metadata: Mapping[str, Any], manifest: Mapping[str, Any]) -> list[str]:
    """Return plots of what a version is made of: labels, difficulties, sources, categories."""
    splits = metadata["splits"]
    sources: Counter[str] = Counter()
    categories: Counter[str] = Counter()
    for split in SPLITS:
        sources.update(splits[split]["sources"])
        categories.update(splits[split]["categories"])
    total = max(1, metadata["examples"])
    most = next((each["threshold"] for each in manifest["gates"] if each["gate"] == "source balance"), None)
    mark = None if most is None else (most * total, f"at most {most:.0%}")
    plots = [
        stacked("Who vouches for the outputs", {split: splits[split]["labels"] for split in SPLITS}, LABELS),
        stacked("Difficulty", {split: splits[split]["difficulties"] for split in SPLITS}, DIFFICULTIES),
        bars(
            "Sources",
            [(name, count, f"{count:,} ({count / total:.0%})") for name, count in sources.most_common()],
            mark=mark,
        ),
    ]
    if any(categories):
        shown = categories.most_common(_CATEGORIES)
        rest = categories.total() - sum(count for _, count in shown)
        rows = [(name or "(none)", count, f"{count:,}") for name, count in shown]
        plots.append(bars("Categories", [*rows, *([("all others", rest, f"{rest:,}")] if rest else [])]))
    return plots


def distributions(rows: pl.LazyFrame) -> list[str]:
    """Return plots of the examples' lengths and quality; `inputs`, `outputs` and `quality` are read."""
    found = rows.select(pl.col("inputs").str.len_chars(), pl.col("outputs").str.len_chars(), "quality").collect(
        engine="streaming"
    )
    edges = [f"{edge:,}" for edge in _LENGTHS] + ["more"]
    plots = [
        histogram(f"Length of {name}, characters of JSON", edges, _binned(found[name], _LENGTHS))
        for name in ("inputs", "outputs")
    ]
    quality = found["quality"].drop_nulls()
    if len(quality):
        tenths = [each / _TENTHS for each in range(_TENTHS)]
        unknown = found["quality"].null_count()
        beside = f"; unknown of {unknown:,}" if unknown else ""
        plots.append(histogram(f"Quality{beside}", [f"{each:g}" for each in [*tenths, 1.0]], _binned(quality, tenths)))
    return plots


def _plots(title: str, plots: Sequence[str]) -> str:
    return f"<h2>{title}</h2><div class=plots>{''.join(plots)}</div>"


def _binned(values: pl.Series, starts: Sequence[float]) -> list[int]:
    """Return how many values fall in each bin; the last has no end."""
    bounds = [*starts[1:], float("inf")]
    below = [int((values < bound).sum()) for bound in bounds[:-1]] + [len(values)]
    return [after - before for before, after in zip([0, *below], below, strict=False)]


def _origin(manifest: Mapping[str, Any]) -> str:
    offsets = [
        (escape(each["topic"]), str(each["partition"]), f"{each['first']:,}", f"{each['last']:,}")
        for each in manifest["offsets"]
    ]
    read = _table(("topic", "partition", "first offset", "last offset"), offsets) if offsets else "<p>No calls.</p>"
    facts = [
        ("fields", escape(manifest["fields_hash"] or "unknown")),
        ("filter, as configured then", escape(manifest.get("filter", {}).get("version", "unknown"))),
        ("deduplication", escape(", ".join(manifest.get("dedup_policies", {})) or "none")),
        ("redaction", escape(", ".join(manifest.get("redaction_versions", {})) or "none")),
        ("headrace", escape(str(manifest.get("headrace", "")))),
    ]
    return f"<h2>Where it came from</h2>{_table(('', ''), facts)}{read}"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table; the cells are HTML."""
    top = "".join(f"<th>{escape(name)}</th>" for name in head) if any(head) else ""
    body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    return f'<div class="wide"><table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table></div>'


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:,.4g}" if isinstance(value, float) else f"{value:,}"
