"""Which records become rows, and when too few do."""
