"""Rows over time as a plot."""

import datetime as dt
import re
from xml.etree import ElementTree as ET

from hypothesis import given
from hypothesis import strategies as st

from headrace_consumers.ui.charts import growth_plot, sparkline

DAY = dt.date(2026, 11, 1)
DAYS = st.dictionaries(st.integers(0, 4000), st.integers(1, 10**9), min_size=1, max_size=200)


def days_of(counts):
    return [(DAY + dt.timedelta(days=day), rows) for day, rows in sorted(counts.items())]


@given(DAYS)
def test_any_days_make_a_plot_with_few_columns_that_hold_them_all(counts):
    plot = growth_plot(days_of(counts))
    ET.fromstring(plot.partition("</figcaption>")[2].removesuffix("</figure>"))
    columns = [int(each.replace(",", "")) for each in re.findall(r": ([\d,]+) rows, ", plot)]
    assert 1 <= len(columns) <= 60
    assert sum(columns) == sum(counts.values())


def test_a_gap_is_a_gap():
    plot = growth_plot([(DAY, 3), (DAY + dt.timedelta(days=2), 1)])
    assert re.findall(r"<title>(\S+): (\d) rows, (\d) since", plot) == [
        ("2026-11-01", "3", "3"), ("2026-11-02", "0", "3"), ("2026-11-03", "1", "4"),
    ]  # fmt: skip
    assert "4 rows; a column is a day, the highest has 3" in plot


def test_nothing_is_no_plot():
    assert growth_plot([]) == ""


def test_a_spark_is_of_the_last_thirty_days():
    spark = sparkline([(DAY, 5), (DAY + dt.timedelta(days=40), 7)], DAY + dt.timedelta(days=41))
    assert "7 rows in the last 30 days" in spark
    assert spark.count("<rect") == 1
    assert sparkline([], DAY).count("<rect") == 0
