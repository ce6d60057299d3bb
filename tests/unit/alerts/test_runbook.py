"""The runbook as a page."""

import re

from headrace.config import Config
from headrace_consumers.metrics.alerts.render import anchor
from headrace_consumers.metrics.alerts.rule_file import alerts_of, groups_of
from headrace_consumers.metrics.alerts.runbook import page_of, runbook_page


def test_each_alert_has_the_place_that_it_links() -> None:
    page = runbook_page()
    places = re.findall(r'<h\d id="([^"]+)">', page)
    assert {anchor(alert.name) for alert in alerts_of(groups_of(Config()))} <= set(places)
    assert "<table>" in page


def test_no_link_leads_to_a_file_that_is_not_served() -> None:
    page = page_of("see [alerts](alerts.md), [below](#below) and [there](https://a.example)\n\n## Below\n")
    assert re.findall(r'href="([^"]+)"', page) == ["#below", "https://a.example"]
    assert "see alerts, <a" in page
    assert '<h2 id="below">Below</h2>' in page
    assert set(re.findall(r'href="(?!https?:)([^"]+)"', runbook_page())) <= {
        f"#{place}" for place in re.findall(r'id="([^"]+)"', runbook_page())
    }


def test_what_prometheus_would_take_for_a_template_stays_text() -> None:
    assert '`{{"{{"}} $labels.module }}`'.strip("`") in page_of("`{{ $labels.module }}`")
    assert "<script>" not in page_of("<script>alert()</script>")
