"""The Delta table: opening, committing, reading keys, files, and what keeps its log whole."""
