"""What people are told of a version: its card, the report with plots, what differs between two."""
