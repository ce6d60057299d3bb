"""Messages to records, by columns."""
