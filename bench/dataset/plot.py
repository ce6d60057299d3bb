"""The figures of a run as one small picture."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

__all__ = ["draw"]


def draw(figures: Sequence[Mapping[str, Any]], titles: Mapping[str, str], path: Path) -> None:
    """Write records/s and CPU seconds per 100,000 records of each way, as bars; needs matplotlib."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        print(f"{path} is not drawn: matplotlib is missing, pip install 'headrace[bench]'")
        return
    figure = Figure(figsize=(8, 0.6 + 0.35 * len(figures)), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    names = [titles[found["way"]] for found in reversed(figures)]
    colours = ["#1f6f8b" if found["way"] in {"headrace", "two"} else "#b0b7bd" for found in reversed(figures)]
    for axes, field, title, scale in (
        (left, "records_per_s", "thousand records/s", 1000),
        (right, "cpu_s_per_100k", "CPU s per 100k", 1),
    ):
        values = [found[field] / scale for found in reversed(figures)]
        bars = axes.barh(names, values, color=colours)
        axes.bar_label(bars, fmt="%.0f" if scale > 1 else "%.2f", padding=2, fontsize=8)
        axes.set_title(title, fontsize=9)
        axes.tick_params(labelsize=8)
        axes.margins(x=0.15)
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)
