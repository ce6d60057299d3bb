"""Alerts: the configuration's thresholds as rules for Prometheus, which watches and tells Alertmanager.

    rule, promql   rules as values; the shapes of PromQL and templates
    counted        calls and failures of each window, recorded
    quality        success rate, p99 latency, p99 cost: the document's thresholds
    burn_rate      failures that use up the error budget too fast
    consumers      do they run, keep up, read what comes, and have room
    producers      do they report, and is every record accounted for
    dataset        does it grow, and does one reason keep most out of it
    rollouts       was a candidate taken back, does one stand still, does anybody decide
    render         all of them -> one rule file
    runbook        docs/operations.md as the page that alerts link

A rule's section in docs/operations.md is "Alert <name>"; a test compares both.
"""

from headrace_consumers.metrics.alerts.rule_file import RuleFile, alerts_of, rule_file

__all__ = ["RuleFile", "alerts_of", "rule_file"]
