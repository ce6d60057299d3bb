"""Logs of before: lines to records, to Kafka (`headrace import`) or to a table of their own (`headrace aggregate`)."""
